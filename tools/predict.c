/* midibert predict: what a model says of one MIDI file, heard whole or, with --live, as the daemon would hear it played.
 * Main thread. The labels are train/listener.c's and engine/'s; this lines them up by note and prints. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "engine/engine.h"
#include "engine/label.h"
#include "engine/replay.h"
#include "model/familiar.h"
#include "model/locate.h"
#include "stream/grid.h"
#include "stream/timeline.h"
#include "tools/argument.h"
#include "tools/emit.h"
#include "train/dataset.h"
#include "train/listener.h"

#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BPM 120
#define MOSTLY 0.5f /* share of notes unlike the training part from which it is said */

static const char *const name = "predict";

struct request {
	const char *path, *model, *grid, *backend;
	bool live, json;
	int window, decide_ms, final_after_ms;
	double bpm; /* 0: not given */
};

struct row {
	int64_t onset_us, duration_us;
	int stage; /* -1: no label yet */
	int melody;
	float confidence, expected, spread;
	uint8_t pitch, velocity;
};

struct verdict { /* style, emotion, or a task of one's own for the whole piece */
	const char *name;
	bool given;
	int head, label;
	float confidence, probability[CLASSES_MAX];
};

enum { VERDICT_STYLE, VERDICT_EMOTION, VERDICT_OWN, VERDICTS = VERDICT_OWN + HEADS_MAX };

/* A task of one's own for notes: an answer a row. */
struct own_labels {
	int head;
	struct own_label {
		int label; /* CLASS_UNKNOWN also where there is none yet */
		float confidence;
	} * of_note;
};

struct result {
	const struct request *request;
	const struct model *model;
	struct row *rows; /* row of note id is rows[id - 1] */
	size_t count;
	int melody, velocity; /* heads, or -1; of two velocity heads the causal one: it is what the player is told at once */
	enum prediction_kind expects; /* what the velocity head is published as */
	struct verdict verdict[VERDICTS];
	int verdicts; /* at least those of style and emotion */
	struct own_labels own[HEADS_MAX];
	int owns;
	float strange[HEADS_MAX]; /* of a whole file: share of notes in passages nothing like what the head was trained on */
};

static void print_help(void)
{
	printf(
	    "usage: midibert predict FILE.mid [OPTION]...\n\n"
	    "Writes one line a note: id, onset, pitch, velocity, duration, melody class (0 melody, 1 bridge,\n"
	    "2 accompaniment, -1 unknown), its confidence, expected velocity, its spread, stage, and class and confidence "
	    "of\n"
	    "every task of your own for notes; then style, emotion and your own tasks for pieces. Velocity is expected "
	    "from\n"
	    "the notes before (causal) if the weights have a head for it, else from what stands around the note "
	    "(hidden).\n\n"
	    "  --live            play the file through the engine on a virtual clock: what the daemon sends at --speed 0\n"
	    "                    (and unknown where the playing is unlike what the model was trained on)\n"
	    "  --json            one JSON object instead of a table; without --live \"unfamiliar\" is the share of notes "
	    "that\n"
	    "                    are unlike what a head was trained on (a table is followed by a warning where it is most)\n"
	    "  --model FILE      weights; default $MIDIBERT_MODEL, then weights/default.safetensors\n"
	    "  --window N        notes that a label looks back on; default: the model's span, with --live at most %d\n"
	    "  --backend NAME    auto, fp32, bf16, int8, or a name that midibert --version lists\n"
	    "  --decide MS       with --live: decide on melody at the latest so long after the onset (%d)\n"
	    "  --final-after MS  with --live: a label is final at the latest so long after the onset (%d)\n"
	    "  --grid GRID       bars and beats from the file's tempo map (file, default) or from a steady tempo (fixed)\n"
	    "  --tempo BPM       the steady tempo, 16-256 (%d); alone it asks for --grid fixed\n"
	    "  --help            this text\n",
	    ENGINE_WINDOW, ENGINE_DECIDE_MS, ENGINE_FINAL_AFTER_MS, DEFAULT_BPM);
}

/* The sequence head that is published as style or emotion: the first one of that name, or -1. */
static int find_verdict_head(const struct model_shape *shape, const char *verdict)
{
	for (int i = 0; i < shape->heads; i++)
		if (shape->head[i].level == HEAD_SEQUENCE && strncmp(shape->head[i].name, verdict, strlen(verdict)) == 0)
			return i;
	return -1;
}

