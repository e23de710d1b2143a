/* The encoder while it learns: forward and backward of embedding and layers over one sequence. Training threads; the
 * heads are in network_heads.c, attention in attention.c. Does not know data, optimiser or files. */
#include "train/network_private.h"

#include "model/kernels.h"
#include "model/matrix.h"
#include "model/predictors.h"
#include "model/vector.h"
#include "train/dropout.h"

#include <stdlib.h>
#include <string.h>

static size_t rounded(size_t count)
{
	return (count + 15) / 16 * 16;
}

enum status network_new(const struct model_shape *shape, const struct parameters *parameters, const float *values,
			const struct network_options *options, struct network **result, struct error *error)
{
	*result = NULL;
	struct network *network = calloc(1, sizeof *network);
	if (!network)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the network");
	int d = shape->width, f = shape->inner;
	network->shape = shape;
	network->parameters = parameters;
	network->values = values;
	network->options = *options;
	if (!product_has_bf16())
		network->options.precision = PRECISION_FP32;
	network->attention = (struct attention_shape){
	    .width = d,
	    .heads = shape->attention_heads,
	    .span = shape->span,
	    .lookahead = shape_lookahead(shape, true),
	    .rows = options->rows,
	    .precision = network->options.precision,
	    .dropout = options->dropout,
	};
	enum precision precision = network->options.precision;
	bool ok = (network->folded = malloc((size_t)(TOKEN_VOCABULARY_SUM * d) * sizeof(float))) != NULL;
	for (int i = 0; ok && i < shape->layers; i++) {
		const struct layer_offsets *o = &parameters->layer[i];
		struct layer_weights *w = &network->layer[i];
		ok = product_weight_new(&w->qkv, precision, 3 * d, d, values + o->qkv.weight) &&
		     product_weight_new(&w->attention_output, precision, d, d, values + o->attention_output.weight) &&
		     product_weight_new(&w->intermediate, precision, f, d, values + o->intermediate.weight) &&
		     product_weight_new(&w->output, precision, d, f, values + o->output.weight) &&
		     attention_table_new(&w->table, &network->attention);
	}
	for (int i = 0; ok && i < shape->heads; i++) {
		ok = product_weight_new(&network->head_first[i], precision, HEAD_INNER, shape_head_input(shape, i),
					values + parameters->head[i].first.weight);
	}
	if (!ok || (shape->pretraining && !mlm_weights_new(network))) {
		network_free(network);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the network");
	}
	for (int i = 0, row = 0; i < ATTRIBUTES; row += token_vocabulary[i++])
		network->folded_row[i] = row;
	for (int part = 0; part < network_parts(network); part++)
		network_prepare(network, part);
	*result = network;
	return STATUS_OK;
}

void network_free(struct network *network)
{
	if (!network)
		return;
	for (int i = 0; i < LAYERS_MAX; i++) {
		struct layer_weights *w = &network->layer[i];
		product_weight_free(&w->qkv);
		product_weight_free(&w->attention_output);
		product_weight_free(&w->intermediate);
		product_weight_free(&w->output);
		attention_table_free(&w->table);
	}
	for (int i = 0; i < HEADS_MAX; i++)
		product_weight_free(&network->head_first[i]);
	mlm_weights_free(network);
	free(network->folded);
	free(network);
}

int network_parts(const struct network *network)
{
	return ATTRIBUTES + network->shape->layers + network->shape->heads + network->shape->pretraining;
}

static void fold(struct network *network, int attribute)
{
	const struct parameters *p = network->parameters;
	int d = network->shape->width, V = token_vocabulary[attribute];
	float *out = network->folded + network->folded_row[attribute] * d;
	matrix_nt(V, d, EMBEDDING_WIDTH, network->values + p->embedding[attribute], EMBEDDING_WIDTH,
		  network->values + p->in.weight + attribute * EMBEDDING_WIDTH, ATTRIBUTES * EMBEDDING_WIDTH, 0, out, d);
	for (int k = 0; k < V * d; k++)
		out[k] *= EMBEDDING_SCALE;
}

void network_prepare(struct network *network, int part)
{
	int layer = part - ATTRIBUTES, head = layer - network->shape->layers;
	if (layer < 0) {
		fold(network, part);
	} else if (head < 0) {
		struct layer_weights *w = &network->layer[layer];
		product_weight_pack(&w->qkv);
		product_weight_pack(&w->attention_output);
		product_weight_pack(&w->intermediate);
		product_weight_pack(&w->output);
		attention_table_pack(&w->table, &network->attention,
				     network->values + network->parameters->layer[layer].distance);
	} else if (head < network->shape->heads) {
		product_weight_pack(&network->head_first[head]);
	} else {
		mlm_weights_pack(network);
	}
}

