/* What teachers say of a piece: the mean of what each would answer, the same for any number of threads; and that a training
 * sequence, however its notes were mixed up, has each note's own answer beside its label. */
#define _GNU_SOURCE
#include "train/teacher.h"

#include "base/random.h"
#include "tests/support/tiny_model.h"
#include "train/listener.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 3
#define NOTES 200
#define ROWS 48
#define MODELS 2
#define MELODY 0
#define HIDDEN 1
#define CAUSAL 3
#define STEP (0.51f / 255) /* half a step of what is kept, and rounding */

static struct model_shape shape;
static struct model *models[MODELS];
static struct piece pieces[PIECES];
static struct dataset data = {.pieces = pieces, .count = PIECES, .notes = PIECES * NOTES};
static const struct corpus corpora[2] = {{.path = "all", .head = {true, true, true, true}},
					 {.path = "loudness alone", .head = {false, true, false, true}}};

static struct model *make_model(const struct model_shape *of, uint64_t seed)
{
	char path[] = "/tmp/teacher.XXXXXX";
	struct model *model = NULL;
	struct error error;
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	assert_int_equal(tiny_model_write(of, seed, path, &error), STATUS_OK);
	assert_int_equal(model_load(path, &model, &error), STATUS_OK);
	unlink(path);
	return model;
}

static int set_up(void **state)
{
	(void)state;
	struct random random = {5, 0};
	shape = tiny_shape(3, 2);
	for (int m = 0; m < MODELS; m++)
		models[m] = make_model(&shape, 7 + (uint64_t)m);
	for (int p = 0; p < PIECES; p++) {
		pieces[p] = (struct piece){.path = "made-up",
					   .label = "ada",
					   .count = NOTES,
					   .set = p == PIECES - 1 ? 1 : 0,
					   .notes = calloc(NOTES, sizeof *pieces[p].notes)};
		assert_non_null(pieces[p].notes);
		for (int i = 0; i < NOTES; i++)
			pieces[p].notes[i] = (struct piece_note){
			    .place = {i / 8, (uint8_t)(i % 8 * 8), 9, 35},
			    .onset_us = i * 30000,
			    .end_us = i * 30000 + random_integer(&random, 10000, 200000),
			    .position = 8 * i,
			    .duration_positions = (int32_t)random_integer(&random, 0, 64),
			    .pitch = (uint8_t)random_integer(&random, 30, 90),
			    .velocity = (uint8_t)random_integer(&random, 1, 127),
			    .melody = (int8_t)random_integer(&random, 0, 2),
			};
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int p = 0; p < PIECES; p++)
		free(pieces[p].notes);
	for (int m = 0; m < MODELS; m++)
		model_free(models[m]);
	return 0;
}

static struct teacher *new_teacher(int count, int threads)
{
	struct teacher *teacher = NULL;
	struct error error;
	assert_int_equal(teacher_new(&shape, &data, corpora, models, count, threads, NULL, NULL, &teacher, &error),
			 STATUS_OK);
	return teacher;
}

static void answers_are_the_mean(void **state)
{
	(void)state;
	struct teacher *teacher = new_teacher(MODELS, 2);
	float each[MODELS][NOTES * TOKEN_VELOCITIES], said[TOKEN_VELOCITIES];
	double moved = 0;
	for (int head = MELODY; head <= HIDDEN; head++) {
		int classes = shape.head[head].classes;
		for (int m = 0; m < MODELS; m++) {
			struct listener *listener = listener_new(models[m], shape.span, shape.span);
			assert_true(listener_notes(listener, &pieces[1], head, each[m]));
			listener_free(listener);
		}
		assert_true(teacher_knows(teacher, 1, head));
		for (int i = 0; i < NOTES; i++) {
			double sum = 0;
			teacher_answer(teacher, 1, head, (size_t)i, said);
			for (int c = 0; c < classes; c++) {
				float mean = (each[0][i * classes + c] + each[1][i * classes + c]) / 2;
				sum += (double)said[c];
				moved += fabs((double)(each[0][i * classes + c] - mean));
				/* what was rounded is scaled so that it sums to one again */
				assert_true(fabs((double)(said[c] - mean)) < (double)STEP * (1 + classes * (double)mean));
			}
			assert_true(fabs(sum - 1) < 1e-5);
		}
	}
	assert_true(moved > 1); /* the two models do not say the same */
	teacher_free(teacher);
}

