/* Sampling and the training loop on pieces made here: what a sequence may show, the same bits for one and two threads and
 * across an interruption, refusal of a foreign checkpoint, and that it learns. */
#define _GNU_SOURCE
#include "base/random.h"
#include "model/matrix.h"
#include "model/predictors.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 4
#define NOTES 90
#define ROWS 40

static struct model_shape shape;
static struct piece pieces[PIECES];
static struct dataset data = {.pieces = pieces, .count = PIECES, .notes = PIECES * NOTES};
static const struct corpus corpora[1] = {{.path = "made-up", .head = {true, true, true}}};

static int set_up(void **state)
{
	(void)state;
	struct random random = {21, 0};
	matrix_use_threads(1);
	shape = (struct model_shape){.layers = 2,
				     .width = 32,
				     .inner = 64,
				     .attention_heads = 2,
				     .span = 16,
				     .lookahead = 2,
				     .freeze = 3,
				     .heads = 3};
	shape.head[0] = (struct head_spec){.name = "melody", .level = HEAD_NOTE, .classes = 3, .temperature = 1};
	shape.head[1] = (struct head_spec){
	    .name = "velocity_hidden", .level = HEAD_NOTE, .setting = SETTING_HIDDEN, .classes = 32, .temperature = 1};
	shape.head[2] = (struct head_spec){
	    .name = "style_x", .level = HEAD_SEQUENCE, .classes = 2, .label = {"a", "b"}, .temperature = 1};
	for (int p = 0; p < PIECES; p++) {
		pieces[p] = (struct piece){.path = "made-up", .label = p % 2 ? "b" : "a", .count = NOTES};
		pieces[p].notes = calloc(NOTES, sizeof *pieces[p].notes);
		for (int i = 0; i < NOTES; i++) {
			struct piece_note *note = &pieces[p].notes[i];
			note->onset_us = i * 20000;
			note->end_us = note->onset_us + random_integer(&random, 1, 9) * 20000 - 10000;
			note->position = i;
			note->place =
			    (struct place){.bar = i / 64, .position = (uint8_t)(i % 64), .time_signature = 9, .tempo = 35};
			note->duration_positions = (int32_t)((note->end_us - note->onset_us) / 20000 + 1);
			note->pitch = (uint8_t)random_integer(&random, 5, 122);
			note->velocity = (uint8_t)(note->pitch >= 64 ? 100 : 40); /* a rule that both note heads can learn */
			note->melody = note->pitch >= 64 ? MELODY_MELODY : MELODY_ACCOMPANIMENT;
		}
		pieces[p].tracked = calloc(NOTES, sizeof *pieces[p].tracked);
		memcpy(pieces[p].tracked, pieces[p].notes, NOTES * sizeof *pieces[p].tracked);
		for (int i = 0; i < NOTES; i++)
			pieces[p].tracked[i].place.tempo = 20;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int p = 0; p < PIECES; p++)
		free(pieces[p].notes), free(pieces[p].tracked);
	return 0;
}

/* Of the runs to come: --stop-after, --patience, --average, --muon, --validate-steps (0: the last step alone). */
static uint64_t stop_step;
static int patience, average, validate_steps;
static double muon;
static float tracked;
static const char *beat; /* that tracked */

static struct trainer_options options_for(int threads, uint64_t steps, const char *checkpoint)
{
	return (struct trainer_options){
	    .sampler = {.seed = 5,
			.rows = ROWS,
			.batch = 6,
			.mix = {1, 1, 1},
			.weight = {1, 1, 1},
			.mask = 0.1f,
			.live = 0.5f,
			.regrid = 0.3f,
			.tracked = tracked,
			.beat = beat,
			.disorder = 0.5f,
			.transpose = 0},
	    .optimiser = {.rate = 3e-3,
			  .muon = muon,
			  .warmup = 5,
			  .steps = steps,
			  .decay = 0.01,
			  .clip = 1,
			  .beta1 = 0.9,
			  .beta2 = 0.98,
			  .epsilon = 1e-8},
	    .network = {.rows = ROWS, .precision = PRECISION_FP32, .dropout = 0.05f},
	    .shards = 2,
	    .threads = threads,
	    .checkpoint = checkpoint,
	    .checkpoint_s = 3600,
	    .validate_steps = validate_steps ? validate_steps : (int)steps,
	    .patience = patience,
	    .average = average,
	    .validate_notes = 1000,
	    .stop_after = stop_step,
	};
}

