/* Figures of a classifier, against values worked out by hand. */
#include "train/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double got, double wanted)
{
	if (!(fabs(got - wanted) < 1e-6))
		fail_msg("%.9g, not %.9g", got, wanted);
}

/* Two pieces and an empty one between them; classes 0, 1 and 2 occur, 3 does not. */
static const struct judgement items[] = {
    {0, 0, 0.9f, 1}, {0, 0, 0.9f, 2}, {0, 1, 0.5f, 3}, {1, 1, 0.6f, 0}, /* piece 0: 3 of 4 right */
    {1, 2, 0.7f, 6}, {2, 2, 0.8f, 0},					/* piece 2: 1 of 2 right */
};
static const size_t ends[] = {4, 4, 6};

static void counts_by_hand(void **state)
{
	(void)state;
	struct metrics metrics;
	assert_true(metrics_compute(items, ends, 3, 4, &metrics));
	assert_int_equal(metrics.count, 6);
	near(metrics.accuracy, 4.0 / 6);
	assert_int_equal(metrics.confusion[0][0], 2);
	assert_int_equal(metrics.confusion[0][1], 1);
	assert_int_equal(metrics.confusion[1][2], 1);
	assert_int_equal(metrics.confusion[2][1], 0);
	near(metrics.mae, 2);
	/* F1: class 0: 2*2/(2+3) = .8; class 1: 2*1/(2+2) = .5; class 2: 2*1/(2+1) = 2/3; class 3 does not occur */
	near(metrics.macro_f1, (0.8 + 0.5 + 2.0 / 3) / 3);
	struct metrics_class class = metrics_of_class(&metrics, 0);
	near(class.precision, 1);
	near(class.recall, 2.0 / 3);
	near(class.f1, 0.8);
	class = metrics_of_class(&metrics, 3);
	near(class.precision + class.recall + class.f1, 0);
}

static void calibration_by_hand(void **state)
{
	(void)state;
	struct metrics metrics;
	assert_true(metrics_compute(items, ends, 3, 3, &metrics));
	/* Bins of 1/15: .9 .9 in one (both right: |2 - 1.8|), each other confidence in its own:
	 * .5 wrong .5, .6 right .4, .7 wrong .7, .8 right .2 */
	near(metrics.ece, (0.2 + 0.5 + 0.4 + 0.7 + 0.2) / 6);
}

static void intervals_are_over_pieces(void **state)
{
	(void)state;
	struct metrics metrics;
	/* Two pieces of 3/4 and 1/2: a resample has accuracy 1/2 (a quarter of them), 4/6 or 3/4 (a quarter). */
	assert_true(metrics_compute(items, ends, 3, 3, &metrics));
	near(metrics.interval[0], 0.5);
	near(metrics.interval[1], 0.75);
	/* One piece: every resample is that piece. */
	assert_true(metrics_compute(items, (const size_t[]){6}, 1, 3, &metrics));
	near(metrics.interval[0], 4.0 / 6);
	near(metrics.interval[1], 4.0 / 6);
}

/* 300 items in 15 bins of 20, all sure by 0.8: of honest ones |right - 16| is 1.4 on average (binomial), 0.071 of 20. */
static void chance_of_few_items(void **state)
{
	(void)state;
	struct judgement many[300];
	size_t end = 300;
	struct metrics metrics;
	for (int i = 0; i < 300; i++)
		many[i] = (struct judgement){.truth = 0, .predicted = (int8_t)(i % 5 < 2), .confidence = 0.8f};
	assert_true(metrics_compute(many, &end, 1, 2, &metrics));
	assert_true(fabs(metrics.ece_adaptive - 0.2) < 0.04 && metrics.ece_adaptive > metrics.ece_chance_95);
	assert_true(fabs(metrics.ece_chance - 0.071) < 0.004);
	assert_true(metrics.ece_chance_95 > metrics.ece_chance && metrics.ece_chance_95 < 0.11);
	for (int i = 0; i < 300; i++)
		many[i].predicted = (int8_t)(i % 5 < 1);
	assert_true(metrics_compute(many, &end, 1, 2, &metrics));
	assert_true(metrics.ece_adaptive < metrics.ece_chance_95);
	near(metrics.ece, 0);
}

/* 100 pieces of one item, half of them right: the interval is that of a binomial of 100, .5 +- 1.96 * .05. */
static void intervals_are_the_binomials(void **state)
{
	(void)state;
	struct judgement many[100];
	size_t many_ends[100];
	struct metrics first, second;
	for (int i = 0; i < 100; i++) {
		many[i] = (struct judgement){.truth = 0, .predicted = (int8_t)(i % 2)};
		many_ends[i] = (size_t)i + 1;
	}
	assert_true(metrics_compute(many, many_ends, 100, 2, &first));
	assert_true(fabs(first.interval[0] - 0.402) < 0.02);
	assert_true(fabs(first.interval[1] - 0.598) < 0.02);
	assert_true(metrics_compute(many, many_ends, 100, 2, &second));
	assert_memory_equal(&first, &second, sizeof first);
}

static void refuses_what_is_no_class(void **state)
{
	(void)state;
	struct metrics metrics;
	const struct judgement high = {.truth = 2, .predicted = 0}, low = {.truth = 0, .predicted = -1};
	const size_t end = 1;
	assert_false(metrics_compute(&high, &end, 1, 2, &metrics));
	assert_false(metrics_compute(&low, &end, 1, 2, &metrics));
	assert_false(metrics_compute(items, ends, 3, CLASSES_MAX + 1, &metrics));
	assert_true(metrics_compute(NULL, NULL, 0, 2, &metrics));
	assert_int_equal(metrics.count, 0);
	near(metrics.accuracy + metrics.macro_f1 + metrics.ece + metrics.interval[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_by_hand),
	    cmocka_unit_test(calibration_by_hand),
	    cmocka_unit_test(chance_of_few_items),
	    cmocka_unit_test(intervals_are_over_pieces),
	    cmocka_unit_test(intervals_are_the_binomials),
	    cmocka_unit_test(refuses_what_is_no_class),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
