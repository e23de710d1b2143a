/* bf16 products by AVX-512 BF16 (vdpbf16ps). Compiled on every x86-64, run only where the CPU has it. Any thread. */
#include "model/bf16.h"

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define ROWS 6	 /* 6 x 64 accumulators fill 24 of the 32 registers */
#define BLOCK 48 /* columns that bf16_columns keeps together: whole tiles, whole vectors, and no stride of 4096 bytes */

bool bf16_available(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512bf16");
}

size_t bf16_panel_pairs(int k, int n)
{
	return (size_t)((k + 1) / 2) * (size_t)((n + BF16_PANEL - 1) / BF16_PANEL) * BF16_PANEL;
}

/* Two rows of 16 floats to 16 pairs: low halves from `even`, high halves from `odd`. */
TARGET static inline __m512i pair(__m512 even, __m512 odd)
{
	__m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
	__m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
	return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

static inline __mmask16 tail_mask(int left)
{
	return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (left > 0 ? left : 0)) - 1);
}

TARGET void bf16_pack(int k, int n, const float *source, int ld, uint32_t *panels)
{
	for (int column = 0; column < n; column += BF16_PANEL) {
		for (int row = 0; row < k; row += 2) {
			const float *even = source + (ptrdiff_t)row * ld + column;
			for (int c = 0; c < BF16_PANEL; c += 16, panels += 16) {
				__mmask16 mask = tail_mask(n - column - c);
				__m512 odd = row + 1 < k ? _mm512_maskz_loadu_ps(mask, even + ld + c) : _mm512_setzero_ps();
				_mm512_storeu_si512(panels, pair(_mm512_maskz_loadu_ps(mask, even + c), odd));
			}
		}
	}
}

TARGET void bf16_pack_transposed(int k, int n, const float *source, int ld, uint32_t *panels)
{
	const __m512i index = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
						 _mm512_set1_epi32(ld));
	for (int column = 0; column < n; column += BF16_PANEL) {
		for (int row = 0; row < k; row += 2) {
			for (int c = 0; c < BF16_PANEL; c += 16, panels += 16) {
				__mmask16 mask = tail_mask(n - column - c);
				const float *from = source + (ptrdiff_t)(column + c) * ld + row;
				__m512 zero = _mm512_setzero_ps();
				__m512 even = _mm512_mask_i32gather_ps(zero, mask, index, from, 4);
				__m512 odd = row + 1 < k ? _mm512_mask_i32gather_ps(zero, mask, index, from + 1, 4) : zero;
				_mm512_storeu_si512(panels, pair(even, odd));
			}
		}
	}
}

TARGET void bf16_rows(int m, int k, const float *source, int ld, uint32_t *out)
{
	int pairs = (k + 1) / 2;
	for (int i = 0; i < m; i++, source += ld, out += pairs) {
		for (int c = 0; c < k; c += 16) {
			__m256i half = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(tail_mask(k - c), source + c));
			_mm256_mask_storeu_epi32(out + c / 2, (__mmask8)tail_mask(pairs - c / 2), half);
		}
	}
}

TARGET void bf16_halves(int k, const float *source, bool high, uint32_t *out)
{
	for (int c = 0; c < k; c += 16) {
		__mmask16 mask = tail_mask(k - c);
		__m512i half = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, source + c)));
		__m512i both = _mm512_maskz_loadu_epi32(mask, out + c);
		both = high ? _mm512_mask_blend_epi16(0xaaaaaaaa, both, _mm512_slli_epi32(half, 16))
			    : _mm512_mask_blend_epi16(0x55555555, both, half);
		_mm512_mask_storeu_epi32(out + c, mask, both);
	}
}

TARGET void bf16_columns(int k, int m, const float *source, int ld, uint32_t *out)
{
	for (int first = 0; first < m; first += BLOCK) {
		int width = m - first < BLOCK ? m - first : BLOCK;
		for (int row = 0; row < k; row += 2, out += width) {
			const float *even = source + (ptrdiff_t)row * ld + first;
			for (int c = 0; c < width; c += 16) {
				__mmask16 mask = tail_mask(width - c);
				__m512 odd = row + 1 < k ? _mm512_maskz_loadu_ps(mask, even + ld + c) : _mm512_setzero_ps();
				_mm512_mask_storeu_epi32(out + c, mask, pair(_mm512_maskz_loadu_ps(mask, even + c), odd));
			}
		}
	}
}

