/* Cheap answers, against values worked out by hand. */
#include "train/baselines.h"

#include "train/evaluate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void near(double got, double wanted)
{
	if (!(fabs(got - wanted) < 1e-5))
		fail_msg("%.9g, not %.9g", got, wanted);
}

#define NOTE(at, lasts, key, loud, class)                                                                                   \
	{                                                                                                                   \
		.position = at, .duration_positions = lasts, .pitch = key, .velocity = loud, .melody = class                \
	}

static struct piece_note notes[] = {
    NOTE(0, 16, 48, 40, 2), NOTE(0, 16, 72, 80, 0), /* the higher one of two */
    NOTE(8, 4, 60, 50, 2),			    /* 72 still sounds */
    NOTE(16, 4, 60, 60, 1),			    /* 72 has ended at 16: highest now */
    NOTE(20, 4, 55, 70, 2), NOTE(20, 4, 55, 30, 2), /* unison: both are the highest */
    NOTE(22, 0, 50, 90, 2),			    /* 55 still sounds */
    NOTE(24, 4, 50, 20, 0),
};
#define NOTES (sizeof notes / sizeof notes[0])

static void skyline_by_hand(void **state)
{
	(void)state;
	const struct piece piece = {.notes = notes, .count = NOTES};
	static const int8_t wanted[NOTES] = {2, 0, 2, 0, 0, 0, 2, 0};
	int8_t class[NOTES];
	baseline_skyline(&piece, class);
	for (size_t i = 0; i < NOTES; i++)
		assert_int_equal(class[i], wanted[i]);
}

static void blend_by_hand(void **state)
{
	(void)state;
	const struct piece piece = {.notes = notes, .count = NOTES};
	float expected[NOTES];
	baseline_blend(&piece, expected);
	near((double)expected[0], 64);
	near((double)expected[1], 40);		    /* (40 + 40) / 2 */
	near((double)expected[2], (60 + 80) / 2.0); /* mean of 40 and 80; 48 and 72 are equally near: the later, 72's 80 */
	near((double)expected[3], ((40 + 80 + 50) / 3.0 + 50) / 2);
	near((double)expected[5], ((40 + 80 + 50 + 60 + 70) / 5.0 + 70) / 2); /* 55 itself */
}

/* The recent mean forgets after 8 notes, the nearest pitch after 16. */
static void blend_forgets(void **state)
{
	(void)state;
	struct piece_note many[18];
	const struct piece piece = {.notes = many, .count = 18};
	float expected[18];
	for (int i = 0; i < 18; i++)
		many[i] = (struct piece_note)NOTE(i, 1, 100, 10, 0);
	many[0] = (struct piece_note)NOTE(0, 1, 60, 100, 0);
	many[16].pitch = many[17].pitch = 60;
	many[16].velocity = 20;
	baseline_blend(&piece, expected);
	near((double)expected[8], (21.25 + 10) / 2); /* (100 + 7 * 10) / 8 */
	near((double)expected[9], 10);
	near((double)expected[16], (10 + 100) / 2.0); /* 16 back is still near */
	near((double)expected[17], (11.25 + 20) / 2);
	many[16].pitch = 100;
	baseline_blend(&piece, expected);
	near((double)expected[17], (11.25 + 20) / 2); /* 17 back is not: of the equal ones the latest */
}

static const struct task melody = {.kind = TASK_MELODY, .classes = 3};
static const struct task velocity = {.kind = TASK_VELOCITY, .classes = DYNAMICS};

static void melody_baselines(void **state)
{
	(void)state;
	struct piece piece = {.notes = notes, .count = NOTES};
	struct piece_note only_bridge[] = {NOTE(0, 1, 60, 64, 1), NOTE(1, 1, 60, 64, MELODY_NONE)};
	struct piece train_piece = {.notes = only_bridge, .count = 2};
	const struct dataset dataset = {.pieces = &piece, .count = 1}, train = {.pieces = &train_piece, .count = 1};
	struct baseline baselines[BASELINES_MAX];
	struct error error;
	int count;
	assert_int_equal(baselines_compute(&melody, &dataset, EVALUATE_ALL_SETS, NULL, baselines, &count, &error),
			 STATUS_OK);
	assert_int_equal(count, 2);
	assert_string_equal(baselines[0].name, "majority");
	assert_string_equal(baselines[0].fitted, "evaluated");
	near(baselines[0].metrics.accuracy, 5.0 / 8); /* accompaniment */
	assert_string_equal(baselines[1].name, "skyline");
	assert_null(baselines[1].fitted);
	near(baselines[1].metrics.accuracy, 5.0 / 8); /* right but for the bridge and the unison */
	assert_int_equal(baselines_compute(&melody, &dataset, EVALUATE_ALL_SETS, &train, baselines, &count, &error),
			 STATUS_OK);
	assert_string_equal(baselines[0].fitted, "train");
	near(baselines[0].metrics.accuracy, 1.0 / 8); /* bridge */
	/* Of another set nothing is left. */
	assert_int_equal(baselines_compute(&melody, &dataset, 1, NULL, baselines, &count, &error), STATUS_OK);
	assert_int_equal(baselines[0].metrics.count, 0);
}