size_t network_gradient_size(const struct network *network)
{
	return network->parameters->elements + (size_t)(TOKEN_VOCABULARY_SUM * network->shape->width);
}

void network_finish_gradient(const struct network *network, enum attribute attribute, float *gradient)
{
	const struct parameters *p = network->parameters;
	int d = network->shape->width, V = token_vocabulary[attribute], in = ATTRIBUTES * EMBEDDING_WIDTH;
	float *dout = gradient + p->elements + network->folded_row[attribute] * d;
	size_t column = (size_t)attribute * EMBEDDING_WIDTH;
	for (int k = 0; k < V * d; k++)
		dout[k] *= EMBEDDING_SCALE;
	matrix_nn(V, EMBEDDING_WIDTH, d, dout, d, network->values + p->in.weight + column, in, 1,
		  gradient + p->embedding[attribute], EMBEDDING_WIDTH);
	matrix_tn(d, EMBEDDING_WIDTH, V, dout, d, network->values + p->embedding[attribute], EMBEDDING_WIDTH, 1,
		  gradient + p->in.weight + column, in);
}

/* Lays a workspace out from memory, or counts its floats with NULL. */
static size_t lay_out(const struct network *network, struct workspace *ws, float *memory)
{
	size_t T = (size_t)network->options.rows, d = (size_t)network->shape->width, f = (size_t)network->shape->inner,
	       used = 0;
	size_t wide = f > 3 * d ? f : 3 * d, kept = attention_kept(&network->attention);
	float **slot[] = {&ws->embedded, &ws->normal0, &ws->inverse0, &ws->dx, &ws->dy, &ws->dwide, &ws->temporary};
	size_t size[] = {T * d, T * d, T, T * d, T * d, T * wide, T * d};
	for (int i = 0; i < 7; i++) {
		if (memory)
			*slot[i] = memory + used;
		used += rounded(size[i]);
	}
	for (int i = 0; i < network->shape->layers; i++) {
		struct layer_kept *k = &ws->layer[i];
		float **part[] = {&k->qkv,    &k->probabilities, &k->context, &k->normal1,  &k->inverse1, &k->middle,
				  &k->before, &k->after,	 &k->normal2, &k->inverse2, &k->out};
		size_t length[] = {T * 3 * d, kept, T * d, T * d, T, T * d, T * f, T * f, T * d, T, T * d};
		for (int j = 0; j < 11; j++) {
			if (memory)
				*part[j] = memory + used;
			used += rounded(length[j]);
		}
	}
	return used + heads_workspace(network, ws, memory ? memory + used : NULL);
}

struct workspace *workspace_new(const struct network *network)
{
	struct workspace *ws = calloc(1, sizeof *ws);
	if (!ws)
		return NULL;
	int d = network->shape->width, f = network->shape->inner, wide = f > 4 * d ? f : 4 * d;
	wide = wide > d + CAUSAL_PREDICTORS ? wide : d + CAUSAL_PREDICTORS;
	ws->network = network;
	ws->attention = attention_new(&network->attention);
	ws->memory = aligned_alloc(64, lay_out(network, ws, NULL) * sizeof(float));
	if (!product_scratch_new(&ws->scratch, network->options.rows, wide > HEAD_INNER ? wide : HEAD_INNER) ||
	    !ws->attention || !ws->memory) {
		workspace_free(ws);
		return NULL;
	}
	lay_out(network, ws, ws->memory);
	return ws;
}

void workspace_free(struct workspace *workspace)
{
	if (!workspace)
		return;
	attention_free(workspace->attention);
	product_scratch_free(&workspace->scratch);
	free(workspace->memory);
	free(workspace);
}

const float *workspace_hidden(const struct workspace *workspace)
{
	return workspace->layer[workspace->network->shape->layers - 1].out;
}

VECTOR_KERNEL void norm_backward(int rows, int d, const float *normal, const float *inverse, const float *gain, float *dy,
				 float *dgain, float *dbias)
{
	for (int row = 0; row < rows; row++, dy += d, normal += d) {
		float mean = 0, mean_normal = 0;
		vector g, n, w, total = {0}, total_normal = {0};
		int c = 0;
		for (; c + VECTOR_LANES <= d; c += VECTOR_LANES) {
			vector_load(&g, dy + c);
			vector_load(&n, normal + c);
			vector_load(&w, gain + c);
			total += g * w;
			total_normal += g * w * n;
		}
		for (; c < d; c++) {
			mean += dy[c] * gain[c];
			mean_normal += dy[c] * gain[c] * normal[c];
		}
		mean = (mean + vector_sum(&total)) / (float)d;
		mean_normal = (mean_normal + vector_sum(&total_normal)) / (float)d;
		for (c = 0; c < d; c++) {
			float g1 = dy[c];
			dgain[c] += g1 * normal[c];
			dbias[c] += g1;
			dy[c] = (g1 * gain[c] - mean - normal[c] * mean_normal) * inverse[row];
		}
	}
}

