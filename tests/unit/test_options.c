/* The option table: every row reads what it says, refuses what it cannot, and is shown. */
#define _GNU_SOURCE
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct options options;
static struct error error;

static enum status parse(const char *line)
{
	char copy[512], *argv[40] = {"midibertd"};
	int argc = 1;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	options_free(&options);
	assert_int_equal(options_init(&options, &error), STATUS_OK);
	enum status status = options_parse(&options, argc, argv, 1, &error);
	return status == STATUS_OK ? options_check(&options, &error) : status;
}

static void refuses(const char *line, const char *named)
{
	assert_int_equal(parse(line), STATUS_USAGE);
	if (!strstr(error.text, named))
		fail_msg("%s: \"%s\" does not name %s", line, error.text, named);
}

static void test_presets(void **state)
{
	(void)state;
	assert_int_equal(parse(""), STATUS_OK);
	assert_int_equal(options.source, SOURCE_KIND_AUTO);
	assert_int_equal(options.action, ACTION_RUN);
	assert_int_equal(options.osc.count, 1);
	assert_string_equal(options.osc.text[0], "127.0.0.1:57120");
	assert_string_equal(options.control, "127.0.0.1:9109");
	assert_int_equal(options.window, 256);
	assert_int_equal(options.key_high, 127);
	assert_true(options.speed == 1);
	assert_false(options_is_given(&options, "window"));
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("--source file:a:b.mid --speed 0.5 --loop --keys 21-108 --channel 16 --window=300 --gather 12.5"),
	    STATUS_OK);
	assert_int_equal(options.source, SOURCE_KIND_FILE);
	assert_string_equal(options.path, "a:b.mid");
	assert_true(options.speed == 0.5);
	assert_true(options.loop);
	assert_int_equal(options.key_low, 21);
	assert_int_equal(options.key_high, 108);
	assert_int_equal(options.channel, 16);
	assert_int_equal(options.window, 300);
	assert_true(options_is_given(&options, "window"));
	assert_int_equal(options.gather_us, 12500);
	assert_int_equal(parse("--budget 2.5"), STATUS_OK);
	assert_int_equal(options.budget_us, 2500);
	assert_int_equal(
	    parse("--osc 10.0.0.1:9000 --osc [::1]:9001 --allow 10.0.0.0/8 --connect a --connect b* --ignore c "
		  "--osc-timing bundle --decide 0 --final-after 1e3 --tempo 96 --grid fixed --control 127.0.0.1:0 "
		  "--backend openblas --model m --print"),
	    STATUS_OK);
	assert_int_equal(options.osc.count, 2); /* the preset is replaced */
	assert_string_equal(options.osc.text[1], "[::1]:9001");
	assert_int_equal(options.connect.count, 2);
	assert_null(options.connect.text[2]);
	assert_int_equal(options.final_after_us, 1000000);
	assert_true(options.tempo == 96);
	assert_true(options.bundle);
	assert_true(options.print);
	assert_int_equal(parse("--list-osc"), STATUS_OK);
	assert_int_equal(options.action, ACTION_LIST_OSC);
	assert_int_equal(parse("-h"), STATUS_OK);
	assert_int_equal(options.action, ACTION_HELP);
}

static void test_layers(void **state)
{
	(void)state;
	assert_int_equal(parse(""), STATUS_OK);
	assert_int_equal(options_set(&options, "osc", "127.0.0.1:1", 1, &error), STATUS_OK);
	assert_int_equal(options_set(&options, "osc", "127.0.0.1:2", 1, &error), STATUS_OK);
	assert_int_equal(options.osc.count, 2);
	assert_int_equal(options_set(&options, "osc", "127.0.0.1:3", 2, &error), STATUS_OK);
	assert_int_equal(options.osc.count, 1);
	assert_string_equal(options.osc.text[0], "127.0.0.1:3");
	assert_int_equal(options_set(&options, "loop", "yes", 2, &error), STATUS_OK);
	assert_true(options.loop);
	assert_int_equal(options_set(&options, "loop", "no", 3, &error), STATUS_OK);
	assert_false(options.loop);
	for (int i = 0; i < OPTION_LIST_MAX; i++)
		assert_int_equal(options_set(&options, "connect", "x", 5, &error), STATUS_OK);
	assert_int_equal(options_set(&options, "connect", "x", 5, &error), STATUS_USAGE);
	assert_int_equal(options_set(&options, "help", "yes", 5, &error), STATUS_USAGE);
	assert_int_equal(options_set(&options, "loop", "maybe", 5, &error), STATUS_USAGE);
}

