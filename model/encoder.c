/* The encoder over a stream of notes. One inference thread each; no allocation after encoder_new. Post-layer-norm BERT
 * with relative positions on keys and queries (docs/MODEL.md, encoder). Does not know events, labels or time. */
#include "model/encoder.h"

#include "model/kernels.h"
#include "model/linear.h"
#include "model/matrix.h"
#include "model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct layer_cache {
	float *key, *value; /* [capacity][d] */
	float *relative;    /* [a][capacity][J]: k_r . E of each distance, one product per note and layer, once */
};

struct encoder {
	const struct model *model;
	int window, block, lookahead;
	int distances;	/* J = window + n: column j stands for distance l - r = window - 1 - j */
	int64_t base;	/* row at index 0 of the caches */
	int64_t origin; /* first row that may be looked at */
	int capacity;
	struct layer_cache layer[LAYERS_MAX];
	float *memory; /* all of the above and below, one allocation */
	size_t bytes;
	float *x, *y, *qkv, *inner; /* [block][d], [block][d], [block][3 d], [block][f] */
	float *operand;		    /* linear_scratch: a left operand as the backend wants it */
	float *scores;		    /* [block][window + block] */
	float *query_relative;	    /* [block][J]: q_l . E of each distance */
};

static float *carve(float **next, size_t count)
{
	float *start = *next;
	*next += (count + 15) / 16 * 16;
	return start;
}

/* Lays the arrays out from `memory`; with NULL it only counts. Returns floats used. */
static size_t lay_out(struct encoder *encoder, float *memory)
{
	const struct model_shape *shape = &encoder->model->shape;
	size_t d = (size_t)shape->width, block = (size_t)encoder->block, capacity = (size_t)encoder->capacity;
	size_t J = (size_t)encoder->distances, used = 0;
	size_t f = (size_t)shape->inner;
	float **slots[7] = {&encoder->x,      &encoder->y,	&encoder->qkv,
			    &encoder->inner,  &encoder->scores, &encoder->query_relative,
			    &encoder->operand};
	size_t sizes[7] = {block * d,
			   block * d,
			   block * 3 * d,
			   block * f,
			   block * ((size_t)encoder->window + block),
			   block * J,
			   linear_scratch(encoder->block, shape->inner > shape->width ? shape->inner : shape->width)};
	for (int i = 0; i < 7; i++)
		used += (sizes[i] + 15) / 16 * 16;
	used += (size_t)shape->layers *
		(2 * ((capacity * d + 15) / 16 * 16) + ((size_t)shape->attention_heads * capacity * J + 15) / 16 * 16);
	if (!memory)
		return used;
	for (int i = 0; i < 7; i++)
		*slots[i] = carve(&memory, sizes[i]);
	for (int i = 0; i < shape->layers; i++) {
		encoder->layer[i].key = carve(&memory, capacity * d);
		encoder->layer[i].value = carve(&memory, capacity * d);
		encoder->layer[i].relative = carve(&memory, (size_t)shape->attention_heads * capacity * J);
	}
	return used;
}

struct encoder *encoder_new(const struct model *model, int window, int block)
{
	const struct model_shape *shape = &model->shape;
	if (window < 1 || window > shape->span || block < 1)
		return NULL;
	struct encoder *encoder = calloc(1, sizeof *encoder);
	if (!encoder)
		return NULL;
	encoder->model = model;
	encoder->window = window;
	encoder->block = block;
	encoder->lookahead = shape->lookahead;
	if (shape->lookahead == LOOKAHEAD_UNLIMITED) {
		/* the whole window is one run, so a row never looks further than that */
		encoder->lookahead = window - 1;
		if (block > window)
			encoder->block = window;
	}
	encoder->distances = window + encoder->lookahead;
	encoder->capacity = 2 * window + shape->freeze + encoder->block;
	size_t floats = lay_out(encoder, NULL);
	encoder->bytes = (floats * sizeof(float) + 63) / 64 * 64;
	encoder->memory = aligned_alloc(64, encoder->bytes);
	if (!encoder->memory) {
		free(encoder);
		return NULL;
	}
	memset(encoder->memory, 0, encoder->bytes); /* touches every page now, not at the first note */
	lay_out(encoder, encoder->memory);
	return encoder;
}

