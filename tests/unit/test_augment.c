/* Augmentation: each change against its own promise, over many draws. */
#include "train/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTES 127
#define DRAWS 200

static void play(struct piece_note *notes)
{
	memset(notes, 0, NOTES * sizeof *notes);
	for (int i = 0; i < NOTES; i++) /* 120 bpm: a position is 31250 us; bars of 3/4 last 48 */
		notes[i] = (struct piece_note){.place = {.bar = i * 8 / 48,
							 .position = (uint8_t)(i * 8 % 48),
							 .time_signature = octuple_signature_id(3, 4),
							 .tempo = octuple_tempo_id(120)},
					       .onset_us = i * 8 * 31250LL,
					       .end_us = (i * 8 + 6) * 31250LL,
					       .position = i * 8,
					       .duration_positions = 6,
					       .pitch = 60,
					       .velocity = (uint8_t)(i + 1)};
}

static void test_curve(void **state)
{
	(void)state;
	struct piece_note notes[NOTES];
	struct random random = {1, 0};
	int louder = 0, softer = 0, narrower = 0;
	for (int draw = 0; draw < DRAWS; draw++) {
		play(notes);
		augment_curve(&random, NOTES, notes);
		for (int i = 0; i < NOTES; i++) {
			assert_in_range(notes[i].velocity, 1, 127);
			assert_true(i == 0 || notes[i].velocity >= notes[i - 1].velocity);
			assert_int_equal(notes[i].onset_us, i * 8 * 31250LL);
		}
		louder += notes[63].velocity > 74;
		softer += notes[63].velocity < 54;
		narrower += notes[NOTES - 1].velocity - notes[0].velocity < 90;
	}
	assert_true(louder > DRAWS / 10 && softer > DRAWS / 10 && narrower > DRAWS / 10);
}

static void test_stretch(void **state)
{
	(void)state;
	struct piece_note notes[NOTES];
	struct random random = {2, 0};
	double least = 1, most = 1;
	for (int draw = 0; draw < DRAWS; draw++) {
		play(notes);
		augment_stretch(&random, 0.25, NOTES, notes);
		double factor = (double)notes[NOTES - 1].onset_us / ((NOTES - 1) * 8 * 31250.0);
		least = fmin(factor, least);
		most = fmax(factor, most);
		for (int i = 0; i < NOTES; i++) {
			assert_true(fabs((double)notes[i].end_us - (i * 8 + 6) * 31250.0 * factor) < 200);
			assert_true(fabs(notes[i].place.tempo - (35 - 12 * log2(factor))) < 0.51);
			assert_int_equal(notes[i].position, i * 8); /* the beat goes along */
		}
	}
	assert_true(least > 0.79 && least < 0.83 && most < 1.26 && most > 1.2);
}

static void test_jitter(void **state)
{
	(void)state;
	struct piece_note notes[NOTES];
	struct random random = {3, 0};
	double squares = 0;
	int over_bar_lines = 0;
	for (int draw = 0; draw < DRAWS; draw++) {
		play(notes);
		augment_jitter(&random, 40000, NOTES, notes);
		for (int i = 1; i < NOTES; i++) {
			double moved = (double)notes[i].onset_us - i * 8 * 31250.0;
			squares += moved * moved;
			assert_true(notes[i].end_us >= notes[i].onset_us && notes[i].duration_positions >= 0);
			assert_true(fabs(moved / 31250 - (double)(notes[i].position - i * 8)) < 0.56);
			assert_int_equal(notes[i].place.bar * 48 + notes[i].place.position, notes[i].position);
			assert_true(notes[i].place.position < 48);
			over_bar_lines += notes[i].place.bar != i * 8 / 48;
		}
		assert_true(notes[0].onset_us >= 0 && notes[0].place.bar == 0);
	}
	assert_true(fabs(sqrt(squares / (DRAWS * (NOTES - 1))) - 40000) < 1500);
	assert_true(over_bar_lines > 100);
}

