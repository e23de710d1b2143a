/* AVX-512 VNNI: int8 weights, rows quantised as they come (model/int8.h). Compiled on every x86-64, run only where the CPU
 * has it. Any thread; no allocation in run. */
#include "model/backends.h"

#include "model/bf16.h"
#include "model/int8.h"

static const char *describe(void)
{
	return bf16_available() ? "our AVX-512 VNNI int8 kernels, attention in bf16" : "our AVX-512 VNNI int8 kernels";
}

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define ROWS 6 /* 6 x 64 sums fill 24 of the 32 registers */

/* Sums as vectors of int: an array of __m512i, which is of long long, GCC 12 keeps in memory. */
typedef int sums __attribute__((vector_size(64)));

static const char *missing(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")
		   ? NULL
		   : "this CPU has no AVX-512 VNNI";
}

/* `rows` rows by one panel, sums to y as integers; rows is a constant at every call, so the loops over it vanish. */
TARGET static inline __attribute__((always_inline)) void tile(const int rows, int quads, const uint8_t *a, size_t stride,
							      const int8_t *panel, int columns, float *y, int ldy)
{
	sums total[ROWS][4];
	__mmask16 mask[4];
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++) {
		int left = columns - 16 * j;
		mask[j] = left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (left > 0 ? left : 0)) - 1);
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			total[i][j] = (sums)_mm512_setzero_si512();
	}
	for (int q = 0; q < quads; q++, a += 4, panel += INT8_PANEL * 4) {
		__m512i b[4];
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			b[j] = _mm512_load_si512(panel + 64 * j);
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			int four;
			memcpy(&four, a + (size_t)i * stride, sizeof four);
			__m512i v = _mm512_set1_epi32(four);
#pragma GCC unroll 4
			for (int j = 0; j < 4; j++)
				total[i][j] = (sums)_mm512_dpbusd_epi32((__m512i)total[i][j], v, b[j]);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			_mm512_mask_storeu_epi32(y + (ptrdiff_t)i * ldy + 16 * j, mask[j], (__m512i)total[i][j]);
	}
}

TARGET static void run(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	const struct int8_weight *w = linear->packed;
	const struct int8_rows x = int8_quantise(rows, linear->in, values, scratch);
	int out = linear->out, quads = w->quads;
	for (int c = 0; c < out; c += INT8_PANEL) {
		const int8_t *panel = w->panels + (size_t)c * (size_t)quads * 4;
		int i = 0, left = out - c;
		for (; i + ROWS <= rows; i += ROWS)
			tile(ROWS, quads, x.value + (size_t)i * x.stride, x.stride, panel, left, y + (ptrdiff_t)i * out + c,
			     out);
		const uint8_t *rest = x.value + (size_t)i * x.stride;
		float *to = y + (ptrdiff_t)i * out + c;
		switch (rows - i) {
		case 5: tile(5, quads, rest, x.stride, panel, left, to, out); break;
		case 4: tile(4, quads, rest, x.stride, panel, left, to, out); break;
		case 3: tile(3, quads, rest, x.stride, panel, left, to, out); break;
		case 2: tile(2, quads, rest, x.stride, panel, left, to, out); break;
		case 1: tile(1, quads, rest, x.stride, panel, left, to, out); break;
		default: break;
		}
	}
	int8_finish(w, &x, rows, out, y);
}

#else

static const char *missing(void)
{
	return "AVX-512 VNNI is x86-64's";
}

static void run(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	(void)linear, (void)rows, (void)values, (void)scratch, (void)y;
}

#endif

const struct backend backend_avx512_int8 = {.name = "avx512-int8",
					    .precision = "int8",
					    .bf16_attention = true,
					    .missing = missing,
					    .describe = describe,
					    .pack = int8_pack,
					    .run = run};
