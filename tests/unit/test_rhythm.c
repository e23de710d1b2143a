/* The rhythm network: the stream's step and training's are the same, gradients are true, training learns, files are checked;
 * and what training and evaluation are made of: annotated beats, F1. */
#define _DEFAULT_SOURCE
#include "engine/rhythm_file.h"
#include "train/evaluate_beat.h"
#include "train/rhythm_train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define UNITS 5
#define NOTES 240

static struct parameter table[RHYTHM_TENSORS];
static size_t elements;

/* A piece made of beats of 0.5 s, each a loud low note and three soft high ones; every third beat begins a bar. */
static struct rhythm_piece make_piece(void)
{
	struct rhythm_piece piece = {0};

	piece.timeline.events = calloc(2 * NOTES + 1, sizeof *piece.timeline.events);
	piece.beats.marks = calloc(NOTES / 4, sizeof *piece.beats.marks);
	assert_non_null(piece.timeline.events);
	assert_non_null(piece.beats.marks);
	for (int i = 0; i < NOTES; i++) {
		struct event event = {.event_us = 1000000 + i * 125000 + (i % 7) * 900,
				      .note_id = i + 1,
				      .kind = EVENT_NOTE_ON,
				      .pitch = (uint8_t)(i % 4 == 0 ? (i % 12 == 0 ? 36 : 48) : 70 + i % 5),
				      .velocity = (uint8_t)(i % 4 == 0 ? 90 + i % 20 : 40 + i % 9)};
		piece.timeline.events[piece.timeline.count++] = event;
		event.kind = EVENT_NOTE_OFF;
		event.event_us += 100000;
		piece.timeline.events[piece.timeline.count++] = event;
		if (i % 4 == 0)
			piece.beats.marks[piece.beats.count++] =
			    (struct beat_mark){(double)piece.timeline.events[2 * i].event_us / 1e6, i % 12 == 0};
	}
	piece.timeline.notes = NOTES;
	return piece;
}

static void free_piece(struct rhythm_piece *piece)
{
	timeline_free(&piece->timeline);
	beat_marks_free(&piece->beats);
}

static float *make_values(uint64_t key)
{
	struct random random = {.key = key, .index = 0};
	float *values;

	elements = rhythm_layout(UNITS, table);
	values = malloc(elements * sizeof *values);
	assert_non_null(values);
	for (size_t i = 0; i < elements; i++)
		values[i] = (float)(0.5 * random_normal(&random));
	return values;
}

static double cost(float probability)
{
	return -log((double)probability + 1e-9);
}

/* The loss that the stream's own step gives, onset by onset. */
static void test_stream_and_training_agree(void **state)
{
	struct rhythm_piece piece = make_piece();
	struct rhythm_lesson lesson;
	struct error error;
	float *values = make_values(1), *gradient = malloc(elements * sizeof *gradient), hidden[UNITS] = {0};
	struct rhythm *rhythm = rhythm_new(UNITS, values);
	double trained, streamed = 0;
	size_t known = 0;
	const int rows = 100;

	(void)state;
	assert_non_null(rhythm);
	assert_true(rhythm_lesson_new(&piece, NULL, NULL, &lesson));
	assert_int_equal(lesson.count, NOTES);
	assert_int_equal(rhythm_train_gradient(&piece, UNITS, rows, values, gradient, &trained, &error), STATUS_OK);
	for (int i = 0; i < rows; i++) {
		const struct rhythm_truth *truth = &lesson.truth[i];
		struct rhythm_answer answer;
		float place = truth->phase * RHYTHM_PHASES, part = place - floorf(place);
		int lower = ((int)floorf(place) + RHYTHM_PHASES) % RHYTHM_PHASES;

		rhythm_step(rhythm_network(rhythm), lesson.input[i], hidden, &answer);
		if (truth->kind == TRUTH_UNKNOWN)
			continue;
		known++;
		streamed += (1 - (double)part) * cost(answer.phase[lower]) +
			    (double)part * cost(answer.phase[(lower + 1) % RHYTHM_PHASES]) +
			    0.3 * cost(answer.period[truth->period]);
		if (truth->kind != TRUTH_BETWEEN)
			streamed += cost(truth->kind == TRUTH_DOWNBEAT ? answer.downbeat : 1 - answer.downbeat);
	}
	assert_true(fabs(streamed / (double)known - trained) < 1e-4);
	assert_int_equal(lesson.truth[0].kind, TRUTH_DOWNBEAT);
	assert_int_equal(lesson.truth[4].kind, TRUTH_BEAT);
	assert_int_equal(lesson.truth[6].kind, TRUTH_BETWEEN);
	assert_true(fabsf(lesson.truth[6].phase - 0.5f) < 0.01f);
	assert_int_equal(lesson.truth[6].period, rhythm_lag_of(0.5f));
	assert_int_equal(lesson.truth[NOTES - 1].kind, TRUTH_UNKNOWN); /* no beat is known after it */
	rhythm_lesson_free(&lesson);
	rhythm_free(rhythm);
	free(values);
	free(gradient);
	free_piece(&piece);
}

