/* The training loop. The caller's thread leads; worker threads live for one part of a step each. A batch is split into a
 * fixed number of shards, each with a gradient of its own that is summed in order: the result is the same for any number of
 * threads. */
#include "train/trainer.h"

#include "base/clock.h"
#include "model/kernels.h"
#include "train/keeper.h"
#include "train/labelled.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64
#define REPORT_US 10000000
#define FINGERPRINT_MAX 3000

struct shard {
	float *gradient;
	struct score score;
	uint64_t notes;
};

struct worker {
	struct trainer *trainer;
	int index;
	struct score score; /* of its share of a validation */
	struct muon *muon;  /* NULL unless it is used */
};

struct trainer {
	const struct parameters *parameters;
	float *values, *first, *second;
	struct trainer_options options;
	struct network *network, *own_network; /* own_network: freed with the trainer */
	struct lesson lesson;
	struct keeper *keeper; /* NULL: the last weights are handed over */
	struct checkpoint_array array[CHECKPOINT_MORE_MAX];
	int arrays;
	struct shard *shard;
	struct worker *worker;
	void (*task)(struct trainer *, struct worker *, int); /* what run() shares out */
	int tasks;
	double *squares; /* of each tensor's gradient */
	int *by_size;	 /* tensors, the largest first: dealt out in turn they keep all threads busy */
	double norm;
	uint64_t step;
	char fingerprint[FINGERPRINT_MAX];
	struct validation validation;
};

/* Everything the result of a labelled run depends on. */
static void write_fingerprint(const struct model_shape *shape, const struct trainer_options *options,
			      const struct corpus *corpora, int count, char *text)
{
	const struct sampler_options *s = &options->sampler;
	const struct optimiser_options *o = &options->optimiser;
	bool bf16 = options->network.precision == PRECISION_BF16 && product_has_bf16();
	int used = snprintf(
	    text, FINGERPRINT_MAX,
	    "seed=%llu rows=%d batch=%d shards=%d mask=%g live=%g regrid=%g disorder=%g transpose=%d curves=%g stretch=%g "
	    "jitter=%g missing=%g doubled=%g steps=%llu "
	    "warmup=%llu rate=%g "
	    "decay=%g clip=%g dropout=%g precision=%s patience=%d average=%d validate=%d "
	    "lookahead=%d file_lookahead=%d freeze=%d attention_heads=%d",
	    (unsigned long long)s->seed, s->rows, s->batch, options->shards, (double)s->mask, (double)s->live,
	    (double)s->regrid, (double)s->disorder, s->transpose, (double)s->curves, (double)s->stretch,
	    (double)s->jitter_ms, (double)s->missing, (double)s->doubled, (unsigned long long)o->steps,
	    (unsigned long long)o->warmup, o->rate, o->decay, o->clip, (double)options->network.dropout,
	    bf16 ? "bf16" : "fp32", options->patience, options->average,
	    options->patience || options->average ? options->validate_steps : 0, shape->lookahead, shape->file_lookahead,
	    shape->freeze, shape->attention_heads);
	if (s->tracked > 0 && used < FINGERPRINT_MAX)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " tracked=%g beat=%s", (double)s->tracked,
				 s->beat ? s->beat : "");
	if (s->teacher && used < FINGERPRINT_MAX)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " taught=%g by%s", (double)s->taught,
				 s->teachers);
	if (s->voices > 0 && used < FINGERPRINT_MAX)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " voices=%g", (double)s->voices);
	for (int h = 0; h < shape->heads && used < FINGERPRINT_MAX; h++)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " %s=%g*%g", shape->head[h].name,
				 (double)s->mix[h], (double)s->weight[h]);
	for (int i = 0; i < count && used < FINGERPRINT_MAX; i++)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " %s", corpora[i].path);
	if (o->muon > 0 && used < FINGERPRINT_MAX)
		snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " muon=%g", o->muon);
}

