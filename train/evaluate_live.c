/* Pieces played to the engine, see evaluate_live.h. Offline. Threads take pieces in turn, each with an engine, a grid and a
 * virtual clock of its own; what a piece gives lands at its own place, and figures are computed afterwards in the order of
 * the pieces. It decides nothing about time or stages: engine/replay.c and engine/engine.c do. */
#include "train/evaluate_live.h"

#include "base/parallel.h"
#include "engine/label.h"
#include "engine/replay.h"
#include "stream/timeline.h"
#include "train/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNANSWERED (-1)
#define NEVER_US INT64_MAX

const int live_lookaheads[LIVE_LOOKAHEADS] = {0, 1, 2, 4, 8, 16, 32};

/* One note as the stream judged it. */
struct heard {
	int64_t onset_us, changed_us; /* changed: the newest change of `best`, or the first answer */
	int32_t flips;
	struct answer answer;
	bool answered, final;
	int8_t at[LIVE_LOOKAHEADS]; /* class at each look-ahead, or UNANSWERED: the piece ended before */
};

struct result {			   /* of one piece */
	struct heard *notes;	   /* note heads: by note id - 1 */
	struct judgement *answers; /* sequence heads: all that were published */
	size_t answer_count;
	bool known;				/* the last of them was sure enough */
	int64_t first_right_us, stays_right_us; /* from the first note; NEVER_US */
	struct error error;
};

struct job {
	const struct model *model;
	const struct head_spec *spec;
	const struct evaluate_live_options *options;
	enum prediction_kind kind; /* as which the head is published */
	struct task task;
	const struct piece **pieces;
	struct result *results;	    /* one a piece */
	struct parallel_items turn; /* one a piece */
};

/* What the engine's calls reach while a piece is played. */
struct hearing {
	const struct job *job;
	const struct piece *piece;
	struct result *result;
	struct engine *engine;
	struct replay replay;
	int64_t now_us; /* of the newest inference */
	int64_t start_us;
	size_t open;			/* oldest note whose label was not final at the inference before */
	size_t passed[LIVE_LOOKAHEADS]; /* notes that have had so many later ones */
};

/* ---- one piece ---- */

static void hear_answer(struct heard *note, const struct answer *answer, int64_t now_us)
{
	if (!note->answered || note->answer.best != answer->best)
		note->changed_us = now_us;
	note->flips += note->answered && note->answer.best != answer->best;
	note->answered = true;
	note->answer = *answer;
}

static void take_inference(void *context, int64_t now_us)
{
	struct hearing *hearing = context;
	struct heard *notes = hearing->result->notes;
	size_t newest = (size_t)engine_statistics(hearing->engine)->notes;
	hearing->now_us = now_us;
	if (!notes)
		return;
	for (size_t i = hearing->open; i < newest; i++) {
		struct answer answer;
		if (engine_answer(hearing->engine, hearing->job->kind, (int32_t)i + 1, &answer))
			hear_answer(&notes[i], &answer, now_us);
	}
	/* Only now: a label that this inference made final has been read above. */
	while (hearing->open < newest && notes[hearing->open].final)
		hearing->open++;
	for (int k = 0; k < LIVE_LOOKAHEADS; k++)
		while (hearing->passed[k] + (size_t)live_lookaheads[k] < newest) {
			struct heard *note = &notes[hearing->passed[k]++];
			note->at[k] = note->answered ? (int8_t)note->answer.best : UNANSWERED;
		}
}

static void take_verdict(struct hearing *hearing, const struct prediction *prediction)
{
	struct result *result = hearing->result;
	int64_t replay_us = hearing->replay.now_us;
	int64_t after_us = (hearing->now_us > replay_us ? hearing->now_us : replay_us) - hearing->start_us;
	int best = 0;
	for (int c = 1; c < prediction->classes; c++)
		if (prediction->probability[c] > prediction->probability[best])
			best = c;
	/* The engine speaks at most once for each new note. */
	struct judgement *judgement = &result->answers[result->answer_count++];
	*judgement = (struct judgement){.truth = (int8_t)task_piece_class(&hearing->job->task, hearing->piece),
					.predicted = (int8_t)best,
					.confidence = prediction->probability[best]};
	result->known = prediction->label != CLASS_UNKNOWN;
	if (judgement->predicted != judgement->truth) {
		result->stays_right_us = NEVER_US;
		return;
	}
	if (result->first_right_us == NEVER_US)
		result->first_right_us = after_us;
	if (result->stays_right_us == NEVER_US)
		result->stays_right_us = after_us;
}

