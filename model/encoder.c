/* The encoder over a stream of notes, see encoder.h. One inference thread each; no allocation after encoder_new. Post-layer-
 * norm BERT with relative positions on keys and queries (docs/MODEL.md, encoder). What a setting keeps of its notes is
 * lane.c's. Does not know events, labels or time. */
#include "model/encoder.h"

#include "model/kernels.h"
#include "model/lane.h"
#include "model/linear.h"

#include <stdlib.h>
#include <string.h>

/* A setting's share of a run. Rows of all shares lie one after the other in every array. In layer k of a bounded look-ahead
 * only rows from first - k n on have a new input, and only rows from first - (k + 1) n on a new output. A causal share holds
 * the notes' own rows and then, as many, the rows that ask. */
struct share {
	struct lane *lane;
	int64_t first, end;
	int64_t begin; /* oldest row whose input of the layer at hand is new */
	int in, out;   /* rows */
};

struct encoder {
	const struct model *model;
	int window, block;
	struct lane *lane[SETTINGS]; /* NULL: not wanted */
	int64_t changed[SETTINGS];
	int rows;			     /* most in a run, all settings */
	float *memory;			     /* all of the arrays below */
	float *x, *y, *qkv, *inner, *before; /* [rows][d], [rows][d], [rows][3 d], [rows][f], [rows][d] */
	float *operand;			     /* linear_scratch: a left operand as the backend wants it */
	float *scores;			     /* of lane_attend */
	const float **queries;		     /* [rows] */
	struct token *tokens;		     /* [rows] */
};

static size_t whole_lines(size_t floats)
{
	return (floats + 15) / 16 * 16;
}

static bool allocate(struct encoder *encoder, size_t scores)
{
	const struct model_shape *shape = &encoder->model->shape;
	size_t d = (size_t)shape->width, f = (size_t)shape->inner, rows = (size_t)encoder->rows, floats = 0;
	float **slots[] = {&encoder->x,	     &encoder->y,	&encoder->qkv,	 &encoder->inner,
			   &encoder->before, &encoder->operand, &encoder->scores};
	const size_t sizes[] = {rows * d, rows * d, rows * 3 * d,
				rows * f, rows * d, linear_scratch(encoder->rows, d > f ? shape->width : shape->inner),
				scores};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		floats += whole_lines(sizes[i]);
	encoder->memory = aligned_alloc(64, floats * sizeof(float));
	encoder->queries = calloc(rows, sizeof *encoder->queries);
	encoder->tokens = calloc(rows, sizeof *encoder->tokens);
	if (!encoder->memory || !encoder->queries || !encoder->tokens)
		return false;
	memset(encoder->memory, 0, floats * sizeof(float)); /* touches every page now, not at the first note */
	float *next = encoder->memory;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		*slots[i] = next;
		next += whole_lines(sizes[i]);
	}
	return true;
}

static struct encoder *make(const struct model *model, unsigned settings, int window, int block, int keep, bool file)
{
	const struct model_shape *shape = &model->shape;
	bool unlimited = shape->lookahead == LOOKAHEAD_UNLIMITED;
	int ahead = unlimited ? window - 1 : shape_lookahead(shape, file);
	if (window < 1 || window > shape->span || block < 1 || keep < 0 || settings == 0 || settings >= 1u << SETTINGS)
		return NULL;
	struct encoder *encoder = calloc(1, sizeof *encoder);
	if (!encoder)
		return NULL;
	int again = unlimited ? 0 : shape->layers * ahead; /* settled rows that a run computes again */
	size_t scores = 0;
	bool good = true;
	encoder->model = model;
	encoder->window = window;
	encoder->block = block;
	for (int s = 0; s < SETTINGS; s++) {
		if (!(settings & ENCODER_SETTING(s)))
			continue;
		bool causal = s == SETTING_CAUSAL;
		int rows = causal ? block : block + again;
		struct lane *lane = lane_new(model, (enum head_setting)s, window, causal ? 0 : ahead, rows, keep);
		good = good && lane;
		encoder->lane[s] = lane;
		encoder->rows += causal ? 2 * rows : rows;
		if (lane && lane_scratch(lane) > scores)
			scores = lane_scratch(lane);
	}
	if (!good || !allocate(encoder, scores)) {
		encoder_free(encoder);
		return NULL;
	}
	return encoder;
}

struct encoder *encoder_new(const struct model *model, unsigned settings, int window, int block, int keep)
{
	return make(model, settings, window, block, keep, false);
}

struct encoder *encoder_new_file(const struct model *model, unsigned settings, int window, int block, int keep)
{
	return make(model, settings, window, block, keep, true);
}