static int *order_by_size(const struct parameters *parameters)
{
	int count = (int)parameters->count, *order = malloc(parameters->count * sizeof *order);
	for (int i = 0; order && i < count; i++) {
		int at = i;
		for (; at > 0 && parameters->table[order[at - 1]].elements < parameters->table[i].elements; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	return order;
}

enum status trainer_new_lesson(struct network *network, const struct parameters *parameters, float *values,
			       const struct lesson *lesson, const char *fingerprint, const struct trainer_options *options,
			       struct trainer **result, struct error *error)
{
	*result = NULL;
	struct trainer *t = calloc(1, sizeof *t);
	if (!t) {
		lesson->free(lesson->context);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for training");
	}
	t->network = network;
	t->parameters = parameters;
	t->values = values;
	t->lesson = *lesson;
	t->options = *options;
	snprintf(t->fingerprint, sizeof t->fingerprint, "%s", fingerprint);
	t->first = calloc(parameters->elements, sizeof *t->first);
	t->second = calloc(parameters->elements, sizeof *t->second);
	t->worker = calloc((size_t)options->threads, sizeof *t->worker);
	t->shard = calloc((size_t)options->shards, sizeof *t->shard);
	t->squares = calloc(parameters->count, sizeof *t->squares);
	t->by_size = order_by_size(parameters);
	bool ok = t->first && t->second && t->worker && t->shard && t->squares && t->by_size;
	memcpy(t->array, lesson->array, (size_t)lesson->arrays * sizeof *t->array);
	t->arrays = lesson->arrays;
	if (lesson->judge && (options->patience > 0 || options->average > 0)) {
		struct keeper_options kept = {.patience = options->patience,
					      .average = options->average,
					      .every = (uint64_t)options->validate_steps,
					      .steps = options->optimiser.steps,
					      .elements = parameters->elements};
		t->keeper = keeper_new(&kept);
		ok = ok && t->keeper;
		t->arrays += t->keeper ? keeper_arrays(t->keeper, t->array + t->arrays) : 0;
	}
	for (int i = 0; ok && i < t->options.shards; i++)
		ok = (t->shard[i].gradient = calloc(network_gradient_size(t->network), sizeof(float))) != NULL;
	for (int i = 0; ok && i < options->threads; i++) {
		t->worker[i] = (struct worker){.trainer = t, .index = i};
		if (options->optimiser.muon > 0)
			ok = (t->worker[i].muon = muon_new(parameters, options->network.precision)) != NULL;
	}
	if (!ok) {
		trainer_free(t);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for training; a smaller batch of rows needs less");
	}
	*result = t;
	return STATUS_OK;
}

enum status trainer_new(const struct model_shape *shape, const struct parameters *parameters, float *values,
			const struct dataset *train, const struct corpus *train_corpora, int train_count,
			const struct dataset *valid, const struct corpus *valid_corpora, int valid_count,
			const struct trainer_options *options, struct trainer **result, struct error *error)
{
	char fingerprint[FINGERPRINT_MAX];
	struct network *network;
	struct lesson lesson;
	*result = NULL;
	enum status status = network_new(shape, parameters, values, &options->network, &network, error);
	if (status != STATUS_OK)
		return status;
	write_fingerprint(shape, options, train_corpora, train_count, fingerprint);
	status = labelled_new(network, shape, train, train_corpora, train_count, valid, valid_corpora, valid_count,
			      &options->sampler, options->validate_notes, options->threads, &lesson, error);
	if (status == STATUS_OK)
		status = trainer_new_lesson(network, parameters, values, &lesson, fingerprint, options, result, error);
	if (status == STATUS_OK)
		(*result)->own_network = network;
	else
		network_free(network);
	return status;
}

void trainer_free(struct trainer *trainer)
{
	if (!trainer)
		return;
	for (int i = 0; trainer->shard && i < trainer->options.shards; i++)
		free(trainer->shard[i].gradient);
	free(trainer->shard);
	for (int i = 0; trainer->worker && i < trainer->options.threads; i++)
		muon_free(trainer->worker[i].muon);
	free(trainer->worker);
	free(trainer->squares);
	free(trainer->by_size);
	keeper_free(trainer->keeper);
	free(trainer->first);
	free(trainer->second);
	trainer->lesson.free(trainer->lesson.context);
	network_free(trainer->own_network);
	free(trainer);
}

static struct checkpoint state(struct trainer *t)
{
	return (struct checkpoint){
	    .step = t->step,
	    .fingerprint = t->fingerprint,
	    .values = t->values,
	    .first = t->first,
	    .second = t->second,
	    .more = t->array,
	    .more_count = t->arrays,
	};
}

static enum status save(struct trainer *t, struct error *error)
{
	if (t->lesson.pack)
		t->lesson.pack(t->lesson.context);
	struct checkpoint checkpoint = state(t);
	return checkpoint_write(t->options.checkpoint, t->parameters, &checkpoint, error);
}

enum status trainer_resume(struct trainer *trainer, struct error *error)
{
	struct checkpoint checkpoint = state(trainer);
	enum status status = checkpoint_read(trainer->options.checkpoint, trainer->parameters, &checkpoint, error);
	if (status == STATUS_OK)
		trainer->step = checkpoint.step;
	if (status == STATUS_OK && trainer->lesson.unpack)
		trainer->lesson.unpack(trainer->lesson.context);
	return status;
}

static void train_shard(struct trainer *t, struct worker *worker, int index)
{
	struct shard *shard = &t->shard[index];
	memset(shard->gradient, 0, network_gradient_size(t->network) * sizeof(float));
	memset(&shard->score, 0, sizeof shard->score);
	shard->notes = 0;
	for (int i = index; i < t->options.sampler.batch; i += t->options.shards)
		shard->notes += t->lesson.pass(t->lesson.context, worker->index, t->step, i, shard->gradient, &shard->score);
}

/* Sums the shards' gradients of one tensor; after the last tensor comes the folded embedding, an attribute at a time. */
static void sum_gradient(struct trainer *t, struct worker *worker, int index)
{
	(void)worker;
	size_t start = t->parameters->elements, count = network_gradient_size(t->network) - start;
	if (index < (int)t->parameters->count) {
		start = t->parameters->table[index].offset;
		count = t->parameters->table[index].elements;
	}
	for (int s = 1; s < t->options.shards; s++)
		kernel_axpy((long)count, 1, t->shard[s].gradient + start, t->shard[0].gradient + start);
}

static void finish_gradient(struct trainer *t, struct worker *worker, int index)
{
	(void)worker;
	network_finish_gradient(t->network, (enum attribute)index, t->shard[0].gradient);
}

static void sum_squares(struct trainer *t, struct worker *worker, int index)
{
	(void)worker;
	t->squares[index] = optimiser_squares(&t->parameters->table[index], t->shard[0].gradient);
}

static void update(struct trainer *t, struct worker *worker, int index)
{
	optimiser_step(&t->options.optimiser, &t->parameters->table[t->by_size[index]], t->step, t->norm,
		       t->shard[0].gradient, t->values, t->first, t->second, worker->muon);
}

static void prepare(struct trainer *t, struct worker *worker, int index)
{
	(void)worker;
	network_prepare(t->network, index);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct trainer *t = worker->trainer;
	for (int i = worker->index; i < t->tasks; i += t->options.threads)
		t->task(t, worker, i);
	return NULL;
}

/* task for every index below count, shared out to the workers: the caller's thread is the first of them. Tasks of one call
 * must not depend on each other. */
static void run(struct trainer *t, void (*task)(struct trainer *, struct worker *, int), int count)
{
	pthread_t thread[THREADS_MAX];
	bool started[THREADS_MAX] = {false};
	t->task = task;
	t->tasks = count;
	for (int i = 1; i < t->options.threads; i++)
		started[i] = pthread_create(&thread[i], NULL, work, &t->worker[i]) == 0;
	work(&t->worker[0]);
	for (int i = 1; i < t->options.threads; i++) {
		if (started[i])
			pthread_join(thread[i], NULL);
		else
			work(&t->worker[i]); /* no thread to be had: slower, the same result */
	}
}

static void survey(struct trainer *t, struct worker *worker, int index)
{
	(void)index;
	t->lesson.survey(t->lesson.context, worker->index, t->options.threads);
}

static void validate_share(struct trainer *t, struct worker *worker, int index)
{
	struct score *score = &worker->score;
	(void)index;
	memset(score, 0, sizeof *score);
	t->lesson.validate(t->lesson.context, worker->index, t->options.threads, score);
}

static void validate(struct trainer *t)
{
	memset(&t->validation, 0, sizeof t->validation);
	run(t, validate_share, t->options.threads);
	for (int i = 0; i < t->options.threads; i++)
		score_add(&t->validation.score, &t->worker[i].score);
}

/* One batch; returns the gradient's norm. */
static double train_step(struct trainer *t)
{
	int tensors = (int)t->parameters->count;
	double squares = 0;
	run(t, train_shard, t->options.shards);
	run(t, sum_gradient, tensors + 1);
	run(t, finish_gradient, ATTRIBUTES);
	run(t, sum_squares, tensors);
	for (int i = 0; i < tensors; i++)
		squares += t->squares[i];
	t->norm = sqrt(squares);
	run(t, update, tensors);
	run(t, prepare, network_parts(t->network));
	t->step++;
	return t->norm;
}

/* After a step of so many notes: what the lesson wants to look at, and what is validated. */
static bool look(struct trainer *t, uint64_t notes, bool last)
{
	uint64_t every = (uint64_t)t->options.validate_steps;
	bool scheduled = every > 0 && t->step % every == 0, check = scheduled || (every > 0 && last);
	if (t->lesson.due && t->lesson.due(t->lesson.context, notes)) {
		run(t, survey, t->options.threads);
		t->lesson.surveyed(t->lesson.context);
	}
	if (check)
		validate(t);
	if (scheduled && t->lesson.validated) /* never the one that ends a run: a resumed run must learn the same */
		t->lesson.validated(t->lesson.context, &t->validation.score);
	if (scheduled && t->keeper)
		keeper_look(t->keeper, t->step, t->lesson.judge(t->lesson.context, &t->validation.score), t->values);
	return check;
}

bool trainer_kept(const struct trainer *trainer, uint64_t *step, double *figure)
{
	return trainer->keeper && keeper_has(trainer->keeper, step, figure);
}

static bool is_done(const struct trainer *t)
{
	return t->keeper && keeper_is_done(t->keeper);
}

enum status trainer_run(struct trainer *t, void (*report)(void *context, const struct trainer_progress *progress),
			bool (*stop)(void *context), void *context, struct error *error)
{
	const struct trainer_options *o = &t->options;
	struct trainer_progress progress = {.steps = o->optimiser.steps};
	int64_t reported = clock_now_us(), saved = reported;
	uint64_t notes = 0, first_step = t->step;
	double spent_us = 0;
	enum status status;
	run(t, prepare, network_parts(t->network));
	uint64_t last = o->stop_after && o->stop_after < o->optimiser.steps ? o->stop_after : o->optimiser.steps;
	while (t->step < last && !is_done(t) && !stop(context)) {
		int64_t began = clock_now_us();
		uint64_t step_notes = 0;
		progress.rate = optimiser_rate(&o->optimiser, t->step);
		progress.norm = train_step(t);
		if (!isfinite(progress.norm))
			return status_fail(
			    error, STATUS_BAD_DATA,
			    "step %llu: the gradient is not finite; resume from the checkpoint with a lower --rate",
			    (unsigned long long)t->step);
		for (int i = 0; i < t->options.shards; i++) {
			score_add(&progress.score, &t->shard[i].score);
			step_notes += t->shard[i].notes;
		}
		notes += step_notes;
		int64_t now = clock_now_us();
		spent_us += (double)(now - began);
		progress.step = t->step;
		progress.notes_per_s = (double)notes / spent_us * 1e6;
		progress.left_s = spent_us / 1e6 / (double)(t->step - first_step) * (double)(last - t->step);
		bool checked = look(t, step_notes, t->step == last);
		if (checked || now - reported >= REPORT_US) {
			progress.validation = checked ? &t->validation : NULL;
			report(context, &progress);
			memset(&progress.score, 0, sizeof progress.score);
			reported = now;
		}
		if (now - saved >= (int64_t)o->checkpoint_s * 1000000) {
			if ((status = save(t, error)) != STATUS_OK)
				return status;
			saved = now;
		}
	}
	status = save(t, error);
	if (t->keeper)
		keeper_take(t->keeper, t->values);
	if (status == STATUS_OK && t->step < last && !is_done(t))
		status = status_fail(error, STATUS_INTERRUPTED, "stopped after step %llu; --resume goes on from %s",
				     (unsigned long long)t->step, o->checkpoint);
	return status;
}
