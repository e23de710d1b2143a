/* The safetensors container: an 8-byte little-endian header length, a JSON header, raw little-endian tensors.
 * Reads F32, F16 and BF16 (all handed out as fp32), writes F32 or BF16. Set-up and offline threads; allocates.
 * The bytes are untrusted: lengths, offsets, overlaps and shapes are checked before use. */
#ifndef MIDIBERTD_MODEL_SAFETENSORS_H
#define MIDIBERTD_MODEL_SAFETENSORS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TENSOR_DIMENSIONS_MAX 4
#define TENSOR_NAME_MAX 160

enum tensor_type { TENSOR_F32, TENSOR_F16, TENSOR_BF16 };

struct tensor_info {
	char name[TENSOR_NAME_MAX];
	enum tensor_type type;
	int dimensions;
	int64_t shape[TENSOR_DIMENSIONS_MAX];
	size_t elements;
};

struct safetensors;

/* Opens, checks everything and keeps the bytes until safetensors_close. *error names file, byte offset and reason. */
enum status safetensors_open(const char *path, struct safetensors **file, struct error *error);
enum status safetensors_parse(const unsigned char *bytes, size_t size, const char *name, struct safetensors **file,
			      struct error *error); /* the bytes are copied */
void safetensors_close(struct safetensors *file);   /* NULL is allowed */

size_t safetensors_count(const struct safetensors *file);
const struct tensor_info *safetensors_info(const struct safetensors *file, size_t index);
/* Index of a name, or -1. */
int64_t safetensors_find(const struct safetensors *file, const char *name);
/* Converts a tensor to fp32; out holds info->elements. */
void safetensors_get(const struct safetensors *file, size_t index, float *out);
/* A text of __metadata__, or NULL. Lives as long as the file. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);
/* Hash of the whole file, lower-case hex SHA-256, terminated. */
const char *safetensors_sha256(const struct safetensors *file);

struct safetensors_tensor {
	const char *name;
	int dimensions;
	int64_t shape[TENSOR_DIMENSIONS_MAX];
	const float *data;
};
struct safetensors_text {
	const char *key, *value;
};
/* Writes to PATH.part, syncs and renames, so that a reader never sees half a file. BF16 rounds to nearest even. */
enum status safetensors_write(const char *path, enum tensor_type type, const struct safetensors_tensor *tensors,
			      size_t count, const struct safetensors_text *metadata, size_t texts, struct error *error);

#endif