/* Lists what the model answers. False: no memory. */
static bool find_heads(struct result *result)
{
	const struct model_shape *shape = model_shape(result->model);
	result->melody = shape_find_head(shape, "melody");
	result->velocity = shape_find_head(shape, "velocity_causal");
	result->expects = PREDICT_VELOCITY_CAUSAL;
	if (result->velocity < 0) {
		result->velocity = shape_find_head(shape, "velocity_hidden");
		result->expects = PREDICT_VELOCITY_HIDDEN;
	}
	result->verdict[VERDICT_STYLE] = (struct verdict){.name = "style", .head = find_verdict_head(shape, "style")};
	result->verdict[VERDICT_EMOTION] = (struct verdict){.name = "emotion", .head = find_verdict_head(shape, "emotion")};
	result->verdicts = VERDICT_OWN;
	for (int h = 0; h < shape->heads; h++) {
		const struct head_spec *spec = &shape->head[h];
		if (!shape_is_own_task(spec))
			continue;
		if (spec->level == HEAD_SEQUENCE) {
			result->verdict[result->verdicts++] = (struct verdict){.name = spec->name, .head = h};
			continue;
		}
		struct own_labels *own = &result->own[result->owns++];
		own->head = h;
		own->of_note = calloc(result->count + 1, sizeof *own->of_note);
		if (!own->of_note)
			return false;
		for (size_t i = 0; i < result->count; i++)
			own->of_note[i].label = CLASS_UNKNOWN;
	}
	return true;
}

static struct grid *make_grid(const struct request *request, const struct smf *file)
{
	if (strcmp(request->grid, "fixed") == 0)
		return grid_new_fixed(request->bpm > 0 ? request->bpm : DEFAULT_BPM);
	return grid_new_file(file, NULL);
}

/* ---- as if it were played ---- */

static void take_prediction(void *context, const struct prediction *prediction)
{
	struct result *result = context;
	struct row *row = prediction->note_id >= 1 && (size_t)prediction->note_id <= result->count
			      ? &result->rows[prediction->note_id - 1]
			      : NULL;
	if (prediction->kind == PREDICT_MELODY && row) {
		row->melody = prediction->label;
		row->confidence = prediction->confidence;
		row->stage = prediction->stage;
	} else if (prediction->kind == result->expects && row) {
		row->expected = prediction->expected;
		row->spread = prediction->spread;
		if (result->melody < 0)
			row->stage = prediction->stage;
	} else if (prediction->kind == PREDICT_STYLE || prediction->kind == PREDICT_EMOTION) {
		struct verdict *verdict =
		    &result->verdict[prediction->kind == PREDICT_STYLE ? VERDICT_STYLE : VERDICT_EMOTION];
		verdict->given = true;
		verdict->label = prediction->label;
		verdict->confidence = prediction->confidence;
		memcpy(verdict->probability, prediction->probability, sizeof verdict->probability);
	}
}

static enum status play(struct result *result, const struct timeline *timeline, struct grid *grid, struct error *error)
{
	const struct request *request = result->request;
	int span = model_shape(result->model)->span, window = span < ENGINE_WINDOW ? span : ENGINE_WINDOW;
	const struct engine_options options = {.window = request->window ? request->window : window,
					       .decide_us = (int64_t)request->decide_ms * 1000,
					       .final_after_us = (int64_t)request->final_after_ms * 1000,
					       .style_every_us = (int64_t)ENGINE_STYLE_EVERY_MS * 1000};
	const struct engine_sink sink = {take_prediction, result};
	struct engine *engine;
	struct replay replay;
	enum status status = engine_new(result->model, grid, &options, &sink, &engine, error);
	if (status != STATUS_OK)
		return status;
	replay_start(&replay, engine);
	for (size_t i = 0; i < timeline->count; i++)
		replay_accept(&replay, &timeline->events[i]);
	engine_free(engine);
	return STATUS_OK;
}

/* ---- as a whole ---- */