static void test_copy(void **state)
{
	(void)state;
	struct piece_note notes[NOTES], copies[NOTES + 20];
	struct random random = {4, 0};
	int source[NOTES + 20], missing = 0, doubled = 0;
	play(notes);
	for (int draw = 0; draw < DRAWS; draw++) {
		int made = augment_copy(&random, 0.1, 0.05, notes, NOTES, NOTES + 20, copies, source), seen[NOTES] = {0};
		assert_in_range(made, 1, NOTES + 20);
		for (int i = 0; i < made; i++) {
			bool again = i > 0 && source[i] == source[i - 1];
			const struct piece_note *from = &notes[source[i]];
			seen[source[i]]++;
			assert_true(i == 0 || source[i] >= source[i - 1]);
			assert_in_range(copies[i].onset_us - from->onset_us, 0, again ? 30000 : 0);
			assert_in_range(abs(copies[i].velocity - from->velocity), 0, again ? 10 : 0);
			assert_in_range(copies[i].velocity, 1, 127);
		}
		for (int i = 0; i < NOTES; i++) {
			missing += seen[i] == 0;
			doubled += seen[i] == 2;
			assert_true(seen[i] <= 2);
		}
	}
	assert_true(abs(missing - DRAWS * NOTES / 10) < DRAWS * NOTES / 50);
	assert_true(abs(doubled - DRAWS * NOTES * 9 / 200) < DRAWS * NOTES / 100);
	assert_int_equal(augment_copy(&random, 1, 0, notes, NOTES, NOTES, copies, source), 1);
	assert_int_equal(augment_copy(&random, 0, 1, notes, NOTES, NOTES, copies, source), NOTES);
	assert_int_equal(augment_copy(&random, 0, 0, notes, NOTES, NOTES, copies, source), NOTES);
	assert_memory_equal(copies, notes, sizeof notes);
}

static void test_voices(void **state)
{
	(void)state;
	struct piece_note notes[NOTES], before[NOTES];
	struct random random = {5, 0};
	int out[2] = {0}, octave[2] = {0}, louder = 0, source[NOTES], among[NOTES];
	for (int draw = 0; draw < DRAWS; draw++) {
		play(notes);
		for (int i = 0; i < NOTES; i++) {
			source[i] = 1000 + i;
			notes[i].melody = (int8_t)(i % 4 - 1); /* none, melody, bridge, accompaniment */
		}
		memcpy(before, notes, sizeof notes);
		int count = augment_voices(&random, NOTES, notes, source), left[2] = {0}, others = 0, moved[2] = {0};
		for (int i = 0; i < count; i++) {
			const struct piece_note *from = &before[source[i] - 1000];
			int voice = from->melody;
			assert_true(i == 0 || source[i] > source[i - 1]);
			assert_int_equal(notes[i].melody, voice);
			assert_int_equal(notes[i].onset_us, from->onset_us);
			if (voice != MELODY_MELODY && voice != MELODY_BRIDGE) {
				assert_memory_equal(&notes[i], from, sizeof *from);
				others++;
				continue;
			}
			int by = notes[i].pitch - from->pitch;
			assert_true(left[voice]++ == 0 || by == moved[voice]); /* a voice moves as a whole */
			moved[voice] = by;
			assert_true(by == 0 || abs(by) == 12);
			assert_in_range(abs(notes[i].velocity - from->velocity), 0, 12);
			louder += notes[i].velocity != from->velocity;
		}
		assert_int_equal(others, 63);
		for (int v = 0; v < 2; v++) {
			assert_true(left[v] == 0 || left[v] == 32);
			out[v] += left[v] == 0;
			octave[v] += moved[v] != 0;
		}
	}
	for (int v = 0; v < 2; v++) {
		assert_in_range(out[v], DRAWS / 10, 3 * DRAWS / 10);
		assert_in_range(octave[v], DRAWS / 5, 2 * DRAWS / 5);
	}
	assert_true(louder > DRAWS);
	/* Something is left of music that is all one voice, and a key that is not there is not played. */
	for (int draw = 0; draw < DRAWS; draw++) {
		play(notes);
		for (int i = 0; i < NOTES; i++) {
			among[i] = i;
			notes[i].melody = MELODY_MELODY;
			notes[i].pitch = 3;
		}
		assert_in_range(augment_voices(&random, NOTES, notes, among), 1, NOTES);
		assert_true(notes[0].pitch == 3 || notes[0].pitch == 15);
	}
}

static void test_regrid(void **state)
{
	(void)state;
	struct piece_note notes[NOTES];
	play(notes);
	augment_regrid(1000000, NOTES, notes);
	for (int i = 0; i < NOTES; i++) {
		assert_int_equal(notes[i].position, i * 8 + 32);
		assert_int_equal(notes[i].place.bar, (i * 8 + 32) / 64);
		assert_int_equal(notes[i].place.position, (i * 8 + 32) % 64);
		assert_int_equal(notes[i].duration_positions, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_curve), cmocka_unit_test(test_stretch), cmocka_unit_test(test_jitter),
	    cmocka_unit_test(test_copy),  cmocka_unit_test(test_voices),  cmocka_unit_test(test_regrid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
