/* A network's shape: what is written comes back, and every metadata that promises nonsense is refused by its key. */
#define _GNU_SOURCE
#include "model/predictors.h"
#include "model/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXTS_MAX 64

/* The metadata of a small network, as texts that a test may change before they are read. */
struct texts {
	struct safetensors_text text[TEXTS_MAX];
	size_t count;
};

static char path[] = "/tmp/shape.XXXXXX";

static const struct model_shape small = {
    .layers = 2,
    .width = 8,
    .inner = 16,
    .attention_heads = 2,
    .span = 6,
    .lookahead = 3,
    .file_lookahead = 4,
    .freeze = 5,
    .order = ORDER_ARRIVAL,
    .heads = 3,
    .head = {{.name = "melody",
	      .level = HEAD_NOTE,
	      .setting = SETTING_PLAYED,
	      .classes = 3,
	      .label = {"melody", "bridge", "accompaniment"},
	      .temperature = 1.25f,
	      .unknown_below = 0.4f,
	      .unfamiliar = {4.5f, 2.25f, 1.5f}},
	     {.name = "style_pianist8",
	      .level = HEAD_SEQUENCE,
	      .setting = SETTING_PLAYED,
	      .classes = 2,
	      .label = {"Bethel", "Clayderman"},
	      .strange_texture = 2.5f,
	      .temperature = 0.1f,
	      .piece_temperature = 0.5f,
	      .unknown_below = 0},
	     {.name = "velocity_causal",
	      .level = HEAD_NOTE,
	      .setting = SETTING_CAUSAL,
	      .classes = 2,
	      .label = {"2", "6"},
	      .temperature = 1,
	      .unknown_below = 0}},
};

static void add(void *context, const char *key, const char *value)
{
	struct texts *texts = context;
	assert_true(texts->count < TEXTS_MAX);
	texts->text[texts->count].key = strdup(key);
	texts->text[texts->count++].value = strdup(value);
}

static void change(struct texts *texts, const char *key, const char *value)
{
	for (size_t i = 0; i < texts->count; i++) {
		if (strcmp(texts->text[i].key, key) == 0) {
			free((char *)texts->text[i].value);
			texts->text[i].value = strdup(value);
			return;
		}
	}
	fail_msg("no key %s", key);
}

static void empty(struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		free((char *)texts->text[i].key);
		free((char *)texts->text[i].value);
	}
	texts->count = 0;
}

static void tensor_file(const struct texts *texts, struct safetensors **file)
{
	static const float numbers[2 * (4 * 64 + 2 * 128 + 11 * 4)]; /* what small promises at least */
	const struct safetensors_tensor tensor = {"t", 1, {(int64_t)(sizeof numbers / sizeof numbers[0])}, numbers};
	struct error error;
	assert_int_equal(safetensors_write(path, TENSOR_F32, &tensor, 1, texts->text, texts->count, &error), STATUS_OK);
	assert_int_equal(safetensors_open(path, file, &error), STATUS_OK);
}

static void comes_back(void **state)
{
	(void)state;
	struct texts texts = {.count = 0};
	struct safetensors *file;
	struct model_shape shape;
	struct error error;
	shape_write(&small, add, &texts);
	tensor_file(&texts, &file);
	assert_int_equal(shape_read(file, "w", &shape, &error), STATUS_OK);
	assert_memory_equal(&shape, &small, sizeof shape);
	assert_int_equal(shape_settle(&shape), 2 * 3 + 5);
	assert_int_equal(shape_find_head(&shape, "style_pianist8"), 1);
	assert_int_equal(shape_find_head(&shape, "style"), -1);
	assert_int_equal(shape_head_input(&shape, 0), 8);
	assert_int_equal(shape_head_input(&shape, 1), 4 * 8);
	assert_int_equal(shape_head_input(&shape, 2), 8 + CAUSAL_PREDICTORS);
	safetensors_close(file);
	assert_int_equal(shape_lookahead(&shape, false), 3);
	assert_int_equal(shape_lookahead(&shape, true), 4);
	change(&texts, "file_lookahead", "0");
	change(&texts, "lookahead", "unlimited");
	change(&texts, "order", "sorted");
	tensor_file(&texts, &file);
	assert_int_equal(shape_read(file, "w", &shape, &error), STATUS_OK);
	assert_int_equal(shape.lookahead, LOOKAHEAD_UNLIMITED);
	assert_int_equal(shape.order, ORDER_SORTED);
	assert_int_equal(shape_settle(&shape), 6);
	assert_int_equal(shape_lookahead(&shape, true), 5);
	safetensors_close(file);
	empty(&texts);
}

