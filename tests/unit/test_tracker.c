/* The beat tracker's hypotheses on made streams, with a network made by hand that holds loud onsets for beats and low ones
 * for downbeats: what is tested is how hypotheses compete, not what training taught. */
#include "base/random.h"
#include "stream/tracker.h"

#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define UNITS 2
#define INPUT_LOW 6	/* rhythm_ear.c: (lowest pitch - 48) / 24 */
#define INPUT_LOUDEST 8 /* loudest / 64 - 1 */
#define BEATS_MAX 4096

static float input[RHYTHM_INPUTS * 3 * UNITS], input_bias[3 * UNITS], recurrent[UNITS * 3 * UNITS], recurrent_bias[UNITS];
static float output[UNITS * RHYTHM_OUTPUTS], output_bias[RHYTHM_OUTPUTS];
static const struct rhythm_network network = {UNITS, input, input_bias, recurrent, recurrent_bias, output, output_bias};
static struct tracker *tracker;
static struct tracker_beat beats[BEATS_MAX];
static int count;
static int64_t now_us;
static int32_t id;

static int make_network(void **state)
{
	(void)state;
	input_bias[UNITS] = input_bias[UNITS + 1] = -20;   /* update gate: nothing is carried over */
	input[INPUT_LOUDEST * 3 * UNITS + 2 * UNITS] = 8;  /* unit 0: loud */
	input[INPUT_LOW * 3 * UNITS + 2 * UNITS + 1] = -8; /* unit 1: low */
	output[0] = 5;					   /* phase 0 */
	output_bias[0] = 2;
	output[RHYTHM_OUTPUTS + RHYTHM_PHASES] = 4; /* downbeat */
	tracker = tracker_new(&network);
	return tracker ? 0 : -1;
}

static int free_network(void **state)
{
	(void)state;
	tracker_free(tracker);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	tracker_reset(tracker);
	count = 0;
	now_us = 5000000;
	id = 0;
	return 0;
}

static void wait_until(int64_t time_us)
{
	while (tracker_deadline(tracker) <= time_us) {
		int64_t due_us = tracker_deadline(tracker);
		if (!tracker_next(tracker, time_us, &beats[count]))
			continue;
		assert_int_equal(beats[count].due_us, due_us);
		assert_true(beats[count].due_us >= beats[count].beat_us);
		assert_true(count == 0 || beats[count].beat_us > beats[count - 1].beat_us);
		assert_in_range(++count, 0, BEATS_MAX - 1);
	}
	now_us = time_us;
}

static void strike(int pitch, int velocity)
{
	struct event event = {.event_us = now_us,
			      .arrival_us = now_us,
			      .note_id = ++id,
			      .kind = EVENT_NOTE_ON,
			      .pitch = (uint8_t)pitch,
			      .velocity = (uint8_t)velocity};
	tracker_take(tracker, &event);
	event.kind = EVENT_NOTE_OFF;
	tracker_take(tracker, &event);
}

/* Beats of so many notes each, the first of them loud, the first of every `bar` beats low; the second note after `swing` of
 * the beat where there are two. */
static void play(int beats_played, double bpm, int notes, int bar, double swing)
{
	for (int b = 0; b < beats_played; b++) {
		int64_t start_us = now_us, length_us = (int64_t)(60e6 / bpm);

		for (int n = 0; n < notes; n++) {
			double at = notes == 2 && n == 1 ? swing : (double)n / notes;
			wait_until(start_us + (int64_t)(at * (double)length_us));
			strike(n == 0 && b % bar == 0 ? 36 : 72, n == 0 ? 110 : 20);
		}
		wait_until(start_us + length_us);
	}
}

static void assert_period(double bpm, double share)
{
	double heard = 60e6 / beats[count - 1].period_us;

	if (fabs(heard - bpm) > share * bpm)
		fail_msg("%g bpm heard, %g played", heard, bpm);
}

static void test_steady(void **state)
{
	(void)state;
	play(32, 120, 4, 4, 0);
	assert_in_range(count, 31, 35); /* the first ones have to be found */
	for (int i = count - 20; i < count; i++) {
		assert_int_equal((beats[i].beat_us - 5000000) % 500000, 0); /* each at its onset, */
		assert_int_equal(beats[i].due_us - beats[i].beat_us,
				 RHYTHM_GATHER_US); /* and told as soon as the chord is */
		assert_true(beats[i].heard);
		assert_int_equal(beats[i].downbeat, (beats[i].beat_us - 5000000) % 2000000 == 0);
		assert_int_equal(beats[i].bar_beats, 4);
	}
	assert_period(120, 0.02);
	assert_true(beats[count - 1].confidence > 0.8);
}

