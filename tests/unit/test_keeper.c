/* Which weights a run hands over: the best with patience, the mean of the last ones, and the same after an interruption. */
#include "train/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WEIGHTS 3

static const double figures[] = {5, 4, 4.5, 3, 3.5, 3, 6, 1};

/* Looks at validations from..end - 1, at steps 10, 20, ... */
static void look(struct keeper *keeper, int from, int end)
{
	for (int i = from; i < end; i++) {
		const float values[WEIGHTS] = {(float)i, (float)(2 * i), -1};
		keeper_look(keeper, (uint64_t)(10 * (i + 1)), figures[i], values);
	}
}

static struct keeper *make(int patience, int average)
{
	struct keeper *keeper = keeper_new(&(struct keeper_options){
	    .patience = patience, .average = average, .every = 10, .steps = 80, .elements = WEIGHTS});
	assert_non_null(keeper);
	return keeper;
}

static void expect(const struct keeper *keeper, float first, uint64_t at, double with)
{
	float values[WEIGHTS] = {-7, -7, -7};
	uint64_t step;
	double figure;
	assert_true(keeper_has(keeper, &step, &figure));
	keeper_take(keeper, values);
	assert_true(values[0] == first && values[1] == 2 * first && values[2] == -1);
	assert_int_equal(step, at);
	assert_true(figure == with);
}

static void test_patience(void **state)
{
	(void)state;
	struct keeper *keeper = make(3, 0);
	float untouched[WEIGHTS] = {1, 2, 3};
	uint64_t step;
	double figure;
	assert_false(keeper_has(keeper, &step, &figure));
	keeper_take(keeper, untouched);
	assert_true(untouched[0] == 1 && untouched[2] == 3);
	look(keeper, 0, 3);
	expect(keeper, 1, 20, 4);
	look(keeper, 3, 6); /* an equal figure is no better */
	expect(keeper, 3, 40, 3);
	assert_false(keeper_is_done(keeper));
	look(keeper, 6, 7);
	assert_true(keeper_is_done(keeper));
	expect(keeper, 3, 40, 3);
	keeper_free(keeper);
}

static void test_average(void **state)
{
	(void)state;
	struct keeper *keeper = make(0, 3);
	uint64_t step;
	double figure;
	look(keeper, 0, 5);
	assert_false(keeper_has(keeper, &step, &figure));
	look(keeper, 5, 8);
	expect(keeper, 6, 80, 1); /* the mean of 5, 6, 7 */
	assert_false(keeper_is_done(keeper));
	keeper_free(keeper);
}

static void test_resumes(void **state)
{
	(void)state;
	struct keeper *first = make(3, 0), *second = make(3, 0);
	struct checkpoint_array from[2], to[2];
	look(first, 0, 6);
	assert_int_equal(keeper_arrays(first, from), 2);
	assert_int_equal(keeper_arrays(second, to), 2);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(from[i].name, to[i].name);
		assert_int_equal(from[i].elements, to[i].elements);
		memcpy(to[i].data, from[i].data, to[i].elements * sizeof(float));
	}
	expect(second, 3, 40, 3);
	look(second, 6, 7);
	assert_true(keeper_is_done(second));
	keeper_free(first);
	keeper_free(second);
}

static void test_late_steps(void **state)
{
	(void)state;
	struct keeper *keeper = make(1, 0);
	const float values[WEIGHTS] = {1, 2, -1};
	keeper_look(keeper, 987654321, 2, values);
	expect(keeper, 1, 987654321, 2);
	keeper_free(keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patience),
	    cmocka_unit_test(test_average),
	    cmocka_unit_test(test_resumes),
	    cmocka_unit_test(test_late_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