void encoder_free(struct encoder *encoder)
{
	if (!encoder)
		return;
	free(encoder->memory);
	free(encoder);
}

void encoder_reset(struct encoder *encoder)
{
	encoder->base = encoder->origin = 0;
}

size_t encoder_bytes(const struct encoder *encoder)
{
	return encoder->bytes;
}

int64_t encoder_first(const struct encoder *encoder, int64_t changed, int64_t newest)
{
	const struct model_shape *shape = &encoder->model->shape;
	int64_t first = shape->lookahead == LOOKAHEAD_UNLIMITED ? newest + 1 - encoder->window
								: changed - (int64_t)shape->layers * shape->lookahead;
	return first > 0 ? first : 0;
}

/* Makes room for rows up to `end`: forgets what no row from `first` on can look back to, nor the next run's, which may begin
 * `freeze` rows earlier when a late release changes a token. */
static void make_room(struct encoder *encoder, int64_t first, int64_t end)
{
	if (end - encoder->base <= encoder->capacity)
		return;
	const struct model_shape *shape = &encoder->model->shape;
	int64_t keep = first - encoder->window + 1 - shape->freeze;
	if (keep < encoder->base)
		keep = encoder->base;
	size_t d = (size_t)shape->width, J = (size_t)encoder->distances, capacity = (size_t)encoder->capacity;
	size_t shift = (size_t)(keep - encoder->base), kept = (size_t)(first > keep ? first - keep : 0);
	for (int i = 0; i < shape->layers; i++) {
		struct layer_cache *cache = &encoder->layer[i];
		memmove(cache->key, cache->key + shift * d, kept * d * sizeof(float));
		memmove(cache->value, cache->value + shift * d, kept * d * sizeof(float));
		for (int head = 0; head < shape->attention_heads; head++) {
			float *relative = cache->relative + (size_t)head * capacity * J;
			memmove(relative, relative + shift * J, kept * J * sizeof(float));
		}
	}
	encoder->base = keep;
}

/* Scores of one attention head for rows first .. first + count - 1 against keys from..last, softmaxed; zero outside the
 * band. */
static void attend_scores(struct encoder *encoder, const struct layer_cache *cache, int head, int64_t first, int count,
			  int64_t from, int64_t last)
{
	const struct model_shape *shape = &encoder->model->shape;
	int d = shape->width, e = d / shape->attention_heads, J = encoder->distances, keys = (int)(last - from + 1);
	const float *relative = cache->relative + (size_t)head * (size_t)encoder->capacity * (size_t)J;
	float scale = 1 / sqrtf((float)e);
	matrix_nt(count, keys, e, encoder->qkv + head * e, 3 * d, cache->key + (from - encoder->base) * d + head * e, d, 0,
		  encoder->scores, keys);
	for (int i = 0; i < count; i++) {
		int64_t l = first + i;
		int64_t low = l - encoder->window + 1 > from ? l - encoder->window + 1 : from;
		int64_t high = l + encoder->lookahead < last ? l + encoder->lookahead : last;
		float *row = encoder->scores + (int64_t)i * keys;
		int64_t column = encoder->window - 1 - (l - low);
		kernel_scores((int)(high - low + 1), row + (low - from), encoder->query_relative + (int64_t)i * J + column,
			      relative + (low - encoder->base) * J + column, J + 1, scale);
		kernel_softmax((int)(high - low + 1), row + (low - from), row + (low - from));
		memset(row, 0, (size_t)(low - from) * sizeof *row);
		memset(row + (high + 1 - from), 0, (size_t)(last - high) * sizeof *row);
	}
}

