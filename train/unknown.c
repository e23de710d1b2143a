/* Odd inputs against familiar ones, see unknown.h. Offline, one thread. What is sent is judged, and the strangeness behind
 * it. */
#include "train/unknown.h"

#include "base/random.h"
#include "engine/label.h"
#include "engine/replay.h"
#include "model/familiar.h"
#include "train/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 2 /* passages that a piece gives */
#define NOTES_MAX 256
#define SORTS (ODDITIES + 2) /* familiar, other, odd ones */
enum { SORT_FAMILIAR, SORT_OTHER, SORT_ODD };
static const enum prediction_kind kinds[UNKNOWN_HEADS] = {PREDICT_MELODY, PREDICT_STYLE, PREDICT_EMOTION};

/* Of one head and one sort. */
struct sample {
	float *strangeness, *doubt; /* of each passage */
	size_t count, room;
	double unknown, asked, confidence;
};

struct session {
	const struct model *model;
	const struct unknown_options *options;
	struct engine *engine;
	struct grid *grid;
	struct prediction verdict[UNKNOWN_HEADS]; /* the newest of style and emotion */
	bool given[UNKNOWN_HEADS];
	int32_t first_id;
	struct sample sample[UNKNOWN_HEADS][SORTS];
};

static void take(void *context, const struct prediction *prediction)
{
	struct session *session = context;
	for (int i = 1; i < UNKNOWN_HEADS; i++)
		if (prediction->kind == kinds[i]) {
			session->verdict[i] = *prediction;
			session->given[i] = true;
		}
}

static int by_arrival(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	if (a->arrival_us != b->arrival_us)
		return a->arrival_us < b->arrival_us ? -1 : 1;
	if (a->kind != b->kind) /* a key is released before it is struck again */
		return a->kind == EVENT_NOTE_OFF ? -1 : 1;
	return (a->note_id > b->note_id) - (a->note_id < b->note_id);
}

/* Plays a passage to its last note-on. */
static void play(struct session *session, const struct piece_note *notes, int count)
{
	struct event events[2 * NOTES_MAX] = {0};
	struct replay replay;
	int64_t start_us = notes[0].onset_us, last_us = notes[count - 1].onset_us;
	int made = 0;
	for (int i = 0; i < count; i++) {
		const struct piece_note *note = &notes[i];
		struct event on = {.event_us = note->onset_us - start_us,
				   .arrival_us = note->onset_us - start_us,
				   .position = -1,
				   .note_id = session->first_id + i,
				   .kind = EVENT_NOTE_ON,
				   .pitch = note->pitch,
				   .velocity = note->velocity};
		events[made++] = on;
		if (note->end_us > last_us)
			continue;
		events[made] = on;
		events[made].event_us = events[made].arrival_us = note->end_us - start_us;
		events[made].duration_us = note->end_us - note->onset_us;
		/* at the earliest in the same instant, after its own beginning */
		events[made].arrival_us += note->end_us == note->onset_us;
		events[made++].kind = EVENT_NOTE_OFF;
	}
	qsort(events, (size_t)made, sizeof *events, by_arrival);
	memset(session->given, 0, sizeof session->given);
	replay_start(&replay, session->engine);
	for (int i = 0; i < made; i++)
		replay_accept(&replay, &events[i]);
	replay_finish(&replay);
}

static bool add(struct sample *sample, float strangeness, float confidence, double unknown, double asked)
{
	if (sample->count == sample->room) {
		size_t room = sample->room ? 2 * sample->room : 128;
		float *a = realloc(sample->strangeness, room * sizeof *a), *b = NULL;
		if (a)
			sample->strangeness = a;
		if (a && (b = realloc(sample->doubt, room * sizeof *b)))
			sample->doubt = b;
		if (!a || !b)
			return false;
		sample->room = room;
	}
	sample->strangeness[sample->count] = strangeness;
	sample->doubt[sample->count++] = 1 - confidence;
	sample->unknown += unknown;
	sample->asked += asked;
	sample->confidence += (double)confidence;
	return true;
}

