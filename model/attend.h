/* Attention of one head for a few queries in turn: scores with both relative terms, softmax and values, while a block of
 * keys is in registers. Any thread; real-time safe. */
#ifndef MIDIBERTD_MODEL_ATTEND_H
#define MIDIBERTD_MODEL_ATTEND_H

#include <stdint.h>

#define ATTEND_ROWS 4	     /* queries that share what is read of keys and values */
#define ATTEND_BLOCK 16	     /* keys that are kept together */
#define ATTEND_PAIRS_MAX 128 /* of numbers of a key, where keys are kept in bf16 */
#define ATTEND_PAD 48 /* floats past the last score and distance, and before the first distance, that must be readable */

/* A multiple of whole vectors: how wide a value is kept. */
#define ATTEND_VALUE(e) (((e) + 15) / 16 * 16)

/* Keys are counted from the first of block 0. */
struct attend_keys {
	int e;		       /* numbers of a key */
	const int *slot;       /* place of each block in key and value */
	const float *key;      /* [slots][e][ATTEND_BLOCK] */
	const float *value;    /* [slots][ATTEND_BLOCK][ATTEND_VALUE(e)], zero past e */
	const float *distance; /* [e][distance_stride]: column c stands for query 0 to key c; that of query i lies i left */
	long distance_stride;
	/* All NULL, or read instead of the floats: pairs of bf16 (model/bf16.h), keys and distances along e, which is even,
	 * values along the keys. */
	const uint32_t *key_pairs;	/* [slots][e / 2][ATTEND_BLOCK] */
	const uint32_t *value_pairs;	/* [slots][ATTEND_BLOCK / 2][ATTEND_VALUE(e)], zero past e */
	const uint32_t *distance_pairs; /* [e / 2][distance_stride] */
	long next_key, next_value;	/* words from these pairs to those of the next head, to fetch ahead; 0: none */
};

/* Queries i = 0 .. rows - 1, rows <= ATTEND_ROWS, each of e numbers at query[i]: sees keys from[i] .. to[i] - 1, at least
 * one. y[i][0 .. e - 1] = sum of p v, p = softmax((q k + q E + k E) / sqrt(e)). scores: scratch for ATTEND_ROWS * (the
 * largest to + ATTEND_PAD) floats. */
void attend(int rows, const struct attend_keys *keys, const float *const query[], const int from[], const int to[],
	    float *scores, float *const y[]);

#endif
