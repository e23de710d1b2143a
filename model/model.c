/* A loaded network: weights, folded embedding, heads. Set-up threads load; inference threads read. Does not know streams:
 * that is encoder.c. */
#define _POSIX_C_SOURCE 200809L
#include "model/network.h"

#include "model/attend.h"
#include "model/backends.h"
#include "model/bf16.h"
#include "model/kernels.h"
#include "model/matrix.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_ROWS 16 /* notes a head judges at once, on the stack */

/* in_linear is linear and reads eight tables side by side, so each table can pass through it once, when loaded: a note's
 * embedding is then a sum of eight rows instead of a product of 2048 x d. */
static void fold_embedding(struct model *model)
{
	const struct parameters *p = model->parameters;
	int d = model->shape.width, row = 0;
	for (int i = 0; i < ATTRIBUTES; i++) {
		float *out = model->folded + (size_t)row * (size_t)d;
		model->folded_row[i] = row;
		matrix_nt(token_vocabulary[i], d, EMBEDDING_WIDTH, model->values + p->embedding[i], EMBEDDING_WIDTH,
			  model->values + p->in.weight + i * EMBEDDING_WIDTH, ATTRIBUTES * EMBEDDING_WIDTH, 0, out, d);
		for (int k = 0; k < token_vocabulary[i] * d; k++)
			out[k] *= EMBEDDING_SCALE;
		row += token_vocabulary[i];
	}
	for (int c = 0; c < d; c++)
		model->token_bias[c] = model->values[p->in.bias + (size_t)c] + model->values[p->token_type + (size_t)c];
}

const float *model_distance(const struct model *model, int layer)
{
	int e = model->shape.width / model->shape.attention_heads;
	return model->distance + (long)(layer * e) * model->distance_stride + ATTEND_PAD;
}

/* Keys in order of time stand at falling distances: the table is kept reversed, so that scores add columns as they lie. */
static void turn_distances(struct model *model)
{
	const struct model_shape *shape = &model->shape;
	int e = shape->width / shape->attention_heads, rows = 2 * shape->span - 1;
	for (int layer = 0; layer < shape->layers; layer++) {
		const float *table = model->values + model->parameters->layer[layer].distance;
		float *out = model->distance + (long)(layer * e) * model->distance_stride + ATTEND_PAD;
		for (int c = 0; c < e; c++, out += model->distance_stride)
			for (int j = 0; j < rows; j++)
				out[j] = table[(long)(rows - 1 - j) * e + c];
	}
}

const uint32_t *model_distance_pairs(const struct model *model, int layer)
{
	int e = model->shape.width / model->shape.attention_heads;
	return model->distance_pairs ? model->distance_pairs + (long)(layer * e / 2) * model->distance_stride + ATTEND_PAD
				     : NULL;
}

bool model_bf16_attention(const struct model *model)
{
	return model->distance_pairs != NULL;
}

/* The distances as attention in bf16 reads them, or none. */
static bool pair_distances(struct model *model)
{
	int e = model->shape.width / model->shape.attention_heads;
	long stride = model->distance_stride, rows = (long)model->shape.layers * e;
	free(model->distance_pairs);
	model->distance_pairs = NULL;
	if (!model->backend->bf16_attention || !bf16_available() || e % 2 != 0 || e / 2 > ATTEND_PAIRS_MAX)
		return true;
	model->distance_pairs = malloc((size_t)(rows / 2 * stride) * sizeof *model->distance_pairs);
	if (!model->distance_pairs)
		return false;
	for (long row = 0; row < rows; row += 2)
		for (long j = 0; j < stride; j++) {
			const float *from = model->distance + row * stride + j, both[2] = {from[0], from[stride]};
			bf16_rows(1, 2, both, 2, &model->distance_pairs[row / 2 * stride + j]);
		}
	return true;
}

static void free_linear(struct model *model)
{
	for (int i = 0; i < LAYERS_MAX; i++) {
		struct layer_linear *linear = &model->linear[i];
		linear_free(&linear->qkv);
		linear_free(&linear->attention_output);
		linear_free(&linear->intermediate);
		linear_free(&linear->output);
	}
}