static struct sampler *sampler_for(float live, float mask, int transpose)
{
	struct sampler_options options = options_for(1, 1, "").sampler;
	struct sampler *sampler;
	options.live = live;
	options.mask = mask;
	options.transpose = transpose;
	options.regrid = options.disorder = 0;
	assert_int_equal(sampler_new(&shape, &data, corpora, 1, &options, &sampler, NULL), STATUS_OK);
	return sampler;
}

static void test_sampler_shows_what_it_may(void **state)
{
	(void)state;
	struct sampler *sampler = sampler_for(1, 0.1f, 11);
	struct sample sample;
	int hidden_sequences = 0, cuts = 0, masked_durations = 0, shown_durations = 0;
	assert_true(sample_new(&sample, ROWS));
	for (uint64_t step = 0; step < 200; step++) {
		sampler_draw(sampler, step, 0, &sample);
		const struct sequence *s = &sample.sequence;
		bool hidden = s->note_label[1] != NULL;
		hidden_sequences += hidden;
		assert_in_range(s->length, ROWS / 2, ROWS);
		for (int i = 0; i < s->length; i++) {
			const uint16_t *id = s->tokens[i].id;
			bool gone = id[ATTRIBUTE_PITCH] == token_special(ATTRIBUTE_PITCH, SPECIAL_MASK);
			assert_true(gone || id[ATTRIBUTE_PITCH] < 128);
			assert_int_equal(id[ATTRIBUTE_VELOCITY] == token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK),
					 hidden || gone);
			assert_in_range(s->limit[i], i, i + shape.lookahead);
			assert_in_range(s->limit[i], i, s->length - 1);
			assert_true(i == 0 || s->limit[i] >= s->limit[i - 1]);
			cuts += s->limit[i] == i && i < s->length - 1;
			if (gone) {
				for (int h = 0; h < 2; h++)
					assert_true(!s->note_label[h] || s->note_label[h][i] == LABEL_NONE);
				continue;
			}
			/* known only if released by the third later note, and by the last one the row's segment has */
			int by = i + shape.freeze < sample.edge[i] ? i + shape.freeze : sample.edge[i];
			bool known = by > i && sample.notes[i].end_us <= sample.notes[by].onset_us;
			assert_int_equal(id[ATTRIBUTE_DURATION] != token_special(ATTRIBUTE_DURATION, SPECIAL_MASK), known);
			masked_durations += !known;
			shown_durations += known;
			if (s->note_label[0])
				assert_int_equal(s->note_label[0][i], sample.notes[i].melody);
			if (hidden)
				assert_int_equal(s->note_label[1][i], sample.notes[i].velocity / 4);
		}
	}
	assert_in_range(hidden_sequences, 40, 100); /* a third of 200 */
	assert_true(cuts > 50 && masked_durations > 500 && shown_durations > 500);
	sample_free(&sample);
	sampler_free(sampler);
}

/* A sequence that is not as a stream knows it is a finished file: its rows look ahead as far as those do. */
static void test_sampler_lets_files_look_ahead(void **state)
{
	(void)state;
	struct sampler *sampler = sampler_for(0.5f, 0, 0);
	struct sample sample;
	int wide = 0, narrow = 0;
	shape.file_lookahead = shape.lookahead + 7;
	assert_true(sample_new(&sample, ROWS));
	for (uint64_t step = 0; step < 100; step++) {
		sampler_draw(sampler, step, 0, &sample);
		const struct sequence *s = &sample.sequence;
		bool file = s->limit[0] == shape.file_lookahead;
		wide += file;
		narrow += !file;
		for (int i = 0; file && i < s->length; i++)
			assert_int_equal(s->limit[i], i + (i + shape.file_lookahead < s->length ? shape.file_lookahead
												: s->length - 1 - i));
		for (int i = 0; !file && i < s->length; i++)
			assert_in_range(s->limit[i], i, i + shape.lookahead);
	}
	shape.file_lookahead = 0;
	assert_true(wide > 30 && narrow > 30);
	sample_free(&sample);
	sampler_free(sampler);
}

