/* A whole piece through the encoder, see listener.h. Offline; one thread each. It does not stream: live notes are engine/'s.
 */
#include "train/listener.h"

#include "model/encoder.h"
#include "model/predictors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP 256      /* notes that a run adds to a stream, at least */
#define AGAIN_SHARE 4 /* a run adds so many times as many as it computes again */

#define NO_HEAD (-1) /* asked is for the states themselves */

struct listener {
	const struct model *model;
	const struct model_shape *shape;
	struct encoder *encoder;
	unsigned settings; /* that the encoder has, a bit each */
	int window, passage, block;
	size_t room;		   /* notes that the arrays below hold */
	struct token *tokens;	   /* of the piece at hand, in the model's order */
	size_t *note;		   /* index into the piece of each token */
	uint8_t *pitch, *velocity; /* of each token: what predictors are made of */
	float *input;		   /* [block][d + CAUSAL_PREDICTORS]: what a causal head reads */
	float *logits;		   /* [block][CLASSES_MAX] */
	float *scratch;
	struct texture_note *texture; /* [passage] */
};

struct listener *listener_new(const struct model *model, int window, int passage)
{
	const struct model_shape *shape = model_shape(model);
	struct listener *listener = calloc(1, sizeof *listener);
	if (!listener)
		return NULL;
	bool unlimited = shape->lookahead == LOOKAHEAD_UNLIMITED;
	unsigned settings = ENCODER_SETTING(SETTING_PLAYED);
	for (int h = 0; h < shape->heads; h++)
		settings |= ENCODER_SETTING(shape->head[h].setting);
	listener->model = model;
	listener->shape = shape;
	listener->window = window;
	listener->passage = passage;
	listener->settings = settings;
	int again = unlimited ? 0 : shape->layers * shape_lookahead(shape, true); /* rows that a block's notes change */
	int step = STEP > AGAIN_SHARE * again ? STEP : AGAIN_SHARE * again;
	listener->block = unlimited ? window : step > passage ? step : passage;
	if (window < 1 || passage < 1 || passage > listener->block) {
		free(listener);
		return NULL;
	}
	listener->encoder = encoder_new_file(model, settings, window, listener->block, 0);
	listener->input =
	    malloc((size_t)listener->block * (size_t)(shape->width + CAUSAL_PREDICTORS) * sizeof *listener->input);
	listener->logits = malloc((size_t)(listener->block + again) * CLASSES_MAX * sizeof *listener->logits);
	listener->scratch = malloc(model_sequence_scratch(model, passage) * sizeof *listener->scratch);
	listener->texture = malloc((size_t)passage * sizeof *listener->texture);
	if (!listener->encoder || !listener->input || !listener->logits || !listener->scratch || !listener->texture) {
		listener_free(listener);
		return NULL;
	}
	return listener;
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	encoder_free(listener->encoder);
	free(listener->tokens);
	free(listener->note);
	free(listener->pitch);
	free(listener->velocity);
	free(listener->input);
	free(listener->logits);
	free(listener->scratch);
	free(listener->texture);
	free(listener);
}

static bool make_room(struct listener *listener, size_t notes)
{
	if (notes <= listener->room)
		return true;
	struct token *tokens = realloc(listener->tokens, notes * sizeof *tokens);
	if (tokens)
		listener->tokens = tokens;
	size_t *note = realloc(listener->note, notes * sizeof *note);
	if (note)
		listener->note = note;
	uint8_t *pitch = realloc(listener->pitch, notes), *velocity = realloc(listener->velocity, notes);
	if (pitch)
		listener->pitch = pitch;
	if (velocity)
		listener->velocity = velocity;
	if (!tokens || !note || !pitch || !velocity)
		return false;
	listener->room = notes;
	return true;
}

static bool sort_tokens(struct listener *listener, const struct piece *piece)
{
	struct octuple_sorted *sorted = malloc((piece->count + 1) * sizeof *sorted);
	if (!sorted)
		return false;
	for (size_t i = 0; i < piece->count; i++)
		sorted[i] = (struct octuple_sorted){piece->notes[i].place.bar / TOKEN_BARS, i, listener->tokens[i]};
	qsort(sorted, piece->count, sizeof *sorted, octuple_sort_order);
	for (size_t i = 0; i < piece->count; i++) {
		listener->tokens[i] = sorted[i].token;
		listener->note[i] = sorted[i].note;
	}
	free(sorted);
	return true;
}

