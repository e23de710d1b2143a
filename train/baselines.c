/* What anyone could answer without a network, see baselines.h. Offline; no threads. */
#include "train/baselines.h"

#include "train/evaluate.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PITCHES 128
#define RECENT 8
#define NEAR 16
#define FIRST_VELOCITY 64

void baseline_skyline(const struct piece *piece, int8_t *class)
{
	int64_t until[PITCHES] = {0}; /* position at which the last note of a pitch ends */
	for (size_t first = 0, end; first < piece->count; first = end) {
		int64_t now = piece->notes[first].position;
		int highest = 0;
		for (int pitch = 0; pitch < PITCHES; pitch++)
			if (until[pitch] > now)
				highest = pitch;
		for (end = first; end < piece->count && piece->notes[end].position == now; end++)
			if (piece->notes[end].pitch > highest)
				highest = piece->notes[end].pitch;
		for (size_t i = first; i < end; i++) {
			const struct piece_note *note = &piece->notes[i];
			class[i] = note->pitch == highest ? MELODY_MELODY : MELODY_ACCOMPANIMENT;
			if (now + note->duration_positions > until[note->pitch])
				until[note->pitch] = now + note->duration_positions;
		}
	}
}

void baseline_blend(const struct piece *piece, float *expected)
{
	for (size_t i = 0; i < piece->count; i++) {
		const struct piece_note *notes = piece->notes;
		int sum = 0, count = 0, nearest = FIRST_VELOCITY, distance = INT_MAX;
		for (size_t k = i; k > 0 && i - k < NEAR; k--) {
			const struct piece_note *earlier = &notes[k - 1];
			int apart = abs((int)earlier->pitch - (int)notes[i].pitch);
			if (i - k < RECENT) {
				sum += earlier->velocity;
				count++;
			}
			if (apart < distance) {
				distance = apart;
				nearest = earlier->velocity;
			}
		}
		float recent = count ? (float)sum / (float)count : FIRST_VELOCITY;
		expected[i] = (recent + (float)nearest) / 2;
	}
}

enum feature { FEATURE_PITCH, FEATURE_DURATION, FEATURE_VELOCITY, FEATURE_STEP, FEATURES };
#define FEATURE_VALUES 128

struct bayes {
	int classes;
	uint64_t pieces[CLASSES_MAX];
	uint64_t counts[CLASSES_MAX][FEATURES][FEATURE_VALUES];
	uint64_t totals[CLASSES_MAX];
};

struct bayes *bayes_new(int classes)
{
	struct bayes *bayes = calloc(1, sizeof *bayes);
	if (bayes)
		bayes->classes = classes;
	return bayes;
}

void bayes_free(struct bayes *bayes)
{
	free(bayes);
}

static void read_features(const struct piece *piece, size_t i, int value[FEATURES])
{
	const struct piece_note *note = &piece->notes[i];
	value[FEATURE_PITCH] = note->pitch;
	value[FEATURE_DURATION] = octuple_duration_id(note->duration_positions);
	value[FEATURE_VELOCITY] = note->velocity;
	value[FEATURE_STEP] = octuple_duration_id(i > 0 ? note->position - piece->notes[i - 1].position : 0);
}

void bayes_learn(struct bayes *bayes, const struct piece *piece, int class)
{
	bayes->pieces[class]++;
	bayes->totals[class] += piece->count;
	for (size_t i = 0; i < piece->count; i++) {
		int value[FEATURES];
		read_features(piece, i, value);
		for (int f = 0; f < FEATURES; f++)
			bayes->counts[class][f][value[f]]++;
	}
}

int bayes_classify(const struct bayes *bayes, const struct piece *piece, float *probability)
{
	double score[CLASSES_MAX] = {0}, sum = 0;
	int best = 0;
	for (int c = 0; c < bayes->classes; c++) {
		double total = (double)bayes->totals[c] + FEATURE_VALUES;
		score[c] = log((double)bayes->pieces[c] + 1);
		for (size_t i = 0; i < piece->count; i++) {
			int value[FEATURES];
			read_features(piece, i, value);
			for (int f = 0; f < FEATURES; f++)
				score[c] += log(((double)bayes->counts[c][f][value[f]] + 1) / total);
		}
		if (score[c] > score[best])
			best = c;
	}
	for (int c = 0; c < bayes->classes; c++)
		sum += exp(score[c] - score[best]);
	if (probability)
		*probability = (float)(1 / sum);
	return best;
}

/* What is judged, in the order of notes or pieces. */
struct truth {
	const struct task *task;
	const struct piece **pieces;
	size_t count;
	struct judgement *items;
	size_t *piece_end;
	size_t notes_max; /* of one piece */
};

static bool gather(const struct dataset *dataset, int set, struct truth *truth)
{
	size_t items = 0;
	truth->pieces = malloc((dataset->count + 1) * sizeof *truth->pieces);
	truth->piece_end = malloc((dataset->count + 1) * sizeof *truth->piece_end);
	for (size_t i = 0; truth->pieces && i < dataset->count; i++) {
		const struct piece *piece = &dataset->pieces[i];
		if ((set != EVALUATE_ALL_SETS && piece->set != set) || !task_has_truth(truth->task, piece))
			continue;
		truth->pieces[truth->count++] = piece;
		items += truth->task->kind == TASK_SEQUENCE ? 1 : piece->count;
		if (piece->count > truth->notes_max)
			truth->notes_max = piece->count;
	}
	truth->items = calloc(items + 1, sizeof *truth->items);
	return truth->pieces && truth->piece_end && truth->items;
}

