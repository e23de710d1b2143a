/* Scores in bf16, see attend_bf16.h. A lane of a vector is a key, so that one instruction adds two numbers of every product:
 * q k, q E, and k E, for which a key's distance stands in the same lane. Any thread; no allocation, no state. */
#include "model/attend_bf16.h"

#include "model/bf16.h"

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define INLINE TARGET static inline __attribute__((always_inline))

/* rows and count (1 or 2 blocks) are constants at every call. */
INLINE void score(const int rows, const int count, const struct attend_keys *keys, uint32_t query[][ATTEND_PAIRS_MAX],
		  int block, float scale, float *scores, long stride)
{
	__m512 sum[ATTEND_ROWS][2];
	const uint32_t *key[2], *distance = keys->distance_pairs + block * ATTEND_BLOCK;
	int pairs = keys->e / 2;
#pragma GCC unroll 2
	for (int b = 0; b < count; b++)
		key[b] = keys->key_pairs + (long)keys->slot[block + b] * pairs * ATTEND_BLOCK;
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int b = 0; b < count; b++)
			sum[i][b] = _mm512_setzero_ps();
	for (int p = 0; p < pairs; p++, distance += keys->distance_stride) {
		__m512bh k[2];
#pragma GCC unroll 2
		for (int b = 0; b < count; b++)
			k[b] = (__m512bh)_mm512_loadu_si512(key[b] + p * ATTEND_BLOCK);
#pragma GCC unroll 4
		for (int i = 0; i < rows; i++) {
			__m512bh q = (__m512bh)_mm512_set1_epi32((int)query[i][p]);
#pragma GCC unroll 2
			for (int b = 0; b < count; b++) {
				__m512bh e = (__m512bh)_mm512_loadu_si512(distance - i + b * ATTEND_BLOCK);
				sum[i][b] = _mm512_dpbf16_ps(sum[i][b], k[b], q);
				sum[i][b] = _mm512_dpbf16_ps(sum[i][b], e, q);
				sum[i][b] = _mm512_dpbf16_ps(sum[i][b], k[b], e);
			}
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int b = 0; b < count; b++)
			_mm512_storeu_ps(scores + i * stride + (block + b) * ATTEND_BLOCK,
					 _mm512_mul_ps(sum[i][b], _mm512_set1_ps(scale)));
}

INLINE void score_all(const int rows, const struct attend_keys *keys, uint32_t query[][ATTEND_PAIRS_MAX], int block,
		      int blocks, float scale, float *scores, long stride)
{
	for (; block + 2 <= blocks; block += 2)
		score(rows, 2, keys, query, block, scale, scores, stride);
	if (block < blocks)
		score(rows, 1, keys, query, block, scale, scores, stride);
}

TARGET void attend_bf16_scores(int rows, const struct attend_keys *keys, const float *const query[], int block, int blocks,
			       float scale, float *scores, long stride)
{
	uint32_t pairs[ATTEND_ROWS][ATTEND_PAIRS_MAX];
	for (int i = 0; i < rows; i++)
		bf16_rows(1, keys->e, query[i], keys->e, pairs[i]);
	switch (rows) {
	case 4: score_all(4, keys, pairs, block, blocks, scale, scores, stride); break;
	case 3: score_all(3, keys, pairs, block, blocks, scale, scores, stride); break;
	case 2: score_all(2, keys, pairs, block, blocks, scale, scores, stride); break;
	default: score_all(1, keys, pairs, block, blocks, scale, scores, stride); break;
	}
}
#else
void attend_bf16_scores(int rows, const struct attend_keys *keys, const float *const query[], int block, int blocks,
			float scale, float *scores, long stride)
{
	(void)rows, (void)keys, (void)query, (void)block, (void)blocks, (void)scale, (void)scores, (void)stride;
}
#endif
