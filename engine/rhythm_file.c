/* The beat tracker's weights file, see rhythm_file.h. Matrices lie [out][in] in the file, as PyTorch's GRU has them, and
 * [in][out] in memory, as the stream walks them. Set-up and offline threads. */
#define _POSIX_C_SOURCE 200809L
#include "engine/rhythm_file.h"

#include "model/locate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "midibert beat 1"
#define TEXTS_MAX 8

struct rhythm {
	struct rhythm_network network;
	float *values; /* [in][out] */
	char sha256[65], licence[200], *path;
};

size_t rhythm_layout(int units, struct parameter table[RHYTHM_TENSORS])
{
	const struct parameter rows[RHYTHM_TENSORS] = {
	    [RHYTHM_INPUT] = {"rhythm.weight_ih", 2, {3 * units, RHYTHM_INPUTS}, 0, 0, true},
	    [RHYTHM_INPUT_BIAS] = {"rhythm.bias_ih", 1, {3 * units}, 0, 0, false},
	    [RHYTHM_RECURRENT] = {"rhythm.weight_hh", 2, {3 * units, units}, 0, 0, true},
	    [RHYTHM_RECURRENT_BIAS] = {"rhythm.bias_hn", 1, {units}, 0, 0, false},
	    [RHYTHM_OUTPUT] = {"rhythm.output.weight", 2, {RHYTHM_OUTPUTS, units}, 0, 0, true},
	    [RHYTHM_OUTPUT_BIAS] = {"rhythm.output.bias", 1, {RHYTHM_OUTPUTS}, 0, 0, false},
	};
	size_t offset = 0;

	for (int i = 0; i < RHYTHM_TENSORS; i++) {
		table[i] = rows[i];
		table[i].elements = (size_t)rows[i].shape[0] * (size_t)(rows[i].dimensions == 2 ? rows[i].shape[1] : 1);
		table[i].offset = offset;
		offset += table[i].elements;
	}
	return offset;
}

static void transpose(const float *from, float *to, size_t rows, size_t columns)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < columns; c++)
			to[c * rows + r] = from[r * columns + c];
}

struct rhythm *rhythm_new(int units, const float *values)
{
	struct parameter table[RHYTHM_TENSORS];
	size_t elements = rhythm_layout(units, table);
	struct rhythm *rhythm = calloc(1, sizeof *rhythm);

	if (rhythm)
		rhythm->values = malloc(elements * sizeof *rhythm->values);
	if (!rhythm || !rhythm->values) {
		free(rhythm);
		return NULL;
	}
	float *own = rhythm->values;
	for (int i = 0; i < RHYTHM_TENSORS; i++) {
		const struct parameter *p = &table[i];

		transpose(values + p->offset, own + p->offset, (size_t)p->shape[0],
			  (size_t)(p->dimensions == 2 ? p->shape[1] : 1));
	}
	rhythm->network = (struct rhythm_network){.units = units,
						  .input = own + table[RHYTHM_INPUT].offset,
						  .input_bias = own + table[RHYTHM_INPUT_BIAS].offset,
						  .recurrent = own + table[RHYTHM_RECURRENT].offset,
						  .recurrent_bias = own + table[RHYTHM_RECURRENT_BIAS].offset,
						  .output = own + table[RHYTHM_OUTPUT].offset,
						  .output_bias = own + table[RHYTHM_OUTPUT_BIAS].offset};
	return rhythm;
}

void rhythm_free(struct rhythm *rhythm)
{
	if (rhythm) {
		free(rhythm->values);
		free(rhythm->path);
	}
	free(rhythm);
}

const struct rhythm_network *rhythm_network(const struct rhythm *rhythm)
{
	return &rhythm->network;
}

const char *rhythm_sha256(const struct rhythm *rhythm)
{
	return rhythm->sha256;
}

const char *rhythm_path(const struct rhythm *rhythm)
{
	return rhythm->path ? rhythm->path : "";
}

const char *rhythm_licence(const struct rhythm *rhythm)
{
	return rhythm->licence[0] ? rhythm->licence : "not stated";
}

/* ---- files ---- */

static enum status find_units(const struct safetensors *file, const char *path, int *units, struct error *error)
{
	const char *format = safetensors_metadata(file, "format");
	int64_t index = safetensors_find(file, "rhythm.bias_hn");
	const struct tensor_info *info = index >= 0 ? safetensors_info(file, (size_t)index) : NULL;

	if (!format || strcmp(format, FORMAT) != 0)
		return status_fail(error, STATUS_UNSUPPORTED, "%.300s: not weights of a beat tracker (format %.40s, not %s)",
				   path, format ? format : "none", FORMAT);
	if (!info || info->dimensions != 1 || info->shape[0] < 1 || info->shape[0] > RHYTHM_UNITS_MAX)
		return status_fail(error, STATUS_BAD_DATA, "%.300s: rhythm.bias_hn does not say 1 to %d units", path,
				   RHYTHM_UNITS_MAX);
	*units = (int)info->shape[0];
	return STATUS_OK;
}

