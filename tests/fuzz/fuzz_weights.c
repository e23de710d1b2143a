/* Weights from a stranger: the container, the shape in its metadata and the binding of its tensors, on any bytes. */
#include "model/parameters.h"
#include "model/safetensors.h"
#include "model/shape.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_tensors(const struct safetensors *file)
{
	for (size_t i = 0; i < safetensors_count(file); i++) {
		const struct tensor_info *info = safetensors_info(file, i);
		float *out = malloc((info->elements + 1) * sizeof *out);
		if (!out || safetensors_find(file, info->name) != (int64_t)i)
			abort();
		safetensors_get(file, i, out);
		for (size_t k = 0; k < info->elements; k++)
			if (!isfinite(out[k]))
				abort();
		free(out);
	}
}

static void bind_tensors(const struct safetensors *file)
{
	struct model_shape shape;
	struct parameters *parameters;
	struct error error;
	if (shape_read(file, "input", &shape, &error) != STATUS_OK)
		return;
	if (shape_check(&shape, "input", &error) != STATUS_OK)
		abort();
	if (parameters_new(&shape, &parameters, &error) != STATUS_OK)
		abort();
	float *values = malloc(parameters->elements * sizeof *values);
	if (values)
		(void)parameters_read(parameters, file, "input", values, &error);
	free(values);
	parameters_free(parameters);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct safetensors *file;
	struct error error;
	if (safetensors_parse(bytes, size, "input", &file, &error) != STATUS_OK)
		return 0;
	read_tensors(file);
	bind_tensors(file);
	safetensors_close(file);
	return 0;
}
