/* y = x W^T for a weight that stays: packed once for a backend (model/backend.h), then multiplied with a few rows or many.
 * The one way by which the encoder multiplies with weights. */
#ifndef MIDIBERTD_MODEL_LINEAR_H
#define MIDIBERTD_MODEL_LINEAR_H

#include "model/backend.h"

struct linear {
	const struct backend *backend;
	int out, in;
	const float *values; /* [out][in], borrowed */
	void *packed;	     /* the backend's own form, or NULL */
};

/* Set-up thread. values stay with the caller and must outlive the struct. False without memory; linear_free then does no
 * harm. */
bool linear_new(struct linear *linear, const struct backend *backend, int out, int in, const float *values);
void linear_free(struct linear *linear);

/* Floats of scratch that any backend needs for so many rows of so many columns. */
size_t linear_scratch(int rows, int in);

/* Inference thread; y[rows][out] = x[rows][in] W^T. scratch is 64-byte aligned, of linear_scratch floats, one for each
 * thread. No allocation, but inside oneDNN (docs/THREADS.md). x and y must not overlap. */
void linear_run(const struct linear *linear, int rows, const float *x, void *scratch, float *y);

#endif
