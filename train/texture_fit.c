/* Multinomial logistic regression on textures, see texture_fit.h. Offline, one thread. */
#include "train/texture_fit.h"

#include "base/random.h"
#include "model/kernels.h"
#include "model/matrix.h"
#include "train/calibrate.h"
#include "train/listener.h"
#include "train/oddity.h"
#include "train/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHORT 4		   /* passages of a quarter of the span, too: a stream has heard that much first */
#define STEPS 400	   /* of the descent */
#define POWER_STEPS 30	   /* until its step size is known */
#define SHARES 20	   /* steps of the share, from the network alone on */
#define SHARE_MOST 18	   /* nine tenths: more would be another head, at temperatures that no file may have */
#define DEVIATION_MIN 1e-4 /* of a feature that is next to always the same */

#define ODD_NOTES 128
#define ODD_EACH 60 /* odd inputs of each kind */
#define ODD_SEED 96
#define REACH 4 /* how many times as far as the validation part's passages odd inputs may push what is strange */

static const double decays[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1};

/* Passages of one part. */
struct rows {
	float *x;	/* [count][TEXTURE_SIZE] */
	float *network; /* [count][C]: of the validation part, or NULL */
	int8_t *truth;
	int *notes;    /* in each */
	float *weight; /* in the regression: every piece has the same, shared out among its passages; their mean is 1 */
	size_t count, room;
	int classes;
};

static void rows_free(struct rows *rows)
{
	free(rows->x);
	free(rows->network);
	free(rows->truth);
	free(rows->notes);
	free(rows->weight);
}

static bool grow(void **array, size_t count, size_t size)
{
	void *larger = realloc(*array, count * size);
	if (larger)
		*array = larger;
	return larger;
}

static bool make_room(struct rows *rows)
{
	if (rows->count < rows->room)
		return true;
	size_t room = rows->room ? 2 * rows->room : 1024;
	bool good = grow((void **)&rows->x, room, TEXTURE_SIZE * sizeof *rows->x) &&
		    grow((void **)&rows->network, room, (size_t)rows->classes * sizeof *rows->network) &&
		    grow((void **)&rows->truth, room, sizeof *rows->truth) &&
		    grow((void **)&rows->notes, room, sizeof *rows->notes) &&
		    grow((void **)&rows->weight, room, sizeof *rows->weight);
	rows->room = good ? room : rows->room;
	return good;
}

static bool add_passage(struct rows *rows, const struct piece *piece, int truth, size_t first, int notes,
			struct texture_note *scratch)
{
	if (!make_room(rows))
		return false;
	listener_texture(piece, first, notes, scratch, rows->x + rows->count * TEXTURE_SIZE);
	rows->truth[rows->count] = (int8_t)truth;
	rows->notes[rows->count++] = notes;
	return true;
}

/* Passages of a span that overlap by half, and short ones at the same places. */
static bool add_training(struct rows *rows, const struct piece *piece, int truth, int span, struct texture_note *scratch)
{
	size_t hop = ((size_t)span + 1) / 2, before = rows->count;
	for (size_t first = 0; first == 0 || first + hop <= piece->count; first += hop) {
		size_t left = piece->count - first, most = (size_t)span, few = (most + SHORT - 1) / SHORT;
		if (!add_passage(rows, piece, truth, first, (int)(left < most ? left : most), scratch) ||
		    !add_passage(rows, piece, truth, first, (int)(left < few ? left : few), scratch))
			return false;
	}
	for (size_t n = before; n < rows->count; n++)
		rows->weight[n] = 1 / (float)(rows->count - before);
	return true;
}

/* The passages that a piece is judged by, and what the network says of each. */
static bool add_judged(struct rows *rows, const struct piece *piece, int truth, int span, struct listener *listener,
		       int head, struct texture_note *scratch)
{
	for (size_t i = 0; i < listener_passages(piece, span); i++) {
		size_t first = i * (size_t)span;
		int notes = listener_passage_length(piece, span, i);
		if (!add_passage(rows, piece, truth, first, notes, scratch) ||
		    !listener_network(listener, piece, head, first, notes,
				      rows->network + (rows->count - 1) * (size_t)rows->classes))
			return false;
	}
	return true;
}

