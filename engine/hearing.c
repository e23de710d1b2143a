/* The encoder and its heads over the notes of a window, see hearing.h. Engine thread. */
#include "engine/hearing.h"

#include "model/encoder.h"
#include "model/familiar.h"
#include "model/pool.h"
#include "model/predictors.h"
#include "model/texture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct hearing {
	const struct model *model;
	const struct model_shape *shape;
	const struct heads *heads;
	struct encoder *encoder;
	struct pool *pool[HEADS_MAX]; /* of each sequence head */
	int64_t pooled[HEADS_MAX];    /* oldest row that has changed since its last answer */
	int window;
	int run_new;   /* new rows that a run may take */
	int block;     /* rows that a run may be handed */
	int64_t reach; /* rows that the states of a window depend on, through all layers */
	unsigned kinds;
	unsigned settings;	      /* a bit each: wanted */
	struct token *tokens;	      /* [SETTINGS][block] */
	float *logits, *input;	      /* [rows][CLASSES_MAX], [block][d + CAUSAL_PREDICTORS] */
	uint8_t *pitch, *velocity;    /* [PREDICTORS_REACH + block] */
	float *features, *scratch;    /* [d + FAMILIAR_STATISTICS] */
	struct texture_note *texture; /* [window] */
	float strangeness[HEADS_MAX]; /* of each head of the model, when it last answered */
};

struct hearing *hearing_new(const struct model *model, const struct heads *heads, int window)
{
	const struct model_shape *shape = model_shape(model);
	struct hearing *hearing = calloc(1, sizeof *hearing);
	if (!hearing)
		return NULL;
	bool unlimited = shape->lookahead == LOOKAHEAD_UNLIMITED, good = true;
	int again = unlimited ? 0 : shape->layers * shape->lookahead;
	hearing->model = model;
	hearing->shape = shape;
	hearing->heads = heads;
	hearing->window = window;
	/* Unlimited: every run is over the whole window, so new notes may fill it at once. */
	hearing->run_new = unlimited ? window : HEARING_BURST;
	hearing->block = unlimited ? window : shape->freeze + HEARING_BURST;
	if (hearing->block < HEARING_BURST)
		hearing->block = HEARING_BURST; /* a causal lane that catches up */
	hearing->reach = (int64_t)shape->layers * (window - 1) + again + shape->freeze + window;
	size_t block = (size_t)hearing->block;
	if (heads->settings)
		hearing->encoder = encoder_new(model, heads->settings, window, hearing->block,
					       heads->sequences > 0 || window < FAMILIAR_NOTES ? window : FAMILIAR_NOTES);
	for (int i = 0; i < heads->sequences; i++) {
		hearing->pool[i] = pool_new(model, heads->sequence[i].index, window);
		good = good && hearing->pool[i];
	}
	hearing->tokens = calloc(SETTINGS * block, sizeof *hearing->tokens);
	hearing->logits = calloc((block + (size_t)again) * CLASSES_MAX, sizeof *hearing->logits);
	hearing->input = calloc(block * (size_t)(shape->width + CAUSAL_PREDICTORS), sizeof *hearing->input);
	hearing->pitch = calloc(PREDICTORS_REACH + block, 1);
	hearing->velocity = calloc(PREDICTORS_REACH + block, 1);
	hearing->features = calloc((size_t)shape->width + FAMILIAR_STATISTICS, sizeof *hearing->features);
	hearing->scratch = calloc((size_t)shape->width + FAMILIAR_STATISTICS, sizeof *hearing->scratch);
	hearing->texture = calloc((size_t)window, sizeof *hearing->texture);
	if (!good || !hearing->texture || !hearing->features || !hearing->scratch ||
	    (heads->settings && !hearing->encoder) || !hearing->tokens || !hearing->logits || !hearing->input ||
	    !hearing->pitch || !hearing->velocity) {
		hearing_free(hearing);
		return NULL;
	}
	hearing_want(hearing, ~0u);
	return hearing;
}

void hearing_free(struct hearing *hearing)
{
	if (!hearing)
		return;
	encoder_free(hearing->encoder);
	for (int i = 0; i < HEADS_MAX; i++)
		pool_free(hearing->pool[i]);
	free(hearing->tokens);
	free(hearing->logits);
	free(hearing->input);
	free(hearing->pitch);
	free(hearing->velocity);
	free(hearing->features);
	free(hearing->scratch);
	free(hearing->texture);
	free(hearing);
}

int64_t hearing_records(const struct hearing *hearing)
{
	return hearing->reach + PREDICTORS_REACH + 2 * (int64_t)hearing->block;
}

void hearing_reset(struct hearing *hearing)
{
	if (hearing->encoder)
		encoder_reset(hearing->encoder);
	for (int i = 0; i < hearing->heads->sequences; i++) {
		pool_reset(hearing->pool[i]);
		hearing->pooled[i] = 0;
	}
	memset(hearing->strangeness, 0, sizeof hearing->strangeness);
}

/* ---- who listens ---- */

