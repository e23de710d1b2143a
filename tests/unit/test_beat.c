/* The choice between sources of the beat, and the grid that it keeps: trust, time-outs, switches that never take a bar back,
 * beats that are told once and in time. Clocks, transports, taps and tempi are made here; the tracker has its own test. */
#include "stream/beat.h"
#include "stream/clock_follow.h"
#include "stream/grid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SAID_MAX 4096

static struct grid *grid;
static struct beat *beat;
static int64_t now_us;
static struct beat_cue said[SAID_MAX];
static int said_count;
static int64_t newest_bar;

static void hear(void *context, const struct beat_cue *cue)
{
	(void)context;
	assert_in_range(said_count, 0, SAID_MAX - 1);
	said[said_count++] = *cue;
}

static void open_beat(unsigned sources, double bpm)
{
	grid = grid_new_live(&(struct beat_options){.sources = sources, .bpm = bpm});
	assert_non_null(grid);
	beat = grid_beat(grid);
	now_us = 10000000;
	said_count = 0;
	newest_bar = 0;
	beat_listen(beat, hear, NULL, now_us);
}

static int close_beat(void **state)
{
	(void)state;
	grid_free(grid);
	grid = NULL;
	return 0;
}

static void clock_message(enum clock_status status, int input)
{
	struct event event = {.event_us = now_us,
			      .arrival_us = now_us,
			      .position = -1,
			      .kind = EVENT_CLOCK,
			      .input = (uint8_t)input,
			      .pitch = (uint8_t)status};
	grid_take(grid, &event);
}

static void run_clock(int ticks, double bpm, int input)
{
	for (int i = 0; i < ticks; i++) {
		now_us += (int64_t)(60e6 / bpm / 24);
		clock_message(CLOCK_TICK, input);
	}
}

/* Rolling JACK at so many quarters in a bar of numerator / denominator; told every 100 ms. */
static void run_transport(double quarters, double bpm, int numerator, int denominator, int times)
{
	double bar = 4.0 * numerator / denominator;

	for (int i = 0; i < times; i++) {
		struct event event = {.event_us = now_us,
				      .arrival_us = now_us,
				      .position = (int64_t)(fmod(quarters, bar) * EVENT_TRANSPORT_QUARTER),
				      .duration_us = (int64_t)(60e6 / bpm),
				      .kind = EVENT_TRANSPORT,
				      .channel = 1,
				      .pitch = (uint8_t)numerator,
				      .velocity = (uint8_t)denominator};
		grid_take(grid, &event);
		now_us += 100000;
		quarters += 0.1 * bpm / 60;
	}
}

static void stop_transport(void)
{
	grid_take(grid, &(struct event){.event_us = now_us, .arrival_us = now_us, .position = -1, .kind = EVENT_TRANSPORT});
}

/* Where a note that comes now lies. A bar never comes back. */
static struct place play(void)
{
	struct event event = {
	    .event_us = now_us, .arrival_us = now_us, .position = -1, .kind = EVENT_NOTE_ON, .pitch = 60, .velocity = 64};
	grid_take(grid, &event);
	struct place place = grid_place(grid, grid_position(grid, &event));
	if (place.bar < newest_bar)
		fail_msg("bar %lld after bar %lld", (long long)place.bar, (long long)newest_bar);
	newest_bar = place.bar;
	return place;
}

static void assert_source(enum beat_source source)
{
	beat_advance(beat, now_us);
	assert_int_equal(beat_cue(beat)->source, source);
}

/* From the most to the least trusted, and back as they end. */
static void test_trust(void **state)
{
	(void)state;
	open_beat(BEAT_ALL, 0);
	assert_source(BEAT_PLAIN);
	assert_true(beat_cue(beat)->bpm == 120 && beat_cue(beat)->confidence == 0);
	assert_true(beat_cue(beat)->next_us == INT64_MAX); /* nobody knows where its beats are */
	beat_set_bpm(beat, 90, now_us);
	assert_source(BEAT_FIXED);
	beat_tap(beat, now_us);
	beat_tap(beat, now_us += 500000);
	assert_source(BEAT_TAP);
	assert_true(fabs(beat_cue(beat)->bpm - 120) < 1e-6);
	run_transport(1, 100, 4, 4, 5);
	assert_source(BEAT_JACK);
	assert_true(beat_cue(beat)->bpm == 100);
	clock_message(CLOCK_START, 0);
	run_clock(25, 150, 0);
	assert_source(BEAT_CLOCK);
	assert_true(fabs(beat_cue(beat)->bpm - 150) < 0.1);
	run_transport(1, 100, 4, 4, 1);
	assert_source(BEAT_CLOCK);
	clock_message(CLOCK_STOP, 0);
	assert_source(BEAT_JACK);
	stop_transport();
	assert_source(BEAT_TAP);
	beat_forget_taps(beat, now_us);
	assert_source(BEAT_FIXED);
	assert_true(beat_cue(beat)->bpm == 90);
}

