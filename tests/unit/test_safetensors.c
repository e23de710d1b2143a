/* The weights container: what is written comes back, and every hostile file is refused with its offset and reason. */
#define _GNU_SOURCE
#include "model/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/safetensors.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/w.safetensors", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

/* A file in memory: the header's length (or another, when claimed is not negative), the header, data. */
static enum status parse(const char *header, int64_t claimed, const void *data, size_t data_size, struct safetensors **file,
			 struct error *error)
{
	unsigned char bytes[4096];
	size_t length = strlen(header);
	uint64_t prefix = claimed >= 0 ? (uint64_t)claimed : length;
	assert_true(8 + length + data_size <= sizeof bytes);
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(prefix >> 8 * i);
	memcpy(bytes + 8, header, length);
	if (data_size)
		memcpy(bytes + 8 + length, data, data_size);
	return safetensors_parse(bytes, 8 + length + data_size, "w", file, error);
}

static void refuses(const char *header, int64_t claimed, const void *data, size_t data_size, enum status expected,
		    const char *text)
{
	struct safetensors *file = (struct safetensors *)1;
	struct error error = {STATUS_OK, ""};
	assert_int_equal(parse(header, claimed, data, data_size, &file, &error), expected);
	assert_null(file);
	if (strcmp(error.text, text) != 0)
		fail_msg("said \"%s\", not \"%s\"", error.text, text);
}

#define TENSOR(name, type, shape, begin, end)                                                                               \
	"\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void reads_all_types(void **state)
{
	(void)state;
	/* 1, -2 as F32; 1, -2, 2^-24 (smallest), 65504 (largest) as F16; 1, -3 as BF16: by their bit patterns. */
	static const unsigned char data[] = {0, 0, 0x80, 0x3f, 0, 0,	0,    0xc0, 0,	  0x3c, 0,    0xc0,
					     1, 0, 0xff, 0x7b, 0, 0x80, 0x80, 0x3f, 0x40, 0xc0, 0x80, 0};
	struct safetensors *file;
	struct error error;
	float out[5];
	assert_int_equal(parse("{\"__metadata__\":{\"k\":\"v\"}," TENSOR("b", "BF16", "[3]", 18, 24) "," TENSOR(
				   "a", "F32", "[1,2]", 0, 8) "," TENSOR("h", "F16", "[5]", 8, 18) "}  ",
			       -1, data, sizeof data, &file, &error),
			 STATUS_OK);
	assert_int_equal(safetensors_count(file), 3);
	int64_t a = safetensors_find(file, "a"), h = safetensors_find(file, "h"), b = safetensors_find(file, "b");
	assert_int_equal(safetensors_find(file, "c"), -1);
	assert_int_equal(safetensors_info(file, (size_t)a)->dimensions, 2);
	assert_int_equal(safetensors_info(file, (size_t)a)->shape[1], 2);
	safetensors_get(file, (size_t)a, out);
	assert_true(out[0] == 1 && out[1] == -2);
	safetensors_get(file, (size_t)h, out);
	assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24f && out[3] == 65504 && out[4] == 0 && signbit(out[4]));
	safetensors_get(file, (size_t)b, out);
	assert_true(out[0] == 1 && out[1] == -3 && out[2] == 0x1p-126f);
	assert_string_equal(safetensors_metadata(file, "k"), "v");
	assert_null(safetensors_metadata(file, "l"));
	safetensors_close(file);
}

static void hashes_the_whole_file(void **state)
{
	(void)state;
	struct safetensors *file;
	struct error error;
	/* printf '\2\0\0\0\0\0\0\0{}' | sha256sum */
	assert_int_equal(parse("{}", -1, NULL, 0, &file, &error), STATUS_OK);
	assert_string_equal(safetensors_sha256(file), "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd");
	assert_int_equal(safetensors_count(file), 0);
	safetensors_close(file);
}

static void refuses_bad_lengths(void **state)
{
	(void)state;
	struct safetensors *file;
	struct error error;
	assert_int_equal(safetensors_parse((const unsigned char *)"\2\0\0", 3, "w", &file, &error), STATUS_BAD_DATA);
	assert_string_equal(error.text, "w: byte 3: ends before the 8 bytes of the header's length");
	assert_int_equal(safetensors_parse(NULL, 0, "w", &file, &error), STATUS_BAD_DATA);
	refuses("{}", 3, NULL, 0, STATUS_BAD_DATA, "w: byte 0: header length 3 does not fit the file");
	refuses("{}", INT64_MAX, NULL, 0, STATUS_BAD_DATA,
		"w: byte 0: header length 9223372036854775807 does not fit a weights file");
}

