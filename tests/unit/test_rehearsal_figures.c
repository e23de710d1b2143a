/* Figures of made takes against what was planted: statistics, runs, voicing, curves, hands. */
#include "rehearsal/curve.h"
#include "rehearsal/hands.h"
#include "rehearsal/runs.h"
#include "rehearsal/statistics.h"
#include "rehearsal/voicing.h"

#include "base/random.h"
#include "tests/support/made_take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void near(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("%g, not %g", got, wanted);
}

static void statistics(void **state)
{
	(void)state;
	double odd[] = {5, 1, 9}, even[] = {4, 1, 3, 2}, line[] = {1, 3, 5, 7, 9}, bent[] = {0, 0, 6, 0, 0}, rest[5];
	size_t farthest;
	near(statistics_median(odd, 3), 5, 0);
	near(statistics_median(even, 4), 2.5, 0);
	assert_true(isnan(statistics_median(odd, 0)));
	near(statistics_rest(line, 5, rest, &farthest), 0, 1e-9);
	near(statistics_rest(bent, 5, rest, &farthest), sqrt((4 * 1.2 * 1.2 + 4.8 * 4.8) / 3), 1e-9);
	assert_int_equal(farthest, 2);
	near(rest[2], 4.8, 1e-9);
}

/* A scale of 16 notes, 100 ms apart; what is off is added by the caller. */
static struct take scale(int notes)
{
	struct take take = made_take(8);
	for (int i = 0; i < notes; i++)
		made_note(&take, 500000 + i * 100000, 90000, 60 + (i / 12 % 2 ? 12 - i % 12 : i % 12), 64, VOICE_UNKNOWN,
			  64);
	return take;
}

static struct runs find_runs(struct take *take)
{
	struct runs runs;
	struct error error;
	assert_int_equal(runs_find(take, &runs, &error), STATUS_OK);
	return runs;
}

static void even_run(void **state)
{
	(void)state;
	struct take take = scale(12);
	for (int i = 0; i < 12; i++) { /* a crescendo and a ritardando are no unevenness */
		take.notes[i].velocity = (uint8_t)(50 + 2 * i);
		take.notes[i].onset_us = 500000 + i * 80000 + i * i * 3000;
	}
	struct runs runs = find_runs(&take);
	assert_int_equal(runs.count, 1);
	assert_int_equal(runs.runs[0].count, 12);
	near(runs.runs[0].velocity_unevenness, 0, 1e-6);
	near(runs.runs[0].timing_unevenness_ms, 0, 1e-6);
	near(runs.runs[0].expected_unevenness, 0, 1e-6);
	assert_int_equal(take.notes[5].run, 0);
	runs_free(&runs);
	take_free(&take);
}

static void uneven_runs(void **state)
{
	(void)state;
	struct take take = scale(12);
	take.notes[7].velocity = 94;
	take.notes[4].onset_us += 30000;
	struct runs runs = find_runs(&take);
	assert_int_equal(runs.count, 1);
	assert_int_equal(runs.runs[0].loudest_step, 7);
	assert_true(runs.runs[0].loudest_apart > 20);
	assert_true(runs.runs[0].velocity_unevenness > 7);
	assert_true(runs.runs[0].latest_step == 4 || runs.runs[0].latest_step == 5);
	near(runs.runs[0].timing_unevenness_ms, 14, 3); /* one step 30 ms longer, the next 30 ms shorter, of eleven */
	runs_free(&runs);
	take_free(&take);
}

static void no_run(void **state)
{
	(void)state;
	struct take take = scale(7); /* too short */
	struct runs runs = find_runs(&take);
	assert_int_equal(runs.count, 0);
	runs_free(&runs);
	take_free(&take);
	take = made_take(8);
	for (int i = 0; i < 20; i++) /* leaps */
		made_note(&take, i * 100000, 90000, 60 + (i % 2) * 9, 64, VOICE_UNKNOWN, 64);
	runs = find_runs(&take);
	assert_int_equal(runs.count, 0);
	runs_free(&runs);
	take_free(&take);
}

