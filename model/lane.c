/* Rings of keys, values and states of one setting, see lane.h. Inference thread. It computes attention, but none of the
 * products through the weights: those are the encoder's, for all lanes at once. */
#include "model/lane.h"

#include "model/attend.h"
#include "model/bf16.h"

#include <stdlib.h>
#include <string.h>

struct lane_size {
	size_t row, key, value, hidden; /* floats: a ring of rows, of keys, of values, of hidden states */
	size_t value_width;
};

static struct lane_size sizes(const struct lane *lane)
{
	const struct model_shape *shape = &lane->model->shape;
	size_t d = (size_t)shape->width, a = (size_t)shape->attention_heads, capacity = (size_t)lane->capacity;
	struct lane_size size;
	size.value_width = (size_t)ATTEND_VALUE(shape->width / shape->attention_heads);
	size.row = lane->setting == SETTING_CAUSAL ? 0 : capacity * d;
	size.key = capacity * d;
	size.value = capacity * a * size.value_width;
	size.hidden = 2 * (size_t)lane->states * d;
	return size;
}

struct lane *lane_new(const struct model *model, enum head_setting setting, int window, int rows, int keep)
{
	struct lane *lane = calloc(1, sizeof *lane);
	if (!lane)
		return NULL;
	const struct model_shape *shape = &model->shape;
	lane->model = model;
	lane->setting = setting;
	lane->window = window;
	lane->pairs = model->distance_pairs != NULL;
	lane->lookahead = setting == SETTING_CAUSAL		    ? 0
			  : shape->lookahead == LOOKAHEAD_UNLIMITED ? window - 1
								    : shape->lookahead;
	/* What a run's first row looks back on may begin anywhere in a block, and so may its last row end. */
	lane->capacity = ((int64_t)window + rows + 2 * ATTEND_BLOCK) / ATTEND_BLOCK * ATTEND_BLOCK;
	lane->states = (int64_t)keep + rows;
	struct lane_size size = sizes(lane);
	size_t floats = (size_t)shape->layers * (2 * size.row + size.key + size.value) + size.hidden;
	lane->bytes = (floats * sizeof(float) + 63) / 64 * 64;
	lane->memory = aligned_alloc(64, lane->bytes);
	lane->slot = calloc((size_t)lane->capacity / ATTEND_BLOCK, sizeof *lane->slot);
	if (!lane->memory || !lane->slot) {
		lane_free(lane);
		return NULL;
	}
	memset(lane->memory, 0, lane->bytes); /* touches every page now, not at the first note */
	float *next = lane->memory;
	for (int i = 0; i < shape->layers; i++) {
		struct lane_layer *layer = &lane->layer[i];
		layer->input = next;
		layer->query = next + size.row;
		layer->key = next + 2 * size.row;
		layer->value = layer->key + size.key;
		next = layer->value + size.value;
	}
	lane->hidden = next;
	return lane;
}

void lane_free(struct lane *lane)
{
	if (!lane)
		return;
	free(lane->memory);
	free(lane->slot);
	free(lane);
}

void lane_reset(struct lane *lane)
{
	lane->rows = lane->origin = 0;
}

static size_t slot_of(const struct lane *lane, int64_t row)
{
	return (size_t)(row % lane->capacity);
}

static uint32_t *key_pairs(const struct lane *lane, int layer, size_t head)
{
	size_t e = (size_t)(lane->model->shape.width / lane->model->shape.attention_heads);
	return (uint32_t *)(void *)lane->layer[layer].key + head * (size_t)lane->capacity * e / 2;
}

static void put_pairs(struct lane *lane, int layer, size_t head, size_t slot, const float *key)
{
	size_t e = (size_t)(lane->model->shape.width / lane->model->shape.attention_heads), in_block = slot % ATTEND_BLOCK;
	uint32_t *out = key_pairs(lane, layer, head) + (slot - in_block) * e / 2 + in_block, pairs[ATTEND_PAIRS_MAX];
	bf16_rows(1, (int)e, key, (int)e, pairs);
	for (size_t p = 0; p < e / 2; p++)
		out[p * ATTEND_BLOCK] = pairs[p];
}

