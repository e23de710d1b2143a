/* From pieces to training sequences. Drawing is pure: seed, step and index decide everything. */
#include "train/sampler.h"

#include "base/random.h"
#include "model/predictors.h"
#include "train/augment.h"
#include "train/task.h"
#include "train/teacher.h"

#include <stdlib.h>
#include <string.h>

#define DISORDER_US 50000
#define SEGMENT_NOTES 64 /* longest run of notes between two right edges of a live sequence */
#define PHASE_US 2000000 /* of a grid without a beat: one bar */

/* Pieces a head learns from, drawn by weight. */
struct pool {
	size_t *piece;
	double *sum; /* running sum of weights */
	size_t count;
};

_Static_assert(TASK_NO_CLASS == LABEL_NONE, "one number for no label");

struct sampler {
	const struct model_shape *shape;
	const struct dataset *dataset;
	const struct corpus *corpora;
	struct sampler_options options;
	struct task task[HEADS_MAX]; /* what each head is asked */
	struct pool pool[HEADS_MAX];
};

int sampler_rows(const struct model_shape *shape, const struct sampler_options *options)
{
	int rows = options->rows;
	for (int h = 0; h < shape->heads; h++)
		if (shape->head[h].setting == SETTING_CAUSAL)
			rows = 2 * options->rows;
	return rows;
}

static bool teaches(const struct sampler *sampler, const struct piece *piece, int head)
{
	if (piece->count == 0 || !sampler->shape->heads)
		return piece->count > 0;
	return sampler->corpora[piece->set].head[head] && task_has_truth(&sampler->task[head], piece);
}

enum status sampler_new(const struct model_shape *shape, const struct dataset *dataset, const struct corpus *corpora,
			int count, const struct sampler_options *options, struct sampler **result, struct error *error)
{
	(void)count;
	*result = NULL;
	struct sampler *sampler = calloc(1, sizeof *sampler);
	if (!sampler)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the sampler");
	sampler->shape = shape;
	sampler->dataset = dataset;
	sampler->corpora = corpora;
	sampler->options = *options;
	for (int h = 0; h < shape->heads; h++) {
		enum status status = task_of_head(&shape->head[h], &sampler->task[h], error);
		if (status != STATUS_OK) {
			sampler_free(sampler);
			return status;
		}
	}
	for (int h = 0; h < (shape->heads ? shape->heads : 1); h++) {
		struct pool *pool = &sampler->pool[h];
		pool->piece = calloc(dataset->count + 1, sizeof *pool->piece);
		pool->sum = calloc(dataset->count + 1, sizeof *pool->sum);
		if (!pool->piece || !pool->sum) {
			sampler_free(sampler);
			return status_fail(error, STATUS_NO_MEMORY, "no memory for the sampler");
		}
		double sum = 0;
		for (size_t i = 0; i < dataset->count; i++) {
			if (!teaches(sampler, &dataset->pieces[i], h))
				continue;
			/* every note of a note head counts the same; every piece of a sequence head does */
			sum += shape->head[h].level == HEAD_NOTE ? (double)dataset->pieces[i].count : 1;
			pool->piece[pool->count] = i;
			pool->sum[pool->count++] = sum;
		}
		if (pool->count == 0 && options->mix[h] > 0) {
			status_fail(error, STATUS_BAD_DATA, "no piece of any manifest has a label for head %s",
				    shape->head[h].name);
			sampler_free(sampler);
			return STATUS_BAD_DATA;
		}
	}
	*result = sampler;
	return STATUS_OK;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	for (int h = 0; h < HEADS_MAX; h++) {
		free(sampler->pool[h].piece);
		free(sampler->pool[h].sum);
	}
	free(sampler);
}

size_t sampler_notes(const struct sampler *sampler, int head)
{
	const struct pool *pool = &sampler->pool[head];
	size_t notes = 0;
	for (size_t i = 0; i < pool->count; i++)
		notes += sampler->dataset->pieces[pool->piece[i]].count;
	return notes;
}

