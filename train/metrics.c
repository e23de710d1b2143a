/* Accuracy and its company, see metrics.h. Offline; any thread. Does not know where judgements come from. */
#include "train/metrics.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOOTSTRAP_SEED 2407

static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

struct metrics_class metrics_of_class(const struct metrics *metrics, int class)
{
	double predicted = 0, actual = 0, right = (double)metrics->confusion[class][class];
	for (int c = 0; c < metrics->classes; c++) {
		predicted += (double)metrics->confusion[c][class];
		actual += (double)metrics->confusion[class][c];
	}
	return (struct metrics_class){ratio(right, predicted), ratio(right, actual), ratio(2 * right, predicted + actual)};
}

static double macro_f1(const struct metrics *metrics)
{
	double sum = 0;
	int occurring = 0;
	for (int class = 0; class < metrics->classes; class ++) {
		uint64_t seen = 0;
		for (int c = 0; c < metrics->classes; c++)
			seen += metrics->confusion[c][class] + metrics->confusion[class][c];
		if (seen == 0)
			continue;
		sum += metrics_of_class(metrics, class).f1;
		occurring++;
	}
	return ratio(sum, occurring);
}

static double calibration_error(const struct judgement *items, size_t count)
{
	double confidence[METRICS_CALIBRATION_BINS] = {0}, right[METRICS_CALIBRATION_BINS] = {0}, sum = 0;
	for (size_t i = 0; i < count; i++) {
		int bin = (int)(items[i].confidence * METRICS_CALIBRATION_BINS);
		bin = bin < 0 ? 0 : bin >= METRICS_CALIBRATION_BINS ? METRICS_CALIBRATION_BINS - 1 : bin;
		confidence[bin] += (double)items[i].confidence;
		right[bin] += items[i].truth == items[i].predicted;
	}
	for (int bin = 0; bin < METRICS_CALIBRATION_BINS; bin++)
		sum += fabs(right[bin] - confidence[bin]);
	return ratio(sum, (double)count);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* By confidence. */
struct certainty {
	float confidence;
	bool right;
};

static int by_confidence(const void *left, const void *right)
{
	float a = ((const struct certainty *)left)->confidence, b = ((const struct certainty *)right)->confidence;
	return a < b ? -1 : a > b;
}

/* Of items in order of confidence. */
static double adaptive_error(const struct certainty *items, size_t count)
{
	size_t bins = count / METRICS_BIN_ITEMS;
	double sum = 0;
	bins = bins < 1 ? 1 : bins > METRICS_CALIBRATION_BINS ? METRICS_CALIBRATION_BINS : bins;
	for (size_t bin = 0; bin < bins; bin++) {
		double off = 0;
		for (size_t i = count * bin / bins; i < count * (bin + 1) / bins; i++)
			off += (double)items[i].right - (double)items[i].confidence;
		sum += fabs(off);
	}
	return ratio(sum, (double)count);
}

/* Answers that are right as often as they say, drawn METRICS_DRAWS times: fewer for many items, where chance is small. */
static bool calibrate_by_chance(const struct judgement *items, struct metrics *metrics)
{
	size_t count = metrics->count;
	struct certainty *sorted = malloc((count + 1) * sizeof *sorted);
	struct random random = {BOOTSTRAP_SEED, 1};
	double errors[METRICS_DRAWS];
	int draws = count > 10000 ? METRICS_DRAWS / 20 : METRICS_DRAWS;
	if (!sorted)
		return false;
	for (size_t i = 0; i < count; i++)
		sorted[i] = (struct certainty){items[i].confidence, items[i].truth == items[i].predicted};
	qsort(sorted, count, sizeof *sorted, by_confidence);
	metrics->ece_adaptive = adaptive_error(sorted, count);
	for (int draw = 0; count > 0 && draw < draws; draw++) {
		for (size_t i = 0; i < count; i++)
			sorted[i].right = random_uniform(&random) < (double)sorted[i].confidence;
		metrics->ece_chance += (errors[draw] = adaptive_error(sorted, count)) / draws;
	}
	if (count > 0) {
		qsort(errors, (size_t)draws, sizeof *errors, compare);
		metrics->ece_chance_95 = errors[draws * 95 / 100 - 1];
	}
	free(sorted);
	return true;
}

/* Pieces, not notes, are what would differ in another sample: notes of one piece depend on each other. */
static bool bootstrap(const struct judgement *items, const size_t *piece_end, size_t pieces, double interval[2])
{
	size_t *count = malloc((pieces + 1) * sizeof *count), *right = calloc(pieces + 1, sizeof *right), filled = 0;
	double *accuracy = malloc(METRICS_RESAMPLES * sizeof *accuracy);
	bool good = count && right && accuracy;
	for (size_t i = 0, begin = 0; good && i < pieces; begin = piece_end[i++]) {
		if (piece_end[i] == begin)
			continue;
		count[filled] = piece_end[i] - begin;
		for (size_t k = begin; k < piece_end[i]; k++)
			right[filled] += items[k].truth == items[k].predicted;
		filled++;
	}
	struct random random = {BOOTSTRAP_SEED, 0};
	for (int sample = 0; good && filled > 0 && sample < METRICS_RESAMPLES; sample++) {
		double all = 0, good_ones = 0;
		for (size_t i = 0; i < filled; i++) {
			size_t piece = (size_t)random_integer(&random, 0, (int64_t)filled - 1);
			all += (double)count[piece];
			good_ones += (double)right[piece];
		}
		accuracy[sample] = good_ones / all;
	}
	if (good && filled > 0) {
		qsort(accuracy, METRICS_RESAMPLES, sizeof *accuracy, compare);
		interval[0] = accuracy[METRICS_RESAMPLES * 25 / 1000 - 1];
		interval[1] = accuracy[METRICS_RESAMPLES * 975 / 1000 - 1];
	}
	free(count);
	free(right);
	free(accuracy);
	return good;
}

bool metrics_compute(const struct judgement *items, const size_t *piece_end, size_t pieces, int classes,
		     struct metrics *metrics)
{
	size_t right = 0;
	memset(metrics, 0, sizeof *metrics);
	metrics->classes = classes;
	metrics->count = pieces > 0 ? piece_end[pieces - 1] : 0;
	if (classes < 1 || classes > CLASSES_MAX)
		return false;
	for (size_t i = 0; i < metrics->count; i++) {
		int truth = items[i].truth, predicted = items[i].predicted;
		if (truth < 0 || truth >= classes || predicted < 0 || predicted >= classes)
			return false;
		metrics->confusion[truth][predicted]++;
		right += truth == predicted;
		metrics->mae += (double)items[i].miss;
	}
	metrics->mae = ratio(metrics->mae, (double)metrics->count);
	metrics->accuracy = ratio((double)right, (double)metrics->count);
	metrics->macro_f1 = macro_f1(metrics);
	metrics->ece = calibration_error(items, metrics->count);
	return calibrate_by_chance(items, metrics) && bootstrap(items, piece_end, pieces, metrics->interval);
}
