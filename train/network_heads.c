/* Heads and their losses, forward and backward. Training threads. Note head: dropout, linear, ReLU, dropout, linear.
 * Sequence head: four attention rows over notes, flattened, dropout, linear, ReLU, linear. */
#include "train/network_private.h"

#include "model/kernels.h"
#include "model/matrix.h"
#include "model/predictors.h"
#include "stream/octuple.h"
#include "train/dropout.h"

#include <math.h>
#include <string.h>

static size_t rounded(size_t count)
{
	return (count + 15) / 16 * 16;
}

size_t heads_workspace(const struct network *network, struct workspace *ws, float *memory)
{
	size_t T = (size_t)network->options.rows, d = (size_t)network->shape->width;
	size_t note = rounded(T * (d + CAUSAL_PREDICTORS)), in = note > POOL_ROWS * d ? note : rounded(POOL_ROWS * d);
	size_t inner = rounded(T * HEAD_INNER);
	size_t logits = rounded(T * CLASSES_MAX), pool = rounded(2 * T * (POOL_INNER + POOL_ROWS) + POOL_ROWS * d);
	if (memory) {
		ws->head_in = memory;
		ws->head_inner = memory + in;
		ws->head_logits = ws->head_inner + 2 * inner;
		ws->pool = ws->head_logits + logits;
		ws->head_din = ws->pool + pool;
	}
	return in + 2 * inner + logits + pool + note;
}

static int most_probable(int classes, const float *probability)
{
	int best = 0;
	for (int c = 1; c < classes; c++)
		best = probability[c] > probability[best] ? c : best;
	return best;
}

static bool right_dynamic(const float *probability, int id)
{
	float sum[DYNAMICS] = {0};
	for (int c = 0; c < TOKEN_VELOCITIES; c++)
		sum[dynamic_of_velocity(octuple_velocity_of_id(c))] += probability[c];
	return most_probable(DYNAMICS, sum) == (int)dynamic_of_velocity(octuple_velocity_of_id(id));
}

/* What rows are asked: labels, and beside them what a teacher answers, [rows][C] or NULL, for a share of the gradient. */
struct question {
	const int8_t *label;
	const float *target;
	float taught, weight;
};

/* Cross-entropy of rows with a label; logits become weight * (softmax - target), zero where there is no label. */
static void cross_entropy(const struct head_spec *head, int rows, const struct question *question, float *logits,
			  double *loss, uint64_t *asked, uint64_t *right)
{
	int classes = head->classes;
	const int8_t *label = question->label;
	float taught = question->target ? question->taught : 0;
	bool velocities = head->setting != SETTING_PLAYED && classes == TOKEN_VELOCITIES;
	for (int t = 0; t < rows; t++, logits += classes) {
		if (label[t] < 0) {
			memset(logits, 0, (size_t)classes * sizeof *logits);
			continue;
		}
		kernel_softmax(classes, logits, logits);
		*loss -= log((double)logits[label[t]] + 1e-30);
		*asked += 1;
		*right += velocities ? right_dynamic(logits, label[t]) : most_probable(classes, logits) == label[t];
		logits[label[t]] -= 1 - taught;
		if (taught > 0)
			kernel_axpy(classes, -taught, question->target + (long)t * classes, logits);
		for (int c = 0; c < classes; c++)
			logits[c] *= question->weight;
	}
}

/* The two last layers over rows of in[rows][width]: losses, and with gradient the gradient of `in`, in din (added). */
static void classifier_pass(const struct network *network, struct workspace *ws, int head, int rows, const float *in,
			    const struct question *question, uint32_t key, float *gradient, float *din, struct score *score)
{
	const struct head_offsets *o = &network->parameters->head[head];
	const struct product_weight *first = &network->head_first[head];
	const float *last = network->values + o->last.weight;
	int classes = network->shape->head[head].classes;
	bool note = network->shape->head[head].level == HEAD_NOTE;
	float *inner = ws->head_inner, *dinner = inner + rounded((size_t)network->options.rows * HEAD_INNER),
	      *logits = ws->head_logits;
	float rate = gradient && note ? network->options.dropout : 0;
	uint32_t inner_key = drop_key(key, DROP_HEAD_INNER, head);
	product_forward(first, &ws->scratch, rows, in, inner);
	kernel_relu(rows, HEAD_INNER, network->values + o->first.bias, inner);
	dropout_apply(inner_key, rate, (long)rows * HEAD_INNER, inner);
	matrix_nt(rows, classes, HEAD_INNER, inner, HEAD_INNER, last, HEAD_INNER, 0, logits, classes);
	kernel_add_bias(rows, classes, network->values + o->last.bias, logits);
	cross_entropy(&network->shape->head[head], rows, question, logits, &score->loss[head], &score->asked[head],
		      &score->right[head]);
	if (!gradient)
		return;
	matrix_tn(classes, HEAD_INNER, rows, logits, classes, inner, HEAD_INNER, 1, gradient + o->last.weight, HEAD_INNER);
	bias_backward(rows, classes, logits, gradient + o->last.bias);
	matrix_nn(rows, HEAD_INNER, classes, logits, classes, last, HEAD_INNER, 0, dinner, HEAD_INNER);
	dropout_apply(inner_key, rate, (long)rows * HEAD_INNER, dinner);
	for (long i = 0; i < (long)rows * HEAD_INNER; i++)
		dinner[i] = inner[i] > 0 ? dinner[i] : 0;
	bias_backward(rows, HEAD_INNER, dinner, gradient + o->first.bias);
	product_weight_gradient(first, &ws->scratch, rows, dinner, in, gradient + o->first.weight);
	product_input_gradient(first, &ws->scratch, rows, dinner, true, din);
}