bool sample_new(struct sample *sample, int rows)
{
	memset(sample, 0, sizeof *sample);
	size_t count = (size_t)rows;
	sample->tokens = calloc(2 * count, sizeof *sample->tokens);
	sample->predictors = calloc(count * CAUSAL_PREDICTORS, sizeof *sample->predictors);
	sample->pitch = calloc(count, sizeof *sample->pitch);
	sample->velocity = calloc(count, sizeof *sample->velocity);
	sample->limit = calloc(count, sizeof *sample->limit);
	sample->edge = calloc(count, sizeof *sample->edge);
	sample->notes = calloc(count, sizeof *sample->notes);
	sample->order = calloc(count, sizeof *sample->order);
	sample->when_us = calloc(count, sizeof *sample->when_us);
	bool ok = sample->predictors && sample->pitch && sample->velocity;
	ok = ok && sample->tokens && sample->limit && sample->edge && sample->notes && sample->order && sample->when_us;
	for (int h = 0; h < HEADS_MAX; h++)
		ok = (sample->note_label[h] = calloc(count, sizeof **sample->note_label)) &&
		     (sample->note_target[h] = calloc(count * CLASSES_MAX, sizeof **sample->note_target)) && ok;
	if (!ok)
		sample_free(sample);
	return ok;
}

void sample_free(struct sample *sample)
{
	free(sample->tokens);
	free(sample->predictors);
	free(sample->pitch);
	free(sample->velocity);
	free(sample->limit);
	free(sample->edge);
	free(sample->notes);
	free(sample->order);
	free(sample->when_us);
	for (int h = 0; h < HEADS_MAX; h++) {
		free(sample->note_label[h]);
		free(sample->note_target[h]);
	}
	memset(sample, 0, sizeof *sample);
}

static const struct piece *draw_piece(const struct sampler *sampler, int head, struct random *random)
{
	const struct pool *pool = &sampler->pool[head];
	double target = random_uniform(random) * pool->sum[pool->count - 1];
	size_t low = 0, high = pool->count - 1;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (pool->sum[middle] > target)
			high = middle;
		else
			low = middle + 1;
	}
	return &sampler->dataset->pieces[pool->piece[low]];
}

/* Puts the notes into order of arrival, each disturbed by up to disorder_us: an insertion sort, for the order is nearly
 * right.
 */
static void arrange(int count, int64_t disorder_us, struct random *random, struct sample *sample)
{
	for (int i = 0; i < count; i++) {
		struct piece_note note = sample->notes[i];
		int64_t when = note.onset_us + (disorder_us ? random_integer(random, 0, disorder_us) : 0);
		int at = i, source = sample->order[i];
		for (; at > 0 && sample->when_us[at - 1] > when; at--) {
			sample->when_us[at] = sample->when_us[at - 1];
			sample->order[at] = sample->order[at - 1];
			sample->notes[at] = sample->notes[at - 1];
		}
		sample->when_us[at] = when;
		sample->order[at] = source;
		sample->notes[at] = note;
	}
}

/* The notes of a training sequence as they reach a stream; returns how many there are. */
static int perform(const struct sampler *sampler, const struct piece *piece, size_t first, int count, bool curves,
		   bool voices, struct random *random, struct sample *sample)
{
	const struct sampler_options *o = &sampler->options;
	bool tracked = o->tracked > 0 && random_uniform(random) < (double)o->tracked;
	const struct piece_note *notes = tracked ? piece->tracked : piece->notes;
	double missing = 2 * random_uniform(random) * (double)o->missing,
	       doubled = 2 * random_uniform(random) * (double)o->doubled;
	count = augment_copy(random, missing, doubled, notes + first, count, o->rows, sample->notes, sample->order);
	if (voices && random_uniform(random) < (double)o->voices)
		count = augment_voices(random, count, sample->notes, sample->order);
	if (o->stretch > 0)
		augment_stretch(random, (double)o->stretch, count, sample->notes);
	if (o->jitter_ms > 0)
		augment_jitter(random, 1000 * random_uniform(random) * (double)o->jitter_ms, count, sample->notes);
	arrange(count, random_uniform(random) < (double)o->disorder ? DISORDER_US : 0, random, sample);
	if (random_uniform(random) * (1 - (double)o->tracked) < (double)o->regrid && !tracked)
		augment_regrid(random_integer(random, 0, PHASE_US), count, sample->notes);
	if (curves && random_uniform(random) < (double)o->curves)
		augment_curve(random, count, sample->notes);
	return count;
}

/* Right edges: rows of a segment do not see past its last note; without cuts, in a finished
 * file, only its look-ahead and the end bound them. */
static void set_limits(const struct sampler *sampler, int count, bool cut, struct random *random, struct sample *sample)
{
	int last = -1, ahead = shape_lookahead(sampler->shape, !cut);
	for (int i = 0; i < count; i++) {
		if (i > last)
			last = cut ? i + (int)random_integer(random, 0, SEGMENT_NOTES - 1) : count - 1;
		if (last > count - 1)
			last = count - 1;
		sample->edge[i] = last;
		sample->limit[i] = i + ahead < last ? i + ahead : last;
	}
}

