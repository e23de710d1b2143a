/* The takes of a folder, one line each, over weeks: measures of every take, so that a page can show how they went. Kept as a
 * CSV file that is grown take by take. Offline; allocates. The file's bytes are untrusted. */
#ifndef MIDIBERTD_REHEARSAL_HISTORY_H
#define MIDIBERTD_REHEARSAL_HISTORY_H

#include "rehearsal/report.h"

#define HISTORY_NAME_MAX 256

/* Each over the whole take; NAN where there is nothing to measure. */
enum measure {
	MEASURE_LENGTH_S,
	MEASURE_NOTES,
	MEASURE_VELOCITY,	/* mean */
	MEASURE_LEVEL_VELOCITY, /* median of played minus expected */
	MEASURE_STRAY_VELOCITY, /* mean distance from the expectation, level taken off */
	MEASURE_GAP_VELOCITY,	/* melody minus accompaniment */
	MEASURE_LEAD_MS,	/* of the melody */
	MEASURE_OVERLAP_MS,	/* of melody notes */
	MEASURE_HANDS_VELOCITY, /* left minus right */
	MEASURE_RUN_VELOCITY,	/* unevenness, mean over runs */
	MEASURE_RUN_TIMING_MS,	/* the same */
	MEASURE_PEDAL_SHARE,	/* of the time, 0-1 */
	MEASURE_TEMPO_RATIO,	/* how many times as fast as the take of this piece before it */
	MEASURE_LEFT_OUT_NOTES, /* of the take before it */
	MEASURE_ADDED_NOTES,
	MEASURE_FINDINGS,
	MEASURES
};

struct history_take {
	char file[HISTORY_NAME_MAX]; /* within its folder */
	char key[96];		     /* what the measures rest on: file, weights, curve; another key: measure anew */
	size_t piece;		     /* takes of one piece share it, from 1 */
	double measure[MEASURES];
};

struct history {
	struct history_take *takes; /* in order of their names: the daemon's are times */
	size_t count, room;
};

extern const char *const history_names[MEASURES]; /* with their units, as in the CSV */

/* A file that is not there is an empty history; one that cannot be understood, too: it is measured anew. STATUS_NO_MEMORY,
 * STATUS_IO. */
enum status history_read(const char *path, struct history *history, struct error *error);
/* Whole or not at all. */
enum status history_write(const char *path, const struct history *history, struct error *error);
void history_free(struct history *history);

/* NULL: not there. */
struct history_take *history_find(const struct history *history, const char *file);
/* Puts a take in its place by name, over one of the same name. NULL without memory. */
struct history_take *history_put(struct history *history, const struct history_take *take);
void history_remove(struct history *history, const char *file);

/* Measures of a report; of its first older take what is compared. */
void history_measure(const struct report *report, struct history_take *take);

#endif
