/* The lesson of pre-training. Training threads pass sequences, validate and survey, each at a desk of its own; the leading
 * thread keeps mask book and weights. Optimiser, schedule and checkpoints are the trainer's. */
#include "train/pretrainer.h"

#include "train/mask_book.h"
#include "train/network_mlm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALID_KEY 0x76616c6964617465u
#define MASK_KEY 0x6d61736b696e6721u
#define BOOK_KEY 0x6d61736b626f6f6bu
#define EVERYTHING ((1 << ATTRIBUTES) - 1)
#define SMALL (1 << 24) /* whole numbers below it are exact in a float */

enum { STATE_COUNTED_LOW = ATTRIBUTES, STATE_COUNTED_HIGH, STATE_FREEZINGS, STATES };

/* What one thread works with. */
struct desk {
	struct workspace *workspace, *masker_workspace; /* the masker's: adversarial masking only */
	struct mlm *mlm;
	struct sample sample;
	struct token *clean, *shown; /* [rows]: what the masker sees, and the recoverer */
	float *worth, *note_loss;
	uint8_t *frozen, *chosen, *became, *asked, *everything;
	int8_t *target;
	int *rank;
};

struct pretrainer {
	const struct network *network;
	const struct model_shape *shape;
	const struct dataset *train, *valid;
	struct pretrainer_options options;
	struct sampler *sampler, *valid_sampler;
	struct mask_book book;
	float weight[ATTRIBUTES];
	uint64_t counted; /* notes since the last freezing */
	float *worth;	  /* [notes of the training part]: filled by a survey */
	float *words, state[STATES];
	size_t valid_stride; /* every so many chunks of the validation part are looked at */
	int rows, threads;
	struct desk *desk;
};

static bool velocities_hidden(const struct sample *sample)
{
	return sample->tokens[0].id[ATTRIBUTE_VELOCITY] == token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
}

/* Copies what both players may see into clean and shown. From here on sample->tokens is the truth: hidden velocities are put
 * back; a duration that a stream would not know yet stays unknown. */
static void show(struct desk *desk, int notes, bool hidden)
{
	struct sample *sample = &desk->sample;
	size_t bytes = (size_t)sample->sequence.length * sizeof *desk->shown;
	memcpy(desk->clean, sample->tokens, bytes);
	memcpy(desk->shown, sample->tokens, bytes);
	sample->sequence.tokens = desk->shown;
	for (int t = 0; hidden && t < notes; t++)
		sample->tokens[t].id[ATTRIBUTE_VELOCITY] = octuple_velocity_id(sample->notes[t].velocity);
}

/* FAULT_PADDING: PAD up to the longest length. Notes do not see it; each PAD sees itself and what is before. */
static void pad(struct desk *desk, int rows)
{
	struct sample *sample = &desk->sample;
	for (int t = sample->sequence.length; t < rows; t++) {
		for (int a = 0; a < ATTRIBUTES; a++)
			sample->tokens[t].id[a] = token_special((enum attribute)a, SPECIAL_PAD);
		sample->limit[t] = t;
	}
	sample->sequence.length = rows;
}

/* What is known can be asked. */
static uint8_t known(const struct token *truth)
{
	bool duration = truth->id[ATTRIBUTE_DURATION] != token_special(ATTRIBUTE_DURATION, SPECIAL_MASK);
	return (uint8_t)(duration ? EVERYTHING : EVERYTHING & ~(1 << ATTRIBUTE_DURATION));
}

static void ask(struct desk *desk, bool hidden)
{
	const struct sample *sample = &desk->sample;
	for (int t = 0; t < sample->sequence.length; t++) {
		uint8_t is_known = known(&sample->tokens[t]);
		desk->everything[t] = is_known;
		desk->asked[t] = desk->became[t] == NOTE_SHOWN ? 0 : is_known;
		if (hidden) /* hidden everywhere, so all of them are missing */
			desk->asked[t] = (uint8_t)(desk->asked[t] | 1 << ATTRIBUTE_VELOCITY);
	}
}

/* Chooses by worth and hides; returns how many notes. Drawn: the share, then what masker_hide draws. */
static int hide(const struct pretrainer *p, struct desk *desk, int notes, struct random *random)
{
	const struct sample *sample = &desk->sample;
	int T = sample->sequence.length, unfrozen = 0;
	for (int t = 0; t < T; t++) {
		desk->frozen[t] = t < notes && p->options.masking == MASKING_ADVERSARIAL &&
				  mask_book_is_frozen(&p->book, sample->piece, sample->first + (size_t)sample->order[t]);
		unfrozen += !desk->frozen[t];
	}
	int count = masker_count(random_uniform(random), T, unfrozen, p->options.faults);
	count = masker_select(T, desk->worth, desk->frozen, count, desk->rank, desk->chosen);
	masker_hide(T, desk->chosen, sample->tokens, p->options.faults, random, desk->shown, desk->became);
	return count;
}