static void test_waltz(void **state)
{
	(void)state;
	play(36, 150, 2, 3, 0.5);
	for (int i = count - 12; i < count; i++) {
		assert_int_equal(beats[i].bar_beats, 3);
		assert_int_equal(beats[i].downbeat, (beats[i].beat_us - 5000000) % 1200000 == 0);
	}
}

static void test_ritardando(void **state)
{
	(void)state;
	play(16, 120, 2, 4, 0.5);
	for (int i = 0; i < 24; i++)
		play(1, 118 - 2.5 * i, 2, 1, 0.5);
	assert_in_range(count, 38, 44);
	assert_period(60.5, 0.12);
}

/* A jump, and the last of the old beats is hardly over when the new tempo is known. */
static void test_jump(void **state)
{
	(void)state;
	play(16, 90, 2, 4, 0.5);
	int before = count;
	play(8, 150, 2, 4, 0.5);
	assert_in_range(count - before, 7, 9);
	assert_period(150, 0.1);
	play(8, 70, 2, 4, 0.5);
	assert_period(70, 0.15);
}

static void test_swing(void **state)
{
	(void)state;
	play(32, 140, 2, 4, 0.67);
	assert_in_range(count, 31, 36);
	assert_period(140, 0.03);
}

/* Beats without a note in a steady pulse: two are told by themselves, late by less than a beat is judged by; then it stops.
 */
static void test_silence(void **state)
{
	(void)state;
	play(24, 120, 2, 4, 0.5);
	int before = count;
	int64_t end_us = now_us;
	wait_until(now_us + 10000000);
	assert_in_range(count - before, 1, 2);
	for (int i = before; i < count; i++) {
		assert_false(beats[i].heard);
		double off = fmod((double)(beats[i].beat_us - end_us) + 250000, 500000) - 250000;
		assert_true(fabs(off) < 10000);
		assert_true(beats[i].due_us - beats[i].beat_us <= 70000);
		assert_true(beats[i].confidence < beats[before - 1].confidence);
	}
	assert_int_equal(tracker_deadline(tracker), INT64_MAX);
	play(8, 120, 2, 4, 0.5);
	assert_period(120, 0.1);
}

/* What has no beat is not believed. */
static void test_noise(void **state)
{
	struct random random = {.key = 3, .index = 0};

	(void)state;
	for (int i = 0; i < 400; i++) {
		wait_until(now_us + 40000 + (int64_t)(400000 * random_uniform(&random)));
		strike((int)random_integer(&random, 21, 108), (int)random_integer(&random, 50, 70));
	}
	double noise = count > 0 ? beats[count - 1].confidence : 0;
	begin(NULL);
	play(64, 100, 3, 4, 0);
	assert_true(beats[count - 1].confidence > noise + 0.15);
}

/* A chord that is rolled, or comes in two events at one time, is one onset; the same again says the same. */
static void test_chords_and_repetition(void **state)
{
	static struct tracker_beat first[BEATS_MAX];
	int first_count = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		begin(NULL);
		size_t used = mallinfo2().uordblks;
		for (int b = 0; b < 24; b++) {
			int64_t start_us = now_us;
			for (int n = 0; n < 12; n++) {
				wait_until(start_us + 2400 * n);
				strike(40 + 3 * n, 100);
				strike(41 + 3 * n, 100);
			}
			wait_until(start_us + 300000);
			strike(60, 15);
			wait_until(start_us + 600000);
		}
		assert_int_equal(mallinfo2().uordblks, used); /* nothing is allocated */
		assert_in_range(count, 23, 28);
		if (round == 0) {
			memcpy(first, beats, sizeof first);
			first_count = count;
		}
	}
	assert_int_equal(count, first_count);
	assert_memory_equal(beats, first, (size_t)count * sizeof *beats);
}

/* Times that no player makes: nothing breaks. */
static void test_odd_times(void **state)
{
	(void)state;
	strike(60, 64);
	wait_until(now_us + ((int64_t)1 << 40));
	strike(60, 64);
	now_us -= 1000000; /* a clock that was set back */
	strike(60, 64);
	wait_until(now_us + 5000000);
	for (int i = 0; i < 5000; i++)
		strike(i % 128, 1 + i % 127);
	wait_until(now_us + 60000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_steady, begin),	    cmocka_unit_test_setup(test_waltz, begin),
	    cmocka_unit_test_setup(test_ritardando, begin), cmocka_unit_test_setup(test_jump, begin),
	    cmocka_unit_test_setup(test_swing, begin),	    cmocka_unit_test_setup(test_silence, begin),
	    cmocka_unit_test_setup(test_noise, begin),	    cmocka_unit_test_setup(test_chords_and_repetition, begin),
	    cmocka_unit_test_setup(test_odd_times, begin),
	};
	return cmocka_run_group_tests(tests, make_network, free_network);
}