/* Whether a stream knows note i's release: it came before the h-th later note did, or before the edge of the segment. */
static bool known_duration(const struct sampler *sampler, const struct sample *sample, int i)
{
	int by = i + sampler->shape->freeze < sample->edge[i] ? i + sampler->shape->freeze : sample->edge[i];
	return by > i && sample->notes[i].end_us <= sample->notes[by].onset_us;
}

/* Beside the labels of a head what teachers say of the same notes. */
static void teach_notes(const struct sampler *sampler, int head, int count, struct sample *sample)
{
	const struct teacher *teacher = sampler->options.teacher;
	struct sequence *sequence = &sample->sequence;
	int classes = sampler->shape->head[head].classes;
	if (!sequence->note_label[head] || !teacher_knows(teacher, sample->piece, head))
		return;
	for (int i = 0; i < count; i++)
		teacher_answer(teacher, sample->piece, head, sample->first + (size_t)sample->order[i],
			       sample->note_target[head] + (long)i * classes);
	sequence->note_target[head] = sample->note_target[head];
}

static void label_notes(const struct sampler *sampler, const struct piece *piece, int head, int count, struct sample *sample)
{
	struct sequence *sequence = &sample->sequence;
	const struct model_shape *shape = sampler->shape;
	for (int h = 0; h < shape->heads; h++) {
		const struct head_spec *spec = &shape->head[h];
		sequence->note_label[h] = NULL;
		sequence->note_target[h] = NULL;
		sequence->sequence_label[h] = LABEL_NONE;
		/* hidden velocities may teach every head: melody and style learn to do without. Played ones never teach a
		 * head that is asked without. */
		bool leaks = spec->setting == SETTING_HIDDEN && shape->head[head].setting != SETTING_HIDDEN;
		bool other = (spec->setting == SETTING_CAUSAL) != (shape->head[head].setting == SETTING_CAUSAL);
		if (leaks || other || !sampler->corpora[piece->set].head[h])
			continue;
		if (spec->level == HEAD_SEQUENCE) {
			sequence->sequence_label[h] = task_piece_class(&sampler->task[h], piece);
			continue;
		}
		for (int i = 0; i < count; i++)
			sample->note_label[h][i] = sampler->task[h].kind != TASK_VELOCITY
						       ? (int8_t)task_note_class(&sampler->task[h], piece, &sample->notes[i])
						       : (int8_t)octuple_velocity_id(sample->notes[i].velocity);
		sequence->note_label[h] = sample->note_label[h];
	}
}

/* Weight of each asked head: its loss is a mean over the labelled notes of the sequence, over the batch. */
static void weigh(const struct sampler *sampler, int count, struct sample *sample)
{
	struct sequence *sequence = &sample->sequence;
	for (int h = 0; h < sampler->shape->heads; h++) {
		int labelled = 1;
		if (sequence->note_label[h]) {
			labelled = 0;
			for (int i = 0; i < count; i++)
				labelled += sequence->note_label[h][i] != LABEL_NONE;
		}
		sequence->weight[h] = labelled ? sampler->options.weight[h] / (float)(labelled * sampler->options.batch) : 0;
	}
}

static int transposition(const struct sample *sample, int count, int most, struct random *random)
{
	int low = 127, high = 0;
	for (int i = 0; i < count; i++) {
		low = sample->notes[i].pitch < low ? sample->notes[i].pitch : low;
		high = sample->notes[i].pitch > high ? sample->notes[i].pitch : high;
	}
	return (int)random_integer(random, low < most ? -low : -most, 127 - high < most ? 127 - high : most);
}

static int draw_head(const struct sampler *sampler, struct random *random)
{
	double sum = 0;
	int head = 0;
	for (int h = 0; h < sampler->shape->heads; h++)
		sum += (double)sampler->options.mix[h];
	double target = random_uniform(random) * sum;
	for (int h = 0; h < sampler->shape->heads; h++) {
		if (sampler->options.mix[h] <= 0)
			continue;
		head = h;
		target -= (double)sampler->options.mix[h];
		if (target < 0)
			break;
	}
	return head;
}

/* Hides whole notes: all eight attributes MASK, and no label asked of them. */
static void hide_notes(const struct sampler *sampler, int count, double rate, struct random *random, struct sample *sample)
{
	for (int i = 0; i < count; i++) {
		if (random_uniform(random) >= rate)
			continue;
		for (int a = 0; a < ATTRIBUTES; a++)
			sample->tokens[i].id[a] = token_special((enum attribute)a, SPECIAL_MASK);
		for (int h = 0; h < sampler->shape->heads; h++)
			sample->note_label[h][i] = LABEL_NONE;
	}
}

