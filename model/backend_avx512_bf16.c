/* AVX-512 BF16: weights rounded to bf16 once, rows as they come, fp32 sums (model/bf16.c). Any thread. */
#include "model/backends.h"

#include "model/bf16.h"
#include "model/linear.h"

#include <stdlib.h>

static const char *missing(void)
{
	return bf16_available() ? NULL : "this CPU has no AVX-512 BF16";
}

static const char *describe(void)
{
	return "our AVX-512 BF16 kernels";
}

static bool pack(struct linear *linear)
{
	size_t bytes = bf16_panel_pairs(linear->in, linear->out) * sizeof(uint32_t);
	linear->packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
	if (linear->packed)
		bf16_pack_transposed(linear->in, linear->out, linear->values, linear->in, linear->packed);
	return linear->packed != NULL;
}

static void run(const struct linear *linear, int rows, const float *x, void *scratch, float *y)
{
	int in = linear->in, out = linear->out;
	bf16_rows(rows, in, x, in, scratch);
	bf16_product(rows, out, in, scratch, (size_t)(in + 1) / 2, 1, linear->packed, false, y, out);
}

const struct backend backend_avx512_bf16 = {.name = "avx512-bf16",
					    .precision = "bf16",
					    .bf16_attention = true,
					    .missing = missing,
					    .describe = describe,
					    .pack = pack,
					    .run = run};
