/* The beat grid: where bars begin, which signature and tempo are in force. 16 ticks a quarter: a tick is a position. */
#include "stream/grid.h"
#include "tests/support/midi_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct grid *grid_of(const char *events, unsigned division, size_t *clamped)
{
	struct midi_bytes midi;
	struct error error = {0};
	struct smf *file;
	struct grid *grid;

	midi_header(&midi, 0, 1, division);
	midi_track(&midi, events);
	if (smf_parse(midi.bytes, midi.size, "test.mid", &file, &error))
		fail_msg("%s", error.text);
	grid = grid_new_file(file, clamped);
	smf_free(file);
	assert_non_null(grid);
	return grid;
}

static void assert_place(const struct grid *grid, int64_t position, int64_t bar, int in_bar, int signature)
{
	struct place place = grid_place(grid, position);

	if (place.bar != bar || place.position != in_bar || place.time_signature != signature)
		fail_msg("position %lld is at %lld:%d, signature %d, not at %lld:%d, %d", (long long)position,
			 (long long)place.bar, place.position, place.time_signature, (long long)bar, in_bar, signature);
}

static void test_defaults(void **state)
{
	struct grid *grid = grid_of("", 16, NULL);

	(void)state;
	assert_place(grid, 0, 0, 0, 9);
	assert_place(grid, 63, 0, 63, 9);
	assert_place(grid, 64, 1, 0, 9);
	assert_place(grid, 64 * 1000 + 5, 1000, 5, 9);
	assert_int_equal(grid_place(grid, 0).tempo, 35);
	assert_true(grid_bpm(grid, 0) == 120);
	grid_free(grid);
}

/* 3/4 (bars at 0, 48), then 4/4 at 50: bar 1 keeps its 48 and ends at 96, but its notes from 50 on are said to be in 4/4. */
static void test_change_inside_a_bar(void **state)
{
	struct grid *grid = grid_of("00 ff 58 04 03 02 18 08  32 ff 58 04 04 02 18 08", 16, NULL);

	(void)state;
	assert_place(grid, 47, 0, 47, 8);
	assert_place(grid, 49, 1, 1, 8);
	assert_place(grid, 50, 1, 2, 9);
	assert_place(grid, 95, 1, 47, 9);
	assert_place(grid, 96, 2, 0, 9);
	assert_place(grid, 159, 2, 63, 9);
	assert_place(grid, 160, 3, 0, 9);
	assert_place(grid, 0, 0, 0, 8); /* positions may come in any order */
	grid_free(grid);
}

/* At 64, a bar line: acts at once. */
static void test_change_on_a_bar_line(void **state)
{
	struct grid *grid = grid_of("40 ff 58 04 02 02 18 08", 16, NULL);

	(void)state;
	assert_place(grid, 63, 0, 63, 9);
	assert_place(grid, 64, 1, 0, 7);
	assert_place(grid, 96, 2, 0, 7);
	grid_free(grid);
}

/* 3/4 at 10 and 2/4 at 20 both wait for the bar line at 64: the later one has it. */
static void test_two_changes_in_a_bar(void **state)
{
	struct grid *grid = grid_of("0a ff 58 04 03 02 18 08  0a ff 58 04 02 02 18 08", 16, NULL);

	(void)state;
	assert_place(grid, 15, 0, 15, 8);
	assert_place(grid, 25, 0, 25, 7);
	assert_place(grid, 64, 1, 0, 7);
	assert_place(grid, 96, 2, 0, 7);
	grid_free(grid);
}

/* 3/4 at 10 waits for 64; 2/4 stands at 64 itself and has that bar. */
static void test_change_waiting_and_on_the_line(void **state)
{
	struct grid *grid = grid_of("0a ff 58 04 03 02 18 08  36 ff 58 04 02 02 18 08", 16, NULL);

	(void)state;
	assert_place(grid, 63, 0, 63, 8);
	assert_place(grid, 64, 1, 0, 7);
	assert_place(grid, 95, 1, 31, 7);
	assert_place(grid, 96, 2, 0, 7);
	grid_free(grid);
}

/* At 480 ticks a quarter, ticks 46 and 50 both round to position 2 (1.53, 1.67): the last one counts, and not before 2. */
static void test_last_at_a_position_wins(void **state)
{
	struct grid *grid = grid_of("00 ff 58 04 03 02 18 08  00 ff 58 04 02 02 18 08"
				    "2e ff 51 03 03 d0 90  04 ff 51 03 0f 42 40",
				    480, NULL);

	(void)state;
	assert_place(grid, 0, 0, 0, 7);
	assert_place(grid, 32, 1, 0, 7);
	assert_int_equal(grid_place(grid, 1).tempo, 35);
	assert_int_equal(grid_place(grid, 2).tempo, 23); /* 1000000 us: 60 bpm */
	assert_true(grid_bpm(grid, 1) == 120);
	assert_true(grid_bpm(grid, 2) == 60);
	grid_free(grid);
}

