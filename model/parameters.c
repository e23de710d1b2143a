/* The table of a network's numbers: names, shapes, offsets. Set-up threads; allocates. Knows nothing of computing. */
#define _POSIX_C_SOURCE 200809L
#include "model/parameters.h"

#include "base/random.h"
#include "model/predictors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_LAYER 17
#define PER_HEAD 8
#define FIXED (ATTRIBUTES + 5)
#define PRETRAINING (2 * ATTRIBUTES + 4)

/* Appends one tensor; rows = 0 makes it a vector. Returns its offset. */
static size_t append(struct parameters *p, const char *name, int64_t rows, int64_t columns)
{
	struct parameter *entry = &p->table[p->count++];
	snprintf(entry->name, sizeof entry->name, "%s", name);
	entry->dimensions = rows ? 2 : 1;
	entry->shape[0] = rows ? rows : columns;
	entry->shape[1] = rows ? columns : 0;
	entry->elements = (size_t)((rows ? rows : 1) * columns);
	entry->offset = p->elements;
	entry->decays = rows != 0;
	/* Whole cache lines, so that vector code may load past the end of a short tensor and never shares a line. */
	p->elements += (entry->elements + 15) / 16 * 16;
	return entry->offset;
}

static struct linear_offsets append_linear(struct parameters *p, const char *prefix, int64_t out, int64_t in)
{
	char name[TENSOR_NAME_MAX];
	struct linear_offsets linear;
	snprintf(name, sizeof name, "%s.weight", prefix);
	linear.weight = append(p, name, out, in);
	snprintf(name, sizeof name, "%s.bias", prefix);
	linear.bias = append(p, name, 0, out);
	return linear;
}

static struct norm_offsets append_norm(struct parameters *p, const char *prefix, int64_t width)
{
	char name[TENSOR_NAME_MAX];
	struct norm_offsets norm;
	snprintf(name, sizeof name, "%s.weight", prefix);
	norm.gain = append(p, name, 0, width);
	snprintf(name, sizeof name, "%s.bias", prefix);
	norm.bias = append(p, name, 0, width);
	return norm;
}

/* Query, key and value stand together, weights before biases, so that one product computes all three. */
static struct linear_offsets append_qkv(struct parameters *p, int layer, int64_t d)
{
	static const char *const part[] = {"query", "key", "value"};
	char name[TENSOR_NAME_MAX];
	struct linear_offsets linear = {0, 0};
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < 3; i++) {
			snprintf(name, sizeof name, "midibert.bert.encoder.layer.%d.attention.self.%s.%s", layer, part[i],
				 pass ? "bias" : "weight");
			size_t offset = append(p, name, pass ? 0 : d, d);
			if (i == 0 && pass)
				linear.bias = offset;
			else if (i == 0)
				linear.weight = offset;
		}
	}
	return linear;
}

static void append_layer(struct parameters *p, const struct model_shape *shape, int layer)
{
	struct layer_offsets *offsets = &p->layer[layer];
	int64_t d = shape->width, f = shape->inner;
	char prefix[64], name[TENSOR_NAME_MAX];
	snprintf(prefix, sizeof prefix, "midibert.bert.encoder.layer.%d", layer);
	offsets->qkv = append_qkv(p, layer, d);
	snprintf(name, sizeof name, "%s.attention.self.distance_embedding.weight", prefix);
	offsets->distance = append(p, name, 2 * shape->span - 1, d / shape->attention_heads);
	snprintf(name, sizeof name, "%s.attention.output.dense", prefix);
	offsets->attention_output = append_linear(p, name, d, d);
	snprintf(name, sizeof name, "%s.attention.output.LayerNorm", prefix);
	offsets->attention_norm = append_norm(p, name, d);
	snprintf(name, sizeof name, "%s.intermediate.dense", prefix);
	offsets->intermediate = append_linear(p, name, f, d);
	snprintf(name, sizeof name, "%s.output.dense", prefix);
	offsets->output = append_linear(p, name, d, f);
	snprintf(name, sizeof name, "%s.output.LayerNorm", prefix);
	offsets->output_norm = append_norm(p, name, d);
}

