/* Temperature by golden-section search over the cross-entropy. Offline, one thread. */
#include "train/calibrate.h"

#include "stream/octuple.h"
#include "train/listener.h"
#include "train/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COOLEST 0.2
#define HOTTEST 5.0

/* Log-probabilities and the true class of everything that is judged. */
struct answers {
	float *log_probability; /* [count][classes] */
	int8_t *truth;
	size_t count, room;
	int classes;
};

static bool add_answer(struct answers *answers, const float *probability, int truth)
{
	if (answers->count == answers->room) {
		size_t room = answers->room ? 2 * answers->room : 4096;
		float *rows = realloc(answers->log_probability, room * (size_t)answers->classes * sizeof *rows);
		if (rows)
			answers->log_probability = rows;
		int8_t *truths = realloc(answers->truth, room);
		if (truths)
			answers->truth = truths;
		if (!rows || !truths)
			return false;
		answers->room = room;
	}
	float *row = answers->log_probability + answers->count * (size_t)answers->classes;
	for (int c = 0; c < answers->classes; c++)
		row[c] = logf(probability[c] + 1e-30f);
	answers->truth[answers->count++] = (int8_t)truth;
	return true;
}

/* Mean over rows of logits [count][classes]. */
static double cross_entropy(const float *logits, const int8_t *truth, size_t count, int classes, double temperature)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++) {
		const float *row = logits + i * (size_t)classes;
		double total = 0, top = (double)row[0];
		for (int c = 1; c < classes; c++)
			top = (double)row[c] > top ? (double)row[c] : top;
		for (int c = 0; c < classes; c++)
			total += exp(((double)row[c] - top) / temperature);
		/* cppcheck-suppress invalidFunctionArg ; not 0: the top adds 1 to it */
		sum += log(total) - ((double)row[truth[i]] - top) / temperature;
	}
	return sum / (double)count;
}

double calibrate_temperature(const float *logits, const int8_t *truth, size_t count, int classes, double *reached)
{
	const double ratio = 0.6180339887498949;
	double low = log(COOLEST), high = log(HOTTEST);
	double a = high - ratio * (high - low), b = low + ratio * (high - low);
	double at_a = cross_entropy(logits, truth, count, classes, exp(a)),
	       at_b = cross_entropy(logits, truth, count, classes, exp(b));
	while (high - low > 1e-3) {
		if (at_a < at_b) {
			high = b, b = a, at_b = at_a;
			a = high - ratio * (high - low);
			at_a = cross_entropy(logits, truth, count, classes, exp(a));
		} else {
			low = a, a = b, at_a = at_b;
			b = low + ratio * (high - low);
			at_b = cross_entropy(logits, truth, count, classes, exp(b));
		}
	}
	double temperature = exp((low + high) / 2);
	if (reached)
		*reached = cross_entropy(logits, truth, count, classes, temperature);
	return temperature;
}

/* The class among the head's own: a velocity head has 32, not the six dynamics. */
static int truth_of(const struct task *task, const struct piece *piece, const struct piece_note *note)
{
	return task->kind == TASK_VELOCITY ? octuple_velocity_id(note->velocity) : task_note_class(task, piece, note);
}

static bool hear_notes(struct listener *listener, const struct piece *piece, const struct task *task, int head,
		       struct answers *answers)
{
	float *probability = malloc(piece->count * (size_t)answers->classes * sizeof *probability);
	bool ok = probability && listener_notes(listener, piece, head, probability);
	for (size_t i = 0; ok && i < piece->count; i++) {
		int truth = truth_of(task, piece, &piece->notes[i]);
		if (truth >= 0)
			ok = add_answer(answers, probability + i * (size_t)answers->classes, truth);
	}
	free(probability);
	return ok;
}

static bool hear_passages(struct listener *listener, const struct piece *piece, const struct task *task, int head,
			  int passage, struct answers *answers)
{
	float probability[CLASSES_MAX];
	int truth = task_piece_class(task, piece);
	bool ok = true;
	for (size_t i = 0; ok && truth >= 0 && i < listener_passages(piece, passage); i++)
		ok = listener_passage(listener, piece, head, i * (size_t)passage, listener_passage_length(piece, passage, i),
				      probability) &&
		     add_answer(answers, probability, truth);
	return ok;
}

/* One answer a piece. */
static bool hear_whole(struct listener *listener, const struct piece *piece, const struct task *task,
		       const struct model_shape *shape, int head, struct answers *answers)
{
	size_t count = listener_passages(piece, shape->span), classes = (size_t)answers->classes;
	int truth = task_piece_class(task, piece);
	if (truth < 0)
		return true;
	float *passages = malloc((count + 1) * classes * sizeof *passages), pooled[CLASSES_MAX];
	bool ok = passages;
	for (size_t i = 0; ok && i < count; i++)
		ok = listener_passage(listener, piece, head, i * (size_t)shape->span,
				      listener_passage_length(piece, shape->span, i), passages + i * classes);
	if (ok) {
		listener_pool(&shape->head[head], passages, count, pooled);
		ok = add_answer(answers, pooled, truth);
	}
	free(passages);
	return ok;
}

static enum status calibrate(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			     bool whole, float *temperature, struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	const struct head_spec *spec = &shape->head[head];
	struct answers answers = {.classes = spec->classes};
	struct task task;
	enum status status = task_of_head(spec, &task, error);
	if (status != STATUS_OK)
		return status;
	struct listener *listener = listener_new(model, shape->span, shape->span);
	bool ok = listener != NULL;
	for (size_t i = 0; ok && i < dataset->count; i++) {
		const struct piece *piece = &dataset->pieces[i];
		if (!teaches[piece->set] || piece->count == 0)
			continue;
		ok = whole			? hear_whole(listener, piece, &task, shape, head, &answers)
		     : spec->level == HEAD_NOTE ? hear_notes(listener, piece, &task, head, &answers)
						: hear_passages(listener, piece, &task, head, shape->span, &answers);
	}
	float before = !whole ? spec->temperature : spec->piece_temperature > 0 ? spec->piece_temperature : 1;
	if (!ok)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to calibrate head %s", spec->name);
	else if (answers.count)
		*temperature = (float)(calibrate_temperature(answers.log_probability, answers.truth, answers.count,
							     answers.classes, NULL) *
				       (double)before);
	listener_free(listener);
	free(answers.log_probability);
	free(answers.truth);
	return status;
}

enum status calibrate_head(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			   float *temperature, struct error *error)
{
	return calibrate(model, head, dataset, teaches, false, temperature, error);
}

enum status calibrate_pieces(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			     float *temperature, struct error *error)
{
	return calibrate(model, head, dataset, teaches, true, temperature, error);
}
