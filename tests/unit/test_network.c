/* The training network: gradients of every parameter against finite differences (with dropout, band, cuts and every kind
 * of head), bf16 against fp32, and its forward pass against the streaming encoder that the daemon runs. */
#define _GNU_SOURCE
#include "base/random.h"
#include "model/encoder.h"
#include "model/matrix.h"
#include "model/predictors.h"
#include "model/reference.h"
#include "train/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define T 150
#define NOTES 75 /* of a causal sequence: odd, and more than the span */

static struct model_shape tiny_shape(int lookahead)
{
	struct model_shape shape = {.layers = 2,
				    .width = 32,
				    .inner = 64,
				    .attention_heads = 2,
				    .span = 70,
				    .lookahead = lookahead,
				    .freeze = 2,
				    .order = ORDER_ARRIVAL,
				    .heads = 4};
	shape.head[0] = (struct head_spec){
	    .name = "melody", .level = HEAD_NOTE, .setting = SETTING_PLAYED, .classes = 3, .temperature = 1};
	shape.head[1] = (struct head_spec){
	    .name = "velocity_hidden", .level = HEAD_NOTE, .setting = SETTING_HIDDEN, .classes = 32, .temperature = 1};
	shape.head[2] = (struct head_spec){
	    .name = "style_test", .level = HEAD_SEQUENCE, .setting = SETTING_PLAYED, .classes = 5, .temperature = 1};
	shape.head[3] = (struct head_spec){
	    .name = "velocity_causal", .level = HEAD_NOTE, .setting = SETTING_CAUSAL, .classes = 32, .temperature = 1};
	for (int h = 0; h < shape.heads; h++)
		for (int c = 0; c < shape.head[h].classes; c++)
			snprintf(shape.head[h].label[c], LABEL_NAME_MAX, "class%d", c);
	return shape;
}

struct fixture {
	struct model_shape shape;
	struct parameters *parameters;
	float *values, *gradient;
	struct network *network;
	struct workspace *workspace;
	struct token tokens[T];
	int limit[T];
	int8_t melody[T], velocity[T];
	float predictors[NOTES * CAUSAL_PREDICTORS];
	struct sequence sequence;
};

static void fixture_open(struct fixture *f, int lookahead, enum precision precision, float dropout)
{
	struct random random = {7, 0};
	matrix_use_threads(1);
	f->shape = tiny_shape(lookahead);
	assert_int_equal(parameters_new(&f->shape, &f->parameters, NULL), STATUS_OK);
	f->values = malloc(f->parameters->elements * sizeof(float));
	parameters_initialise(f->parameters, &f->shape, 3, f->values);
	for (size_t i = 0; i < f->parameters->elements; i++) /* away from the symmetric start, biases too */
		f->values[i] += (float)(0.1 * random_normal(&random));
	struct network_options options = {.rows = T + 3, .precision = precision, .dropout = dropout};
	assert_int_equal(network_new(&f->shape, f->parameters, f->values, &options, &f->network, NULL), STATUS_OK);
	assert_non_null(f->workspace = workspace_new(f->network));
	assert_non_null(f->gradient = calloc(network_gradient_size(f->network), sizeof(float)));
	int n = lookahead == LOOKAHEAD_UNLIMITED ? f->shape.span - 1 : lookahead;
	for (int t = 0; t < T; t++) {
		for (int i = 0; i < ATTRIBUTES; i++)
			f->tokens[t].id[i] = (uint16_t)random_integer(&random, 0, token_vocabulary[i] - 1);
		f->limit[t] = t + n < T ? t + n : T - 1;
		if (lookahead != LOOKAHEAD_UNLIMITED && t <= 20 && f->limit[t] > 20)
			f->limit[t] = 20; /* a cut: rows up to 20 do not see past it */
		f->melody[t] = (int8_t)(t % 4 - 1);
		f->velocity[t] = (int8_t)(t % 5 ? t % 32 : LABEL_NONE);
	}
	f->sequence = (struct sequence){.length = T,
					.tokens = f->tokens,
					.limit = f->limit,
					.note_label = {f->melody, f->velocity, NULL},
					.sequence_label = {LABEL_NONE, LABEL_NONE, 3},
					.weight = {0.1f, 0.05f, 0.7f, 0.1f},
					.key = 99};
}