/* `rows` rows by one panel; rows is a constant at every call, so the loops over it vanish. */
TARGET static inline __attribute__((always_inline)) void tile(const int rows, int pairs, const uint32_t *a,
							      size_t row_stride, size_t pair_stride, const uint32_t *panel,
							      bool add, int columns, float *c, int ldc)
{
	__m512 sum[ROWS][4];
	__mmask16 mask[4];
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++)
		mask[j] = tail_mask(columns - 16 * j);
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			sum[i][j] =
			    add ? _mm512_maskz_loadu_ps(mask[j], c + (ptrdiff_t)i * ldc + 16 * j) : _mm512_setzero_ps();
	}
	for (int p = 0; p < pairs; p++, a += pair_stride, panel += BF16_PANEL) {
		__m512bh b[4];
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			b[j] = (__m512bh)_mm512_loadu_si512(panel + 16 * j);
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			__m512bh x = (__m512bh)_mm512_set1_epi32((int)a[(size_t)i * row_stride]);
#pragma GCC unroll 4
			for (int j = 0; j < 4; j++)
				sum[i][j] = _mm512_dpbf16_ps(sum[i][j], x, b[j]);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			_mm512_mask_storeu_ps(c + (ptrdiff_t)i * ldc + 16 * j, mask[j], sum[i][j]);
	}
}

TARGET void bf16_product(int m, int n, int k, const uint32_t *a, size_t row_stride, size_t pair_stride,
			 const uint32_t *panels, bool add, float *c, int ldc)
{
	int pairs = (k + 1) / 2;
	for (int column = 0; column < n; column += BF16_PANEL, panels += (size_t)pairs * BF16_PANEL) {
		int i = 0, columns = n - column;
		float *out = c + column;
		for (; i + ROWS <= m; i += ROWS)
			tile(ROWS, pairs, a + (size_t)i * row_stride, row_stride, pair_stride, panels, add, columns,
			     out + (ptrdiff_t)i * ldc, ldc);
		const uint32_t *left = a + (size_t)i * row_stride;
		float *left_out = out + (ptrdiff_t)i * ldc;
		switch (m - i) {
		case 5: tile(5, pairs, left, row_stride, pair_stride, panels, add, columns, left_out, ldc); break;
		case 4: tile(4, pairs, left, row_stride, pair_stride, panels, add, columns, left_out, ldc); break;
		case 3: tile(3, pairs, left, row_stride, pair_stride, panels, add, columns, left_out, ldc); break;
		case 2: tile(2, pairs, left, row_stride, pair_stride, panels, add, columns, left_out, ldc); break;
		case 1: tile(1, pairs, left, row_stride, pair_stride, panels, add, columns, left_out, ldc); break;
		default: break;
		}
	}
}

void bf16_product_columns(int m, int n, int k, const uint32_t *a, const uint32_t *panels, bool add, float *c, int ldc)
{
	size_t pairs = (size_t)(k + 1) / 2;
	for (int first = 0; first < m; first += BLOCK) {
		int width = m - first < BLOCK ? m - first : BLOCK;
		bf16_product(width, n, k, a + (size_t)first * pairs, 1, (size_t)width, panels, add,
			     c + (ptrdiff_t)first * ldc, ldc);
	}
}

#else

/* Elsewhere bf16_available() is false and nobody comes here. */
bool bf16_available(void)
{
	return false;
}

size_t bf16_panel_pairs(int k, int n)
{
	return (size_t)((k + 1) / 2) * (size_t)((n + BF16_PANEL - 1) / BF16_PANEL) * BF16_PANEL;
}

void bf16_pack(int k, int n, const float *source, int ld, uint32_t *panels)
{
	(void)k, (void)n, (void)source, (void)ld, (void)panels;
}

void bf16_pack_transposed(int k, int n, const float *source, int ld, uint32_t *panels)
{
	(void)k, (void)n, (void)source, (void)ld, (void)panels;
}

void bf16_rows(int m, int k, const float *source, int ld, uint32_t *out)
{
	(void)m, (void)k, (void)source, (void)ld, (void)out;
}

void bf16_halves(int k, const float *source, bool high, uint32_t *out)
{
	(void)k, (void)source, (void)high, (void)out;
}

void bf16_columns(int k, int m, const float *source, int ld, uint32_t *out)
{
	(void)k, (void)m, (void)source, (void)ld, (void)out;
}

void bf16_product(int m, int n, int k, const uint32_t *a, size_t row_stride, size_t pair_stride, const uint32_t *panels,
		  bool add, float *c, int ldc)
{
	(void)m, (void)n, (void)k, (void)a, (void)row_stride, (void)pair_stride, (void)panels, (void)add, (void)c, (void)ldc;
}

void bf16_product_columns(int m, int n, int k, const uint32_t *a, const uint32_t *panels, bool add, float *c, int ldc)
{
	(void)m, (void)n, (void)k, (void)a, (void)panels, (void)add, (void)c, (void)ldc;
}

#endif