static void append_head(struct parameters *p, const struct model_shape *shape, int head)
{
	const struct head_spec *spec = &shape->head[head];
	struct head_offsets *offsets = &p->head[head];
	char name[TENSOR_NAME_MAX];
	if (shape_knows_familiar(spec)) {
		int64_t size = shape->width + FAMILIAR_STATISTICS;
		snprintf(name, sizeof name, "%s.familiar.mean", spec->name);
		offsets->familiar_mean = append(p, name, 0, size);
		snprintf(name, sizeof name, "%s.familiar.whiten", spec->name);
		offsets->familiar_whiten = append(p, name, size, size);
	}
	if (shape_reads_texture(spec)) {
		snprintf(name, sizeof name, "%s.texture.mean", spec->name);
		offsets->texture_mean = append(p, name, 0, TEXTURE_SIZE);
		snprintf(name, sizeof name, "%s.texture.deviation", spec->name);
		offsets->texture_deviation = append(p, name, 0, TEXTURE_SIZE);
		snprintf(name, sizeof name, "%s.texture", spec->name);
		offsets->texture = append_linear(p, name, spec->classes, TEXTURE_SIZE);
	}
	if (spec->level == HEAD_NOTE) {
		snprintf(name, sizeof name, "%s.classifier.1", spec->name);
		offsets->first = append_linear(p, name, HEAD_INNER, shape_head_input(shape, head));
		snprintf(name, sizeof name, "%s.classifier.4", spec->name);
		offsets->last = append_linear(p, name, spec->classes, HEAD_INNER);
		return;
	}
	snprintf(name, sizeof name, "%s.attention.ws1.weight", spec->name);
	offsets->pool1 = append(p, name, POOL_INNER, shape->width);
	snprintf(name, sizeof name, "%s.attention.ws2.weight", spec->name);
	offsets->pool2 = append(p, name, POOL_ROWS, POOL_INNER);
	snprintf(name, sizeof name, "%s.classifier.0", spec->name);
	offsets->first = append_linear(p, name, HEAD_INNER, shape_head_input(shape, head));
	snprintf(name, sizeof name, "%s.classifier.2", spec->name);
	offsets->last = append_linear(p, name, spec->classes, HEAD_INNER);
}

static void append_pretraining(struct parameters *p, int64_t d)
{
	for (int i = 0; i < ATTRIBUTES; i++) {
		char name[TENSOR_NAME_MAX];
		snprintf(name, sizeof name, "mask_lm.proj.%d", i);
		p->mask_lm[i] = append_linear(p, name, token_vocabulary[i], d);
	}
	p->masker_first = append_linear(p, "linear.1", HEAD_INNER, d);
	p->masker_last = append_linear(p, "linear.4", 1, HEAD_INNER);
}

enum status parameters_new(const struct model_shape *shape, struct parameters **parameters, struct error *error)
{
	struct parameters *p = calloc(1, sizeof *p);
	*parameters = NULL;
	if (p)
		p->table = calloc((size_t)(FIXED + PRETRAINING + PER_LAYER * shape->layers + PER_HEAD * shape->heads),
				  sizeof *p->table);
	if (!p || !p->table) {
		free(p);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the table of parameters");
	}
	for (int i = 0; i < ATTRIBUTES; i++) {
		char name[TENSOR_NAME_MAX];
		snprintf(name, sizeof name, "midibert.word_emb.%d.lut.weight", i);
		p->embedding[i] = append(p, name, token_vocabulary[i], EMBEDDING_WIDTH);
	}
	p->in = append_linear(p, "midibert.in_linear", shape->width, ATTRIBUTES * EMBEDDING_WIDTH);
	p->token_type = append(p, "midibert.bert.embeddings.token_type_embeddings.weight", 2, shape->width);
	p->embedding_norm = append_norm(p, "midibert.bert.embeddings.LayerNorm", shape->width);
	for (int i = 0; i < shape->layers; i++)
		append_layer(p, shape, i);
	for (int i = 0; i < shape->heads; i++)
		append_head(p, shape, i);
	if (shape->pretraining)
		append_pretraining(p, shape->width);
	*parameters = p;
	return STATUS_OK;
}

