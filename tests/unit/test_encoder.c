/* The streaming encoder against the dense reference in every setting, on random tokens that arrive in groups, change late,
 * outlast every ring and begin anew; and that no velocity leaks into a causal state. */
#define _GNU_SOURCE
#include "model/encoder.h"

#include "base/random.h"
#include "model/reference.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTES 400
#define TOLERANCE 2e-4f	     /* of states whose norm is one a number: sums in another order, through every layer */
#define TOLERANCE_BF16 6e-2f /* 8 bits of every operand, through every layer */
#define ALL_SETTINGS ((1u << SETTINGS) - 1)

static struct random source = {3, 0};
static struct token tokens[NOTES];
static const char *backend = "openblas";

static struct model *make_model(int lookahead, int freeze, int width, int heads, int layers)
{
	struct model_shape shape = tiny_shape(lookahead, freeze);
	struct model *model;
	struct error error;
	char path[64];
	shape.width = width;
	shape.attention_heads = heads;
	shape.layers = layers;
	snprintf(path, sizeof path, "/tmp/test_encoder.%d.safetensors", (int)getpid());
	if (tiny_model_write(&shape, (uint64_t)(lookahead + 7 * width), path, &error) != STATUS_OK ||
	    model_load(path, &model, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	unlink(path);
	return model;
}

static void make_tokens(void)
{
	for (int t = 0; t < NOTES; t++)
		for (int i = 0; i < ATTRIBUTES; i++)
			tokens[t].id[i] = (uint16_t)random_integer(&source, 0, token_vocabulary[i] - SPECIALS - 1);
}

/* Root mean square of what a row is off by. */
static float off_by(const float *got, const float *wanted, int d)
{
	double sum = 0;
	for (int c = 0; c < d; c++)
		sum += pow((double)got[c] - (double)wanted[c], 2);
	return (float)sqrt(sum / d);
}

static void compare(const char *what, const struct model *model, enum head_setting setting, int window, int first, int end,
		    const float *got)
{
	float tolerance = model_backend(model)->precision[0] == 'b' ? TOLERANCE_BF16 : TOLERANCE;
	int d = model_shape(model)->width;
	float *wanted = malloc((size_t)(end * d) * sizeof *wanted);
	assert_non_null(wanted);
	assert_true(reference_hidden(model, setting, window, tokens, end, wanted));
	for (int row = first; row < end; row++) {
		float off = off_by(got + row * d, wanted + row * d, d);
		if (!(off < tolerance))
			fail_msg("%s, setting %d, row %d of %d: off by %.6f", what, setting, row, end, (double)off);
	}
	free(wanted);
}

/* Notes in groups, all settings in each run; durations of the newest change late. Collects the last state of every row. */
static void stream(struct encoder *encoder, const struct model *model, int notes, int largest, float *states[SETTINGS])
{
	const struct model_shape *shape = model_shape(model);
	int d = shape->width;
	for (int64_t rows = 0; rows < notes;) {
		int64_t end = rows + random_integer(&source, 0, largest), changed = rows;
		end = end < notes ? end : notes;
		for (int64_t row = rows - shape->freeze > 0 ? rows - shape->freeze : 0; row < rows; row++)
			if (random_uniform(&source) < 0.3) {
				tokens[row].id[ATTRIBUTE_DURATION] = (uint16_t)random_integer(&source, 0, 127);
				changed = row < changed ? row : changed;
			}
		struct encoder_part parts[SETTINGS];
		for (int s = 0; s < SETTINGS; s++) {
			int64_t first = encoder_first(encoder, (enum head_setting)s, changed, end);
			parts[s] = (struct encoder_part){(enum head_setting)s, first, end, tokens + first};
		}
		encoder_run(encoder, parts, SETTINGS);
		for (int s = 0; s < SETTINGS; s++) {
			int64_t from = encoder_changed(encoder, (enum head_setting)s);
			assert_int_equal(encoder_rows(encoder, (enum head_setting)s), end);
			memcpy(states[s] + from * d, encoder_hidden(encoder, (enum head_setting)s, from),
			       (size_t)((end - from) * d) * sizeof(float));
		}
		rows = end;
	}
}

static void check_stream(const char *what, int lookahead, int freeze, int width, int heads, int layers, int window)
{
	struct model *model = make_model(lookahead, freeze, width, heads, layers);
	struct error error;
	assert_int_equal(model_use_backend(model, backend, &error), STATUS_OK);
	int largest = lookahead == LOOKAHEAD_UNLIMITED ? window : 9;
	struct encoder *encoder =
	    encoder_new(model, ALL_SETTINGS, window, lookahead == LOOKAHEAD_UNLIMITED ? window : largest + freeze, 20);
	float *states[SETTINGS];
	assert_non_null(encoder);
	for (int s = 0; s < SETTINGS; s++)
		assert_non_null(states[s] = calloc((size_t)(NOTES * width), sizeof *states[s]));
	for (int round = 0; round < 2; round++) { /* a reset leaves nothing behind */
		make_tokens();
		encoder_reset(encoder);
		stream(encoder, model, NOTES - 50 * round, largest, states);
		for (int s = 0; s < SETTINGS; s++)
			if (lookahead != LOOKAHEAD_UNLIMITED || s == SETTING_CAUSAL)
				compare(what, model, (enum head_setting)s, window, 0, NOTES - 50 * round, states[s]);
	}
	for (int s = 0; s < SETTINGS; s++)
		free(states[s]);
	encoder_free(encoder);
	model_free(model);
}

static void test_stream_is_reference(void **state)
{
	(void)state;
	check_stream("span", 2, 2, 32, 2, 2, 64);
	check_stream("window below the span", 2, 5, 32, 2, 2, 33);
	check_stream("three layers", 4, 0, 32, 2, 3, 21);
	check_stream("no look-ahead", 0, 3, 32, 2, 2, 17);
	check_stream("a window of one", 0, 1, 32, 2, 2, 1);
	check_stream("heads of twelve", 1, 1, 36, 3, 2, 40);
	check_stream("heads of eighty", 3, 2, 80, 1, 2, 64);
	check_stream("unlimited", LOOKAHEAD_UNLIMITED, 2, 32, 2, 2, 48);
}

/* Keys, values and distances in pairs. */
static void test_stream_in_bf16(void **state)
{
	const struct backend *found;
	struct error error;
	if (backend_find("avx512-bf16", &found, &error) != STATUS_OK)
		skip();
	backend = "avx512-bf16";
	test_stream_is_reference(state);
	backend = "openblas";
}

/* Velocities of note `changed` and of every later one are others: what comes out for it is the same to the last bit. */
static void check_leak(int lookahead, int group)
{
	struct model *model = make_model(lookahead, 2, 32, 2, 2);
	struct encoder *encoder = encoder_new(model, ENCODER_SETTING(SETTING_CAUSAL), 48, group, NOTES);
	int d = 32, changed = 150, notes = 200, later = 0;
	float *before = malloc((size_t)(notes * d) * sizeof *before);
	assert_true(encoder && before);
	make_tokens();
	for (int round = 0; round < 2; round++) {
		encoder_reset(encoder);
		for (int t = 0; t < notes; t += group)
			encoder_hear(encoder, SETTING_CAUSAL, t, t + group < notes ? group : notes - t, tokens + t);
		if (round == 0)
			memcpy(before, encoder_hidden(encoder, SETTING_CAUSAL, 0), (size_t)(notes * d) * sizeof *before);
		for (int t = changed; t < notes; t++) {
			uint16_t *id = &tokens[t].id[ATTRIBUTE_VELOCITY];
			*id = (uint16_t)((*id + 1 + random_integer(&source, 0, 30)) % TOKEN_VELOCITIES);
			tokens[t].id[ATTRIBUTE_DURATION] = (uint16_t)random_integer(&source, 0, 127);
		}
	}
	const float *after = encoder_hidden(encoder, SETTING_CAUSAL, 0);
	assert_memory_equal(before, after, (size_t)((changed + 1) * d) * sizeof *before);
	for (int t = changed + 1; t < notes; t++)
		later += memcmp(before + t * d, after + t * d, (size_t)d * sizeof *before) != 0;
	assert_int_equal(later, notes - changed - 1); /* the notes after it do hear it */
	free(before);
	encoder_free(encoder);
	model_free(model);
}

static void test_velocity_does_not_leak(void **state)
{
	(void)state;
	check_leak(4, 1);
	check_leak(4, 7);
	check_leak(0, 64);
	check_leak(LOOKAHEAD_UNLIMITED, 3);
}

/* A setting that was not heard for a while goes on where it was, or begins anew far enough back. */
static void test_seek(void **state)
{
	struct model *model = make_model(2, 2, 32, 2, 2);
	const struct model_shape *shape = model_shape(model);
	int window = 24, reach = shape->layers * (window - 1) + shape->layers * shape->lookahead + shape->freeze;
	struct encoder *encoder = encoder_new(model, ALL_SETTINGS, window, 16, 0);
	(void)state;
	assert_non_null(encoder);
	make_tokens();
	for (int s = 0; s < SETTINGS; s++) {
		enum head_setting setting = (enum head_setting)s;
		float *wanted = malloc((size_t)(NOTES * 32) * sizeof *wanted);
		assert_non_null(wanted);
		assert_true(reference_hidden(model, setting, window, tokens, NOTES, wanted));
		for (int64_t row = 0; row < 100; row += 10)
			encoder_hear(encoder, setting, row, 10, tokens + row);
		encoder_seek(encoder, setting, 93);
		assert_int_equal(encoder_first(encoder, setting, 300, 300), 93);
		encoder_hear(encoder, setting, 93, 7, tokens + 93);
		encoder_seek(encoder, setting, NOTES - 16 - reach);
		for (int64_t row = NOTES - 16 - reach; row < NOTES;) {
			int count = NOTES - row < 16 ? (int)(NOTES - row) : 16;
			encoder_hear(encoder, setting, row, count, tokens + row);
			row += count;
		}
		const float *got = encoder_hidden(encoder, setting, NOTES - 1);
		for (int c = 0; c < 32; c++)
			assert_true(fabsf(got[c] - wanted[(NOTES - 1) * 32 + c]) < TOLERANCE);
		free(wanted);
	}
	encoder_free(encoder);
	model_free(model);
}

static void test_refuses(void **state)
{
	struct model *model = make_model(2, 2, 32, 2, 2);
	(void)state;
	assert_null(encoder_new(model, 0, 64, 1, 0));
	assert_null(encoder_new(model, 1u << SETTINGS, 64, 1, 0));
	assert_null(encoder_new(model, ALL_SETTINGS, 65, 1, 0));
	assert_null(encoder_new(model, ALL_SETTINGS, 0, 1, 0));
	assert_null(encoder_new(model, ALL_SETTINGS, 64, 0, 0));
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream_is_reference),
	    cmocka_unit_test(test_stream_in_bf16),
	    cmocka_unit_test(test_velocity_does_not_leak),
	    cmocka_unit_test(test_seek),
	    cmocka_unit_test(test_refuses),
	};
	model_use_threads(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