/* A clock that stops ticking, and a server that dies, are left within a second, with nothing else to say so. */
static void test_timeouts(void **state)
{
	(void)state;
	open_beat(BEAT_ALL, 0);
	clock_message(CLOCK_START, 3);
	run_clock(30, 120, 3);
	run_clock(30, 77, 4); /* another input's clock: one is followed at a time */
	assert_true(fabs(beat_cue(beat)->bpm - 77) > 1);
	now_us += 400000;
	assert_int_equal(beat_cue(beat)->source, BEAT_PLAIN); /* its own ticks had stopped, and the other's were not its */
	clock_message(CLOCK_START, 4);
	run_clock(30, 77, 4);
	assert_source(BEAT_CLOCK);
	assert_true(fabs(beat_cue(beat)->bpm - 77) < 0.2);
	int64_t due_us = beat_deadline(beat);
	assert_in_range(due_us - now_us, 1, 1000000);
	now_us = due_us;
	assert_source(BEAT_PLAIN);
	run_transport(0, 100, 4, 4, 3);
	assert_source(BEAT_JACK);
	due_us = beat_deadline(beat);
	assert_in_range(due_us - now_us, 1, 1000000);
	now_us = due_us;
	assert_source(BEAT_PLAIN);
}

static void test_only_what_was_asked_for(void **state)
{
	(void)state;
	open_beat(BEAT_BIT(BEAT_JACK), 80);
	clock_message(CLOCK_START, 0);
	run_clock(30, 120, 0);
	assert_source(BEAT_PLAIN);
	assert_true(beat_cue(beat)->bpm == 80); /* --tempo is what is left when the source is silent */
	run_transport(0, 100, 3, 4, 3);
	assert_source(BEAT_JACK);
}

/* A clock's song position is where notes lie. */
static void test_places_by_clock(void **state)
{
	(void)state;
	open_beat(BEAT_ALL, 0);
	clock_message(CLOCK_START, 0);
	run_clock(1 + 24 * 2, 120, 0);
	grid_reset(grid, now_us); /* the first note: the clock's bar goes on */
	struct place place = play();
	assert_int_equal(place.bar, 0);
	assert_int_equal(place.position, 32);
	assert_int_equal(place.tempo, octuple_tempo_id(120));
	now_us += 250000; /* an eighth, without a tick yet */
	place = play();
	assert_int_equal(place.position, 40);
	now_us -= 250000;
	run_clock(24 * 2 + 6, 120, 0);
	place = play();
	assert_int_equal(place.bar, 1);
	assert_int_equal(place.position, 4);
}

/* JACK's signatures: bars of three quarters, then of six eighths. */
static void test_places_by_transport(void **state)
{
	(void)state;
	open_beat(BEAT_BIT(BEAT_JACK), 0);
	run_transport(2, 60, 3, 4, 1);
	now_us -= 100000;
	struct place place = play();
	assert_int_equal(place.bar, 0);
	assert_int_equal(place.position, 32);
	assert_int_equal(place.time_signature, octuple_signature_id(3, 4));
	now_us += 1500000;
	run_transport(3.5, 60, 3, 4, 1);
	now_us -= 100000;
	place = play();
	assert_int_equal(place.bar, 1);
	assert_int_equal(place.position, 8);
	run_transport(1.5, 60, 6, 8, 1); /* somebody moved it: the fourth eighth */
	assert_int_equal(beat_cue(beat)->beats, 6);
	assert_int_equal(beat_cue(beat)->beat, 3);
	place = play();
	assert_int_equal(place.time_signature, octuple_signature_id(6, 8));
	assert_in_range(place.bar, 1, 2);
}

