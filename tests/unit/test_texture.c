/* Texture: what its histograms count, that no input gets out of their bounds, and that a layer fitted on two players' touch
 * tells them apart, offline and in a weights file. */
#define _GNU_SOURCE
#include "base/random.h"
#include "model/matrix.h"
#include "model/texture.h"
#include "tests/support/tiny_model.h"
#include "train/listener.h"
#include "train/oddity.h"
#include "train/texture_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

/* Where some histograms begin, in the order of docs/MODEL.md. */
#define VELOCITY 0
#define LENGTH 32
#define PITCH 62
#define VELOCITY_STEP 332
#define CHORD_SIZE 439
#define SCALE 1338
#define TOP_SCALE 1374
#define BOTTOM_SCALE 1386
#define TRIAD 1398
#define BASS 1422
#define TRIAD_CHANGE 1458

static void is_near(const float *features, int at, double wanted)
{
	if (fabs((double)features[at] - wanted) > 1e-6)
		fail_msg("feature %d: %.6f, not %.6f", at, (double)features[at], wanted);
}

static void test_counts(void **state)
{
	(void)state;
	/* A chord of two, and two notes after it, the last one still down. */
	static const struct texture_note notes[] = {
	    {0, 990000, 60, 64}, {20000, 990000, 64, 66}, {500000, 240000, 67, 100}, {1000000, TEXTURE_DOWN, 72, 20}};
	float f[TEXTURE_SIZE];
	texture_features(notes, 4, f);
	is_near(f, VELOCITY + 16, sqrt(0.5));
	is_near(f, VELOCITY + 25, 0.5);
	is_near(f, VELOCITY + 5, 0.5);
	is_near(f, LENGTH + 18, sqrt(2.0 / 3)); /* log2(0.99 + 0.01) = 0, bins of a third from -6 on */
	is_near(f, LENGTH + 12, sqrt(1.0 / 3)); /* log2(0.25) = -2 */
	is_near(f, PITCH + 10, 0.5);		/* 60 */
	is_near(f, PITCH + 11, sqrt(0.5));	/* 64 and 67 */
	is_near(f, PITCH + 13, 0.5);		/* 72 */
	is_near(f, VELOCITY_STEP + 16, sqrt(1.0 / 3));
	is_near(f, CHORD_SIZE, sqrt(2.0 / 3)); /* two alone */
	is_near(f, CHORD_SIZE + 1, sqrt(1.0 / 3));
}

/* C major, half a second later F major, both struck at once; then, in another key and after an hour, the same. */
static void test_harmony(void **state)
{
	(void)state;
	struct texture_note notes[6];
	static const uint8_t pitch[6] = {60, 64, 67, 65, 69, 72};
	float f[TEXTURE_SIZE];
	for (int up = 0; up < 24; up++) {
		int64_t later_us = up % 2 ? INT64_C(3600000000) : 500000;
		for (int i = 0; i < 6; i++)
			notes[i] =
			    (struct texture_note){i < 3 ? 0 : later_us, 500000, (uint8_t)(pitch[i] + up), (uint8_t)(60 + i)};
		texture_features(notes, 6, f);
		is_near(f, SCALE, sqrt(1.0 / 3)); /* of six notes two are C */
		is_near(f, SCALE + 5, sqrt(1.0 / 6));
		is_near(f, SCALE + 11, 0);
		is_near(f, TOP_SCALE + 7, sqrt(0.5));
		is_near(f, TOP_SCALE, sqrt(0.5));
		is_near(f, BOTTOM_SCALE, sqrt(0.5));
		is_near(f, BOTTOM_SCALE + 5, sqrt(0.5));
		is_near(f, TRIAD, sqrt(0.5));
		is_near(f, TRIAD + 5, sqrt(0.5));
		is_near(f, BASS, sqrt(0.5));
		is_near(f, BASS + 5, sqrt(0.5));
		is_near(f, TRIAD_CHANGE + 5, 1);
	}
	/* a key alone is the root of its own triad, whichever it is */
	for (uint8_t key = 30; key < 54; key++) {
		texture_features(&(struct texture_note){0, 500000, key, 60}, 1, f);
		is_near(f, TRIAD, 1);
		is_near(f, BASS + 24, 1);
	}
}

/* Later or a fourth higher: the same touch. */
static void test_ignores_time_of_day(void **state)
{
	(void)state;
	struct texture_note here[80], later[80];
	struct random random = {5, 0};
	float a[TEXTURE_SIZE], b[TEXTURE_SIZE];
	for (int i = 0; i < 80; i++) {
		here[i] = (struct texture_note){
		    (i ? here[i - 1].onset_us : 0) + random_integer(&random, 0, 300000), random_integer(&random, 0, 2000000),
		    (uint8_t)random_integer(&random, 30, 90), (uint8_t)random_integer(&random, 1, 127)};
		later[i] = here[i];
		later[i].onset_us += 86400000000;
	}
	texture_features(here, 80, a);
	texture_features(later, 80, b);
	assert_memory_equal(a, b, sizeof a);
	for (int i = 0; i < 80; i++)
		later[i].pitch += 5;
	texture_features(later, 80, b);
	assert_memory_equal(a, b, PITCH * sizeof *a);
	assert_memory_equal(a + VELOCITY_STEP, b + VELOCITY_STEP, (CHORD_SIZE - VELOCITY_STEP) * sizeof *a);
	for (int i = SCALE; i < TEXTURE_SIZE; i++)
		is_near(a, i, (double)b[i]);
}