void encoder_free(struct encoder *encoder)
{
	if (!encoder)
		return;
	for (int s = 0; s < SETTINGS; s++)
		lane_free(encoder->lane[s]);
	free(encoder->memory);
	free(encoder->queries);
	free(encoder->tokens);
	free(encoder);
}

void encoder_reset(struct encoder *encoder)
{
	for (int s = 0; s < SETTINGS; s++) {
		encoder->changed[s] = 0;
		if (encoder->lane[s])
			lane_reset(encoder->lane[s]);
	}
}

size_t encoder_bytes(const struct encoder *encoder)
{
	size_t bytes = 0;
	for (int s = 0; s < SETTINGS; s++)
		bytes += encoder->lane[s] ? encoder->lane[s]->bytes : 0;
	return bytes;
}

void encoder_seek(struct encoder *encoder, enum head_setting setting, int64_t row)
{
	struct lane *lane = encoder->lane[setting];
	if (row > lane->rows)
		lane->origin = row;
	lane->rows = row;
}

int64_t encoder_rows(const struct encoder *encoder, enum head_setting setting)
{
	return encoder->lane[setting]->rows;
}

int64_t encoder_changed(const struct encoder *encoder, enum head_setting setting)
{
	return encoder->changed[setting];
}

const float *encoder_hidden(const struct encoder *encoder, enum head_setting setting, int64_t row)
{
	const struct lane *lane = encoder->lane[setting];
	return lane->hidden + (size_t)(row % lane->states) * (size_t)encoder->model->shape.width;
}

int64_t encoder_first(const struct encoder *encoder, enum head_setting setting, int64_t changed, int64_t end)
{
	int64_t heard = encoder->lane[setting]->rows;
	if (setting == SETTING_CAUSAL)
		return heard;
	if (encoder->model->shape.lookahead == LOOKAHEAD_UNLIMITED)
		return end > encoder->window ? end - encoder->window : 0;
	return changed < heard ? changed : heard;
}

/* ---- the rows of a share ---- */

static struct share begin_share(struct encoder *encoder, const struct encoder_part *part)
{
	struct lane *lane = encoder->lane[part->setting];
	struct share share = {.lane = lane, .first = part->first, .end = part->end, .begin = part->first};
	share.in = (int)(part->end - part->first) * (part->setting == SETTING_CAUSAL ? 2 : 1);
	if (encoder->model->shape.lookahead == LOOKAHEAD_UNLIMITED && part->setting != SETTING_CAUSAL)
		lane->origin = part->first;
	lane->rows = part->end;
	return share;
}

/* The tokens of a part as its setting may see them; returns their number. */
static int mask_tokens(const struct encoder_part *part, struct token *out)
{
	int count = (int)(part->end - part->first);
	memcpy(out, part->tokens, (size_t)count * sizeof *out);
	if (part->setting == SETTING_PLAYED)
		return count;
	if (part->setting == SETTING_CAUSAL) {
		for (int i = 0; i < count; i++)
			out[i].id[ATTRIBUTE_DURATION] = token_special(ATTRIBUTE_DURATION, SPECIAL_MASK);
		memcpy(out + count, out, (size_t)count * sizeof *out);
		out += count;
	}
	for (int i = 0; i < count; i++)
		out[i].id[ATTRIBUTE_VELOCITY] = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
	return part->setting == SETTING_CAUSAL ? 2 * count : count;
}

/* Every row of the layer that a later row's output changes sees the newest keys: from x and qkv, the share's part of what
 * goes in, to y, its part of what comes out. before: the input of the same rows. */
static void attend_ahead(struct encoder *encoder, struct share *share, int layer, const float *x, const float *qkv,
			 float *before, float *y)
{
	struct lane *lane = share->lane;
	size_t d = (size_t)encoder->model->shape.width;
	int64_t begin = share->begin - lane->lookahead;
	begin = begin > lane->origin ? begin : lane->origin;
	for (int i = 0; i < share->in; i++)
		lane_put(lane, layer, share->begin + i, x + (size_t)i * d, qkv + (size_t)i * 3 * d);
	share->out = (int)(share->end - begin);
	for (int i = 0; i < share->out; i++) {
		memcpy(before + (size_t)i * d, lane_input(lane, layer, begin + i), d * sizeof *before);
		encoder->queries[i] = lane_query(lane, layer, begin + i);
	}
	lane_attend(lane, layer, begin, share->out, share->end - 1, encoder->queries, encoder->scores, y);
	share->begin = begin;
}