static void take_prediction(void *context, const struct prediction *prediction)
{
	struct hearing *hearing = context;
	if ((enum prediction_kind)prediction->kind != hearing->job->kind)
		return;
	if (hearing->result->answers)
		take_verdict(hearing, prediction);
	else if (prediction->stage == STAGE_FINAL)
		hearing->result->notes[prediction->note_id - 1].final = true;
}

static enum status play(struct hearing *hearing, const struct timeline *timeline, struct grid *grid, struct error *error)
{
	const struct job *job = hearing->job;
	const struct engine_sink sink = {take_prediction, hearing};
	struct result *result = hearing->result;
	enum status status = engine_new(job->model, grid, &job->options->engine, &sink, &hearing->engine, error);
	if (status != STATUS_OK)
		return status;
	engine_want(hearing->engine, 1u << job->kind); /* nobody listens for the others */
	engine_watch(hearing->engine, take_inference, hearing);
	replay_start(&hearing->replay, hearing->engine);
	for (size_t i = 0; i < timeline->count; i++) {
		const struct event *event = &timeline->events[i];
		if (event->kind == EVENT_NOTE_ON && event->note_id == 1)
			hearing->start_us = event->event_us;
		if (event->kind == EVENT_NOTE_ON && result->notes)
			result->notes[event->note_id - 1].onset_us = event->event_us;
		replay_accept(&hearing->replay, event);
	}
	engine_free(hearing->engine);
	for (size_t i = 0; result->notes && i < hearing->piece->count; i++)
		if (!result->notes[i].final || !result->notes[i].answered)
			return status_fail(error, STATUS_BAD_DATA, "%s: note %zu was left without a final label",
					   hearing->piece->path, i + 1);
	return STATUS_OK;
}

static struct grid *new_grid(const struct evaluate_live_options *options, const struct smf *file)
{
	if (options->network)
		return grid_new_live(&(struct beat_options){.sources = BEAT_BIT(BEAT_TRACKER), .network = options->network});
	return options->bpm > 0 ? grid_new_fixed(options->bpm) : grid_new_file(file, NULL);
}

static enum status play_piece(const struct job *job, const struct piece *piece, struct result *result)
{
	struct hearing hearing = {.job = job, .piece = piece, .result = result};
	struct error *error = &result->error;
	struct smf *file = NULL;
	struct timeline timeline = {0};
	struct grid *grid = NULL;
	enum status status = smf_read(piece->path, &file, error);
	if (status == STATUS_OK)
		status = timeline_new(file, false, &timeline, error);
	if (status == STATUS_OK && timeline.notes != piece->count)
		status = status_fail(error, STATUS_BAD_DATA, "%s has changed while it was read: %zu notes, then %zu",
				     piece->path, piece->count, timeline.notes);
	if (status == STATUS_OK) {
		grid = new_grid(job->options, file);
		if (job->task.kind == TASK_SEQUENCE)
			result->answers = malloc((piece->count + 1) * sizeof *result->answers);
		else
			result->notes = calloc(piece->count + 1, sizeof *result->notes);
		if (!grid || (!result->answers && !result->notes))
			status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory to play it", piece->path);
	}
	result->first_right_us = result->stays_right_us = NEVER_US;
	for (size_t i = 0; result->notes && i < piece->count; i++)
		memset(result->notes[i].at, UNANSWERED, sizeof result->notes[i].at);
	if (status == STATUS_OK)
		status = play(&hearing, &timeline, grid, error);
	result->error.status = status;
	grid_free(grid);
	timeline_free(&timeline);
	smf_free(file);
	return status;
}

static void work(void *context)
{
	struct job *job = context;
	size_t i;
	while (parallel_take(&job->turn, &i))
		if (play_piece(job, job->pieces[i], &job->results[i]) != STATUS_OK)
			parallel_stop(&job->turn);
}

/* ---- figures ---- */

static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* The smallest of sorted values that is not below the given share of them. */
static double quantile(const double *values, size_t count, double share)
{
	size_t rank = (size_t)ceil(share * (double)count);
	return count == 0 ? 0 : values[rank > 0 ? rank - 1 : 0];
}