static void test_gradient(void **state)
{
	struct rhythm_piece piece = make_piece();
	struct error error;
	float *values = make_values(2), *gradient = malloc(elements * sizeof *gradient),
	      *other = malloc(elements * sizeof *other);
	double loss;

	(void)state;
	assert_int_equal(rhythm_train_gradient(&piece, UNITS, 24, values, gradient, &loss, &error), STATUS_OK);
	for (int t = 0; t < RHYTHM_TENSORS; t++) {
		for (int k = 0; k < 12; k++) {
			size_t i = table[t].offset + (size_t)k * 7919 % table[t].elements;
			double step = 5e-3, up, down;
			float was = values[i];

			values[i] = (float)((double)was + step);
			rhythm_train_gradient(&piece, UNITS, 24, values, other, &up, &error);
			values[i] = (float)((double)was - step);
			rhythm_train_gradient(&piece, UNITS, 24, values, other, &down, &error);
			values[i] = was;
			double slope = (up - down) / (2 * step);
			if (fabs(slope - (double)gradient[i]) > 2e-3 + 0.03 * fabs(slope))
				fail_msg("%s, number %zu: %g, by differences %g", table[t].name, i - table[t].offset,
					 (double)gradient[i], slope);
		}
	}
	free(values);
	free(gradient);
	free(other);
	free_piece(&piece);
}

static void keep_loss(void *context, const struct rhythm_train_progress *progress)
{
	double *loss = context;
	loss[progress->step <= 10 ? 0 : 1] = progress->phase;
}

/* A hundred steps on one piece: it learns where the beat is; twice the same; and the tracker then finds it. */
static void test_learns(void **state)
{
	struct rhythm_piece piece = make_piece();
	const struct rhythm_train_options options = {
	    .units = 16, .batch = 8, .rows = 32, .steps = 150, .report_steps = 10, .rate = 0.01, .dropout = 0.1, .seed = 4};
	size_t size = rhythm_layout(16, table);
	float *values = malloc(size * sizeof *values), *again = malloc(size * sizeof *again);
	double loss[2];
	struct error error;
	struct beat_evaluation evaluation;
	struct rhythm_pieces pieces = {.items = &piece, .count = 1};

	(void)state;
	assert_int_equal(rhythm_train(&piece, 1, &options, values, keep_loss, NULL, loss, &error), STATUS_OK);
	assert_true(loss[1] < 0.5 * loss[0]);
	assert_int_equal(rhythm_train(&piece, 1, &options, again, NULL, NULL, NULL, &error), STATUS_OK);
	assert_memory_equal(values, again, size * sizeof *values);
	struct rhythm *rhythm = rhythm_new(16, values);
	assert_int_equal(evaluate_beat(&pieces, rhythm_network(rhythm), &evaluation, &error), STATUS_OK);
	assert_true(evaluation.tracker.f1 > 0.9);
	assert_true(evaluation.tracker.f1 > evaluation.interval.f1);
	assert_int_equal(evaluation.beats, NOTES / 4);
	assert_true(evaluation.tracker.interval[0] <= evaluation.tracker.f1);
	rhythm_free(rhythm);
	free(values);
	free(again);
	free_piece(&piece);
}