/* The same tokens as a causal sequence. What the queries' tokens are does not matter to the network. */
static void fixture_make_causal(struct fixture *f)
{
	struct random random = {8, 0};
	for (int i = 0; i < NOTES * CAUSAL_PREDICTORS; i++)
		f->predictors[i] = (float)random_normal(&random);
	f->sequence.predictors = f->predictors;
	f->sequence.limit = NULL;
	f->sequence.note_label[3] = f->velocity;
}

static void fixture_close(struct fixture *f)
{
	workspace_free(f->workspace);
	network_free(f->network);
	parameters_free(f->parameters);
	free(f->values);
	free(f->gradient);
}

/* Weighted loss of a pass with dropout, as the gradient sees it. */
static double loss(struct fixture *f, float *gradient)
{
	struct score score = {0};
	double sum = 0;
	memset(gradient, 0, network_gradient_size(f->network) * sizeof *gradient);
	for (int part = 0; part < network_parts(f->network); part++)
		network_prepare(f->network, part);
	network_pass(f->network, f->workspace, &f->sequence, gradient, &score);
	for (int h = 0; h < f->shape.heads; h++)
		sum += (double)f->sequence.weight[h] * score.loss[h];
	return sum;
}

static void check_gradients(int lookahead, float dropout, bool causal)
{
	struct fixture f;
	struct random random = {11, 0};
	fixture_open(&f, lookahead, PRECISION_FP32, dropout);
	if (causal)
		fixture_make_causal(&f);
	float *scratch = malloc(network_gradient_size(f.network) * sizeof *scratch);
	loss(&f, f.gradient);
	for (int i = 0; i < ATTRIBUTES; i++)
		network_finish_gradient(f.network, (enum attribute)i, f.gradient);
	for (size_t p = 0; p < f.parameters->count; p++) {
		const struct parameter *entry = &f.parameters->table[p];
		float *w = f.values + entry->offset, *g = f.gradient + entry->offset;
		double norm = 0, expected = 0, length = 0;
		for (size_t i = 0; i < entry->elements; i++)
			norm += (double)g[i] * (double)g[i];
		norm = sqrt(norm);
		/* along the gradient, turned by as much at random: a wrong direction shows as well as a wrong length */
		float *direction = malloc(entry->elements * sizeof *direction),
		      *saved = malloc(entry->elements * sizeof *saved);
		for (size_t i = 0; i < entry->elements; i++) {
			direction[i] = (float)((norm > 0 ? (double)g[i] / norm : 0) +
					       random_normal(&random) / sqrt((double)entry->elements));
			length += (double)direction[i] * (double)direction[i];
		}
		double step = 0.002 / sqrt(length); /* any shorter and rounding drowns it */
		for (size_t i = 0; i < entry->elements; i++)
			expected += (double)direction[i] * (double)g[i];
		memcpy(saved, w, entry->elements * sizeof *w);
		double side[2];
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
		free(direction);
		free(saved);
	}
	free(scratch);
	fixture_close(&f);
}

static void test_gradients_bounded(void **state)
{
	(void)state;
	check_gradients(2, 0.1f, false);
}

static void test_gradients_unlimited(void **state)
{
	(void)state;
	check_gradients(LOOKAHEAD_UNLIMITED, 0, false);
}

static void test_gradients_causal(void **state)
{
	(void)state;
	check_gradients(2, 0.1f, true);
	check_gradients(LOOKAHEAD_UNLIMITED, 0, true);
}

/* Cross-entropy is linear in what is asked: a quarter taught by somebody who is sure of other labels has three quarters of
 * one gradient and a quarter of the other. */
static void test_teachers_share(void **state)
{
	(void)state;
	struct fixture f;
	fixture_open(&f, 2, PRECISION_FP32, 0.1f);
	size_t count = network_gradient_size(f.network);
	float *own = malloc(count * sizeof *own), *other = malloc(count * sizeof *other), target[T * 3] = {0};
	int8_t label[T];
	f.sequence.note_label[1] = NULL;
	f.sequence.sequence_label[2] = LABEL_NONE;
	double own_loss = loss(&f, own);
	for (int t = 0; t < T; t++) {
		label[t] = (int8_t)(f.melody[t] < 0 ? LABEL_NONE : (f.melody[t] + 1) % 3);
		target[t * 3 + (f.melody[t] < 0 ? 0 : label[t])] = 1;
	}
	f.sequence.note_label[0] = label;
	loss(&f, other);
	f.sequence.note_label[0] = f.melody;
	f.sequence.note_target[0] = target;
	f.sequence.taught = 0.25f;
	assert_true(loss(&f, f.gradient) == own_loss); /* what is reported is about the labels */
	double apart = 0, length = 0, told = 0;
	for (size_t i = 0; i < count; i++) {
		double wanted = 0.75 * (double)own[i] + 0.25 * (double)other[i], got = (double)f.gradient[i];
		apart += (got - wanted) * (got - wanted);
		length += wanted * wanted;
		told += (got - (double)own[i]) * (got - (double)own[i]);
	}
	assert_true(apart < 1e-10 * length);
	assert_true(told > 0.01 * length);
	free(own);
	free(other);
	fixture_close(&f);
}