/* Packs every linear layer of the encoder for this backend. */
static enum status use(struct model *model, const struct backend *backend, struct error *error)
{
	int d = model->shape.width, f = model->shape.inner;
	free_linear(model);
	model->backend = backend;
	for (int i = 0; i < model->shape.layers; i++) {
		const struct layer_offsets *o = &model->parameters->layer[i];
		const float *w = model->values;
		struct layer_linear *linear = &model->linear[i];
		if (!linear_new(&linear->qkv, backend, 3 * d, d, w + o->qkv.weight) ||
		    !linear_new(&linear->attention_output, backend, d, d, w + o->attention_output.weight) ||
		    !linear_new(&linear->intermediate, backend, f, d, w + o->intermediate.weight) ||
		    !linear_new(&linear->output, backend, d, f, w + o->output.weight))
			return status_fail(error, STATUS_NO_MEMORY, "%s: no memory to pack the weights", model->path);
	}
	return pair_distances(model)
		   ? STATUS_OK
		   : status_fail(error, STATUS_NO_MEMORY, "%s: no memory to pack the weights", model->path);
}

/* They are divided by. */
static enum status check_deviations(const struct model *model, const char *path, struct error *error)
{
	for (int h = 0; h < model->shape.heads; h++) {
		if (!shape_reads_texture(&model->shape.head[h]))
			continue;
		const float *deviation = model->values + model->parameters->head[h].texture_deviation;
		for (int i = 0; i < TEXTURE_SIZE; i++)
			if (!(deviation[i] >= TEXTURE_DEVIATION_MIN))
				return status_fail(
				    error, STATUS_BAD_DATA,
				    "%s: element %d of tensor %s.texture.deviation is %g; deviations are at least %g", path,
				    i, model->shape.head[h].name, (double)deviation[i], TEXTURE_DEVIATION_MIN);
	}
	return STATUS_OK;
}

enum status model_load(const char *path, struct model **result, struct error *error)
{
	*result = NULL;
	struct model *model = calloc(1, sizeof *model);
	if (!model)
		return status_fail(error, STATUS_NO_MEMORY, "%s: no memory to load the weights", path);
	enum status status = safetensors_open(path, &model->file, error);
	if (status == STATUS_OK)
		status = shape_read(model->file, path, &model->shape, error);
	if (status == STATUS_OK)
		status = parameters_new(&model->shape, &model->parameters, error);
	if (status != STATUS_OK)
		goto fail;
	const struct model_shape *shape = &model->shape;
	size_t d = (size_t)shape->width;
	model->distance_stride = 2 * shape->span - 1 + 2 * ATTEND_PAD;
	model->path = strdup(path);
	model->values = malloc(model->parameters->elements * sizeof(float));
	model->folded = malloc(TOKEN_VOCABULARY_SUM * d * sizeof(float));
	model->token_bias = malloc(d * sizeof(float));
	model->distance = calloc((size_t)shape->layers * (d / (size_t)shape->attention_heads),
				 (size_t)model->distance_stride * sizeof(float));
	if (!model->path || !model->values || !model->folded || !model->token_bias || !model->distance) {
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory to load the weights", path);
		goto fail;
	}
	status = parameters_read(model->parameters, model->file, path, model->values, error);
	if (status == STATUS_OK)
		status = check_deviations(model, path, error);
	if (status != STATUS_OK)
		goto fail;
	matrix_use_threads(1); /* sums in another order would give other tables */
	fold_embedding(model);
	turn_distances(model);
	status = use(model, backend_reference(), error);
	if (status != STATUS_OK)
		goto fail;
	*result = model;
	return STATUS_OK;
fail:
	model_free(model);
	return status;
}

void model_free(struct model *model)
{
	if (!model)
		return;
	free_linear(model);
	safetensors_close(model->file);
	parameters_free(model->parameters);
	free(model->values);
	free(model->folded);
	free(model->token_bias);
	free(model->distance);
	free(model->distance_pairs);
	free(model->path);
	free(model);
}

const struct model_shape *model_shape(const struct model *model)
{
	return &model->shape;
}

const char *model_path(const struct model *model)
{
	return model->path;
}

const char *model_sha256(const struct model *model)
{
	return safetensors_sha256(model->file);
}