/* The file's notes as a piece on the grid that was asked for. */
static bool make_piece(const struct result *result, const struct timeline *timeline, struct grid *grid, struct piece *piece)
{
	piece->notes = calloc(result->count + 1, sizeof *piece->notes);
	piece->count = result->count;
	for (size_t i = 0; piece->notes && i < timeline->count; i++) {
		const struct event *event = &timeline->events[i];
		if (event->kind != EVENT_NOTE_ON && event->kind != EVENT_NOTE_OFF)
			continue;
		struct piece_note *note = &piece->notes[event->note_id - 1];
		if (event->kind == EVENT_NOTE_OFF) {
			int64_t duration = grid_position(grid, event) - note->position;
			note->duration_positions = (int32_t)(duration < INT32_MAX ? duration : INT32_MAX);
			continue;
		}
		if (event->note_id == 1)
			grid_reset(grid, event->event_us);
		note->position = grid_position(grid, event);
		note->place = grid_place(grid, note->position);
		note->pitch = event->pitch;
		note->velocity = event->velocity;
	}
	return piece->notes;
}

static bool label_notes(struct result *result, struct listener *listener, const struct piece *piece, int head,
			float *probability)
{
	const struct head_spec *spec = &model_shape(result->model)->head[head];
	if (!listener_notes(listener, piece, head, probability))
		return false;
	for (size_t i = 0; i < piece->count; i++) {
		struct row *row = &result->rows[i];
		const float *of_note = probability + i * (size_t)spec->classes;
		struct answer answer;
		if (head == result->velocity) {
			answer_of_velocities(spec, of_note, row->velocity, &answer);
			row->expected = answer.expected;
			row->spread = answer.spread;
		} else {
			answer_of_classes(spec, of_note, false, &answer);
			row->melody = answer.label;
			row->confidence = answer.confidence;
		}
		row->stage = STAGE_FINAL;
	}
	return true;
}

static bool label_own(struct result *result, struct listener *listener, const struct piece *piece, struct own_labels *own,
		      float *probability)
{
	const struct head_spec *spec = &model_shape(result->model)->head[own->head];
	if (!listener_notes(listener, piece, own->head, probability))
		return false;
	for (size_t i = 0; i < piece->count; i++) {
		struct answer answer;
		answer_of_classes(spec, probability + i * (size_t)spec->classes, false, &answer);
		own->of_note[i] = (struct own_label){answer.label, answer.confidence};
		result->rows[i].stage = STAGE_FINAL;
	}
	return true;
}

static bool judge_piece(struct result *result, struct listener *listener, const struct piece *piece, int window,
			struct verdict *verdict)
{
	const struct head_spec *spec = &model_shape(result->model)->head[verdict->head];
	size_t count = listener_passages(piece, window), classes = (size_t)spec->classes;
	float *passages = malloc((count + 1) * classes * sizeof *passages);
	struct answer answer;
	bool good = passages;
	for (size_t i = 0; good && i < count; i++)
		good = listener_passage(listener, piece, verdict->head, i * (size_t)window,
					listener_passage_length(piece, window, i), passages + i * classes);
	if (good && count > 0) {
		listener_pool(spec, passages, count, verdict->probability);
		answer_of_classes(spec, verdict->probability, false, &answer);
		verdict->given = true;
		verdict->label = answer.label;
		verdict->confidence = answer.confidence;
	}
	free(passages);
	return good;
}

static bool judges_strangeness(const struct head_spec *head)
{
	return head->setting == SETTING_PLAYED && shape_knows_familiar(head);
}

/* Passages are judged as the stream judges its newest notes; what it would call unknown is answered here, so it is said.
 * features: room for two rows of them. */
static float strange_share(const struct result *result, int head, const float *states, float *features)
{
	const struct model_shape *shape = model_shape(result->model);
	float *scratch = features + shape->width + FAMILIAR_STATISTICS;
	size_t strange = 0;
	for (size_t first = 0; first < result->count; first += FAMILIAR_NOTES) {
		struct familiar_note notes[FAMILIAR_NOTES];
		size_t left = result->count - first;
		int count = left < FAMILIAR_NOTES ? (int)left : FAMILIAR_NOTES;
		if (count < FAMILIAR_NOTES_MIN)
			break;
		for (int i = 0; i < count; i++) {
			const struct row *row = &result->rows[first + (size_t)i];
			notes[i] = (struct familiar_note){row->onset_us, row->pitch, row->velocity};
		}
		familiar_features(states + first * (size_t)shape->width, shape->width, notes, count, features);
		if (familiar_strangeness(&shape->head[head], familiar_distance(result->model, head, features, scratch),
					 count) > 1)
			strange += (size_t)count;
	}
	return (float)strange / (float)result->count;
}

