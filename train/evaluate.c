/* A model against the truth, see evaluate.h. Offline. Threads take pieces in turn; what a piece gives lands at its own
 * place, and figures are computed afterwards in the order of the pieces. */
#include "train/evaluate.h"

#include "base/parallel.h"
#include "engine/label.h"
#include "train/listener.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct result {			 /* of one piece */
	struct judgement *items; /* notes or passages */
	size_t count;
	struct judgement piece; /* sequence heads */
};

struct job {
	const struct model *model;
	const struct head_spec *spec;
	int head, window;
	struct task task;
	const struct piece **pieces;
	struct result *results;	    /* one a piece */
	struct parallel_items turn; /* one a piece */
	atomic_bool failed;
};

static int most_probable(const float *probability, int classes)
{
	int best = 0;
	for (int c = 1; c < classes; c++)
		if (probability[c] > probability[best])
			best = c;
	return best;
}

struct judgement evaluate_note(const struct task *task, const struct head_spec *head, const float *probability,
			       const struct piece *piece, const struct piece_note *note)
{
	struct judgement judgement = {.truth = (int8_t)task_note_class(task, piece, note)};
	int best = most_probable(probability, head->classes);
	judgement.predicted = (int8_t)best;
	judgement.confidence = probability[best];
	if (task->kind == TASK_VELOCITY) {
		struct head_spec certain = *head;
		struct answer answer;
		certain.unknown_below = 0; /* an evaluation asks for a class of every note */
		answer_of_velocities(&certain, probability, note->velocity, &answer);
		judgement.predicted = (int8_t)answer.label;
		judgement.miss = fabsf(answer.expected - (float)note->velocity);
		answer_of_velocities(&certain, probability, 32 + 16 * (answer.label - 1), &answer);
		judgement.confidence = answer.confidence;
	}
	return judgement;
}

static bool judge_notes(const struct job *job, struct listener *listener, const struct piece *piece, struct result *result)
{
	size_t classes = (size_t)job->spec->classes;
	float *probability = malloc((piece->count + 1) * classes * sizeof *probability);
	result->items = malloc((piece->count + 1) * sizeof *result->items);
	bool good = probability && result->items && listener_notes(listener, piece, job->head, probability);
	for (size_t i = 0; good && i < piece->count; i++)
		if (task_note_class(&job->task, piece, &piece->notes[i]) != TASK_NO_CLASS)
			result->items[result->count++] =
			    evaluate_note(&job->task, job->spec, probability + i * classes, piece, &piece->notes[i]);
	free(probability);
	return good;
}

static struct judgement judge_class(int truth, const float *probability, int classes)
{
	int best = most_probable(probability, classes);
	return (struct judgement){.truth = (int8_t)truth, .predicted = (int8_t)best, .confidence = probability[best]};
}

static bool judge_passages(const struct job *job, struct listener *listener, const struct piece *piece,
			   struct result *result)
{
	int classes = job->spec->classes, truth = task_piece_class(&job->task, piece);
	size_t count = listener_passages(piece, job->window);
	float *passages = malloc((count + 1) * (size_t)classes * sizeof *passages), pooled[CLASSES_MAX];
	result->items = malloc((count + 1) * sizeof *result->items);
	bool good = passages && result->items;
	for (size_t i = 0; good && i < count; i++) {
		float *probability = passages + i * (size_t)classes;
		good = listener_passage(listener, piece, job->head, i * (size_t)job->window,
					listener_passage_length(piece, job->window, i), probability);
		if (good)
			result->items[result->count++] = judge_class(truth, probability, classes);
	}
	if (good) {
		listener_pool(job->spec, passages, count, pooled);
		result->piece = judge_class(truth, pooled, classes);
	}
	free(passages);
	return good;
}

static void work(void *context)
{
	struct job *job = context;
	bool notes = job->task.kind != TASK_SEQUENCE;
	int span = model_shape(job->model)->span;
	struct listener *listener = notes ? listener_new(job->model, job->window, 1)
					  : listener_new(job->model, job->window < span ? job->window : span, job->window);
	size_t i;
	if (!listener)
		atomic_store(&job->failed, true);
	while (!atomic_load(&job->failed) && parallel_take(&job->turn, &i)) {
		bool good = notes ? judge_notes(job, listener, job->pieces[i], &job->results[i])
				  : judge_passages(job, listener, job->pieces[i], &job->results[i]);
		if (!good)
			atomic_store(&job->failed, true);
	}
	listener_free(listener);
}

