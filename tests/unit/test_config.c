/* Configuration files: what is read, in which order, and how a bad one is named. */
#define _GNU_SOURCE
#include "daemon/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct options options;
static struct error error;

static enum status parse(const char *text)
{
	options_free(&options);
	assert_int_equal(options_init(&options, &error), STATUS_OK);
	return config_parse(text, strlen(text), "a.conf", &options, 1, &error);
}

static void refuses(const char *text, const char *where, const char *what)
{
	assert_int_equal(parse(text), STATUS_USAGE);
	if (!strstr(error.text, where) || !strstr(error.text, what))
		fail_msg("\"%s\" does not say %s and %s", error.text, where, what);
}

static void test_reads(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("# a comment\n; another\n\n[midibertd]\ndecide = 60\nosc = 127.0.0.1:5000\nosc=127.0.0.1:5001 ; two\n"
		  "print = yes\nsource: file:/a b/c.mid\r\nkeys = 21-108"),
	    STATUS_OK);
	assert_int_equal(options.decide_us, 60000);
	assert_int_equal(options.osc.count, 2);
	assert_string_equal(options.osc.text[1], "127.0.0.1:5001");
	assert_true(options.print);
	assert_string_equal(options.path, "/a b/c.mid");
	assert_int_equal(options.key_low, 21);
	assert_int_equal(parse(""), STATUS_OK);
}

static void test_refuses(void **state)
{
	char line[1000];
	(void)state;
	refuses("decide = 60\nwindom = 5\n", "a.conf, line 2", "windom");
	refuses("\n\nwindow = many\n", "a.conf, line 3", "many");
	refuses("decide = 60\nrubbish\n", "a.conf, line 2", "key = value");
	refuses("[engine]\nwindow = 300\n", "a.conf, line 2", "[midibertd]");
	refuses("version = yes\n", "line 1", "version");
	refuses("loop = 1\n", "line 1", "yes or no");
	snprintf(line, sizeof line, "decide = 60\nconnect = %0900d\n", 1);
	refuses(line, "line 2", "too long");
	assert_int_equal(config_parse("decide = 1\0 2", 13, "a.conf", &options, 1, &error), STATUS_USAGE);
	assert_non_null(strstr(error.text, "zero byte"));
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[300];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_order(void **state)
{
	char base[] = "/tmp/test_config.XXXXXX", folder[200], path[300];
	int layer = 0;
	(void)state;
	assert_non_null(mkdtemp(base));
	snprintf(folder, sizeof folder, "%s/midibertd", base);
	assert_int_equal(mkdir(folder, 0700), 0);
	setenv("XDG_CONFIG_HOME", base, 1);
	write_file(folder, "midibertd.conf", "decide = 1\nosc = 127.0.0.1:1\nosc = 127.0.0.1:2\nwindow = 400\n");
	snprintf(path, sizeof path, "%s/conf.d", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(path, "20.conf", "decide = 3\n");
	write_file(path, "10.conf", "decide = 2\nosc = 127.0.0.1:3\n");
	write_file(path, "30.disabled", "decide = 4\n");
	options_free(&options);
	assert_int_equal(options_init(&options, &error), STATUS_OK);
	assert_int_equal(config_read_all(NULL, &options, &layer, &error), STATUS_OK);
	assert_true(layer >= 3);
	assert_int_equal(options.decide_us, 3000);
	assert_int_equal(options.window, 400);
	assert_int_equal(options.osc.count, 1);
	assert_string_equal(options.osc.text[0], "127.0.0.1:3");
	char *argv[] = {"midibertd", "--decide", "9", NULL};
	assert_int_equal(options_parse(&options, 3, argv, layer + 1, &error), STATUS_OK);
	assert_int_equal(options.decide_us, 9000);

	/* --config alone: the others are not looked at. */
	write_file(base, "only.conf", "decide = 7\n");
	snprintf(path, sizeof path, "%s/only.conf", base);
	options_free(&options);
	assert_int_equal(options_init(&options, &error), STATUS_OK);
	assert_int_equal(config_read_all(path, &options, &layer, &error), STATUS_OK);
	assert_int_equal(options.decide_us, 7000);
	assert_int_equal(options.window, 256);
	snprintf(path, sizeof path, "%s/none.conf", base);
	assert_int_equal(config_read_all(path, &options, &layer, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "none.conf"));

	/* A broken drop-in is named. */
	snprintf(path, sizeof path, "%s/conf.d", folder);
	write_file(path, "20.conf", "decide = soon\n");
	assert_int_equal(config_read_all(NULL, &options, &layer, &error), STATUS_USAGE);
	assert_non_null(strstr(error.text, "20.conf, line 1"));
	snprintf(path, sizeof path, "rm -r %s", base);
	assert_int_equal(system(path), 0);
}

static int end(void **state)
{
	(void)state;
	options_free(&options);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads), cmocka_unit_test(test_refuses),
					   cmocka_unit_test(test_order)};
	return cmocka_run_group_tests(tests, NULL, end);
}