const char *model_metadata(const struct model *model, const char *key)
{
	return safetensors_metadata(model->file, key);
}

void model_use_threads(int threads)
{
	matrix_use_threads(threads);
	backend_onednn_use_threads(threads);
}

enum status model_use_backend(struct model *model, const char *name, struct error *error)
{
	const struct backend *backend;
	enum status status = backend_find(name, &backend, error);
	if (status == STATUS_OK && backend != model->backend)
		status = use(model, backend, error);
	return status;
}

const struct backend *model_backend(const struct model *model)
{
	return model->backend;
}

void model_embed(const struct model *model, const struct token *tokens, int count, float *x)
{
	const struct parameters *p = model->parameters;
	int d = model->shape.width;
	for (int t = 0; t < count; t++) {
		float *row = x + (size_t)t * (size_t)d;
		memcpy(row, model->token_bias, (size_t)d * sizeof *row);
		for (int i = 0; i < ATTRIBUTES; i++)
			kernel_axpy(d, 1, model->folded + (size_t)(model->folded_row[i] + tokens[t].id[i]) * (size_t)d, row);
	}
	kernel_layer_norm(count, d, x, NULL, model->values + p->embedding_norm.gain, model->values + p->embedding_norm.bias,
			  x, NULL, NULL);
}

void model_classify(const struct model *model, int head, const float *in, int count, float *inner, float *logits)
{
	const struct head_offsets *offsets = &model->parameters->head[head];
	int classes = model->shape.head[head].classes, width = shape_head_input(&model->shape, head);
	matrix_nt(count, HEAD_INNER, width, in, width, model->values + offsets->first.weight, width, 0, inner, HEAD_INNER);
	kernel_relu(count, HEAD_INNER, model->values + offsets->first.bias, inner);
	matrix_nt(count, classes, HEAD_INNER, inner, HEAD_INNER, model->values + offsets->last.weight, HEAD_INNER, 0, logits,
		  classes);
	kernel_add_bias(count, classes, model->values + offsets->last.bias, logits);
}

void model_note_logits(const struct model *model, int head, const float *hidden, int count, float *logits)
{
	float inner[HEAD_ROWS * HEAD_INNER];
	int in = shape_head_input(&model->shape, head), classes = model->shape.head[head].classes;
	for (int row = 0; row < count; row += HEAD_ROWS) {
		int rows = count - row < HEAD_ROWS ? count - row : HEAD_ROWS;
		model_classify(model, head, hidden + (size_t)row * (size_t)in, rows, inner,
			       logits + (size_t)row * (size_t)classes);
	}
}

size_t model_sequence_scratch(const struct model *model, int count)
{
	return (size_t)count * (POOL_INNER + POOL_ROWS) + POOL_ROWS * (size_t)model->shape.width + HEAD_INNER;
}

void model_sequence_logits(const struct model *model, int head, const float *hidden, int count, float *scratch,
			   float *logits)
{
	const struct head_offsets *offsets = &model->parameters->head[head];
	int d = model->shape.width;
	float *inner = scratch, *weight = inner + (size_t)count * POOL_INNER, *pooled = weight + (size_t)count * POOL_ROWS;
	matrix_nt(count, POOL_INNER, d, hidden, d, model->values + offsets->pool1, d, 0, inner, POOL_INNER);
	kernel_tanh((long)count * POOL_INNER, inner);
	matrix_nt(POOL_ROWS, count, POOL_INNER, model->values + offsets->pool2, POOL_INNER, inner, POOL_INNER, 0, weight,
		  count);
	for (int row = 0; row < POOL_ROWS; row++)
		kernel_softmax(count, weight + row * count, weight + row * count);
	matrix_nn(POOL_ROWS, d, count, weight, count, hidden, d, 0, pooled, d);
	model_classify(model, head, pooled, 1, pooled + POOL_ROWS * d, logits);
}

void model_probabilities(const struct model *model, int head, const float *logits, float *probability)
{
	const struct head_spec *spec = &model->shape.head[head];
	for (int c = 0; c < spec->classes; c++)
		probability[c] = logits[c] / spec->temperature;
	kernel_softmax(spec->classes, probability, probability);
}
