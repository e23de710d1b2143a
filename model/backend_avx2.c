/* AVX2 and FMA: fp32, and int8 by 16-bit products: vpmaddubsw would be twice as wide and saturate, vpmaddwd is exact.
 * Compiled on every x86-64, run only where the CPU has it. Any thread; no allocation in run. */
#include "model/backends.h"

#include "model/fp32.h"
#include "model/int8.h"

static const char *describe_fp32(void)
{
	return "our AVX2 fp32 kernels";
}

static const char *describe_int8(void)
{
	return "our AVX2 int8 kernels";
}

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline))
#define ROWS 6 /* 6 rows by two registers of sums, 12 of the 16 */

/* Sums as vectors of int: an array of __m256i, which is of long long, GCC 12 keeps in memory. */
typedef int sums __attribute__((vector_size(32)));

static const char *missing(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? NULL : "this CPU has no AVX2";
}

/* Stores the first `columns` of eight floats. */
TARGET INLINE void store(float *y, int columns, __m256 v)
{
	if (columns >= 8)
		_mm256_storeu_ps(y, v);
	else if (columns > 0)
		_mm256_maskstore_ps(
		    y, _mm256_cmpgt_epi32(_mm256_set1_epi32(columns), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), v);
}

/* `rows` rows by one panel of 16; rows is a constant at every call, so the loops over it vanish. */
TARGET INLINE void tile_fp32(const int rows, int in, const float *x, const float *panel, int columns, float *y, int ldy)
{
	__m256 total[ROWS][2];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++)
		total[i][0] = total[i][1] = _mm256_setzero_ps();
	for (int k = 0; k < in; k++, panel += FP32_PANEL) {
		__m256 b0 = _mm256_load_ps(panel), b1 = _mm256_load_ps(panel + 8);
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			__m256 a = _mm256_broadcast_ss(x + (ptrdiff_t)i * in + k);
			total[i][0] = _mm256_fmadd_ps(a, b0, total[i][0]);
			total[i][1] = _mm256_fmadd_ps(a, b1, total[i][1]);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		store(y + (ptrdiff_t)i * ldy, columns, total[i][0]);
		store(y + (ptrdiff_t)i * ldy + 8, columns - 8, total[i][1]);
	}
}

TARGET static void run_fp32(const struct linear *linear, int rows, const float *x, void *scratch, float *y)
{
	int out = linear->out, in = linear->in;
	(void)scratch;
	for (int c = 0; c < out; c += FP32_PANEL) {
		const float *panel = (const float *)linear->packed + (size_t)c * (size_t)in;
		int i = 0, left = out - c;
		for (; i + ROWS <= rows; i += ROWS)
			tile_fp32(ROWS, in, x + (ptrdiff_t)i * in, panel, left, y + (ptrdiff_t)i * out + c, out);
		const float *rest = x + (ptrdiff_t)i * in;
		float *to = y + (ptrdiff_t)i * out + c;
		switch (rows - i) {
		case 5: tile_fp32(5, in, rest, panel, left, to, out); break;
		case 4: tile_fp32(4, in, rest, panel, left, to, out); break;
		case 3: tile_fp32(3, in, rest, panel, left, to, out); break;
		case 2: tile_fp32(2, in, rest, panel, left, to, out); break;
		case 1: tile_fp32(1, in, rest, panel, left, to, out); break;
		default: break;
		}
	}
}

/* Rows by eight channels of a panel, sums to y as integers. A register holds four channels, each as two sums, of inputs
 * 0, 1 and 2, 3 of every four. x: rows of 16-bit values, stride apart. */
TARGET INLINE void tile_int8(const int rows, int quads, const int16_t *x, size_t stride, const int8_t *panel, int columns,
			     float *y, int ldy)
{
	sums total[ROWS][2];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++)
		total[i][0] = total[i][1] = (sums)_mm256_setzero_si256();
	for (int q = 0; q < quads; q++, x += 4, panel += INT8_PANEL * 4) {
		__m256i b0 = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)panel));
		__m256i b1 = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)(panel + 16)));
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			long long four;
			memcpy(&four, x + (size_t)i * stride, sizeof four);
			__m256i a = _mm256_set1_epi64x(four);
			total[i][0] += (sums)_mm256_madd_epi16(a, b0);
			total[i][1] += (sums)_mm256_madd_epi16(a, b1);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		/* sums of two: channels 0 1 4 5 | 2 3 6 7, then back in order */
		__m256i all = _mm256_permute4x64_epi64(_mm256_hadd_epi32((__m256i)total[i][0], (__m256i)total[i][1]), 0xd8);
		store(y + (ptrdiff_t)i * ldy, columns, _mm256_castsi256_ps(all));
	}
}

TARGET static void run_int8(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	const struct int8_weight *w = linear->packed;
	int out = linear->out, in = linear->in, quads = w->quads;
	const struct int8_rows of = int8_quantise(rows, in, values, scratch);
	size_t stride = of.stride;
	/* behind the bytes, as 16-bit values */
	int16_t *x = (int16_t *)(void *)(of.value + ((size_t)rows * stride + 15) / 16 * 16);
	for (size_t i = 0; i < (size_t)rows * stride; i += 16)
		_mm256_storeu_si256((__m256i *)(void *)(x + i),
				    _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(of.value + i))));
	for (int c = 0; c < out; c += 8) {
		const int8_t *panel = int8_panel(w, c);
		int i = 0, left = out - c;
		for (; i + ROWS <= rows; i += ROWS)
			tile_int8(ROWS, quads, x + (size_t)i * stride, stride, panel, left, y + (ptrdiff_t)i * out + c, out);
		const int16_t *rest = x + (size_t)i * stride;
		float *to = y + (ptrdiff_t)i * out + c;
		switch (rows - i) {
		case 5: tile_int8(5, quads, rest, stride, panel, left, to, out); break;
		case 4: tile_int8(4, quads, rest, stride, panel, left, to, out); break;
		case 3: tile_int8(3, quads, rest, stride, panel, left, to, out); break;
		case 2: tile_int8(2, quads, rest, stride, panel, left, to, out); break;
		case 1: tile_int8(1, quads, rest, stride, panel, left, to, out); break;
		default: break;
		}
	}
	int8_finish(w, &of, rows, out, y);
}

#else

static const char *missing(void)
{
	return "AVX2 is x86-64's";
}

static void run_fp32(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	(void)linear, (void)rows, (void)values, (void)scratch, (void)y;
}

static void run_int8(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	(void)linear, (void)rows, (void)values, (void)scratch, (void)y;
}

#endif

const struct backend backend_avx2_fp32 = {.name = "avx2-fp32",
					  .precision = "fp32",
					  .missing = missing,
					  .describe = describe_fp32,
					  .pack = fp32_pack,
					  .run = run_fp32};
const struct backend backend_avx2_int8 = {.name = "avx2-int8",
					  .precision = "int8",
					  .missing = missing,
					  .describe = describe_int8,
					  .pack = int8_pack,
					  .run = run_int8};