static bool find_strange(struct result *result, struct listener *listener, const struct piece *piece)
{
	const struct model_shape *shape = model_shape(result->model);
	size_t size = (size_t)shape->width + FAMILIAR_STATISTICS, held = result->count * (size_t)shape->width;
	bool wanted = false;
	for (int h = 0; h < shape->heads; h++)
		wanted = wanted || judges_strangeness(&shape->head[h]);
	if (!wanted || !result->count)
		return true;
	float *states = malloc((held + 2 * size) * sizeof *states);
	bool good = states && listener_states(listener, piece, SETTING_PLAYED, states);
	for (int h = 0; good && h < shape->heads; h++)
		if (judges_strangeness(&shape->head[h]))
			result->strange[h] = strange_share(result, h, states, states + held);
	free(states);
	return good;
}

static enum status listen(struct result *result, const struct timeline *timeline, struct grid *grid, struct error *error)
{
	const struct model_shape *shape = model_shape(result->model);
	int window = result->request->window ? result->request->window : shape->span;
	struct piece piece = {0};
	if (window > shape->span)
		return status_fail(error, STATUS_USAGE, "a window of %d notes: %s allows 1 to %d", window,
				   model_path(result->model), shape->span);
	struct listener *listener = listener_new(result->model, window, window);
	float *probability = malloc((result->count + 1) * CLASSES_MAX * sizeof *probability);
	bool good = listener && probability && make_piece(result, timeline, grid, &piece);
	if (good && result->melody >= 0)
		good = label_notes(result, listener, &piece, result->melody, probability);
	if (good && result->velocity >= 0)
		good = label_notes(result, listener, &piece, result->velocity, probability);
	for (int i = 0; good && i < result->owns; i++)
		good = label_own(result, listener, &piece, &result->own[i], probability);
	for (int i = 0; good && i < result->verdicts; i++)
		if (result->verdict[i].head >= 0)
			good = judge_piece(result, listener, &piece, window, &result->verdict[i]);
	good = good && find_strange(result, listener, &piece);
	free(probability);
	listener_free(listener);
	piece_free(&piece);
	return good ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory for %zu notes", result->count);
}

/* ---- output ---- */

static int64_t to_ms(int64_t us)
{
	return us / 1000;
}

static const char *label_name(const struct result *result, int head, int label)
{
	return label < 0 ? "unknown" : model_shape(result->model)->head[head].label[label];
}

static void print_own(struct emit *json, const struct result *result, const struct own_labels *own, size_t note)
{
	const struct own_label *label = &own->of_note[note];
	emit_open(json, model_shape(result->model)->head[own->head].name, '{');
	emit_integer(json, "class", label->label);
	emit_text(json, "name", label_name(result, own->head, label->label));
	emit_real(json, "confidence", (double)label->confidence);
	emit_close(json, '}');
}

static void print_strange(struct emit *json, const struct result *result)
{
	const struct model_shape *shape = model_shape(result->model);
	emit_open(json, "unfamiliar", '{');
	for (int h = 0; h < shape->heads; h++)
		if (judges_strangeness(&shape->head[h]))
			emit_real(json, shape->head[h].name, (double)result->strange[h]);
	emit_close(json, '}');
}

