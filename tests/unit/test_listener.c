/* Whole pieces through a model: chunks equal one pass, hidden means hidden, figures do not depend on threads. */
#define _GNU_SOURCE
#include "train/listener.h"

#include "base/random.h"
#include "model/reference.h"
#include "tests/support/tiny_model.h"
#include "train/evaluate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTES 1500     /* several blocks */
#define TOLERANCE 2e-4 /* of a probability: sums in another order */
#define MELODY 0
#define VELOCITY 1
#define STYLE 2

static char path[] = "/tmp/listener.XXXXXX";

static struct model *file_model(int lookahead, int file_lookahead, enum token_order order)
{
	struct model_shape shape = tiny_shape(lookahead, 2);
	struct model *model;
	struct error error;
	shape.file_lookahead = file_lookahead;
	shape.order = order;
	assert_int_equal(tiny_model_write(&shape, 7, path, &error), STATUS_OK);
	assert_int_equal(model_load(path, &model, &error), STATUS_OK);
	return model;
}

static struct model *tiny_model(int lookahead, enum token_order order)
{
	return file_model(lookahead, 0, order);
}

static struct piece random_piece(uint64_t seed, size_t count)
{
	struct random random = {seed, 0};
	struct piece piece = {.notes = calloc(count + 1, sizeof *piece.notes), .count = count};
	int64_t position = 0;
	assert_non_null(piece.notes);
	for (size_t i = 0; i < count; i++) {
		position += random_integer(&random, 0, 8);
		piece.notes[i] = (struct piece_note){
		    .place = {position / 64, (uint8_t)(position % 64), 9, 35},
		    .position = position,
		    .duration_positions = (int32_t)random_integer(&random, 0, 64),
		    .pitch = (uint8_t)random_integer(&random, 30, 90),
		    .velocity = (uint8_t)random_integer(&random, 1, 127),
		    .melody = (int8_t)random_integer(&random, -1, 2),
		};
	}
	return piece;
}

static void near(const float *got, const float *wanted, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabs((double)got[i] - (double)wanted[i]) < TOLERANCE))
			fail_msg("value %zu: %.7f, not %.7f", i, (double)got[i], (double)wanted[i]);
}

/* One run over everything, from the definition. */
static void one_pass(const struct model *model, const struct piece *piece, int head, float *probability)
{
	const struct model_shape *shape = model_shape(model);
	struct token *tokens = calloc(piece->count, sizeof *tokens);
	float *hidden = calloc(piece->count * (size_t)shape->width, sizeof *hidden);
	int classes = shape->head[head].classes;
	assert_true(tokens && hidden);
	for (size_t i = 0; i < piece->count; i++) {
		const struct piece_note *note = &piece->notes[i];
		int velocity = shape->head[head].setting == SETTING_HIDDEN ? -1 : note->velocity;
		tokens[i] = octuple_token(&note->place, note->pitch, note->duration_positions, velocity, 0);
	}
	assert_true(reference_hidden(model, SETTING_PLAYED, shape->span, tokens, (int)piece->count, hidden));
	model_note_logits(model, head, hidden, (int)piece->count, probability);
	for (size_t i = 0; i < piece->count; i++)
		model_probabilities(model, head, probability + i * (size_t)classes, probability + i * (size_t)classes);
	free(hidden);
	free(tokens);
}

static float got[NOTES * CLASSES_MAX], wanted[NOTES * CLASSES_MAX];

static void chunks_equal_one_pass(void **state)
{
	(void)state;
	for (int lookahead = 0; lookahead <= 5; lookahead += 5) {
		struct model *model = tiny_model(lookahead, ORDER_ARRIVAL);
		struct listener *listener = listener_new(model, 64, 1);
		assert_non_null(listener);
		/* one block, less than one, several, one note */
		const size_t counts[] = {NOTES, 256, 256 + 10, 3, 1, 0};
		for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
			struct piece piece = random_piece(i, counts[i]);
			assert_true(listener_notes(listener, &piece, VELOCITY, got));
			if (piece.count)
				one_pass(model, &piece, VELOCITY, wanted);
			near(got, wanted, piece.count * 32);
			piece_free(&piece);
		}
		listener_free(listener);
		model_free(model);
	}
}

