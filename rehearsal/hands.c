/* The hands of a take, see hands.h. Offline. It knows nothing of fingerings or of what is printed. */
#include "rehearsal/hands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPLIT_LOW 36 /* lowest and highest key that the right hand may begin at */
#define SPLITS 49
#define CHORD_US 35000
#define AROUND_US 2000000 /* how far around an onset the middle of what sounds is looked for */
#define SOUNDING_MAX 24
#define SPAN 16 /* semitones: a tenth */

struct hands {
	struct take *take;
	size_t *first; /* first note of each group of notes that begin together; one more entry than groups */
	size_t groups;
	double *cost;	     /* [groups][SPLITS] */
	double *belief;	     /* [groups][SPLITS]: forward, then forward times backward */
	double move[SPLITS]; /* probability weight of a split that moves so many keys */
};

static bool hands_init(struct hands *hands, struct take *take)
{
	*hands = (struct hands){.take = take};
	hands->first = malloc((take->count + 1) * sizeof *hands->first);
	if (!hands->first)
		return false;
	for (size_t i = 0; i < take->count; i++)
		if (i == 0 || take->notes[i].onset_us - take->notes[hands->first[hands->groups - 1]].onset_us > CHORD_US)
			hands->first[hands->groups++] = i;
	hands->first[hands->groups] = take->count;
	hands->cost = calloc(hands->groups * SPLITS + 1, sizeof *hands->cost);
	hands->belief = calloc(hands->groups * SPLITS + 1, sizeof *hands->belief);
	for (int keys = 0; keys < SPLITS; keys++)
		hands->move[keys] = exp(-0.35 * keys) + 1e-6;
	return hands->cost && hands->belief;
}

static void hands_free(struct hands *hands)
{
	free(hands->first);
	free(hands->cost);
	free(hands->belief);
}

/* Keys down while a group begins: its own notes and those held over. */
static int sounding(const struct hands *hands, size_t group, uint8_t *pitches)
{
	const struct take_note *notes = hands->take->notes;
	int64_t now = notes[hands->first[group]].onset_us;
	size_t end = hands->first[group + 1];
	int count = 0;
	for (size_t i = end; i > 0 && count < SOUNDING_MAX; i--) {
		const struct take_note *note = &notes[i - 1];
		if (now - note->onset_us > 2 * AROUND_US)
			break;
		if (i > hands->first[group] || note->end_us > now + CHORD_US)
			pitches[count++] = note->pitch;
	}
	return count;
}

/* Middle between the low and the high notes around a group, drawn towards middle C. */
static double middle_around(const struct hands *hands, size_t group)
{
	const struct take_note *notes = hands->take->notes;
	size_t here = hands->first[group], first = here, end = here;
	double low = 127, high = 0;
	while (first > 0 && here - first < 2 * TAKE_NEIGHBOURS &&
	       notes[here].onset_us - notes[first - 1].onset_us < AROUND_US)
		first--;
	while (end < hands->take->count && end - here < 2 * TAKE_NEIGHBOURS &&
	       notes[end].onset_us - notes[here].onset_us < AROUND_US)
		end++;
	for (size_t i = first; i < end; i++) {
		low = fmin(low, notes[i].pitch);
		high = fmax(high, notes[i].pitch);
	}
	return high - low < SPAN ? 60 : 0.5 * (low + high) / 2 + 0.5 * 61;
}

static double hand_cost(int low, int high, int keys)
{
	double span = keys > 1 && high - low > SPAN ? 0.8 * (high - low - SPAN) : 0;
	return span + (keys > 5 ? 2.0 * (keys - 5) : 0);
}

