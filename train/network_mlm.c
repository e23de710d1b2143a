/* Recoverer and masker, forward and backward. Training threads. Which notes are masked, and what the masker should have
 * said, is decided in masker.c. */
#include "train/network_mlm.h"

#include "model/kernels.h"
#include "train/dropout.h"
#include "train/network_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct mlm {
	const struct network *network;
	struct product_scratch scratch;
	float *gathered, *dgathered, *logits; /* [T][d], [T][d], [T][V] */
	float *shown, *dshown;		      /* [T][d]: what the masker's head sees of the hidden states */
	float *inner, *dinner;		      /* [T][256] */
	float *certainty;		      /* [T]: sum of weights that a note's loss is made of */
	int *row;			      /* [T]: notes asked for one attribute */
	float *memory;
};

bool mlm_weights_new(struct network *network)
{
	const struct parameters *p = network->parameters;
	int d = network->shape->width;
	bool ok = true;
	for (int i = 0; ok && i < ATTRIBUTES; i++)
		ok = product_weight_new(&network->mask_lm[i], network->options.precision, token_vocabulary[i], d,
					network->values + p->mask_lm[i].weight);
	return ok && product_weight_new(&network->masker_first, network->options.precision, HEAD_INNER, d,
					network->values + p->masker_first.weight);
}

void mlm_weights_free(struct network *network)
{
	for (int i = 0; i < ATTRIBUTES; i++)
		product_weight_free(&network->mask_lm[i]);
	product_weight_free(&network->masker_first);
}

void mlm_weights_pack(struct network *network)
{
	for (int i = 0; i < ATTRIBUTES; i++)
		product_weight_pack(&network->mask_lm[i]);
	product_weight_pack(&network->masker_first);
}

static size_t rounded(size_t count)
{
	return (count + 15) / 16 * 16;
}

/* Lays the arrays out from memory, or counts their floats with NULL. */
static size_t lay_out(struct mlm *mlm, float *memory)
{
	size_t T = (size_t)mlm->network->options.rows, d = (size_t)mlm->network->shape->width, used = 0;
	float **slot[] = {&mlm->gathered, &mlm->dgathered, &mlm->logits, &mlm->shown,
			  &mlm->dshown,	  &mlm->inner,	   &mlm->dinner, &mlm->certainty};
	size_t size[] = {T * d, T * d, T * TOKEN_VOCABULARY_MAX, T * d, T * d, T * HEAD_INNER, T * HEAD_INNER, T};
	for (int i = 0; i < 8; i++) {
		if (memory)
			*slot[i] = memory + used;
		used += rounded(size[i]);
	}
	return used;
}

struct mlm *mlm_new(const struct network *network)
{
	struct mlm *mlm = calloc(1, sizeof *mlm);
	int d = network->shape->width, rows = network->options.rows;
	if (!mlm)
		return NULL;
	mlm->network = network;
	mlm->row = calloc((size_t)rows, sizeof *mlm->row);
	mlm->memory = aligned_alloc(64, lay_out(mlm, NULL) * sizeof(float));
	if (!product_scratch_new(&mlm->scratch, rows, d > TOKEN_VOCABULARY_MAX ? d : TOKEN_VOCABULARY_MAX) || !mlm->row ||
	    !mlm->memory) {
		mlm_free(mlm);
		return NULL;
	}
	lay_out(mlm, mlm->memory);
	return mlm;
}

void mlm_free(struct mlm *mlm)
{
	if (!mlm)
		return;
	product_scratch_free(&mlm->scratch);
	free(mlm->row);
	free(mlm->memory);
	free(mlm);
}

/* Logits of the asked rows become weight * (softmax - one hot). */
static void cross_entropy(struct mlm *mlm, const struct recovery *r, int attribute, int rows, float weight,
			  struct score *score)
{
	int V = token_vocabulary[attribute];
	for (int k = 0; k < rows; k++) {
		float *logits = mlm->logits + (ptrdiff_t)k * V;
		int wanted = r->truth[mlm->row[k]].id[attribute], best = 0;
		for (int c = 1; c < V; c++)
			best = logits[c] > logits[best] ? c : best;
		kernel_softmax(V, logits, logits);
		double loss = -log((double)logits[wanted] + 1e-30);
		score->loss[attribute] += loss;
		score->asked[attribute]++;
		score->right[attribute] += best == wanted;
		if (r->note_loss) {
			r->note_loss[mlm->row[k]] += r->weight[attribute] * (float)loss;
			mlm->certainty[mlm->row[k]] += r->weight[attribute];
		}
		logits[wanted] -= 1;
		for (int c = 0; c < V; c++)
			logits[c] *= weight;
	}
}

