/* The training loop. The caller's thread leads; worker threads live for one part of a step each. A batch is split into a
 * fixed number of shards, each with a gradient of its own that is summed in order: the result is the same for any number of
 * threads. */
#include "train/trainer.h"

#include "base/clock.h"
#include "model/kernels.h"
#include "train/checkpoint.h"

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
	struct workspace *workspace;
	struct sample sample;
	int index;
};

struct trainer {
	const struct model_shape *shape;
	const struct parameters *parameters;
	float *values, *first, *second;
	struct trainer_options options;
	struct network *network;
	struct sampler *sampler, *valid_sampler;
	const struct dataset *valid;
	struct shard *shard;
	struct worker *worker;
	void (*task)(struct trainer *, struct worker *, int); /* what run() shares out */
	int tasks;
	double *squares; /* of each tensor's gradient */
	double norm;
	uint64_t step;
	char fingerprint[FINGERPRINT_MAX];
	struct validation validation;
};

/* Everything the result depends on, so that a checkpoint is not continued under other rules by mistake. */
static void write_fingerprint(struct trainer *t, const struct corpus *corpora, int count)
{
	const struct sampler_options *s = &t->options.sampler;
	const struct optimiser_options *o = &t->options.optimiser;
	int used =
	    snprintf(t->fingerprint, sizeof t->fingerprint,
		     "seed=%llu rows=%d batch=%d shards=%d mask=%g live=%g regrid=%g disorder=%g transpose=%d steps=%llu "
		     "warmup=%llu rate=%g "
		     "decay=%g clip=%g dropout=%g precision=%s",
		     (unsigned long long)s->seed, s->rows, s->batch, t->options.shards, (double)s->mask, (double)s->live,
		     (double)s->regrid, (double)s->disorder, s->transpose, (unsigned long long)o->steps,
		     (unsigned long long)o->warmup, o->rate, o->decay, o->clip, (double)t->options.network.dropout,
		     t->options.network.precision == PRECISION_BF16 ? "bf16" : "fp32");
	for (int h = 0; h < t->shape->heads && used < FINGERPRINT_MAX; h++)
		used += snprintf(t->fingerprint + used, (size_t)(FINGERPRINT_MAX - used), " %s=%g*%g",
				 t->shape->head[h].name, (double)s->mix[h], (double)s->weight[h]);
	for (int i = 0; i < count && used < FINGERPRINT_MAX; i++)
		used += snprintf(t->fingerprint + used, (size_t)(FINGERPRINT_MAX - used), " %s", corpora[i].path);
}

enum status trainer_new(const struct model_shape *shape, const struct parameters *parameters, float *values,
			const struct dataset *train, const struct corpus *train_corpora, int train_count,
			const struct dataset *valid, const struct corpus *valid_corpora, int valid_count,
			const struct trainer_options *options, struct trainer **result, struct error *error)
{
	*result = NULL;
	struct trainer *t = calloc(1, sizeof *t);
	if (!t)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for training");
	t->shape = shape;
	t->parameters = parameters;
	t->values = values;
	t->options = *options;
	t->valid = valid;
	if (!product_has_bf16())
		t->options.network.precision = PRECISION_FP32;
	write_fingerprint(t, train_corpora, train_count);
	enum status status = network_new(shape, parameters, values, &t->options.network, &t->network, error);
	if (status == STATUS_OK)
		status = sampler_new(shape, train, train_corpora, train_count, &options->sampler, &t->sampler, error);
	struct sampler_options plain = options->sampler;
	memset(plain.mix, 0, sizeof plain.mix); /* validation may lack a head */
	if (status == STATUS_OK)
		status = sampler_new(shape, valid, valid_corpora, valid_count, &plain, &t->valid_sampler, error);
	if (status != STATUS_OK)
		goto fail;
	t->first = calloc(parameters->elements, sizeof *t->first);
	t->second = calloc(parameters->elements, sizeof *t->second);
	t->worker = calloc((size_t)options->threads, sizeof *t->worker);
	t->shard = calloc((size_t)options->shards, sizeof *t->shard);
	t->squares = calloc(parameters->count, sizeof *t->squares);
	bool ok = t->first && t->second && t->worker && t->shard && t->squares;
	for (int i = 0; ok && i < t->options.shards; i++)
		ok = (t->shard[i].gradient = calloc(network_gradient_size(t->network), sizeof(float))) != NULL;
	for (int i = 0; ok && i < options->threads; i++) {
		t->worker[i].trainer = t;
		t->worker[i].index = i;
		ok = sample_new(&t->worker[i].sample, options->sampler.rows) &&
		     (t->worker[i].workspace = workspace_new(t->network)) != NULL;
	}
	if (!ok) {
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for training; a smaller batch of rows needs less");
		goto fail;
	}
	*result = t;
	return STATUS_OK;
fail:
	trainer_free(t);
	return status;
}

void trainer_free(struct trainer *trainer)
{
	if (!trainer)
		return;
	for (int i = 0; trainer->worker && i < trainer->options.threads; i++) {
		sample_free(&trainer->worker[i].sample);
		workspace_free(trainer->worker[i].workspace);
	}
	for (int i = 0; trainer->shard && i < trainer->options.shards; i++)
		free(trainer->shard[i].gradient);
	free(trainer->shard);
	free(trainer->worker);
	free(trainer->squares);
	free(trainer->first);
	free(trainer->second);
	sampler_free(trainer->sampler);
	sampler_free(trainer->valid_sampler);
	network_free(trainer->network);
	free(trainer);
}

static struct checkpoint state(struct trainer *t)
{
	return (struct checkpoint){
	    .step = t->step, .fingerprint = t->fingerprint, .values = t->values, .first = t->first, .second = t->second};
}