void parameters_free(struct parameters *parameters)
{
	if (!parameters)
		return;
	free(parameters->table);
	free(parameters);
}

enum status parameters_read(const struct parameters *parameters, const struct safetensors *file, const char *path,
			    float *values, struct error *error)
{
	memset(values, 0, parameters->elements * sizeof *values);
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *entry = &parameters->table[i];
		int64_t index = safetensors_find(file, entry->name);
		if (index < 0)
			return status_fail(error, STATUS_BAD_DATA, "%s: tensor %s is missing", path, entry->name);
		const struct tensor_info *info = safetensors_info(file, (size_t)index);
		if (info->dimensions != entry->dimensions || info->shape[0] != entry->shape[0] ||
		    (entry->dimensions == 2 && info->shape[1] != entry->shape[1]))
			return status_fail(error, STATUS_BAD_DATA,
					   "%s: tensor %s has %d dimensions, first %lld x %lld; expected %lld x %lld", path,
					   entry->name, info->dimensions, (long long)info->shape[0],
					   (long long)(info->dimensions > 1 ? info->shape[1] : 0),
					   (long long)entry->shape[0], (long long)entry->shape[1]);
		safetensors_get(file, (size_t)index, values + entry->offset);
	}
	if (safetensors_count(file) == parameters->count)
		return STATUS_OK;
	for (size_t i = 0; i < safetensors_count(file); i++) {
		const char *name = safetensors_info(file, i)->name;
		size_t known = 0;
		while (known < parameters->count && strcmp(parameters->table[known].name, name) != 0)
			known++;
		if (known == parameters->count)
			return status_fail(error, STATUS_BAD_DATA, "%s: tensor %s does not belong to this network", path,
					   name);
	}
	return status_fail(error, STATUS_BAD_DATA, "%s: more tensors than the network has", path);
}

struct text_list {
	struct safetensors_text *texts;
	size_t count, room;
	bool failed;
};

static void add_text(void *context, const char *key, const char *value)
{
	struct text_list *list = context;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 32;
		struct safetensors_text *grown = realloc(list->texts, room * sizeof *grown);
		if (!grown) {
			list->failed = true;
			return;
		}
		list->texts = grown;
		list->room = room;
	}
	struct safetensors_text *text = &list->texts[list->count++];
	*text = (struct safetensors_text){strdup(key), strdup(value)};
	list->failed |= !text->key || !text->value;
}

enum status parameters_write(const struct parameters *parameters, const struct model_shape *shape, const float *values,
			     const char *path, enum tensor_type type, const struct safetensors_text *texts,
			     size_t text_count, struct error *error)
{
	struct text_list list = {NULL, 0, 0, false};
	struct safetensors_tensor *tensors = calloc(parameters->count, sizeof *tensors);
	enum status status = STATUS_NO_MEMORY;
	shape_write(shape, add_text, &list);
	for (size_t i = 0; i < text_count; i++)
		add_text(&list, texts[i].key, texts[i].value);
	if (!tensors || list.failed) {
		status_fail(error, STATUS_NO_MEMORY, "%s: no memory to write weights", path);
		goto out;
	}
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *entry = &parameters->table[i];
		tensors[i] = (struct safetensors_tensor){.name = entry->name,
							 .dimensions = entry->dimensions,
							 .shape = {entry->shape[0], entry->shape[1]},
							 .data = values + entry->offset};
	}
	status = safetensors_write(path, type, tensors, parameters->count, list.texts, list.count, error);
out:
	for (size_t i = 0; i < list.count; i++) {
		free((char *)list.texts[i].key);
		free((char *)list.texts[i].value);
	}
	free(list.texts);
	free(tensors);
	return status;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Attention over hundreds of notes is all but flat at the start, and learns slowly to look anywhere. So each head begins
 * with a slope over distance, some steep, one flat: query biases and distance rows share one direction a head, along which
 * the score is -slope * |l - r|, at most SLOPE_MAX. All of it is learnt further like any other number. */
