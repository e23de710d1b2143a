/* Muon's step against what it is made for: whatever singular values a gradient has, the step's are all near one size, in the
 * same directions; tall, wide and square; both precisions; and which tensors go that way. */
#include "train/muon.h"

#include "train/optimiser.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_shape shape = {.layers = 1,
					 .width = 32,
					 .inner = 64,
					 .attention_heads = 2,
					 .span = 8,
					 .lookahead = 2,
					 .freeze = 2,
					 .order = ORDER_ARRIVAL,
					 .heads = 0};

/* Orthonormal columns: element i of the k-th cosine of length n. */
static double cosine(int n, int k, int i)
{
	return sqrt((k ? 2.0 : 1.0) / n) * cos(3.14159265358979 * (i + 0.5) * k / n);
}

static const struct parameter *find(const struct parameters *parameters, const char *end)
{
	for (size_t i = 0; i < parameters->count; i++) {
		const char *name = parameters->table[i].name;
		size_t length = strlen(name);
		if (length >= strlen(end) && strcmp(name + length - strlen(end), end) == 0)
			return &parameters->table[i];
	}
	fail_msg("no tensor %s", end);
	return NULL;
}

/* The part of matrix [out][in] along u_j v_k^T. */
static double along(const float *matrix, int out, int in, int j, int k)
{
	double sum = 0;
	for (int o = 0; o < out; o++)
		for (int i = 0; i < in; i++)
			sum += cosine(out, j, o) * (double)matrix[o * in + i] * cosine(in, k, i);
	return sum;
}

static void check_step(const struct parameters *parameters, const char *end, enum precision precision)
{
	const struct parameter *parameter = find(parameters, end);
	struct muon *muon = muon_new(parameters, precision);
	int out = (int)parameter->shape[0], in = (int)parameter->shape[1], r = out < in ? out : in, c = out < in ? in : out;
	const struct muon_step by = {.rate = 0.01f, .decay = 0, .clip = 1};
	float *gradient = calloc(parameter->elements, sizeof *gradient),
	      *values = calloc(parameter->elements, sizeof *values),
	      *momentum = calloc(parameter->elements, sizeof *momentum);
	assert_non_null(muon);
	assert_true(muon_suits(parameter));
	for (int j = 0; j < r; j++) /* singular values from 1 to 1/20, none of the others */
		for (int o = 0; o < out; o++)
			for (int i = 0; i < in; i++)
				gradient[o * in + i] +=
				    (float)((1 - 0.95 * j / (r - 1)) * cosine(out, j, o) * cosine(in, j, i));
	muon_update(muon, parameter, &by, gradient, values, momentum);
	double size = 0.2 * sqrt(c) * 0.01;
	for (int j = 0; j < r; j++) {
		double step = -along(values, out, in, j, j) / size;
		assert_true(step > 0.5 && step < 1.4);
		assert_true(fabs(along(values, out, in, j, (j + 1) % r)) / size < 0.1);
	}
	/* a gradient of the other sign, as large as all that was before, turns the momentum */
	for (size_t i = 0; i < parameter->elements; i++)
		gradient[i] *= -2;
	memset(values, 0, parameter->elements * sizeof *values);
	muon_update(muon, parameter, &by, gradient, values, momentum);
	assert_true(along(values, out, in, 0, 0) / size > 0.5);
	muon_free(muon);
	free(gradient), free(values), free(momentum);
}

static void test_steps(void **state)
{
	(void)state;
	struct parameters *parameters;
	assert_int_equal(parameters_new(&shape, &parameters, NULL), STATUS_OK);
	for (int p = 0; p < 2; p++) {
		enum precision precision = p ? PRECISION_BF16 : PRECISION_FP32;
		check_step(parameters, "attention.self.query.weight", precision);
		check_step(parameters, "intermediate.dense.weight", precision);
		check_step(parameters, "0.output.dense.weight", precision);
	}
	parameters_free(parameters);
}

static void test_decays_and_stands_still(void **state)
{
	(void)state;
	struct parameters *parameters;
	assert_int_equal(parameters_new(&shape, &parameters, NULL), STATUS_OK);
	const struct parameter *parameter = find(parameters, "attention.self.value.weight");
	struct muon *muon = muon_new(parameters, PRECISION_FP32);
	const struct muon_step by = {.rate = 0.5f, .decay = 0.5f, .clip = 1};
	float *zero = calloc(parameter->elements, sizeof *zero), *values = calloc(parameter->elements, sizeof *values),
	      *momentum = calloc(parameter->elements, sizeof *momentum);
	values[3] = 8;
	muon_update(muon, parameter, &by, zero, values, momentum); /* no direction at all: no step, and no NaN */
	for (size_t i = 0; i < parameter->elements; i++)
		assert_true(isfinite(values[i]) && fabsf(values[i]) <= 8);
	assert_true(fabsf(values[3] - 6) < 1e-6f);
	muon_free(muon);
	free(zero), free(values), free(momentum);
	parameters_free(parameters);
}

/* With a rate of its own 0, everything goes by AdamW, as does what is no matrix between hidden states. */
static void test_who_goes(void **state)
{
	(void)state;
	struct parameters *parameters;
	assert_int_equal(parameters_new(&shape, &parameters, NULL), STATUS_OK);
	static const char *const not [] = {"word_emb.3.lut.weight",
					   "in_linear.weight",
					   "distance_embedding.weight",
					   "query.bias",
					   "attention.output.LayerNorm.weight",
					   "token_type_embeddings.weight"};
	for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
		assert_false(muon_suits(find(parameters, not [i])));
	const struct parameter *query = find(parameters, "query.weight");
	struct optimiser_options options = {
	    .rate = 0.1, .warmup = 1, .steps = 10, .clip = 1e9, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
	struct muon *muon = muon_new(parameters, PRECISION_FP32);
	size_t bytes = parameters->elements * sizeof(float);
	float *gradient = calloc(1, bytes), *values = calloc(1, bytes), *first = calloc(1, bytes),
	      *second = calloc(1, bytes);
	gradient[query->offset] = 1;
	optimiser_step(&options, query, 0, 1, gradient, values, first, second, NULL);
	assert_true(fabsf(values[query->offset] + 0.1f) < 1e-4f); /* AdamW's first step is its rate */
	options.muon = 0.1;
	memset(values, 0, bytes), memset(first, 0, bytes), memset(second, 0, bytes);
	optimiser_step(&options, query, 0, 1, gradient, values, first, second, muon);
	assert_true(fabsf(values[query->offset] + 0.1f * 0.2f * sqrtf(32)) < 0.05f);
	assert_true(second[query->offset] == 0);
	muon_free(muon);
	free(gradient), free(values), free(first), free(second);
	parameters_free(parameters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_decays_and_stands_still),
	    cmocka_unit_test(test_who_goes),
	};
	return cmocka_run_group_tests_name("muon", tests, NULL, NULL);
}