/* The same numbers, but for how far ahead a stream may look: a file's answer is that of the larger look-ahead. */
static void files_look_further_ahead(void **state)
{
	(void)state;
	struct model *wide = tiny_model(40, ORDER_ARRIVAL), *both = file_model(3, 40, ORDER_ARRIVAL);
	struct listener *listener = listener_new(both, 64, 1), *narrow;
	struct piece piece = random_piece(11, NOTES);
	assert_non_null(listener);
	for (int head = MELODY; head <= VELOCITY; head++) {
		assert_true(listener_notes(listener, &piece, head, got));
		one_pass(wide, &piece, head, wanted);
		near(got, wanted, piece.count * (size_t)model_shape(both)->head[head].classes);
	}
	assert_int_equal(shape_settle(model_shape(both)), 2 * 3 + 2);
	one_pass(both, &piece, MELODY, wanted); /* the stream's */
	model_free(wide);
	wide = tiny_model(3, ORDER_ARRIVAL);
	narrow = listener_new(wide, 64, 1);
	assert_true(narrow && listener_notes(narrow, &piece, MELODY, got));
	near(got, wanted, piece.count * 3);
	listener_free(narrow);
	listener_free(listener);
	model_free(wide);
	model_free(both);
	piece_free(&piece);
}

static void unlimited_windows_overlap(void **state)
{
	(void)state;
	struct model *model = tiny_model(LOOKAHEAD_UNLIMITED, ORDER_ARRIVAL);
	struct listener *listener = listener_new(model, 64, 64);
	struct piece piece = random_piece(3, 200), part = piece;
	assert_non_null(listener);
	assert_true(listener_notes(listener, &piece, MELODY, got));
	/* Windows 0-63, 32-95, 64-127, ... and 136-199: notes 48-79 are answered in the second, 176 on in the last. */
	part.count = 64;
	one_pass(model, &part, MELODY, wanted);
	near(got, wanted, 48 * 3);
	part.notes = piece.notes + 32;
	one_pass(model, &part, MELODY, wanted);
	near(got + 48 * 3, wanted + 16 * 3, 32 * 3);
	part.notes = piece.notes + 136;
	one_pass(model, &part, MELODY, wanted);
	near(got + 176 * 3, wanted + 40 * 3, 24 * 3);
	assert_null(listener_new(model, 64, 65));
	assert_null(listener_new(model, 65, 1));
	piece_free(&piece);
	listener_free(listener);
	model_free(model);
}

static void hidden_velocities_are_hidden(void **state)
{
	(void)state;
	for (int order = ORDER_ARRIVAL; order <= ORDER_SORTED; order++) {
		struct model *model = tiny_model(2, (enum token_order)order);
		struct listener *listener = listener_new(model, 64, 1);
		struct piece piece = random_piece(4, 300);
		assert_non_null(listener);
		assert_true(listener_notes(listener, &piece, VELOCITY, got));
		for (size_t i = 0; i < piece.count; i++)
			piece.notes[i].velocity = (uint8_t)(128 - piece.notes[i].velocity);
		assert_true(listener_notes(listener, &piece, VELOCITY, wanted));
		assert_memory_equal(got, wanted, piece.count * 32 * sizeof *got);
		/* and a head that sees them does depend on them */
		assert_true(listener_notes(listener, &piece, MELODY, got));
		piece.notes[9].velocity = (uint8_t)(piece.notes[9].velocity < 64 ? 100 : 20);
		assert_true(listener_notes(listener, &piece, MELODY, wanted));
		assert_memory_not_equal(got, wanted, piece.count * 3 * sizeof *got);
		piece_free(&piece);
		listener_free(listener);
		model_free(model);
	}
}

