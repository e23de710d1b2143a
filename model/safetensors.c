/* The safetensors container, read and written whole. Set-up and offline threads; allocates. Checks form and values (finite
 * numbers only), not meaning: which tensors a network needs is model/parameters.c's. */
#define _GNU_SOURCE /* memmem */
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX_BYTES 8
#define HEADER_BYTES_MAX ((uint64_t)16 << 20)
#define FILE_BYTES_MAX ((uint64_t)4 << 30)
#define TENSORS_MAX 65536
#define BUFFER_BYTES 65536

struct extent { /* in bytes, from the end of the header */
	size_t begin, end;
};

struct entry {
	struct tensor_info info;
	struct extent extent;
};

struct safetensors {
	unsigned char *bytes;
	size_t size, data;     /* data: offset of the first tensor byte */
	struct entry *entries; /* in the order of their bytes */
	size_t count;
	json_t *metadata; /* NULL: none */
	char sha256[2 * SHA256_DIGEST_SIZE + 1];
};

/* What the parse steps share: where we are and whom to tell. */
struct reading {
	struct safetensors *file;
	const char *name;
	size_t header; /* bytes */
	struct error *error;
};

static const struct type_name {
	const char *name;
	size_t bytes;
} type_names[] = {[TENSOR_F32] = {"F32", 4}, [TENSOR_F16] = {"F16", 2}, [TENSOR_BF16] = {"BF16", 2}};

#define TYPES (sizeof type_names / sizeof type_names[0])

