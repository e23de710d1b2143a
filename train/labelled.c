/* The lesson of labelled heads. Training threads pass and validate, each in a workspace of its own. */
#include "train/labelled.h"

#include <stdlib.h>
#include <string.h>

struct desk {
	struct workspace *workspace;
	struct sample sample;
};

struct labelled {
	const struct network *network;
	const struct model_shape *shape;
	struct sampler *sampler, *valid_sampler;
	const struct dataset *valid;
	size_t validate_notes;
	int rows, threads;
	float share[HEADS_MAX]; /* of each head in the training: sequences drawn for it, times the weight of its loss */
	struct desk *desk;	/* one a thread */
};

static uint64_t pass(void *context, int worker, uint64_t step, int index, float *gradient, struct score *score)
{
	struct labelled *l = context;
	struct desk *desk = &l->desk[worker];
	sampler_draw(l->sampler, step, index, &desk->sample);
	network_pass(l->network, desk->workspace, &desk->sample.sequence, gradient, score);
	return (uint64_t)sequence_notes(&desk->sample.sequence);
}

/* One chunk of a piece, asked of one head. False: the piece has no label for it. */
static bool validate_chunk(struct labelled *l, struct desk *desk, const struct piece *piece, size_t first, int head,
			   bool mine, struct score *score)
{
	size_t rows = (size_t)l->rows, rest = piece->count - first;
	struct sequence *sequence = &desk->sample.sequence;
	sampler_plain(l->valid_sampler, piece, first, rest < rows ? (int)rest : l->rows, head, &desk->sample);
	for (int other = 0; other < l->shape->heads; other++) {
		if (other == head)
			continue;
		sequence->note_label[other] = NULL; /* each head is asked in its own round */
		sequence->sequence_label[other] = LABEL_NONE;
	}
	if (!sequence->note_label[head] && sequence->sequence_label[head] == LABEL_NONE)
		return false;
	if (mine)
		network_pass(l->network, desk->workspace, sequence, NULL, score);
	return true;
}

/* Chunks as long as training sequences, so many of each head's validation part as the limit allows, spread over all its
 * pieces; every worker takes every workers-th of them. */
static void validate(void *context, int worker, int workers, struct score *score)
{
	struct labelled *l = context;
	for (int h = 0; l->validate_notes && h < l->shape->heads; h++) {
		size_t every = sampler_notes(l->valid_sampler, h) / l->validate_notes + 1, chunk = 0, taken = 0;
		for (size_t i = 0; i < l->valid->count; i++) {
			const struct piece *piece = &l->valid->pieces[i];
			for (size_t first = 0; first < piece->count; first += (size_t)l->rows) {
				if (chunk++ % every != 0)
					continue;
				bool mine = taken++ % (size_t)workers == (size_t)worker;
				if (!validate_chunk(l, &l->desk[worker], piece, first, h, mine, score))
					break;
			}
		}
	}
}

/* The heads' mean losses, weighted as they are trained. */
static double judge(const void *context, const struct score *score)
{
	const struct labelled *l = context;
	double sum = 0, weights = 0;
	for (int h = 0; h < l->shape->heads; h++) {
		double weight = score->asked[h] ? (double)l->share[h] : 0;
		sum += weight * score->loss[h] / (double)(score->asked[h] ? score->asked[h] : 1);
		weights += weight;
	}
	return weights > 0 ? sum / weights : 0;
}

static void labelled_free(void *context)
{
	struct labelled *l = context;
	for (int i = 0; l->desk && i < l->threads; i++) {
		sample_free(&l->desk[i].sample);
		workspace_free(l->desk[i].workspace);
	}
	free(l->desk);
	sampler_free(l->sampler);
	sampler_free(l->valid_sampler);
	free(l);
}

enum status labelled_new(const struct network *network, const struct model_shape *shape, const struct dataset *train,
			 const struct corpus *train_corpora, int train_count, const struct dataset *valid,
			 const struct corpus *valid_corpora, int valid_count, const struct sampler_options *options,
			 size_t validate_notes, int threads, struct lesson *lesson, struct error *error)
{
	struct labelled *l = calloc(1, sizeof *l);
	struct sampler_options plain = *options;
	memset(plain.mix, 0, sizeof plain.mix); /* validation may lack a head */
	if (!l)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for training");
	l->network = network;
	l->shape = shape;
	l->valid = valid;
	l->validate_notes = validate_notes;
	l->rows = options->rows;
	for (int h = 0; h < shape->heads; h++)
		l->share[h] = options->mix[h] * options->weight[h];
	l->threads = threads;
	enum status status = sampler_new(shape, train, train_corpora, train_count, options, &l->sampler, error);
	if (status == STATUS_OK)
		status = sampler_new(shape, valid, valid_corpora, valid_count, &plain, &l->valid_sampler, error);
	bool ok = status == STATUS_OK && (l->desk = calloc((size_t)threads, sizeof *l->desk)) != NULL;
	for (int i = 0; ok && i < threads; i++)
		ok =
		    sample_new(&l->desk[i].sample, options->rows) && (l->desk[i].workspace = workspace_new(network)) != NULL;
	if (status == STATUS_OK && !ok)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for training; shorter --rows need less");
	if (status != STATUS_OK) {
		labelled_free(l);
		return status;
	}
	*lesson = (struct lesson){.context = l, .pass = pass, .validate = validate, .judge = judge, .free = labelled_free};
	return STATUS_OK;
}