static void recover_attribute(struct mlm *mlm, int T, const struct recovery *r, int a, const float *hidden, float *gradient,
			      float *dhidden, struct score *score)
{
	const struct product_weight *weight = &mlm->network->mask_lm[a];
	const struct linear_offsets *o = &mlm->network->parameters->mask_lm[a];
	int d = mlm->network->shape->width, V = token_vocabulary[a], rows = 0;
	for (int t = 0; t < T; t++) {
		if (!(r->asked[t] >> a & 1))
			continue;
		memcpy(mlm->gathered + (ptrdiff_t)rows * d, hidden + (ptrdiff_t)t * d, (size_t)d * sizeof *hidden);
		mlm->row[rows++] = t;
	}
	if (!rows)
		return;
	product_forward(weight, &mlm->scratch, rows, mlm->gathered, mlm->logits);
	kernel_add_bias(rows, V, mlm->network->values + o->bias, mlm->logits);
	cross_entropy(mlm, r, a, rows, r->scale * r->weight[a] / (float)rows, score);
	if (!gradient)
		return;
	bias_backward(rows, V, mlm->logits, gradient + o->bias);
	product_weight_gradient(weight, &mlm->scratch, rows, mlm->logits, mlm->gathered, gradient + o->weight);
	product_input_gradient(weight, &mlm->scratch, rows, mlm->logits, false, mlm->dgathered);
	for (int k = 0; k < rows; k++)
		kernel_axpy(d, 1, mlm->dgathered + (ptrdiff_t)k * d, dhidden + (ptrdiff_t)mlm->row[k] * d);
}

void mlm_recover(struct mlm *mlm, int T, const struct recovery *recovery, const float *hidden, float *gradient,
		 float *dhidden, struct score *score)
{
	if (recovery->note_loss) {
		memset(recovery->note_loss, 0, (size_t)T * sizeof *recovery->note_loss);
		memset(mlm->certainty, 0, (size_t)T * sizeof *mlm->certainty);
	}
	for (int a = 0; a < ATTRIBUTES; a++)
		recover_attribute(mlm, T, recovery, a, hidden, gradient, dhidden, score);
	for (int t = 0; recovery->note_loss && t < T; t++)
		if (mlm->certainty[t] > 0)
			recovery->note_loss[t] /= mlm->certainty[t];
}

void mlm_mask(struct mlm *mlm, int T, const float *hidden, uint32_t key, bool train, float *worth)
{
	const struct parameters *p = mlm->network->parameters;
	const float *values = mlm->network->values, *last = values + p->masker_last.weight;
	long count = (long)T * mlm->network->shape->width;
	float rate = train ? mlm->network->options.dropout : 0;
	memcpy(mlm->shown, hidden, (size_t)count * sizeof *hidden);
	dropout_apply(drop_key(key, DROP_HEAD_IN, HEADS_MAX), rate, count, mlm->shown);
	product_forward(&mlm->network->masker_first, &mlm->scratch, T, mlm->shown, mlm->inner);
	kernel_relu(T, HEAD_INNER, values + p->masker_first.bias, mlm->inner);
	dropout_apply(drop_key(key, DROP_HEAD_INNER, HEADS_MAX), rate, (long)T * HEAD_INNER, mlm->inner);
	for (int t = 0; t < T; t++) {
		double sum = (double)values[p->masker_last.bias];
		for (int c = 0; c < HEAD_INNER; c++)
			sum += (double)(last[c] * mlm->inner[t * HEAD_INNER + c]);
		worth[t] = (float)(1 / (1 + exp(-sum)));
	}
}

/* Gradient of the masker's logits, in worth's place: there is one a note. */
static void error_of(int T, const int8_t *target, float scale, const float *worth, struct score *score, float *dlogit)
{
	int targets = 0, slot = SCORES_MAX - 1;
	for (int t = 0; t < T; t++)
		targets += target[t] >= 0;
	for (int t = 0; t < T; t++) {
		float m = worth[t], error = m - (float)target[t];
		dlogit[t] = 0;
		if (target[t] < 0)
			continue;
		dlogit[t] = 2 * error * m * (1 - m) * scale / (float)targets;
		score->loss[slot] += (double)(error * error);
		score->asked[slot]++;
		score->right[slot] += (m > 0.5f) == (target[t] == 1);
	}
}

void mlm_mask_backward(struct mlm *mlm, int T, const int8_t *target, float scale, uint32_t key, const float *worth,
		       float *gradient, float *dhidden, struct score *score)
{
	const struct parameters *p = mlm->network->parameters;
	const float *last = mlm->network->values + p->masker_last.weight;
	long count = (long)T * mlm->network->shape->width;
	float rate = mlm->network->options.dropout, *dlogit = mlm->certainty;
	error_of(T, target, scale, worth, score, dlogit);
	for (int t = 0; t < T; t++) {
		const float *inner = mlm->inner + t * HEAD_INNER;
		float *dinner = mlm->dinner + t * HEAD_INNER;
		kernel_axpy(HEAD_INNER, dlogit[t], inner, gradient + p->masker_last.weight);
		gradient[p->masker_last.bias] += dlogit[t];
		for (int c = 0; c < HEAD_INNER; c++)
			dinner[c] = inner[c] > 0 ? dlogit[t] * last[c] : 0;
	}
	dropout_apply(drop_key(key, DROP_HEAD_INNER, HEADS_MAX), rate, (long)T * HEAD_INNER, mlm->dinner);
	bias_backward(T, HEAD_INNER, mlm->dinner, gradient + p->masker_first.bias);
	product_weight_gradient(&mlm->network->masker_first, &mlm->scratch, T, mlm->dinner, mlm->shown,
				gradient + p->masker_first.weight);
	product_input_gradient(&mlm->network->masker_first, &mlm->scratch, T, mlm->dinner, false, mlm->dshown);
	dropout_apply(drop_key(key, DROP_HEAD_IN, HEADS_MAX), rate, count, mlm->dshown);
	kernel_axpy(count, 1, mlm->dshown, dhidden);
}
