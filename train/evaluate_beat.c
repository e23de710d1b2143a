/* Beat tracking against annotations, see evaluate_beat.h. Offline, one thread. It tracks nothing: stream/tracker.c does. */
#include "train/evaluate_beat.h"

#include "base/random.h"
#include "stream/tracker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEADY_S 0.5
#define INTERVAL_MIN_S 0.4
#define END_US 2000000 /* after the last event beats are still waited for so long */
#define RESAMPLINGS 2000

struct times { /* ascending */
	double *s;
	size_t count, room;
};

struct answer { /* what one method said of one piece */
	struct times beats, downbeats;
};

struct truth {
	struct times beats, downbeats;
};

/* ---- lists of times ---- */

static bool add(struct times *times, double s)
{
	if (times->count == times->room) {
		size_t room = times->room ? 2 * times->room : 256;
		double *grown = realloc(times->s, room * sizeof *grown);

		if (!grown)
			return false;
		times->s = grown;
		times->room = room;
	}
	times->s[times->count++] = s;
	return true;
}

double beat_f1(const double *said, size_t said_count, const double *true_s, size_t true_count, size_t *matches)
{
	size_t i = 0, k = 0, matched = 0;

	while (i < said_count && k < true_count) {
		if (fabs(said[i] - true_s[k]) <= BEAT_TOLERANCE_S) {
			matched++;
			i++;
			k++;
		} else if (said[i] < true_s[k]) {
			i++;
		} else {
			k++;
		}
	}
	if (matches)
		*matches = matched;
	return said_count + true_count > 0 ? 2.0 * (double)matched / (double)(said_count + true_count) : 0;
}

static double f1_of(const struct times *said, const struct times *truth)
{
	return beat_f1(said->s, said->count, truth->s, truth->count, NULL);
}

/* Every other one, from `first` on. */
static bool thin(const struct times *from, size_t first, struct times *to)
{
	to->count = 0;
	for (size_t i = first; i < from->count; i += 2)
		if (!add(to, from->s[i]))
			return false;
	return true;
}

static bool halve_way(const struct times *from, struct times *to)
{
	to->count = 0;
	for (size_t i = 0; i + 1 < from->count; i++)
		if (!add(to, (from->s[i] + from->s[i + 1]) / 2))
			return false;
	return true;
}

static bool tolerant(const struct times *said, const struct times *truth, double *best)
{
	struct times other = {0};
	bool good = true;

	*best = f1_of(said, truth);
	for (size_t first = 0; good && first < 2; first++) {
		good = thin(said, first, &other);
		*best = good ? fmax(*best, f1_of(&other, truth)) : *best;
		good = good && thin(truth, first, &other);
		*best = good ? fmax(*best, f1_of(said, &other)) : *best;
	}
	good = good && halve_way(truth, &other);
	*best = good ? fmax(*best, f1_of(said, &other)) : *best;
	free(other.s);
	return good;
}

static double later(const struct times *said, const struct times *truth)
{
	size_t i = 0, k = 0;

	while (i < said->count && said->s[i] < BEAT_WARM_UP_S)
		i++;
	while (k < truth->count && truth->s[k] < BEAT_WARM_UP_S)
		k++;
	return beat_f1(said->s + i, said->count - i, truth->s + k, truth->count - k, NULL);
}

/* ---- methods ---- */

static bool track(struct tracker *tracker, const struct timeline *timeline, struct answer *answer)
{
	for (size_t i = 0; i <= timeline->count; i++) {
		const struct event *event = &timeline->events[i < timeline->count ? i : timeline->count - 1];
		int64_t now_us = event->event_us + (i < timeline->count ? 0 : END_US);
		struct tracker_beat beat;

		while (tracker_deadline(tracker) <= now_us) {
			if (!tracker_next(tracker, now_us, &beat))
				continue;
			if (!add(&answer->beats, (double)beat.due_us / 1e6) ||
			    (beat.downbeat && !add(&answer->downbeats, (double)beat.due_us / 1e6)))
				return false;
		}
		if (i < timeline->count)
			tracker_take(tracker, event);
	}
	return true;
}

