/* Recoverer and masker: gradients of every parameter of both losses together against finite differences, with dropout; what
 * a note's loss is made of; bf16 against fp32. */
#define _GNU_SOURCE
#include "base/random.h"
#include "model/matrix.h"
#include "train/network_mlm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T 60

struct fixture {
	struct model_shape shape;
	struct parameters *parameters;
	float *values, *gradient;
	struct network *network;
	struct workspace *workspace, *masker_workspace;
	struct mlm *mlm;
	struct token truth[T], shown[T], clean[T];
	int limit[T];
	uint8_t asked[T];
	float weight[ATTRIBUTES], note_loss[T], worth[T];
	int8_t target[T];
	struct sequence masked, unmasked;
};

static void fixture_open(struct fixture *f, enum precision precision, float dropout)
{
	struct random random = {17, 0};
	matrix_use_threads(1);
	f->shape = (struct model_shape){.layers = 2,
					.width = 32,
					.inner = 48,
					.attention_heads = 2,
					.span = 30,
					.lookahead = 3,
					.freeze = 2,
					.pretraining = true};
	assert_int_equal(parameters_new(&f->shape, &f->parameters, NULL), STATUS_OK);
	f->values = malloc(f->parameters->elements * sizeof(float));
	parameters_initialise(f->parameters, &f->shape, 3, f->values);
	for (size_t i = 0; i < f->parameters->elements; i++)
		f->values[i] += (float)(0.1 * random_normal(&random));
	struct network_options options = {.rows = T + 5, .precision = precision, .dropout = dropout};
	assert_int_equal(network_new(&f->shape, f->parameters, f->values, &options, &f->network, NULL), STATUS_OK);
	assert_non_null(f->workspace = workspace_new(f->network));
	assert_non_null(f->masker_workspace = workspace_new(f->network));
	assert_non_null(f->mlm = mlm_new(f->network));
	assert_non_null(f->gradient = calloc(network_gradient_size(f->network), sizeof(float)));
	for (int a = 0; a < ATTRIBUTES; a++)
		f->weight[a] = 0.05f + 0.02f * (float)a;
	for (int t = 0; t < T; t++) {
		for (int a = 0; a < ATTRIBUTES; a++) {
			f->truth[t].id[a] = (uint16_t)random_integer(&random, 0, token_vocabulary[a] - 1);
			f->shown[t].id[a] = (uint16_t)random_integer(&random, 0, token_vocabulary[a] - 1);
			f->clean[t].id[a] = (uint16_t)random_integer(&random, 0, token_vocabulary[a] - 1);
		}
		f->limit[t] = t + 3 < T ? t + 3 : T - 1;
		f->asked[t] = (uint8_t)(t % 3 ? 0 : t % 2 ? 255 : 0x2d); /* some attributes of some notes */
		f->target[t] = (int8_t)(t % 4 < 2 ? t % 4 : -1);
	}
	f->masked = (struct sequence){.length = T, .tokens = f->shown, .limit = f->limit, .key = 99};
	f->unmasked = (struct sequence){.length = T, .tokens = f->clean, .limit = f->limit, .key = 7};
}

static void fixture_close(struct fixture *f)
{
	mlm_free(f->mlm);
	workspace_free(f->workspace);
	workspace_free(f->masker_workspace);
	network_free(f->network);
	parameters_free(f->parameters);
	free(f->values);
	free(f->gradient);
}

/* Both losses together, in the order in which a training step has them. */
static double loss(struct fixture *f, float *gradient)
{
	const float scale = 0.5f, masker_scale = 3;
	struct score score = {0};
	struct recovery recovery = {
	    .truth = f->truth, .asked = f->asked, .weight = f->weight, .scale = scale, .note_loss = f->note_loss};
	memset(gradient, 0, network_gradient_size(f->network) * sizeof *gradient);
	for (int part = 0; part < network_parts(f->network); part++)
		network_prepare(f->network, part);
	network_forward(f->network, f->masker_workspace, &f->unmasked, true);
	mlm_mask(f->mlm, T, workspace_hidden(f->masker_workspace), f->unmasked.key, true, f->worth);
	network_forward(f->network, f->workspace, &f->masked, true);
	mlm_recover(f->mlm, T, &recovery, workspace_hidden(f->workspace), gradient, workspace_gradient(f->workspace),
		    &score);
	network_backward(f->network, f->workspace, &f->masked, gradient);
	mlm_mask_backward(f->mlm, T, f->target, masker_scale, f->unmasked.key, f->worth, gradient,
			  workspace_gradient(f->masker_workspace), &score);
	network_backward(f->network, f->masker_workspace, &f->unmasked, gradient);
	double sum = (double)masker_scale * score.loss[ATTRIBUTES] / (double)score.asked[ATTRIBUTES];
	for (int a = 0; a < ATTRIBUTES; a++)
		sum += (double)scale * (double)f->weight[a] * score.loss[a] / (double)score.asked[a];
	return sum;
}

static void finish(struct fixture *f)
{
	for (int i = 0; i < ATTRIBUTES; i++)
		network_finish_gradient(f->network, (enum attribute)i, f->gradient);
}