static void only_what_is_asked_is_taught(void **state)
{
	(void)state;
	struct teacher *teacher = new_teacher(1, 1);
	assert_true(teacher_knows(teacher, 0, MELODY));
	assert_false(teacher_knows(teacher, PIECES - 1, MELODY)); /* its manifest does not teach it */
	assert_true(teacher_knows(teacher, PIECES - 1, HIDDEN));
	assert_false(teacher_knows(teacher, 0, 2)); /* a head for pieces */
	assert_false(teacher_knows(teacher, 0, CAUSAL));
	teacher_free(teacher);
}

static void threads_do_not_matter(void **state)
{
	(void)state;
	struct teacher *one = new_teacher(MODELS, 1), *two = new_teacher(MODELS, 3);
	float a[TOKEN_VELOCITIES], b[TOKEN_VELOCITIES];
	for (size_t p = 0; p < PIECES; p++)
		for (size_t i = 0; i < NOTES; i++) {
			teacher_answer(one, p, HIDDEN, i, a);
			teacher_answer(two, p, HIDDEN, i, b);
			assert_memory_equal(a, b, sizeof a);
		}
	teacher_free(one);
	teacher_free(two);
}

static void refusals(void **state)
{
	(void)state;
	struct model_shape others = shape, none = shape;
	struct teacher *teacher = NULL;
	struct error error = {0};
	snprintf(others.head[MELODY].label[0], LABEL_NAME_MAX, "tune");
	snprintf(none.head[MELODY].name, HEAD_NAME_MAX, "hand");
	snprintf(none.head[HIDDEN].name, HEAD_NAME_MAX, "style_x");
	none.head[HIDDEN].level = HEAD_SEQUENCE;
	none.head[HIDDEN].setting = SETTING_PLAYED;
	struct model *wrong[2] = {make_model(&others, 3), make_model(&none, 3)};
	static const char *const said[2] = {"cannot teach head melody", "teaches nothing"};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(teacher_new(&shape, &data, corpora, &wrong[i], 1, 1, NULL, NULL, &teacher, &error),
				 STATUS_BAD_DATA);
		assert_null(teacher);
		assert_non_null(strstr(error.text, said[i]));
		model_free(wrong[i]);
	}
	assert_false(teacher_knows(teacher = new_teacher(1, 1), 0, CAUSAL));
	teacher_free(teacher);
}

/* Notes left out, doubled, out of order and of other voices keep what is said of them. */
static void sequences_carry_each_notes_answer(void **state)
{
	(void)state;
	struct teacher *teacher = new_teacher(MODELS, 2);
	struct sampler_options options = {.seed = 9,
					  .rows = ROWS,
					  .batch = 1,
					  .mix = {1, 1, 0, 1},
					  .weight = {1, 1, 1, 1},
					  .mask = 0.1f,
					  .live = 0.5f,
					  .disorder = 1,
					  .transpose = 3,
					  .voices = 0.5f,
					  .missing = 0.1f,
					  .doubled = 0.1f,
					  .teacher = teacher,
					  .taught = 0.25f};
	struct sampler *sampler;
	struct sample sample;
	int taught = 0, shuffled = 0;
	assert_int_equal(sampler_new(&shape, &data, corpora, 2, &options, &sampler, NULL), STATUS_OK);
	assert_true(sample_new(&sample, ROWS));
	for (uint64_t step = 0; step < 60; step++) {
		sampler_draw(sampler, step, 0, &sample);
		const struct sequence *s = &sample.sequence;
		assert_null(s->note_target[CAUSAL]);
		assert_true(s->taught == options.taught);
		for (int head = MELODY; head <= HIDDEN; head++) {
			assert_int_equal(s->note_target[head] != NULL, s->note_label[head] != NULL);
			for (int i = 0; s->note_target[head] && i < s->length; i++) {
				float said[TOKEN_VELOCITIES];
				int classes = shape.head[head].classes;
				/* copies keep the pitch of their note, but where a voice moved by an octave */
				const struct piece_note *note =
				    &pieces[sample.piece].notes[sample.first + (size_t)sample.order[i]];
				assert_int_equal((note->pitch - sample.notes[i].pitch) % 12, 0);
				teacher_answer(teacher, sample.piece, head, sample.first + (size_t)sample.order[i], said);
				assert_memory_equal(said, s->note_target[head] + i * classes,
						    (size_t)classes * sizeof *said);
				shuffled += sample.order[i] != i;
				taught++;
			}
		}
	}
	assert_true(taught > 500 && shuffled > 100);
	sample_free(&sample);
	sampler_free(sampler);
	teacher_free(teacher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_are_the_mean),
	    cmocka_unit_test(only_what_is_asked_is_taught),
	    cmocka_unit_test(threads_do_not_matter),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(sequences_carry_each_notes_answer),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