static void refuses_bad_headers(void **state)
{
	(void)state;
	struct safetensors *file;
	struct error error;
	assert_int_equal(parse("{\"a\"", -1, NULL, 0, &file, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "w: byte 12: header is not JSON"));
	assert_int_equal(parse("", -1, NULL, 0, &file, &error), STATUS_BAD_DATA);
	refuses("[1]", -1, NULL, 0, STATUS_BAD_DATA, "w: byte 8: header is not an object");
	assert_int_equal(
	    parse("{" TENSOR("a", "F32", "[0]", 0, 0) "," TENSOR("a", "F32", "[0]", 0, 0) "}", -1, NULL, 0, &file, &error),
	    STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "duplicate"));
	refuses("{\"__metadata__\":{\"k\":1}}", -1, NULL, 0, STATUS_BAD_DATA, "w: byte 25: metadata k is not a text");
	refuses("{\"__metadata__\":[]}", -1, NULL, 0, STATUS_BAD_DATA, "w: byte 9: tensor __metadata__: is not an object");
	refuses("{\"a\":1}", -1, NULL, 0, STATUS_BAD_DATA, "w: byte 9: tensor a: is not described by an object");
	refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", -1, NULL, 0, STATUS_BAD_DATA,
		"w: byte 9: tensor a: is not described by dtype, shape and data_offsets alone");
	refuses("{" TENSOR("", "F32", "[0]", 0, 0) "}", -1, NULL, 0, STATUS_BAD_DATA,
		"w: byte 9: tensor : its name is empty or too long");
}