/* With a listener: the passages that are judged. */
static enum status collect(const struct model *model, int head, const struct texture_part *part, bool judged,
			   struct rows *rows, struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	const struct head_spec *spec = &shape->head[head];
	struct task task;
	enum status status = task_of_head(spec, &task, error);
	if (status != STATUS_OK)
		return status;
	struct listener *listener = judged ? listener_new(model, shape->span, shape->span) : NULL;
	struct texture_note *scratch = malloc((size_t)shape->span * sizeof *scratch);
	bool good = scratch && (listener || !judged);
	rows->classes = spec->classes;
	for (size_t i = 0; good && i < part->dataset->count; i++) {
		const struct piece *piece = &part->dataset->pieces[i];
		int truth = part->teaches[piece->set] && piece->count > 0 ? task_piece_class(&task, piece) : TASK_NO_CLASS;
		if (truth == TASK_NO_CLASS)
			continue;
		good = judged ? add_judged(rows, piece, truth, shape->span, listener, head, scratch)
			      : add_training(rows, piece, truth, shape->span, scratch);
	}
	free(scratch);
	listener_free(listener);
	if (!good)
		return status_fail(error, STATUS_NO_MEMORY, "no memory to learn the texture of head %s", spec->name);
	if (rows->count == 0)
		return status_fail(error, STATUS_NOT_FOUND, "head %s: no piece with one of its labels", spec->name);
	return STATUS_OK;
}

/* ---- the regression ---- */

static void standardise(const struct rows *rows, const struct texture_layer *layer)
{
	for (size_t n = 0; n < rows->count; n++)
		texture_standardise(layer->mean, layer->deviation, rows->notes[n], rows->x + n * TEXTURE_SIZE);
}

static void weigh(struct rows *rows)
{
	double sum = 0;
	for (size_t n = 0; n < rows->count; n++)
		sum += (double)rows->weight[n];
	for (size_t n = 0; n < rows->count; n++)
		rows->weight[n] *= (float)((double)rows->count / sum);
}

/* Mean 0 and deviation 1, as far as passages are believed. */
static void measure(struct rows *rows, const struct texture_layer *layer)
{
	for (int i = 0; i < TEXTURE_SIZE; i++) {
		double sum = 0;
		for (size_t n = 0; n < rows->count; n++)
			sum += (double)rows->x[n * TEXTURE_SIZE + (size_t)i];
		layer->mean[i] = (float)(sum / (double)rows->count);
		layer->deviation[i] = 1;
	}
	standardise(rows, layer);
	for (int i = 0; i < TEXTURE_SIZE; i++) {
		double square = 0;
		for (size_t n = 0; n < rows->count; n++) {
			double away = (double)rows->x[n * TEXTURE_SIZE + (size_t)i];
			square += away * away;
		}
		layer->deviation[i] = (float)fmax(sqrt(square / (double)rows->count), DEVIATION_MIN);
		for (size_t n = 0; n < rows->count; n++)
			rows->x[n * TEXTURE_SIZE + (size_t)i] /= layer->deviation[i];
	}
}

/* A point of the descent: W [C][TEXTURE_SIZE] and the biases [C] after it. */
struct descent {
	const struct rows *rows;
	float *probability; /* [count][C] */
	size_t numbers;	    /* of one point */
	double decay;
};

static void logits_of(const struct rows *rows, const float *point, float *logits)
{
	int C = rows->classes;
	matrix_nt((int)rows->count, C, TEXTURE_SIZE, rows->x, TEXTURE_SIZE, point, TEXTURE_SIZE, 0, logits, C);
	for (size_t n = 0; n < rows->count; n++)
		for (int c = 0; c < C; c++)
			logits[n * (size_t)C + (size_t)c] += point[(size_t)C * TEXTURE_SIZE + (size_t)c];
}

/* Of the weighted mean cross-entropy and the decay. */
static void gradient_at(const struct descent *descent, const float *point, float *gradient)
{
	const struct rows *rows = descent->rows;
	int C = rows->classes;
	float *p = descent->probability, *bias = gradient + (size_t)C * TEXTURE_SIZE;
	logits_of(rows, point, p);
	memset(bias, 0, (size_t)C * sizeof *bias);
	for (size_t n = 0; n < rows->count; n++, p += C) {
		kernel_softmax(C, p, p);
		p[rows->truth[n]] -= 1;
		for (int c = 0; c < C; c++) {
			p[c] *= rows->weight[n] / (float)rows->count;
			bias[c] += p[c];
		}
	}
	matrix_tn(C, TEXTURE_SIZE, (int)rows->count, descent->probability, C, rows->x, TEXTURE_SIZE, 0, gradient,
		  TEXTURE_SIZE);
	kernel_axpy((long)C * TEXTURE_SIZE, (float)(2 * descent->decay), point, gradient);
}