void lane_put_key(struct lane *lane, int layer, int64_t row, const float *qkv)
{
	const struct model_shape *shape = &lane->model->shape;
	struct lane_size size = sizes(lane);
	size_t d = (size_t)shape->width, a = (size_t)shape->attention_heads, e = d / a, slot = slot_of(lane, row);
	size_t in_block = slot % ATTEND_BLOCK, capacity = (size_t)lane->capacity;
	float *key = lane->layer[layer].key + (slot - in_block) * e + in_block;
	float *value = lane->layer[layer].value + slot * size.value_width;
	for (size_t head = 0; head < a; head++, key += capacity * e, value += capacity * size.value_width) {
		if (lane->pairs)
			put_pairs(lane, layer, head, slot, qkv + d + head * e);
		for (size_t c = 0; c < e && !lane->pairs; c++)
			key[c * ATTEND_BLOCK] = qkv[d + head * e + c];
		memcpy(value, qkv + 2 * d + head * e, e * sizeof *value);
	}
}

void lane_put(struct lane *lane, int layer, int64_t row, const float *input, const float *qkv)
{
	size_t d = (size_t)lane->model->shape.width, at = slot_of(lane, row) * d;
	memcpy(lane->layer[layer].input + at, input, d * sizeof *input);
	memcpy(lane->layer[layer].query + at, qkv, d * sizeof *qkv);
	lane_put_key(lane, layer, row, qkv);
}

void lane_put_hidden(struct lane *lane, int64_t row, const float *hidden)
{
	size_t d = (size_t)lane->model->shape.width, at = (size_t)(row % lane->states) * d;
	memcpy(lane->hidden + at, hidden, d * sizeof *hidden);
	memcpy(lane->hidden + at + (size_t)lane->states * d, hidden, d * sizeof *hidden);
}

const float *lane_input(const struct lane *lane, int layer, int64_t row)
{
	return lane->layer[layer].input + slot_of(lane, row) * (size_t)lane->model->shape.width;
}

const float *lane_query(const struct lane *lane, int layer, int64_t row)
{
	return lane->layer[layer].query + slot_of(lane, row) * (size_t)lane->model->shape.width;
}

size_t lane_scratch(const struct lane *lane)
{
	return (size_t)(ATTEND_ROWS * (lane->window + lane->lookahead + ATTEND_ROWS + ATTEND_BLOCK + ATTEND_PAD));
}

/* The first row that a row sees. */
static int64_t first_seen(const struct lane *lane, int64_t row)
{
	int64_t low = row - lane->window + 1;
	return low > lane->origin ? low : lane->origin;
}

/* ATTEND_ROWS queries or fewer. */
static void attend_rows(struct lane *lane, int layer, int64_t row, int rows, int64_t last, const float *const *queries,
			float *scores, float *y)
{
	const struct model *model = lane->model;
	const struct lane_size size = sizes(lane);
	int d = model->shape.width, heads = model->shape.attention_heads, e = d / heads;
	int from[ATTEND_ROWS], to[ATTEND_ROWS];
	int64_t low = first_seen(lane, row) / ATTEND_BLOCK * ATTEND_BLOCK, end = low;
	for (int i = 0; i < rows; i++) {
		int64_t high = row + i + lane->lookahead;
		from[i] = (int)(first_seen(lane, row + i) - low);
		to[i] = (int)((high < last ? high : last) - low) + 1;
		end = low + to[i];
	}
	for (int64_t block = low / ATTEND_BLOCK; block * ATTEND_BLOCK < end; block++)
		lane->slot[block - low / ATTEND_BLOCK] = (int)(block % (lane->capacity / ATTEND_BLOCK));
	for (int head = 0; head < heads; head++) {
		const float *query[ATTEND_ROWS];
		float *out[ATTEND_ROWS];
		size_t rows_before = (size_t)head * (size_t)lane->capacity;
		const struct attend_keys keys = {
		    .e = e,
		    .slot = lane->slot,
		    .key = lane->layer[layer].key + rows_before * (size_t)e,
		    .value = lane->layer[layer].value + rows_before * size.value_width,
		    .distance = model_distance(model, layer) + (model->shape.span - 1 - (row - low)),
		    .distance_stride = model->distance_stride,
		    .key_pairs = lane->pairs ? key_pairs(lane, layer, (size_t)head) : NULL,
		    .distance_pairs =
			lane->pairs ? model_distance_pairs(model, layer) + (model->shape.span - 1 - (row - low)) : NULL};
		for (int i = 0; i < rows; i++) {
			query[i] = queries[i] + head * e;
			out[i] = y + i * d + head * e;
		}
		attend(rows, &keys, query, from, to, scores, out);
	}
}

void lane_attend(struct lane *lane, int layer, int64_t first, int count, int64_t last, const float *const *queries,
		 float *scores, float *y)
{
	for (int done = 0; done < count; done += ATTEND_ROWS)
		attend_rows(lane, layer, first + done, count - done < ATTEND_ROWS ? count - done : ATTEND_ROWS, last,
			    queries + done, scores, y + (size_t)done * (size_t)lane->model->shape.width);
}