/* A model that expects sorted tokens gets them in order whatever the order of arrival; answers find their notes again. */
static void sorts_for_models_that_want_it(void **state)
{
	(void)state;
	struct model *model = tiny_model(2, ORDER_SORTED);
	struct listener *listener = listener_new(model, 64, 1);
	struct piece piece = random_piece(5, 100);
	assert_non_null(listener);
	for (size_t i = 0; i < piece.count; i++) /* all tokens differ, so that their order is one */
		piece.notes[i].place.position = (uint8_t)(i % 64);
	for (size_t i = 0; i < piece.count; i++)
		piece.notes[i].place.bar = (int64_t)i / 64;
	assert_true(listener_notes(listener, &piece, MELODY, wanted));
	for (size_t i = 0; i < piece.count / 2; i++) {
		struct piece_note swap = piece.notes[i];
		piece.notes[i] = piece.notes[piece.count - 1 - i];
		piece.notes[piece.count - 1 - i] = swap;
	}
	assert_true(listener_notes(listener, &piece, MELODY, got));
	for (size_t i = 0; i < piece.count; i++)
		assert_memory_equal(got + 3 * i, wanted + 3 * (piece.count - 1 - i), 3 * sizeof *got);
	piece_free(&piece);
	listener_free(listener);
	model_free(model);
}

static void passages_by_hand(void **state)
{
	(void)state;
	struct piece piece = {.count = 130};
	assert_int_equal(listener_passages(&piece, 64), 2); /* a rest of 2 is left out */
	piece.count = 160;
	assert_int_equal(listener_passages(&piece, 64), 3);
	assert_int_equal(listener_passage_length(&piece, 64, 1), 64);
	assert_int_equal(listener_passage_length(&piece, 64, 2), 32);
	piece.count = 5;
	assert_int_equal(listener_passages(&piece, 64), 1);
	assert_int_equal(listener_passage_length(&piece, 64, 0), 5);
	piece.count = 0;
	assert_int_equal(listener_passages(&piece, 64), 0);
	/* sqrt(.8 * .2), sqrt(.2 * .8) are equal; sqrt(.9 * .4) to sqrt(.1 * .6) is .6 to .245 */
	const float even[] = {0.8f, 0.2f, 0.2f, 0.8f}, odd[] = {0.9f, 0.1f, 0.4f, 0.6f};
	struct head_spec head = {.classes = 2};
	float pooled[2];
	listener_pool(&head, even, 2, pooled);
	near(pooled, (const float[]){0.5f, 0.5f}, 2);
	listener_pool(&head, odd, 2, pooled);
	near(pooled, (const float[]){0.71010205f, 0.28989795f}, 2);
	head.piece_temperature = 0.5f; /* twice the logarithms: .36 to .06 */
	listener_pool(&head, odd, 2, pooled);
	near(pooled, (const float[]){0.85714286f, 0.14285714f}, 2);
}

static void passages_stand_alone(void **state)
{
	(void)state;
	struct model *model = tiny_model(2, ORDER_ARRIVAL);
	struct listener *listener = listener_new(model, 64, 100);
	struct piece piece = random_piece(6, 300), part = piece;
	assert_non_null(listener);
	assert_true(listener_passage(listener, &piece, STYLE, 100, 80, got));
	part.notes = piece.notes + 100;
	part.count = 80;
	assert_true(listener_passage(listener, &part, STYLE, 0, 80, wanted));
	assert_memory_equal(got, wanted, 8 * sizeof *got);
	assert_false(listener_passage(listener, &piece, STYLE, 250, 80, got)); /* past the end */
	assert_false(listener_passage(listener, &piece, STYLE, 0, 101, got));
	piece_free(&piece);
	listener_free(listener);
	model_free(model);
}