static void weigh_group(struct hands *hands, size_t group)
{
	uint8_t pitches[SOUNDING_MAX];
	int count = sounding(hands, group, pitches);
	double middle = middle_around(hands, group);
	for (int s = 0; s < SPLITS; s++) {
		int split = SPLIT_LOW + s, low[HANDS] = {127, 127}, high[HANDS] = {0, 0}, keys[HANDS] = {0};
		double near = 0;
		for (int i = 0; i < count; i++) {
			int hand = pitches[i] >= split ? HAND_RIGHT : HAND_LEFT;
			low[hand] = pitches[i] < low[hand] ? pitches[i] : low[hand];
			high[hand] = pitches[i] > high[hand] ? pitches[i] : high[hand];
			keys[hand]++;
			near += exp(-fabs(pitches[i] + 0.5 - split) / 2);
		}
		double off = (split - middle) / 8;
		hands->cost[group * SPLITS + (size_t)s] = hand_cost(low[HAND_LEFT], high[HAND_LEFT], keys[HAND_LEFT]) +
							  hand_cost(low[HAND_RIGHT], high[HAND_RIGHT], keys[HAND_RIGHT]) +
							  0.7 * near + 0.5 * off * off;
	}
}

static void normalise(double *row)
{
	double sum = 0;
	for (int s = 0; s < SPLITS; s++)
		sum += row[s];
	for (int s = 0; s < SPLITS; s++)
		row[s] = sum > 0 ? row[s] / sum : 1.0 / SPLITS;
}

static void step(const struct hands *hands, const double *from, double *to)
{
	for (int s = 0; s < SPLITS; s++) {
		to[s] = 0;
		for (int r = 0; r < SPLITS; r++)
			to[s] += from[r] * hands->move[abs(s - r)];
	}
}

static void emit(const struct hands *hands, size_t group, double *row)
{
	const double *cost = hands->cost + group * SPLITS;
	double least = cost[0];
	for (int s = 1; s < SPLITS; s++)
		least = fmin(least, cost[s]);
	for (int s = 0; s < SPLITS; s++)
		row[s] *= exp(least - cost[s]);
	normalise(row);
}

static void believe(struct hands *hands)
{
	double row[SPLITS], next[SPLITS];
	for (int s = 0; s < SPLITS; s++)
		row[s] = 1;
	for (size_t group = 0; group < hands->groups; group++) {
		if (group > 0) {
			step(hands, row, next);
			memcpy(row, next, sizeof row);
		}
		emit(hands, group, row);
		memcpy(hands->belief + group * SPLITS, row, sizeof row);
	}
	for (int s = 0; s < SPLITS; s++)
		row[s] = 1;
	for (size_t group = hands->groups; group-- > 0;) {
		double *belief = hands->belief + group * SPLITS;
		for (int s = 0; s < SPLITS; s++)
			belief[s] *= row[s];
		normalise(belief);
		emit(hands, group, row);
		step(hands, row, next);
		memcpy(row, next, sizeof row);
	}
}

static void decide(struct hands *hands)
{
	for (size_t group = 0; group < hands->groups; group++)
		for (size_t i = hands->first[group]; i < hands->first[group + 1]; i++) {
			struct take_note *note = &hands->take->notes[i];
			double right = 0;
			for (int s = 0; s < SPLITS && SPLIT_LOW + s <= note->pitch; s++)
				right += hands->belief[group * SPLITS + (size_t)s];
			note->hand_confidence = fmin(fmax(right, 1 - right), 1);
			note->hand = note->hand_confidence < HANDS_SURE ? HAND_UNKNOWN
				     : right > 0.5			? HAND_RIGHT
									: HAND_LEFT;
		}
}

enum status hands_find(struct take *take, struct error *error)
{
	struct hands hands;
	if (take->hand_tracks[HAND_LEFT] >= 0) {
		for (size_t i = 0; i < take->count; i++) {
			struct take_note *note = &take->notes[i];
			note->hand = note->track == take->hand_tracks[HAND_LEFT]    ? HAND_LEFT
				     : note->track == take->hand_tracks[HAND_RIGHT] ? HAND_RIGHT
										    : HAND_UNKNOWN;
			note->hand_confidence = note->hand == HAND_UNKNOWN ? 0 : 1;
		}
		return STATUS_OK;
	}
	bool good = hands_init(&hands, take);
	if (good) {
		for (size_t group = 0; group < hands.groups; group++)
			weigh_group(&hands, group);
		believe(&hands);
		decide(&hands);
	}
	hands_free(&hands);
	return good ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory for %zu notes", take->count);
}
