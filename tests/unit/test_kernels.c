/* Kernels and matrix products against their definitions: OpenBLAS and bf16 against the naive product, vector code against
 * libm, on sizes that do and do not fill whole vectors and panels. */
#include "base/random.h"
#include "model/attend.h"
#include "model/kernels.h"
#include "model/matrix.h"
#include "model/bf16.h"
#include "train/dropout.h"
#include "train/product.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct random source = {5, 0};

static float *noise(int count)
{
	float *x = malloc((size_t)count * sizeof *x);
	assert_non_null(x);
	for (int i = 0; i < count; i++)
		x[i] = (float)random_normal(&source);
	return x;
}

static void assert_close(const float *a, const float *b, int count, double tolerance)
{
	for (int i = 0; i < count; i++)
		if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
			fail_msg("element %d: %.7f, expected %.7f", i, (double)a[i], (double)b[i]);
}

static const int sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {6, 64, 2}, {17, 65, 33}, {21, 256, 64}, {50, 130, 129}};
#define SIZES (int)(sizeof sizes / sizeof *sizes)

static void test_matrix(void **state)
{
	(void)state;
	typedef void product(int, int, int, const float *, int, const float *, int, float, float *, int);
	product *const fast[] = {matrix_nt, matrix_nn, matrix_tn};
	product *const slow[] = {matrix_naive_nt, matrix_naive_nn, matrix_naive_tn};
	for (int s = 0; s < SIZES; s++) {
		int m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
		for (int v = 0; v < 6; v++) {
			float *a = noise(m * k), *b = noise(n * k), *c = noise(m * n),
			      *expected = malloc((size_t)(m * n) * sizeof *expected);
			int lda = v % 3 == 2 ? m : k, ldb = v % 3 == 0 ? k : n;
			float beta = v < 3 ? 0.0f : 1.0f;
			memcpy(expected, c, (size_t)(m * n) * sizeof *c);
			if (v < 3)
				c[0] = NAN; /* beta 0 must not read it */
			fast[v % 3](m, n, k, a, lda, b, ldb, beta, c, n);
			slow[v % 3](m, n, k, a, lda, b, ldb, beta, expected, n);
			assert_close(c, expected, m * n, 1e-4);
			free(a), free(b), free(c), free(expected);
		}
	}
}

/* The three products of a linear layer in bf16: operands rounded to 8 bits, so errors scale with the length of the sum. */
static void test_bf16_products(void **state)
{
	(void)state;
	if (!product_has_bf16()) {
		print_message("this CPU has no AVX-512 BF16; product.c uses fp32 here\n");
		return;
	}
	for (int s = 0; s < SIZES; s++) {
		int rows = sizes[s][0], out = sizes[s][1], in = sizes[s][2];
		float *w = noise(out * in), *x = noise(rows * in), *dy = noise(rows * out);
		float *y[2], *dx[2], *dw[2];
		for (int p = 0; p < 2; p++) {
			struct product_weight weight;
			struct product_scratch scratch;
			assert_true(product_weight_new(&weight, p ? PRECISION_BF16 : PRECISION_FP32, out, in, w));
			assert_true(product_scratch_new(&scratch, rows, out > in ? out : in));
			product_weight_pack(&weight);
			y[p] = malloc((size_t)(rows * out) * sizeof(float));
			dx[p] = calloc((size_t)(rows * in), sizeof(float));
			dw[p] = calloc((size_t)(out * in), sizeof(float));
			product_forward(&weight, &scratch, rows, x, y[p]);
			product_input_gradient(&weight, &scratch, rows, dy, true, dx[p]);
			product_weight_gradient(&weight, &scratch, rows, dy, x, dw[p]);
			product_weight_gradient(&weight, &scratch, rows, dy, x, dw[p]); /* adds */
			product_weight_free(&weight);
			product_scratch_free(&scratch);
		}
		assert_close(y[1], y[0], rows * out, 0.025 * sqrt(in) + 0.01);
		assert_close(dx[1], dx[0], rows * in, 0.025 * sqrt(out) + 0.01);
		assert_close(dw[1], dw[0], out * in, 0.05 * sqrt(rows) + 0.02);
		for (int p = 0; p < 2; p++)
			free(y[p]), free(dx[p]), free(dw[p]);
		free(w), free(x), free(dy);
	}
}