/* Whatever comes and goes, in whatever phase: bars go forward, and a duration is never negative. */
static void test_switches_are_monotone(void **state)
{
	(void)state;
	open_beat(BEAT_ALL, 0);
	grid_reset(grid, now_us);
	int64_t newest = 0;
	for (int round = 0; round < 60; round++) {
		switch (round % 6) {
		case 0: run_transport(round % 4 + 0.3, 70 + 3 * round, 4, 4, 12); break;
		case 1: stop_transport(); break;
		case 2:
			clock_message(round % 4 ? CLOCK_START : CLOCK_CONTINUE, round % 3);
			run_clock(20 + 7 * round, 60 + 2 * round, round % 3);
			break;
		case 3: clock_message(CLOCK_STOP, round % 3); break;
		case 4:
			for (int i = 0; i < 4; i++)
				beat_tap(beat, now_us += 400000 + 1000 * round);
			break;
		default: beat_set_bpm(beat, 40 + 3 * round, now_us); break;
		}
		for (int i = 0; i < 9; i++) {
			now_us += 130000;
			play();
			struct event event = {.event_us = now_us, .position = -1};
			assert_true(grid_position(grid, &event) >= newest);
			newest = grid_position(grid, &event);
		}
	}
	assert_true(newest_bar > 40);
	now_us += 1000;
	beat_forget_taps(beat, now_us);
	clock_message(CLOCK_STOP, 0);
	clock_message(CLOCK_STOP, 1);
	clock_message(CLOCK_STOP, 2);
	grid_reset(grid, now_us); /* and a new piece begins at bar 0, where nothing counts bars by itself */
	newest_bar = 0;
	struct place place = play();
	assert_int_equal(place.bar, 0);
	assert_int_equal(place.position, 0);
}

/* What is said of a fixed tempo is enough to tell every beat. */
static void test_cues_of_a_fixed_tempo(void **state)
{
	(void)state;
	open_beat(BEAT_BIT(BEAT_FIXED), 100);
	assert_true(beat_cue(beat)->next_us == INT64_MAX); /* nobody has played: where is beat one? */
	now_us += 12345;
	grid_reset(grid, now_us);
	play();
	const struct beat_cue *cue = beat_cue(beat);
	assert_int_equal(cue->source, BEAT_FIXED);
	assert_int_equal(cue->bar, 0);
	assert_int_equal(cue->beat, 0);
	assert_int_equal(cue->beats, 4);
	assert_int_equal(cue->next_us, now_us);
	assert_true(cue->beat_us == 600000);
	uint32_t session = cue->session;
	now_us += 5 * 600000 + 100000;
	play();
	cue = beat_cue(beat);
	assert_int_equal(cue->bar, 1);
	assert_int_equal(cue->beat, 2);
	assert_int_equal(cue->next_us - now_us, 500000);
	grid_reset(grid, now_us);
	assert_true(beat_cue(beat)->session != session);
	assert_int_equal(said[said_count - 1].session, beat_cue(beat)->session);
}

/* Cues of a clock: each beat is due where its tick is, none is left out, and the numbers are the song's. */
static void test_cues_of_a_clock(void **state)
{
	(void)state;
	open_beat(BEAT_ALL, 0);
	run_clock(24, 120, 0);
	clock_message(CLOCK_START, 0);
	now_us += 20833;
	clock_message(CLOCK_TICK, 0);
	const struct beat_cue *cue = beat_cue(beat);
	assert_int_equal(cue->source, BEAT_CLOCK);
	assert_int_equal(cue->bar, 0); /* beat 0 is now */
	assert_int_equal(cue->beat, 0);
	assert_true(llabs(cue->next_us - now_us) < 1000);
	int64_t start_us = now_us;
	for (int i = 1; i < 24 * 9; i++) {
		now_us += 20833;
		clock_message(CLOCK_TICK, 0);
		int next = (i + 22) / 24; /* a tick after a beat, the next one is due */
		assert_int_equal(cue->bar * 4 + cue->beat, next);
		assert_true(llabs(cue->next_us - (start_us + next * (int64_t)(24 * 20833))) < 1500);
	}
}

/* Sent back by a beat, a clock's beats are told all the same, in another bar. */
static void test_song_position(void **state)
{
	(void)state;
	open_beat(BEAT_ALL, 0);
	clock_message(CLOCK_START, 0);
	run_clock(24 * 7, 120, 0);
	const struct beat_cue *cue = beat_cue(beat);
	assert_int_equal(cue->bar, 1);
	assert_int_equal(cue->beat, 3); /* comes next */
	clock_message(CLOCK_STOP, 0);
	grid_take(grid, &(struct event){.event_us = now_us,
					.arrival_us = now_us,
					.position = (4 * 4 + 1) * 16, /* bar 4, beat 1 */
					.kind = EVENT_CLOCK,
					.pitch = CLOCK_SONG_POSITION});
	clock_message(CLOCK_CONTINUE, 0);
	run_clock(1, 120, 0);
	assert_int_equal(cue->source, BEAT_CLOCK);
	assert_int_equal(cue->bar, 2);
	assert_int_equal(cue->beat, 1);
}