/* A note head reads hidden states, the second half of them in a causal sequence, each row then followed by its predictors.
 */
static void note_pass(const struct network *network, struct workspace *ws, const struct sequence *sequence, int head,
		      const float *hidden, float *gradient, float *dhidden, struct score *score)
{
	int notes = sequence_notes(sequence), d = network->shape->width, in = shape_head_input(network->shape, head);
	long skipped = (long)(sequence->length - notes) * d, count = (long)notes * d;
	uint32_t key = drop_key(sequence->key, DROP_HEAD_IN, head);
	float rate = gradient ? network->options.dropout : 0;
	float *dropped = ws->temporary, *din = ws->head_din;
	struct question question = {sequence->note_label[head], sequence->note_target[head], sequence->taught,
				    sequence->weight[head]};
	memcpy(dropped, hidden + skipped, (size_t)count * sizeof *hidden);
	dropout_apply(key, rate, count, dropped);
	for (int t = 0; t < notes; t++) {
		memcpy(ws->head_in + t * in, dropped + t * d, (size_t)d * sizeof *dropped);
		if (in > d)
			memcpy(ws->head_in + t * in + d, sequence->predictors + t * CAUSAL_PREDICTORS,
			       CAUSAL_PREDICTORS * sizeof *dropped);
	}
	if (gradient)
		memset(din, 0, (size_t)(notes * in) * sizeof *din);
	classifier_pass(network, ws, head, notes, ws->head_in, &question, sequence->key, gradient, din, score);
	if (!gradient)
		return;
	for (int t = 0; t < notes; t++)
		memcpy(dropped + t * d, din + t * in, (size_t)d * sizeof *dropped);
	dropout_apply(key, rate, count, dropped);
	kernel_axpy(count, 1, dropped, dhidden + skipped);
}

static void sequence_pass(const struct network *network, struct workspace *ws, const struct sequence *sequence, int head,
			  const float *hidden, float *gradient, float *dhidden, struct score *score)
{
	const struct head_offsets *o = &network->parameters->head[head];
	const float *w1 = network->values + o->pool1, *w2 = network->values + o->pool2;
	int T = sequence->length, d = network->shape->width, room = network->options.rows;
	float *inner = ws->pool, *dinner = inner + room * POOL_INNER, *weight = dinner + room * POOL_INNER;
	float *dweight = weight + room * POOL_ROWS, *dpooled = dweight + room * POOL_ROWS, *pooled = ws->head_in;
	float rate = gradient ? network->options.dropout : 0;
	uint32_t key = drop_key(sequence->key, DROP_HEAD_IN, head);
	int8_t label = (int8_t)sequence->sequence_label[head];
	struct question question = {.label = &label, .weight = sequence->weight[head]};
	matrix_nt(T, POOL_INNER, d, hidden, d, w1, d, 0, inner, POOL_INNER);
	kernel_tanh((long)T * POOL_INNER, inner);
	matrix_nt(POOL_ROWS, T, POOL_INNER, w2, POOL_INNER, inner, POOL_INNER, 0, weight, T);
	for (int row = 0; row < POOL_ROWS; row++)
		kernel_softmax(T, weight + row * T, weight + row * T);
	matrix_nn(POOL_ROWS, d, T, weight, T, hidden, d, 0, pooled, d);
	dropout_apply(key, rate, POOL_ROWS * d, pooled);
	memset(dpooled, 0, (size_t)(POOL_ROWS * d) * sizeof *dpooled);
	classifier_pass(network, ws, head, 1, pooled, &question, sequence->key, gradient, dpooled, score);
	if (!gradient)
		return;
	dropout_apply(key, rate, POOL_ROWS * d, dpooled);
	matrix_nt(POOL_ROWS, T, d, dpooled, d, hidden, d, 0, dweight, T);
	matrix_tn(T, d, POOL_ROWS, weight, T, dpooled, d, 1, dhidden, d);
	for (int row = 0; row < POOL_ROWS; row++) {
		float *p = weight + row * T, *g = dweight + row * T, dot = 0;
		for (int t = 0; t < T; t++)
			dot += p[t] * g[t];
		for (int t = 0; t < T; t++)
			g[t] = p[t] * (g[t] - dot);
	}
	matrix_nn(POOL_ROWS, POOL_INNER, T, dweight, T, inner, POOL_INNER, 1, gradient + o->pool2, POOL_INNER);
	matrix_tn(T, POOL_INNER, POOL_ROWS, dweight, T, w2, POOL_INNER, 0, dinner, POOL_INNER);
	for (long i = 0; i < (long)T * POOL_INNER; i++)
		dinner[i] *= 1 - inner[i] * inner[i];
	matrix_tn(POOL_INNER, d, T, dinner, POOL_INNER, hidden, d, 1, gradient + o->pool1, d);
	matrix_nn(T, d, POOL_INNER, dinner, POOL_INNER, w1, d, 1, dhidden, d);
}

void heads_pass(const struct network *network, struct workspace *workspace, const struct sequence *sequence,
		const float *hidden, float *gradient, float *dhidden, struct score *score)
{
	for (int head = 0; head < network->shape->heads; head++) {
		const struct head_spec *spec = &network->shape->head[head];
		if ((spec->setting == SETTING_CAUSAL) != (sequence->predictors != NULL))
			continue;
		if (spec->level == HEAD_NOTE && sequence->note_label[head])
			note_pass(network, workspace, sequence, head, hidden, gradient, dhidden, score);
		else if (spec->level == HEAD_SEQUENCE && sequence->sequence_label[head] >= 0)
			sequence_pass(network, workspace, sequence, head, hidden, gradient, dhidden, score);
	}
}
