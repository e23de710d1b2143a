/* What is familiar: a Gaussian fitted on one kind of playing, in the stream and offline the same; other playing is unknown
 * and its confidence falls; a file that promises a Gaussian has one. */
#define _GNU_SOURCE
#include "base/random.h"
#include "engine/engine.h"
#include "engine/label.h"
#include "engine/replay.h"
#include "model/matrix.h"
#include "tests/support/tiny_model.h"
#include "train/familiarity.h"
#include "train/oddity.h"
#include "train/unknown.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 60
#define NOTES 220
#define MELODY 0
#define STYLE 2

static struct piece_note notes[2][PIECES][NOTES]; /* to learn from, to choose on */
static struct piece pieces[2][PIECES];
static struct dataset parts[2];
static const bool all[1] = {true};

/* Broken chords in a major key, four to the beat, a tone of the scale above them: something to be familiar with. */
static void compose(uint64_t seed, struct piece_note *out)
{
	static const int scale[] = {0, 2, 4, 5, 7, 9, 11}, roots[] = {0, 4, 5, 3};
	struct random random = {seed, 0};
	int key = 48 + (int)random_integer(&random, 0, 11), at_ms = 0;
	int step_ms = (int)random_integer(&random, 110, 190), begin = (int)random_integer(&random, 0, 63);
	for (int i = 0; i < NOTES; i++) {
		int degree = roots[(i + begin) / 16 % 4] + (i % 4 == 3 ? (int)random_integer(&random, 7, 13) : 2 * (i % 4));
		out[i] =
		    (struct piece_note){.onset_us = (int64_t)at_ms * 1000,
					.end_us = (int64_t)(at_ms + step_ms * (i % 4 == 3 ? 3 : 1)) * 1000,
					.pitch = (uint8_t)(key + 12 * (degree / 7) + scale[degree % 7]),
					.velocity = (uint8_t)(64 + (i % 4 == 3 ? 20 : 0) + random_integer(&random, -8, 8)),
					.melody = i % 4 == 3 ? MELODY_MELODY : MELODY_ACCOMPANIMENT,
					.label = NOTE_LABEL_NONE};
		at_ms += step_ms + (int)random_integer(&random, -12, 12);
	}
}

static char path[] = "/tmp/midibertd-test-familiar-XXXXXX";
static struct model_shape shape;
static struct parameters *parameters;
static float *values;

static struct model *load(void)
{
	struct model *model;
	struct error error = {0};
	if (parameters_write(parameters, &shape, values, path, TENSOR_F32, NULL, 0, &error) != STATUS_OK ||
	    model_load(path, &model, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return model;
}

static struct model *model; /* that knows what is familiar to melody and style */

static int set_up(void **state)
{
	(void)state;
	struct error error = {0};
	static const int heads[] = {MELODY, STYLE};
	static char label[] = "ada";
	matrix_use_threads(1);
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	for (int part = 0; part < 2; part++) {
		for (int p = 0; p < PIECES; p++) {
			compose((uint64_t)(100 * part + p), notes[part][p]);
			pieces[part][p] =
			    (struct piece){.path = "made", .label = label, .notes = notes[part][p], .count = NOTES};
		}
		parts[part] = (struct dataset){.pieces = pieces[part], .count = PIECES, .notes = PIECES * NOTES};
	}
	shape = tiny_shape(2, 4);
	shape.head[MELODY].unknown_below = shape.head[STYLE].unknown_below = 0; /* it answers all that is familiar */
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < FAMILIAR_THRESHOLDS; k++)
			shape.head[heads[i]].unfamiliar[k] = 1;
	assert_int_equal(parameters_new(&shape, &parameters, &error), STATUS_OK);
	values = calloc(parameters->elements, sizeof *values);
	assert_non_null(values);
	parameters_initialise(parameters, &shape, 3, values);
	struct model *first = load();
	for (int i = 0; i < 2; i++) {
		const struct head_offsets *offsets = &parameters->head[heads[i]];
		assert_int_equal(familiarity_fit(first, heads[i], &parts[0], all, values + offsets->familiar_mean,
						 values + offsets->familiar_whiten, &error),
				 STATUS_OK);
	}
	model_free(first);
	struct model *second = load();
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    familiarity_thresholds(second, heads[i], &parts[1], all, 0.96, shape.head[heads[i]].unfamiliar, &error),
		    STATUS_OK);
	model_free(second);
	model = load();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	model_free(model);
	parameters_free(parameters);
	free(values);
	return 0;
}