static bool tick(double from_s, double to_s, double every_s, struct answer *answer)
{
	for (int i = 0; from_s + i * every_s <= to_s; i++)
		if (!add(&answer->beats, from_s + i * every_s) ||
		    (i % 4 == 0 && !add(&answer->downbeats, from_s + i * every_s)))
			return false;
	return true;
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

/* First and last note; median interval between onsets that are not one chord. */
static bool look_over(const struct timeline *timeline, double span_s[2], double *median_s)
{
	struct times intervals = {0};
	bool good = true, any = false;

	span_s[0] = span_s[1] = 0;
	for (size_t i = 0; good && i < timeline->count; i++) {
		const struct event *event = &timeline->events[i];
		double now_s = (double)event->event_us / 1e6;

		if (event->kind != EVENT_NOTE_ON)
			continue;
		if (!any)
			span_s[0] = span_s[1] = now_s;
		any = true;
		if (now_s - span_s[1] < RHYTHM_GATHER_US / 1e6)
			continue;
		good = add(&intervals, now_s - span_s[1]);
		span_s[1] = now_s;
	}
	if (intervals.count > 1)
		qsort(intervals.s, intervals.count, sizeof *intervals.s, ascending);
	*median_s = intervals.count > 0 ? intervals.s[intervals.count / 2] : STEADY_S;
	free(intervals.s);
	return good;
}

/* ---- scores ---- */

struct scores { /* of one method, by piece */
	double *f1, *precision, *recall, *downbeat, *tolerant, *later;
};

static double mean(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return count > 0 ? sum / (double)count : 0;
}

static bool bootstrap(const double *values, size_t count, double interval[2])
{
	double *means = malloc(RESAMPLINGS * sizeof *means);
	struct random random = {.key = 1, .index = 0};

	if (!means)
		return false;
	for (int r = 0; r < RESAMPLINGS; r++) {
		double sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += values[random_integer(&random, 0, (int64_t)count - 1)];
		means[r] = sum / (double)count;
	}
	qsort(means, RESAMPLINGS, sizeof *means, ascending);
	interval[0] = means[RESAMPLINGS / 40];
	interval[1] = means[RESAMPLINGS - 1 - RESAMPLINGS / 40];
	free(means);
	return true;
}

static bool score(const struct answer *answer, const struct truth *truth, const struct scores *scores, size_t piece)
{
	size_t matched;

	scores->f1[piece] = beat_f1(answer->beats.s, answer->beats.count, truth->beats.s, truth->beats.count, &matched);
	scores->precision[piece] = answer->beats.count > 0 ? (double)matched / (double)answer->beats.count : 0;
	scores->recall[piece] = truth->beats.count > 0 ? (double)matched / (double)truth->beats.count : 0;
	scores->downbeat[piece] = f1_of(&answer->downbeats, &truth->downbeats);
	scores->later[piece] = later(&answer->beats, &truth->beats);
	return tolerant(&answer->beats, &truth->beats, &scores->tolerant[piece]);
}

static bool summarise(const struct scores *scores, size_t count, struct beat_score *score)
{
	score->f1 = mean(scores->f1, count);
	score->precision = mean(scores->precision, count);
	score->recall = mean(scores->recall, count);
	score->downbeat_f1 = mean(scores->downbeat, count);
	score->tolerant_f1 = mean(scores->tolerant, count);
	score->later_f1 = mean(scores->later, count);
	return bootstrap(scores->f1, count, score->interval);
}

#define METHODS 3
#define FIGURES 6

static void free_answer(struct answer *answer)
{
	free(answer->beats.s);
	free(answer->downbeats.s);
	*answer = (struct answer){0};
}

static bool judge_piece(const struct rhythm_piece *piece, struct tracker *tracker, const struct scores scores[METHODS],
			size_t index, struct beat_evaluation *evaluation)
{
	struct answer answers[METHODS] = {{{0}, {0}}};
	struct truth truth = {{0}, {0}};
	double span_s[2], every_s;
	bool good = true;

	for (size_t i = 0; good && i < piece->beats.count; i++)
		good = add(&truth.beats, piece->beats.marks[i].seconds) &&
		       (!piece->beats.marks[i].downbeat || add(&truth.downbeats, piece->beats.marks[i].seconds));
	clock_t start = clock();
	tracker_reset(tracker);
	good = good && track(tracker, &piece->timeline, &answers[0]);
	evaluation->processor_s += (double)(clock() - start) / CLOCKS_PER_SEC;
	good = good && look_over(&piece->timeline, span_s, &every_s);
	if (good) {
		while (every_s < INTERVAL_MIN_S)
			every_s *= 2;
		evaluation->music_s += span_s[1] - span_s[0];
		good = tick(span_s[0], span_s[1], STEADY_S, &answers[1]) && tick(span_s[0], span_s[1], every_s, &answers[2]);
	}
	for (int m = 0; good && m < METHODS; m++)
		good = score(&answers[m], &truth, &scores[m], index);
	evaluation->beats += truth.beats.count;
	for (int m = 0; m < METHODS; m++)
		free_answer(&answers[m]);
	free(truth.beats.s);
	free(truth.downbeats.s);
	return good;
}

enum status evaluate_beat(const struct rhythm_pieces *pieces, const struct rhythm_network *network,
			  struct beat_evaluation *evaluation, struct error *error)
{
	size_t count = pieces->count;
	double *figures = calloc(METHODS * FIGURES * count + 1, sizeof *figures);
	struct tracker *tracker = tracker_new(network);
	struct scores scores[METHODS] = {{0}};
	bool good = figures && tracker;

	*evaluation = (struct beat_evaluation){.files = count};
	for (int m = 0; good && m < METHODS; m++) {
		double *own = figures + (size_t)(m * FIGURES) * count;

		scores[m] =
		    (struct scores){own, own + count, own + 2 * count, own + 3 * count, own + 4 * count, own + 5 * count};
	}
	for (size_t i = 0; good && i < count; i++)
		good = judge_piece(&pieces->items[i], tracker, scores, i, evaluation);
	good = good && summarise(&scores[0], count, &evaluation->tracker) &&
	       summarise(&scores[1], count, &evaluation->steady) && summarise(&scores[2], count, &evaluation->interval);
	free(figures);
	tracker_free(tracker);
	return good ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory to evaluate");
}