static bool note_melody(struct session *session, struct sample *sample, int count)
{
	double confidence = 0, unknown = 0;
	struct answer answer;
	for (int i = 0; i < count; i++) {
		if (!engine_answer(session->engine, PREDICT_MELODY, session->first_id + i, &answer))
			continue;
		confidence += (double)answer.certainty;
		unknown += answer.label == CLASS_UNKNOWN;
	}
	return add(sample, engine_strangeness(session->engine, PREDICT_MELODY), (float)(confidence / count), unknown, count);
}

/* Plays a passage and notes what every head made of it. sort[i]: as what it counts for head i, or -1. */
static bool measure(struct session *session, const struct piece_note *notes, int count, const int *sort,
		    const struct unknown_report *report)
{
	bool good = true;
	play(session, notes, count);
	for (int i = 0; i < report->heads && good; i++) {
		enum prediction_kind kind = report->head[i].kind;
		int slot = kind == PREDICT_MELODY ? 0 : kind == PREDICT_STYLE ? 1 : 2;
		struct sample *sample = &session->sample[i][sort[i]];
		if (kind == PREDICT_MELODY)
			good = note_melody(session, sample, count);
		else if (session->given[slot])
			good = add(sample, engine_strangeness(session->engine, kind), session->verdict[slot].confidence,
				   session->verdict[slot].label == CLASS_UNKNOWN, 1);
	}
	engine_reset(session->engine, 0);
	session->first_id += count;
	return good;
}

/* ---- figures ---- */

static int ascending(const void *left, const void *right)
{
	float a = *(const float *)left, b = *(const float *)right;
	return a < b ? -1 : a > b;
}

double unknown_auroc(float *usual, size_t usual_count, float *odd, size_t odd_count)
{
	double sum = 0;
	size_t below = 0, up_to = 0;
	qsort(usual, usual_count, sizeof *usual, ascending);
	qsort(odd, odd_count, sizeof *odd, ascending);
	for (size_t i = 0; i < odd_count; i++) {
		while (below < usual_count && usual[below] < odd[i])
			below++;
		up_to = up_to > below ? up_to : below;
		while (up_to < usual_count && usual[up_to] <= odd[i])
			up_to++;
		sum += (double)(below + up_to) / 2;
	}
	return usual_count && odd_count ? sum / ((double)usual_count * (double)odd_count) : (double)NAN;
}

static struct unknown_figures figures_of(struct sample *sample, struct sample *familiar)
{
	struct unknown_figures figures = {.passages = sample->count};
	if (sample->count == 0)
		return figures;
	figures.unknown = sample->unknown / sample->asked;
	figures.confidence = sample->confidence / (double)sample->count;
	figures.auroc = unknown_auroc(familiar->strangeness, familiar->count, sample->strangeness, sample->count);
	figures.auroc_confidence = unknown_auroc(familiar->doubt, familiar->count, sample->doubt, sample->count);
	return figures;
}

/* ---- the whole ---- */

static enum status find_heads(const struct session *session, struct unknown_report *report, struct error *error)
{
	const struct model_shape *shape = model_shape(session->model);
	for (int i = 0; i < UNKNOWN_HEADS; i++) {
		int head = engine_head(session->engine, kinds[i]);
		if (head >= 0 && shape_knows_familiar(&shape->head[head]))
			report->head[report->heads++] = (struct unknown_head){.kind = kinds[i], .head = head};
	}
	if (report->heads > 0)
		return STATUS_OK;
	return status_fail(error, STATUS_UNSUPPORTED, "%s: no head knows what is familiar; midibert temper teaches it",
			   model_path(session->model));
}