/* Figures over everything that lies in results[].items; with `whole`, over one judgement a piece. */
static bool summarise(const struct job *job, bool whole, struct metrics *metrics)
{
	size_t total = 0, filled = 0;
	for (size_t i = 0; i < job->turn.count; i++)
		total += whole ? 1 : job->results[i].count;
	struct judgement *items = malloc((total + 1) * sizeof *items);
	size_t *piece_end = malloc((job->turn.count + 1) * sizeof *piece_end);
	bool good = items && piece_end;
	for (size_t i = 0; good && i < job->turn.count; i++) {
		const struct result *result = &job->results[i];
		size_t count = whole ? 1 : result->count;
		if (count > 0)
			memcpy(items + filled, whole ? &result->piece : result->items, count * sizeof *items);
		piece_end[i] = filled += count;
	}
	good = good && metrics_compute(items, piece_end, job->turn.count, job->task.classes, metrics);
	free(items);
	free(piece_end);
	return good;
}

static enum status evaluate(const struct model *model, int head, const struct dataset *dataset,
			    const struct evaluate_options *options, bool sequence, struct evaluation *evaluation,
			    struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	struct job job = {.model = model, .head = head, .spec = &shape->head[head], .window = options->window};
	enum status status = task_of_head(job.spec, &job.task, error);
	memset(evaluation, 0, sizeof *evaluation);
	if (status != STATUS_OK)
		return status;
	if ((job.task.kind == TASK_SEQUENCE) != sequence)
		return status_fail(error, STATUS_UNSUPPORTED, "head %s is not a %s head", job.spec->name,
				   sequence ? "sequence" : "note");
	if (job.window == 0)
		job.window = shape->span;
	if (job.window < 1 || (job.window > shape->span && (!sequence || shape->lookahead == LOOKAHEAD_UNLIMITED)))
		return status_fail(error, STATUS_USAGE, "a window of %d notes: %s allows 1 to %d", job.window,
				   model_path(model), shape->span);
	job.pieces = malloc((dataset->count + 1) * sizeof *job.pieces);
	job.results = calloc(dataset->count + 1, sizeof *job.results);
	for (size_t i = 0; job.pieces && i < dataset->count; i++) {
		const struct piece *piece = &dataset->pieces[i];
		if (options->set != EVALUATE_ALL_SETS && piece->set != options->set)
			continue;
		if (task_has_truth(&job.task, piece))
			job.pieces[job.turn.count++] = piece;
		else
			evaluation->skipped++;
	}
	evaluation->files = job.turn.count;
	if (!job.pieces || !job.results)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to evaluate");
	else if (job.turn.count == 0)
		status = status_fail(error, STATUS_NOT_FOUND, "no piece has a label that head %s knows", job.spec->name);
	if (status == STATUS_OK) {
		model_use_threads(1);
		parallel_run(options->threads, work, &job);
		if (atomic_load(&job.failed) || !summarise(&job, sequence, &evaluation->metrics) ||
		    (sequence && !summarise(&job, false, &evaluation->passages)))
			status = status_fail(error, STATUS_NO_MEMORY, "no memory to evaluate with a window of %d notes",
					     job.window);
	}
	for (size_t i = 0; job.results && i < job.turn.count; i++)
		free(job.results[i].items);
	free(job.results);
	free(job.pieces);
	return status;
}

enum status evaluate_note_task(const struct model *model, int head, const struct dataset *dataset,
			       const struct evaluate_options *options, struct evaluation *evaluation, struct error *error)
{
	return evaluate(model, head, dataset, options, false, evaluation, error);
}

enum status evaluate_sequence_task(const struct model *model, int head, const struct dataset *dataset,
				   const struct evaluate_options *options, struct evaluation *evaluation,
				   struct error *error)
{
	return evaluate(model, head, dataset, options, true, evaluation, error);
}