static void long_runs_are_cut(void **state)
{
	(void)state;
	struct take take = scale(70);
	struct runs runs = find_runs(&take);
	size_t notes = 0;
	assert_int_equal(runs.count, 3);
	for (size_t i = 0; i < runs.count; i++) {
		assert_true(runs.runs[i].count <= RUN_NOTES_MAX);
		notes += runs.runs[i].count;
	}
	assert_int_equal(notes, 70);
	runs_free(&runs);
	take_free(&take);
}

static void lead_and_overlap(void **state)
{
	(void)state;
	struct take take = made_take(4);
	for (int i = 0; i < 10; i++) { /* melody 30 ms before two notes, held 60 ms into the next */
		made_note(&take, i * 500000, 560000, 72 + i, 70, VOICE_MELODY, 70);
		made_note(&take, i * 500000 + 20000, 400000, 50, 50, VOICE_ACCOMPANIMENT, 50);
		made_note(&take, i * 500000 + 40000, 400000, 55, 50, VOICE_BRIDGE, 50);
		made_note(&take, i * 500000 + 250000, 100000, 55, 50, VOICE_ACCOMPANIMENT, 50);
	}
	voicing_measure(&take);
	for (int i = 0; i < 10; i++)
		near(take.notes[4 * i].lead_ms, 30, 1e-6);
	near(take.notes[0].overlap_ms, 60, 1e-6);
	assert_true(isnan(take.notes[36].overlap_ms)); /* the last has no next */
	assert_true(isnan(take.notes[1].lead_ms));
	take_free(&take);
}

static void a_note_goes_with_the_nearest_melody(void **state)
{
	(void)state;
	struct take take = made_take(1);
	made_note(&take, 0, 50000, 72, 70, VOICE_MELODY, 70);
	made_note(&take, 50000, 50000, 50, 50, VOICE_ACCOMPANIMENT, 50);
	made_note(&take, 60000, 50000, 74, 70, VOICE_MELODY, 70);
	voicing_measure(&take);
	assert_true(isnan(take.notes[0].lead_ms));
	near(take.notes[2].lead_ms, -10, 1e-6);
	take_free(&take);
}

static void curves(void **state)
{
	(void)state;
	struct take take = made_take(3);
	struct curve curve;
	struct error error;
	made_note(&take, 0, 100000, 72, 80, VOICE_MELODY, 70);
	made_note(&take, 0, 100000, 48, 40, VOICE_ACCOMPANIMENT, 50);
	made_note(&take, 500000, 100000, 50, 50, VOICE_ACCOMPANIMENT, 50);
	made_note(&take, 4000000, 100000, 72, 90, VOICE_MELODY, 70)->spread = TAKE_SPREAD_WIDE + 1;
	take.pedals[0] = (struct take_pedal){1000000, 3000000};
	take.pedals[1] = (struct take_pedal){3500000, 3600000};
	take.pedal_count = 2;
	take.pedal_recorded = true;
	made_level(&take);
	near(take.level, 0, 1e-9); /* of +10, -10, 0; the wide one does not count */
	assert_int_equal(curve_draw(&take, &curve, &error), STATUS_OK);
	const struct curve_unit *unit = &curve.units[0];
	near(unit->part[PART_ALL].velocity, 170.0 / 3, 1e-9);
	near(unit->part[PART_MELODY].deviation, 10, 1e-9);
	near(unit->part[PART_ACCOMPANIMENT].velocity, 45, 1e-9);
	near(unit->part[PART_ACCOMPANIMENT].expected, 50, 1e-9);
	near(unit->part[PART_LEFT].deviation, -5, 1e-9);
	near(unit->gap, 35, 1e-9);
	near(unit->expected_gap, 20, 1e-9);
	near(unit->onsets_per_s, 1, 1e-9);
	near(unit->pedal_share, 0.5, 1e-9);
	assert_int_equal(unit->pedal_presses, 1);
	near(curve.units[1].pedal_share, 0.55, 1e-9);
	assert_int_equal(curve.units[1].pedal_presses, 1);
	assert_int_equal(curve.units[1].part[PART_ALL].notes, 0);
	assert_true(isnan(curve.units[1].part[PART_ALL].velocity));
	assert_int_equal(curve.units[2].part[PART_ALL].notes, 1);
	assert_int_equal(curve.units[2].part[PART_ALL].judged, 0);
	assert_true(isnan(curve.units[2].part[PART_ALL].deviation));
	struct curve_part both = curve_stretch(&curve, 0, 3, PART_MELODY);
	near(both.velocity, 85, 1e-9);
	assert_int_equal(both.judged, 1);
	near(curve.whole[PART_MELODY].velocity, 85, 1e-9);
	curve_free(&curve);
	take_free(&take);
}