static void recover(const struct pretrainer *p, struct desk *desk, float scale, float *gradient, struct score *score)
{
	struct sequence *sequence = &desk->sample.sequence;
	struct recovery recovery = {.truth = desk->sample.tokens,
				    .asked = desk->asked,
				    .weight = p->weight,
				    .scale = scale,
				    .note_loss = desk->note_loss};
	network_forward(p->network, desk->workspace, sequence, gradient != NULL);
	const float *hidden = workspace_hidden(desk->workspace);
	float *dhidden = workspace_gradient(desk->workspace);
	mlm_recover(desk->mlm, sequence->length, &recovery, hidden, gradient, dhidden, score);
	if (p->options.faults & FAULT_ALL_NOTES && gradient) {
		struct score not_counted = {0};
		recovery.asked = desk->everything;
		recovery.note_loss = NULL;
		mlm_recover(desk->mlm, sequence->length, &recovery, hidden, gradient, dhidden, &not_counted);
	}
	if (gradient)
		network_backward(p->network, desk->workspace, sequence, gradient);
}

/* The masker has spoken and the recoverer has tried: what should it have said? */
static void teach_masker(const struct pretrainer *p, struct desk *desk, int index, const struct sequence *unmasked,
			 float *gradient, struct score *score)
{
	int T = unmasked->length;
	int targets = masker_target(T, desk->became, desk->note_loss, index, p->options.faults, desk->rank, desk->target);
	if (targets < 0)
		gradient[0] = NAN; /* the mean of nothing: FAULT_FEW */
	if (targets <= 0)
		return;
	mlm_mask_backward(desk->mlm, T, desk->target, p->options.masker_weight / (float)p->options.sampler.batch,
			  unmasked->key, desk->worth, gradient, workspace_gradient(desk->masker_workspace), score);
	network_backward(p->network, desk->masker_workspace, unmasked, gradient);
}

static uint64_t pass(void *context, int worker, uint64_t step, int index, float *gradient, struct score *score)
{
	struct pretrainer *p = context;
	struct desk *desk = &p->desk[worker];
	struct sequence *sequence = &desk->sample.sequence;
	uint64_t key = random_hash(p->options.sampler.seed ^ MASK_KEY, step * 4096 + (uint64_t)index);
	struct random random = {key, 0};
	float scale = 1 / (float)p->options.sampler.batch;
	bool adversarial = p->options.masking == MASKING_ADVERSARIAL;
	sampler_draw(p->sampler, step, index, &desk->sample);
	bool hidden = velocities_hidden(&desk->sample);
	int notes = sequence->length;
	if (p->options.faults & FAULT_PADDING)
		pad(desk, p->rows);
	show(desk, notes, hidden);
	struct sequence unmasked = *sequence;
	unmasked.tokens = desk->clean;
	unmasked.key = (uint32_t)(key >> 32);
	if (p->options.masking == MASKING_BAR) {
		masker_hide_bars(sequence->length, desk->sample.tokens, p->options.faults, key, desk->shown, desk->asked);
		for (int t = 0; t < sequence->length; t++)
			desk->asked[t] = (uint8_t)((desk->asked[t] | (hidden ? 1 << ATTRIBUTE_VELOCITY : 0)) &
						   (desk->everything[t] = known(&desk->sample.tokens[t])));
	} else {
		if (adversarial) {
			network_forward(p->network, desk->masker_workspace, &unmasked, true);
			mlm_mask(desk->mlm, sequence->length, workspace_hidden(desk->masker_workspace), unmasked.key, true,
				 desk->worth);
		}
		for (int t = 0; !adversarial && t < sequence->length; t++)
			desk->worth[t] = (float)random_uniform(&random);
		hide(p, desk, notes, &random);
		ask(desk, hidden);
	}
	recover(p, desk, scale, gradient, score);
	if (adversarial)
		teach_masker(p, desk, index, &unmasked, gradient, score);
	return (uint64_t)notes;
}

