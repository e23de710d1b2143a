/* MIDI clock and taps to a line through time: steady and jittery ticks, jumps, stops, song positions, notes that agree. */
#include "base/random.h"
#include "stream/clock_follow.h"
#include "stream/tap.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct clock_follow source;
static double now_us;

/* Ticks at a tempo, each off by up to so much. */
static void tick(int count, double bpm, double jitter_us)
{
	struct random random = {.key = 5, .index = (uint64_t)now_us};

	for (int i = 0; i < count; i++) {
		now_us += 60e6 / bpm / CLOCK_TICKS_PER_QUARTER;
		double off = (2 * random_uniform(&random) - 1) * jitter_us;
		clock_follow_take(&source, CLOCK_TICK, -1, (int64_t)(now_us + off));
	}
}

static void say(enum clock_status status, int64_t position)
{
	clock_follow_take(&source, (uint8_t)status, position, (int64_t)now_us);
}

static struct beat_line line_now(void)
{
	struct beat_line line;

	assert_true(clock_follow_line(&source, (int64_t)now_us, &line));
	return line;
}

static void assert_near(double value, double wanted, double most)
{
	if (fabs(value - wanted) > most)
		fail_msg("%g is not %g, give or take %g", value, wanted, most);
}

static int begin(void **state)
{
	(void)state;
	memset(&source, 0, sizeof source);
	now_us = 1e6;
	return 0;
}

static void test_steady(void **state)
{
	struct beat_line line;

	(void)state;
	say(CLOCK_START, -1);
	tick(3, 120, 0);
	assert_false(clock_follow_line(&source, (int64_t)now_us, &line)); /* too few say nothing */
	tick(94, 120, 0); /* tick 0 is position 0: 97 ticks are four quarters */
	line = line_now();
	assert_near(line.bpm, 120, 0.01);
	assert_near(beat_line_quarters(&line, (int64_t)now_us), 0, 0.001);
	assert_int_equal(line.numerator, 4);
	assert_near(line.confidence, 1, 0);
	tick(60, 120, 0);
	line = line_now();
	assert_near(beat_line_quarters(&line, (int64_t)now_us), 2.5, 0.001);
}

/* Ticks that tremble by 2 ms: the line and the tempo that is shown do not. */
static void test_jitter(void **state)
{
	double most = 0, widest = 0;

	(void)state;
	say(CLOCK_START, -1);
	tick(97, 100, 2000);
	for (int i = 1; i <= 480; i++) {
		tick(1, 100, 2000);
		struct beat_line line = line_now();
		double off = fabs(beat_line_quarters(&line, (int64_t)now_us) - fmod(i / 24.0, 4));
		most = fmax(most, off > 2 ? fabs(off - 4) : off);
		widest = fmax(widest, fabs(line.shown_bpm - 100));
	}
	assert_true(most < 0.0025); /* 1.5 ms, of ticks that are 2 ms off */
	assert_true(widest < 0.35);
}

/* Within a beat of a jump the line is the new one. */
static void test_jump(void **state)
{
	const double tempi[] = {160, 90, 240, 60, 63};

	(void)state;
	say(CLOCK_START, -1);
	tick(49, 120, 500);
	for (size_t i = 0; i < sizeof tempi / sizeof *tempi; i++) {
		tick(24, tempi[i], 500);
		struct beat_line line = line_now();
		assert_near(line.bpm, tempi[i], 0.02 * tempi[i]);
		assert_near(beat_line_quarters(&line, (int64_t)now_us), 3, 0.03); /* four quarters a round */
		tick(24 * 3, tempi[i], 500);
	}
}

/* Slowing down by a third over two bars: never far off. */
static void test_ritardando(void **state)
{
	(void)state;
	say(CLOCK_START, -1);
	tick(97, 120, 300);
	for (int i = 0; i < 192; i++) {
		tick(1, 120 - 40.0 * i / 192, 300);
		struct beat_line line = line_now();
		double off = beat_line_quarters(&line, (int64_t)now_us) - fmod((i + 1) / 24.0, 4);
		assert_near(off > 2 ? off - 4 : off < -2 ? off + 4 : off, 0, 0.04);
	}
}

static void test_stop_and_timeout(void **state)
{
	struct beat_line line;

	(void)state;
	assert_int_equal(clock_follow_deadline(&source), INT64_MAX); /* never started */
	say(CLOCK_START, -1);
	tick(49, 120, 0);
	line_now();
	assert_int_equal(clock_follow_deadline(&source), (int64_t)now_us + CLOCK_TIMEOUT_US + 1);
	assert_true(clock_follow_line(&source, (int64_t)now_us + CLOCK_TIMEOUT_US, &line));
	assert_false(clock_follow_line(&source, (int64_t)now_us + CLOCK_TIMEOUT_US + 1, &line)); /* the cable is out */
	tick(24, 120, 0);
	line_now();
	say(CLOCK_STOP, -1);
	assert_false(clock_follow_line(&source, (int64_t)now_us, &line));
	tick(48, 120, 0); /* it ticks on while stopped: nothing follows from that */
	assert_false(clock_follow_line(&source, (int64_t)now_us, &line));
}

