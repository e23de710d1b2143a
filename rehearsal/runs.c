/* Runs in a take, see runs.h. Offline. It does not know which hand or finger plays them. */
#include "rehearsal/runs.h"

#include "rehearsal/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MIN_US 45000
#define INTERVAL_MAX_US 400000
#define LEAP_MAX 5   /* semitones between neighbours */
#define UNSTEADY 1.6 /* an interval may be so many times the run's own, or as many times less */
#define CHAINS 12    /* lines that are followed at once */

struct chain {
	size_t last, length; /* last note; notes so far */
	double interval_us;  /* running mean; 0 before the second note */
};

struct search {
	const struct take *take;
	size_t *previous; /* the note before, in its chain; itself at a chain's beginning */
	bool *continued;  /* some note follows */
	struct chain chains[CHAINS];
	int count;
};

/* How badly a note would continue a chain: semitones apart, plus a penalty for an uneven interval; negative: not at all. */
static double misfit(const struct search *search, const struct chain *chain, const struct take_note *note)
{
	const struct take_note *last = &search->take->notes[chain->last];
	int64_t interval = note->onset_us - last->onset_us;
	int leap = abs((int)note->pitch - (int)last->pitch);
	if (leap == 0 || leap > LEAP_MAX || interval < INTERVAL_MIN_US || interval > INTERVAL_MAX_US)
		return -1;
	if (chain->interval_us <= 0)
		return leap;
	double ratio = (double)interval / chain->interval_us;
	if (ratio > UNSTEADY || ratio < 1 / UNSTEADY) /* two notes are no rhythm yet: a run may begin with the second */
		return chain->length == 2 ? 2 * LEAP_MAX + leap : -1;
	return leap + 4 * fabs(log(ratio));
}

static void follow(struct search *search, size_t index)
{
	const struct take_note *note = &search->take->notes[index];
	int best = -1, oldest = 0;
	double least = 0;
	for (int c = 0; c < search->count; c++) {
		double fit = misfit(search, &search->chains[c], note);
		if (fit >= 0 && (best < 0 || fit < least)) {
			best = c;
			least = fit;
		}
		if (search->chains[c].last < search->chains[oldest].last)
			oldest = c;
	}
	search->previous[index] = index;
	if (best < 0) {
		int place = search->count < CHAINS ? search->count++ : oldest;
		search->chains[place] = (struct chain){index, 1, 0};
		return;
	}
	struct chain *chain = &search->chains[best];
	double interval = (double)(note->onset_us - search->take->notes[chain->last].onset_us);
	if (least >= 2 * LEAP_MAX) {
		search->previous[chain->last] = chain->last;
		chain->length = 1;
		chain->interval_us = 0;
	}
	chain->interval_us = chain->interval_us > 0 ? 0.7 * chain->interval_us + 0.3 * interval : interval;
	search->previous[index] = chain->last;
	search->continued[chain->last] = true;
	chain->last = index;
	chain->length++;
}

static bool measure(const struct take *take, struct run *run)
{
	double *values = malloc(2 * run->count * sizeof *values);
	bool judged = true;
	if (!values)
		return false;
	double *rest = values + run->count;
	for (size_t i = 0; i < run->count; i++) {
		values[i] = take->notes[run->notes[i]].expected;
		judged = judged && take_is_judged(&take->notes[run->notes[i]]);
	}
	run->expected_unevenness = judged ? statistics_rest(values, run->count, NULL, NULL) : (double)NAN;
	for (size_t i = 0; i < run->count; i++)
		values[i] = take_played(&take->notes[run->notes[i]]);
	run->velocity_unevenness = statistics_rest(values, run->count, rest, &run->loudest_step);
	run->loudest_apart = rest[run->loudest_step];
	struct mean interval = {0};
	for (size_t i = 1; i < run->count; i++) {
		values[i - 1] =
		    (double)(take->notes[run->notes[i]].onset_us - take->notes[run->notes[i - 1]].onset_us) / 1e3;
		mean_add(&interval, values[i - 1]);
	}
	run->interval_ms = mean_value(&interval);
	run->timing_unevenness_ms = statistics_rest(values, run->count - 1, rest, &run->latest_step);
	run->latest_apart_ms = rest[run->latest_step];
	run->latest_step++;
	free(values);
	return true;
}

/* Adds the run of `count` notes that ends with a note. */
static bool add(const struct search *search, size_t end, size_t count, struct runs *runs)
{
	struct run *larger = realloc(runs->runs, (runs->count + 1) * sizeof *larger);
	if (!larger)
		return false;
	runs->runs = larger;
	struct run *run = &runs->runs[runs->count];
	*run = (struct run){.notes = malloc(count * sizeof *run->notes), .count = count};
	if (!run->notes)
		return false;
	runs->count++;
	for (size_t i = end, place = count; place-- > 0; i = search->previous[i])
		run->notes[place] = i;
	return measure(search->take, run);
}

/* The chain that ends with a note, as one run or several, if it is long enough. */
static bool collect(const struct search *search, size_t end, struct runs *runs)
{
	size_t length = 1;
	for (size_t i = end; search->previous[i] != i; i = search->previous[i])
		length++;
	if (length < RUN_NOTES_MIN)
		return true;
	for (size_t parts = (length + RUN_NOTES_MAX - 1) / RUN_NOTES_MAX; parts > 0; parts--) {
		size_t count = length / parts;
		if (!add(search, end, count, runs))
			return false;
		length -= count;
		while (count-- > 0)
			end = search->previous[end];
	}
	return true;
}

static int compare(const void *left, const void *right)
{
	const struct run *a = left, *b = right;
	return (a->notes[0] > b->notes[0]) - (a->notes[0] < b->notes[0]);
}

enum status runs_find(struct take *take, struct runs *runs, struct error *error)
{
	struct search search = {.take = take};
	*runs = (struct runs){0};
	search.previous = malloc((take->count + 1) * sizeof *search.previous);
	search.continued = calloc(take->count + 1, sizeof *search.continued);
	bool good = search.previous && search.continued;
	for (size_t i = 0; good && i < take->count; i++)
		follow(&search, i);
	for (size_t i = 0; good && i < take->count; i++)
		if (!search.continued[i])
			good = collect(&search, i, runs);
	free(search.previous);
	free(search.continued);
	if (!good) {
		runs_free(runs);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for %zu notes", take->count);
	}
	if (runs->count > 0)
		qsort(runs->runs, runs->count, sizeof *runs->runs, compare);
	for (size_t r = 0; r < runs->count; r++)
		for (size_t i = 0; i < runs->runs[r].count; i++)
			take->notes[runs->runs[r].notes[i]].run = (int)r;
	return STATUS_OK;
}

void runs_free(struct runs *runs)
{
	for (size_t i = 0; i < runs->count; i++)
		free(runs->runs[i].notes);
	free(runs->runs);
	*runs = (struct runs){0};
}