static void test_bounds(void **state)
{
	(void)state;
	static const int64_t lengths[] = {0, -5, 1, INT64_C(1) << 50, TEXTURE_DOWN};
	struct texture_note notes[200];
	struct random random = {9, 0};
	float f[TEXTURE_SIZE];
	for (int round = 0; round < 2000; round++) {
		int count = (int)random_integer(&random, 1, 200);
		int64_t now_us = random_integer(&random, -1000, 1000), most = round % 3 ? 50000 : INT64_C(1) << 45;
		for (int i = 0; i < count; i++) {
			now_us += random_integer(&random, round % 5 ? 0 : -most, most);
			notes[i] = (struct texture_note){now_us, lengths[random_integer(&random, 0, 4)],
							 (uint8_t)random_integer(&random, 0, 127),
							 (uint8_t)random_integer(&random, 0, 127)};
		}
		texture_features(notes, count, f);
		for (int i = 0; i < TEXTURE_SIZE; i++)
			if (!(f[i] >= 0 && f[i] <= 1.00001f))
				fail_msg("round %d, %d notes: feature %d is %g", round, count, i, (double)f[i]);
	}
}

/* ---- the fit ---- */

#define PIECES 24
#define NOTES 150
#define STYLE 2

static struct piece_note notes[2][PIECES][NOTES]; /* to learn from, to choose on */
static struct piece pieces[2][PIECES];
static struct dataset parts[2];
static const bool all[1] = {true};

/* The same kind of tune by both; bob plays staccato. */
static void compose(uint64_t seed, bool short_keys, struct piece_note *out)
{
	struct random random = {seed, 0};
	for (int i = 0; i < NOTES; i++) {
		int64_t onset = 200000 * i, length = random_integer(&random, 120000, 260000);
		out[i] = (struct piece_note){.onset_us = onset,
					     .end_us = onset + (short_keys ? length / 3 : length),
					     .pitch = (uint8_t)random_integer(&random, 48, 84),
					     .velocity = (uint8_t)random_integer(&random, 40, 100),
					     .label = NOTE_LABEL_NONE};
	}
}

static void make_parts(void)
{
	static char name[2][4] = {"ada", "bob"};
	for (int part = 0; part < 2; part++) {
		for (int p = 0; p < PIECES; p++) {
			compose((uint64_t)(1000 * part + p), p % 2, notes[part][p]);
			pieces[part][p] =
			    (struct piece){.path = "made", .label = name[p % 2], .notes = notes[part][p], .count = NOTES};
		}
		parts[part] = (struct dataset){.pieces = pieces[part], .count = PIECES, .notes = PIECES * NOTES};
	}
}

static enum status try_load(const struct model_shape *shape, const struct parameters *parameters, const float *values,
			    struct model **model, struct error *error)
{
	char path[] = "/tmp/midibertd-test-texture-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	enum status status = parameters_write(parameters, shape, values, path, TENSOR_F32, NULL, 0, error);
	if (status == STATUS_OK)
		status = model_load(path, model, error);
	unlink(path);
	return status;
}

