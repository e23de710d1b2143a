/* Holds a backend's products against their definition: shapes that do and do not fill vectors and panels, zeros, constant
 * rows, magnitudes far apart. The bounds are the sums of what each operand may lose by rounding, so they are strict for
 * every element. Needs libc and model/'s kernels alone: it also runs cross-compiled (tests/e2e/all_kernels). */
#ifndef MIDIBERTD_TESTS_BACKEND_CHECK_H
#define MIDIBERTD_TESTS_BACKEND_CHECK_H

#include "base/random.h"
#include "model/backends.h"
#include "model/linear.h"
#include "model/matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum check_data { CHECK_NOISE, CHECK_ZERO, CHECK_CONSTANT, CHECK_POSITIVE, CHECK_EXTREME, CHECK_DATA };

#define CHECK_CANARY 12345.5f
#define CHECK_MARGIN 64 /* floats around y that nobody may write */

/* Rows, out, in. */
static const int check_shapes[][3] = {{1, 1, 1},    {1, 16, 4},	    {2, 7, 3},	  {3, 17, 5},	{4, 64, 64},
				      {5, 65, 33},  {6, 63, 31},    {7, 128, 18}, {11, 40, 66}, {13, 130, 129},
				      {64, 72, 96}, {1, 256, 1024}, {17, 96, 255}};

static inline float check_value(struct random *random, enum check_data data)
{
	float noise = (float)random_normal(random);
	switch (data) {
	case CHECK_NOISE: return noise;
	case CHECK_ZERO: return 0;
	case CHECK_CONSTANT: return -0.75f;
	case CHECK_POSITIVE: return fabsf(noise) + 0.25f;
	default: return noise * powf(10, (float)(random_integer(random, 0, 8) * 4 - 16));
	}
}

/* What one element may be off by: x, w of `in` values, `sum` the products' absolute sum. */
static inline double check_bound(const struct backend *backend, int in, const float *x, const float *w)
{
	double sum = 0, low = 0, high = 0, top = 0, x_sum = 0, w_sum = 0;
	for (int k = 0; k < in; k++) {
		double a = (double)x[k], b = fabs((double)w[k]);
		sum += fabs(a) * b;
		x_sum += fabs(a);
		w_sum += b;
		low = a < low ? a : low;
		high = a > high ? a : high;
		top = b > top ? b : top;
	}
	double rounding = sum * in * 0x1p-23 + 1e-37;
	if (strcmp(backend->precision, "fp32") == 0)
		return rounding;
	if (strcmp(backend->precision, "bf16") == 0) /* each operand by 2^-8 of itself, denormals by all */
		return rounding + sum * (0x1p-7 + 0x1p-16) + (x_sum + w_sum) * 1e-37;
	/* by half a step of the weight and up to one of the row, whose zero point is rounded, too */
	double row_step = (high - low) / 255, weight_step = top / 127;
	double all = x_sum * weight_step / 2 + w_sum * row_step + in * row_step * weight_step;
	return rounding + 1.001 * all + in * 1e-28 * (high - low + top + 1);
}

/* y[rows][out] by a backend, between canaries; NULL if these are not what they were. Freed by the caller, at y - margin. */
static inline float *check_run(const struct backend *backend, int rows, int out, int in, const float *x, const float *w)
{
	size_t count = (size_t)rows * (size_t)out, scratch_bytes = (linear_scratch(rows, in) * sizeof(float) + 63) / 64 * 64;
	float *y = malloc((count + 2 * CHECK_MARGIN) * sizeof *y);
	void *scratch = aligned_alloc(64, scratch_bytes);
	struct linear linear;
	if (!y || !scratch || !linear_new(&linear, backend, out, in, w)) {
		fprintf(stderr, "no memory\n");
		exit(1);
	}
	memset(scratch, 0xff, scratch_bytes); /* NaN to whoever reads what nobody wrote */
	for (size_t i = 0; i < count + 2 * CHECK_MARGIN; i++)
		y[i] = CHECK_CANARY;
	linear_run(&linear, rows, x, scratch, y + CHECK_MARGIN);
	linear_free(&linear);
	free(scratch);
	for (size_t i = 0; i < CHECK_MARGIN; i++) {
		if (y[i] == CHECK_CANARY && y[count + CHECK_MARGIN + i] == CHECK_CANARY)
			continue;
		free(y);
		return NULL;
	}
	return y + CHECK_MARGIN;
}

static inline bool check_case(const struct backend *backend, int rows, int out, int in, enum check_data data,
			      struct random *random)
{
	size_t count = (size_t)rows * (size_t)out;
	float *x = malloc((size_t)(rows * in) * sizeof *x), *w = malloc((size_t)(out * in) * sizeof *w);
	float *expected = malloc(count * sizeof *expected), *plain = NULL;
	if (!x || !w || !expected)
		exit(1);
	for (int i = 0; i < rows * in; i++)
		x[i] = check_value(random, data);
	for (int i = 0; i < out * in; i++)
		w[i] = check_value(random, data == CHECK_POSITIVE ? CHECK_NOISE : data);
	matrix_naive_nt(rows, out, in, x, in, w, in, 0, expected, out);
	float *y = check_run(backend, rows, out, in, x, w);
	bool ok = y != NULL;
	if (!ok)
		fprintf(stderr, "%s: %d x %d x %d, data %d: wrote beside its result\n", backend->name, rows, out, in, data);
	if (strcmp(backend->precision, "int8") == 0)
		plain = check_run(&backend_plain_int8, rows, out, in, x, w);
	for (size_t i = 0; ok && i < count; i++) {
		const float *row = x + i / (size_t)out * (size_t)in, *weight = w + i % (size_t)out * (size_t)in;
		double off = fabs((double)y[i] - (double)expected[i]), bound = check_bound(backend, in, row, weight);
		ok = off <= bound && (!plain || memcmp(&plain[i], &y[i], sizeof *y) == 0);
		if (!ok)
			fprintf(stderr, "%s: %d x %d x %d, data %d, element %zu: %g, expected %g within %g%s\n",
				backend->name, rows, out, in, data, i, (double)y[i], (double)expected[i], bound,
				plain ? " and as plain C has it" : "");
	}
	free(x), free(w), free(expected);
	free(plain ? plain - CHECK_MARGIN : NULL);
	free(y ? y - CHECK_MARGIN : NULL);
	return ok;
}

/* True if every shape with every kind of data came out right; says on standard error what did not. */
static inline bool check_backend(const struct backend *backend)
{
	struct random random = {11, 0};
	bool ok = true;
	for (size_t s = 0; s < sizeof check_shapes / sizeof *check_shapes; s++)
		for (int data = 0; data < CHECK_DATA; data++)
			ok &= check_case(backend, check_shapes[s][0], check_shapes[s][1], check_shapes[s][2],
					 (enum check_data)data, &random);
	return ok;
}

#endif
