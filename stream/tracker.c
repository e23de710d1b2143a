/* Competing hypotheses about the beat, see tracker.h. At each onset every hypothesis splits: the onset is a beat, or it is
 * none; the best few are kept. Scores are log probabilities up to a constant. The numbers below were chosen on training
 * parts (docs/BEAT.md). */
#include "stream/tracker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 16
#define SPLITS 5 /* no beat; the next one; one, two left out without a note; one more for a newcomer */
#define PROBABILITY_MIN 0.003f
#define PROBABILITY_MAX 0.98f
#define NEIGHBOURS 0.5f	  /* the network's phases beside the beat count half */
#define BEAT_GAIN 1.0f	  /* log odds in favour of a beat: missing one costs more than one too many */
#define TEMPO_WEIGHT 0.1f /* of a change of tempo against what the network hears, */
#define TEMPO_SPREAD 0.3f /* as a logarithm; heavy tails: a jump is possible */
#define TEMPO_STRAY 2.3f  /* and no further */
#define TEMPO_RATE 0.35f
#define SILENT_COST 2.5f   /* of a beat without a note */
#define SILENT_MAX 2	   /* in a row */
#define NEWCOMER_COST 7.0f /* against the best one */
#define SAME_TEMPO 0.06f
#define SAME_BEAT_US 50000
#define PERIOD_MIN_S 0.16f
#define PERIOD_MAX_S 2.6f
#define FORGOTTEN_PERIODS 4.0f
#define ANNOUNCE 0.5f	       /* share of the hypotheses */
#define APART_PERIODS 0.4      /* announcements are at least so far apart, */
#define APART_US 150000	       /* and so far */
#define STEADY_BEATS 4	       /* intervals that are so even that a beat without a note can be told, */
#define STEADY_SHARE 0.08      /* of their mean, */
#define SILENT_CONFIDENCE 0.75 /* and for who is so sure of the beat, */
#define SILENT_HOLD_US 60000   /* so late that no note can still mark it */
#define CONFIDENCE_RATE 0.12
#define METERS 4
#define PLACES_MAX 6
#define METER_CHANGE 0.01f
#define PLACE_SLIP 0.02f
#define DOWNBEAT_PRIOR 0.32f
#define DOWNBEAT_SHARE 0.5f

struct hypothesis {
	int64_t last_us;
	float period_s, score;
};

struct tracker {
	const struct rhythm_network *network;
	struct rhythm_ear ear;
	float state[RHYTHM_UNITS_MAX];
	struct hypothesis kept[KEPT], split[KEPT * SPLITS + 1];
	int count;
	int64_t announced_us; /* time of the last beat that was announced */
	bool any;
	double interval_us[STEADY_BEATS]; /* between announced beats, newest first */
	int silent;			  /* beats without a note since the last onset */
	int64_t silent_us;		  /* when the next of them would be due; INT64_MAX */
	double confidence;
	float place[METERS][PLACES_MAX]; /* belief: place in a bar of so many beats, of the last beat */
};

static const int meters[METERS] = {2, 3, 4, 6};
static const float meter_prior[METERS] = {0.3f, 0.3f, 0.35f, 0.05f};

/* ---- bars ---- */

static void forget_bars(struct tracker *tracker)
{
	memset(tracker->place, 0, sizeof tracker->place);
	for (int m = 0; m < METERS; m++)
		for (int p = 0; p < meters[m]; p++)
			tracker->place[m][p] = meter_prior[m] / (float)meters[m];
}

static void advance_bars(struct tracker *tracker)
{
	float next[METERS][PLACES_MAX] = {{0}}, begins = 0;

	for (int m = 0; m < METERS; m++) {
		for (int p = 0; p < meters[m]; p++) {
			float belief = tracker->place[m][p];

			next[m][(p + 1) % meters[m]] += belief * (1 - PLACE_SLIP);
			for (int q = 0; q < meters[m]; q++)
				next[m][q] += belief * PLACE_SLIP / (float)meters[m];
		}
	}
	for (int m = 0; m < METERS; m++)
		begins += next[m][0];
	for (int m = 0; m < METERS; m++)
		next[m][0] = next[m][0] * (1 - METER_CHANGE) + begins * METER_CHANGE * meter_prior[m];
	memcpy(tracker->place, next, sizeof next);
}

/* probability: of a downbeat, by the network. */
static void weigh_bars(struct tracker *tracker, float probability)
{
	float p = probability < 0.02f ? 0.02f : probability > 0.98f ? 0.98f : probability, sum = 0;

	for (int m = 0; m < METERS; m++)
		for (int k = 0; k < meters[m]; k++)
			sum += tracker->place[m][k] *= k == 0 ? p / DOWNBEAT_PRIOR : (1 - p) / (1 - DOWNBEAT_PRIOR);
	for (int m = 0; m < METERS; m++)
		for (int k = 0; k < meters[m]; k++)
			tracker->place[m][k] /= sum;
}