static void release(struct truth *truth)
{
	free(truth->pieces);
	free(truth->piece_end);
	free(truth->items);
}

static int largest_class(const struct truth *truth)
{
	uint64_t counts[CLASSES_MAX] = {0};
	int largest = 0;
	for (size_t i = 0; i < truth->count; i++) {
		const struct piece *piece = truth->pieces[i];
		if (truth->task->kind == TASK_SEQUENCE)
			counts[task_piece_class(truth->task, piece)]++;
		for (size_t k = 0; truth->task->kind != TASK_SEQUENCE && k < piece->count; k++) {
			int class = task_note_class(truth->task, piece, &piece->notes[k]);
			if (class != TASK_NO_CLASS)
				counts[class]++;
		}
	}
	for (int c = 1; c < truth->task->classes; c++)
		if (counts[c] > counts[largest])
			largest = c;
	return largest;
}

/* Judges by one answer a note (class or, for velocities, expected) or one for everything. */
static bool judge_notes(struct truth *truth, enum task_kind kind, int constant, struct metrics *metrics)
{
	int8_t *class = malloc(truth->notes_max + 1);
	float *expected = malloc((truth->notes_max + 1) * sizeof *expected);
	size_t filled = 0;
	bool good = class && expected;
	for (size_t i = 0; good && i < truth->count; i++) {
		const struct piece *piece = truth->pieces[i];
		if (constant >= 0)
			memset(class, constant, piece->count);
		else if (kind == TASK_MELODY)
			baseline_skyline(piece, class);
		else
			baseline_blend(piece, expected);
		for (size_t k = 0; k < piece->count; k++) {
			int label = task_note_class(truth->task, piece, &piece->notes[k]);
			struct judgement *item = &truth->items[filled];
			if (label == TASK_NO_CLASS)
				continue;
			*item = (struct judgement){.truth = (int8_t)label, .predicted = class[k]};
			if (kind == TASK_VELOCITY && constant < 0) {
				item->predicted = (int8_t)dynamic_of_velocity((int)lrintf(expected[k]));
				item->miss = fabsf(expected[k] - (float)piece->notes[k].velocity);
			}
			filled++;
		}
		truth->piece_end[i] = filled;
	}
	free(class);
	free(expected);
	return good && metrics_compute(truth->items, truth->piece_end, truth->count, truth->task->classes, metrics);
}

/* One answer a piece: the constant class, or what naive Bayes says. */
static bool judge_pieces(struct truth *truth, int constant, const struct bayes *bayes, struct metrics *metrics)
{
	for (size_t i = 0; i < truth->count; i++) {
		const struct piece *piece = truth->pieces[i];
		struct judgement *item = &truth->items[i];
		*item =
		    (struct judgement){.truth = (int8_t)task_piece_class(truth->task, piece), .predicted = (int8_t)constant};
		if (bayes)
			item->predicted = (int8_t)bayes_classify(bayes, piece, &item->confidence);
		truth->piece_end[i] = i + 1;
	}
	return metrics_compute(truth->items, truth->piece_end, truth->count, truth->task->classes, metrics);
}

static bool judge_bayes(struct truth *truth, const struct truth *train, struct metrics *metrics)
{
	struct bayes *bayes = bayes_new(truth->task->classes);
	for (size_t i = 0; bayes && i < train->count; i++)
		bayes_learn(bayes, train->pieces[i], task_piece_class(train->task, train->pieces[i]));
	bool good = bayes && judge_pieces(truth, 0, bayes, metrics);
	bayes_free(bayes);
	return good;
}

enum status baselines_compute(const struct task *task, const struct dataset *dataset, int set, const struct dataset *train,
			      struct baseline baselines[BASELINES_MAX], int *count, struct error *error)
{
	struct truth truth = {.task = task}, fitted = {.task = task};
	bool sequence = task->kind == TASK_SEQUENCE;
	bool good = gather(dataset, set, &truth) && (!train || gather(train, EVALUATE_ALL_SETS, &fitted));
	*count = 0;
	if (good) {
		bool from_train = train && fitted.count > 0;
		struct baseline *majority = &baselines[(*count)++];
		int largest = largest_class(from_train ? &fitted : &truth);
		*majority = (struct baseline){.name = "majority", .fitted = from_train ? "train" : "evaluated"};
		good = sequence ? judge_pieces(&truth, largest, NULL, &majority->metrics)
				: judge_notes(&truth, task->kind, largest, &majority->metrics);
	}
	if (good && (task->kind == TASK_MELODY || task->kind == TASK_VELOCITY)) {
		struct baseline *rule = &baselines[(*count)++];
		*rule = (struct baseline){.name = task->kind == TASK_MELODY ? "skyline" : "causal_blend"};
		good = judge_notes(&truth, task->kind, -1, &rule->metrics);
	}
	if (good && sequence && fitted.count > 0) {
		struct baseline *bayes = &baselines[(*count)++];
		*bayes = (struct baseline){.name = "naive_bayes", .fitted = "train"};
		good = judge_bayes(&truth, &fitted, &bayes->metrics);
	}
	release(&truth);
	release(&fitted);
	return good ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory for baselines");
}