static void test_refusals(void **state)
{
	static const char *const lines[][2] = {
	    {"--bogus", "--bogus"},
	    {"--prin", "--prin"}, /* an abbreviation may mean something else tomorrow */
	    {"--print=yes", "--print"},
	    {"--osc", "--osc"},
	    {"-x", "-x"},
	    {"word", "word"},
	    {"--source tape", "tape"},
	    {"--source file:", "file:"},
	    {"--osc nonsense", "nonsense"},
	    {"--osc 127.0.0.1:0", "127.0.0.1:0"},
	    {"--control nowhere", "nowhere"},
	    {"--allow 10.0.0.0/99", "10.0.0.0/99"},
	    {"--channel 17", "17"},
	    {"--channel 0", "channel"},
	    {"--keys 5", "5"},
	    {"--keys 90-20", "90-20"},
	    {"--keys 0-128", "0-128"},
	    {"--window 5", "5"},
	    {"--window 12x", "12x"},
	    {"--window 99999999999999999999", "window"},
	    {"--gather -1", "-1"},
	    {"--budget 2000", "2000"},
	    {"--budget soon", "soon"},
	    {"--gather nan", "nan"},
	    {"--decide inf", "inf"},
	    {"--decide 3600001", "3600001"},
	    {"--final-after 3600001", "3600001"},
	    {"--tempo 15", "15"},
	    {"--grid round", "round"},
	    {"--backend cuda", "cuda"},
	    {"--record-report", "--record DIR"},
	    {"--record takes --source file:a --speed 0", "speed 0"},
	    {"--take-pause -1", "take-pause"},
	    {"--take-pedal left", "sostenuto"},
	    {"--record takes --record-limit 0", "record-limit"},
	    {"--osc-timing late", "late"},
	    {"--speed 2", "speed"},
	    {"--loop", "loop"},
	    {"--source jack --grid file", "grid file"},
	    {"--source file:x --grid clock", "grid clock"},
	    {"--source file:x --grid jack", "grid jack"},
	    {"--source alsa --grid jack", "grid jack"},
	    {"--source file:x --grid file --tempo 90", "tempo"},
	    {"--source file:x --speed 0 --gather 5", "gather"},
	    {"--source file:x --speed -1", "-1"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		refuses(lines[i][0], lines[i][1]);
}

static void test_find_config(void **state)
{
	char *argv[] = {"midibertd", "--model", "--config", "--print", "--config", "here", NULL};
	char *joined[] = {"midibertd", "--config=there", NULL};
	(void)state;
	assert_string_equal(options_find_config(6, argv), "here"); /* the first is the value of --model */
	assert_string_equal(options_find_config(2, joined), "there");
	assert_null(options_find_config(1, argv));
}

/* Each row is shown by --help if this version can do it, and only then. */
static void test_help(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	(void)state;
	options_help(file);
	fclose(file);
	for (size_t i = 0; i < option_count; i++) {
		char flag[40];
		snprintf(flag, sizeof flag, "  --%s", option_table[i].name);
		assert_int_equal(strstr(text, flag) != NULL, option_table[i].help != NULL);
	}
	free(text);
}

/* What --check-config shows reads back as the same. */
static void test_print_reads_back(void **state)
{
	char *text[2] = {NULL, NULL};
	size_t size;
	(void)state;
	assert_int_equal(
	    parse("--source file:x.mid --speed 2 --osc 127.0.0.1:7 --osc 127.0.0.1:8 --tempo 99.5 --keys 1-2 --ignore q "
		  "--channel 3 --gather 0.5 --loop --model m --osc-timing bundle"),
	    STATUS_OK);
	for (int pass = 0; pass < 2; pass++) {
		FILE *file = open_memstream(&text[pass], &size);
		options_print(&options, file);
		fclose(file);
		if (pass == 1)
			break;
		assert_int_equal(parse(""), STATUS_OK);
		char *copy = strdup(text[0]), *rest = copy;
		for (char *line; (line = strsep(&rest, "\n")) && line[0] != '\0';) {
			char *equals = strstr(line, " = ");
			assert_non_null(equals);
			*equals = '\0';
			assert_int_equal(options_set(&options, line, equals + 3, 1, &error), STATUS_OK);
		}
		free(copy);
	}
	assert_string_equal(text[0], text[1]);
	free(text[0]);
	free(text[1]);
}

static int end(void **state)
{
	(void)state;
	options_free(&options);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_presets),	     cmocka_unit_test(test_values),	 cmocka_unit_test(test_layers),
	    cmocka_unit_test(test_refusals),	     cmocka_unit_test(test_find_config), cmocka_unit_test(test_help),
	    cmocka_unit_test(test_print_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, end);
}