static void read_bars(const struct tracker *tracker, struct tracker_beat *beat)
{
	float begins = 0, most = -1;

	for (int m = 0; m < METERS; m++) {
		float belief = 0;

		begins += tracker->place[m][0];
		for (int k = 0; k < meters[m]; k++)
			belief += tracker->place[m][k];
		if (belief > most) {
			most = belief;
			beat->bar_beats = meters[m];
		}
	}
	beat->downbeat = begins > DOWNBEAT_SHARE;
}

/* ---- hypotheses ---- */

static float log_ratio(float a, float b)
{
	return logf(a / b);
}

static bool is_better(const struct hypothesis *a, const struct hypothesis *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->last_us != b->last_us ? a->last_us > b->last_us : a->period_s < b->period_s;
}

/* By insertion: the C library's sort may allocate. */
static void sort(struct hypothesis *items, int count)
{
	for (int i = 1; i < count; i++) {
		struct hypothesis item = items[i];
		int k = i;

		for (; k > 0 && is_better(&item, &items[k - 1]); k--)
			items[k] = items[k - 1];
		items[k] = item;
	}
}

static float likeliest_period(const struct rhythm_answer *answer)
{
	int best = 0;

	for (int i = 1; i < RHYTHM_PERIODS; i++)
		if (answer->period[i] > answer->period[best])
			best = i;
	return rhythm_lag_s(best);
}

/* The onset is a beat, after `silent` beats without a note. False: it cannot be. */
static bool follow(const struct hypothesis *before, int64_t onset_us, int silent, float beat, struct hypothesis *after)
{
	float period_s = (float)(onset_us - before->last_us) / 1e6f / (float)(silent + 1);

	if (period_s < PERIOD_MIN_S || period_s > PERIOD_MAX_S)
		return false;
	float change = log_ratio(period_s, before->period_s), stray = change / TEMPO_SPREAD;
	if (fabsf(change) > TEMPO_STRAY)
		return false;
	float bounded = change < -0.7f ? -0.7f : change > 0.7f ? 0.7f : change;
	*after = (struct hypothesis){.last_us = onset_us,
				     .period_s = before->period_s * expf(TEMPO_RATE * bounded),
				     .score = before->score + beat - TEMPO_WEIGHT * logf(1 + stray * stray / 1.5f) -
					      (float)silent * SILENT_COST};
	return true;
}

static int split(struct tracker *tracker, int64_t onset_us, float probability, const struct rhythm_answer *answer)
{
	float beat = logf(probability) + BEAT_GAIN, none = logf(1 - probability);
	struct hypothesis *to = tracker->split;
	int count = 0;

	to[count++] = (struct hypothesis){.last_us = onset_us,
					  .period_s = likeliest_period(answer),
					  .score = (tracker->count > 0 ? tracker->kept[0].score - NEWCOMER_COST : 0) + beat};
	for (int i = 0; i < tracker->count; i++) {
		const struct hypothesis *before = &tracker->kept[i];

		if ((float)(onset_us - before->last_us) / 1e6f < FORGOTTEN_PERIODS * before->period_s + 1) {
			to[count] = *before;
			to[count++].score += none;
		}
		for (int silent = 0; silent <= SILENT_MAX; silent++)
			count += follow(before, onset_us, silent, beat, &to[count]);
	}
	return count;
}

static void keep_best(struct tracker *tracker, int count)
{
	sort(tracker->split, count);
	tracker->count = 0;
	for (int i = 0; i < count && tracker->count < KEPT; i++) {
		const struct hypothesis *one = &tracker->split[i];
		bool known = false;

		for (int k = 0; k < tracker->count && !known; k++)
			known = tracker->kept[k].last_us == one->last_us &&
				fabsf(log_ratio(tracker->kept[k].period_s, one->period_s)) < SAME_TEMPO;
		if (!known)
			tracker->kept[tracker->count++] = *one;
	}
	float best = tracker->kept[0].score;
	for (int k = 0; k < tracker->count; k++)
		tracker->kept[k].score -= best;
}

/* Share of the hypotheses that hold `last_us` for their last beat, give or take. */
static float share(const struct tracker *tracker, int64_t last_us)
{
	float all = 0, some = 0;

	for (int k = 0; k < tracker->count; k++) {
		const struct hypothesis *one = &tracker->kept[k];
		float weight = expf(one->score);

		all += weight;
		if (llabs(one->last_us - last_us) <= SAME_BEAT_US)
			some += weight;
	}
	return all > 0 ? some / all : 0;
}

/* ---- what is said ---- */

static bool is_apart(const struct tracker *tracker, int64_t beat_us)
{
	if (!tracker->any)
		return true;
	int64_t apart_us = beat_us - tracker->announced_us;
	return apart_us > APART_US && (double)apart_us > APART_PERIODS * 1e6 * (double)tracker->kept[0].period_s;
}

