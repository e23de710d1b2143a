/* Gaussians of what was trained on and how far from them playing still is like it, see familiarity.h. Offline, one thread.
 */
#include "train/familiarity.h"

#include "base/random.h"
#include "model/encoder.h"
#include "stream/octuple.h"
#include "train/augment.h"
#include "train/oddity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Much of the unit matrix in the correlations: a few thousand passages of one collection tell 268 dimensions apart as they
 * are in it alone, and other music stands as far out as noise. */
#define SHRINK 0.8
#define PASSAGES_MIN 64
#define PLACES 2    /* passages of one length that a piece gives */
#define AMID 128    /* notes after which the newest FAMILIAR_NOTES lie amid a piece */
#define ENOUGH 250  /* pieces: of many more, every second or third one is heard */
#define ODD_EACH 60 /* odd inputs of each kind */
#define ODD_SEED 96
#define REACH 4 /* however far away odd inputs are, a threshold is at most so many times that of the dataset alone */

struct familiarity {
	const struct model *model;
	int head, size;
	struct encoder *encoder;
	struct piece_note notes[FAMILIARITY_PLAYED_MAX];
	struct token tokens[FAMILIARITY_PLAYED_MAX];
	float *features, *scratch; /* [size] */
};

struct familiarity *familiarity_new(const struct model *model, int head)
{
	const struct model_shape *shape = model_shape(model);
	struct familiarity *familiarity = calloc(1, sizeof *familiarity);
	if (!familiarity)
		return NULL;
	familiarity->model = model;
	familiarity->head = head;
	familiarity->size = shape->width + FAMILIAR_STATISTICS;
	bool unlimited = shape->lookahead == LOOKAHEAD_UNLIMITED;
	familiarity->encoder = encoder_new(model, ENCODER_SETTING(shape->head[head].setting), shape->span,
					   unlimited ? shape->span : FAMILIARITY_PLAYED_MAX, 0);
	familiarity->features = calloc((size_t)familiarity->size, sizeof(float));
	familiarity->scratch = calloc((size_t)familiarity->size, sizeof(float));
	if (familiarity->encoder && familiarity->features && familiarity->scratch)
		return familiarity;
	familiarity_free(familiarity);
	return NULL;
}

void familiarity_free(struct familiarity *familiarity)
{
	if (!familiarity)
		return;
	encoder_free(familiarity->encoder);
	free(familiarity->features);
	free(familiarity->scratch);
	free(familiarity);
}

/* A length is known once the key is up, unless by then too many notes have come: then the token stays as it is. */
static void make_tokens(struct familiarity *familiarity, int count)
{
	int freeze = model_shape(familiarity->model)->freeze;
	const struct piece_note *notes = familiarity->notes;
	for (int i = 0; i < count; i++) {
		const struct piece_note *note = &notes[i];
		int last = i + freeze < count - 1 ? i + freeze : count - 1;
		bool ended = last > i && note->end_us <= notes[last].onset_us;
		familiarity->tokens[i] =
		    octuple_token(&note->place, note->pitch, ended ? note->duration_positions : -1, note->velocity, 0);
	}
}

void familiarity_listen(struct familiarity *familiarity, const struct piece_note *notes, int count, int64_t start_us,
			float *features)
{
	const struct model_shape *shape = model_shape(familiarity->model);
	struct familiar_note newest[FAMILIAR_NOTES];
	memcpy(familiarity->notes, notes, (size_t)count * sizeof *notes);
	if (start_us != FAMILIARITY_OWN_GRID)
		augment_regrid(-start_us, count, familiarity->notes);
	make_tokens(familiarity, count);
	int first = shape->lookahead == LOOKAHEAD_UNLIMITED && count > shape->span ? count - shape->span : 0;
	int looked = count - first < FAMILIAR_NOTES ? count - first : FAMILIAR_NOTES;
	for (int i = 0; i < looked; i++) {
		const struct piece_note *note = &notes[count - looked + i];
		newest[i] = (struct familiar_note){note->onset_us, note->pitch, note->velocity};
	}
	encoder_reset(familiarity->encoder);
	const float *hidden = encoder_hear(familiarity->encoder, shape->head[familiarity->head].setting, first,
					   count - first, familiarity->tokens + first);
	familiar_features(hidden + (size_t)(count - first - looked) * (size_t)shape->width, shape->width, newest, looked,
			  features);
}

float familiarity_distance(struct familiarity *familiarity, const struct piece_note *notes, int count, int64_t start_us)
{
	familiarity_listen(familiarity, notes, count, start_us, familiarity->features);
	return familiar_distance(familiarity->model, familiarity->head, familiarity->features, familiarity->scratch);
}