static void refuses(const char *key, const char *value, enum status expected, const char *text)
{
	struct texts texts = {.count = 0};
	struct safetensors *file;
	struct model_shape shape;
	struct error error = {STATUS_OK, ""};
	shape_write(&small, add, &texts);
	change(&texts, key, value);
	tensor_file(&texts, &file);
	assert_int_equal(shape_read(file, "w", &shape, &error), expected);
	if (strcmp(error.text, text) != 0)
		fail_msg("%s = %s: said \"%s\", not \"%s\"", key, value, error.text, text);
	safetensors_close(file);
	empty(&texts);
}

static void refuses_bad_numbers(void **state)
{
	(void)state;
	refuses("format_version", "2", STATUS_UNSUPPORTED, "w: format_version 2; this program reads 1");
	refuses("layers", "", STATUS_BAD_DATA, "w: metadata layers is , not a number in range");
	refuses("layers", "2 ", STATUS_BAD_DATA, "w: metadata layers is 2 , not a number in range");
	refuses("layers", "99999999999999999999", STATUS_BAD_DATA,
		"w: metadata layers is 99999999999999999999, not a number in range");
	refuses("layers", "0", STATUS_BAD_DATA, "w: layers is 0, outside 1-48");
	refuses("layers", "49", STATUS_BAD_DATA, "w: layers is 49, outside 1-48");
	refuses("width", "5000", STATUS_BAD_DATA, "w: width is 5000, outside 1-4096");
	refuses("width", "7", STATUS_BAD_DATA, "w: width 7 is not a multiple of attention_heads 2");
	refuses("attention_heads", "0", STATUS_BAD_DATA, "w: attention_heads is 0, outside 1-64");
	refuses("span", "0", STATUS_BAD_DATA, "w: span is 0, outside 1-4096");
	refuses("lookahead", "6", STATUS_BAD_DATA, "w: lookahead is 6, outside 0-5");
	refuses("lookahead", "-1", STATUS_BAD_DATA, "w: metadata lookahead is -1, not a number in range");
	refuses("lookahead", "unlimited", STATUS_BAD_DATA, "w: file_lookahead beside an unlimited lookahead");
	refuses("lookahead", "5", STATUS_BAD_DATA, "w: file_lookahead is 4, outside 5-5");
	refuses("file_lookahead", "6", STATUS_BAD_DATA, "w: file_lookahead is 6, outside 3-5");
	refuses("file_lookahead", "many", STATUS_BAD_DATA, "w: metadata file_lookahead is many, not a number in range");
	refuses("freeze", "5000", STATUS_BAD_DATA, "w: freeze is 5000, outside 0-4096");
	refuses("order", "random", STATUS_BAD_DATA, "w: metadata order is random; expected arrival or sorted");
	refuses("inner", "16384", STATUS_BAD_DATA,
		"w: metadata promises a network of over 524888 numbers, the file holds 1112");
}

