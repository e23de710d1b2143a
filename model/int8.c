/* Quantisation for the int8 backends. Any thread; only packing allocates. Multiplies nothing: the backends do. */
#include "model/int8.h"

#include "model/vector.h"

#include <math.h>
#include <stdlib.h>

static void pack_channel(const float *values, int in, int quads, int8_t *out, float *scale, int32_t *sum)
{
	float top = 0;
	for (int i = 0; i < in; i++)
		top = fmaxf(top, fabsf(values[i]));
	float inverse = top > 1e-30f ? 127 / top : 0;
	*scale = top > 1e-30f ? top / 127 : 0;
	*sum = 0;
	for (int i = 0; i < 4 * quads; i++) {
		int q = i < in ? (int)lrintf(values[i] * inverse) : 0;
		q = q > 127 ? 127 : q < -127 ? -127 : q;
		out[(size_t)(i / 4) * INT8_PANEL * 4 + (size_t)(i % 4)] = (int8_t)q;
		*sum += q;
	}
}

bool int8_pack(struct linear *linear)
{
	int out = linear->out, in = linear->in, quads = (in + 3) / 4;
	size_t channels = (size_t)(out + INT8_PANEL - 1) / INT8_PANEL * INT8_PANEL;
	size_t head = 64, panels = channels * (size_t)quads * 4;
	if (in > INT8_IN_MAX)
		return false;
	char *memory = aligned_alloc(64, head + panels + channels * 8);
	if (!memory)
		return false;
	int8_t *values = (int8_t *)memory + head;
	float *scale = (float *)(void *)(memory + head + panels);
	int32_t *sum = (int32_t *)(void *)(scale + channels);
	for (size_t c = 0; c < channels; c++)
		pack_channel((int)c < out ? linear->values + c * (size_t)in : NULL, (int)c < out ? in : 0, quads,
			     values + (c / INT8_PANEL * (size_t)quads * INT8_PANEL + c % INT8_PANEL) * 4, scale + c,
			     sum + c);
	*(struct int8_weight *)(void *)memory =
	    (struct int8_weight){.quads = quads, .panels = values, .scale = scale, .sum = sum};
	linear->packed = memory;
	return true;
}

VECTOR_INLINE void load_some(vector *v, const float *p, int left)
{
	if (left >= VECTOR_LANES) {
		vector_load(v, p);
		return;
	}
	memset(v, 0, sizeof *v);
	memcpy(v, p, (size_t)left * sizeof *p);
}

/* The range of a row, zero included. */
VECTOR_INLINE void find_range(const float *x, int in, float *low, float *high)
{
	vector least = {0}, most = {0}, v;
	for (int i = 0; i < in; i += VECTOR_LANES) {
		load_some(&v, x + i, in - i);
		vector_int below = v<least, above = v> most;
		least = (vector)(((vector_int)v & below) | ((vector_int)least & ~below));
		most = (vector)(((vector_int)v & above) | ((vector_int)most & ~above));
	}
	*low = *high = 0;
	for (int lane = 0; lane < VECTOR_LANES; lane++) {
		*low = least[lane] < *low ? least[lane] : *low;
		*high = most[lane] > *high ? most[lane] : *high;
	}
}

VECTOR_KERNEL static void quantise_row(const float *restrict x, int in, size_t stride, uint8_t *restrict out, float *scale,
				       int32_t *zero)
{
	float low, high;
	find_range(x, in, &low, &high);
	*scale = high / 255 - low / 255;
	if (!(*scale > 1e-30f && *scale < 1e37f)) { /* all zero, or not finite */
		*scale = 0;
		*zero = 0;
		memset(out, 0, stride);
		return;
	}
	float inverse = 1 / *scale;
	int32_t offset = *zero = (int32_t)(-low * inverse + 0.5f);
	for (int i = 0; i < in; i++) {
		/* adding 1.5 * 2^23 rounds to the nearest integer, which then is in the low bits */
		float shifted = x[i] * inverse + 12582912.0f;
		int32_t bits;
		memcpy(&bits, &shifted, sizeof bits);
		int32_t q = bits - 0x4b400000 + offset;
		q = q < 0 ? 0 : q;
		out[i] = (uint8_t)(q > 255 ? 255 : q);
	}
	memset(out + in, 0, stride - (size_t)in);
}

struct int8_rows int8_quantise(int rows, int in, const float *x, void *scratch)
{
	struct int8_rows out = {.stride = int8_stride(in)};
	out.scale = scratch;
	out.zero = (int32_t *)(void *)(out.scale + rows);
	out.value = (uint8_t *)(out.zero + rows);
	for (int i = 0; i < rows; i++)
		quantise_row(x + (size_t)i * (size_t)in, in, out.stride, out.value + (size_t)i * out.stride, out.scale + i,
			     out.zero + i);
	return out;
}

VECTOR_KERNEL static void finish_row(const struct int8_weight *w, float row_scale, int32_t zero, int out, float *y)
{
	vector channel;
	vector_int sum, total = {0};
	for (int c = 0; c < out; c += VECTOR_LANES) {
		size_t bytes = (size_t)(out - c < VECTOR_LANES ? out - c : VECTOR_LANES) * sizeof *y;
		memcpy(&sum, w->sum + c, sizeof sum); /* filled up to a whole panel, as are the scales */
		vector_load(&channel, w->scale + c);
		if (bytes == sizeof total)
			memcpy(&total, y + c, sizeof total);
		else
			memcpy(&total, y + c, bytes);
		vector value = __builtin_convertvector(total - sum * zero, vector) * (channel * row_scale);
		if (bytes == sizeof value)
			vector_store(y + c, &value);
		else
			memcpy(y + c, &value, bytes);
	}
}

void int8_finish(const struct int8_weight *w, const struct int8_rows *x, int rows, int out, float *y)
{
	for (int i = 0; i < rows; i++)
		finish_row(w, x->scale[i], x->zero[i], out, y + (size_t)i * (size_t)out);
}
