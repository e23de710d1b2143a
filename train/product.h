/* The three matrix products of a trained linear layer, in fp32 (OpenBLAS) or in bf16 with fp32 accumulation (our kernels,
 * where the CPU has AVX-512 BF16). Weights are packed once a step; activations are converted as they come.
 * One struct product_scratch per thread; nothing here allocates but the _new functions. */
#ifndef MIDIBERTD_TRAIN_PRODUCT_H
#define MIDIBERTD_TRAIN_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum precision { PRECISION_FP32, PRECISION_BF16 };

/* Whether this CPU runs the bf16 kernels. */
bool product_has_bf16(void);

struct product_weight {
	int out, in;
	const float *values; /* [out][in], borrowed */
	enum precision precision;
	uint32_t *forward, *backward; /* packed pairs of bf16; NULL in fp32 */
};

/* Both return false without memory. values stay with the caller; call product_weight_pack whenever they have changed. */
bool product_weight_new(struct product_weight *weight, enum precision precision, int out, int in, const float *values);
void product_weight_free(struct product_weight *weight);
void product_weight_pack(struct product_weight *weight);

struct product_scratch {
	uint32_t *a, *b;
	size_t a_pairs, b_pairs;
};

/* For up to `rows` rows of up to `width` columns. */
bool product_scratch_new(struct product_scratch *scratch, int rows, int width);
void product_scratch_free(struct product_scratch *scratch);

/* y[rows][out] = x[rows][in] W^T. */
void product_forward(const struct product_weight *weight, struct product_scratch *scratch, int rows, const float *x,
		     float *y);

/* dx[rows][in] = dy[rows][out] W, added to dx if add. */
void product_input_gradient(const struct product_weight *weight, struct product_scratch *scratch, int rows, const float *dy,
			    bool add, float *dx);

/* dw[out][in] += dy[rows][out]^T x[rows][in]. */
void product_weight_gradient(const struct product_weight *weight, struct product_scratch *scratch, int rows, const float *dy,
			     const float *x, float *dw);

#endif