static void refuses_bad_heads(void **state)
{
	(void)state;
	refuses("heads", "melody,Style", STATUS_BAD_DATA,
		"w: metadata head.Style.level is missing; is this a weights file of midibert?");
	refuses("heads", "melody,melody", STATUS_BAD_DATA, "w: head melody is there twice");
	refuses("heads", "melody,", STATUS_BAD_DATA,
		"w: metadata head..level is missing; is this a weights file of midibert?");
	refuses("heads", "a_name_that_is_longer_than_thirty_one", STATUS_BAD_DATA,
		"w: metadata heads: more than 8 heads, or a name of over 31 bytes");
	refuses("head.melody.level", "both", STATUS_BAD_DATA,
		"w: metadata head.melody.level is both; expected note or sequence");
	refuses("head.melody.setting", "loud", STATUS_BAD_DATA,
		"w: metadata head.melody.setting is loud; expected played, hidden or causal");
	refuses("head.style_pianist8.setting", "causal", STATUS_BAD_DATA,
		"w: metadata head.style_pianist8.predictors is missing; is this a weights file of midibert?");
	refuses("head.velocity_causal.level", "sequence", STATUS_BAD_DATA,
		"w: head velocity_causal: a causal head is one of notes");
	refuses("head.velocity_causal.predictors", "last,mean4", STATUS_UNSUPPORTED,
		"w: metadata head.velocity_causal.predictors is last,mean4: not the predictors that this program computes");
	refuses("head.melody.labels", "one", STATUS_BAD_DATA, "w: a head's number of labels is 1, outside 2-32");
	refuses("head.melody.labels", "a,b,a", STATUS_BAD_DATA, "w: head melody: label a is there twice");
	refuses("head.melody.labels", "a,,b", STATUS_BAD_DATA, "w: head melody: label 1 is empty or has a comma");
	refuses("head.melody.labels",
		"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32", STATUS_BAD_DATA,
		"w: metadata head.melody.labels: more than 32 labels, or one of over 31 bytes");
	refuses("head.melody.temperature", "0", STATUS_BAD_DATA, "w: head melody: temperature is outside 0.01-100");
	refuses("head.melody.temperature", "nan", STATUS_BAD_DATA,
		"w: metadata head.melody.temperature is nan, not a number");
	refuses("head.melody.unfamiliar_above", "1,2", STATUS_BAD_DATA,
		"w: metadata head.melody.unfamiliar_above is 1,2, not 3 numbers of 1e-6 to 1e6");
	refuses(
	    "head.style_pianist8.texture", "1", STATUS_UNSUPPORTED,
	    "w: metadata head.style_pianist8.texture is 1: not the histograms that this program counts (2); fit them with "
	    "midibert temper to what midibert finetune wrote");
	refuses("head.melody.unfamiliar_above", "1,0,2", STATUS_BAD_DATA,
		"w: metadata head.melody.unfamiliar_above is 1,0,2, not 3 numbers of 1e-6 to 1e6");
	refuses("head.style_pianist8.piece_temperature", "0", STATUS_BAD_DATA,
		"w: metadata head.style_pianist8.piece_temperature is outside 0.01-100");
	refuses("head.melody.unknown_below", "1.5", STATUS_BAD_DATA, "w: head melody: unknown_below is outside 0-1");
}

static void names_what_is_missing(void **state)
{
	(void)state;
	struct texts texts = {.count = 0};
	struct model_shape shape;
	struct error error;
	shape_write(&small, add, &texts);
	/* Without any one of its keys the file is refused, and the key is named. */
	for (size_t left_out = 0; left_out < texts.count; left_out++) {
		struct texts rest = {.count = 0};
		struct safetensors *file;
		for (size_t i = 0; i < texts.count; i++)
			if (i != left_out)
				rest.text[rest.count++] = texts.text[i];
		tensor_file(&rest, &file);
		if (strstr(texts.text[left_out].key, "unfamiliar_above") || strstr(texts.text[left_out].key, "piece_temp") ||
		    strstr(texts.text[left_out].key, "file_lookahead") ||
		    strstr(texts.text[left_out].key, "pianist8.texture")) {
			assert_int_equal(shape_read(file, "w", &shape, &error), STATUS_OK); /* older files have none */
			safetensors_close(file);
			continue;
		}
		assert_int_equal(shape_read(file, "w", &shape, &error), STATUS_BAD_DATA);
		if (!strstr(error.text, texts.text[left_out].key))
			fail_msg("%s does not name %s", error.text, texts.text[left_out].key);
		safetensors_close(file);
	}
	empty(&texts);
}

static void checks_shapes_from_anywhere(void **state)
{
	(void)state;
	struct model_shape shape = small;
	struct error error;
	assert_int_equal(shape_check(&shape, "options", &error), STATUS_OK);
	strcpy(shape.head[0].name, "Mel.ody");
	assert_int_equal(shape_check(&shape, "options", &error), STATUS_BAD_DATA);
	assert_string_equal(error.text, "options: head name \"Mel.ody\" is not of a-z, 0-9 and _");
	shape = small;
	shape.order = (enum token_order)7;
	assert_int_equal(shape_check(&shape, "options", &error), STATUS_BAD_DATA);
	shape = small;
	shape.heads = 0;
	assert_int_equal(shape_check(&shape, "options", &error), STATUS_OK);
}

static int make_path(void **state)
{
	(void)state;
	int descriptor = mkstemp(path);
	return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_back),
	    cmocka_unit_test(refuses_bad_numbers),
	    cmocka_unit_test(refuses_bad_heads),
	    cmocka_unit_test(names_what_is_missing),
	    cmocka_unit_test(checks_shapes_from_anywhere),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}
