/* Calibration: the temperature found is the best one, and a network that is k times too sure gets k times the temperature.
 */
#define _GNU_SOURCE
#include "base/random.h"
#include "model/matrix.h"
#include "tests/support/tiny_model.h"
#include "train/calibrate.h"
#include "train/listener.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTES 400
#define HEADS 3

static struct piece_note notes[2][NOTES];
static struct piece pieces[2] = {{.path = "a", .label = "ada", .notes = notes[0], .count = NOTES, .set = 0},
				 {.path = "b", .label = "bob", .notes = notes[1], .count = NOTES, .set = 1}};
static const struct dataset data = {.pieces = pieces, .count = 2, .notes = 2 * NOTES};
static const bool all[2] = {true, true};

/* A tiny network whose last layers are `sureness` times as large: its logits are, too. */
static struct model *network(float sureness)
{
	char path[] = "/tmp/midibertd-test-calibrate-XXXXXX";
	struct model_shape shape = tiny_shape(2, 2);
	struct parameters *parameters;
	struct model *model;
	struct error error = {0};
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	assert_int_equal(parameters_new(&shape, &parameters, &error), STATUS_OK);
	float *values = calloc(parameters->elements, sizeof *values);
	assert_non_null(values);
	parameters_initialise(parameters, &shape, 4, values);
	for (int h = 0; h < HEADS; h++)
		for (int i = 0; i < shape.head[h].classes * HEAD_INNER; i++)
			values[parameters->head[h].last.weight + (size_t)i] *= 8 * sureness;
	assert_int_equal(parameters_write(parameters, &shape, values, path, TENSOR_F32, NULL, 0, &error), STATUS_OK);
	if (model_load(path, &model, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	unlink(path);
	free(values);
	parameters_free(parameters);
	return model;
}

static int set_up(void **state)
{
	(void)state;
	struct random random = {9, 0};
	matrix_use_threads(1);
	for (int p = 0; p < 2; p++)
		for (int i = 0; i < NOTES; i++)
			notes[p][i] = (struct piece_note){
			    .place = {.bar = i / 16, .position = (uint8_t)(i % 16 * 4), .time_signature = 9, .tempo = 35},
			    .onset_us = i * 100000,
			    .end_us = i * 100000 + 90000,
			    .position = i * 4,
			    .duration_positions = 4,
			    .pitch = (uint8_t)random_integer(&random, 40, 90),
			    .velocity = (uint8_t)random_integer(&random, 1, 127),
			    .melody = (int8_t)random_integer(&random, 0, 2)};
	return 0;
}

/* Truth that follows the network's answer six times in ten: then there is a best temperature. Velocities first, for the
 * melody head sees them. */
static void label_by(const struct model *model)
{
	static float probability[NOTES * TOKEN_VELOCITIES];
	struct listener *listener = listener_new(model, 64, 64);
	struct random random = {31, 0};
	assert_non_null(listener);
	for (int head = 1; head >= 0; head--) {
		int classes = head ? TOKEN_VELOCITIES : 3;
		for (int p = 0; p < 2; p++) {
			assert_true(listener_notes(listener, &pieces[p], head, probability));
			for (int i = 0; i < NOTES; i++) {
				const float *row = probability + i * classes;
				int label = 0;
				for (int c = 1; c < classes; c++)
					label = row[c] > row[label] ? c : label;
				if (random_uniform(&random) < 0.4)
					label = (int)random_integer(&random, 0, classes - 1);
				if (head)
					notes[p][i].velocity = (uint8_t)(4 * label + 2);
				else
					notes[p][i].melody = (int8_t)label;
			}
		}
	}
	listener_free(listener);
}

static void test_twice_as_sure(void **state)
{
	(void)state;
	struct model *plain = network(1), *sure = network(2);
	label_by(plain);
	for (int h = 0; h < 2; h++) {
		float cool = 1, hot = 1;
		assert_int_equal(calibrate_head(plain, h, &data, all, &cool, NULL), STATUS_OK);
		assert_int_equal(calibrate_head(sure, h, &data, all, &hot, NULL), STATUS_OK);
		if (cool < 0.21f || hot > 4.9f)
			fail_msg("head %d: %.3f and %.3f: an end of the search, not a minimum", h, (double)cool,
				 (double)hot);
		if (fabsf(hot / cool - 2) > 0.02f)
			fail_msg("head %d: temperature %.3f, twice as sure %.3f", h, (double)cool, (double)hot);
	}
	model_free(plain);
	model_free(sure);
}

/* Cross-entropy of the melody labels at a temperature, from the network's own probabilities. */
static double cross_entropy(const struct model *model, double temperature)
{
	static float probability[NOTES * 3];
	struct listener *listener = listener_new(model, 64, 64);
	double sum = 0;
	assert_non_null(listener);
	for (int p = 0; p < 2; p++) {
		assert_true(listener_notes(listener, &pieces[p], 0, probability));
		for (int i = 0; i < NOTES; i++) {
			double total = 0;
			for (int c = 0; c < 3; c++)
				total += pow((double)probability[3 * i + c], 1 / temperature);
			sum -= log(pow((double)probability[3 * i + notes[p][i].melody], 1 / temperature) / total);
		}
	}
	listener_free(listener);
	return sum;
}

static void test_best_temperature(void **state)
{
	(void)state;
	struct model *model = network(1);
	float found = 1;
	label_by(model);
	assert_int_equal(calibrate_head(model, 0, &data, all, &found, NULL), STATUS_OK);
	double at = cross_entropy(model, (double)found);
	assert_true(at <= cross_entropy(model, (double)found * 1.05) && at <= cross_entropy(model, (double)found / 1.05));
	model_free(model);
}

static void test_nothing_to_learn_from(void **state)
{
	(void)state;
	const bool none[2] = {false, false};
	float temperature = 1.5f;
	struct model *model = network(1);
	assert_int_equal(calibrate_head(model, 0, &data, none, &temperature, NULL), STATUS_OK);
	assert_true(temperature == 1.5f);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_twice_as_sure),
	    cmocka_unit_test(test_best_temperature),
	    cmocka_unit_test(test_nothing_to_learn_from),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