/* What a setting hides is hidden before tokens are sorted, so that their order does not tell it either. */
static bool tokenize(struct listener *listener, const struct piece *piece, enum head_setting setting)
{
	bool causal = setting == SETTING_CAUSAL;
	if (!make_room(listener, piece->count))
		return false;
	for (size_t i = 0; i < piece->count; i++) {
		const struct piece_note *note = &piece->notes[i];
		listener->tokens[i] = octuple_token(&note->place, note->pitch, causal ? -1 : note->duration_positions,
						    setting == SETTING_PLAYED ? note->velocity : -1, 0);
		listener->note[i] = i;
	}
	if (listener->shape->order != ORDER_ARRIVAL && !sort_tokens(listener, piece))
		return false;
	for (size_t i = 0; causal && i < piece->count; i++) {
		const struct piece_note *note = &piece->notes[listener->note[i]];
		listener->tokens[i] = octuple_token(&note->place, note->pitch, -1, note->velocity, 0);
		listener->pitch[i] = note->pitch;
		listener->velocity[i] = note->velocity;
	}
	return true;
}

/* Asks a note head about rows from..end - 1, whose hidden states (and predictors) begin at `hidden`; without a head the
 * states are the answer. */
static void answer(struct listener *listener, int head, size_t from, size_t end, const float *hidden, float *probability)
{
	size_t d = (size_t)listener->shape->width;
	if (from >= end)
		return;
	if (head == NO_HEAD) {
		for (size_t row = from; row < end; row++)
			memcpy(probability + listener->note[row] * d, hidden + (row - from) * d, d * sizeof *probability);
		return;
	}
	size_t classes = (size_t)listener->shape->head[head].classes;
	model_note_logits(listener->model, head, hidden, (int)(end - from), listener->logits);
	for (size_t row = from; row < end; row++)
		model_probabilities(listener->model, head, listener->logits + (row - from) * classes,
				    probability + listener->note[row] * classes);
}

static void listen_bounded(struct listener *listener, size_t count, enum head_setting setting, int head, float *probability)
{
	size_t unsettled = (size_t)(listener->shape->layers * shape_lookahead(listener->shape, true));
	size_t block = (size_t)listener->block;
	encoder_reset(listener->encoder);
	for (size_t heard = 0, done = 0; heard < count;) {
		/* done is the first row whose answer later rows could still change */
		size_t end = heard + block < count ? heard + block : count;
		size_t settled = end == count ? count : end > unsettled ? end - unsettled : 0;
		encoder_hear(listener->encoder, setting, (int64_t)heard, (int)(end - heard), listener->tokens + heard);
		answer(listener, head, done, settled, encoder_hidden(listener->encoder, setting, (int64_t)done),
		       probability);
		done = settled;
		heard = end;
	}
}

static void listen_unlimited(struct listener *listener, size_t count, enum head_setting setting, int head,
			     float *probability)
{
	size_t d = (size_t)listener->shape->width, window = (size_t)listener->window, hop = (window + 1) / 2;
	for (size_t first = 0, done = 0; done < count; first += hop) {
		if (first + window > count)
			first = count > window ? count - window : 0;
		size_t end = first + window < count ? first + window : count;
		size_t settled = end == count ? count : end - (window - hop) / 2;
		encoder_reset(listener->encoder);
		const float *hidden =
		    encoder_hear(listener->encoder, setting, (int64_t)first, (int)(end - first), listener->tokens + first);
		answer(listener, head, done, settled, hidden + (done - first) * d, probability);
		done = settled;
	}
}

