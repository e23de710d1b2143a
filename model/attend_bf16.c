/* Attention in bf16, see attend_bf16.h. In the scores a lane of a vector is a key, so that one instruction adds two numbers
 * of every product: q k, q E, and k E, for which a key's distance stands in the same lane. In the sum of values a lane is a
 * number, and one instruction adds two keys. Any thread; no allocation, no state. */
#include "model/attend_bf16.h"

#include "model/bf16.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define BLOCKS_MAX 4	/* keys of so many blocks at once */
#define ONES 0x3f803f80 /* a pair of bf16 */
#define LOG2_E 1.44269504f

/* rows and count (of blocks) are constants at every call. Two sums a vector of scores, for one would wait for itself. */
INLINE void score(const int rows, const int count, const struct attend_keys *keys, uint32_t query[][ATTEND_PAIRS_MAX],
		  int block, float scale, float *scores, long stride)
{
	__m512 sum[ATTEND_ROWS][BLOCKS_MAX][2];
	const uint32_t *key[BLOCKS_MAX], *distance = keys->distance_pairs + block * ATTEND_BLOCK;
	int pairs = keys->e / 2;
#pragma GCC unroll 4
	for (int b = 0; b < count; b++)
		key[b] = keys->key_pairs + (long)keys->slot[block + b] * pairs * ATTEND_BLOCK;
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
		for (int b = 0; b < count; b++)
			sum[i][b][0] = sum[i][b][1] = _mm512_setzero_ps();
	for (int p = 0; p < pairs; p++, distance += keys->distance_stride) {
		__m512bh k[BLOCKS_MAX];
#pragma GCC unroll 4
		for (int b = 0; b < count; b++) {
			k[b] = (__m512bh)_mm512_loadu_si512(key[b] + p * ATTEND_BLOCK);
			_mm_prefetch(key[b] + p * ATTEND_BLOCK + keys->next_key, _MM_HINT_T1);
		}
#pragma GCC unroll 4
		for (int i = 0; i < rows; i++) {
			__m512bh q = (__m512bh)_mm512_set1_epi32((int)query[i][p]);
#pragma GCC unroll 4
			for (int b = 0; b < count; b++) {
				__m512bh e = (__m512bh)_mm512_loadu_si512(distance - i + b * ATTEND_BLOCK);
				sum[i][b][0] = _mm512_dpbf16_ps(sum[i][b][0], k[b], q);
				sum[i][b][1] = _mm512_dpbf16_ps(sum[i][b][1], k[b], e);
				sum[i][b][0] = _mm512_dpbf16_ps(sum[i][b][0], e, q);
			}
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
		for (int b = 0; b < count; b++)
			_mm512_storeu_ps(scores + i * stride + (block + b) * ATTEND_BLOCK,
					 _mm512_mul_ps(_mm512_add_ps(sum[i][b][0], sum[i][b][1]), _mm512_set1_ps(scale)));
}

INLINE void score_all(const int rows, const struct attend_keys *keys, const float *const query[], int block, int blocks,
		      float scale, float *scores, long stride)
{
	uint32_t pairs[ATTEND_ROWS][ATTEND_PAIRS_MAX];
	for (int i = 0; i < rows; i++)
		bf16_rows(1, keys->e, query[i], keys->e, pairs[i]);
	for (; rows == 1 && block + 4 <= blocks; block += 4)
		score(rows, 4, keys, pairs, block, scale, scores, stride);
	for (; block + 2 <= blocks; block += 2)
		score(rows, 2, keys, pairs, block, scale, scores, stride);
	if (block < blocks)
		score(rows, 1, keys, pairs, block, scale, scores, stride);
}

/* Lanes of the block whose first key is `key` that lie in from .. to - 1. */
INLINE __mmask16 seen(int key, int from, int to)
{
	unsigned low = from > key ? (unsigned)(from - key) : 0, high = to > key ? (unsigned)(to - key) : 0;
	unsigned below = low < ATTEND_BLOCK ? 0xffffu << low : 0;
	return (__mmask16)(high < ATTEND_BLOCK ? below & ((1u << high) - 1) : below);
}

/* row[k] (of 2^row[k]) becomes the bf16 weight of key k, packed from the row's first byte on, for whole blocks from `key` to
 * end - 1; zero where it is not seen. Returns one over their sum. */
INLINE float weigh(int key, int end, int from, int to, float *row)
{
	__m512 most = _mm512_set1_ps(-INFINITY);
	__m256 total = _mm256_setzero_ps();
	const __m256bh ones = (__m256bh)_mm256_set1_epi32(ONES);
	for (int k = key; k < end; k += ATTEND_BLOCK)
		most = _mm512_mask_max_ps(most, seen(k, from, to), most, _mm512_loadu_ps(row + k));
	const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(most));
	for (int k = key; k < end; k += ATTEND_BLOCK) {
		__m512 x = _mm512_sub_ps(_mm512_loadu_ps(row + k), top);
		__m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
		x = _mm512_sub_ps(x, whole);
		/* 2^x on -1/2 .. 1/2, relative error under 8e-5: a twentieth of what rounding to bf16 brings */
		__m512 y = _mm512_fmadd_ps(x, _mm512_set1_ps(0.05517138f), _mm512_set1_ps(0.24261121f));
		y = _mm512_fmadd_ps(x, y, _mm512_set1_ps(0.69326103f));
		y = _mm512_fmadd_ps(x, y, _mm512_set1_ps(0.99992807f));
		__m256bh weight = _mm512_cvtneps_pbh(_mm512_maskz_scalef_ps(seen(k, from, to), y, whole));
		total = _mm256_dpbf16_ps(total, weight, ones);
		_mm256_storeu_si256((__m256i *)(void *)(row + k / 2), (__m256i)weight);
	}
	float lane[8], sum;
	_mm256_storeu_ps(lane, total);
	sum = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
	return 1 / sum;
}

/* Numbers c .. c + 16 vectors - 1 of every row's sum over whole blocks of keys. */
INLINE void sum_values(const int rows, const int vectors, const struct attend_keys *keys, int c, int block, int blocks,
		       const float *weights, long stride, const float *factor, float *const y[])
{
	__m512 sum[ATTEND_ROWS][4];
	long width = ATTEND_VALUE(keys->e);
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
		for (int v = 0; v < vectors; v++)
			sum[i][v] = _mm512_setzero_ps();
	for (; block < blocks; block++) {
		const uint32_t *value = keys->value_pairs + (long)keys->slot[block] * (ATTEND_BLOCK / 2) * width + c;
		const float *weight = weights + block * (ATTEND_BLOCK / 2);
		for (int p = 0; p < ATTEND_BLOCK / 2; p++, value += width, weight++) {
			__m512bh x[4];
#pragma GCC unroll 4
			for (int v = 0; v < vectors; v++) {
				x[v] = (__m512bh)_mm512_loadu_si512(value + v * 16);
				_mm_prefetch(value + v * 16 + keys->next_value, _MM_HINT_T1);
			}
#pragma GCC unroll 4
			for (int i = 0; i < rows; i++) {
				__m512bh both = (__m512bh)_mm512_set1_ps(weight[i * stride]);
#pragma GCC unroll 4
				for (int v = 0; v < vectors; v++)
					sum[i][v] = _mm512_dpbf16_ps(sum[i][v], both, x[v]);
			}
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
		for (int v = 0; v < vectors; v++) {
			int left = keys->e - c - v * 16;
			__mmask16 mask = left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
			_mm512_mask_storeu_ps(y[i] + c + v * 16, mask, _mm512_mul_ps(sum[i][v], _mm512_set1_ps(factor[i])));
		}
}

INLINE void attend_rows(const int rows, const struct attend_keys *keys, const float *const query[], const int from[],
			const int to[], float *scores, float *const y[])
{
	int low = from[0], high = to[0], c = 0, width = ATTEND_VALUE(keys->e);
	float factor[ATTEND_ROWS];
	for (int i = 1; i < rows; i++) {
		low = from[i] < low ? from[i] : low;
		high = to[i] > high ? to[i] : high;
	}
	long stride = high + ATTEND_PAD;
	int block = low / ATTEND_BLOCK, blocks = (high + ATTEND_BLOCK - 1) / ATTEND_BLOCK;
	const float scale = LOG2_E / sqrtf((float)keys->e); /* weights are powers of two */
	score_all(rows, keys, query, block, blocks, scale, scores, stride);
	for (int i = 0; i < rows; i++)
		factor[i] = weigh(block * ATTEND_BLOCK, blocks * ATTEND_BLOCK, from[i], to[i], scores + i * stride);
	for (; c + 64 <= width; c += 64)
		sum_values(rows, 4, keys, c, block, blocks, scores, stride, factor, y);
	for (; c + 32 <= width; c += 32)
		sum_values(rows, 2, keys, c, block, blocks, scores, stride, factor, y);
	if (c < width)
		sum_values(rows, 1, keys, c, block, blocks, scores, stride, factor, y);
}

TARGET void attend_bf16(int rows, const struct attend_keys *keys, const float *const query[], const int from[],
			const int to[], float *scores, float *const y[])
{
	switch (rows) {
	case 4: attend_rows(4, keys, query, from, to, scores, y); break;
	case 3: attend_rows(3, keys, query, from, to, scores, y); break;
	case 2: attend_rows(2, keys, query, from, to, scores, y); break;
	default: attend_rows(1, keys, query, from, to, scores, y); break;
	}
}
#else
void attend_bf16(int rows, const struct attend_keys *keys, const float *const query[], const int from[], const int to[],
		 float *scores, float *const y[])
{
	(void)rows, (void)keys, (void)query, (void)from, (void)to, (void)scores, (void)y;
}
#endif