/* A query's answer is what a plain pass says of it as the last of a sequence of rows that see no later one. */
static void test_query_is_the_last_row(void **state)
{
	(void)state;
	static const int asked[] = {0, 1, 5, 63, 64, 65, 69, 70, 71, NOTES - 1};
	struct fixture f;
	struct score score = {0};
	struct token rows[NOTES];
	int limit[NOTES];
	fixture_open(&f, 2, PRECISION_FP32, 0);
	fixture_make_causal(&f);
	int d = f.shape.width;
	network_pass(f.network, f.workspace, &f.sequence, NULL, &score);
	assert_int_equal(score.asked[3], 60);
	assert_int_equal(score.asked[0] + score.asked[1] + score.asked[2], 0); /* the others are not asked without limits */
	float *hidden = malloc((size_t)(T * d) * sizeof *hidden);
	memcpy(hidden, workspace_hidden(f.workspace), (size_t)(T * d) * sizeof *hidden);
	for (int i = 0; i < NOTES; i++)
		limit[i] = i;
	for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
		int i = asked[k];
		memcpy(rows, f.tokens, sizeof rows);
		rows[i] = f.tokens[NOTES + i];
		struct sequence plain = {
		    .length = i + 1, .tokens = rows, .limit = limit, .sequence_label = {-1, -1, -1, -1}};
		network_pass(f.network, f.workspace, &plain, NULL, &score);
		for (int c = 0; c < d; c++)
			assert_true(fabsf(hidden[(NOTES + i) * d + c] - workspace_hidden(f.workspace)[i * d + c]) < 2e-4f);
		for (int c = 0; c < i * d; c++)
			assert_true(fabsf(hidden[c] - workspace_hidden(f.workspace)[c]) < 2e-4f);
	}
	free(hidden);
	fixture_close(&f);
}

/* Before any training the causal head says what the blend says. */
static void test_causal_start(void **state)
{
	(void)state;
	struct fixture f;
	struct score score = {0};
	fixture_open(&f, 2, PRECISION_FP32, 0);
	parameters_initialise(f.parameters, &f.shape, 3, f.values);
	for (int part = 0; part < network_parts(f.network); part++)
		network_prepare(f.network, part);
	fixture_make_causal(&f);
	for (int i = 0; i < NOTES; i++) {
		f.velocity[i] = (int8_t)(i % 32);
		f.predictors[i * CAUSAL_PREDICTORS + PREDICTORS_BLEND] = (4 * (float)(i % 32) + 2 - 64) / 32;
	}
	network_pass(f.network, f.workspace, &f.sequence, NULL, &score);
	assert_int_equal(score.asked[3], NOTES);
	/* noise of the other units tips a few at the borders of dynamics */
	assert_true(score.right[3] >= NOTES * 85 / 100);
	fixture_close(&f);
}

/* The causal rows of note i and of every later note change; the answers up to i stay the same bit for bit, the next does
 * not. */
static void check_leak(enum precision precision)
{
	static const int from[] = {0, 1, 30, 64, 70, NOTES - 2};
	struct fixture f;
	struct score score = {0};
	fixture_open(&f, 2, precision, 0);
	fixture_make_causal(&f);
	size_t row = (size_t)f.shape.width * sizeof(float);
	char *before = malloc(NOTES * row), *after = malloc(NOTES * row);
	for (size_t k = 0; k < sizeof from / sizeof *from; k++) {
		const float *queries = workspace_hidden(f.workspace) + NOTES * f.shape.width;
		network_pass(f.network, f.workspace, &f.sequence, NULL, &score);
		memcpy(before, queries, NOTES * row);
		for (int i = from[k]; i < NOTES; i++) {
			f.tokens[i].id[ATTRIBUTE_VELOCITY] = (uint16_t)((f.tokens[i].id[ATTRIBUTE_VELOCITY] + 7) % 32);
			f.tokens[i].id[ATTRIBUTE_DURATION] = (uint16_t)((f.tokens[i].id[ATTRIBUTE_DURATION] + 7) % 32);
		}
		network_pass(f.network, f.workspace, &f.sequence, NULL, &score);
		memcpy(after, queries, NOTES * row);
		assert_memory_equal(before, after, (size_t)(from[k] + 1) * row);
		for (int i = from[k] + 1; i < NOTES; i++)
			assert_memory_not_equal(before + (size_t)i * row, after + (size_t)i * row, row);
	}
	free(before);
	free(after);
	fixture_close(&f);
}