/* ---- the stream and offline ---- */

static void ignore(void *context, const struct prediction *prediction)
{
	(void)context;
	(void)prediction;
}

static int by_arrival(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	if (a->arrival_us != b->arrival_us)
		return a->arrival_us < b->arrival_us ? -1 : 1;
	return a->kind == b->kind ? a->note_id - b->note_id : a->kind == EVENT_NOTE_OFF ? -1 : 1;
}

/* Strangeness to melody when the last note has just been heard. */
static float heard(const struct piece_note *played, int count)
{
	struct event events[2 * NOTES];
	struct engine_options options = {.decide_us = 80000, .final_after_us = 2000000, .style_every_us = 1000000};
	struct engine_sink sink = {.emit = ignore};
	struct grid *grid = grid_new_fixed(120);
	struct engine *engine;
	struct error error = {0};
	int made = 0;
	assert_int_equal(engine_new(model, grid, &options, &sink, &engine, &error), STATUS_OK);
	for (int i = 0; i < count; i++) {
		struct event event = {.event_us = played[i].onset_us,
				      .arrival_us = played[i].onset_us,
				      .position = -1,
				      .note_id = i + 1,
				      .kind = EVENT_NOTE_ON,
				      .pitch = played[i].pitch,
				      .velocity = played[i].velocity};
		events[made++] = event;
		event.kind = EVENT_NOTE_OFF;
		event.event_us = event.arrival_us = played[i].end_us;
		if (played[i].end_us <= played[count - 1].onset_us)
			events[made++] = event;
	}
	qsort(events, (size_t)made, sizeof *events, by_arrival);
	for (int i = 0; i < made; i++) {
		engine_accept(engine, &events[i]);
		if (engine_wants_inference(engine))
			engine_infer(engine, events[i].arrival_us);
	}
	float strangeness = engine_strangeness(engine, PREDICT_MELODY);
	engine_free(engine);
	grid_free(grid);
	return strangeness;
}

static void test_stream_agrees(void **state)
{
	(void)state;
	static const int counts[] = {16, 17, 40, 63, 64, 65, 150};
	struct familiarity *familiarity = familiarity_new(model, MELODY);
	assert_non_null(familiarity);
	assert_true(heard(notes[1][0], FAMILIAR_NOTES_MIN - 1) == 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		float offline = familiarity_strangeness(familiarity, notes[1][i], counts[i], 0);
		float stream = heard(notes[1][i], counts[i]);
		if (!(offline > 0) || fabsf(stream - offline) > 0.01f * offline)
			fail_msg("%d notes: %.5f in the stream, %.5f offline", counts[i], (double)stream, (double)offline);
	}
	familiarity_free(familiarity);
}

/* ---- odd inputs ---- */

