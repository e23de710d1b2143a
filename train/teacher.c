/* What teachers say of the training part, see teacher.h. Offline. Threads take pieces in turn, each with listeners of its
 * own; every note's answer lands at its own place. */
#include "train/teacher.h"

#include "base/parallel.h"
#include "train/listener.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE 255 /* a probability of 1 */

struct teacher {
	int classes[HEADS_MAX]; /* of a head that is taught; else 0 */
	size_t pieces;
	uint8_t **answer[HEADS_MAX]; /* [pieces]: [notes][C] in 255ths, or NULL */
};

/* A lesson in preparation. */
struct hearing_all {
	struct teacher *teacher;
	const struct model_shape *shape;
	const struct dataset *dataset;
	const struct corpus *corpora;
	struct model *const *models;
	int count;
	int theirs[TEACHERS_MAX][HEADS_MAX]; /* each model's index of each head of the shape, or -1: it does not teach it */
	void (*progress)(void *context, size_t done, size_t count);
	void *context;
	struct parallel_items turn; /* one a piece */
	pthread_mutex_t lock;
	size_t done; /* under the lock, as the rest */
	bool failed;
};

/* Adds up what the models say of one head and writes the mean down. */
static bool write_down(struct hearing_all *all, struct listener *const *listeners, size_t index, int head)
{
	const struct piece *piece = &all->dataset->pieces[index];
	size_t numbers = piece->count * (size_t)all->shape->head[head].classes;
	float *probability = malloc(numbers * sizeof *probability), *sum = calloc(numbers, sizeof *sum);
	uint8_t *answer = malloc(numbers);
	bool good = probability && sum && answer;
	int asked = 0;
	for (int m = 0; good && m < all->count; m++) {
		if (all->theirs[m][head] < 0)
			continue;
		good = listener_notes(listeners[m], piece, all->theirs[m][head], probability);
		for (size_t i = 0; good && i < numbers; i++)
			sum[i] += probability[i];
		asked++;
	}
	for (size_t i = 0; good && i < numbers; i++)
		answer[i] = (uint8_t)(WHOLE * sum[i] / (float)asked + 0.5f);
	free(probability);
	free(sum);
	if (!good) {
		free(answer);
		return false;
	}
	all->teacher->answer[head][index] = answer;
	return true;
}

static bool hear_piece(struct hearing_all *all, struct listener *const *listeners, size_t index)
{
	const struct piece *piece = &all->dataset->pieces[index];
	for (int h = 0; h < all->shape->heads; h++)
		if (all->teacher->classes[h] && all->corpora[piece->set].head[h] && piece->count > 0 &&
		    !write_down(all, listeners, index, h))
			return false;
	return true;
}

static void work(void *context)
{
	struct hearing_all *all = context;
	struct listener *listeners[TEACHERS_MAX] = {NULL};
	bool good = true;
	size_t i;
	for (int m = 0; m < all->count; m++) {
		int span = model_shape(all->models[m])->span;
		good = (listeners[m] = listener_new(all->models[m], span, span)) != NULL && good;
	}
	while (parallel_take(&all->turn, &i)) {
		good = good && hear_piece(all, listeners, i);
		pthread_mutex_lock(&all->lock);
		all->failed = all->failed || !good;
		all->done++;
		if (all->progress)
			all->progress(all->context, all->done, all->dataset->count);
		pthread_mutex_unlock(&all->lock);
		if (!good)
			parallel_stop(&all->turn);
	}
	for (int m = 0; m < all->count; m++)
		listener_free(listeners[m]);
}

static bool is_taught(const struct head_spec *spec)
{
	return spec->level == HEAD_NOTE && spec->setting != SETTING_CAUSAL;
}

static bool same_question(const struct head_spec *a, const struct head_spec *b)
{
	bool same = a->level == b->level && a->setting == b->setting && a->classes == b->classes;
	for (int c = 0; same && c < a->classes; c++)
		same = strcmp(a->label[c], b->label[c]) == 0;
	return same;
}

/* Which heads a model teaches. */
static enum status find_heads(struct hearing_all *all, int model, struct error *error)
{
	const struct model_shape *theirs = model_shape(all->models[model]);
	bool any = false;
	for (int h = 0; h < all->shape->heads; h++) {
		const struct head_spec *spec = &all->shape->head[h];
		int index = is_taught(spec) ? shape_find_head(theirs, spec->name) : -1;
		if (index >= 0 && !same_question(spec, &theirs->head[index]))
			return status_fail(error, STATUS_BAD_DATA,
					   "%s cannot teach head %s: its setting or its labels are others",
					   model_path(all->models[model]), spec->name);
		all->theirs[model][h] = index;
		any = any || index >= 0;
		if (index >= 0)
			all->teacher->classes[h] = spec->classes;
	}
	return any ? STATUS_OK
		   : status_fail(error, STATUS_BAD_DATA, "%s teaches nothing: it has no note head that is trained here",
				 model_path(all->models[model]));
}

static enum status make_room(struct hearing_all *all, struct error *error)
{
	struct teacher *teacher = all->teacher;
	teacher->pieces = all->dataset->count;
	for (int m = 0; m < all->count; m++) {
		enum status status = find_heads(all, m, error);
		if (status != STATUS_OK)
			return status;
	}
	for (int h = 0; h < all->shape->heads; h++)
		if (teacher->classes[h] && !(teacher->answer[h] = calloc(teacher->pieces + 1, sizeof *teacher->answer[h])))
			return status_fail(error, STATUS_NO_MEMORY, "no memory for what teachers say");
	return STATUS_OK;
}

enum status teacher_new(const struct model_shape *shape, const struct dataset *dataset, const struct corpus *corpora,
			struct model *const *models, int count, int threads,
			void (*progress)(void *context, size_t done, size_t count), void *context, struct teacher **result,
			struct error *error)
{
	*result = NULL;
	struct teacher *teacher = calloc(1, sizeof *teacher);
	struct hearing_all all = {.teacher = teacher,
				  .shape = shape,
				  .dataset = dataset,
				  .corpora = corpora,
				  .models = models,
				  .count = count,
				  .progress = progress,
				  .context = context,
				  .turn = {.count = dataset->count}};
	if (!teacher || pthread_mutex_init(&all.lock, NULL) != 0) {
		free(teacher);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for what teachers say");
	}
	enum status status = make_room(&all, error);
	if (status == STATUS_OK) {
		parallel_run(threads, work, &all);
		if (all.failed)
			status = status_fail(error, STATUS_NO_MEMORY, "no memory for what teachers say");
	}
	pthread_mutex_destroy(&all.lock);
	if (status == STATUS_OK)
		*result = teacher;
	else
		teacher_free(teacher);
	return status;
}

void teacher_free(struct teacher *teacher)
{
	if (!teacher)
		return;
	for (int h = 0; h < HEADS_MAX; h++) {
		for (size_t i = 0; teacher->answer[h] && i < teacher->pieces; i++)
			free(teacher->answer[h][i]);
		free(teacher->answer[h]);
	}
	free(teacher);
}

bool teacher_knows(const struct teacher *teacher, size_t piece, int head)
{
	return teacher->classes[head] && teacher->answer[head][piece];
}

void teacher_answer(const struct teacher *teacher, size_t piece, int head, size_t note, float *probability)
{
	int classes = teacher->classes[head], sum = 0;
	const uint8_t *answer = teacher->answer[head][piece] + note * (size_t)classes;
	for (int c = 0; c < classes; c++)
		sum += answer[c];
	for (int c = 0; c < classes; c++)
		probability[c] = sum ? (float)answer[c] / (float)sum : 1 / (float)classes;
}