static void test_gradients(void **state)
{
	(void)state;
	struct fixture f;
	struct random random = {11, 0};
	fixture_open(&f, PRECISION_FP32, 0.1f);
	float *scratch = malloc(network_gradient_size(f.network) * sizeof *scratch);
	loss(&f, f.gradient);
	finish(&f);
	for (size_t p = 0; p < f.parameters->count; p++) {
		const struct parameter *entry = &f.parameters->table[p];
		float *w = f.values + entry->offset, *g = f.gradient + entry->offset;
		float *direction = malloc(entry->elements * sizeof *direction),
		      *saved = malloc(entry->elements * sizeof *saved);
		double norm = 0, expected = 0, length = 0, side[2];
		for (size_t i = 0; i < entry->elements; i++)
			norm += (double)g[i] * (double)g[i];
		norm = sqrt(norm);
		for (size_t i = 0; i < entry->elements; i++) {
			direction[i] = (float)((norm > 0 ? (double)g[i] / norm : 0) +
					       random_normal(&random) / sqrt((double)entry->elements));
			length += (double)direction[i] * (double)direction[i];
		}
		double step = 0.001 / sqrt(length);
		for (size_t i = 0; i < entry->elements; i++)
			expected += (double)direction[i] * (double)g[i];
		memcpy(saved, w, entry->elements * sizeof *w);
		for (int s = 0; s < 2; s++) {
			for (size_t i = 0; i < entry->elements; i++)
				w[i] = saved[i] + (float)((s ? -step : step) * (double)direction[i]);
			side[s] = loss(&f, scratch);
		}
		memcpy(w, saved, entry->elements * sizeof *w);
		double numeric = (side[0] - side[1]) / (2 * step);
		if (fabs(numeric - expected) > 0.02 * fabs(expected) + 4e-4)
			fail_msg("%s: gradient %.6f, finite difference %.6f (|g| %.6f)", entry->name, expected, numeric,
				 norm);
		bool head = strncmp(entry->name, "midibert.", 9) != 0;
		if (head && norm < 1e-3)
			fail_msg("%s: no gradient", entry->name);
		free(direction);
		free(saved);
	}
	free(scratch);
	fixture_close(&f);
}

static void test_note_loss(void **state)
{
	(void)state;
	struct fixture f;
	fixture_open(&f, PRECISION_FP32, 0);
	struct score score = {0}, one = {0};
	struct recovery recovery = {
	    .truth = f.truth, .asked = f.asked, .weight = f.weight, .scale = 1, .note_loss = f.note_loss};
	network_forward(f.network, f.workspace, &f.masked, false);
	const float *hidden = workspace_hidden(f.workspace);
	mlm_recover(f.mlm, T, &recovery, hidden, NULL, NULL, &score);
	for (int a = 0; a < ATTRIBUTES; a++) {
		uint64_t asked = 0;
		for (int t = 0; t < T; t++)
			asked += f.asked[t] >> a & 1;
		assert_int_equal(score.asked[a], asked);
		assert_true(score.right[a] <= asked);
	}
	for (int t = 0; t < T; t++)
		assert_true(f.asked[t] ? f.note_loss[t] > 0 : f.note_loss[t] == 0);
	/* one note alone: its loss is the weighted mean over what it is asked */
	float before = f.note_loss[6];
	double wanted = 0, weights = 0;
	for (int t = 0; t < T; t++)
		f.asked[t] = t == 6 ? f.asked[t] : 0;
	mlm_recover(f.mlm, T, &recovery, hidden, NULL, NULL, &one);
	for (int a = 0; a < ATTRIBUTES; a++) {
		wanted += one.asked[a] ? (double)f.weight[a] * one.loss[a] : 0;
		weights += one.asked[a] ? (double)f.weight[a] : 0;
	}
	assert_true(fabs(wanted / weights - (double)before) < 1e-4);
	assert_true(weights < 0.5); /* not all were asked */
	fixture_close(&f);
}

static void test_bf16_follows_fp32(void **state)
{
	(void)state;
	if (!product_has_bf16()) {
		print_message("this CPU has no AVX-512 BF16: nothing to compare\n");
		return;
	}
	struct fixture exact, rounded;
	fixture_open(&exact, PRECISION_FP32, 0.1f);
	fixture_open(&rounded, PRECISION_BF16, 0.1f);
	double exact_loss = loss(&exact, exact.gradient), rounded_loss = loss(&rounded, rounded.gradient);
	assert_true(fabs(exact_loss - rounded_loss) < 0.02 * exact_loss);
	finish(&exact);
	finish(&rounded);
	for (size_t p = 0; p < exact.parameters->count; p++) {
		const struct parameter *entry = &exact.parameters->table[p];
		double difference = 0, norm = 0;
		for (size_t i = entry->offset; i < entry->offset + entry->elements; i++) {
			difference += pow((double)exact.gradient[i] - (double)rounded.gradient[i], 2);
			norm += pow((double)exact.gradient[i], 2);
		}
		if (sqrt(difference) > 0.08 * sqrt(norm) + 8e-3)
			fail_msg("%s: bf16 gradient off by %.5f of %.5f", entry->name, sqrt(difference), sqrt(norm));
	}
	fixture_close(&exact);
	fixture_close(&rounded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gradients),
	    cmocka_unit_test(test_note_loss),
	    cmocka_unit_test(test_bf16_follows_fp32),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