static void test_odd_inputs_are_unknown(void **state)
{
	(void)state;
	const struct unknown_options options = {
	    .engine = {.decide_us = 80000, .final_after_us = 2000000, .style_every_us = 1000000},
	    .notes = 192,
	    .each = 6,
	    .seed = 5};
	struct unknown_report report;
	struct error error = {0};
	if (unknown_measure(model, &parts[1], &options, &report, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	assert_int_equal(report.heads, 2);
	for (int i = 0; i < report.heads; i++) {
		const struct unknown_head *head = &report.head[i];
		assert_int_equal(head->familiar.passages, 2 * PIECES);
		assert_int_equal(head->other.passages, 0);
		if (!(head->familiar.unknown < 0.15) || fabs(head->familiar.auroc - 0.5) > 1e-9)
			fail_msg("head %d: %.2f of what is familiar is unknown, AUROC %.3f against itself", i,
				 head->familiar.unknown, head->familiar.auroc);
		for (int kind = 0; kind < ODDITIES; kind++) {
			const struct unknown_figures *odd = &head->odd[kind];
			if (odd->passages != 6 || !(odd->auroc > 0.9) || !(odd->unknown > 0.6) ||
			    /* a sequence head of random numbers is hardly surer than chance of anything: nothing can fall */
			    !(odd->confidence < head->familiar.confidence + (i ? 0.05 : 0)))
				fail_msg("head %d, %s: AUROC %.3f, unknown %.2f, confidence %.2f beside %.2f", i,
					 oddity_name((enum oddity)kind), odd->auroc, odd->unknown, odd->confidence,
					 head->familiar.confidence);
		}
	}
}

static void test_doubt(void **state)
{
	(void)state;
	struct head_spec head = {.classes = 4, .unfamiliar = {8, 4, 2}};
	float probability[4] = {0.7f, 0.1f, 0.1f, 0.1f};
	struct answer answer;
	assert_true(familiar_strangeness(&head, 4, 15) == 0);
	assert_true(familiar_strangeness(&head, 4, 16) == 0.5f);
	assert_true(familiar_strangeness(&head, 4, 32) == 1);
	assert_true(familiar_strangeness(&head, 4, 64) == 2);
	assert_true(familiar_strangeness(&head, 4, 48) > 1 && familiar_strangeness(&head, 4, 48) < 2);
	familiar_doubt(&head, 1, probability);
	assert_true(probability[0] == 0.7f);
	familiar_doubt(&head, 2, probability);
	assert_true(fabsf(probability[0] - (0.25f + 0.45f / 4)) < 1e-6f);
	assert_true(fabsf(probability[0] + 3 * probability[1] - 1) < 1e-6f);
	answer_of_classes(&head, probability, true, &answer);
	assert_true(answer.label == CLASS_UNKNOWN && answer.best == 0);
	answer_of_classes(&head, probability, false, &answer);
	assert_int_equal(answer.label, 0);
}

static void test_auroc(void **state)
{
	(void)state;
	float usual[] = {3, 1, 2, 4}, odd[] = {4, 5};
	assert_true(unknown_auroc(usual, 4, odd, 2) == (3.5 + 4) / 8);
	assert_true(unknown_auroc(odd, 2, usual, 4) == 0.5 / 8);
	assert_true(isnan(unknown_auroc(usual, 0, odd, 2)));
}

/* ---- the file ---- */

static void test_file(void **state)
{
	(void)state;
	const struct head_spec *spec = &model_shape(model)->head[MELODY];
	struct error error = {0};
	struct model *broken;
	struct model_shape without = shape;
	struct parameters *fewer;
	char other[] = "/tmp/midibertd-test-familiar-XXXXXX";
	assert_true(shape_knows_familiar(spec) && !shape_knows_familiar(&model_shape(model)->head[1]));
	for (int i = 0; i < FAMILIAR_THRESHOLDS; i++)
		assert_true(fabsf(spec->unfamiliar[i] - shape.head[MELODY].unfamiliar[i]) < 1e-4f * spec->unfamiliar[i]);
	/* thresholds without their Gaussian */
	memset(without.head[MELODY].unfamiliar, 0, sizeof without.head[MELODY].unfamiliar);
	assert_int_equal(parameters_new(&without, &fewer, &error), STATUS_OK);
	float *rest = calloc(fewer->elements, sizeof *rest);
	assert_non_null(rest);
	close(mkstemp(other));
	assert_int_equal(parameters_write(fewer, &shape, rest, other, TENSOR_F32, NULL, 0, &error), STATUS_OK);
	assert_int_equal(model_load(other, &broken, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "melody.familiar.mean is missing"));
	/* a threshold that is no number */
	struct safetensors_text text = {"head.melody.unfamiliar_above", "1,2,x"};
	assert_int_equal(parameters_write(fewer, &without, rest, other, TENSOR_F32, &text, 1, &error), STATUS_OK);
	assert_int_equal(model_load(other, &broken, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "unfamiliar_above is 1,2,x"));
	unlink(other);
	free(rest);
	parameters_free(fewer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream_agrees), cmocka_unit_test(test_odd_inputs_are_unknown),
	    cmocka_unit_test(test_doubt),	  cmocka_unit_test(test_auroc),
	    cmocka_unit_test(test_file),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