static void velocity_baselines(void **state)
{
	(void)state;
	struct piece piece = {.notes = notes, .count = 3}; /* 40 80 50: p f mp; blend says 64, 40, 70 */
	const struct dataset dataset = {.pieces = &piece, .count = 1};
	struct baseline baselines[BASELINES_MAX];
	struct error error;
	int count;
	assert_int_equal(baselines_compute(&velocity, &dataset, EVALUATE_ALL_SETS, NULL, baselines, &count, &error),
			 STATUS_OK);
	assert_string_equal(baselines[1].name, "causal_blend");
	near(baselines[1].metrics.accuracy, 0);
	near(baselines[1].metrics.mae, (24 + 40 + 20) / 3.0);
	assert_int_equal(baselines[1].metrics.confusion[DYNAMIC_P][DYNAMIC_MF], 1);
	assert_int_equal(baselines[1].metrics.confusion[DYNAMIC_F][DYNAMIC_P], 1);
	assert_int_equal(baselines[1].metrics.confusion[DYNAMIC_MP][DYNAMIC_MF], 1);
}

static void bayes_by_hand(void **state)
{
	(void)state;
	struct piece_note low = NOTE(0, 1, 40, 64, 0), high = NOTE(0, 1, 80, 64, 0);
	const struct piece low_piece = {.notes = &low, .count = 1}, high_piece = {.notes = &high, .count = 1};
	struct bayes *bayes = bayes_new(2);
	float probability;
	assert_non_null(bayes);
	bayes_learn(bayes, &low_piece, 0);
	bayes_learn(bayes, &high_piece, 1);
	assert_int_equal(bayes_classify(bayes, &low_piece, &probability), 0);
	/* All other values agree; pitch 40 is 2/129 in class 0 and 1/129 in class 1. */
	near((double)probability, 2.0 / 3);
	assert_int_equal(bayes_classify(bayes, &high_piece, &probability), 1);
	/* Another piece of class 0: prior 3 to 2, totals 130 and 129, pitch 80 1/130 against 2/129, the three others
	 * 3/130 against 2/129 each. */
	bayes_learn(bayes, &low_piece, 0);
	double zero = 3 * (1 / 130.0) * pow(3 / 130.0, 3), one = 2 * (2 / 129.0) * pow(2 / 129.0, 3);
	assert_int_equal(bayes_classify(bayes, &high_piece, &probability), 0);
	near((double)probability, zero / (zero + one));
	bayes_free(bayes);
}

static void style_baselines(void **state)
{
	(void)state;
	struct task task = {.kind = TASK_SEQUENCE, .classes = 2, .label = {"low", "high"}};
	struct piece_note low = NOTE(0, 1, 40, 64, 0), high = NOTE(0, 1, 80, 64, 0);
	char low_name[] = "low", high_name[] = "high", other[] = "other";
	struct piece pieces[] = {{.notes = &low, .count = 1, .label = low_name},
				 {.notes = &high, .count = 1, .label = high_name},
				 {.notes = &high, .count = 1, .label = high_name},
				 {.notes = &high, .count = 1, .label = other},
				 {.notes = &high, .count = 1}};
	const struct dataset dataset = {.pieces = pieces, .count = 5}, train = {.pieces = pieces, .count = 2};
	struct baseline baselines[BASELINES_MAX];
	struct error error;
	int count;
	assert_int_equal(baselines_compute(&task, &dataset, EVALUATE_ALL_SETS, NULL, baselines, &count, &error), STATUS_OK);
	assert_int_equal(count, 1); /* nothing to fit on */
	near(baselines[0].metrics.accuracy, 2.0 / 3);
	assert_int_equal(baselines_compute(&task, &dataset, EVALUATE_ALL_SETS, &train, baselines, &count, &error),
			 STATUS_OK);
	assert_int_equal(count, 2);
	near(baselines[0].metrics.accuracy, 1.0 / 3); /* a tie in train: the first class */
	assert_string_equal(baselines[1].name, "naive_bayes");
	near(baselines[1].metrics.accuracy, 1);
	assert_int_equal(baselines[1].metrics.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(skyline_by_hand),	cmocka_unit_test(blend_by_hand),      cmocka_unit_test(blend_forgets),
	    cmocka_unit_test(melody_baselines), cmocka_unit_test(velocity_baselines), cmocka_unit_test(bayes_by_hand),
	    cmocka_unit_test(style_baselines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