/* A clock that ticks before it is started, no tick quite in time: its first beat is the first one of bar 0. */
static void test_start_of_an_uneven_clock(void **state)
{
	(void)state;
	for (int phase = 0; phase < 16; phase++) {
		open_beat(BEAT_ALL, 0);
		for (int i = 0; i < 60; i++) {
			now_us +=
			    20833 + (i * 7 + phase * 5) % 16 * 150 - (i > 0 ? ((i - 1) * 7 + phase * 5) % 16 * 150 : 0);
			if (i == 36)
				clock_message(CLOCK_START, 0);
			clock_message(CLOCK_TICK, 0);
		}
		int first = 0;
		while (first < said_count && said[first].source != BEAT_CLOCK)
			first++;
		assert_in_range(first, 0, said_count - 1);
		assert_int_equal(said[first].bar, 0);
		assert_int_equal(said[first].beat, 0);
		close_beat(NULL);
	}
}

static void test_wrong_input(void **state)
{
	struct event event = {.kind = EVENT_TRANSPORT, .channel = 1, .position = 0, .duration_us = 0, .pitch = 0};

	(void)state;
	open_beat(BEAT_ALL, 0);
	event.event_us = now_us;
	grid_take(grid, &event); /* no tempo, no signature */
	assert_source(BEAT_PLAIN);
	event.duration_us = 1;
	event.pitch = 127;
	event.velocity = 1;
	event.position = (int64_t)1 << 40;
	grid_take(grid, &event);
	play();
	event.duration_us = (int64_t)1 << 50;
	event.velocity = 64;
	event.pitch = 1;
	grid_take(grid, &event);
	play();
	beat_set_bpm(beat, -1, now_us);
	beat_set_bpm(beat, (double)NAN, now_us);
	now_us = INT64_MAX / 2;
	play();
	now_us = 0; /* a clock that goes back */
	grid_take(grid, &(struct event){.event_us = now_us, .kind = EVENT_NOTE_ON, .position = -1});
	assert_true(grid_position(grid, &(struct event){.event_us = 0, .position = -1}) >= 0);
}

/* What a recording keeps of a note's place comes back from it. */
static void test_recorded(void **state)
{
	struct event event = {.kind = EVENT_NOTE_ON, .position = -1, .pitch = 60, .velocity = 64};

	(void)state;
	open_beat(BEAT_BIT(BEAT_FIXED), 100);
	grid_reset(grid, now_us);
	event.event_us = now_us + 600000 * 4 * 300 + 150000;
	grid_take(grid, &event);
	struct place place = grid_place(grid, grid_position(grid, &event));
	assert_int_equal(place.bar, 300);
	grid_stamp(grid, &event);
	struct grid *recorded = grid_new_recorded();
	grid_take(recorded, &event);
	assert_int_equal(grid_position(recorded, &event), grid_position(grid, &event));
	struct place again = grid_place(recorded, event.position);
	assert_int_equal(again.bar, place.bar);
	assert_int_equal(again.position, place.position);
	assert_int_equal(again.time_signature, place.time_signature);
	assert_int_equal(again.tempo, place.tempo);
	grid_free(recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_trust, close_beat),
	    cmocka_unit_test_teardown(test_timeouts, close_beat),
	    cmocka_unit_test_teardown(test_only_what_was_asked_for, close_beat),
	    cmocka_unit_test_teardown(test_places_by_clock, close_beat),
	    cmocka_unit_test_teardown(test_places_by_transport, close_beat),
	    cmocka_unit_test_teardown(test_switches_are_monotone, close_beat),
	    cmocka_unit_test_teardown(test_cues_of_a_fixed_tempo, close_beat),
	    cmocka_unit_test_teardown(test_cues_of_a_clock, close_beat),
	    cmocka_unit_test_teardown(test_song_position, close_beat),
	    cmocka_unit_test_teardown(test_start_of_an_uneven_clock, close_beat),
	    cmocka_unit_test_teardown(test_wrong_input, close_beat),
	    cmocka_unit_test_teardown(test_recorded, close_beat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