static void announce(struct tracker *tracker, int64_t beat_us, int64_t due_us, bool heard, struct tracker_beat *beat)
{
	*beat = (struct tracker_beat){.due_us = due_us,
				      .beat_us = beat_us,
				      .heard = heard,
				      .period_us = 1e6 * (double)tracker->kept[0].period_s,
				      .confidence = tracker->confidence};
	read_bars(tracker, beat);
	memmove(tracker->interval_us + 1, tracker->interval_us, (STEADY_BEATS - 1) * sizeof tracker->interval_us[0]);
	tracker->interval_us[0] = tracker->any ? (double)(beat_us - tracker->announced_us) : 0;
	tracker->announced_us = beat_us;
	tracker->any = true;
}

/* Mean length of the last beats if they were even and a hypothesis goes on like them, or 0. */
static double steady_us(const struct tracker *tracker)
{
	double mean_us = 0;

	for (int i = 0; i < STEADY_BEATS; i++)
		mean_us += tracker->interval_us[i] / STEADY_BEATS;
	for (int i = 0; i < STEADY_BEATS; i++)
		if (fabs(tracker->interval_us[i] - mean_us) > STEADY_SHARE * mean_us)
			return 0;
	for (int k = 0; k < tracker->count; k++)
		if (fabs((double)tracker->kept[k].period_s * 1e6 - mean_us) <= STEADY_SHARE * mean_us)
			return mean_us;
	return 0;
}

/* When the next beat would be announced if no note came. */
static void expect_silence(struct tracker *tracker)
{
	bool sure = tracker->any && tracker->confidence > SILENT_CONFIDENCE && tracker->silent < SILENT_MAX;
	double beat_us = sure ? steady_us(tracker) : 0;

	tracker->silent_us = INT64_MAX;
	if (beat_us > 0)
		tracker->silent_us = tracker->announced_us + (int64_t)llrint(beat_us) + SILENT_HOLD_US;
}

static bool judge_onset(struct tracker *tracker, struct tracker_beat *beat)
{
	float input[RHYTHM_INPUTS];
	struct rhythm_answer answer;
	int64_t due_us = rhythm_ear_deadline(&tracker->ear), onset_us = rhythm_ear_close(&tracker->ear, input);

	rhythm_step(tracker->network, input, tracker->state, &answer);
	float probability = answer.phase[0] + NEIGHBOURS * (answer.phase[1] + answer.phase[RHYTHM_PHASES - 1]);
	if (!(probability > PROBABILITY_MIN))
		probability = PROBABILITY_MIN;
	if (probability > PROBABILITY_MAX)
		probability = PROBABILITY_MAX;
	keep_best(tracker, split(tracker, onset_us, probability, &answer));
	float held = share(tracker, onset_us);
	bool is_beat = held > ANNOUNCE && is_apart(tracker, onset_us);
	tracker->silent = 0;
	if (is_beat) {
		tracker->confidence += ((double)held - tracker->confidence) * CONFIDENCE_RATE;
		advance_bars(tracker);
		weigh_bars(tracker, answer.downbeat);
		announce(tracker, onset_us, due_us, true, beat);
	}
	expect_silence(tracker);
	return is_beat;
}

static bool judge_silence(struct tracker *tracker, struct tracker_beat *beat)
{
	int64_t due_us = tracker->silent_us, beat_us = due_us - SILENT_HOLD_US;
	bool apart = is_apart(tracker, beat_us);

	tracker->silent++;
	if (apart) {
		tracker->confidence -= tracker->confidence * CONFIDENCE_RATE;
		advance_bars(tracker);
		announce(tracker, beat_us, due_us, false, beat);
	}
	expect_silence(tracker);
	if (!apart)
		tracker->silent_us = INT64_MAX;
	return apart;
}

/* ---- calls ---- */

struct tracker *tracker_new(const struct rhythm_network *network)
{
	struct tracker *tracker = calloc(1, sizeof *tracker);

	if (!tracker)
		return NULL;
	tracker->network = network;
	tracker_reset(tracker);
	return tracker;
}

void tracker_free(struct tracker *tracker)
{
	free(tracker);
}

void tracker_reset(struct tracker *tracker)
{
	const struct rhythm_network *network = tracker->network;

	memset(tracker, 0, sizeof *tracker);
	tracker->network = network;
	tracker->silent_us = INT64_MAX;
	forget_bars(tracker);
}

void tracker_take(struct tracker *tracker, const struct event *event)
{
	rhythm_ear_take(&tracker->ear, event);
}

int64_t tracker_deadline(const struct tracker *tracker)
{
	int64_t onset_us = rhythm_ear_deadline(&tracker->ear);

	return onset_us < tracker->silent_us ? onset_us : tracker->silent_us;
}

bool tracker_next(struct tracker *tracker, int64_t now_us, struct tracker_beat *beat)
{
	int64_t onset_us = rhythm_ear_deadline(&tracker->ear);

	if (tracker_deadline(tracker) > now_us || tracker_deadline(tracker) == INT64_MAX)
		return false;
	/* An onset that is being gathered may mark the beat. */
	return onset_us <= tracker->silent_us ? judge_onset(tracker, beat) : judge_silence(tracker, beat);
}