static bool stop_at_once(void *context)
{
	(void)context;
	return true;
}

static void test_refuses_to_train(void **state)
{
	struct rhythm_piece piece = make_piece();
	struct rhythm_train_options options = {
	    .units = 3, .batch = 1, .rows = 4, .steps = 5, .report_steps = 1, .rate = 0.01};
	float values[3 * 3 * (RHYTHM_INPUTS + 3 + 1) + 3 + 4 * RHYTHM_OUTPUTS];
	struct error error;

	(void)state;
	assert_int_equal(rhythm_train(&piece, 1, &options, values, NULL, stop_at_once, NULL, &error), STATUS_INTERRUPTED);
	options.units = RHYTHM_UNITS_MAX + 1;
	assert_int_equal(rhythm_train(&piece, 1, &options, values, NULL, NULL, NULL, &error), STATUS_USAGE);
	free_piece(&piece);
}

static void test_file(void **state)
{
	char path[] = "/tmp/midibertd-rhythm-XXXXXX";
	float *values = make_values(3);
	struct rhythm *rhythm;
	struct error error = {0};
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	close(file);
	assert_int_equal(rhythm_write(path, UNITS, values, NULL, 0, &error), STATUS_OK);
	assert_int_equal(rhythm_load(path, &rhythm, &error), STATUS_OK);
	assert_int_equal(rhythm_network(rhythm)->units, UNITS);
	assert_int_equal(strlen(rhythm_sha256(rhythm)), 64);
	/* [3 H][I] in the file is [I][3 H] in memory; stored as bf16. */
	float wanted = values[table[RHYTHM_INPUT].offset + 7 * RHYTHM_INPUTS + 30];
	float got = rhythm_network(rhythm)->input[30 * 3 * UNITS + 7];
	assert_true(fabsf(got - wanted) <= fabsf(wanted) / 128);
	rhythm_free(rhythm);
	assert_int_equal(rhythm_load("weights/default.safetensors", &rhythm, &error), STATUS_UNSUPPORTED);
	assert_null(rhythm);
	assert_non_null(strstr(error.text, "not weights of a beat tracker"));
	assert_int_equal(rhythm_load("/nowhere", &rhythm, &error), STATUS_NOT_FOUND);
	/* A tensor of another shape. */
	struct safetensors_text text = {"format", "midibert beat 1"};
	struct safetensors_tensor tensors[RHYTHM_TENSORS];
	for (int i = 0; i < RHYTHM_TENSORS; i++)
		tensors[i] =
		    (struct safetensors_tensor){.name = table[i].name, .dimensions = 1, .shape = {UNITS}, .data = values};
	assert_int_equal(safetensors_write(path, TENSOR_F32, tensors, RHYTHM_TENSORS, &text, 1, &error), STATUS_OK);
	assert_int_equal(rhythm_load(path, &rhythm, &error), STATUS_BAD_DATA);
	assert_int_equal(safetensors_write(path, TENSOR_F32, tensors, 3, &text, 1, &error), STATUS_OK);
	assert_int_equal(rhythm_load(path, &rhythm, &error), STATUS_BAD_DATA);
	unlink(path);
	free(values);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_annotations(void **state)
{
	char folder[] = "/tmp/midibertd-beats-XXXXXX", midi[64], asap[64], pop[64];
	struct beat_marks marks;
	struct error error;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(midi, sizeof midi, "%s/a.b.mid", folder);
	snprintf(asap, sizeof asap, "%s/a.b_annotations.txt", folder);
	snprintf(pop, sizeof pop, "%s/beat_midi.txt", folder);
	assert_int_equal(beat_marks_read(midi, &marks, &error), STATUS_NOT_FOUND);
	write_text(pop, "0.5 1.0 1.0\n1.25 0.0 0.0\r\n\n2.0 1.0 0.0\n");
	assert_int_equal(beat_marks_read(midi, &marks, &error), STATUS_OK);
	assert_int_equal(marks.count, 3);
	assert_true(marks.marks[1].seconds == 1.25 && marks.marks[0].downbeat && !marks.marks[2].downbeat);
	beat_marks_free(&marks);
	write_text(asap, "1.0\t1.0\tb\n1.01\t1.01\tdb,3/4\n1.5\t1.5\tbR\n");
	assert_int_equal(beat_marks_read(midi, &marks, &error), STATUS_OK);
	assert_int_equal(marks.count, 2); /* two marks of one beat are one */
	assert_true(marks.marks[0].downbeat);
	beat_marks_free(&marks);
	write_text(asap, "1.0\t1.0\tb\nnonsense\n");
	assert_int_equal(beat_marks_read(midi, &marks, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "line 2"));
	unlink(asap);
	unlink(pop);
	rmdir(folder);
}

static void test_f1(void **state)
{
	const double truth[] = {1, 2, 3, 4}, said[] = {0.5, 0.95, 1.05, 2.069, 2.93, 3.5}, late[] = {1.071, 2.071};
	size_t matches;

	(void)state;
	assert_true(beat_f1(truth, 4, truth, 4, NULL) == 1);
	assert_true(fabs(beat_f1(said, 6, truth, 4, &matches) - 2 * 3.0 / 10) < 1e-12); /* one beat is matched once */
	assert_int_equal(matches, 3);
	assert_true(beat_f1(late, 2, truth, 4, NULL) == 0);
	assert_true(beat_f1(NULL, 0, truth, 4, NULL) == 0);
	assert_true(beat_f1(NULL, 0, NULL, 0, NULL) == 0);
}

/* However a piece is disturbed: notes and beats move together, by different tempi, and onsets that were beats are. */
static void test_rubato(void **state)
{
	const struct rhythm_rubato rubato = {.stretch = 0.5, .depth = 0.45};
	struct rhythm_piece piece = make_piece();
	int swung = 0;

	(void)state;
	for (uint64_t key = 0; key < 40; key++) {
		struct random random = {.key = key, .index = 0};
		struct rhythm_lesson lesson;
		int beats = 0, known = 0;
		uint8_t fastest = RHYTHM_PERIODS, slowest = 0;

		assert_true(rhythm_lesson_new(&piece, &rubato, &random, &lesson));
		for (size_t i = 0; i < lesson.count; i++) {
			const struct rhythm_truth *truth = &lesson.truth[i];

			assert_true(i == 0 || truth->onset_us > lesson.truth[i - 1].onset_us);
			if (truth->kind == TRUTH_UNKNOWN)
				continue;
			known++;
			beats += truth->kind >= TRUTH_BEAT;
			fastest = truth->period < fastest ? truth->period : fastest;
			slowest = truth->period > slowest ? truth->period : slowest;
		}
		assert_true(known > NOTES / 2);
		assert_in_range(100 * beats / known, 18, 40); /* each fourth note; one that comes late may look like one */
		swung += slowest - fastest >= 4;
		rhythm_lesson_free(&lesson);
	}
	assert_in_range(swung, 6, 22); /* half of them at most, and not each deep */
	free_piece(&piece);
}

/* NAME.beat.safetensors beside NAME.safetensors; without it what came with the program. */
static void test_locate(void **state)
{
	char folder[] = "/tmp/midibertd-locate-XXXXXX", model[64], wanted[64], path[4096], shipped[4096];
	struct error error;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(model, sizeof model, "%s/own.safetensors", folder);
	snprintf(wanted, sizeof wanted, "%s/own.beat.safetensors", folder);
	enum status status = rhythm_locate(NULL, shipped, sizeof shipped, &error);
	assert_int_equal(rhythm_locate(model, path, sizeof path, &error), status);
	if (status == STATUS_OK)
		assert_string_equal(path, shipped);
	write_text(wanted, "x");
	assert_int_equal(rhythm_locate(model, path, sizeof path, &error), STATUS_OK);
	assert_string_equal(path, wanted);
	assert_int_equal(rhythm_locate(model, path, 20, &error), STATUS_USAGE);
	unlink(wanted);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream_and_training_agree),
	    cmocka_unit_test(test_gradient),
	    cmocka_unit_test(test_learns),
	    cmocka_unit_test(test_refuses_to_train),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_annotations),
	    cmocka_unit_test(test_f1),
	    cmocka_unit_test(test_rubato),
	    cmocka_unit_test(test_locate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