static void test_layer_norm(void **state)
{
	(void)state;
	for (int d = 1; d < 100; d += 7) {
		float *x = noise(3 * d), *r = noise(3 * d), *gain = noise(d), *bias = noise(d), *y = noise(3 * d),
		      *expected = noise(3 * d);
		float *normal = noise(3 * d), inverse[3];
		for (int row = 0; row < 3; row++) {
			double mean = 0, variance = 0;
			for (int c = 0; c < d; c++)
				mean += ((double)x[row * d + c] + (double)r[row * d + c]) / d;
			for (int c = 0; c < d; c++)
				variance += pow((double)x[row * d + c] + (double)r[row * d + c] - mean, 2) / d;
			for (int c = 0; c < d; c++)
				expected[row * d + c] = (float)(((double)x[row * d + c] + (double)r[row * d + c] - mean) /
								    sqrt(variance + 1e-12) * (double)gain[c] +
								(double)bias[c]);
		}
		if (d == 1) /* variance 0: the sum of two floats less itself is 0 exactly */
			for (int row = 0; row < 3; row++)
				expected[row] = bias[0];
		kernel_layer_norm(3, d, x, r, gain, bias, y, normal, inverse);
		assert_close(y, expected, 3 * d, 2e-4);
		for (int c = 0; c < d; c++)
			assert_true(fabsf(normal[c] * gain[c] + bias[c] - y[c]) < 1e-5f);
		free(x), free(r), free(gain), free(bias), free(y), free(expected), free(normal);
	}
}

static void test_gelu_tanh_softmax(void **state)
{
	(void)state;
	for (int count = 1; count < 80; count += 13) {
		float *x = noise(count), *bias = noise(count), *y = noise(count), *dy = noise(count),
		      *expected = noise(count);
		x[0] = -9;
		for (int i = 0; i < count; i++) {
			double v = 2 * ((double)x[i] + (double)bias[i]);
			x[i] = (float)(v - (double)bias[i]);
			expected[i] = (float)(0.5 * v * (1 + erf(v / sqrt(2))));
		}
		kernel_gelu(1, count, bias, x, y, 1);
		assert_close(y, expected, count, 3e-6);
		for (int i = 0; i < count; i++) {
			double v = (double)x[i]; /* bias added by now */
			expected[i] = (float)((double)dy[i] * (0.5 * (1 + erf(v / sqrt(2))) +
							       v * exp(-v * v / 2) / sqrt(2 * 3.14159265358979)));
		}
		kernel_gelu_backward(count, x, dy, dy);
		assert_close(dy, expected, count, 1e-5);
		for (int i = 0; i < count; i++) {
			x[i] *= 4;
			expected[i] = tanhf(x[i]);
		}
		memcpy(y, x, (size_t)count * sizeof *y);
		kernel_tanh(count, y);
		assert_close(y, expected, count, 1e-6);
		double sum = 0, top = -1e30;
		for (int i = 0; i < count; i++)
			top = fmax(top, (double)x[i]);
		for (int i = 0; i < count; i++)
			sum += exp((double)x[i] - top);
		for (int i = 0; i < count; i++)
			expected[i] = (float)(exp((double)x[i] - top) / sum);
		kernel_softmax(count, x, x);
		assert_close(x, expected, count, 1e-6);
		free(x), free(bias), free(y), free(dy), free(expected);
	}
	float far[3] = {-1000, 1000, 999};
	kernel_softmax(3, far, far);
	assert_true(far[0] == 0 && fabsf(far[1] - 0.7310586f) < 1e-5f);
}

static void test_dropout(void **state)
{
	(void)state;
	enum { COUNT = 100000 };
	float *x = malloc(COUNT * sizeof *x), *again = malloc(COUNT * sizeof *again);
	int kept = 0;
	for (int i = 0; i < COUNT; i++)
		x[i] = again[i] = 1;
	dropout_apply(17, 0.25f, COUNT, x);
	dropout_apply(17, 0.25f, COUNT, again);
	assert_memory_equal(x, again, COUNT * sizeof *x);
	for (int i = 0; i < COUNT; i++) {
		assert_true(x[i] == 0 || fabsf(x[i] - 1 / 0.75f) < 1e-6f);
		kept += x[i] != 0;
	}
	assert_true(abs(kept - 75000) < 700); /* five standard deviations */
	dropout_apply(18, 0.25f, COUNT, again);
	int same = 0;
	for (int i = 0; i < COUNT; i++)
		same += (x[i] != 0) && again[i] != 0;
	assert_true(abs(same - 56250) < 800); /* another key, another mask */
	free(x), free(again);
}