struct tally {
	struct judgement *items; /* of metrics */
	struct judgement *answers;
	double *values; /* times of which a quantile is asked */
	size_t *piece_end, *answers_end;
	size_t count, answer_count, value_count;
	size_t known, known_right;
};

static void tally_item(struct tally *tally, const struct judgement *judgement, bool known)
{
	tally->items[tally->count++] = *judgement;
	tally->known += known;
	tally->known_right += known && judgement->predicted == judgement->truth;
}

static void tally_notes(struct tally *tally, const struct job *job, struct live_evaluation *evaluation)
{
	size_t right[LIVE_LOOKAHEADS] = {0}, flips = 0;
	for (size_t p = 0; p < job->turn.count; p++) {
		const struct piece *piece = job->pieces[p];
		for (size_t i = 0; i < piece->count; i++) {
			const struct heard *note = &job->results[p].notes[i];
			int truth = task_note_class(&job->task, piece, &piece->notes[i]);
			if (truth == TASK_NO_CLASS)
				continue;
			struct judgement judgement = {.truth = (int8_t)truth,
						      .predicted = (int8_t)note->answer.best,
						      .confidence = note->answer.certainty};
			if (job->task.kind == TASK_VELOCITY)
				judgement.miss = fabsf(note->answer.expected - (float)piece->notes[i].velocity);
			tally_item(tally, &judgement, note->answer.label != CLASS_UNKNOWN);
			tally->values[tally->value_count++] = (double)(note->changed_us - note->onset_us) / 1e3;
			flips += (size_t)note->flips;
			for (int k = 0; k < LIVE_LOOKAHEADS; k++) {
				evaluation->by_lookahead[k].count += note->at[k] != UNANSWERED;
				right[k] += note->at[k] == truth;
			}
		}
		tally->piece_end[p] = tally->count;
	}
	for (int k = 0; k < LIVE_LOOKAHEADS; k++)
		evaluation->by_lookahead[k].accuracy = ratio((double)right[k], (double)evaluation->by_lookahead[k].count);
	evaluation->flips_per_100_notes = 100 * ratio((double)flips, (double)tally->count);
	qsort(tally->values, tally->value_count, sizeof *tally->values, ascending);
	evaluation->stable_median_ms = quantile(tally->values, tally->value_count, 0.5);
	evaluation->stable_p90_ms = quantile(tally->values, tally->value_count, 0.9);
}

static struct live_delay delay_of(struct tally *tally, const struct job *job, bool stays)
{
	struct live_delay delay = {0};
	for (size_t p = 0; p < job->turn.count; p++) {
		int64_t us = stays ? job->results[p].stays_right_us : job->results[p].first_right_us;
		tally->values[p] = us == NEVER_US ? (double)INFINITY : (double)us / 1e6;
		delay.never += us == NEVER_US;
	}
	qsort(tally->values, job->turn.count, sizeof *tally->values, ascending);
	delay.median_s = quantile(tally->values, job->turn.count, 0.5);
	return delay;
}

static void tally_pieces(struct tally *tally, const struct job *job, struct live_evaluation *evaluation)
{
	for (size_t p = 0; p < job->turn.count; p++) {
		const struct result *result = &job->results[p];
		if (result->answer_count > 0) {
			memcpy(tally->answers + tally->answer_count, result->answers,
			       result->answer_count * sizeof *tally->answers);
			tally_item(tally, &result->answers[result->answer_count - 1], result->known);
		}
		evaluation->unanswered += result->answer_count == 0;
		tally->piece_end[p] = tally->count;
		tally->answers_end[p] = tally->answer_count += result->answer_count;
	}
	evaluation->first_right = delay_of(tally, job, false);
	evaluation->stays_right = delay_of(tally, job, true);
}