/* The largest eigenvalue of the weighted X^T X / n, and 1 for the biases. */
static double largest_curvature(const struct rows *rows, float *v, float *across)
{
	double norm = 1;
	for (int i = 0; i < TEXTURE_SIZE; i++)
		v[i] = 1 / sqrtf(TEXTURE_SIZE);
	for (int step = 0; step < POWER_STEPS; step++) {
		matrix_nt((int)rows->count, 1, TEXTURE_SIZE, rows->x, TEXTURE_SIZE, v, TEXTURE_SIZE, 0, across, 1);
		for (size_t n = 0; n < rows->count; n++)
			across[n] *= rows->weight[n];
		matrix_tn(1, TEXTURE_SIZE, (int)rows->count, across, 1, rows->x, TEXTURE_SIZE, 0, v, TEXTURE_SIZE);
		norm = 0;
		for (int i = 0; i < TEXTURE_SIZE; i++)
			norm += (double)v[i] * (double)v[i];
		norm = sqrt(norm);
		for (int i = 0; i < TEXTURE_SIZE; i++)
			v[i] = (float)((double)v[i] / norm);
	}
	return 1.1 * norm / (double)rows->count + 1;
}

/* Nesterov's accelerated descent; its momentum starts anew whenever it points uphill (O'Donoghue and Candes, 2015). The
 * softmax bends by at most a half of what the weighted X^T X / n does. points: three, of which the first is where it begins
 * and ends. */
static void descend(const struct descent *descent, double curvature, float *points)
{
	size_t numbers = descent->numbers;
	float *point = points, *ahead = points + numbers, *gradient = points + 2 * numbers;
	float step = (float)(1 / (curvature / 2 + 2 * descent->decay));
	double t = 1;
	memcpy(ahead, point, numbers * sizeof *ahead);
	for (int k = 0; k < STEPS; k++) {
		gradient_at(descent, ahead, gradient);
		double uphill = 0, next = (1 + sqrt(1 + 4 * t * t)) / 2;
		for (size_t i = 0; i < numbers; i++) {
			float reached = ahead[i] - step * gradient[i], moved = reached - point[i];
			uphill += (double)gradient[i] * (double)moved;
			ahead[i] = reached + (float)((t - 1) / next) * moved;
			point[i] = reached;
		}
		t = next;
		if (uphill > 0) {
			memcpy(ahead, point, numbers * sizeof *ahead);
			t = 1;
		}
	}
}

/* ---- beside the network ---- */

/* The share of the texture's logits by which passages have the smallest cross-entropy; logits: of the texture. Returns the
 * temperature of the network alone.
 */
static double find_share(const struct rows *valid, const float *logits, float *mixed, struct texture_found *found)
{
	size_t numbers = valid->count * (size_t)valid->classes;
	double temperature =
	    calibrate_temperature(valid->network, valid->truth, valid->count, valid->classes, &found->network);
	found->both = INFINITY;
	for (int k = 0; k <= SHARE_MOST; k++) {
		double share = (double)k / SHARES, reached;
		for (size_t i = 0; i < numbers; i++)
			mixed[i] =
			    (float)((1 - share) * (double)valid->network[i] / temperature + share * (double)logits[i]);
		double best = calibrate_temperature(mixed, valid->truth, valid->count, valid->classes, &reached);
		if (reached < found->both) {
			found->both = reached;
			found->share = share;
			found->temperature = temperature / (1 - share) * best;
		}
	}
	calibrate_temperature(logits, valid->truth, valid->count, valid->classes, &found->texture);
	return temperature;
}

struct workplace {
	float *points, *best;	     /* three points; one */
	float *probability, *logits; /* [train][C]; twice [valid][C] */
	float *direction;	     /* [TEXTURE_SIZE] */
};

/* Tries every decay, each from where the last one ended, and keeps the best point, in the network's units. */
static void try_decays(const struct rows *train, const struct rows *valid, struct workplace *w, struct texture_found *found)
{
	size_t C = (size_t)train->classes, numbers = C * TEXTURE_SIZE + C;
	double curvature = largest_curvature(train, w->direction, w->probability);
	*found = (struct texture_found){.passages = train->count, .both = INFINITY};
	memset(w->points, 0, 3 * numbers * sizeof *w->points);
	for (size_t k = sizeof decays / sizeof *decays; k-- > 0;) {
		struct descent descent = {train, w->probability, numbers, decays[k]};
		struct texture_found tried = {.passages = train->count, .decay = decays[k]};
		descend(&descent, curvature, w->points);
		logits_of(valid, w->points, w->logits);
		double temperature = find_share(valid, w->logits, w->logits + valid->count * C, &tried);
		if (tried.both >= found->both)
			continue;
		*found = tried;
		for (size_t i = 0; i < numbers; i++)
			w->best[i] = (float)(temperature * tried.share / (1 - tried.share) * (double)w->points[i]);
	}
}