float familiarity_strangeness(struct familiarity *familiarity, const struct piece_note *notes, int count, int64_t start_us)
{
	const struct head_spec *spec = &model_shape(familiarity->model)->head[familiarity->head];
	return familiar_strangeness(spec, familiarity_distance(familiarity, notes, count, start_us), count);
}

/* ---- passages of a dataset ---- */

/* Calls take for passages of `played` notes from places all over the pieces, on both grids. */
static void each_passage(const struct dataset *dataset, const bool *teaches, int played,
			 void (*take)(void *context, const struct piece_note *notes, int played, int64_t start_us),
			 void *context)
{
	size_t pieces = 0;
	for (size_t i = 0; i < dataset->count; i++)
		pieces += teaches[dataset->pieces[i].set];
	size_t step = (pieces + ENOUGH - 1) / ENOUGH, at = 0;
	for (size_t i = 0; i < dataset->count; i++) {
		const struct piece *piece = &dataset->pieces[i];
		if (!teaches[piece->set] || at++ % step != 0 || piece->count < (size_t)played)
			continue;
		size_t spare = piece->count - (size_t)played;
		int places = spare < (size_t)played ? 1 : PLACES;
		for (int k = 0; k < places; k++) {
			double part = 0.618 * (double)i + (double)k / places;
			const struct piece_note *notes = piece->notes + (size_t)((double)spare * (part - floor(part)));
			take(context, notes, played, piece->notes[0].onset_us);
			take(context, notes, played, FAMILIARITY_OWN_GRID);
		}
	}
}

struct passages {
	struct familiarity *familiarity;
	size_t count, room;
	float *rows; /* [room][width]: features, or one distance */
	int width;
	bool failed;
};

static float *add_row(struct passages *passages)
{
	if (passages->count == passages->room) {
		size_t room = passages->room ? 2 * passages->room : 1024;
		float *rows = realloc(passages->rows, room * (size_t)passages->width * sizeof *rows);
		if (!rows) {
			passages->failed = true;
			return NULL;
		}
		passages->rows = rows;
		passages->room = room;
	}
	return passages->rows + passages->count++ * (size_t)passages->width;
}

static void take_features(void *context, const struct piece_note *notes, int played, int64_t start_us)
{
	struct passages *passages = context;
	float *row = add_row(passages);
	if (row)
		familiarity_listen(passages->familiarity, notes, played, start_us, row);
}

static void take_distance(void *context, const struct piece_note *notes, int played, int64_t start_us)
{
	struct passages *passages = context;
	float *row = add_row(passages);
	if (row)
		*row = familiarity_distance(passages->familiarity, notes, played, start_us);
}

/* ---- the Gaussian ---- */

/* Means, deviations and shrunk correlations [size][size] of rows. */
static void measure(const struct passages *passages, double *mean, double *deviation, double *correlation)
{
	int size = passages->width;
	memset(mean, 0, (size_t)size * sizeof *mean);
	memset(correlation, 0, (size_t)size * (size_t)size * sizeof *correlation);
	for (size_t n = 0; n < passages->count; n++)
		for (int i = 0; i < size; i++)
			mean[i] += (double)passages->rows[n * (size_t)size + (size_t)i] / (double)passages->count;
	for (size_t n = 0; n < passages->count; n++) {
		const float *row = passages->rows + n * (size_t)size;
		for (int i = 0; i < size; i++) {
			double a = ((double)row[i] - mean[i]) / (double)passages->count;
			for (int j = 0; j <= i; j++)
				correlation[i * size + j] += a * ((double)row[j] - mean[j]);
		}
	}
	for (int i = 0; i < size; i++)
		deviation[i] = sqrt(correlation[i * size + i]) + 1e-6;
	for (int i = 0; i < size; i++)
		for (int j = 0; j <= i; j++)
			correlation[i * size + j] =
			    (1 - SHRINK) * correlation[i * size + j] / (deviation[i] * deviation[j]) + (i == j ? SHRINK : 0);
}

/* Lower Cholesky factor in place, then its inverse in place. The matrix is positive definite by SHRINK. */
static void whiten_by(double *a, int size)
{
	for (int i = 0; i < size; i++)
		for (int j = 0; j <= i; j++) {
			double sum = a[i * size + j];
			for (int k = 0; k < j; k++)
				sum -= a[i * size + k] * a[j * size + k];
			a[i * size + j] = i == j ? sqrt(sum) : sum / a[j * size + j];
		}
	for (int j = 0; j < size; j++) {
		a[j * size + j] = 1 / a[j * size + j];
		for (int i = j + 1; i < size; i++) {
			double sum = 0;
			for (int k = j; k < i; k++)
				sum -= a[i * size + k] * a[k * size + j];
			a[i * size + j] = sum / a[i * size + i];
		}
	}
}