static bool is_wanted(const struct hearing *hearing, const struct head *head)
{
	unsigned kinds = 1u << head->kind;
	if (head->kind == PREDICT_MELODY)
		kinds |= 1u << PREDICT_MELODY_ON | 1u << PREDICT_MELODY_OFF;
	return head->index >= 0 && hearing->kinds & kinds;
}

/* Every run is over the whole window: nothing is kept that could fall behind. */
static bool starts_afresh(const struct hearing *hearing, enum head_setting setting)
{
	return hearing->shape->lookahead == LOOKAHEAD_UNLIMITED && setting != SETTING_CAUSAL;
}

void hearing_want(struct hearing *hearing, unsigned kinds)
{
	unsigned before = hearing->settings;
	hearing->kinds = kinds;
	hearing->settings = 0;
	for (int i = 0; i < LABELS; i++)
		if (is_wanted(hearing, &hearing->heads->note[i]))
			hearing->settings |= ENCODER_SETTING(hearing->heads->note[i].setting);
	for (int i = 0; i < hearing->heads->sequences; i++)
		if (is_wanted(hearing, &hearing->heads->sequence[i]))
			hearing->settings |= ENCODER_SETTING(hearing->heads->sequence[i].setting);
	for (int s = 0; s < SETTINGS; s++) {
		if (!(before & ~hearing->settings & ENCODER_SETTING(s)))
			continue;
		/* The newest tokens may still change while nobody looks. */
		int64_t heard = encoder_rows(hearing->encoder, (enum head_setting)s) - hearing->shape->freeze;
		encoder_seek(hearing->encoder, (enum head_setting)s, heard > 0 ? heard : 0);
	}
}

static bool is_awake(const struct hearing *hearing, enum head_setting setting, int64_t seen)
{
	return hearing->settings & ENCODER_SETTING(setting) &&
	       (starts_afresh(hearing, setting) || encoder_rows(hearing->encoder, setting) >= seen);
}

bool hearing_answers(const struct hearing *hearing, enum label_kind kind, const struct window *window)
{
	const struct head *head = &hearing->heads->note[kind];
	return is_wanted(hearing, head) && is_awake(hearing, head->setting, window->seen);
}

/* ---- what is familiar ---- */

/* How strange the newest notes before `end` are to a head. */
static float judge_strangeness(struct hearing *hearing, const struct window *window, const struct head *head, int64_t end)
{
	const struct head_spec *spec = &hearing->shape->head[head->index];
	int64_t most = hearing->window < FAMILIAR_NOTES ? hearing->window : FAMILIAR_NOTES;
	int count = (int)(end < most ? end : most);
	struct familiar_note notes[FAMILIAR_NOTES];
	float *strangeness = &hearing->strangeness[head->index];
	*strangeness = 0;
	if (!shape_knows_familiar(spec) || count < FAMILIAR_NOTES_MIN)
		return 0;
	for (int i = 0; i < count; i++) {
		const struct note *note = window_note(window, end - count + i);
		notes[i] = (struct familiar_note){note->onset_us, note->pitch, note->velocity};
	}
	familiar_features(encoder_hidden(hearing->encoder, head->setting, end - count), hearing->shape->width, notes, count,
			  hearing->features);
	*strangeness = familiar_strangeness(
	    spec, familiar_distance(hearing->model, head->index, hearing->features, hearing->scratch), count);
	return *strangeness;
}

float hearing_strangeness(const struct hearing *hearing, int head)
{
	return hearing->strangeness[head];
}

/* ---- note heads ---- */

/* What a causal head reads of rows from..end - 1: hidden state and predictors. */
static const float *gather_causal(struct hearing *hearing, const struct window *window, int64_t from, int64_t end)
{
	size_t d = (size_t)hearing->shape->width;
	const float *hidden = encoder_hidden(hearing->encoder, SETTING_CAUSAL, from);
	int64_t oldest = from > PREDICTORS_REACH ? from - PREDICTORS_REACH : 0;
	for (int64_t row = oldest; row < end; row++) {
		const struct note *note = window_note(window, row);
		hearing->pitch[row - oldest] = note->pitch;
		hearing->velocity[row - oldest] = note->velocity;
	}
	float *input = hearing->input;
	for (int64_t row = from; row < end; row++, hidden += d, input += d + CAUSAL_PREDICTORS) {
		memcpy(input, hidden, d * sizeof *input);
		predictors_compute(hearing->pitch, hearing->velocity, (int)(row - oldest), hearing->pitch[row - oldest],
				   input + d);
	}
	return hearing->input;
}