static void test_sampler_transposes_as_a_whole(void **state)
{
	(void)state;
	struct sampler *sampler = sampler_for(0.5f, 0, 3);
	struct sample sample;
	unsigned seen = 0;
	assert_true(sample_new(&sample, ROWS));
	for (uint64_t step = 0; step < 100; step++) {
		sampler_draw(sampler, step, 0, &sample);
		const struct token *tokens = sample.sequence.tokens;
		int shift = tokens[0].id[ATTRIBUTE_PITCH] - sample.notes[0].pitch;
		assert_true(shift >= -3 && shift <= 3);
		seen |= 1u << (shift + 3);
		for (int i = 1; i < sample.sequence.length; i++)
			assert_int_equal(tokens[i].id[ATTRIBUTE_PITCH], sample.notes[i].pitch + shift);
	}
	assert_int_equal(seen, 0x7f);
	sample_free(&sample);
	sampler_free(sampler);
}

static void test_sampler_repeats(void **state)
{
	(void)state;
	struct sampler *sampler = sampler_for(0.5f, 0.1f, 11);
	struct sample a, b;
	assert_true(sample_new(&a, ROWS) && sample_new(&b, ROWS));
	sampler_draw(sampler, 7, 3, &a);
	sampler_draw(sampler, 8, 3, &b);
	assert_true(a.sequence.length != b.sequence.length ||
		    memcmp(a.tokens, b.tokens, (size_t)a.sequence.length * sizeof *a.tokens) != 0);
	sampler_draw(sampler, 7, 3, &b);
	assert_int_equal(a.sequence.length, b.sequence.length);
	assert_memory_equal(a.tokens, b.tokens, (size_t)a.sequence.length * sizeof *a.tokens);
	assert_int_equal(a.sequence.key, b.sequence.key);
	sample_free(&a), sample_free(&b);
	sampler_free(sampler);
}

struct run {
	uint64_t stop_after, steps; /* stop_after 0: never */
	struct score last;
	struct validation validation;
	bool validated;
	uint64_t at, kept; /* last step reported; step of the weights handed over, 0: the last */
};

static void on_report(void *context, const struct trainer_progress *progress)
{
	struct run *run = context;
	run->last = progress->score;
	run->at = progress->step;
	if (progress->validation) {
		run->validation = *progress->validation;
		run->validated = true;
	}
}

static bool on_stop(void *context)
{
	struct run *run = context;
	return run->stop_after && run->steps++ >= run->stop_after;
}

static enum status train(int threads, uint64_t steps, uint64_t stop_after, bool resume, const char *checkpoint,
			 uint64_t seed, float **values, struct run *run)
{
	struct parameters *parameters;
	struct trainer *trainer;
	struct error error = {0};
	struct trainer_options options = options_for(threads, steps, checkpoint);
	options.sampler.seed = seed;
	*run = (struct run){.stop_after = stop_after};
	assert_int_equal(parameters_new(&shape, &parameters, NULL), STATUS_OK);
	*values = calloc(parameters->elements, sizeof **values);
	parameters_initialise(parameters, &shape, 1, *values);
	assert_int_equal(
	    trainer_new(&shape, parameters, *values, &data, corpora, 1, &data, corpora, 1, &options, &trainer, &error),
	    STATUS_OK);
	enum status status = resume ? trainer_resume(trainer, &error) : STATUS_OK;
	if (status == STATUS_OK)
		status = trainer_run(trainer, on_report, on_stop, run, &error);
	double figure;
	if (!trainer_kept(trainer, &run->kept, &figure))
		run->kept = 0;
	trainer_free(trainer);
	parameters_free(parameters);
	return status;
}

static size_t elements(void)
{
	struct parameters *parameters;
	assert_int_equal(parameters_new(&shape, &parameters, NULL), STATUS_OK);
	size_t count = parameters->elements;
	parameters_free(parameters);
	return count;
}

/* Any number of threads, stopped and resumed: the same weights to the last bit. */
static void check_same_bits(void)
{
	char path[] = "/tmp/midibertd-test-trainer-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	float *one, *two, *stopped, *resumed, *foreign;
	struct run run;
	size_t bytes = elements() * sizeof(float);
	assert_int_equal(train(1, 8, 0, false, path, 5, &one, &run), STATUS_OK);
	assert_int_equal(train(2, 8, 0, false, path, 5, &two, &run), STATUS_OK);
	assert_memory_equal(one, two, bytes);
	assert_int_equal(train(2, 8, 3, false, path, 5, &stopped, &run), STATUS_INTERRUPTED);
	assert_memory_not_equal(one, stopped, bytes);
	assert_int_equal(train(2, 8, 0, true, path, 6, &foreign, &run), STATUS_BAD_DATA);
	assert_int_equal(train(1, 8, 0, true, path, 5, &resumed, &run), STATUS_OK);
	assert_memory_equal(one, resumed, bytes);
	free(stopped), free(resumed);
	stop_step = 5; /* a planned end is no interruption, and can be gone on from as well */
	assert_int_equal(train(2, 8, 0, false, path, 5, &stopped, &run), STATUS_OK);
	assert_true(run.validated);
	stop_step = 0;
	assert_memory_not_equal(one, stopped, bytes);
	assert_int_equal(train(2, 8, 0, true, path, 5, &resumed, &run), STATUS_OK);
	assert_memory_equal(one, resumed, bytes);
	unlink(path);
	free(one), free(two), free(stopped), free(resumed), free(foreign);
}

