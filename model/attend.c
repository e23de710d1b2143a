/* Attention of one head, see attend.h. Any thread; no allocation, no state. A block of keys and the distances lie with their
 * numbers apart, so that a vector holds sixteen keys and no sum runs across lanes. */
#include "model/attend.h"

#include "model/attend_bf16.h"
#include "model/kernels.h"
#include "model/vector.h"

#include <math.h>
#include <string.h>

/* Scores of `rows` queries for one or two blocks of keys: (q k + q E + k E) as (q + E) k + q E. rows and blocks are
 * constants at every call. */
VECTOR_INLINE void score_blocks(const int rows, const int blocks, const struct attend_keys *keys, const float *const query[],
				int block, float scale, float *scores, long stride)
{
	vector sum[ATTEND_ROWS][2];
	const float *key[2], *distance = keys->distance + block * ATTEND_BLOCK;
#pragma GCC unroll 2
	for (int b = 0; b < blocks; b++)
		key[b] = keys->key + (long)keys->slot[block + b] * keys->e * ATTEND_BLOCK;
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int b = 0; b < blocks; b++)
			sum[i][b] = (vector){0};
	for (int c = 0; c < keys->e; c++, distance += keys->distance_stride) {
		vector k[2];
#pragma GCC unroll 2
		for (int b = 0; b < blocks; b++)
			vector_load(&k[b], key[b] + c * ATTEND_BLOCK);
#pragma GCC unroll 4
		for (int i = 0; i < rows; i++) {
			float q = query[i][c];
#pragma GCC unroll 2
			for (int b = 0; b < blocks; b++) {
				vector e;
				vector_load(&e, distance - i + b * ATTEND_BLOCK);
				sum[i][b] += (e + q) * k[b] + e * q;
			}
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
		for (int b = 0; b < blocks; b++) {
			vector s = sum[i][b] * scale;
			vector_store(scores + i * stride + (block + b) * ATTEND_BLOCK, &s);
		}
	}
}

/* Numbers c .. c + 63 (or fewer vectors) of every query's sum over keys low .. high - 1; weights outside a query's own keys
 * are zero. */
VECTOR_INLINE void sum_values(const int rows, const int vectors, const struct attend_keys *keys, int c, int low, int high,
			      const float *weights, long stride, float *const y[])
{
	vector sum[ATTEND_ROWS][4];
	long width = ATTEND_VALUE(keys->e);
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
		for (int v = 0; v < vectors; v++)
			sum[i][v] = (vector){0};
	for (int k = low; k < high;) {
		int end = (k / ATTEND_BLOCK + 1) * ATTEND_BLOCK;
		const float *value =
		    keys->value + (keys->slot[k / ATTEND_BLOCK] * ATTEND_BLOCK + k % ATTEND_BLOCK) * width + c;
		for (end = end < high ? end : high; k < end; k++, value += width) {
			vector x[4];
#pragma GCC unroll 4
			for (int v = 0; v < vectors; v++)
				vector_load(&x[v], value + v * VECTOR_LANES);
#pragma GCC unroll 4
			for (int i = 0; i < rows; i++) {
				float p = weights[i * stride + k];
#pragma GCC unroll 4
				for (int v = 0; v < vectors; v++)
					sum[i][v] += x[v] * p;
			}
		}
	}
	for (int i = 0; i < rows; i++)
		for (int v = 0; v < vectors; v++) {
			int left = keys->e - c - v * VECTOR_LANES;
			float lane[VECTOR_LANES];
			vector_store(lane, &sum[i][v]);
			memcpy(y[i] + c + v * VECTOR_LANES, lane,
			       (size_t)(left < VECTOR_LANES ? left : VECTOR_LANES) * sizeof *lane);
		}
}

VECTOR_INLINE void attend_rows(const int rows, const struct attend_keys *keys, const float *const query[], const int from[],
			       const int to[], float *scores, float *const y[])
{
	int low = from[0], high = to[0];
	float scale = 1 / sqrtf((float)keys->e);
	for (int i = 1; i < rows; i++) {
		low = from[i] < low ? from[i] : low;
		high = to[i] > high ? to[i] : high;
	}
	long stride = high + ATTEND_PAD;
	int block = low / ATTEND_BLOCK, blocks = (high + ATTEND_BLOCK - 1) / ATTEND_BLOCK;
	for (; block + 2 <= blocks; block += 2)
		score_blocks(rows, 2, keys, query, block, scale, scores, stride);
	if (block < blocks)
		score_blocks(rows, 1, keys, query, block, scale, scores, stride);
	for (int i = 0; i < rows; i++) {
		float *row = scores + i * stride;
		kernel_softmax(to[i] - from[i], row + from[i], row + from[i]);
		for (int k = low; k < from[i]; k++)
			row[k] = 0;
		for (int k = to[i]; k < high; k++)
			row[k] = 0;
	}
	int c = 0;
	for (; c + 64 <= ATTEND_VALUE(keys->e); c += 64)
		sum_values(rows, 4, keys, c, low, high, scores, stride, y);
	for (; c + 32 <= ATTEND_VALUE(keys->e); c += 32)
		sum_values(rows, 2, keys, c, low, high, scores, stride, y);
	for (; c < ATTEND_VALUE(keys->e); c += 16)
		sum_values(rows, 1, keys, c, low, high, scores, stride, y);
}

VECTOR_KERNEL void attend(int rows, const struct attend_keys *keys, const float *const query[], const int from[],
			  const int to[], float *scores, float *const y[])
{
	if (keys->key_pairs) {
		attend_bf16(rows, keys, query, from, to, scores, y);
		return;
	}
	switch (rows) {
	case 4: attend_rows(4, keys, query, from, to, scores, y); break;
	case 3: attend_rows(3, keys, query, from, to, scores, y); break;
	case 2: attend_rows(2, keys, query, from, to, scores, y); break;
	default: attend_rows(1, keys, query, from, to, scores, y); break;
	}
}
