/* A dense forward pass, see reference.h. Offline, one thread. Plain loops on purpose: it is to be read beside the page that
 * defines the network, not to be fast. */
#include "model/reference.h"

#include "model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The causal setting has two rows a note: rows 0 .. T - 1 are heard, rows T .. 2 T - 1 ask. */
struct pass {
	const struct model *model;
	enum head_setting setting;
	int window, notes, rows;
	float *x, *q, *k, *v, *y, *inner; /* [rows][d], inner [f] */
	double *p;			  /* [rows] */
	int *seen;			  /* [rows]: rows that the one at hand sees */
};

static bool sees(const struct pass *pass, int l, int r)
{
	const struct model_shape *shape = &pass->model->shape;
	int T = pass->notes;
	if (pass->setting == SETTING_CAUSAL) {
		bool asks = l >= T;
		if (r >= T || (asks && l - T == r))
			return l == r; /* who asks is seen by itself alone, and sees not what its note shows to others */
		int distance = (asks ? l - T : l) - r;
		return distance >= 0 && distance < pass->window;
	}
	int ahead = shape->lookahead == LOOKAHEAD_UNLIMITED ? pass->window - 1 : shape->lookahead;
	return r - l <= ahead && l - r < pass->window;
}

static double dot(int count, const float *a, const float *b)
{
	double sum[8] = {0}; /* eight sums side by side: that much the compiler can vectorise */
	int c = 0;
	for (; c + 8 <= count; c += 8)
		for (int i = 0; i < 8; i++)
			sum[i] += (double)a[c + i] * (double)b[c + i];
	for (; c < count; c++)
		sum[0] += (double)a[c] * (double)b[c];
	return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

/* y[out] = W x + b. */
static void apply(const struct model *model, struct linear_offsets o, int from_row, int out, int in, const float *x,
		  float *y)
{
	const float *w = model->values + o.weight + (size_t)from_row * (size_t)in, *b = model->values + o.bias + from_row;
	for (int i = 0; i < out; i++, w += in)
		y[i] = (float)((double)b[i] + dot(in, w, x));
}

static void norm(const struct model *model, struct norm_offsets o, float *x)
{
	int d = model->shape.width;
	double mean = 0, variance = 0;
	for (int c = 0; c < d; c++)
		mean += (double)x[c] / d;
	for (int c = 0; c < d; c++)
		variance += ((double)x[c] - mean) * ((double)x[c] - mean) / d;
	for (int c = 0; c < d; c++)
		x[c] = (float)(((double)x[c] - mean) / sqrt(variance + (double)LAYER_NORM_EPSILON)) *
			   model->values[o.gain + (size_t)c] +
		       model->values[o.bias + (size_t)c];
}

static void embed(const struct model *model, const struct token *token, float *x)
{
	const struct parameters *p = model->parameters;
	float wide[ATTRIBUTES * EMBEDDING_WIDTH];
	for (int i = 0; i < ATTRIBUTES; i++)
		for (int c = 0; c < EMBEDDING_WIDTH; c++)
			wide[i * EMBEDDING_WIDTH + c] =
			    EMBEDDING_SCALE *
			    model->values[p->embedding[i] + (size_t)token->id[i] * EMBEDDING_WIDTH + (size_t)c];
	apply(model, p->in, 0, model->shape.width, ATTRIBUTES * EMBEDDING_WIDTH, wide, x);
	for (int c = 0; c < model->shape.width; c++)
		x[c] += model->values[p->token_type + (size_t)c];
	norm(model, p->embedding_norm, x);
}

/* One attention head of one row, which sees `count` rows, to y[e]. */
static void attend_row(struct pass *pass, int layer, int head, int l, int count, float *y)
{
	const struct model_shape *shape = &pass->model->shape;
	int d = shape->width, e = d / shape->attention_heads;
	const float *table = pass->model->values + pass->model->parameters->layer[layer].distance;
	const float *q = pass->q + l * d + head * e;
	double most = -INFINITY, sum = 0;
	for (int i = 0; i < count; i++) {
		int distance = l % pass->notes - pass->seen[i] % pass->notes;
		const float *k = pass->k + pass->seen[i] * d + head * e, *far = table + (distance + shape->span - 1) * e;
		pass->p[i] = (dot(e, q, k) + dot(e, q, far) + dot(e, k, far)) / sqrt(e);
		most = pass->p[i] > most ? pass->p[i] : most;
	}
	for (int i = 0; i < count; i++)
		sum += pass->p[i] = exp(pass->p[i] - most);
	for (int c = 0; c < e; c++) {
		double value = 0;
		for (int i = 0; i < count; i++)
			value += pass->p[i] / sum * (double)pass->v[pass->seen[i] * d + head * e + c];
		y[c] = (float)value;
	}
}

static void run_layer(struct pass *pass, int layer)
{
	const struct model *model = pass->model;
	const struct layer_offsets *o = &model->parameters->layer[layer];
	int d = model->shape.width, f = model->shape.inner, heads = model->shape.attention_heads;
	for (int row = 0; row < pass->rows; row++) {
		apply(model, o->qkv, 0, d, d, pass->x + row * d, pass->q + row * d);
		apply(model, o->qkv, d, d, d, pass->x + row * d, pass->k + row * d);
		apply(model, o->qkv, 2 * d, d, d, pass->x + row * d, pass->v + row * d);
	}
	for (int row = 0; row < pass->rows; row++) {
		int count = 0;
		for (int r = 0; r < pass->rows; r++)
			if (sees(pass, row, r))
				pass->seen[count++] = r;
		for (int head = 0; head < heads; head++)
			attend_row(pass, layer, head, row, count, pass->y + row * d + head * (d / heads));
	}
	for (int row = 0; row < pass->rows; row++) {
		float *x = pass->x + row * d, *out = pass->q; /* free by now */
		apply(model, o->attention_output, 0, d, d, pass->y + row * d, out);
		for (int c = 0; c < d; c++)
			x[c] += out[c];
		norm(model, o->attention_norm, x);
		apply(model, o->intermediate, 0, f, d, x, pass->inner);
		for (int c = 0; c < f; c++)
			pass->inner[c] =
			    (float)(0.5 * (double)pass->inner[c] * (1 + erf((double)pass->inner[c] / sqrt(2.0))));
		apply(model, o->output, 0, d, f, pass->inner, out);
		for (int c = 0; c < d; c++)
			x[c] += out[c];
		norm(model, o->output_norm, x);
	}
}

bool reference_hidden(const struct model *model, enum head_setting setting, int window, const struct token *tokens,
		      int count, float *hidden)
{
	int d = model->shape.width;
	bool causal = setting == SETTING_CAUSAL;
	struct pass pass = {
	    .model = model, .setting = setting, .window = window, .notes = count, .rows = causal ? 2 * count : count};
	size_t size = (size_t)pass.rows * (size_t)d;
	float *memory = malloc((5 * size + (size_t)model->shape.inner + 1) * sizeof *memory);
	pass.p = malloc(((size_t)pass.rows + 1) * sizeof *pass.p);
	pass.seen = malloc(((size_t)pass.rows + 1) * sizeof *pass.seen);
	bool good = memory && pass.p && pass.seen;
	if (good && count > 0) {
		pass.x = memory;
		pass.q = memory + size;
		pass.k = memory + 2 * size;
		pass.v = memory + 3 * size;
		pass.y = memory + 4 * size;
		pass.inner = memory + 5 * size;
		for (int row = 0; row < pass.rows; row++) {
			struct token token = tokens[row % count];
			if (setting == SETTING_HIDDEN || row >= count)
				token.id[ATTRIBUTE_VELOCITY] = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
			if (causal)
				token.id[ATTRIBUTE_DURATION] = token_special(ATTRIBUTE_DURATION, SPECIAL_MASK);
			embed(model, &token, pass.x + row * d);
		}
		for (int layer = 0; layer < model->shape.layers; layer++)
			run_layer(&pass, layer);
		memcpy(hidden, pass.x + (causal ? size / 2 : 0), (size_t)count * (size_t)d * sizeof *hidden);
	}
	free(memory);
	free(pass.p);
	free(pass.seen);
	return good;
}