void bias_backward(int rows, int columns, const float *dy, float *dbias)
{
	for (int row = 0; row < rows; row++)
		kernel_axpy(columns, 1, dy + (ptrdiff_t)row * columns, dbias);
}

static void embed(const struct network *network, struct workspace *ws, const struct sequence *s, float rate)
{
	const struct parameters *p = network->parameters;
	const float *w = network->values;
	int T = s->length, d = network->shape->width;
	for (int t = 0; t < T; t++) {
		float *row = ws->embedded + t * d;
		memcpy(row, w + p->in.bias, (size_t)d * sizeof *row);
		kernel_axpy(d, 1, w + p->token_type, row);
		for (int i = 0; i < ATTRIBUTES; i++)
			kernel_axpy(d, 1, network->folded + (network->folded_row[i] + s->tokens[t].id[i]) * d, row);
	}
	kernel_layer_norm(T, d, ws->embedded, NULL, w + p->embedding_norm.gain, w + p->embedding_norm.bias, ws->embedded,
			  ws->normal0, ws->inverse0);
	dropout_apply(drop_key(s->key, DROP_EMBEDDING, 0), rate, (long)T * d, ws->embedded);
}

static void embed_backward(const struct network *network, struct workspace *ws, const struct sequence *s, float *dx,
			   float *gradient)
{
	const struct parameters *p = network->parameters;
	int T = s->length, d = network->shape->width;
	float *folded = gradient + p->elements;
	dropout_apply(drop_key(s->key, DROP_EMBEDDING, 0), network->options.dropout, (long)T * d, dx);
	norm_backward(T, d, ws->normal0, ws->inverse0, network->values + p->embedding_norm.gain, dx,
		      gradient + p->embedding_norm.gain, gradient + p->embedding_norm.bias);
	bias_backward(T, d, dx, gradient + p->in.bias);
	bias_backward(T, d, dx, gradient + p->token_type);
	for (int t = 0; t < T; t++)
		for (int i = 0; i < ATTRIBUTES; i++)
			kernel_axpy(d, 1, dx + t * d, folded + (network->folded_row[i] + s->tokens[t].id[i]) * d);
}

static void layer_forward(const struct network *network, struct workspace *ws, const struct sequence *s, int layer,
			  const float *x, bool train)
{
	const struct layer_weights *w = &network->layer[layer];
	const struct layer_offsets *o = &network->parameters->layer[layer];
	struct layer_kept *k = &ws->layer[layer];
	const float *v = network->values;
	int T = s->length, d = network->shape->width, f = network->shape->inner;
	float rate = train ? network->options.dropout : 0, *projected = ws->temporary;
	product_forward(&w->qkv, &ws->scratch, T, x, k->qkv);
	kernel_add_bias(T, 3 * d, v + o->qkv.bias, k->qkv);
	uint32_t key = drop_key(s->key, DROP_ATTENTION, layer);
	if (s->predictors)
		attention_forward_causal(ws->attention, &w->table, sequence_notes(s), k->qkv, key, train, k->probabilities,
					 k->context);
	else
		attention_forward(ws->attention, &w->table, T, s->limit, k->qkv, key, train, k->probabilities, k->context);
	product_forward(&w->attention_output, &ws->scratch, T, k->context, projected);
	kernel_add_bias(T, d, v + o->attention_output.bias, projected);
	dropout_apply(drop_key(s->key, DROP_PROJECTION, layer), rate, (long)T * d, projected);
	kernel_layer_norm(T, d, projected, x, v + o->attention_norm.gain, v + o->attention_norm.bias, k->middle, k->normal1,
			  k->inverse1);
	product_forward(&w->intermediate, &ws->scratch, T, k->middle, k->before);
	kernel_gelu(T, f, v + o->intermediate.bias, k->before, k->after, 1);
	product_forward(&w->output, &ws->scratch, T, k->after, projected);
	kernel_add_bias(T, d, v + o->output.bias, projected);
	dropout_apply(drop_key(s->key, DROP_OUTPUT, layer), rate, (long)T * d, projected);
	kernel_layer_norm(T, d, projected, k->middle, v + o->output_norm.gain, v + o->output_norm.bias, k->out, k->normal2,
			  k->inverse2);
}