static enum status measure_pieces(struct session *session, const struct dataset *dataset,
				  const struct unknown_report *report, struct error *error)
{
	const struct model_shape *shape = model_shape(session->model);
	struct task task[UNKNOWN_HEADS];
	enum status status = STATUS_OK;
	for (int i = 0; i < report->heads && status == STATUS_OK; i++)
		status = task_of_head(&shape->head[report->head[i].head], &task[i], error);
	for (size_t p = 0; p < dataset->count && status == STATUS_OK; p++) {
		const struct piece *piece = &dataset->pieces[p];
		int sort[UNKNOWN_HEADS], count = session->options->notes;
		if (piece->count < (size_t)count)
			continue;
		for (int i = 0; i < report->heads; i++)
			sort[i] = task_has_truth(&task[i], piece) ? SORT_FAMILIAR : SORT_OTHER;
		size_t spare = piece->count - (size_t)count;
		for (size_t k = 0; k < PLACES && status == STATUS_OK; k++)
			if (!measure(session, piece->notes + spare * (2 * k + 1) / (2 * PLACES), count, sort, report))
				status = status_fail(error, STATUS_NO_MEMORY, "no memory to measure");
	}
	return status;
}

static enum status measure_oddities(struct session *session, const struct unknown_report *report, struct error *error)
{
	struct piece_note notes[NOTES_MAX];
	for (int kind = 0; kind < ODDITIES; kind++)
		for (int n = 0; n < session->options->each; n++) {
			int sort[UNKNOWN_HEADS] = {SORT_ODD + kind, SORT_ODD + kind, SORT_ODD + kind};
			oddity_make((enum oddity)kind, random_hash(session->options->seed, (uint64_t)n),
				    session->options->notes, notes);
			if (!measure(session, notes, session->options->notes, sort, report))
				return status_fail(error, STATUS_NO_MEMORY, "no memory to measure");
		}
	return STATUS_OK;
}

enum status unknown_measure(const struct model *model, const struct dataset *dataset, const struct unknown_options *options,
			    struct unknown_report *report, struct error *error)
{
	struct session *session = calloc(1, sizeof *session);
	struct engine_sink sink = {.emit = take, .context = session};
	enum status status = STATUS_OK;
	memset(report, 0, sizeof *report);
	if (!session)
		return status_fail(error, STATUS_NO_MEMORY, "no memory to measure");
	*session = (struct session){.model = model, .options = options, .first_id = 1, .grid = grid_new_fixed(120)};
	if (options->notes < FAMILIAR_NOTES_MIN || options->notes > NOTES_MAX || options->each < 1)
		status = status_fail(error, STATUS_USAGE, "passages of %d notes: give %d to %d", options->notes,
				     FAMILIAR_NOTES_MIN, NOTES_MAX);
	else if (!session->grid)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to measure");
	else
		status = engine_new(model, session->grid, &options->engine, &sink, &session->engine, error);
	if (status == STATUS_OK)
		status = find_heads(session, report, error);
	if (status == STATUS_OK) {
		engine_want(session->engine, 1u << PREDICT_MELODY | 1u << PREDICT_STYLE | 1u << PREDICT_EMOTION);
		status = measure_pieces(session, dataset, report, error);
	}
	if (status == STATUS_OK)
		status = measure_oddities(session, report, error);
	for (int i = 0; i < report->heads && status == STATUS_OK; i++) {
		struct unknown_head *head = &report->head[i];
		struct sample *sample = session->sample[i];
		if (sample[SORT_FAMILIAR].count + sample[SORT_OTHER].count == 0)
			status = status_fail(error, STATUS_NOT_FOUND, "no piece has %d notes to listen to", options->notes);
		head->familiar = figures_of(&sample[SORT_FAMILIAR], &sample[SORT_FAMILIAR]);
		head->other = figures_of(&sample[SORT_OTHER], &sample[SORT_FAMILIAR]);
		for (int k = 0; k < ODDITIES; k++)
			head->odd[k] = figures_of(&sample[SORT_ODD + k], &sample[SORT_FAMILIAR]);
	}
	for (int i = 0; i < UNKNOWN_HEADS; i++)
		for (int s = 0; s < SORTS; s++) {
			free(session->sample[i][s].strangeness);
			free(session->sample[i][s].doubt);
		}
	engine_free(session->engine);
	grid_free(session->grid);
	free(session);
	return status;
}
