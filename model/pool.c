/* Attention pooling that is updated, see pool.h. Inference thread. */
#include "model/pool.h"

#include "model/kernels.h"
#include "model/matrix.h"
#include "model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16 /* rows of a kept sum */

/* A sum over rows for each attention row: of e^(score - top) h and of e^(score - top). */
struct sum {
	float top[POOL_ROWS], weight[POOL_ROWS];
};

struct pool {
	const struct model *model;
	int head;
	int64_t capacity; /* rows, whole blocks */
	int64_t scored;	  /* rows before it have scores */
	int64_t summed;	  /* blocks before it have sums */
	float *score;	  /* [capacity][POOL_ROWS], a ring */
	struct sum *sums; /* [capacity / BLOCK], a ring */
	float *weighted;  /* [capacity / BLOCK][POOL_ROWS][d], a ring */
	float *pooled;	  /* [POOL_ROWS][d] */
	float inner[BLOCK * POOL_INNER], rows[BLOCK * POOL_ROWS], classify[HEAD_INNER];
};

struct pool *pool_new(const struct model *model, int head, int window)
{
	struct pool *pool = calloc(1, sizeof *pool);
	size_t d = (size_t)model->shape.width;
	if (!pool)
		return NULL;
	pool->model = model;
	pool->head = head;
	pool->capacity = ((int64_t)window + 2 * BLOCK) / BLOCK * BLOCK;
	size_t blocks = (size_t)pool->capacity / BLOCK;
	pool->score = calloc((size_t)pool->capacity, POOL_ROWS * sizeof *pool->score);
	pool->sums = calloc(blocks, sizeof *pool->sums);
	pool->weighted = calloc(blocks * POOL_ROWS * d, sizeof *pool->weighted);
	pool->pooled = calloc(POOL_ROWS * d, sizeof *pool->pooled);
	if (!pool->score || !pool->sums || !pool->weighted || !pool->pooled) {
		pool_free(pool);
		return NULL;
	}
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	free(pool->score);
	free(pool->sums);
	free(pool->weighted);
	free(pool->pooled);
	free(pool);
}

void pool_reset(struct pool *pool)
{
	pool->scored = pool->summed = 0;
}

static float *score_of(struct pool *pool, int64_t row)
{
	return pool->score + row % pool->capacity * POOL_ROWS;
}

/* Scores of up to BLOCK rows. */
static void score_rows(struct pool *pool, const float *hidden, int64_t from, int count)
{
	const struct head_offsets *offsets = &pool->model->parameters->head[pool->head];
	const float *values = pool->model->values;
	int d = pool->model->shape.width;
	matrix_nt(count, POOL_INNER, d, hidden, d, values + offsets->pool1, d, 0, pool->inner, POOL_INNER);
	kernel_tanh((long)count * POOL_INNER, pool->inner);
	matrix_nt(count, POOL_ROWS, POOL_INNER, pool->inner, POOL_INNER, values + offsets->pool2, POOL_INNER, 0, pool->rows,
		  POOL_ROWS);
	for (int i = 0; i < count; i++)
		memcpy(score_of(pool, from + i), pool->rows + i * POOL_ROWS, POOL_ROWS * sizeof *pool->rows);
}

/* Raises a sum's top, so that it can take terms up to `top`. */
static void raise(struct sum *sum, float *weighted, int d, int row, float top)
{
	if (top <= sum->top[row])
		return;
	float scale = expf(sum->top[row] - top);
	sum->top[row] = top;
	sum->weight[row] *= scale;
	for (int c = 0; c < d; c++)
		weighted[row * d + c] *= scale;
}

static void clear(struct sum *sum, float *weighted, int d)
{
	for (int row = 0; row < POOL_ROWS; row++) {
		sum->top[row] = -INFINITY;
		sum->weight[row] = 0;
	}
	memset(weighted, 0, (size_t)(POOL_ROWS * d) * sizeof *weighted);
}

/* hidden: of row `from`. */
static void add_rows(struct pool *pool, const float *hidden, int64_t from, int64_t end, struct sum *sum, float *weighted)
{
	int d = pool->model->shape.width;
	for (int64_t r = from; r < end; r++, hidden += d) {
		const float *score = score_of(pool, r);
		for (int row = 0; row < POOL_ROWS; row++) {
			raise(sum, weighted, d, row, score[row]);
			float p = expf(score[row] - sum->top[row]);
			sum->weight[row] += p;
			kernel_axpy(d, p, hidden, weighted + row * d);
		}
	}
}

static void add_block(const struct sum *from, const float *from_weighted, int d, struct sum *sum, float *weighted)
{
	for (int row = 0; row < POOL_ROWS; row++) {
		raise(sum, weighted, d, row, from->top[row]);
		float p = expf(from->top[row] - sum->top[row]);
		sum->weight[row] += p * from->weight[row];
		kernel_axpy(d, p, from_weighted + row * d, weighted + row * d);
	}
}

/* Brings scores up to end and sums of whole blocks up to those that hold no row from `changed` on that may change again. */
static void update(struct pool *pool, const float *hidden, int64_t changed, int64_t first, int64_t end)
{
	int d = pool->model->shape.width;
	int64_t from = changed < pool->scored ? changed : pool->scored;
	from = from > first ? from : first;
	pool->summed = pool->summed < from / BLOCK ? pool->summed : from / BLOCK;
	for (int64_t row = from; row < end; row += BLOCK)
		score_rows(pool, hidden + (row - first) * d, row, end - row < BLOCK ? (int)(end - row) : BLOCK);
	pool->scored = end;
	int64_t block = (first + BLOCK - 1) / BLOCK;
	for (block = block > pool->summed ? block : pool->summed; (block + 1) * BLOCK <= end; block++) {
		int64_t slot = block % (pool->capacity / BLOCK);
		float *weighted = pool->weighted + slot * POOL_ROWS * d;
		clear(&pool->sums[slot], weighted, d);
		add_rows(pool, hidden + (block * BLOCK - first) * d, block * BLOCK, (block + 1) * BLOCK, &pool->sums[slot],
			 weighted);
	}
	pool->summed = block;
}

void pool_logits(struct pool *pool, const float *hidden, int64_t changed, int64_t first, int64_t end, float *logits)
{
	int d = pool->model->shape.width;
	struct sum sum;
	update(pool, hidden, changed, first, end);
	clear(&sum, pool->pooled, d);
	int64_t whole = (first + BLOCK - 1) / BLOCK, block = whole;
	int64_t front = whole * BLOCK < end ? whole * BLOCK : end;
	add_rows(pool, hidden, first, front, &sum, pool->pooled);
	for (; block < pool->summed; block++) {
		int64_t slot = block % (pool->capacity / BLOCK);
		add_block(&pool->sums[slot], pool->weighted + slot * POOL_ROWS * d, d, &sum, pool->pooled);
	}
	if (block * BLOCK > front)
		front = block * BLOCK;
	if (front < end)
		add_rows(pool, hidden + (front - first) * d, front, end, &sum, pool->pooled);
	for (int row = 0; row < POOL_ROWS; row++)
		for (int c = 0; c < d; c++)
			pool->pooled[row * d + c] /= sum.weight[row];
	model_classify(pool->model, pool->head, pool->pooled, 1, pool->classify, logits);
}