static void print_json(const struct result *result)
{
	struct emit json;
	emit_start(&json, stdout);
	emit_text(&json, "file", result->request->path);
	emit_text(&json, "model", model_path(result->model));
	emit_text(&json, "model_sha256", model_sha256(result->model));
	emit_text(&json, "mode", result->request->live ? "live" : "file");
	emit_text(&json, "grid", result->request->grid);
	emit_text(&json, "velocity_setting",
		  result->velocity < 0			       ? NULL
		  : result->expects == PREDICT_VELOCITY_CAUSAL ? "causal"
							       : "hidden");
	emit_open(&json, "notes", '[');
	for (size_t i = 0; i < result->count; i++) {
		const struct row *row = &result->rows[i];
		emit_open(&json, NULL, '{');
		emit_integer(&json, "id", (long long)i + 1);
		emit_integer(&json, "onset_ms", to_ms(row->onset_us));
		emit_integer(&json, "pitch", row->pitch);
		emit_integer(&json, "velocity", row->velocity);
		emit_integer(&json, "duration_ms", to_ms(row->duration_us));
		if (result->melody >= 0) {
			emit_integer(&json, "melody", row->melody);
			emit_real(&json, "confidence", (double)row->confidence);
		}
		if (result->velocity >= 0) {
			emit_real(&json, "expected", (double)row->expected);
			emit_real(&json, "spread", (double)row->spread);
		}
		for (int k = 0; k < result->owns; k++)
			print_own(&json, result, &result->own[k], i);
		emit_integer(&json, "stage", row->stage);
		emit_close(&json, '}');
	}
	emit_close(&json, ']');
	for (int i = 0; i < result->verdicts; i++) {
		const struct verdict *verdict = &result->verdict[i];
		if (!verdict->given) {
			emit_text(&json, verdict->name, NULL);
			continue;
		}
		const struct head_spec *spec = &model_shape(result->model)->head[verdict->head];
		emit_open(&json, verdict->name, '{');
		emit_integer(&json, "class", verdict->label);
		emit_text(&json, "name", label_name(result, verdict->head, verdict->label));
		emit_real(&json, "confidence", (double)verdict->confidence);
		emit_open(&json, "labels", '[');
		for (int c = 0; c < spec->classes; c++)
			emit_text(&json, NULL, spec->label[c]);
		emit_close(&json, ']');
		emit_open(&json, "probs", '[');
		for (int c = 0; c < spec->classes; c++)
			emit_real(&json, NULL, (double)verdict->probability[c]);
		emit_close(&json, ']');
		emit_close(&json, '}');
	}
	if (!result->request->live)
		print_strange(&json, result);
	emit_finish(&json);
}

static void print_table(const struct result *result)
{
	printf("id\tonset_ms\tpitch\tvelocity\tduration_ms\tmelody\tconfidence\texpected\tspread\tstage");
	for (int k = 0; k < result->owns; k++)
		printf("\t%s\tconfidence", model_shape(result->model)->head[result->own[k].head].name);
	printf("\n");
	for (size_t i = 0; i < result->count; i++) {
		const struct row *row = &result->rows[i];
		printf("%zu\t%lld\t%d\t%d\t%lld", i + 1, (long long)to_ms(row->onset_us), row->pitch, row->velocity,
		       (long long)to_ms(row->duration_us));
		if (result->melody >= 0)
			printf("\t%d\t%.3f", row->melody, (double)row->confidence);
		else
			printf("\t-\t-");
		if (result->velocity >= 0)
			printf("\t%.1f\t%.1f", (double)row->expected, (double)row->spread);
		else
			printf("\t-\t-");
		printf("\t%d", row->stage);
		for (int k = 0; k < result->owns; k++)
			printf("\t%s\t%.3f", label_name(result, result->own[k].head, result->own[k].of_note[i].label),
			       (double)result->own[k].of_note[i].confidence);
		printf("\n");
	}
	for (int i = 0; i < result->verdicts; i++) {
		const struct verdict *verdict = &result->verdict[i];
		if (verdict->given)
			printf("%s\t%s\t%.3f\n", verdict->name, label_name(result, verdict->head, verdict->label),
			       (double)verdict->confidence);
	}
}

static void warn_strange(const struct result *result)
{
	const struct model_shape *shape = model_shape(result->model);
	for (int h = 0; h < shape->heads; h++)
		if (result->strange[h] > MOSTLY)
			fprintf(stderr,
				"midibert predict: %s: %.0f %% of the notes are nothing like what %s was trained on; --live "
				"calls that unknown\n",
				result->request->path, 100 * (double)result->strange[h], shape->head[h].name);
}

/* ---- the command ---- */

static bool make_rows(struct result *result, const struct timeline *timeline)
{
	result->count = timeline->notes;
	result->rows = calloc(timeline->notes + 1, sizeof *result->rows);
	for (size_t i = 0; result->rows && i < timeline->count; i++) {
		const struct event *event = &timeline->events[i];
		struct row *row = &result->rows[event->note_id > 0 ? event->note_id - 1 : 0];
		if (event->kind == EVENT_NOTE_ON)
			*row = (struct row){.onset_us = event->event_us,
					    .stage = -1,
					    .melody = CLASS_UNKNOWN,
					    .pitch = event->pitch,
					    .velocity = event->velocity};
		else if (event->kind == EVENT_NOTE_OFF)
			row->duration_us = event->duration_us;
	}
	return result->rows;
}