/* Validation masks at random, the same notes every time, 15 % of each chunk, whatever training masks: comparable figures. */
static void validate_chunk(struct pretrainer *p, struct desk *desk, const struct piece *piece, size_t first, size_t chunk,
			   struct score *score)
{
	int count = piece->count - first < (size_t)p->rows ? (int)(piece->count - first) : p->rows;
	struct random random = {random_hash(VALID_KEY, chunk), 0};
	sampler_plain(p->valid_sampler, piece, first, count, 0, &desk->sample);
	show(desk, count, false);
	memset(desk->frozen, 0, (size_t)count);
	for (int t = 0; t < count; t++)
		desk->worth[t] = (float)random_uniform(&random);
	masker_select(count, desk->worth, desk->frozen, masker_count(1, count, count, 0), desk->rank, desk->chosen);
	masker_hide(count, desk->chosen, desk->sample.tokens, 0, &random, desk->shown, desk->became);
	ask(desk, false);
	recover(p, desk, 0, NULL, score);
}

static size_t chunks_of(const struct piece *piece, int rows)
{
	return (piece->count + (size_t)rows - 1) / (size_t)rows;
}

static void validate(void *context, int worker, int workers, struct score *score)
{
	struct pretrainer *p = context;
	size_t chunk = 0;
	for (size_t i = 0; i < p->valid->count; i++) {
		const struct piece *piece = &p->valid->pieces[i];
		for (size_t k = 0; k < chunks_of(piece, p->rows); k++, chunk++)
			if (chunk % p->valid_stride == 0 && chunk / p->valid_stride % (size_t)workers == (size_t)worker)
				validate_chunk(p, &p->desk[worker], piece, k * (size_t)p->rows, chunk, score);
	}
}

static void validated(void *context, const struct score *score)
{
	struct pretrainer *p = context;
	double accuracy[ATTRIBUTES];
	if (!score->asked[0])
		return;
	for (int a = 0; a < ATTRIBUTES; a++)
		accuracy[a] = (double)score->right[a] / (double)score->asked[a];
	masker_weights(accuracy, p->options.faults, p->weight);
}

static bool due(void *context, uint64_t notes)
{
	struct pretrainer *p = context;
	p->counted += notes;
	if (p->options.masking != MASKING_ADVERSARIAL || !p->options.freeze_notes || p->counted < p->options.freeze_notes)
		return false;
	p->counted -= p->options.freeze_notes;
	return true;
}

/* The masker's opinion of every note of the training part, without dropout. */
static void survey(void *context, int worker, int workers)
{
	struct pretrainer *p = context;
	struct desk *desk = &p->desk[worker];
	for (size_t i = (size_t)worker; i < p->train->count; i += (size_t)workers) {
		const struct piece *piece = &p->train->pieces[i];
		for (size_t first = 0; first < piece->count; first += (size_t)p->rows) {
			int count = piece->count - first < (size_t)p->rows ? (int)(piece->count - first) : p->rows;
			sampler_plain(p->sampler, piece, first, count, 0, &desk->sample);
			network_forward(p->network, desk->workspace, &desk->sample.sequence, false);
			mlm_mask(desk->mlm, count, workspace_hidden(desk->workspace), 0, false, desk->worth);
			for (int t = 0; t < count; t++)
				p->worth[p->book.start[i] + first + (size_t)desk->sample.order[t]] = desk->worth[t];
		}
	}
}

static void surveyed(void *context)
{
	struct pretrainer *p = context;
	mask_book_freeze(&p->book, p->worth, p->options.sampler.seed ^ BOOK_KEY, p->options.faults);
}

static void pack(void *context)
{
	struct pretrainer *p = context;
	mask_book_save(&p->book, p->words);
	memcpy(p->state, p->weight, sizeof p->weight);
	p->state[STATE_COUNTED_LOW] = (float)(p->counted % SMALL);
	p->state[STATE_COUNTED_HIGH] = (float)(p->counted / SMALL);
	p->state[STATE_FREEZINGS] = (float)p->book.freezings;
}

static void unpack(void *context)
{
	struct pretrainer *p = context;
	mask_book_load(&p->book, p->words);
	memcpy(p->weight, p->state, sizeof p->weight);
	p->counted = (uint64_t)p->state[STATE_COUNTED_LOW] + (uint64_t)p->state[STATE_COUNTED_HIGH] * SMALL;
	p->book.freezings = (uint64_t)p->state[STATE_FREEZINGS];
}

static void desk_free(struct desk *desk)
{
	workspace_free(desk->workspace);
	workspace_free(desk->masker_workspace);
	mlm_free(desk->mlm);
	sample_free(&desk->sample);
	free(desk->clean);
	free(desk->shown);
	free(desk->worth);
	free(desk->note_loss);
	free(desk->frozen);
	free(desk->chosen);
	free(desk->became);
	free(desk->asked);
	free(desk->everything);
	free(desk->target);
	free(desk->rank);
}