static void test_no_leak(void **state)
{
	(void)state;
	check_leak(PRECISION_FP32);
	check_leak(PRECISION_BF16);
}

static void check_bf16(bool causal)
{
	if (!product_has_bf16()) {
		print_message("this CPU has no AVX-512 BF16: precision bf16 falls back to fp32 here, nothing to compare\n");
		return;
	}
	struct fixture exact, rounded;
	fixture_open(&exact, 2, PRECISION_FP32, 0.1f);
	fixture_open(&rounded, 2, PRECISION_BF16, 0.1f);
	if (causal) {
		fixture_make_causal(&exact);
		fixture_make_causal(&rounded);
	}
	double exact_loss = loss(&exact, exact.gradient), rounded_loss = loss(&rounded, rounded.gradient);
	assert_true(fabs(exact_loss - rounded_loss) < 0.02 * exact_loss);
	for (int i = 0; i < ATTRIBUTES; i++)
		network_finish_gradient(exact.network, (enum attribute)i, exact.gradient);
	for (int i = 0; i < ATTRIBUTES; i++)
		network_finish_gradient(rounded.network, (enum attribute)i, rounded.gradient);
	for (size_t p = 0; p < exact.parameters->count; p++) {
		const struct parameter *entry = &exact.parameters->table[p];
		double difference = 0, norm = 0;
		for (size_t i = entry->offset; i < entry->offset + entry->elements; i++) {
			difference += pow((double)exact.gradient[i] - (double)rounded.gradient[i], 2);
			norm += pow((double)exact.gradient[i], 2);
		}
		/* bf16 keeps 8 bits; the key's bias has no gradient but for the relative terms, so noise dominates there */
		if (sqrt(difference) > 0.15 * sqrt(norm) + 8e-3)
			fail_msg("%s: bf16 gradient off by %.5f of %.5f", entry->name, sqrt(difference), sqrt(norm));
	}
	fixture_close(&exact);
	fixture_close(&rounded);
}

static void test_bf16_follows_fp32(void **state)
{
	(void)state;
	check_bf16(false);
	check_bf16(true);
}

