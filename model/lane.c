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
	size.key = capacity * d / (lane->pairs ? 2 : 1);
	size.value = capacity * a * size.value_width / (lane->pairs ? 2 : 1);
	size.hidden = 2 * (size_t)lane->states * d;
	return size;
}

struct lane *lane_new(const struct model *model, enum head_setting setting, int window, int lookahead, int rows, int keep)
{
	struct lane *lane = calloc(1, sizeof *lane);
	if (!lane)
		return NULL;
	const struct model_shape *shape = &model->shape;
	lane->model = model;
	lane->setting = setting;
	lane->window = window;
	lane->pairs = model_bf16_attention(model);
	lane->lookahead = lookahead;
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

static size_t head_width(const struct lane *lane)
{
	return (size_t)(lane->model->shape.width / lane->model->shape.attention_heads);
}

/* One head's ring of keys or of values, of a layer's `ring` of so many numbers. */
static float *ring_of(const struct lane *lane, float *ring, size_t numbers, size_t head)
{
	return ring + head * numbers / (size_t)lane->model->shape.attention_heads;
}

static uint32_t *pairs_of(const struct lane *lane, float *ring, size_t numbers, size_t head)
{
	return lane->pairs ? (uint32_t *)(void *)ring_of(lane, ring, numbers, head) : NULL;
}

static void put_pairs(struct lane *lane, int layer, size_t head, size_t slot, const float *key, const float *value)
{
	struct lane_size size = sizes(lane);
	size_t e = head_width(lane), in_block = slot % ATTEND_BLOCK;
	uint32_t *out = pairs_of(lane, lane->layer[layer].key, size.key, head) + (slot - in_block) * e / 2 + in_block;
	uint32_t pairs[ATTEND_PAIRS_MAX];
	bf16_rows(1, (int)e, key, (int)e, pairs);
	for (size_t p = 0; p < e / 2; p++)
		out[p * ATTEND_BLOCK] = pairs[p];
	bf16_halves((int)e, value, slot % 2 != 0,
		    pairs_of(lane, lane->layer[layer].value, size.value, head) + slot / 2 * size.value_width);
}

/* Keeps a row's key and value of one head (out of numbers d .. 3 d - 1 of qkv). */
static void put_head(struct lane *lane, int layer, size_t head, int64_t row, const float *qkv)
{
	struct lane_size size = sizes(lane);
	size_t d = (size_t)lane->model->shape.width, e = head_width(lane), slot = slot_of(lane, row);
	size_t in_block = slot % ATTEND_BLOCK;
	const float *key = qkv + d + head * e, *value = qkv + 2 * d + head * e;
	if (lane->pairs) {
		put_pairs(lane, layer, head, slot, key, value);
		return;
	}
	float *out = ring_of(lane, lane->layer[layer].key, size.key, head) + (slot - in_block) * e + in_block;
	for (size_t c = 0; c < e; c++)
		out[c * ATTEND_BLOCK] = key[c];
	memcpy(ring_of(lane, lane->layer[layer].value, size.value, head) + slot * size.value_width, value,
	       e * sizeof *value);
}

void lane_put(struct lane *lane, int layer, int64_t row, const float *input, const float *qkv)
{
	size_t d = (size_t)lane->model->shape.width, at = slot_of(lane, row) * d;
	memcpy(lane->layer[layer].input + at, input, d * sizeof *input);
	memcpy(lane->layer[layer].query + at, qkv, d * sizeof *qkv);
	for (size_t head = 0; head < (size_t)lane->model->shape.attention_heads; head++)
		put_head(lane, layer, head, row, qkv);
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

/* The first row of the first block that a row sees. */
static int64_t first_block(const struct lane *lane, int64_t row)
{
	return first_seen(lane, row) / ATTEND_BLOCK * ATTEND_BLOCK;
}

/* Finds the blocks that rows from first on see, up to row `last`. */
static void find_slots(struct lane *lane, int64_t first, int64_t last)
{
	int64_t low = first_block(lane, first) / ATTEND_BLOCK;
	for (int64_t block = low; block * ATTEND_BLOCK <= last; block++)
		lane->slot[block - low] = (int)(block % (lane->capacity / ATTEND_BLOCK));
}

/* ATTEND_ROWS queries or fewer, one head; slot: of the first block that the first of them sees. queries and y are those of
 * all heads. */
static void attend_rows(const struct lane *lane, int layer, int head, int64_t row, int rows, int64_t last, const int *slot,
			const float *const *queries, float *scores, float *y)
{
	const struct model *model = lane->model;
	const struct lane_layer *kept = &lane->layer[layer];
	const struct lane_size size = sizes(lane);
	int d = model->shape.width, e = (int)head_width(lane);
	int from[ATTEND_ROWS], to[ATTEND_ROWS];
	const float *query[ATTEND_ROWS];
	float *out[ATTEND_ROWS];
	int64_t low = first_block(lane, row);
	long nearest = model->shape.span - 1 - (row - low); /* the distance from the first row to the first key */
	bool more = head + 1 < model->shape.attention_heads;
	const struct attend_keys keys = {.e = e,
					 .slot = slot,
					 .key = ring_of(lane, kept->key, size.key, (size_t)head),
					 .value = ring_of(lane, kept->value, size.value, (size_t)head),
					 .distance = model_distance(model, layer) + nearest,
					 .distance_stride = model->distance_stride,
					 .key_pairs = pairs_of(lane, kept->key, size.key, (size_t)head),
					 .value_pairs = pairs_of(lane, kept->value, size.value, (size_t)head),
					 .distance_pairs = lane->pairs ? model_distance_pairs(model, layer) + nearest : NULL,
					 .next_key = more ? ring_of(lane, kept->key, size.key, 1) - kept->key : 0,
					 .next_value = more ? ring_of(lane, kept->value, size.value, 1) - kept->value : 0};
	for (int i = 0; i < rows; i++) {
		int64_t high = row + i + lane->lookahead;
		from[i] = (int)(first_seen(lane, row + i) - low);
		to[i] = (int)((high < last ? high : last) - low) + 1;
		query[i] = queries[i] + head * e;
		out[i] = y + i * d + head * e;
	}
	attend(rows, &keys, query, from, to, scores, out);
}

/* Head by head, for the keys and values of one stay in the cache. */
void lane_attend(struct lane *lane, int layer, int64_t first, int count, int64_t last, const float *const *queries,
		 float *scores, float *y)
{
	const struct model_shape *shape = &lane->model->shape;
	int64_t low = first_block(lane, first);
	find_slots(lane, first, last);
	for (int head = 0; head < shape->attention_heads; head++)
		for (int done = 0; done < count; done += ATTEND_ROWS) {
			int rows = count - done < ATTEND_ROWS ? count - done : ATTEND_ROWS;
			const int *slot = lane->slot + (first_block(lane, first + done) - low) / ATTEND_BLOCK;
			attend_rows(lane, layer, head, first + done, rows, last, slot, queries + done, scores,
				    y + (long)done * shape->width);
		}
}

void lane_ask(struct lane *lane, int layer, int64_t row, const float *question, const float *note, float *scores,
	      float *question_y, float *note_y)
{
	find_slots(lane, row, row);
	for (int head = 0; head < lane->model->shape.attention_heads; head++) {
		put_head(lane, layer, (size_t)head, row, question);
		attend_rows(lane, layer, head, row, 1, row, lane->slot, &question, scores, question_y);
		put_head(lane, layer, (size_t)head, row, note);
		attend_rows(lane, layer, head, row, 1, row, lane->slot, &note, scores, note_y);
	}
}