static void test_same_bits(void **state)
{
	(void)state;
	check_same_bits();
	muon = 0.01;
	check_same_bits();
	muon = 0;
}

/* On the tracker's grid: the same bits again, and a state is gone on with by the same share and the same tracker alone. */
static void test_tracked(void **state)
{
	(void)state;
	char path[] = "/tmp/midibertd-test-trainer-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	float *without, *one, *stopped, *foreign, *resumed;
	struct run run;
	size_t bytes = elements() * sizeof(float);
	assert_int_equal(train(1, 6, 0, false, path, 5, &without, &run), STATUS_OK);
	tracked = 0.4f;
	beat = "ab12";
	assert_int_equal(train(1, 6, 0, false, path, 5, &one, &run), STATUS_OK);
	assert_memory_not_equal(one, without, bytes);
	assert_int_equal(train(2, 6, 3, false, path, 5, &stopped, &run), STATUS_INTERRUPTED);
	beat = "cd34";
	assert_int_equal(train(2, 6, 0, true, path, 5, &foreign, &run), STATUS_BAD_DATA);
	free(foreign);
	beat = "ab12";
	tracked = 0.5f;
	assert_int_equal(train(2, 6, 0, true, path, 5, &foreign, &run), STATUS_BAD_DATA);
	free(foreign);
	tracked = 0.4f;
	shape.file_lookahead = shape.lookahead + 1;
	assert_int_equal(train(2, 6, 0, true, path, 5, &foreign, &run), STATUS_BAD_DATA);
	shape.file_lookahead = 0;
	assert_int_equal(train(2, 6, 0, true, path, 5, &resumed, &run), STATUS_OK);
	assert_memory_equal(one, resumed, bytes);
	tracked = 0;
	beat = NULL;
	unlink(path);
	free(without), free(one), free(stopped), free(foreign), free(resumed);
}

static void test_patience_and_average(void **state)
{
	(void)state;
	char path[] = "/tmp/midibertd-test-trainer-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	float *last, *best, *again, *mean, *stopped;
	struct run run;
	size_t bytes = elements() * sizeof(float);
	validate_steps = 2;
	assert_int_equal(train(2, 12, 0, false, path, 5, &last, &run), STATUS_OK);
	assert_int_equal(run.kept, 0);
	patience = 100;
	assert_int_equal(train(2, 12, 0, false, path, 5, &best, &run), STATUS_OK);
	assert_in_range(run.kept, 2, 12);
	assert_int_equal(run.at, 12);
	bool best_is_last = run.kept == 12;
	assert_int_equal(memcmp(best, last, bytes) == 0, best_is_last);
	assert_int_equal(train(1, 12, 7, false, path, 5, &stopped, &run), STATUS_INTERRUPTED);
	assert_int_equal(train(1, 12, 0, true, path, 5, &again, &run), STATUS_OK);
	assert_memory_equal(best, again, bytes);
	patience = 0;
	average = 2;
	assert_int_equal(train(2, 12, 0, false, path, 5, &mean, &run), STATUS_OK);
	assert_int_equal(run.kept, 12);
	assert_memory_not_equal(mean, last, bytes);
	average = validate_steps = 0;
	unlink(path);
	free(last), free(best), free(again), free(mean), free(stopped);
}