/* Chords and a bass in the left hand against a melody in thirds, near and far; the truth is in made_note's voice. */
static void hands(void **state)
{
	(void)state;
	struct take take = made_take(60);
	struct random random = {3, 0};
	struct error error;
	int top = 74, bass = 45;
	for (int i = 0; i < 300; i++) {
		int64_t at = i * 400000;
		top += (int)random_integer(&random, -3, 3);
		top = top < 66 ? 66 : top > 88 ? 88 : top;
		bass += (int)random_integer(&random, -2, 2);
		bass = bass < 36 ? 36 : bass > 52 ? 52 : bass;
		made_note(&take, at, 350000, top, 70, VOICE_MELODY, 70);
		made_note(&take, at + 3000, 350000, top - 4, 60, VOICE_MELODY, 70);
		made_note(&take, at + 6000, 350000, bass, 50, VOICE_ACCOMPANIMENT, 50);
		made_note(&take, at + 200000, 150000, bass + 7, 50, VOICE_ACCOMPANIMENT, 50);
	}
	assert_int_equal(hands_find(&take, &error), STATUS_OK);
	size_t right = 0, wrong = 0;
	for (size_t i = 0; i < take.count; i++) {
		int truth = take.notes[i].voice == VOICE_MELODY ? HAND_RIGHT : HAND_LEFT;
		assert_true(take.notes[i].hand_confidence >= 0.5 && take.notes[i].hand_confidence <= 1);
		assert_int_equal(take.notes[i].hand == HAND_UNKNOWN, take.notes[i].hand_confidence < HANDS_SURE);
		right += take.notes[i].hand == truth;
		wrong += take.notes[i].hand != HAND_UNKNOWN && take.notes[i].hand != truth;
	}
	if (right < take.count * 95 / 100 || wrong > take.count / 50)
		fail_msg("%zu right, %zu wrong of %zu", right, wrong, take.count);
	take_free(&take);
}

static void hands_of_tracks(void **state)
{
	(void)state;
	struct take take = made_take(1);
	struct error error;
	for (int i = 0; i < 6; i++) /* crossed: only the file can know */
		made_note(&take, i * 100000, 90000, i % 2 ? 40 : 80, 60, VOICE_UNKNOWN, 60)->track = (uint16_t)(1 + i % 2);
	take.hand_tracks[HAND_LEFT] = 1;
	take.hand_tracks[HAND_RIGHT] = 2;
	assert_int_equal(hands_find(&take, &error), STATUS_OK);
	assert_int_equal(take.notes[0].hand, HAND_LEFT);
	assert_int_equal(take.notes[1].hand, HAND_RIGHT);
	near(take.notes[1].hand_confidence, 1, 0);
	take_free(&take);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(statistics),
	    cmocka_unit_test(even_run),
	    cmocka_unit_test(uneven_runs),
	    cmocka_unit_test(no_run),
	    cmocka_unit_test(long_runs_are_cut),
	    cmocka_unit_test(lead_and_overlap),
	    cmocka_unit_test(a_note_goes_with_the_nearest_melody),
	    cmocka_unit_test(curves),
	    cmocka_unit_test(hands),
	    cmocka_unit_test(hands_of_tracks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
