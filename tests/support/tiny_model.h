/* A seeded network of the real shape and tiny size, written as a weights file: what tests run where the trained weights
 * would only cost time. Its answers mean nothing, but they depend on every token. */
#ifndef MIDIBERTD_TESTS_TINY_MODEL_H
#define MIDIBERTD_TESTS_TINY_MODEL_H

#include "model/parameters.h"
#include "model/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void tiny_head(struct model_shape *shape, const char *name, enum head_level level, enum head_setting setting,
			     int classes, const char *const *labels, float unknown_below)
{
	struct head_spec *head = &shape->head[shape->heads++];
	memset(head, 0, sizeof *head);
	snprintf(head->name, sizeof head->name, "%s", name);
	head->level = level;
	head->setting = setting;
	head->classes = classes;
	head->temperature = 1;
	head->unknown_below = unknown_below;
	for (int i = 0; i < classes; i++) {
		if (labels)
			snprintf(head->label[i], sizeof head->label[i], "%s", labels[i]);
		else
			snprintf(head->label[i], sizeof head->label[i], "%d", i);
	}
}

/* Two layers of 32, two attention heads, span 64; look-ahead and freeze as given. */
static inline struct model_shape tiny_shape(int lookahead, int freeze)
{
	static const char *const melody[] = {"melody", "bridge", "accompaniment"};
	static const char *const style[] = {"ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"};
	struct model_shape shape = {.layers = 2,
				    .width = 32,
				    .inner = 64,
				    .attention_heads = 2,
				    .span = 64,
				    .lookahead = lookahead,
				    .freeze = freeze,
				    .order = ORDER_ARRIVAL};
	tiny_head(&shape, "melody", HEAD_NOTE, SETTING_PLAYED, 3, melody, 0.4f);
	tiny_head(&shape, "velocity_hidden", HEAD_NOTE, SETTING_HIDDEN, TOKEN_VELOCITIES, NULL, 0);
	tiny_head(&shape, "style_pianist8", HEAD_SEQUENCE, SETTING_PLAYED, 8, style, 0.3f);
	tiny_head(&shape, "velocity_causal", HEAD_NOTE, SETTING_CAUSAL, TOKEN_VELOCITIES, NULL, 0);
	return shape;
}

static inline enum status tiny_model_write(const struct model_shape *shape, uint64_t seed, const char *path,
					   struct error *error)
{
	struct parameters *parameters = NULL;
	enum status status = shape_check(shape, "tiny model", error);
	if (status == STATUS_OK)
		status = parameters_new(shape, &parameters, error);
	if (status != STATUS_OK)
		return status;
	float *values = calloc(parameters->elements, sizeof *values);
	if (!values) {
		parameters_free(parameters);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a tiny model");
	}
	parameters_initialise(parameters, shape, seed, values);
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *entry = &parameters->table[i];
		/* Louder than a trained start, so that answers differ from note to note and revisions occur. */
		float gain = strstr(entry->name, "distance_embedding") ? 20.0f
			     : strstr(entry->name, "classifier.")      ? 3.0f
								       : 1.0f;
		for (size_t k = 0; k < entry->elements; k++)
			values[entry->offset + k] *= gain;
	}
	struct safetensors_text text = {"recipe", "random numbers: for tests only"};
	status = parameters_write(parameters, shape, values, path, TENSOR_F32, &text, 1, error);
	free(values);
	parameters_free(parameters);
	return status;
}

#endif