/* A row that asks stands at its note's place until it has been answered; then the note's own row takes the place. */
static void attend_causal(struct encoder *encoder, struct share *share, int layer, const float *x, const float *qkv,
			  float *before, float *y)
{
	size_t d = (size_t)encoder->model->shape.width;
	int notes = share->in / 2;
	for (int i = 0; i < notes; i++) {
		size_t note = (size_t)i * d, question = (size_t)(notes + i) * d;
		lane_ask(share->lane, layer, share->first + i, qkv + 3 * question, qkv + 3 * note, encoder->scores,
			 y + question, y + note);
	}
	memcpy(before, x, (size_t)share->in * d * sizeof *before);
	share->out = share->in;
}

static void keep_hidden(struct encoder *encoder, const struct share *share, const float *x)
{
	size_t d = (size_t)encoder->model->shape.width;
	enum head_setting setting = share->lane->setting;
	int64_t begin = setting == SETTING_CAUSAL ? share->first : share->begin;
	int rows = (int)(share->end - begin);
	if (setting == SETTING_CAUSAL)
		x += (size_t)rows * d;
	for (int i = 0; i < rows; i++)
		lane_put_hidden(share->lane, begin + i, x + (size_t)i * d);
	encoder->changed[setting] = begin;
}

/* ---- all shares at once ---- */

/* Attention of one layer, x -> y (before the output projection), and before = x of y's rows. Returns their number. */
static int attend_all(struct encoder *encoder, struct share *shares, int count, int layer, int rows)
{
	const struct model *model = encoder->model;
	const struct layer_offsets *o = &model->parameters->layer[layer];
	int d = model->shape.width, in = 0, out = 0;
	linear_run(&model->linear[layer].qkv, rows, encoder->x, encoder->operand, encoder->qkv);
	kernel_add_bias(rows, 3 * d, model->values + o->qkv.bias, encoder->qkv);
	for (int i = 0; i < count; i++) {
		struct share *share = &shares[i];
		size_t from = (size_t)in * (size_t)d, to = (size_t)out * (size_t)d;
		in += share->in;
		(share->lane->setting == SETTING_CAUSAL ? attend_causal : attend_ahead)(
		    encoder, share, layer, encoder->x + from, encoder->qkv + 3 * from, encoder->before + to,
		    encoder->y + to);
		share->in = share->out; /* what comes out goes into the next layer */
		out += share->out;
	}
	return out;
}

/* y (attention), before -> output projection, norm, feed-forward, norm -> x. */
static void transform(struct encoder *encoder, int layer, int rows)
{
	const struct model *model = encoder->model;
	const struct layer_offsets *o = &model->parameters->layer[layer];
	const struct layer_linear *linear = &model->linear[layer];
	const float *w = model->values;
	int d = model->shape.width, f = model->shape.inner;
	float *projected = encoder->qkv; /* free by now */
	linear_run(&linear->attention_output, rows, encoder->y, encoder->operand, projected);
	kernel_add_bias(rows, d, w + o->attention_output.bias, projected);
	kernel_layer_norm(rows, d, projected, encoder->before, w + o->attention_norm.gain, w + o->attention_norm.bias,
			  encoder->y, NULL, NULL);
	linear_run(&linear->intermediate, rows, encoder->y, encoder->operand, encoder->inner);
	kernel_gelu(rows, f, w + o->intermediate.bias, encoder->inner, encoder->inner, 0);
	linear_run(&linear->output, rows, encoder->inner, encoder->operand, projected);
	kernel_add_bias(rows, d, w + o->output.bias, projected);
	kernel_layer_norm(rows, d, projected, encoder->y, w + o->output_norm.gain, w + o->output_norm.bias, encoder->x, NULL,
			  NULL);
}

void encoder_run(struct encoder *encoder, const struct encoder_part *parts, int count)
{
	const struct model *model = encoder->model;
	struct share shares[SETTINGS];
	int rows = 0, used = 0;
	for (int i = 0; i < count; i++) {
		encoder->changed[parts[i].setting] = parts[i].end;
		if (parts[i].first == parts[i].end)
			continue;
		shares[used++] = begin_share(encoder, &parts[i]);
		rows += mask_tokens(&parts[i], encoder->tokens + rows);
	}
	if (rows == 0)
		return;
	model_embed(model, encoder->tokens, rows, encoder->x);
	for (int layer = 0; layer < model->shape.layers; layer++) {
		rows = attend_all(encoder, shares, used, layer, rows);
		transform(encoder, layer, rows);
	}
	for (int i = 0, row = 0; i < used; row += shares[i++].in)
		keep_hidden(encoder, &shares[i], encoder->x + (size_t)row * (size_t)model->shape.width);
}

const float *encoder_hear(struct encoder *encoder, enum head_setting setting, int64_t first, int count,
			  const struct token *tokens)
{
	const struct encoder_part part = {setting, first, first + count, tokens};
	encoder_run(encoder, &part, 1);
	return encoder_hidden(encoder, setting, first);
}
