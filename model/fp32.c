/* Packing for our own fp32 backends, see fp32.h. Set-up threads. */
#include "model/fp32.h"

#include <stdlib.h>

bool fp32_pack(struct linear *linear)
{
	size_t out = (size_t)linear->out, in = (size_t)linear->in, panels = (out + FP32_PANEL - 1) / FP32_PANEL;
	float *to = aligned_alloc(64, panels * in * FP32_PANEL * sizeof *to);
	linear->packed = to;
	if (!to)
		return false;
	for (size_t p = 0; p < panels; p++)
		for (size_t i = 0; i < in; i++)
			for (size_t c = p * FP32_PANEL; c < (p + 1) * FP32_PANEL; c++)
				*to++ = c < out ? linear->values[c * in + i] : 0;
	return true;
}