static struct model *load(const struct model_shape *shape, const struct parameters *parameters, const float *values)
{
	struct model *model;
	struct error error = {0};
	if (try_load(shape, parameters, values, &model, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return model;
}

static int right_answers(const struct model *model)
{
	struct listener *listener = listener_new(model, 64, 64);
	int right = 0;
	assert_non_null(listener);
	for (int p = 0; p < PIECES; p++) {
		float probability[CLASSES_MAX];
		int best = 0;
		assert_true(listener_passage(listener, &pieces[1][p], STYLE, 0, 64, probability));
		for (int c = 1; c < 8; c++)
			best = probability[c] > probability[best] ? c : best;
		right += best == p % 2;
	}
	listener_free(listener);
	return right;
}

static enum status fit(const struct model *model, float *values, const struct head_offsets *o, struct texture_found *found,
		       struct error *error)
{
	const struct texture_part train = {&parts[0], all}, valid = {&parts[1], all};
	const struct texture_layer layer = {values + o->texture_mean, values + o->texture_deviation,
					    values + o->texture.weight, values + o->texture.bias};
	return texture_fit(model, STYLE, &train, &valid, 0.96, &layer, found, error);
}

static float distance_of(const struct piece *piece, int count, const float *values, const struct head_offsets *o)
{
	struct texture_note scratch[NOTES];
	float features[TEXTURE_SIZE];
	listener_texture(piece, 0, count, scratch, features);
	texture_standardise(values + o->texture_mean, values + o->texture_deviation, count, features);
	return texture_distance(features);
}

static void test_fit_tells_players_apart(void **state)
{
	(void)state;
	struct model_shape shape = tiny_shape(2, 4);
	shape.head[STYLE].strange_texture = 1;
	struct parameters *parameters;
	struct error error = {0};
	struct texture_found found, again;
	matrix_use_threads(1);
	make_parts();
	assert_int_equal(parameters_new(&shape, &parameters, &error), STATUS_OK);
	float *values = calloc(parameters->elements, sizeof *values), *copy = malloc(parameters->elements * sizeof *copy);
	assert_true(values && copy);
	parameters_initialise(parameters, &shape, 3, values);
	const struct head_offsets *o = &parameters->head[STYLE];
	struct model *model = load(&shape, parameters, values);
	assert_int_equal(fit(model, values, o, &found, &error), STATUS_OK);
	memcpy(copy, values, parameters->elements * sizeof *copy);
	assert_int_equal(fit(model, copy, o, &again, &error), STATUS_OK);
	assert_memory_equal(copy, values, parameters->elements * sizeof *copy);
	model_free(model);
	/* It knows nothing of six other players, and the network, which is random, nothing at all. */
	assert_true(found.network > 0.6 && found.texture < 0.2 && found.both <= found.network && found.share > 0.5);
	model = load(&shape, parameters, values);
	assert_int_equal(right_answers(model), PIECES);
	/* What is no playing is farther than what was learnt from, and than the limit. */
	shape.head[STYLE].strange_texture = found.strange;
	for (int kind = 0; kind < ODDITIES; kind++) {
		struct piece_note odd[128];
		struct piece piece = {.notes = odd, .count = 128};
		oddity_make((enum oddity)kind, 7, 128, odd);
		if (!(distance_of(&piece, 128, values, o) > found.strange))
			fail_msg("%s: %.3f, and strange is above %.3f", oddity_name((enum oddity)kind),
				 (double)distance_of(&piece, 128, values, o), (double)found.strange);
	}
	assert_true(distance_of(&pieces[1][3], 128, values, o) < found.strange);
	model_free(model);
	copy[o->texture_deviation + 7] = 0;
	assert_int_equal(try_load(&shape, parameters, copy, &model, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text,
			       ": element 7 of tensor style_pianist8.texture.deviation is 0; deviations are at least "
			       "1e-06"));
	parts[0].count = 0;
	model = load(&shape, parameters, values);
	assert_int_equal(fit(model, copy, o, &again, &error), STATUS_NOT_FOUND);
	assert_string_equal(error.text, "head style_pianist8: no piece with one of its labels");
	model_free(model);
	parameters_free(parameters);
	free(values);
	free(copy);
}

/* Every piece counts the same, however long: of one tune that is heard from ada once, at length, and from bob in three short
 * pieces, bob is more likely, though ada has more passages. */
static void test_fit_counts_pieces(void **state)
{
	(void)state;
	enum { TUNE = 32, LONG = 8 * TUNE, BRIEF = 2 * TUNE, COUNT = 4 };
	struct piece_note tune[LONG > NOTES ? LONG : NOTES];
	struct piece heard[COUNT];
	struct model_shape shape = tiny_shape(2, 4);
	struct parameters *parameters;
	struct texture_found found;
	struct texture_note scratch[BRIEF];
	float features[TEXTURE_SIZE], logits[8] = {0};
	shape.head[STYLE].strange_texture = 1;
	matrix_use_threads(1);
	compose(9, false, tune);
	for (int i = TUNE; i < LONG; i++) {
		tune[i] = tune[i - TUNE];
		tune[i].onset_us += TUNE * 200000;
		tune[i].end_us += TUNE * 200000;
	}
	for (int p = 0; p < COUNT; p++)
		heard[p] =
		    (struct piece){.path = "made", .label = p ? "bob" : "ada", .notes = tune, .count = p ? BRIEF : LONG};
	for (int part = 0; part < 2; part++)
		parts[part] = (struct dataset){.pieces = heard, .count = COUNT};
	assert_int_equal(parameters_new(&shape, &parameters, NULL), STATUS_OK);
	float *values = calloc(parameters->elements, sizeof *values);
	assert_non_null(values);
	parameters_initialise(parameters, &shape, 3, values);
	const struct head_offsets *o = &parameters->head[STYLE];
	struct model *model = load(&shape, parameters, values);
	assert_int_equal(fit(model, values, o, &found, NULL), STATUS_OK);
	model_free(model);
	assert_int_equal(found.passages, 2 * (LONG / TUNE) + 3 * 2 * (BRIEF / TUNE));
	listener_texture(&heard[1], 0, BRIEF, scratch, features);
	model = load(&shape, parameters, values);
	texture_judge(model, STYLE, features, BRIEF, logits);
	model_free(model);
	assert_true(logits[1] > logits[0] && logits[0] > logits[2]);
	parameters_free(parameters);
	free(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_harmony),
	    cmocka_unit_test(test_ignores_time_of_day),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_fit_tells_players_apart),
	    cmocka_unit_test(test_fit_counts_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