static bool fit(struct rows *train, struct rows *valid, const struct texture_layer *layer, struct texture_found *found)
{
	size_t C = (size_t)train->classes, numbers = C * TEXTURE_SIZE + C;
	struct workplace w = {.points = malloc(3 * numbers * sizeof *w.points),
			      .best = malloc(numbers * sizeof *w.best),
			      .probability = malloc(train->count * C * sizeof *w.probability),
			      .logits = malloc(2 * valid->count * C * sizeof *w.logits),
			      .direction = malloc(TEXTURE_SIZE * sizeof *w.direction)};
	bool good = w.points && w.best && w.probability && w.logits && w.direction;
	if (good) {
		weigh(train);
		measure(train, layer);
		standardise(valid, layer);
		try_decays(train, valid, &w, found);
		memcpy(layer->weight, w.best, C * TEXTURE_SIZE * sizeof *w.best);
		memcpy(layer->bias, w.best + C * TEXTURE_SIZE, C * sizeof *w.best);
	}
	free(w.points);
	free(w.best);
	free(w.probability);
	free(w.logits);
	free(w.direction);
	return good;
}

/* ---- what is strange ---- */

static int ascending(const void *left, const void *right)
{
	float a = *(const float *)left, b = *(const float *)right;
	return a < b ? -1 : a > b;
}

static float part_of(float *distances, size_t count, double share)
{
	qsort(distances, count, sizeof *distances, ascending);
	return distances[(size_t)(share * (double)(count - 1) + 0.5)];
}

/* The distance that all but `share` of the odd inputs of any kind exceed. */
static float nearest_odd(const struct texture_layer *layer, double share)
{
	struct piece_note notes[ODD_NOTES];
	struct texture_note scratch[ODD_NOTES];
	struct piece piece = {.notes = notes, .count = ODD_NOTES};
	float distances[ODD_EACH], features[TEXTURE_SIZE], nearest = INFINITY;
	for (int kind = 0; kind < ODDITIES; kind++) {
		for (int n = 0; n < ODD_EACH; n++) {
			oddity_make((enum oddity)kind, random_hash(ODD_SEED, (uint64_t)n), ODD_NOTES, notes);
			listener_texture(&piece, 0, ODD_NOTES, scratch, features);
			texture_standardise(layer->mean, layer->deviation, ODD_NOTES, features);
			distances[n] = texture_distance(features);
		}
		nearest = fminf(nearest, part_of(distances, ODD_EACH, share));
	}
	return nearest;
}

/* As far out as leaves `coverage` of any kind of odd input beyond it, but no nearer than the validation part's passages, nor
 * many times farther. valid: passages as the training part's.
 */
static float find_strange(struct rows *valid, const struct texture_layer *layer, double coverage)
{
	size_t count = 0;
	standardise(valid, layer);
	for (size_t n = 0; n < valid->count; n++)
		if (valid->notes[n] >= TEXTURE_NOTES_MIN)
			valid->x[count++] = texture_distance(valid->x + n * TEXTURE_SIZE);
	float own = count ? part_of(valid->x, count, coverage) : 1;
	return fminf(fmaxf(own, nearest_odd(layer, 1 - coverage)), REACH * own);
}

enum status texture_fit(const struct model *model, int head, const struct texture_part *train,
			const struct texture_part *valid, double coverage, const struct texture_layer *layer,
			struct texture_found *found, struct error *error)
{
	struct rows learnt = {0}, judged = {0}, kept = {0};
	enum status status = collect(model, head, train, false, &learnt, error);
	if (status == STATUS_OK)
		status = collect(model, head, valid, true, &judged, error);
	if (status == STATUS_OK && !fit(&learnt, &judged, layer, found))
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to learn the texture of head %s",
				     model_shape(model)->head[head].name);
	if (status == STATUS_OK)
		status = collect(model, head, valid, false, &kept, error);
	if (status == STATUS_OK)
		found->strange = find_strange(&kept, layer, coverage);
	rows_free(&learnt);
	rows_free(&judged);
	rows_free(&kept);
	return status;
}
