/* Percentiles of the last ten seconds. */
#include "daemon/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct latency latency;

static void test_percentiles(void **state)
{
	int32_t p[3];
	(void)state;
	memset(&latency, 0, sizeof latency);
	assert_false(latency_percentiles(&latency, 0, p));
	for (int i = 100; i >= 1; i--)
		latency_add(&latency, 1000, i * 10);
	assert_true(latency_percentiles(&latency, 2000, p));
	assert_int_equal(p[0], 500);
	assert_int_equal(p[1], 950);
	assert_int_equal(p[2], 990);
	memset(&latency, 0, sizeof latency);
	latency_add(&latency, 1, 7);
	assert_true(latency_percentiles(&latency, 1, p));
	assert_int_equal(p[0], 7);
	assert_int_equal(p[2], 7);
}

static void test_old_ones_leave(void **state)
{
	int32_t p[3];
	(void)state;
	memset(&latency, 0, sizeof latency);
	for (int i = 0; i < 3 * LATENCY_SAMPLES; i++)
		latency_add(&latency, i, i < 2 * LATENCY_SAMPLES ? 1 : 5);
	assert_true(latency_percentiles(&latency, 3 * LATENCY_SAMPLES, p));
	assert_int_equal(p[0], 5);
	latency_add(&latency, 20000000, 9);
	assert_true(latency_percentiles(&latency, 20000000, p));
	assert_int_equal(p[0], 9);
	assert_false(latency_percentiles(&latency, 20000000 + LATENCY_SPAN_US + 1, p));
	latency_add(&latency, 40000000, -3); /* a clock that jumps */
	assert_true(latency_percentiles(&latency, 40000000, p));
	assert_int_equal(p[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_percentiles), cmocka_unit_test(test_old_ones_leave)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