static enum status predict(const struct request *request, struct error *error)
{
	char path[PATH_MAX];
	struct model *model = NULL;
	struct smf *file = NULL;
	struct timeline timeline = {0};
	struct grid *grid = NULL;
	struct result result = {.request = request};
	enum status status = smf_read(request->path, &file, error);
	if (status == STATUS_OK)
		status = timeline_new(file, false, &timeline, error);
	if (status == STATUS_OK)
		status = locate_model(request->model, path, sizeof path, error);
	if (status == STATUS_OK)
		status = model_load(path, &model, error);
	if (status == STATUS_OK)
		status = model_use_backend(model, request->backend, error);
	if (status == STATUS_OK && (!(grid = make_grid(request, file)) || !make_rows(&result, &timeline)))
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory for %zu notes", request->path, timeline.notes);
	if (status == STATUS_OK) {
		result.model = model;
		model_use_threads(1); /* as the daemon does: the same products, the same bits */
		status = find_heads(&result) ? (request->live ? play : listen)(&result, &timeline, grid, error)
					     : status_fail(error, STATUS_NO_MEMORY, "no memory for %zu notes", result.count);
	}
	if (status == STATUS_OK)
		(request->json ? print_json : print_table)(&result);
	if (status == STATUS_OK && !request->json)
		warn_strange(&result);
	for (int i = 0; i < result.owns; i++)
		free(result.own[i].of_note);
	free(result.rows);
	grid_free(grid);
	model_free(model);
	timeline_free(&timeline);
	smf_free(file);
	return status;
}

static const struct option options[] = {{"live", no_argument, NULL, 'l'},
					{"json", no_argument, NULL, 'j'},
					{"model", required_argument, NULL, 'w'},
					{"window", required_argument, NULL, 'n'},
					{"decide", required_argument, NULL, 'd'},
					{"final-after", required_argument, NULL, 'f'},
					{"grid", required_argument, NULL, 'g'},
					{"tempo", required_argument, NULL, 't'},
					{"backend", required_argument, NULL, 'b'},
					{"help", no_argument, NULL, 'h'},
					{0}};

/* -1: help was asked for. */
static int read_options(int argc, char **argv, struct request *request)
{
	int option;
	const char *played = NULL; /* an option that only playing live knows */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		bool good = true;
		switch (option) {
		case 'l': request->live = true; break;
		case 'j': request->json = true; break;
		case 'w': request->model = optarg; break;
		case 'b': request->backend = optarg; break;
		case 'n': good = argument_integer(optarg, 1, 1000000, &request->window); break;
		case 'd':
			played = "--decide";
			good = argument_integer(optarg, 0, ENGINE_WAIT_MAX_MS, &request->decide_ms);
			break;
		case 'f':
			played = "--final-after";
			good = argument_integer(optarg, 0, ENGINE_WAIT_MAX_MS, &request->final_after_ms);
			break;
		case 'g':
			request->grid = optarg;
			good = strcmp(optarg, "file") == 0 || strcmp(optarg, "fixed") == 0;
			break;
		case 't': good = argument_real(optarg, 16, 256, &request->bpm); break;
		case 'h': return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
		if (!good)
			return tool_usage(name, "%s is no value that %s takes", optarg,
					  option == 'n'	  ? "--window"
					  : option == 'd' ? "--decide"
					  : option == 'f' ? "--final-after"
					  : option == 'g' ? "--grid"
							  : "--tempo");
	}
	if (optind + 1 != argc)
		return tool_usage(name, optind == argc ? "which file?" : "one file at a time, not %s too", argv[argc - 1]);
	if (played && !request->live)
		return tool_usage(name, "%s is about playing live: add --live", played);
	request->path = argv[optind];
	if (!request->grid)
		request->grid = request->bpm > 0 ? "fixed" : "file";
	return TOOL_DONE;
}

int tool_predict(int argc, char **argv)
{
	struct request request = {.backend = "auto", .decide_ms = ENGINE_DECIDE_MS, .final_after_ms = ENGINE_FINAL_AFTER_MS};
	struct error error;
	int status = read_options(argc, argv, &request);
	if (status < 0) {
		print_help();
		return tool_finish(name, TOOL_DONE);
	}
	if (status == TOOL_DONE) {
		status = predict(&request, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
		status = tool_finish(name, status);
	}
	return status;
}