static bool desk_new(const struct pretrainer *p, struct desk *desk)
{
	size_t T = (size_t)p->rows;
	desk->workspace = workspace_new(p->network);
	if (p->options.masking == MASKING_ADVERSARIAL && !(desk->masker_workspace = workspace_new(p->network)))
		return false;
	desk->mlm = mlm_new(p->network);
	desk->clean = calloc(T, sizeof *desk->clean);
	desk->shown = calloc(T, sizeof *desk->shown);
	desk->worth = calloc(T, sizeof *desk->worth);
	desk->note_loss = calloc(T, sizeof *desk->note_loss);
	desk->frozen = calloc(T, 1);
	desk->chosen = calloc(T, 1);
	desk->became = calloc(T, 1);
	desk->asked = calloc(T, 1);
	desk->everything = calloc(T, 1);
	desk->target = calloc(T, 1);
	desk->rank = calloc(T, sizeof *desk->rank);
	return desk->workspace && desk->mlm && desk->clean && desk->shown && desk->worth && desk->note_loss &&
	       desk->frozen && desk->chosen && desk->became && desk->asked && desk->everything && desk->target &&
	       desk->rank && sample_new(&desk->sample, p->rows);
}

static void pretrainer_free(void *context)
{
	struct pretrainer *p = context;
	for (int i = 0; p->desk && i < p->threads; i++)
		desk_free(&p->desk[i]);
	free(p->desk);
	sampler_free(p->sampler);
	sampler_free(p->valid_sampler);
	mask_book_free(&p->book);
	free(p->worth);
	free(p->words);
	free(p);
}

static bool allocate(struct pretrainer *p)
{
	size_t *counts = calloc(p->train->count + 1, sizeof *counts);
	for (size_t i = 0; counts && i < p->train->count; i++)
		counts[i] = p->train->pieces[i].count;
	bool ok = counts && mask_book_new(&p->book, p->train->count, counts);
	free(counts);
	if (!ok)
		return false;
	p->worth = calloc(p->book.notes + 1, sizeof *p->worth);
	p->words = calloc(mask_book_words(&p->book), sizeof *p->words);
	p->desk = calloc((size_t)p->threads, sizeof *p->desk);
	ok = p->worth && p->words && p->desk;
	for (int i = 0; ok && i < p->threads; i++)
		ok = desk_new(p, &p->desk[i]);
	return ok;
}

enum status pretrainer_new(const struct network *network, const struct model_shape *shape, const struct dataset *train,
			   const struct dataset *valid, const struct pretrainer_options *options, int threads,
			   struct lesson *lesson, struct error *error)
{
	if (!train->notes)
		return status_fail(error, STATUS_BAD_DATA, "no piece of any manifest has a note");
	struct pretrainer *p = calloc(1, sizeof *p);
	if (!p)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for training");
	p->network = network;
	p->shape = shape;
	p->train = train;
	p->valid = valid;
	p->options = *options;
	p->rows = options->sampler.rows;
	p->threads = threads;
	size_t chunks = 0, wanted = options->validate_notes / (size_t)p->rows + 1;
	for (size_t i = 0; i < valid->count; i++)
		chunks += chunks_of(&valid->pieces[i], p->rows);
	p->valid_stride = chunks / wanted + 1;
	for (int a = 0; a < ATTRIBUTES; a++)
		p->weight[a] = 1.0f / ATTRIBUTES;
	enum status status = sampler_new(shape, train, NULL, 0, &options->sampler, &p->sampler, error);
	if (status == STATUS_OK)
		status = sampler_new(shape, valid, NULL, 0, &options->sampler, &p->valid_sampler, error);
	if (status == STATUS_OK && !allocate(p))
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for training; shorter --rows need less");
	if (status != STATUS_OK) {
		pretrainer_free(p);
		return status;
	}
	*lesson = (struct lesson){
	    .context = p,
	    .pass = pass,
	    .validate = validate,
	    .validated = validated,
	    .due = due,
	    .survey = survey,
	    .surveyed = surveyed,
	    .array = {{"mask_book", p->words, mask_book_words(&p->book)}, {"pretraining", p->state, STATES}},
	    .arrays = 2,
	    .pack = pack,
	    .unpack = unpack,
	    .free = pretrainer_free,
	};
	return STATUS_OK;
}

struct pretrainer_state pretrainer_state(const struct lesson *lesson)
{
	const struct pretrainer *p = lesson->context;
	struct pretrainer_state state = {.frozen = p->book.notes ? (double)p->book.frozen / (double)p->book.notes : 0,
					 .freezings = p->book.freezings};
	memcpy(state.weight, p->weight, sizeof state.weight);
	return state;
}