enum status trainer_resume(struct trainer *trainer, struct error *error)
{
	struct checkpoint checkpoint = state(trainer);
	enum status status = checkpoint_read(trainer->options.checkpoint, trainer->parameters, &checkpoint, error);
	if (status == STATUS_OK)
		trainer->step = checkpoint.step;
	return status;
}

static void train_shard(struct trainer *t, struct worker *worker, int index)
{
	struct shard *shard = &t->shard[index];
	memset(shard->gradient, 0, network_gradient_size(t->network) * sizeof(float));
	memset(&shard->score, 0, sizeof shard->score);
	shard->notes = 0;
	for (int i = index; i < t->options.sampler.batch; i += t->options.shards) {
		sampler_draw(t->sampler, t->step, i, &worker->sample);
		network_pass(t->network, worker->workspace, &worker->sample.sequence, shard->gradient, &shard->score);
		shard->notes += (uint64_t)worker->sample.sequence.length;
	}
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
	(void)worker;
	optimiser_step(&t->options.optimiser, &t->parameters->table[index], t->step, t->norm, t->shard[0].gradient,
		       t->values, t->first, t->second);
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

static void add_score(struct score *sum, const struct score *score)
{
	for (int h = 0; h < HEADS_MAX; h++) {
		sum->loss[h] += score->loss[h];
		sum->asked[h] += score->asked[h];
		sum->right[h] += score->right[h];
	}
}

/* Every worker takes every threads-th piece of each head's validation part, in chunks as long as training sequences. */
static void validate_pieces(struct trainer *t, struct worker *worker, int index)
{
	(void)index;
	struct shard *shard = &t->shard[worker->index]; /* its score is free between steps */
	int rows = t->options.sampler.rows;
	memset(&shard->score, 0, sizeof shard->score);
	for (int h = 0; h < t->shape->heads; h++) {
		size_t seen = 0;
		for (size_t i = 0; i < t->valid->count && seen < t->options.validate_notes; i++) {
			const struct piece *piece = &t->valid->pieces[i];
			for (size_t first = 0; first < piece->count && seen < t->options.validate_notes;
			     first += (size_t)rows) {
				int count = piece->count - first < (size_t)rows ? (int)(piece->count - first) : rows;
				sampler_plain(t->valid_sampler, piece, first, count, h, &worker->sample);
				struct sequence *sequence = &worker->sample.sequence;
				bool asked = false;
				for (int other = 0; other < t->shape->heads;
				     other++) { /* each head is asked in its own round */
					if (other != h) {
						sequence->note_label[other] = NULL;
						sequence->sequence_label[other] = LABEL_NONE;
					}
				}
				asked = sequence->note_label[h] || sequence->sequence_label[h] != LABEL_NONE;
				if (!asked)
					break;
				seen += (size_t)count;
				if ((seen / (size_t)rows) % (size_t)t->options.threads == (size_t)worker->index)
					network_pass(t->network, worker->workspace, sequence, NULL, &shard->score);
			}
		}
	}
}

static void validate(struct trainer *t)
{
	memset(&t->validation, 0, sizeof t->validation);
	run(t, validate_pieces, t->options.threads);
	for (int i = 0; i < t->options.threads; i++)
		add_score(&t->validation.score, &t->shard[i].score);
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

enum status trainer_run(struct trainer *t, void (*report)(void *context, const struct trainer_progress *progress),
			bool (*stop)(void *context), void *context, struct error *error)
{
	const struct trainer_options *o = &t->options;
	struct trainer_progress progress = {.steps = o->optimiser.steps};
	int64_t reported = clock_now_us(), saved = reported;
	uint64_t notes = 0, first_step = t->step;
	double spent_us = 0;
	struct checkpoint checkpoint;
	enum status status;
	run(t, prepare, network_parts(t->network));
	uint64_t last = o->stop_after && o->stop_after < o->optimiser.steps ? o->stop_after : o->optimiser.steps;
	while (t->step < last && !stop(context)) {
		int64_t began = clock_now_us();
		progress.rate = optimiser_rate(&o->optimiser, t->step);
		progress.norm = train_step(t);
		if (!isfinite(progress.norm))
			return status_fail(
			    error, STATUS_BAD_DATA,
			    "step %llu: the gradient is not finite; resume from the checkpoint with a lower --rate",
			    (unsigned long long)t->step);
		for (int i = 0; i < t->options.shards; i++) {
			add_score(&progress.score, &t->shard[i].score);
			notes += t->shard[i].notes;
		}
		int64_t now = clock_now_us();
		spent_us += (double)(now - began);
		progress.step = t->step;
		progress.notes_per_s = (double)notes / spent_us * 1e6;
		progress.left_s = spent_us / 1e6 / (double)(t->step - first_step) * (double)(last - t->step);
		bool check = o->validate_steps > 0 && (t->step % (uint64_t)o->validate_steps == 0 || t->step == last);
		if (check)
			validate(t);
		if (check || now - reported >= REPORT_US) {
			progress.validation = check ? &t->validation : NULL;
			report(context, &progress);
			memset(&progress.score, 0, sizeof progress.score);
			reported = now;
		}
		if (now - saved >= (int64_t)o->checkpoint_s * 1000000) {
			checkpoint = state(t);
			if ((status = checkpoint_write(o->checkpoint, t->parameters, &checkpoint, error)) != STATUS_OK)
				return status;
			saved = now;
		}
	}
	checkpoint = state(t);
	status = checkpoint_write(o->checkpoint, t->parameters, &checkpoint, error);
	if (status == STATUS_OK && t->step < last)
		status = status_fail(error, STATUS_INTERRUPTED, "stopped after step %llu; --resume goes on from %s",
				     (unsigned long long)t->step, o->checkpoint);
	return status;
}