/* Numbers that bf16 holds exactly: attention over pairs then is that over floats, but for the order of sums and for weights
 * that are rounded (to 1 in 512 each). A row's numbers are the same whatever rows are beside it. */
static void test_attend_bf16(void **state)
{
	enum { E = 64, BLOCKS = 5, KEYS = BLOCKS * ATTEND_BLOCK, STRIDE = KEYS + 2 * ATTEND_PAD };
	static const int slot[BLOCKS] = {3, 0, 4, 1, 2};
	(void)state;
	if (!bf16_available())
		skip();
	float *key = noise(KEYS * E), *value = noise(KEYS * E), *distance = noise(E * STRIDE),
	      *query = noise(ATTEND_ROWS * E);
	float scores[ATTEND_ROWS * (KEYS + ATTEND_PAD)], y[2][ATTEND_ROWS * E], alone[E];
	uint32_t *key_pairs = malloc(KEYS * E / 2 * sizeof *key_pairs);
	uint32_t *value_pairs = malloc(KEYS * E / 2 * sizeof *value_pairs);
	uint32_t *distance_pairs = malloc(E / 2 * STRIDE * sizeof *distance_pairs);
	for (int i = 0; i < KEYS * E; i++) {
		key[i] = roundf(key[i] * 16) / 16;
		value[i] = roundf(value[i] * 16) / 16;
	}
	for (int k = 0; k < KEYS; k++)
		bf16_halves(E, value + k * E, k % 2 != 0, value_pairs + k / 2 * E);
	for (int i = 0; i < E * STRIDE; i++)
		distance[i] = roundf(distance[i] * 16) / 16;
	for (int i = 0; i < ATTEND_ROWS * E; i++)
		query[i] = roundf(query[i] * 16) / 16;
	for (int row = 0; row < BLOCKS * E / 2; row++) /* two rows of a block, or of the distances, become one of pairs */
		for (int k = 0; k < ATTEND_BLOCK; k++) {
			const float *from = key + 2 * row * ATTEND_BLOCK + k, both[2] = {from[0], from[ATTEND_BLOCK]};
			bf16_rows(1, 2, both, 2, &key_pairs[row * ATTEND_BLOCK + k]);
		}
	for (int row = 0; row < E / 2; row++)
		for (int j = 0; j < STRIDE; j++) {
			const float *from = distance + 2 * row * STRIDE + j, both[2] = {from[0], from[STRIDE]};
			bf16_rows(1, 2, both, 2, &distance_pairs[row * STRIDE + j]);
		}
	for (int rows = 1; rows <= ATTEND_ROWS; rows++) {
		const float *queries[ATTEND_ROWS];
		int from[ATTEND_ROWS], to[ATTEND_ROWS];
		for (int i = 0; i < rows; i++) {
			queries[i] = query + i * E;
			from[i] = 5 + i;
			to[i] = KEYS - 20 + i * 3;
		}
		for (int pass = 0; pass < 2; pass++) {
			float *out[ATTEND_ROWS];
			for (int i = 0; i < rows; i++)
				out[i] = y[pass] + i * E;
			const struct attend_keys keys = {.e = E,
							 .slot = slot,
							 .key = key,
							 .value = value,
							 .distance = distance + ATTEND_PAD,
							 .distance_stride = STRIDE,
							 .key_pairs = pass ? key_pairs : NULL,
							 .value_pairs = pass ? value_pairs : NULL,
							 .distance_pairs = pass ? distance_pairs + ATTEND_PAD : NULL};
			attend(rows, &keys, queries, from, to, scores, out);
		}
		assert_close(y[0], y[1], rows * E, 5e-3);
		if (rows > 1)
			assert_memory_equal(y[1], alone, sizeof alone);
		memcpy(alone, y[1], sizeof alone);
	}
	free(key), free(value), free(distance), free(query), free(key_pairs), free(value_pairs), free(distance_pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_matrix),     cmocka_unit_test(test_bf16_products),
	    cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_gelu_tanh_softmax),
	    cmocka_unit_test(test_dropout),    cmocka_unit_test(test_attend_bf16),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