static void test_longest_and_shortest_bars(void **state)
{
	size_t clamped = 99;
	struct grid *grid = grid_of("00 ff 58 04 02 00 18 08", 16, &clamped); /* 2/1 */

	(void)state;
	assert_int_equal(clamped, 0);
	assert_place(grid, 127, 0, 127, 1);
	assert_place(grid, 128, 1, 0, 1);
	grid_free(grid);
	grid = grid_of("00 ff 58 04 01 07 18 08  10 ff 58 04 00 02 18 08", 16, &clamped); /* 1/128 and 0/4 */
	assert_int_equal(clamped, 2);
	assert_place(grid, 7, 7, 0, 126);
	assert_place(grid, 16, 16, 0, 6); /* taken as 1/4 */
	assert_place(grid, 32, 17, 0, 6);
	grid_free(grid);
}

/* A tempo of zero microseconds is the fastest there is. SMPTE time is 120 whatever tempo events say. */
static void test_odd_tempos(void **state)
{
	struct grid *grid = grid_of("00 ff 51 03 00 00 00", 16, NULL);

	(void)state;
	assert_int_equal(grid_place(grid, 0).tempo, 48);
	grid_free(grid);
	grid = grid_of("00 ff 51 03 0f 42 40", 0xe728, NULL);
	assert_int_equal(grid_place(grid, 0).tempo, 35);
	grid_free(grid);
}

static void test_file_positions(void **state)
{
	struct grid *grid = grid_of("", 16, NULL);
	struct event event = {.event_us = 5000000, .position = 77};

	(void)state;
	grid_reset(grid, 1000000);
	assert_int_equal(grid_position(grid, &event), 77);
	event.position = -1;
	assert_int_equal(grid_position(grid, &event), 0);
	grid_free(grid);
}

/* 60 bpm: 16 positions a second, 62500 us each. */
static void test_fixed(void **state)
{
	static const int64_t table[][2] = {{0, 0},	  {31250, 0},	 {31251, 1}, {93750, 2},      {156250, 2},
					   {1000000, 16}, {4000000, 64}, {-1, 0},    {-1000000000, 0}};
	struct grid *grid = grid_new_fixed(60);
	struct event event = {.position = -1};

	(void)state;
	assert_non_null(grid);
	grid_reset(grid, 7000000);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		event.event_us = 7000000 + table[i][0];
		assert_int_equal(grid_position(grid, &event), table[i][1]);
	}
	event.event_us = INT64_MAX; /* a clock that jumps */
	assert_true(grid_place(grid, grid_position(grid, &event)).bar > 0);
	assert_place(grid, 64, 1, 0, 9);
	assert_int_equal(grid_place(grid, 0).tempo, 23);
	grid_free(grid);
	grid = grid_new_fixed(1000);
	assert_true(grid_bpm(grid, 0) == 256);
	grid_free(grid);
	grid = grid_new_fixed(-3);
	assert_true(grid_bpm(grid, 0) == 16);
	grid_free(grid);
	grid_free(NULL);
}

/* Another tempo while it runs: the position stays where it is and goes on at the new pace; bars never jump. */
static void test_set_bpm(void **state)
{
	struct grid *grid = grid_new_fixed(60);
	struct event event = {.position = -1};

	(void)state;
	grid_reset(grid, 1000000);
	grid_set_bpm(grid, 120, 5000000);
	event.event_us = 5000000;
	assert_int_equal(grid_position(grid, &event), 64); /* four seconds at 60 bpm */
	event.event_us = 6000000;
	assert_int_equal(grid_position(grid, &event), 96);
	assert_true(grid_bpm(grid, 96) == 120);
	assert_int_equal(grid_place(grid, 96).tempo, 35);
	grid_set_bpm(grid, 300, 6000000);
	assert_true(grid_bpm(grid, 96) == 120);
	grid_free(grid);
	grid = grid_of("", 16, NULL);
	grid_set_bpm(grid, 60, 0);
	assert_true(grid_bpm(grid, 0) == 120); /* a file's grid is the file's */
	grid_free(grid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_change_inside_a_bar),
	    cmocka_unit_test(test_change_on_a_bar_line),
	    cmocka_unit_test(test_two_changes_in_a_bar),
	    cmocka_unit_test(test_change_waiting_and_on_the_line),
	    cmocka_unit_test(test_last_at_a_position_wins),
	    cmocka_unit_test(test_longest_and_shortest_bars),
	    cmocka_unit_test(test_odd_tempos),
	    cmocka_unit_test(test_file_positions),
	    cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_set_bpm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
