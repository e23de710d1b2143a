/* The state of a training run, as a safetensors file of fp32. Main thread; allocates. */
#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAYS 3
static const char *const array_name[ARRAYS] = {"values", "first_moment", "second_moment"};

enum status checkpoint_write(const char *path, const struct parameters *parameters, const struct checkpoint *checkpoint,
			     struct error *error)
{
	struct safetensors_tensor tensors[ARRAYS + CHECKPOINT_MORE_MAX];
	const float *arrays[ARRAYS] = {checkpoint->values, checkpoint->first, checkpoint->second};
	char step[24];
	snprintf(step, sizeof step, "%" PRIu64, checkpoint->step);
	struct safetensors_text texts[] = {{"step", step}, {"options", checkpoint->fingerprint}};
	for (int i = 0; i < ARRAYS; i++)
		tensors[i] = (struct safetensors_tensor){
		    .name = array_name[i], .dimensions = 1, .shape = {(int64_t)parameters->elements}, .data = arrays[i]};
	for (int i = 0; i < checkpoint->more_count; i++)
		tensors[ARRAYS + i] = (struct safetensors_tensor){.name = checkpoint->more[i].name,
								  .dimensions = 1,
								  .shape = {(int64_t)checkpoint->more[i].elements},
								  .data = checkpoint->more[i].data};
	return safetensors_write(path, TENSOR_F32, tensors, ARRAYS + (size_t)checkpoint->more_count, texts, 2, error);
}

static enum status read_array(const struct safetensors *file, const char *path, const char *name, size_t elements,
			      float *data, struct error *error)
{
	int64_t index = safetensors_find(file, name);
	if (index < 0 || safetensors_info(file, (size_t)index)->elements != elements)
		return status_fail(error, STATUS_BAD_DATA, "%s: %s does not fit this run", path, name);
	safetensors_get(file, (size_t)index, data);
	return STATUS_OK;
}

enum status checkpoint_read(const char *path, const struct parameters *parameters, struct checkpoint *checkpoint,
			    struct error *error)
{
	struct safetensors *file;
	float *arrays[ARRAYS] = {checkpoint->values, checkpoint->first, checkpoint->second};
	enum status status = safetensors_open(path, &file, error);
	if (status != STATUS_OK)
		return status;
	const char *step = safetensors_metadata(file, "step"), *options = safetensors_metadata(file, "options");
	if (!step || !options) {
		status = status_fail(error, STATUS_BAD_DATA,
				     "%s: not a training checkpoint: no step and options in its metadata", path);
	} else if (strcmp(options, checkpoint->fingerprint) != 0) {
		status =
		    status_fail(error, STATUS_BAD_DATA, "%s: made with other options; resume with these: %s", path, options);
	} else {
		checkpoint->step = strtoull(step, NULL, 10);
		for (int i = 0; i < ARRAYS && status == STATUS_OK; i++)
			status = read_array(file, path, array_name[i], parameters->elements, arrays[i], error);
		for (int i = 0; i < checkpoint->more_count && status == STATUS_OK; i++)
			status = read_array(file, path, checkpoint->more[i].name, checkpoint->more[i].elements,
					    checkpoint->more[i].data, error);
	}
	safetensors_close(file);
	return status;
}