static void answer_rows(struct hearing *hearing, enum label_kind kind, struct window *window, int64_t from, int64_t end)
{
	const struct head *head = &hearing->heads->note[kind];
	const struct head_spec *spec = &hearing->shape->head[head->index];
	float probability[CLASSES_MAX];
	struct answer answer;
	while (from < end && window_note(window, from)->label[kind].state == LABEL_FINAL)
		from++;
	if (from >= end)
		return;
	float strangeness = kind == LABEL_MELODY ? judge_strangeness(hearing, window, head, end) : 0;
	model_note_logits(hearing->model, head->index,
			  head->setting == SETTING_CAUSAL ? gather_causal(hearing, window, from, end)
							  : encoder_hidden(hearing->encoder, head->setting, from),
			  (int)(end - from), hearing->logits);
	for (int64_t row = from; row < end; row++) {
		struct note *note = window_note(window, row);
		model_probabilities(hearing->model, head->index, hearing->logits + (row - from) * spec->classes,
				    probability);
		familiar_doubt(spec, strangeness, probability);
		if (kind == LABEL_MELODY)
			answer_of_classes(spec, probability, strangeness > 1, &answer);
		else
			answer_of_velocities(spec, probability, note->velocity, &answer);
		label_set(&note->label[kind], &answer);
	}
}

/* ---- runs ---- */

/* What a setting hears next. One that has fallen behind by more than a run can take hears what comes after what it knows; by
 * more than its states reach back, it begins anew where they do. */
static struct encoder_part next_part(struct hearing *hearing, enum head_setting setting, const struct window *window,
				     int64_t changed, int64_t end)
{
	struct encoder_part part = {.setting = setting, .end = end};
	struct token *tokens = hearing->tokens + (size_t)setting * (size_t)hearing->block;
	int64_t heard = encoder_rows(hearing->encoder, setting), oldest = window_oldest(window);
	if (heard < changed && !starts_afresh(hearing, setting)) {
		int64_t needed = end > hearing->reach ? end - hearing->reach : 0;
		needed = needed > oldest ? needed : oldest;
		if (heard < needed)
			encoder_seek(hearing->encoder, setting, needed);
		heard = encoder_rows(hearing->encoder, setting);
		part.end = heard + HEARING_BURST < end ? heard + HEARING_BURST : end;
		changed = heard;
	}
	part.first = encoder_first(hearing->encoder, setting, changed, part.end);
	for (int64_t row = part.first; row < part.end; row++)
		tokens[row - part.first] = window_note(window, row)->token;
	part.tokens = tokens;
	return part;
}

void hearing_run(struct hearing *hearing, struct window *window, int64_t open)
{
	int64_t changed = window->changed < window->seen ? window->changed : window->seen, end = window->seen;
	if (!hearing->settings)
		return;
	do {
		struct encoder_part parts[SETTINGS];
		int count = 0;
		end = end + hearing->run_new < window->rows ? end + hearing->run_new : window->rows;
		for (int s = 0; s < SETTINGS; s++)
			if (hearing->settings & ENCODER_SETTING(s))
				parts[count++] = next_part(hearing, (enum head_setting)s, window, changed, end);
		encoder_run(hearing->encoder, parts, count);
		for (int i = 0; i < LABELS; i++) {
			const struct head *head = &hearing->heads->note[i];
			if (!is_wanted(hearing, head) || encoder_rows(hearing->encoder, head->setting) < end)
				continue;
			int64_t first = encoder_changed(hearing->encoder, head->setting);
			answer_rows(hearing, (enum label_kind)i, window, first > open ? first : open, end);
		}
		for (int i = 0; i < hearing->heads->sequences; i++) {
			int64_t first = encoder_changed(hearing->encoder, hearing->heads->sequence[i].setting);
			if (first < hearing->pooled[i])
				hearing->pooled[i] = first;
		}
		changed = end;
	} while (end < window->rows);
}

/* ---- sequence heads ---- */

/* Adds what the newest notes' texture says to a head's logits; returns how strange it is. */
static float judge_texture(struct hearing *hearing, const struct window *window, int head, int count, float *logits)
{
	float features[TEXTURE_SIZE];
	if (!shape_reads_texture(&hearing->shape->head[head]))
		return 0;
	for (int i = 0; i < count; i++) {
		const struct note *note = window_note(window, window->rows - count + i);
		hearing->texture[i] = (struct texture_note){
		    note->onset_us, note->ended ? note->end_us - note->onset_us : TEXTURE_DOWN, note->pitch, note->velocity};
	}
	texture_features(hearing->texture, count, features);
	return texture_judge(hearing->model, head, features, count, logits);
}

bool hearing_judge(struct hearing *hearing, int index, const struct window *window, int count, float *probability,
		   float *strangeness)
{
	const struct head *head = &hearing->heads->sequence[index];
	int64_t first = window->rows - count;
	if (!is_wanted(hearing, head) || !is_awake(hearing, head->setting, window->rows))
		return false;
	pool_logits(hearing->pool[index], encoder_hidden(hearing->encoder, head->setting, first), hearing->pooled[index],
		    first, window->rows, hearing->logits);
	hearing->pooled[index] = window->rows;
	float strange_texture = judge_texture(hearing, window, head->index, count, hearing->logits);
	model_probabilities(hearing->model, head->index, hearing->logits, probability);
	*strangeness = fmaxf(judge_strangeness(hearing, window, head, window->rows), strange_texture);
	hearing->strangeness[head->index] = *strangeness;
	familiar_doubt(&hearing->shape->head[head->index], *strangeness, probability);
	return true;
}
