/* Every backend that runs here against the naive product, and the choice among them. */
#include "base/random.h"
#include "model/backend.h"
#include "tests/support/backend_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_products(void **state)
{
	const struct backend *backend;
	int ran = 0;
	(void)state;
	for (int i = 0; (backend = backend_at(i)); i++) {
		if (!backend_runs(backend)) {
			print_message("%s: %s\n", backend->name, backend->missing());
			continue;
		}
		assert_true(check_backend(backend));
		ran++;
	}
	assert_true(ran >= 3); /* OpenBLAS and plain C are everywhere */
}

static const struct backend *found(const char *name)
{
	const struct backend *backend = NULL;
	struct error error = {0};
	if (backend_find(name, &backend, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return backend;
}

static void test_choice(void **state)
{
	const struct backend *backend, *none = NULL;
	struct error error = {0};
	char text[200];
	int absent = 0;
	(void)state;
	assert_ptr_equal(found("openblas"), backend_reference());
	assert_string_equal(found("fp32")->precision, "fp32");
	assert_string_equal(found("int8")->precision, "int8");
	assert_true(backend_runs(found("auto")));
	for (int i = 0; (backend = backend_at(i)); i++) {
		backend_tell(backend, text, sizeof text);
		assert_non_null(strstr(text, backend->name));
		assert_ptr_equal(backend_name(backend->name), backend->name);
		if (backend_runs(backend)) {
			assert_ptr_equal(found(backend->name), backend);
			continue;
		}
		/* what is not here is refused with what it lacks and what is */
		assert_int_equal(backend_find(backend->name, &none, &error), STATUS_UNSUPPORTED);
		assert_non_null(strstr(error.text, backend->missing()));
		assert_non_null(strstr(error.text, "openblas"));
		assert_non_null(strstr(text, backend->missing()));
		absent++;
	}
	assert_true(absent > 0); /* NEON and AVX are never in one CPU */
	assert_null(backend_name("abacus"));
	assert_int_equal(backend_find("abacus", &none, &error), STATUS_USAGE);
	assert_non_null(strstr(error.text, "openblas"));
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_products),
	    cmocka_unit_test(test_choice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