/* Whatever the look-ahead, a causal answer is there at once and for good. */
static void listen_causal(struct listener *listener, size_t count, int head, float *probability)
{
	size_t d = (size_t)listener->shape->width, block = (size_t)listener->block, width = d + CAUSAL_PREDICTORS;
	encoder_reset(listener->encoder);
	for (size_t first = 0, end; first < count; first = end) {
		end = first + block < count ? first + block : count;
		const float *hidden = encoder_hear(listener->encoder, SETTING_CAUSAL, (int64_t)first, (int)(end - first),
						   listener->tokens + first);
		for (size_t row = first; row < end && head != NO_HEAD; row++) {
			float *input = listener->input + (row - first) * width;
			memcpy(input, hidden + (row - first) * d, d * sizeof *input);
			predictors_compute(listener->pitch, listener->velocity, (int)row, listener->pitch[row], input + d);
		}
		answer(listener, head, first, end, head == NO_HEAD ? hidden : listener->input, probability);
	}
}

static bool listen(struct listener *listener, const struct piece *piece, enum head_setting setting, int head,
		   float *probability)
{
	if (!tokenize(listener, piece, setting))
		return false;
	if (setting == SETTING_CAUSAL)
		listen_causal(listener, piece->count, head, probability);
	else if (listener->shape->lookahead == LOOKAHEAD_UNLIMITED)
		listen_unlimited(listener, piece->count, setting, head, probability);
	else
		listen_bounded(listener, piece->count, setting, head, probability);
	return true;
}

bool listener_notes(struct listener *listener, const struct piece *piece, int head, float *probability)
{
	return listen(listener, piece, listener->shape->head[head].setting, head, probability);
}

bool listener_states(struct listener *listener, const struct piece *piece, enum head_setting setting, float *state)
{
	return listener->settings & ENCODER_SETTING(setting) && listen(listener, piece, setting, NO_HEAD, state);
}

bool listener_network(struct listener *listener, const struct piece *piece, int head, size_t first, int count, float *logits)
{
	if (count < 1 || count > listener->passage || first > piece->count || (size_t)count > piece->count - first ||
	    !tokenize(listener, piece, listener->shape->head[head].setting))
		return false;
	encoder_reset(listener->encoder);
	const float *hidden =
	    encoder_hear(listener->encoder, listener->shape->head[head].setting, 0, count, listener->tokens + first);
	model_sequence_logits(listener->model, head, hidden, count, listener->scratch, logits);
	return true;
}

void listener_texture(const struct piece *piece, size_t first, int count, struct texture_note *scratch, float *features)
{
	for (int i = 0; i < count; i++) {
		const struct piece_note *note = &piece->notes[first + (size_t)i];
		scratch[i] =
		    (struct texture_note){note->onset_us, note->end_us - note->onset_us, note->pitch, note->velocity};
	}
	texture_features(scratch, count, features);
}

bool listener_passage(struct listener *listener, const struct piece *piece, int head, size_t first, int count,
		      float *probability)
{
	float features[TEXTURE_SIZE];
	if (!listener_network(listener, piece, head, first, count, listener->logits))
		return false;
	if (shape_reads_texture(&listener->shape->head[head])) {
		listener_texture(piece, first, count, listener->texture, features);
		texture_judge(listener->model, head, features, count, listener->logits);
	}
	model_probabilities(listener->model, head, listener->logits, probability);
	return true;
}

size_t listener_passages(const struct piece *piece, int passage)
{
	size_t length = (size_t)passage, full = piece->count / length, rest = piece->count % length;
	return full + ((full == 0 && rest > 0) || 2 * rest >= length);
}

int listener_passage_length(const struct piece *piece, int passage, size_t index)
{
	size_t left = piece->count - index * (size_t)passage;
	return left < (size_t)passage ? (int)left : passage;
}

void listener_pool(const struct head_spec *head, const float *passages, size_t count, float *probability)
{
	int classes = head->classes;
	double scale = 1 / ((double)count * (head->piece_temperature > 0 ? (double)head->piece_temperature : 1));
	double logarithm[CLASSES_MAX] = {0}, best = -INFINITY, sum = 0;
	for (int c = 0; c < classes; c++) {
		for (size_t i = 0; i < count; i++)
			logarithm[c] += log(fmax((double)passages[i * (size_t)classes + (size_t)c], 1e-30)) * scale;
		best = fmax(best, logarithm[c]);
	}
	for (int c = 0; c < classes; c++)
		sum += exp(logarithm[c] - best);
	for (int c = 0; c < classes; c++)
		probability[c] = (float)(exp(logarithm[c] - best) / sum);
}