/* A causal sequence: what its rows show, what is asked, and that a note's velocity reaches no query up to its own. */
static void test_sampler_causal(void **state)
{
	(void)state;
	struct model_shape causal = shape;
	struct sampler_options options = options_for(1, 1, "").sampler;
	struct sampler *sampler;
	struct sample a, b;
	const uint16_t masked = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
	int asked = 0;
	causal.heads = 4;
	causal.head[3] = (struct head_spec){
	    .name = "velocity_causal", .level = HEAD_NOTE, .setting = SETTING_CAUSAL, .classes = 32, .temperature = 1};
	options.mix[0] = options.mix[1] = options.mix[2] = 0;
	options.mix[3] = options.weight[3] = 1;
	struct corpus corpus = {.path = "made-up", .head = {true, true, true, true}};
	assert_int_equal(sampler_rows(&causal, &options), 2 * ROWS);
	assert_int_equal(sampler_new(&causal, &data, &corpus, 1, &options, &sampler, NULL), STATUS_OK);
	assert_true(sample_new(&a, ROWS) && sample_new(&b, ROWS));
	for (uint64_t step = 0; step < 50; step++) {
		sampler_draw(sampler, step, 0, &a);
		const struct sequence *s = &a.sequence;
		int notes = sequence_notes(s);
		assert_int_equal(s->length, 2 * notes);
		assert_true(!s->note_label[0] && !s->note_label[1] && s->sequence_label[2] == LABEL_NONE);
		for (int i = 0; i < notes; i++) {
			const uint16_t *row = s->tokens[i].id, *query = s->tokens[notes + i].id;
			float predictors[CAUSAL_PREDICTORS];
			assert_int_equal(row[ATTRIBUTE_DURATION], token_special(ATTRIBUTE_DURATION, SPECIAL_MASK));
			assert_int_equal(query[ATTRIBUTE_VELOCITY], masked);
			for (int k = 0; k < ATTRIBUTES; k++)
				assert_true(k == ATTRIBUTE_VELOCITY || row[k] == query[k]);
			predictors_compute(a.pitch, a.velocity, i, a.notes[i].pitch, predictors);
			assert_memory_equal(predictors, s->predictors + i * CAUSAL_PREDICTORS, sizeof predictors);
			if (s->note_label[3][i] == LABEL_NONE)
				continue; /* a hidden note */
			assert_int_equal(row[ATTRIBUTE_VELOCITY], a.notes[i].velocity / 4);
			assert_int_equal(s->note_label[3][i], a.notes[i].velocity / 4);
			asked++;
		}
	}
	assert_true(asked > 50 * ROWS / 2);
	for (int from = 0; from < ROWS - 1; from += 13) {
		sampler_plain(sampler, &pieces[0], 0, ROWS, 3, &a);
		for (int i = from; i < NOTES; i++)
			pieces[0].notes[i].velocity ^= 33;
		sampler_plain(sampler, &pieces[0], 0, ROWS, 3, &b);
		for (int i = from; i < NOTES; i++)
			pieces[0].notes[i].velocity ^= 33;
		assert_memory_equal(a.tokens + ROWS, b.tokens + ROWS, ROWS * sizeof *a.tokens);
		assert_memory_equal(a.tokens, b.tokens, (size_t)from * sizeof *a.tokens);
		assert_memory_equal(a.predictors, b.predictors, (size_t)(from + 1) * CAUSAL_PREDICTORS * sizeof(float));
		assert_memory_not_equal(a.predictors, b.predictors, ROWS * CAUSAL_PREDICTORS * sizeof(float));
	}
	sample_free(&a), sample_free(&b);
	sampler_free(sampler);
}

static void test_learns(void **state)
{
	(void)state;
	char path[] = "/tmp/midibertd-test-trainer-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	float *values;
	struct run run;
	assert_int_equal(train(2, 150, 0, false, path, 5, &values, &run), STATUS_OK);
	assert_true(run.validated);
	const struct score *score = &run.validation.score;
	assert_int_equal(score->asked[0], PIECES * NOTES);
	assert_int_equal(score->asked[1], PIECES * NOTES);
	for (int h = 0; h < 2; h++)
		if ((double)score->right[h] < 0.95 * (double)score->asked[h])
			fail_msg("head %s: %llu of %llu right", shape.head[h].name, (unsigned long long)score->right[h],
				 (unsigned long long)score->asked[h]);
	unlink(path);
	free(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sampler_shows_what_it_may),
	    cmocka_unit_test(test_sampler_lets_files_look_ahead),
	    cmocka_unit_test(test_sampler_transposes_as_a_whole),
	    cmocka_unit_test(test_sampler_repeats),
	    cmocka_unit_test(test_sampler_causal),
	    cmocka_unit_test(test_same_bits),
	    cmocka_unit_test(test_tracked),
	    cmocka_unit_test(test_patience_and_average),
	    cmocka_unit_test(test_learns),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