#define SLOPE_MAX 6.0
#define SLOPE_BIAS 4.0
static void initialise_slopes(const struct parameters *parameters, const struct model_shape *shape, float *values)
{
	int a = shape->attention_heads, e = shape->width / a, W = shape->span;
	for (int layer = 0; layer < shape->layers; layer++) {
		float *bias = values + parameters->layer[layer].qkv.bias,
		      *table = values + parameters->layer[layer].distance;
		for (int head = 0; head < a && head < e; head++) {
			double slope = head == a - 1 ? 0 : 1.0 / (2 << (2 * head)); /* 1/2, 1/8, 1/32 ... and none */
			bias[head * e + head] = (float)SLOPE_BIAS;
			for (int row = 0; row < 2 * W - 1; row++) {
				double score = -slope * fabs((double)(row - (W - 1)));
				if (score < -SLOPE_MAX)
					score = -SLOPE_MAX;
				table[row * e + head] = (float)(score * sqrt((double)e) / SLOPE_BIAS);
			}
		}
	}
}

/* A causal velocity head starts as the rule that it must beat: its logits are those of a normal distribution of deviation
 * BLEND_DEVIATION around the blend, which are linear in it: v_c blend / deviation^2 and a bias. Half of BLEND_UNITS carry it
 * when it is positive, half when it is negative; the other units start at random, and all of it is learnt further. Their
 * predictors' columns are those of a layer that reads nothing else, for a dozen beside hundreds would hardly be heard. */
#define BLEND_DEVIATION 12.0f
#define BLEND_UNITS 32
static void initialise_blend(const struct parameters *parameters, const struct model_shape *shape, int head, float *values)
{
	const struct head_offsets *offsets = &parameters->head[head];
	int in = shape_head_input(shape, head), classes = shape->head[head].classes;
	float sharp = PREDICTORS_SCALE / BLEND_DEVIATION * PREDICTORS_SCALE / BLEND_DEVIATION;
	for (int unit = 0; unit < BLEND_UNITS; unit++) {
		float *row = values + offsets->first.weight + unit * in;
		memset(row, 0, (size_t)in * sizeof *row);
		row[shape->width + PREDICTORS_BLEND] = unit % 2 ? -1 : 1;
	}
	for (int c = 0; c < classes; c++) {
		float velocity = (4 * (float)c + 2 - PREDICTORS_MIDDLE) / PREDICTORS_SCALE;
		float *row = values + offsets->last.weight + c * HEAD_INNER;
		for (int unit = 0; unit < BLEND_UNITS; unit++)
			row[unit] = (unit % 2 ? -2 : 2) * sharp * velocity / BLEND_UNITS;
		values[offsets->last.bias + (size_t)c] = -sharp * velocity * velocity / 2;
	}
}

static void initialise_causal(const struct parameters *parameters, const struct model_shape *shape, float *values)
{
	for (int head = 0; head < shape->heads; head++) {
		int in = shape_head_input(shape, head);
		float gain = sqrtf((float)in / CAUSAL_PREDICTORS);
		if (shape->head[head].setting != SETTING_CAUSAL)
			continue;
		for (int row = 0; row < HEAD_INNER; row++)
			for (int c = shape->width; c < in; c++)
				values[parameters->head[head].first.weight + (size_t)(row * in + c)] *= gain;
		if (shape->head[head].classes == TOKEN_VELOCITIES)
			initialise_blend(parameters, shape, head, values);
	}
}

void parameters_initialise(const struct parameters *parameters, const struct model_shape *shape, uint64_t seed,
			   float *values)
{
	memset(values, 0, parameters->elements * sizeof *values);
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *entry = &parameters->table[i];
		struct random random = {random_hash(seed, i), 0};
		float *out = values + entry->offset;
		bool norm = ends_with(entry->name, "LayerNorm.weight") || ends_with(entry->name, "texture.deviation");
		bool table = strstr(entry->name, "word_emb") || strstr(entry->name, "embedding");
		double deviation = table ? 0.02 : 0.6 / sqrt((double)entry->shape[1]);
		for (size_t k = 0; k < entry->elements; k++) {
			if (norm)
				out[k] = 1;
			else if (entry->dimensions == 2)
				out[k] = (float)(deviation * random_normal(&random));
		}
	}
	initialise_slopes(parameters, shape, values);
	initialise_causal(parameters, shape, values);
}