/* What is drawn for a whole sequence. */
struct manner {
	bool live, hidden;
	int shift, bar_offset;
};

/* One token a note as the head's setting sees them. */
static void write_tokens(const struct sampler *sampler, int head, int count, const struct manner *manner,
			 struct sample *sample)
{
	enum head_setting setting = sampler->shape->head[head].setting;
	for (int i = 0; i < count; i++) {
		const struct piece_note *note = &sample->notes[i];
		bool known = setting != SETTING_CAUSAL && (!manner->live || known_duration(sampler, sample, i));
		sample->tokens[i] =
		    octuple_token(&note->place, note->pitch + manner->shift, known ? note->duration_positions : -1,
				  manner->hidden ? -1 : note->velocity, manner->bar_offset);
	}
}

/* Completes the sequence; in the causal setting the tokens again as queries, and what the notes before each predict. */
static void finish(const struct sampler *sampler, int head, int count, struct sample *sample)
{
	struct sequence *sequence = &sample->sequence;
	bool causal = sampler->shape->head[head].setting == SETTING_CAUSAL;
	for (int i = 0; causal && i < count; i++) {
		struct token *query = &sample->tokens[count + i];
		*query = sample->tokens[i];
		query->id[ATTRIBUTE_VELOCITY] = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
		sample->pitch[i] = sample->notes[i].pitch;
		sample->velocity[i] = sample->notes[i].velocity;
		predictors_compute(sample->pitch, sample->velocity, i, sample->notes[i].pitch,
				   sample->predictors + i * CAUSAL_PREDICTORS);
	}
	sequence->length = causal ? 2 * count : count;
	sequence->tokens = sample->tokens;
	sequence->limit = sample->limit;
	sequence->predictors = causal ? sample->predictors : NULL;
	weigh(sampler, count, sample);
}

void sampler_draw(const struct sampler *sampler, uint64_t step, int index, struct sample *sample)
{
	const struct sampler_options *o = &sampler->options;
	struct random random = {random_hash(o->seed, step * 4096 + (uint64_t)index), 0};
	int head = draw_head(sampler, &random);
	const struct piece *piece = draw_piece(sampler, head, &random);
	bool hidden = sampler->shape->heads ? sampler->shape->head[head].setting == SETTING_HIDDEN
					    : random_uniform(&random) < (double)o->hidden;
	int count = (int)random_integer(&random, o->rows / 2, o->rows);
	if ((size_t)count > piece->count)
		count = (int)piece->count;
	size_t first = (size_t)random_integer(&random, 0, (int64_t)piece->count - count);
	struct manner manner = {.live = random_uniform(&random) < (double)o->live, .hidden = hidden};
	sample->piece = (size_t)(piece - sampler->dataset->pieces);
	sample->first = first;
	/* where velocities are hidden, nothing tells of the keyboard: another one would only blur what is asked */
	bool voices = sampler->shape->heads && sampler->task[head].kind == TASK_MELODY && o->voices > 0;
	count = perform(sampler, piece, first, count, !hidden, voices, &random, sample);
	set_limits(sampler, count, manner.live, &random, sample);
	label_notes(sampler, piece, head, count, sample);
	sample->sequence.taught = o->taught;
	for (int h = 0; o->teacher && h < sampler->shape->heads; h++)
		teach_notes(sampler, h, count, sample);
	manner.shift = o->transpose ? transposition(sample, count, o->transpose, &random) : 0;
	manner.bar_offset = (int)random_integer(&random, 0, TOKEN_BARS - 1);
	write_tokens(sampler, head, count, &manner, sample);
	hide_notes(sampler, count, random_uniform(&random) * 2 * (double)o->mask, &random, sample);
	finish(sampler, head, count, sample);
	sample->sequence.key = (uint32_t)random_next(&random);
}

void sampler_plain(const struct sampler *sampler, const struct piece *piece, size_t first, int count, int head,
		   struct sample *sample)
{
	struct random unused = {0, 0};
	struct manner manner = {.hidden = sampler->shape->head[head].setting == SETTING_HIDDEN};
	count = augment_copy(&unused, 0, 0, piece->notes + first, count, count, sample->notes, sample->order);
	arrange(count, 0, &unused, sample);
	set_limits(sampler, count, false, &unused, sample);
	label_notes(sampler, piece, head, count, sample);
	write_tokens(sampler, head, count, &manner, sample);
	finish(sampler, head, count, sample);
	sample->sequence.key = 0;
}