static bool summarise(const struct job *job, struct live_evaluation *evaluation)
{
	size_t most = job->turn.count + 1, answers = 1;
	for (size_t p = 0; p < job->turn.count; p++) {
		most += job->pieces[p]->count;
		answers += job->results[p].answer_count;
	}
	struct tally tally = {.items = malloc(most * sizeof *tally.items),
			      .answers = malloc(answers * sizeof *tally.answers),
			      .values = malloc(most * sizeof *tally.values),
			      .piece_end = malloc((job->turn.count + 1) * sizeof *tally.piece_end),
			      .answers_end = malloc((job->turn.count + 1) * sizeof *tally.answers_end)};
	bool good = tally.items && tally.answers && tally.values && tally.piece_end && tally.answers_end;
	if (good && job->task.kind == TASK_SEQUENCE) {
		tally_pieces(&tally, job, evaluation);
		good = metrics_compute(tally.answers, tally.answers_end, job->turn.count, job->task.classes,
				       &evaluation->answers);
	} else if (good) {
		tally_notes(&tally, job, evaluation);
	}
	good =
	    good && metrics_compute(tally.items, tally.piece_end, job->turn.count, job->task.classes, &evaluation->metrics);
	evaluation->coverage = ratio((double)tally.known, (double)tally.count);
	evaluation->selective_accuracy = ratio((double)tally.known_right, (double)tally.known);
	free(tally.items);
	free(tally.answers);
	free(tally.values);
	free(tally.piece_end);
	free(tally.answers_end);
	return good;
}

/* ---- the whole ---- */

/* Says what is wrong with head and options before any file is played. */
static enum status find_kind(struct job *job, int head, struct error *error)
{
	static const enum prediction_kind kinds[] = {PREDICT_MELODY, PREDICT_VELOCITY_CAUSAL, PREDICT_VELOCITY_HIDDEN,
						     PREDICT_STYLE, PREDICT_EMOTION};
	double bpm = job->options->bpm;
	struct engine_sink nobody = {0};
	struct engine *engine;
	if (!(bpm == 0 || (bpm >= 16 && bpm <= 256)))
		return status_fail(error, STATUS_USAGE, "a steady tempo of %g bpm: give 16-256", bpm);
	struct grid *grid = grid_new_fixed(120); /* any; nothing is played here */
	if (!grid)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a grid");
	enum status status = engine_new(job->model, grid, &job->options->engine, &nobody, &engine, error);
	if (status == STATUS_OK) {
		status =
		    status_fail(error, STATUS_UNSUPPORTED,
				"head %s is not among those that the stream publishes: no --live for it", job->spec->name);
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
			if (engine_head(engine, kinds[i]) == head) {
				job->kind = kinds[i];
				status = STATUS_OK;
			}
		engine_free(engine);
	}
	grid_free(grid);
	return status;
}

static enum status choose_pieces(struct job *job, const struct dataset *dataset, struct live_evaluation *evaluation,
				 struct error *error)
{
	job->pieces = malloc((dataset->count + 1) * sizeof *job->pieces);
	job->results = calloc(dataset->count + 1, sizeof *job->results);
	if (!job->pieces || !job->results)
		return status_fail(error, STATUS_NO_MEMORY, "no memory to evaluate");
	for (size_t i = 0; i < dataset->count; i++) {
		const struct piece *piece = &dataset->pieces[i];
		if (job->options->set != EVALUATE_ALL_SETS && piece->set != job->options->set)
			continue;
		if (task_has_truth(&job->task, piece))
			job->pieces[job->turn.count++] = piece;
		else
			evaluation->skipped++;
	}
	evaluation->files = job->turn.count;
	if (job->turn.count == 0)
		return status_fail(error, STATUS_NOT_FOUND, "no piece has a label that head %s knows", job->spec->name);
	return STATUS_OK;
}

enum status evaluate_live(const struct model *model, int head, const struct dataset *dataset,
			  const struct evaluate_live_options *options, struct live_evaluation *evaluation,
			  struct error *error)
{
	struct job job = {.model = model, .spec = &model_shape(model)->head[head], .options = options};
	enum status status = task_of_head(job.spec, &job.task, error);
	memset(evaluation, 0, sizeof *evaluation);
	if (status == STATUS_OK)
		status = find_kind(&job, head, error);
	if (status == STATUS_OK)
		status = choose_pieces(&job, dataset, evaluation, error);
	if (status == STATUS_OK) {
		model_use_threads(1);
		parallel_run(options->threads, work, &job);
		for (size_t i = 0; status == STATUS_OK && i < job.turn.count; i++)
			if (job.results[i].error.status != STATUS_OK) {
				status = job.results[i].error.status;
				if (error)
					*error = job.results[i].error;
			}
		if (status == STATUS_OK && !summarise(&job, evaluation))
			status = status_fail(error, STATUS_NO_MEMORY, "no memory to evaluate");
	}
	for (size_t i = 0; job.results && i < job.turn.count; i++) {
		free(job.results[i].notes);
		free(job.results[i].answers);
	}
	free(job.results);
	free(job.pieces);
	return status;
}