/* dx: gradient of the layer's output on entry, of its input on return. */
static void layer_backward(const struct network *network, struct workspace *ws, const struct sequence *s, int layer,
			   const float *x, float *dx, float *gradient)
{
	const struct layer_weights *w = &network->layer[layer];
	const struct layer_offsets *o = &network->parameters->layer[layer];
	struct layer_kept *k = &ws->layer[layer];
	const float *v = network->values;
	int T = s->length, d = network->shape->width, f = network->shape->inner;
	float rate = network->options.dropout, *dy = ws->dy, *wide = ws->dwide;
	size_t bytes = (size_t)(T * d) * sizeof *dx;
	norm_backward(T, d, k->normal2, k->inverse2, v + o->output_norm.gain, dx, gradient + o->output_norm.gain,
		      gradient + o->output_norm.bias);
	memcpy(dy, dx, bytes); /* dx stays as the residual's gradient */
	dropout_apply(drop_key(s->key, DROP_OUTPUT, layer), rate, (long)T * d, dy);
	bias_backward(T, d, dy, gradient + o->output.bias);
	product_weight_gradient(&w->output, &ws->scratch, T, dy, k->after, gradient + o->output.weight);
	product_input_gradient(&w->output, &ws->scratch, T, dy, false, wide);
	kernel_gelu_backward((long)T * f, k->before, wide, wide);
	bias_backward(T, f, wide, gradient + o->intermediate.bias);
	product_weight_gradient(&w->intermediate, &ws->scratch, T, wide, k->middle, gradient + o->intermediate.weight);
	product_input_gradient(&w->intermediate, &ws->scratch, T, wide, true, dx);

	norm_backward(T, d, k->normal1, k->inverse1, v + o->attention_norm.gain, dx, gradient + o->attention_norm.gain,
		      gradient + o->attention_norm.bias);
	memcpy(dy, dx, bytes);
	dropout_apply(drop_key(s->key, DROP_PROJECTION, layer), rate, (long)T * d, dy);
	bias_backward(T, d, dy, gradient + o->attention_output.bias);
	product_weight_gradient(&w->attention_output, &ws->scratch, T, dy, k->context,
				gradient + o->attention_output.weight);
	float *dcontext = ws->temporary;
	product_input_gradient(&w->attention_output, &ws->scratch, T, dy, false, dcontext);
	uint32_t key = drop_key(s->key, DROP_ATTENTION, layer);
	if (s->predictors)
		attention_backward_causal(ws->attention, &w->table, sequence_notes(s), k->qkv, key, k->probabilities,
					  dcontext, wide, gradient + o->distance);
	else
		attention_backward(ws->attention, &w->table, T, s->limit, k->qkv, key, k->probabilities, dcontext, wide,
				   gradient + o->distance);
	bias_backward(T, 3 * d, wide, gradient + o->qkv.bias);
	product_weight_gradient(&w->qkv, &ws->scratch, T, wide, x, gradient + o->qkv.weight);
	product_input_gradient(&w->qkv, &ws->scratch, T, wide, true, dx);
}

void network_forward(const struct network *network, struct workspace *ws, const struct sequence *sequence, bool train)
{
	embed(network, ws, sequence, train ? network->options.dropout : 0);
	for (int i = 0; i < network->shape->layers; i++)
		layer_forward(network, ws, sequence, i, i ? ws->layer[i - 1].out : ws->embedded, train);
	if (train)
		memset(ws->dx, 0, (size_t)(sequence->length * network->shape->width) * sizeof(float));
}

float *workspace_gradient(struct workspace *workspace)
{
	return workspace->dx;
}

void network_backward(const struct network *network, struct workspace *ws, const struct sequence *sequence, float *gradient)
{
	for (int i = network->shape->layers - 1; i >= 0; i--)
		layer_backward(network, ws, sequence, i, i ? ws->layer[i - 1].out : ws->embedded, ws->dx, gradient);
	embed_backward(network, ws, sequence, ws->dx, gradient);
}

void network_pass(const struct network *network, struct workspace *ws, const struct sequence *sequence, float *gradient,
		  struct score *score)
{
	network_forward(network, ws, sequence, gradient != NULL);
	heads_pass(network, ws, sequence, ws->layer[network->shape->layers - 1].out, gradient, ws->dx, score);
	if (gradient)
		network_backward(network, ws, sequence, gradient);
}

void score_add(struct score *sum, const struct score *score)
{
	for (int i = 0; i < SCORES_MAX; i++) {
		sum->loss[i] += score->loss[i];
		sum->asked[i] += score->asked[i];
		sum->right[i] += score->right[i];
	}
}
