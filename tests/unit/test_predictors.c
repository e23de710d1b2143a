/* Predictors of the next velocity: against the rule written a second time, against the baseline, and blind to what follows.
 */
#include "base/random.h"
#include "model/predictors.h"
#include "train/baselines.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTES 200

static uint8_t pitch[NOTES], velocity[NOTES];

static void play(uint64_t seed)
{
	struct random random = {seed, 0};
	for (int i = 0; i < NOTES; i++) {
		pitch[i] = (uint8_t)random_integer(&random, 40, 80);
		velocity[i] = (uint8_t)random_integer(&random, 1, 127);
	}
}

static double scaled(double v)
{
	return (v - 64) / 32;
}

static double mean(int count, int last)
{
	int taken = count < last ? count : last;
	double sum = 0;
	for (int i = count - taken; i < count; i++)
		sum += velocity[i];
	return sum / taken;
}

/* Index of the latest among the last `last` notes with the smallest key. */
static int best(int count, int last, int (*key)(int i, int next), int next)
{
	int found = -1;
	for (int i = count > last ? count - last : 0; i < count; i++)
		if (found < 0 || key(i, next) <= key(found, next))
			found = i;
	return found;
}

static int apart(int i, int next)
{
	return abs(pitch[i] - next);
}

static int from_above(int i, int next)
{
	(void)next;
	return -pitch[i];
}

static int from_below(int i, int next)
{
	(void)next;
	return pitch[i];
}

static void expect(int count, int next, double out[CAUSAL_PREDICTORS])
{
	int from = count > 32 ? count - 32 : 0;
	double weighted = 0, weights = 0, squares = 0;
	for (int i = from; i < count; i++) {
		double weight = 1.0 / ((2 + apart(i, next)) * (8 + count - i));
		weighted += weight * velocity[i];
		weights += weight;
		squares += pow(velocity[i] - mean(count, 32), 2);
	}
	double near16 = velocity[best(count, 16, apart, next)];
	const double list[CAUSAL_PREDICTORS] = {scaled(velocity[count - 1]),
						scaled(mean(count, 2)),
						scaled(mean(count, 8)),
						scaled(mean(count, 32)),
						scaled(near16),
						scaled((mean(count, 8) + near16) / 2),
						scaled(velocity[best(count, 64, apart, next)]),
						scaled(weighted / weights),
						scaled(velocity[best(count, 8, from_above, next)]),
						scaled(velocity[best(count, 8, from_below, next)]),
						sqrt(squares / (count - from)) / 32,
						(count < 64 ? count : 64) / 64.0};
	memcpy(out, list, sizeof list);
}

static void test_rule(void **state)
{
	(void)state;
	float out[CAUSAL_PREDICTORS];
	double expected[CAUSAL_PREDICTORS];
	play(1);
	for (int count = 1; count < NOTES; count++) {
		predictors_compute(pitch, velocity, count, pitch[count], out);
		expect(count, pitch[count], expected);
		for (int i = 0; i < CAUSAL_PREDICTORS; i++)
			if (fabs((double)out[i] - expected[i]) > 1e-3) /* a deviation near 0 is a root of rounding */
				fail_msg("note %d, predictor %d: %f, expected %f", count, i, (double)out[i], expected[i]);
	}
}

static void test_first_note(void **state)
{
	(void)state;
	float out[CAUSAL_PREDICTORS];
	predictors_compute(NULL, NULL, 0, 60, out);
	for (int i = 0; i < CAUSAL_PREDICTORS; i++)
		assert_true(out[i] == 0);
}

static void test_blend_is_the_baseline(void **state)
{
	(void)state;
	struct piece_note notes[NOTES] = {{.pitch = 0}};
	float blend[NOTES], out[CAUSAL_PREDICTORS];
	play(2);
	for (int i = 0; i < NOTES; i++) {
		notes[i].pitch = pitch[i];
		notes[i].velocity = velocity[i];
	}
	baseline_blend(&(struct piece){.notes = notes, .count = NOTES}, blend);
	for (int i = 1; i < NOTES; i++) {
		predictors_compute(pitch, velocity, i, pitch[i], out);
		assert_true(fabsf(out[5] - (blend[i] - 64) / 32) < 1e-4f);
	}
}

/* Only the last 64 notes before are read: what stands elsewhere in the arrays changes no bit. */
static void test_reach(void **state)
{
	(void)state;
	float before[CAUSAL_PREDICTORS], after[CAUSAL_PREDICTORS];
	play(3);
	predictors_compute(pitch, velocity, 100, 60, before);
	memset(velocity, 1, 100 - PREDICTORS_REACH);
	memset(velocity + 100, 127, NOTES - 100);
	predictors_compute(pitch, velocity, 100, 60, after);
	assert_memory_equal(before, after, sizeof before);
	velocity[100 - PREDICTORS_REACH] ^= 64;
	pitch[100 - PREDICTORS_REACH] = 60;
	for (int i = 101 - PREDICTORS_REACH; i < 100; i++)
		pitch[i] = 70;
	predictors_compute(pitch, velocity, 100, 60, before);
	velocity[100 - PREDICTORS_REACH] ^= 64;
	predictors_compute(pitch, velocity, 100, 60, after);
	assert_memory_not_equal(before, after, sizeof before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rule),
	    cmocka_unit_test(test_first_note),
	    cmocka_unit_test(test_blend_is_the_baseline),
	    cmocka_unit_test(test_reach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