static uint64_t load_u64(const unsigned char *p)
{
	uint64_t value = 0;
	for (int i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

static uint32_t load_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t load_u16(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static float float_of_bits(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static uint32_t bits_of_float(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static float float_of_half(uint32_t half)
{
	uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
	if (exponent == 31)
		return float_of_bits(sign | 0x7f800000 | fraction << 13);
	if (exponent == 0) {
		float small = (float)fraction * 0x1p-24f;
		return sign ? -small : small;
	}
	return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Round to nearest, ties to even; the value is finite. A value that rounds past the largest becomes infinite. */
static uint32_t bf16_of_float(float value)
{
	uint32_t bits = bits_of_float(value);
	return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* Where a tensor is named in the header, for messages; the header's start when its name is written with escapes. */
static size_t offset_of_name(const struct reading *r, const char *tensor)
{
	char quoted[TENSOR_NAME_MAX + 3];
	const unsigned char *start = r->file->bytes + PREFIX_BYTES;
	int length = snprintf(quoted, sizeof quoted, "\"%s\"", tensor);
	if (length < 0 || (size_t)length >= sizeof quoted)
		return PREFIX_BYTES;
	const unsigned char *found = memmem(start, r->header, quoted, (size_t)length);
	return PREFIX_BYTES + (found ? (size_t)(found - start) : 0);
}

static enum status refuse(const struct reading *r, const char *tensor, const char *reason)
{
	return status_fail(r->error, STATUS_BAD_DATA, "%s: byte %zu: tensor %.150s: %s", r->name, offset_of_name(r, tensor),
			   tensor, reason);
}

static enum status read_type(const struct reading *r, const char *tensor, const json_t *value, struct tensor_info *info)
{
	const char *text = json_string_value(value);
	if (!text)
		return refuse(r, tensor, "dtype is missing or not a text");
	for (size_t i = 0; i < TYPES; i++)
		if (strcmp(text, type_names[i].name) == 0) {
			info->type = (enum tensor_type)i;
			return STATUS_OK;
		}
	return status_fail(r->error, STATUS_UNSUPPORTED, "%s: byte %zu: tensor %.150s: dtype %.20s is not F32, F16 or BF16",
			   r->name, offset_of_name(r, tensor), tensor, text);
}

static enum status read_shape(const struct reading *r, const char *tensor, const json_t *value, struct tensor_info *info)
{
	size_t elements = 1, dimensions = json_array_size(value);
	if (!json_is_array(value))
		return refuse(r, tensor, "shape is missing or not a list");
	if (dimensions > TENSOR_DIMENSIONS_MAX)
		return refuse(r, tensor, "more than 4 dimensions");
	for (size_t i = 0; i < dimensions; i++) {
		const json_t *item = json_array_get(value, i);
		json_int_t length = json_integer_value(item);
		if (!json_is_integer(item) || length < 0 || (uint64_t)length > FILE_BYTES_MAX)
			return refuse(r, tensor, "a dimension is not a number in range");
		if (__builtin_mul_overflow(elements, (size_t)length, &elements))
			return refuse(r, tensor, "the product of its dimensions overflows");
		info->shape[i] = length;
	}
	info->dimensions = (int)dimensions;
	info->elements = elements;
	return STATUS_OK;
}

static enum status read_extent(const struct reading *r, const char *tensor, const json_t *value, struct entry *entry)
{
	const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
	size_t room = r->file->size - r->file->data, bytes;
	if (!json_is_array(value) || json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end))
		return refuse(r, tensor, "data_offsets is missing or not two numbers");
	json_int_t first = json_integer_value(begin), last = json_integer_value(end);
	if (first < 0 || last < first || (uint64_t)last > room)
		return refuse(r, tensor, "data_offsets lie outside the file (is it cut short?)");
	entry->extent = (struct extent){(size_t)first, (size_t)last};
	if (__builtin_mul_overflow(entry->info.elements, type_names[entry->info.type].bytes, &bytes) ||
	    bytes != entry->extent.end - entry->extent.begin)
		return refuse(r, tensor, "data_offsets do not fit dtype and shape");
	return STATUS_OK;
}

static enum status read_entry(const struct reading *r, const char *tensor, const json_t *value, struct entry *entry)
{
	size_t length = strlen(tensor);
	enum status status;
	if (length == 0 || length >= TENSOR_NAME_MAX)
		return refuse(r, tensor, "its name is empty or too long");
	if (!json_is_object(value))
		return refuse(r, tensor, "is not described by an object");
	if (json_object_size(value) != 3)
		return refuse(r, tensor, "is not described by dtype, shape and data_offsets alone");
	memcpy(entry->info.name, tensor, length + 1);
	if ((status = read_type(r, tensor, json_object_get(value, "dtype"), &entry->info)) != STATUS_OK ||
	    (status = read_shape(r, tensor, json_object_get(value, "shape"), &entry->info)) != STATUS_OK)
		return status;
	return read_extent(r, tensor, json_object_get(value, "data_offsets"), entry);
}

static enum status read_metadata(const struct reading *r, json_t *value)
{
	if (!json_is_object(value))
		return refuse(r, "__metadata__", "is not an object");
	for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
		const char *key = json_object_iter_key(at);
		if (!json_is_string(json_object_iter_value(at)))
			return status_fail(r->error, STATUS_BAD_DATA, "%s: byte %zu: metadata %.100s is not a text", r->name,
					   offset_of_name(r, key), key);
	}
	r->file->metadata = json_incref(value);
	return STATUS_OK;
}

static int compare_extents(const void *a, const void *b)
{
	const struct extent *x = &((const struct entry *)a)->extent, *y = &((const struct entry *)b)->extent;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Tensors follow one another without a gap and fill the file. */
static enum status check_layout(const struct reading *r)
{
	struct safetensors *file = r->file;
	size_t expected = 0;
	qsort(file->entries, file->count, sizeof *file->entries, compare_extents);
	for (size_t i = 0; i < file->count; i++) {
		const struct entry *entry = &file->entries[i];
		if (entry->extent.begin != expected)
			return refuse(r, entry->info.name,
				      entry->extent.begin < expected ? "overlaps the tensor before it"
								     : "leaves a gap after the tensor before it");
		expected = entry->extent.end;
	}
	if (file->data + expected != file->size)
		return status_fail(r->error, STATUS_BAD_DATA, "%s: byte %zu: %zu bytes that belong to no tensor", r->name,
				   file->data + expected, file->size - file->data - expected);
	return STATUS_OK;
}

/* An exponent of all ones is an infinity or no number. */
static enum status check_finite(const struct reading *r, const struct entry *entry)
{
	const unsigned char *p = r->file->bytes + r->file->data + entry->extent.begin;
	size_t width = type_names[entry->info.type].bytes;
	uint32_t exponent = entry->info.type == TENSOR_F32 ? 0x7f800000 : entry->info.type == TENSOR_F16 ? 0x7c00 : 0x7f80;
	for (size_t i = 0; i < entry->info.elements; i++) {
		uint32_t bits = width == 4 ? load_u32(p + 4 * i) : load_u16(p + 2 * i);
		if ((bits & exponent) == exponent)
			return status_fail(r->error, STATUS_BAD_DATA,
					   "%s: byte %zu: element %zu of tensor %s is infinite or not a number", r->name,
					   r->file->data + entry->extent.begin + width * i, i, entry->info.name);
	}
	return STATUS_OK;
}

static enum status read_header(struct reading *r, json_t *root)
{
	struct safetensors *file = r->file;
	if (json_object_size(root) > TENSORS_MAX)
		return status_fail(r->error, STATUS_BAD_DATA, "%s: byte %d: more than %d tensors", r->name, PREFIX_BYTES,
				   TENSORS_MAX);
	file->entries = calloc(json_object_size(root) + 1, sizeof *file->entries);
	if (!file->entries)
		return status_fail(r->error, STATUS_NO_MEMORY, "%s: no memory for its tensors", r->name);
	for (void *at = json_object_iter(root); at; at = json_object_iter_next(root, at)) {
		const char *key = json_object_iter_key(at);
		json_t *value = json_object_iter_value(at);
		enum status status;
		if (strcmp(key, "__metadata__") == 0)
			status = read_metadata(r, value);
		else
			status = read_entry(r, key, value, &file->entries[file->count++]);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static enum status parse(struct reading *r)
{
	struct safetensors *file = r->file;
	json_error_t at;
	if (file->size < PREFIX_BYTES)
		return status_fail(r->error, STATUS_BAD_DATA, "%s: byte %zu: ends before the 8 bytes of the header's length",
				   r->name, file->size);
	uint64_t header = load_u64(file->bytes);
	if (header > HEADER_BYTES_MAX || header > file->size - PREFIX_BYTES)
		return status_fail(r->error, STATUS_BAD_DATA, "%s: byte 0: header length %llu does not fit %s", r->name,
				   (unsigned long long)header, header > HEADER_BYTES_MAX ? "a weights file" : "the file");
	r->header = (size_t)header;
	file->data = PREFIX_BYTES + (size_t)header;
	json_t *root = json_loadb((const char *)file->bytes + PREFIX_BYTES, r->header, JSON_REJECT_DUPLICATES, &at);
	if (!root)
		return status_fail(r->error, STATUS_BAD_DATA, "%s: byte %d: header is not JSON: %s", r->name,
				   PREFIX_BYTES + (at.position > 0 ? at.position : 0), at.text);
	enum status status = STATUS_OK;
	if (!json_is_object(root))
		status =
		    status_fail(r->error, STATUS_BAD_DATA, "%s: byte %d: header is not an object", r->name, PREFIX_BYTES);
	if (status == STATUS_OK)
		status = read_header(r, root);
	if (status == STATUS_OK)
		status = check_layout(r);
	for (size_t i = 0; i < file->count && status == STATUS_OK; i++)
		status = check_finite(r, &file->entries[i]);
	json_decref(root);
	return status;
}

static void hash(struct safetensors *file)
{
	struct sha256_ctx context;
	uint8_t digest[SHA256_DIGEST_SIZE];
	sha256_init(&context);
	sha256_update(&context, file->size, file->bytes);
	sha256_digest(&context, sizeof digest, digest);
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(file->sha256 + 2 * i, 3, "%02x", digest[i]);
}

/* Takes the bytes over, also when it fails. */
static enum status adopt(unsigned char *bytes, size_t size, const char *name, struct safetensors **out, struct error *error)
{
	struct safetensors *file = calloc(1, sizeof *file);
	if (!file) {
		free(bytes);
		return status_fail(error, STATUS_NO_MEMORY, "%s: no memory", name);
	}
	file->bytes = bytes;
	file->size = size;
	struct reading reading = {file, name, 0, error};
	enum status status = parse(&reading);
	if (status != STATUS_OK) {
		safetensors_close(file);
		return status;
	}
	hash(file);
	*out = file;
	return STATUS_OK;
}

enum status safetensors_parse(const unsigned char *bytes, size_t size, const char *name, struct safetensors **file,
			      struct error *error)
{
	*file = NULL;
	unsigned char *copy = malloc(size ? size : 1);
	if (!copy)
		return status_fail(error, STATUS_NO_MEMORY, "%s: no memory for %zu bytes", name, size);
	if (size)
		memcpy(copy, bytes, size);
	return adopt(copy, size, name, file, error);
}

static enum status read_all(int descriptor, unsigned char *bytes, size_t size, const char *path, struct error *error)
{
	size_t done = 0;
	while (done < size) {
		ssize_t got = read(descriptor, bytes + done, size - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return status_fail(error, STATUS_IO, "%s: byte %zu: %s", path, done, strerror(errno));
		if (got == 0)
			return status_fail(error, STATUS_IO, "%s: byte %zu: became shorter while it was read", path, done);
		done += (size_t)got;
	}
	return STATUS_OK;
}

enum status safetensors_open(const char *path, struct safetensors **file, struct error *error)
{
	struct stat about;
	unsigned char *bytes = NULL;
	enum status status;
	*file = NULL;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (descriptor < 0)
		return status_fail(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
	if (fstat(descriptor, &about) != 0)
		status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(about.st_mode))
		status = status_fail(error, STATUS_IO, "%s: is not a regular file", path);
	else if ((uint64_t)about.st_size > FILE_BYTES_MAX)
		status = status_fail(error, STATUS_BAD_DATA, "%s: larger than 4 GiB", path);
	else if (!(bytes = malloc((size_t)about.st_size + 1)))
		status =
		    status_fail(error, STATUS_NO_MEMORY, "%s: no memory for %lld bytes", path, (long long)about.st_size);
	else
		status = read_all(descriptor, bytes, (size_t)about.st_size, path, error);
	close(descriptor);
	if (status != STATUS_OK) {
		free(bytes);
		return status;
	}
	return adopt(bytes, (size_t)about.st_size, path, file, error);
}

void safetensors_close(struct safetensors *file)
{
	if (!file)
		return;
	json_decref(file->metadata);
	free(file->entries);
	free(file->bytes);
	free(file);
}

size_t safetensors_count(const struct safetensors *file)
{
	return file->count;
}

const struct tensor_info *safetensors_info(const struct safetensors *file, size_t index)
{
	return &file->entries[index].info;
}

int64_t safetensors_find(const struct safetensors *file, const char *name)
{
	for (size_t i = 0; i < file->count; i++)
		if (strcmp(file->entries[i].info.name, name) == 0)
			return (int64_t)i;
	return -1;
}

void safetensors_get(const struct safetensors *file, size_t index, float *out)
{
	const struct entry *entry = &file->entries[index];
	const unsigned char *p = file->bytes + file->data + entry->extent.begin;
	for (size_t i = 0; i < entry->info.elements; i++) {
		switch (entry->info.type) {
		case TENSOR_F32: out[i] = float_of_bits(load_u32(p + 4 * i)); break;
		case TENSOR_F16: out[i] = float_of_half(load_u16(p + 2 * i)); break;
		case TENSOR_BF16: out[i] = float_of_bits(load_u16(p + 2 * i) << 16); break;
		}
	}
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
	return json_string_value(json_object_get(file->metadata, key));
}

const char *safetensors_sha256(const struct safetensors *file)
{
	return file->sha256;
}

/* Elements of a tensor to be written, or SIZE_MAX when its dimensions make no sense. */
static size_t count_elements(const struct safetensors_tensor *tensor)
{
	size_t elements = 1;
	if (tensor->dimensions < 0 || tensor->dimensions > TENSOR_DIMENSIONS_MAX)
		return SIZE_MAX;
	for (int i = 0; i < tensor->dimensions; i++)
		if (tensor->shape[i] < 0 || __builtin_mul_overflow(elements, (size_t)tensor->shape[i], &elements))
			return SIZE_MAX;
	return elements;
}

static json_t *describe(const struct safetensors_tensor *tensor, enum tensor_type type, size_t *offset)
{
	size_t begin = *offset, end = begin + count_elements(tensor) * type_names[type].bytes;
	json_t *shape = json_array();
	for (int i = 0; i < tensor->dimensions; i++) {
		if (json_array_append_new(shape, json_integer(tensor->shape[i])) != 0) {
			json_decref(shape);
			return NULL;
		}
	}
	*offset = end;
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", type_names[type].name, "shape", shape, "data_offsets",
			 (json_int_t)begin, (json_int_t)end);
}

/* The JSON header, padded with blanks so that tensors begin at a multiple of 8. Free with free(3). */
static char *make_header(enum tensor_type type, const struct safetensors_tensor *tensors, size_t count,
			 const struct safetensors_text *metadata, size_t texts, size_t *length)
{
	json_t *root = json_object(), *meta = json_object();
	size_t offset = 0;
	bool good = root && meta;
	for (size_t i = 0; i < texts && good; i++)
		good = json_object_set_new(meta, metadata[i].key, json_string(metadata[i].value)) == 0;
	good = good && json_object_set(root, "__metadata__", meta) == 0;
	for (size_t i = 0; i < count && good; i++)
		good = !json_object_get(root, tensors[i].name) &&
		       json_object_set_new(root, tensors[i].name, describe(&tensors[i], type, &offset)) == 0;
	char *text = good ? json_dumps(root, JSON_COMPACT) : NULL, *padded = NULL;
	if (text) {
		*length = (strlen(text) + 7) / 8 * 8;
		padded = malloc(*length + 1);
		if (padded)
			snprintf(padded, *length + 1, "%-*s", (int)*length, text);
	}
	free(text);
	json_decref(meta);
	json_decref(root);
	return padded;
}

static bool write_prefix(FILE *stream, const char *header, size_t length)
{
	unsigned char prefix[PREFIX_BYTES];
	for (int i = 0; i < PREFIX_BYTES; i++)
		prefix[i] = (unsigned char)((uint64_t)length >> 8 * i);
	return fwrite(prefix, 1, sizeof prefix, stream) == sizeof prefix && fwrite(header, 1, length, stream) == length;
}

static bool write_values(FILE *stream, enum tensor_type type, const float *values, size_t elements)
{
	unsigned char buffer[BUFFER_BYTES];
	size_t width = type_names[type].bytes, filled = 0;
	for (size_t i = 0; i < elements; i++) {
		uint32_t bits = type == TENSOR_BF16 ? bf16_of_float(values[i]) : bits_of_float(values[i]);
		for (size_t byte = 0; byte < width; byte++)
			buffer[filled++] = (unsigned char)(bits >> 8 * byte);
		if (filled == sizeof buffer || i + 1 == elements) {
			if (fwrite(buffer, 1, filled, stream) != filled)
				return false;
			filled = 0;
		}
	}
	return true;
}

/* What a reader would refuse is refused here, before the file that is there is replaced. */
static enum status check_writable(const char *path, enum tensor_type type, const struct safetensors_tensor *tensors,
				  size_t count, struct error *error)
{
	if (type != TENSOR_F32 && type != TENSOR_BF16)
		return status_fail(error, STATUS_UNSUPPORTED, "%s: tensors are written as F32 or BF16 only", path);
	uint32_t largest = type == TENSOR_F32 ? 0x7f7fffff : 0x7f7f7fff; /* above it, rounding to BF16 gives an infinity */
	for (size_t i = 0; i < count; i++) {
		size_t elements = count_elements(&tensors[i]);
		if (elements == SIZE_MAX || strlen(tensors[i].name) >= TENSOR_NAME_MAX)
			return status_fail(error, STATUS_USAGE, "%s: tensor %.100s cannot be written", path,
					   tensors[i].name);
		for (size_t k = 0; k < elements; k++)
			if ((bits_of_float(tensors[i].data[k]) & 0x7fffffff) > largest)
				return status_fail(error, STATUS_BAD_DATA,
						   "%s: not written: element %zu of tensor %s is infinite or not a number",
						   path, k, tensors[i].name);
	}
	return STATUS_OK;
}

/* The rename itself must survive a power cut, too. */
static bool sync_folder(const char *path)
{
	char copy[PATH_MAX];
	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return false;
	int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return false;
	bool synced = fsync(folder) == 0 || errno == EINVAL;
	close(folder);
	return synced;
}

enum status safetensors_write(const char *path, enum tensor_type type, const struct safetensors_tensor *tensors,
			      size_t count, const struct safetensors_text *metadata, size_t texts, struct error *error)
{
	char part[PATH_MAX];
	size_t length = 0;
	enum status status = check_writable(path, type, tensors, count, error);
	if (status != STATUS_OK)
		return status;
	if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
		return status_fail(error, STATUS_USAGE, "%s: path is too long", path);
	char *header = make_header(type, tensors, count, metadata, texts, &length);
	if (!header)
		return status_fail(error, STATUS_BAD_DATA, "%s: header: no memory, a name twice, or text that is not UTF-8",
				   path);
	FILE *stream = fopen(part, "wbe");
	bool good = stream && write_prefix(stream, header, length);
	for (size_t i = 0; i < count && good; i++)
		good = write_values(stream, type, tensors[i].data, count_elements(&tensors[i]));
	good = good && fflush(stream) == 0 && fsync(fileno(stream)) == 0;
	int reason = errno;
	if (stream && fclose(stream) != 0 && good) {
		reason = errno;
		good = false;
	}
	free(header);
	if (good && (rename(part, path) != 0 || !sync_folder(path))) {
		reason = errno;
		good = false;
	}
	if (good)
		return STATUS_OK;
	if (stream)
		unlink(part);
	return status_fail(error, STATUS_IO, "%s: %s", stream ? path : part, strerror(reason));
}