/* Attention of one layer: x to y (before the output projection). */
static void attend(struct encoder *encoder, int layer, int64_t first, int count)
{
	const struct model *model = encoder->model;
	const struct layer_offsets *offsets = &model->parameters->layer[layer];
	struct layer_cache *cache = &encoder->layer[layer];
	int d = model->shape.width, heads = model->shape.attention_heads, e = d / heads, J = encoder->distances;
	int64_t last = first + count - 1, from = first - encoder->window + 1;
	if (from < encoder->origin)
		from = encoder->origin;
	/* a window below the span uses the inner part of the table of distances */
	const float *distance = model->distance + (size_t)layer * (size_t)(model->distances * e) +
				(size_t)(model->shape.span - encoder->window) * (size_t)e;
	linear_run(&model->linear[layer].qkv, count, encoder->x, encoder->operand, encoder->qkv);
	kernel_add_bias(count, 3 * d, model->values + offsets->qkv.bias, encoder->qkv);
	for (int i = 0; i < count; i++) {
		size_t to = (size_t)(first - encoder->base + i) * (size_t)d;
		memcpy(cache->key + to, encoder->qkv + (size_t)i * 3 * (size_t)d + d, (size_t)d * sizeof(float));
		memcpy(cache->value + to, encoder->qkv + (size_t)i * 3 * (size_t)d + 2 * d, (size_t)d * sizeof(float));
	}
	for (int head = 0; head < heads; head++) {
		float *relative = cache->relative +
				  ((size_t)head * (size_t)encoder->capacity + (size_t)(first - encoder->base)) * (size_t)J;
		matrix_nt(count, J, e, encoder->qkv + head * e, 3 * d, distance, e, 0, encoder->query_relative, J);
		matrix_nt(count, J, e, encoder->qkv + d + head * e, 3 * d, distance, e, 0, relative, J);
		attend_scores(encoder, cache, head, first, count, from, last);
		int keys = (int)(last - from + 1);
		matrix_nn(count, e, keys, encoder->scores, keys, cache->value + (from - encoder->base) * d + head * e, d, 0,
			  encoder->y + head * e, d);
	}
}

/* y (attention) -> output projection, norm, feed-forward, norm -> x. */
static void transform(struct encoder *encoder, int layer, int count)
{
	const struct model *model = encoder->model;
	const struct layer_offsets *o = &model->parameters->layer[layer];
	const struct layer_linear *linear = &model->linear[layer];
	const float *w = model->values;
	int d = model->shape.width, f = model->shape.inner;
	float *projected = encoder->qkv; /* free by now */
	linear_run(&linear->attention_output, count, encoder->y, encoder->operand, projected);
	kernel_add_bias(count, d, w + o->attention_output.bias, projected);
	kernel_layer_norm(count, d, projected, encoder->x, w + o->attention_norm.gain, w + o->attention_norm.bias,
			  encoder->y, NULL, NULL);
	linear_run(&linear->intermediate, count, encoder->y, encoder->operand, encoder->inner);
	kernel_gelu(count, f, w + o->intermediate.bias, encoder->inner, encoder->inner, 0);
	linear_run(&linear->output, count, encoder->inner, encoder->operand, projected);
	kernel_add_bias(count, d, w + o->output.bias, projected);
	kernel_layer_norm(count, d, projected, encoder->y, w + o->output_norm.gain, w + o->output_norm.bias, encoder->x,
			  NULL, NULL);
}

void encoder_run(struct encoder *encoder, int64_t first, int count, const struct token *tokens, float *hidden)
{
	const struct model *model = encoder->model;
	if (model->shape.lookahead == LOOKAHEAD_UNLIMITED)
		encoder->base = encoder->origin = first;
	else
		make_room(encoder, first, first + count);
	model_embed(model, tokens, count, encoder->x);
	for (int layer = 0; layer < model->shape.layers; layer++) {
		attend(encoder, layer, first, count);
		transform(encoder, layer, count);
	}
	if (hidden)
		memcpy(hidden, encoder->x, (size_t)count * (size_t)model->shape.width * sizeof *hidden);
}