static enum status read_tensors(const struct safetensors *file, const char *path,
				const struct parameter table[RHYTHM_TENSORS], float *values, struct error *error)
{
	if (safetensors_count(file) != RHYTHM_TENSORS)
		return status_fail(error, STATUS_BAD_DATA, "%.300s: %zu tensors, not %d", path, safetensors_count(file),
				   RHYTHM_TENSORS);
	for (int i = 0; i < RHYTHM_TENSORS; i++) {
		int64_t index = safetensors_find(file, table[i].name);
		const struct tensor_info *info = index >= 0 ? safetensors_info(file, (size_t)index) : NULL;

		if (!info || info->dimensions != table[i].dimensions || info->elements != table[i].elements ||
		    info->shape[0] != table[i].shape[0])
			return status_fail(error, STATUS_BAD_DATA, "%.300s: tensor %s is missing or has another shape", path,
					   table[i].name);
		safetensors_get(file, (size_t)index, values + table[i].offset);
	}
	return STATUS_OK;
}

static enum status describe(struct rhythm *rhythm, const struct safetensors *file, const char *path)
{
	const char *licence = safetensors_metadata(file, "licence");

	snprintf(rhythm->sha256, sizeof rhythm->sha256, "%s", safetensors_sha256(file));
	snprintf(rhythm->licence, sizeof rhythm->licence, "%s", licence ? licence : "");
	rhythm->path = strdup(path);
	return rhythm->path ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status rhythm_load(const char *path, struct rhythm **rhythm, struct error *error)
{
	struct safetensors *file = NULL;
	struct parameter table[RHYTHM_TENSORS];
	float *values = NULL;
	int units = 0;
	enum status status = safetensors_open(path, &file, error);

	*rhythm = NULL;
	if (status == STATUS_OK)
		status = find_units(file, path, &units, error);
	if (status == STATUS_OK) {
		values = malloc(rhythm_layout(units, table) * sizeof *values);
		status = values ? read_tensors(file, path, table, values, error)
				: status_fail(error, STATUS_NO_MEMORY, "%.300s: no memory", path);
	}
	if (status == STATUS_OK) {
		*rhythm = rhythm_new(units, values);
		status = *rhythm ? describe(*rhythm, file, path) : STATUS_NO_MEMORY;
		if (status != STATUS_OK) {
			status_fail(error, status, "%.300s: no memory", path);
			rhythm_free(*rhythm);
			*rhythm = NULL;
		}
	}
	free(values);
	safetensors_close(file);
	return status;
}

enum status rhythm_write(const char *path, int units, const float *values, const struct safetensors_text *texts,
			 size_t text_count, struct error *error)
{
	struct parameter table[RHYTHM_TENSORS];
	struct safetensors_tensor tensors[RHYTHM_TENSORS];
	struct safetensors_text all[TEXTS_MAX] = {{"format", FORMAT}};
	size_t count = 1;

	rhythm_layout(units, table);
	for (int i = 0; i < RHYTHM_TENSORS; i++)
		tensors[i] = (struct safetensors_tensor){.name = table[i].name,
							 .dimensions = table[i].dimensions,
							 .shape = {table[i].shape[0], table[i].shape[1]},
							 .data = values + table[i].offset};
	for (size_t i = 0; i < text_count && count < TEXTS_MAX; i++)
		all[count++] = texts[i];
	return safetensors_write(path, TENSOR_BF16, tensors, RHYTHM_TENSORS, all, count, error);
}

static enum status put_beside(const char *model, char *path, size_t size, struct error *error)
{
	static const char ending[] = ".safetensors";
	size_t length = strlen(model);

	if (length >= sizeof ending - 1 && strcmp(model + length - (sizeof ending - 1), ending) == 0)
		length -= sizeof ending - 1;
	if (snprintf(path, size, "%.*s%s", (int)length, model, RHYTHM_FILE_ENDING) >= (int)size)
		return status_fail(error, STATUS_USAGE, "%.300s: path is too long", model);
	return STATUS_OK;
}

enum status rhythm_locate(const char *model, char *path, size_t size, struct error *error)
{
	char beside[4096];
	enum status status = locate_model(model, beside, sizeof beside, error);

	if (status == STATUS_OK) {
		status = put_beside(beside, path, size, error);
		if (status != STATUS_OK || access(path, R_OK) == 0)
			return status;
	}
	status = locate_shipped(beside, sizeof beside, error);
	if (status == STATUS_OK)
		status = put_beside(beside, path, size, error);
	if (status == STATUS_OK && access(path, R_OK) != 0)
		return status_fail(error, STATUS_NOT_FOUND, "%.300s, the beat tracker's weights, cannot be read", path);
	return status;
}