/* The same weights through a file into the daemon's encoder: hidden states agree, in one run and note by note. */
static void check_stream(int lookahead)
{
	struct fixture f;
	char path[] = "/tmp/midibertd-test-network-XXXXXX";
	struct model *model;
	struct error error = {0};
	fixture_open(&f, lookahead, PRECISION_FP32, 0);
	int n = lookahead == LOOKAHEAD_UNLIMITED ? f.shape.span - 1 : lookahead;
	int length = lookahead == LOOKAHEAD_UNLIMITED ? f.shape.span : T; /* an unlimited run is one window */
	f.sequence.length = length;
	for (int t = 0; t < length; t++)
		f.limit[t] = t + n < length ? t + n : length - 1;
	struct score score = {0};
	network_pass(f.network, f.workspace, &f.sequence, NULL, &score);
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	assert_int_equal(parameters_write(f.parameters, &f.shape, f.values, path, TENSOR_F32, NULL, 0, &error), STATUS_OK);
	if (model_load(path, &model, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	unlink(path);
	struct encoder *encoder = encoder_new(model, ENCODER_SETTING(SETTING_PLAYED), f.shape.span, T, T);
	assert_non_null(encoder);
	int d = f.shape.width;
	float *hidden = malloc((size_t)(T * d) * sizeof *hidden);
	memcpy(hidden, encoder_hear(encoder, SETTING_PLAYED, 0, length, f.tokens), (size_t)(length * d) * sizeof *hidden);
	for (int i = 0; i < length * d; i++)
		assert_true(fabsf(hidden[i] - workspace_hidden(f.workspace)[i]) < 2e-4f);
	if (lookahead != LOOKAHEAD_UNLIMITED) {
		encoder_reset(encoder);
		for (int t = 0; t < T; t++)
			encoder_hear(encoder, SETTING_PLAYED, t, 1, f.tokens + t);
		const float *streamed = encoder_hidden(encoder, SETTING_PLAYED, 0);
		for (int i = 0; i < T * d; i++)
			assert_true(fabsf(hidden[i] - streamed[i]) < 2e-4f);
	}
	/* the bf16 backend: 8 bits of every operand, so hidden states (of norm 1) move by a little */
	if (product_has_bf16()) {
		double difference = 0, norm = 0;
		assert_int_equal(model_use_backend(model, "bf16", &error), STATUS_OK);
		encoder_reset(encoder);
		const float *rounded = encoder_hear(encoder, SETTING_PLAYED, 0, length, f.tokens);
		for (int i = 0; i < length * d; i++) {
			difference += pow((double)(rounded[i] - hidden[i]), 2);
			norm += pow((double)hidden[i], 2);
		}
		assert_true(difference > 0); /* it did run */
		assert_true(sqrt(difference / norm) < 0.03);
	}
	assert_int_equal(model_use_backend(model, "abacus", &error), STATUS_USAGE);
	free(hidden);
	encoder_free(encoder);
	model_free(model);
	fixture_close(&f);
}

/* A causal sequence as the sampler makes it: every query as the network's definition has it, and as the daemon hears it. */
static void check_stream_causal(int lookahead)
{
	struct fixture f;
	char path[] = "/tmp/midibertd-test-network-XXXXXX";
	struct model *model;
	struct error error = {0};
	struct score score = {0};
	fixture_open(&f, lookahead, PRECISION_FP32, 0);
	fixture_make_causal(&f);
	for (int i = 0; i < NOTES; i++) {
		f.tokens[i].id[ATTRIBUTE_DURATION] = token_special(ATTRIBUTE_DURATION, SPECIAL_MASK);
		f.tokens[NOTES + i] = f.tokens[i];
		f.tokens[NOTES + i].id[ATTRIBUTE_VELOCITY] = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
	}
	network_pass(f.network, f.workspace, &f.sequence, NULL, &score);
	int file = mkstemp(path), d = f.shape.width;
	assert_true(file >= 0);
	close(file);
	assert_int_equal(parameters_write(f.parameters, &f.shape, f.values, path, TENSOR_F32, NULL, 0, &error), STATUS_OK);
	if (model_load(path, &model, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	unlink(path);
	float *wanted = malloc((size_t)(NOTES * d) * sizeof *wanted);
	const float *queries = workspace_hidden(f.workspace) + NOTES * d;
	assert_true(reference_hidden(model, SETTING_CAUSAL, f.shape.span, f.tokens, NOTES, wanted));
	struct encoder *encoder = encoder_new(model, ENCODER_SETTING(SETTING_CAUSAL), f.shape.span, 1, 1);
	assert_non_null(encoder);
	for (int i = 0; i < NOTES; i++) {
		const float *heard = encoder_hear(encoder, SETTING_CAUSAL, i, 1, f.tokens + i);
		for (int c = 0; c < d; c++) {
			assert_true(fabsf(queries[i * d + c] - wanted[i * d + c]) < 2e-4f);
			assert_true(fabsf(queries[i * d + c] - heard[c]) < 2e-4f);
		}
	}
	free(wanted);
	encoder_free(encoder);
	model_free(model);
	fixture_close(&f);
}

static void test_stream_causal(void **state)
{
	(void)state;
	check_stream_causal(2);
	check_stream_causal(LOOKAHEAD_UNLIMITED);
}

static void test_stream_bounded(void **state)
{
	(void)state;
	check_stream(2);
}

static void test_stream_unlimited(void **state)
{
	(void)state;
	check_stream(LOOKAHEAD_UNLIMITED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gradients_bounded),	  cmocka_unit_test(test_gradients_unlimited),
	    cmocka_unit_test(test_gradients_causal),	  cmocka_unit_test(test_teachers_share),
	    cmocka_unit_test(test_query_is_the_last_row), cmocka_unit_test(test_no_leak),
	    cmocka_unit_test(test_causal_start),	  cmocka_unit_test(test_bf16_follows_fp32),
	    cmocka_unit_test(test_stream_bounded),	  cmocka_unit_test(test_stream_unlimited),
	    cmocka_unit_test(test_stream_causal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