static void velocity_judgements_by_hand(void **state)
{
	(void)state;
	struct model_shape shape = tiny_shape(2, 2);
	struct task task;
	struct error error;
	float probability[32] = {0};
	const struct piece_note note = {.velocity = 70};
	assert_int_equal(task_of_head(&shape.head[VELOCITY], &task, &error), STATUS_OK);
	assert_int_equal(task.classes, DYNAMICS);
	assert_string_equal(task.label[DYNAMIC_FF], "ff");
	/* The likeliest id is 25 (102, ff), the likeliest dynamic mf: ids 16 and 17 (66, 70) together. */
	probability[16] = probability[17] = 0.3f;
	probability[25] = 0.4f;
	struct judgement judgement = evaluate_note(&task, &shape.head[VELOCITY], probability, &(struct piece){0}, &note);
	assert_int_equal(judgement.truth, DYNAMIC_MF);
	assert_int_equal(judgement.predicted, DYNAMIC_MF);
	assert_true(fabsf(judgement.confidence - 0.6f) < 1e-5f);
	assert_true(fabsf(judgement.miss - (0.3f * 66 + 0.3f * 70 + 0.4f * 102 - 70)) < 1e-3f);
}

static void figures_do_not_depend_on_threads(void **state)
{
	(void)state;
	struct model *model = tiny_model(2, ORDER_ARRIVAL);
	struct piece pieces[5];
	struct dataset dataset = {.pieces = pieces, .count = 5};
	struct evaluation one, two;
	struct error error;
	char label[] = "cyd", unknown[] = "nobody";
	size_t labelled = 0;
	for (size_t i = 0; i < 5; i++) {
		pieces[i] = random_piece(10 + i, 70 * (i + 1));
		pieces[i].label = i == 0 ? unknown : label;
		pieces[i].set = (int)(i % 2);
		for (size_t k = 0; k < pieces[i].count; k++)
			labelled += pieces[i].notes[k].melody != MELODY_NONE;
	}
	const struct evaluate_options single = {.threads = 1, .set = EVALUATE_ALL_SETS},
				      several = {.threads = 3, .set = EVALUATE_ALL_SETS}, odd = {.set = 1};
	assert_int_equal(evaluate_note_task(model, MELODY, &dataset, &single, &one, &error), STATUS_OK);
	assert_int_equal(evaluate_note_task(model, MELODY, &dataset, &several, &two, &error), STATUS_OK);
	assert_memory_equal(&one, &two, sizeof one);
	assert_int_equal(one.metrics.count, labelled);
	assert_int_equal(one.files, 5);
	assert_int_equal(evaluate_sequence_task(model, STYLE, &dataset, &single, &one, &error), STATUS_OK);
	assert_int_equal(evaluate_sequence_task(model, STYLE, &dataset, &several, &two, &error), STATUS_OK);
	assert_memory_equal(&one, &two, sizeof one);
	assert_int_equal(one.files, 4);
	assert_int_equal(one.skipped, 1);
	assert_int_equal(one.metrics.count, 4);
	assert_int_equal(one.passages.count, 2 + 3 + 4 + 5); /* 140 210 280 350 notes by 64: a rest counts from 32 on */
	assert_int_equal(evaluate_sequence_task(model, STYLE, &dataset, &odd, &one, &error), STATUS_OK);
	assert_int_equal(one.files, 2);
	assert_int_equal(evaluate_note_task(model, STYLE, &dataset, &odd, &one, &error), STATUS_UNSUPPORTED);
	const struct evaluate_options wide = {.window = 65, .set = EVALUATE_ALL_SETS};
	assert_int_equal(evaluate_note_task(model, MELODY, &dataset, &wide, &one, &error), STATUS_USAGE);
	dataset.count = 1;
	assert_int_equal(evaluate_sequence_task(model, STYLE, &dataset, &single, &one, &error), STATUS_NOT_FOUND);
	for (size_t i = 0; i < 5; i++) {
		pieces[i].label = NULL;
		piece_free(&pieces[i]);
	}
	model_free(model);
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
	    cmocka_unit_test(chunks_equal_one_pass),
	    cmocka_unit_test(files_look_further_ahead),
	    cmocka_unit_test(unlimited_windows_overlap),
	    cmocka_unit_test(hidden_velocities_are_hidden),
	    cmocka_unit_test(sorts_for_models_that_want_it),
	    cmocka_unit_test(passages_by_hand),
	    cmocka_unit_test(passages_stand_alone),
	    cmocka_unit_test(velocity_judgements_by_hand),
	    cmocka_unit_test(figures_do_not_depend_on_threads),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}
