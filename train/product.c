/* The three products of a linear layer. Training threads; scratch is theirs. Chooses precision, does no arithmetic itself.
 */
#include "train/product.h"

#include "model/matrix.h"
#include "model/bf16.h"

#include <stdlib.h>
#include <string.h>

bool product_has_bf16(void)
{
	return bf16_available();
}

static uint32_t *words(size_t count)
{
	return aligned_alloc(64, (count * sizeof(uint32_t) + 63) / 64 * 64);
}

bool product_weight_new(struct product_weight *weight, enum precision precision, int out, int in, const float *values)
{
	*weight = (struct product_weight){.out = out, .in = in, .values = values, .precision = precision};
	if (precision == PRECISION_FP32)
		return true;
	weight->forward = words(bf16_panel_pairs(in, out));
	weight->backward = words(bf16_panel_pairs(out, in));
	if (weight->forward && weight->backward)
		return true;
	product_weight_free(weight);
	return false;
}

void product_weight_free(struct product_weight *weight)
{
	free(weight->forward);
	free(weight->backward);
	memset(weight, 0, sizeof *weight);
}

void product_weight_pack(struct product_weight *weight)
{
	if (weight->precision == PRECISION_FP32)
		return;
	bf16_pack_transposed(weight->in, weight->out, weight->values, weight->in, weight->forward);
	bf16_pack(weight->out, weight->in, weight->values, weight->in, weight->backward);
}

bool product_scratch_new(struct product_scratch *scratch, int rows, int width)
{
	/* a: rows x width by pairs along either side; b: width packed columns by pairs of rows */
	scratch->a_pairs = (size_t)(rows + 1) * (size_t)(width + 1) / 2 + (size_t)(rows + width);
	scratch->b_pairs = bf16_panel_pairs(rows, width);
	scratch->a = words(scratch->a_pairs);
	scratch->b = words(scratch->b_pairs);
	if (scratch->a && scratch->b)
		return true;
	product_scratch_free(scratch);
	return false;
}

void product_scratch_free(struct product_scratch *scratch)
{
	free(scratch->a);
	free(scratch->b);
	memset(scratch, 0, sizeof *scratch);
}

void product_forward(const struct product_weight *weight, struct product_scratch *scratch, int rows, const float *x,
		     float *y)
{
	int in = weight->in, out = weight->out;
	if (weight->precision == PRECISION_FP32) {
		matrix_nt(rows, out, in, x, in, weight->values, in, 0, y, out);
		return;
	}
	bf16_rows(rows, in, x, in, scratch->a);
	bf16_product(rows, out, in, scratch->a, (size_t)(in + 1) / 2, 1, weight->forward, false, y, out);
}

void product_input_gradient(const struct product_weight *weight, struct product_scratch *scratch, int rows, const float *dy,
			    bool add, float *dx)
{
	int in = weight->in, out = weight->out;
	if (weight->precision == PRECISION_FP32) {
		matrix_nn(rows, in, out, dy, out, weight->values, in, add ? 1.0f : 0.0f, dx, in);
		return;
	}
	bf16_rows(rows, out, dy, out, scratch->a);
	bf16_product(rows, in, out, scratch->a, (size_t)(out + 1) / 2, 1, weight->backward, add, dx, in);
}

void product_weight_gradient(const struct product_weight *weight, struct product_scratch *scratch, int rows, const float *dy,
			     const float *x, float *dw)
{
	int in = weight->in, out = weight->out;
	if (weight->precision == PRECISION_FP32) {
		matrix_tn(out, in, rows, dy, out, x, in, 1, dw, in);
		return;
	}
	bf16_columns(rows, out, dy, out, scratch->a);
	bf16_pack(rows, in, x, in, scratch->b);
	bf16_product_columns(out, in, rows, scratch->a, scratch->b, true, dw, in);
}
