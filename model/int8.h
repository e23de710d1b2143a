/* Inside model/: what the int8 backends share. A weight is quantised once, symmetrically, with one scale per output
 * channel: w = scale q, q in -127..127. A row is quantised as it comes, with a scale and a zero point of its own:
 * x = scale (q - zero), q in 0..255. Products are sums of q q in int32, exact, and
 *   y = row scale * channel scale * (sum of q_x q_w - zero * sum of q_w),
 * so every int8 backend gives the same bits. Any thread; only int8_pack allocates. */
#ifndef MIDIBERTD_MODEL_INT8_H
#define MIDIBERTD_MODEL_INT8_H

#include "model/linear.h"

#include <stdint.h>

#define INT8_PANEL 64	  /* channels of a panel */
#define INT8_IN_MAX 65536 /* inputs up to which no sum can overflow */

/* Panels of 64 channels; in a panel, for each four inputs, 64 times four weights. Missing ones are zero. */
struct int8_weight {
	int quads;	      /* fours of inputs, rounded up */
	const int8_t *panels; /* [panel][quads][64][4], 64-byte aligned */
	const float *scale;   /* [channels, rounded up to 64] */
	const int32_t *sum;   /* [channels, rounded up to 64]: of the quantised weights */
};

/* Rows as products want them; memory of the caller. */
struct int8_rows {
	size_t stride;	/* bytes from row to row, a multiple of 16 */
	uint8_t *value; /* [rows][stride]; zero past the inputs */
	float *scale;	/* [rows] */
	int32_t *zero;	/* [rows] */
};

/* Bytes from row to row of quantised rows. */
static inline size_t int8_stride(int in)
{
	return (size_t)(in + 15) / 16 * 16;
}

/* The weights of channels from c on in their panel: 16 bytes are the same four inputs of channels c to c + 3. */
static inline const int8_t *int8_panel(const struct int8_weight *w, int c)
{
	return w->panels + ((size_t)(c / INT8_PANEL) * (size_t)w->quads * INT8_PANEL + (size_t)(c % INT8_PANEL)) * 4;
}

/* For struct backend: linear->packed becomes a struct int8_weight in one allocation. */
bool int8_pack(struct linear *linear);

/* Quantises x[rows][in] into scratch of linear_scratch floats. A row with an
 * infinity becomes zero, a NaN some number. */
struct int8_rows int8_quantise(int rows, int in, const float *x, void *scratch);

/* y[rows][out] holds the int32 sums of q_x q_w; becomes the product as floats. */
void int8_finish(const struct int8_weight *w, const struct int8_rows *x, int rows, int out, float *y);

#endif