static bool fit(const struct passages *passages, float *mean, float *whiten)
{
	size_t size = (size_t)passages->width;
	double *means = malloc(2 * size * sizeof *means), *matrix = malloc(size * size * sizeof *matrix);
	bool good = means && matrix;
	if (good) {
		double *deviation = means + size;
		measure(passages, means, deviation, matrix);
		whiten_by(matrix, (int)size);
		memset(whiten, 0, size * size * sizeof *whiten);
		for (size_t i = 0; i < size; i++) {
			mean[i] = (float)means[i];
			for (size_t j = i; j < size; j++)
				whiten[i * size + j] = (float)(matrix[j * size + i] / deviation[i]);
		}
	}
	free(means);
	free(matrix);
	return good;
}

enum status familiarity_fit(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			    float *mean, float *whiten, struct error *error)
{
	struct familiarity *familiarity = familiarity_new(model, head);
	struct passages passages = {
	    .familiarity = familiarity, .width = model_shape(model)->width + FAMILIAR_STATISTICS, .failed = !familiarity};
	enum status status = STATUS_OK;
	const char *name = model_shape(model)->head[head].name;
	if (familiarity) {
		each_passage(dataset, teaches, FAMILIAR_NOTES, take_features, &passages);
		each_passage(dataset, teaches, AMID, take_features, &passages);
	}
	if (!passages.failed && passages.count < PASSAGES_MIN)
		status =
		    status_fail(error, STATUS_NOT_FOUND, "head %s: %zu passages of %d notes to learn from; %d are needed",
				name, passages.count, FAMILIAR_NOTES, PASSAGES_MIN);
	else if (passages.failed || !fit(&passages, mean, whiten))
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to learn what is familiar to head %s", name);
	free(passages.rows);
	familiarity_free(familiarity);
	return status;
}

/* ---- thresholds ---- */

static int ascending(const void *left, const void *right)
{
	float a = *(const float *)left, b = *(const float *)right;
	return a < b ? -1 : a > b;
}

static float part_of(struct passages *passages, double share)
{
	qsort(passages->rows, passages->count, sizeof *passages->rows, ascending);
	return passages->rows[(size_t)(share * (double)(passages->count - 1) + 0.5)];
}

/* The distance that all but `share` of the odd inputs of any kind exceed. */
static float nearest_odd(struct passages *passages, int played, double share)
{
	struct piece_note notes[FAMILIARITY_PLAYED_MAX];
	float nearest = INFINITY;
	for (int kind = 0; kind < ODDITIES && !passages->failed; kind++) {
		passages->count = 0;
		for (uint64_t n = 0; n < ODD_EACH; n++) {
			oddity_make((enum oddity)kind, random_hash(ODD_SEED, n), played, notes);
			take_distance(passages, notes, played, notes[0].onset_us);
		}
		nearest = passages->failed ? 0 : fminf(nearest, part_of(passages, share));
	}
	return nearest;
}

enum status familiarity_thresholds(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
				   double coverage, float thresholds[FAMILIAR_THRESHOLDS], struct error *error)
{
	static const int played[FAMILIAR_THRESHOLDS + 1] = {16, 32, 64, AMID};
	struct familiarity *familiarity = familiarity_new(model, head);
	struct passages passages = {.familiarity = familiarity, .width = 1, .failed = !familiarity};
	enum status status = STATUS_OK;
	const char *name = model_shape(model)->head[head].name;
	for (int i = 0; familiarity && i < FAMILIAR_THRESHOLDS && status == STATUS_OK; i++) {
		passages.count = 0;
		each_passage(dataset, teaches, played[i], take_distance, &passages);
		if (played[i] == FAMILIAR_NOTES) /* and amid a piece */
			each_passage(dataset, teaches, played[i + 1], take_distance, &passages);
		if (passages.count < PASSAGES_MIN / 4) {
			status = status_fail(error, STATUS_NOT_FOUND,
					     "head %s: %zu passages of %d notes to choose a threshold on", name,
					     passages.count, played[i]);
			break;
		}
		thresholds[i] = part_of(&passages, coverage);
		float odd = nearest_odd(&passages, played[i], 1 - coverage);
		thresholds[i] = fminf(fmaxf(thresholds[i], odd), REACH * thresholds[i]);
	}
	if (passages.failed)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to choose thresholds of head %s", name);
	free(passages.rows);
	familiarity_free(familiarity);
	return status;
}