/* Stopped after three quarters and two ticks, continued there; then from bar 5, beat 2; and moved only while stopped. */
static void test_song_position(void **state)
{
	struct beat_line line;

	(void)state;
	say(CLOCK_START, -1);
	tick(3 * 24 + 2, 120, 0);
	say(CLOCK_STOP, -1);
	tick(31, 120, 0);
	say(CLOCK_CONTINUE, -1);
	tick(1, 120, 0); /* song position 3 quarters and 2 ticks */
	line = line_now();
	assert_near(beat_line_quarters(&line, (int64_t)now_us), 3 + 2 / 24.0, 0.001);
	say(CLOCK_SONG_POSITION, 0);
	tick(1, 120, 0);
	line = line_now();
	assert_near(beat_line_quarters(&line, (int64_t)now_us), 3 + 3 / 24.0, 0.001);
	say(CLOCK_STOP, -1);
	say(CLOCK_SONG_POSITION, (5 * 4 + 2) * 16);
	tick(7, 120, 0);
	say(CLOCK_CONTINUE, -1);
	tick(13, 120, 0);
	line = line_now();
	assert_near(beat_line_quarters(&line, (int64_t)now_us), 2.5, 0.001);
	say(CLOCK_START, -1); /* from the top, without a stop */
	tick(1, 120, 0);
	line = line_now();
	assert_near(beat_line_quarters(&line, (int64_t)now_us), 0, 0.001);
}

/* A clock that nobody started is believed when notes keep to it, and only then. */
static void test_notes_agree(void **state)
{
	struct random random = {.key = 9, .index = 0};
	struct beat_line line;

	(void)state;
	tick(24, 120, 200);
	for (int i = 0; i < 40; i++) {
		tick(6, 120, 200);
		clock_follow_note(&source, 1, (int64_t)(now_us + 20e3 * random_uniform(&random) * 6));
		assert_false(clock_follow_line(&source, (int64_t)now_us, &line));
	}
	for (int i = 0; i < 24; i++) { /* eighths, the stronger ones 6 ticks after the count began, 4 ms late */
		tick(12, 120, 200);
		clock_follow_note(&source, i % 2 ? 0.5 : 2, (int64_t)now_us + 4000);
	}
	assert_true(clock_follow_line(&source, (int64_t)now_us, &line));
	assert_near(line.bpm, 120, 1);
	double quarters = beat_line_quarters(&line, (int64_t)now_us + 4000); /* the last one was weak: between two beats */
	assert_near(quarters - floor(quarters), 0.5, 0.03);
	assert_true(line.confidence < 1);
}

static void test_bursts(void **state)
{
	(void)state;
	say(CLOCK_START, -1);
	for (int i = 0; i < 100; i++) { /* two at once, as a slow link hands them on */
		now_us += 2 * 60e6 / 120 / 24;
		clock_follow_take(&source, CLOCK_TICK, -1, (int64_t)now_us);
		clock_follow_take(&source, CLOCK_TICK, -1, (int64_t)now_us);
	}
	assert_near(line_now().bpm, 120, 1.5);
	for (int i = 0; i < 1000; i++) /* a flood at one moment must not divide by nothing */
		clock_follow_take(&source, CLOCK_TICK, -1, (int64_t)now_us);
	struct beat_line line;
	clock_follow_line(&source, (int64_t)now_us, &line);
	clock_follow_take(&source, CLOCK_TICK, -1, (int64_t)now_us - 5000000); /* and time that goes back is held */
	clock_follow_take(&source, 0x77, -1, (int64_t)now_us);
}

static void test_taps(void **state)
{
	struct tap tap = {0};
	struct beat_line line;

	(void)state;
	tap_take(&tap, 1000000);
	assert_false(tap_line(&tap, &line));
	tap_take(&tap, 1600000);
	assert_true(tap_line(&tap, &line));
	assert_near(line.bpm, 100, 0.01);
	assert_near(line.quarters, 1, 0);
	double first = line.confidence;
	tap_take(&tap, 1650000); /* a bounce */
	tap_take(&tap, 2200000);
	tap_take(&tap, 2800000);
	assert_true(tap_line(&tap, &line));
	assert_near(line.bpm, 100, 0.01);
	assert_near(line.quarters, 3, 0);
	assert_true(line.confidence > first);
	tap_take(&tap, 3410000); /* a little late: the line takes a part of it */
	tap_line(&tap, &line);
	assert_near(line.bpm, 99, 1);
	assert_near((double)line.at_us, 3406000, 3000);
	assert_near(line.quarters, 0, 0);
	tap_take(&tap, 20000000); /* long after: another row, the old tempo until it has one, its first tap is beat 0 */
	assert_true(tap_line(&tap, &line));
	assert_near(line.bpm, 99, 1);
	assert_near(line.quarters, 0, 0);
	tap_take(&tap, 20300000);
	tap_line(&tap, &line);
	assert_near(line.bpm, 200, 0.01);
	assert_near(line.quarters, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_steady, begin),
	    cmocka_unit_test_setup(test_jitter, begin),
	    cmocka_unit_test_setup(test_jump, begin),
	    cmocka_unit_test_setup(test_ritardando, begin),
	    cmocka_unit_test_setup(test_stop_and_timeout, begin),
	    cmocka_unit_test_setup(test_song_position, begin),
	    cmocka_unit_test_setup(test_notes_agree, begin),
	    cmocka_unit_test_setup(test_bursts, begin),
	    cmocka_unit_test(test_taps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