static void refuses_bad_tensors(void **state)
{
	(void)state;
	static const unsigned char zero[64];
	refuses("{" TENSOR("a", "I8", "[4]", 0, 4) "}", -1, zero, 4, STATUS_UNSUPPORTED,
		"w: byte 9: tensor a: dtype I8 is not F32, F16 or BF16");
	refuses("{" TENSOR("a", "F32", "[-1]", 0, 4) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: a dimension is not a number in range");
	refuses("{" TENSOR("a", "F32", "[1.5]", 0, 4) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: a dimension is not a number in range");
	refuses("{" TENSOR("a", "F32", "[1,1,1,1,1]", 0, 4) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: more than 4 dimensions");
	refuses("{" TENSOR("a", "F32", "[4294967296,4294967296,4]", 0, 4) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: the product of its dimensions overflows");
	refuses("{" TENSOR("a", "F32", "[4294967296,2147483648]", 0, 0) "}", -1, zero, 0, STATUS_BAD_DATA,
		"w: byte 9: tensor a: data_offsets do not fit dtype and shape"); /* times 4 bytes: overflows to 0 */
	refuses("{" TENSOR("a", "F32", "{}", 0, 4) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: shape is missing or not a list");
	refuses("{" TENSOR("a", "F32", "[2]", 0, 8) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: data_offsets lie outside the file (is it cut short?)");
	refuses("{" TENSOR("a", "F32", "[1]", -4, 0) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: data_offsets lie outside the file (is it cut short?)");
	refuses("{" TENSOR("a", "F32", "[1]", 4, 0) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: data_offsets lie outside the file (is it cut short?)");
	refuses("{" TENSOR("a", "F32", "[2]", 0, 4) "}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: data_offsets do not fit dtype and shape");
	refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", -1, zero, 4, STATUS_BAD_DATA,
		"w: byte 9: tensor a: data_offsets is missing or not two numbers");
}

static void refuses_bad_layouts(void **state)
{
	(void)state;
	static const unsigned char zero[64];
	refuses("{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[2]", 4, 12) "}", -1, zero, 12, STATUS_BAD_DATA,
		"w: byte 62: tensor b: overlaps the tensor before it");
	refuses("{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[1]", 12, 16) "}", -1, zero, 16, STATUS_BAD_DATA,
		"w: byte 62: tensor b: leaves a gap after the tensor before it");
	refuses("{" TENSOR("a", "F32", "[1]", 4, 8) "}", -1, zero, 8, STATUS_BAD_DATA,
		"w: byte 9: tensor a: leaves a gap after the tensor before it");
	refuses("{" TENSOR("a", "F32", "[1]", 0, 4) "}", -1, zero, 7, STATUS_BAD_DATA,
		"w: byte 66: 3 bytes that belong to no tensor");
}

static void refuses_what_is_no_number(void **state)
{
	(void)state;
	static const unsigned char infinite[] = {0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x7f}, half[] = {0, 0, 1, 0xfc},
				   bf[] = {0xc0, 0xff};
	refuses("{" TENSOR("a", "F32", "[2]", 0, 8) "}", -1, infinite, 8, STATUS_BAD_DATA,
		"w: byte 66: element 1 of tensor a is infinite or not a number");
	refuses("{" TENSOR("a", "F16", "[2]", 0, 4) "}", -1, half, 4, STATUS_BAD_DATA,
		"w: byte 64: element 1 of tensor a is infinite or not a number");
	refuses("{" TENSOR("a", "BF16", "[1]", 0, 2) "}", -1, bf, 2, STATUS_BAD_DATA,
		"w: byte 63: element 0 of tensor a is infinite or not a number");
}

static const float ramp[] = {1, -0.5f, 3.14159274f, 1e-40f, 1.00390625f, 1.01171875f};
static const struct safetensors_tensor tensors[] = {{"second", 2, {2, 3}, ramp}, {"first", 1, {1}, ramp + 1}};
static const struct safetensors_text texts[] = {{"licence", "MIT"}, {"quoted", "a \"b\" \\ \n\xc3\xa9"}};

static void writes_what_it_reads(void **state)
{
	(void)state;
	struct safetensors *file;
	struct error error;
	struct stat about;
	float out[6];
	char part[80];
	assert_int_equal(safetensors_write(path, TENSOR_F32, tensors, 2, texts, 2, &error), STATUS_OK);
	snprintf(part, sizeof part, "%s.part", path);
	assert_int_equal(access(part, F_OK), -1);
	assert_int_equal(safetensors_open(path, &file, &error), STATUS_OK);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_size % 4, 0); /* 28 bytes of tensors behind a padded header */
	safetensors_get(file, (size_t)safetensors_find(file, "second"), out);
	assert_memory_equal(out, ramp, sizeof ramp);
	safetensors_get(file, (size_t)safetensors_find(file, "first"), out);
	assert_true(out[0] == -0.5f);
	assert_string_equal(safetensors_metadata(file, "licence"), "MIT");
	assert_string_equal(safetensors_metadata(file, "quoted"), texts[1].value);
	safetensors_close(file);
}

static void rounds_to_nearest_even(void **state)
{
	(void)state;
	struct safetensors *file;
	struct error error;
	float out[6];
	assert_int_equal(safetensors_write(path, TENSOR_BF16, tensors, 1, NULL, 0, &error), STATUS_OK);
	assert_int_equal(safetensors_open(path, &file, &error), STATUS_OK);
	safetensors_get(file, 0, out);
	assert_true(out[0] == 1 && out[1] == -0.5f && out[2] == 3.140625f);
	assert_true(out[4] == 1.0f);	  /* 1 + 2^-8 lies between 1 and 1 + 2^-7: to the even one */
	assert_true(out[5] == 1.015625f); /* 1 + 3 * 2^-8: up to 1 + 2^-6, the even one */
	safetensors_close(file);
}

static void keeps_the_old_file_when_refused(void **state)
{
	(void)state;
	struct safetensors *file;
	struct error error;
	const float bad[] = {1, NAN};
	const struct safetensors_tensor nan = {"n", 1, {2}, bad}, twice[] = {{"n", 1, {1}, ramp}, {"n", 1, {1}, ramp}};
	const struct safetensors_text garbled = {"k", "\xff\xfe"};
	assert_int_equal(safetensors_write(path, TENSOR_F32, tensors, 2, texts, 2, &error), STATUS_OK);
	assert_int_equal(safetensors_write(path, TENSOR_F32, &nan, 1, NULL, 0, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "element 1 of tensor n"));
	assert_int_equal(safetensors_write(path, TENSOR_F32, twice, 2, NULL, 0, &error), STATUS_BAD_DATA);
	assert_int_equal(safetensors_write(path, TENSOR_F32, tensors, 1, &garbled, 1, &error), STATUS_BAD_DATA);
	assert_int_equal(safetensors_write(path, TENSOR_F16, tensors, 1, NULL, 0, &error), STATUS_UNSUPPORTED);
	assert_int_equal(safetensors_open(path, &file, &error), STATUS_OK);
	assert_int_equal(safetensors_count(file), 2);
	safetensors_close(file);
	assert_int_equal(safetensors_write("/nowhere/w", TENSOR_F32, tensors, 1, NULL, 0, &error), STATUS_IO);
	assert_non_null(strstr(error.text, "/nowhere/w.part: No such file"));
}

static void names_what_cannot_be_opened(void **state)
{
	(void)state;
	struct safetensors *file = (struct safetensors *)1;
	struct error error;
	assert_int_equal(safetensors_open("/nowhere/w", &file, &error), STATUS_NOT_FOUND);
	assert_null(file);
	assert_string_equal(error.text, "/nowhere/w: No such file or directory");
	assert_int_equal(safetensors_open(folder, &file, &error), STATUS_IO);
	safetensors_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_all_types),
	    cmocka_unit_test(hashes_the_whole_file),
	    cmocka_unit_test(refuses_bad_lengths),
	    cmocka_unit_test(refuses_bad_headers),
	    cmocka_unit_test(refuses_bad_tensors),
	    cmocka_unit_test(refuses_bad_layouts),
	    cmocka_unit_test(refuses_what_is_no_number),
	    cmocka_unit_test(writes_what_it_reads),
	    cmocka_unit_test(rounds_to_nearest_even),
	    cmocka_unit_test(keeps_the_old_file_when_refused),
	    cmocka_unit_test(names_what_cannot_be_opened),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
