/* Random weights, see made_model.h. Main thread. They go through a file, because a model is nothing else in memory than what
 * it is loaded from. */
#define _GNU_SOURCE
#include "tools/made_model.h"

#include "model/parameters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_WIDTH 64
#define SPAN 1024
#define LOOKAHEAD 4
#define FREEZE 8

static void add_head(struct model_shape *shape, const char *name, enum head_level level, enum head_setting setting,
		     int classes, const char *const *labels)
{
	struct head_spec *head = &shape->head[shape->heads++];
	snprintf(head->name, sizeof head->name, "%s", name);
	head->level = level;
	head->setting = setting;
	head->classes = classes;
	head->temperature = 1;
	for (int i = 0; i < classes; i++) {
		if (labels)
			snprintf(head->label[i], sizeof head->label[i], "%s", labels[i]);
		else
			snprintf(head->label[i], sizeof head->label[i], "%d", i);
	}
}

static enum status read_size(const char *size, struct model_shape *shape, struct error *error)
{
	static const char *const melody[] = {"melody", "bridge", "accompaniment"};
	int used = 0;
	if (sscanf(size, "%2dx%4d%n", &shape->layers, &shape->width, &used) != 2 || size[used] != '\0' ||
	    shape->layers < 1 || shape->layers > LAYERS_MAX || shape->width < HEAD_WIDTH || shape->width % HEAD_WIDTH != 0)
		return status_fail(error, STATUS_USAGE,
				   "--size %.40s: give LAYERSxWIDTH, 1 to %d layers, a width of whole %ds, such as 12x768",
				   size, LAYERS_MAX, HEAD_WIDTH);
	shape->inner = 4 * shape->width;
	shape->attention_heads = shape->width / HEAD_WIDTH;
	shape->span = SPAN;
	shape->lookahead = LOOKAHEAD;
	shape->freeze = FREEZE;
	shape->order = ORDER_ARRIVAL;
	add_head(shape, "melody", HEAD_NOTE, SETTING_PLAYED, 3, melody);
	add_head(shape, "velocity_hidden", HEAD_NOTE, SETTING_HIDDEN, TOKEN_VELOCITIES, NULL);
	add_head(shape, "velocity_causal", HEAD_NOTE, SETTING_CAUSAL, TOKEN_VELOCITIES, NULL);
	add_head(shape, "style_pianist8", HEAD_SEQUENCE, SETTING_PLAYED, 8, NULL);
	return shape_check(shape, "--size", error);
}

enum status made_model_open(const char *size, struct model **model, struct error *error)
{
	const char *folder = getenv("TMPDIR");
	struct model_shape shape = {0};
	struct parameters *parameters = NULL;
	float *values = NULL;
	char path[4096];
	enum status status = read_size(size, &shape, error);
	*model = NULL;
	if (status != STATUS_OK)
		return status;
	if (snprintf(path, sizeof path, "%s/midibert-bench-XXXXXX", folder && *folder ? folder : "/tmp") >= (int)sizeof path)
		return status_fail(error, STATUS_USAGE, "TMPDIR: the path is too long");
	int file = mkstemp(path);
	if (file < 0)
		return status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	close(file);
	status = parameters_new(&shape, &parameters, error);
	if (status == STATUS_OK && !(values = calloc(parameters->elements, sizeof *values)))
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for random weights of %s", size);
	if (status == STATUS_OK) {
		parameters_initialise(parameters, &shape, 1, values);
		status = parameters_write(parameters, &shape, values, path, TENSOR_BF16, NULL, 0, error);
	}
	free(values);
	parameters_free(parameters);
	if (status == STATUS_OK)
		status = model_load(path, model, error);
	unlink(path);
	return status;
}
