/* The beat of whoever plays, from the notes alone and from what has been played so far: a bank of competing hypotheses, each
 * with a last beat and a length of beat, judged at every onset by what the rhythm network hears there (stream/rhythm.h) and
 * by how steady they are; and beside it a belief about bars. A beat is announced when the hypotheses together hold an onset
 * for one, 30 ms after its first note, or when a beat without any note is past. One thread at a time, the engine's;
 * real-time safe after tracker_new; no clock of its own. */
#ifndef MIDIBERTD_STREAM_TRACKER_H
#define MIDIBERTD_STREAM_TRACKER_H

#include "stream/beat_line.h"
#include "stream/rhythm.h"

#include <stdbool.h>
#include <stdint.h>

struct tracker;

struct tracker_beat {
	int64_t due_us;	 /* when it is announced: causal, nothing later was heard */
	int64_t beat_us; /* when it was */
	bool heard;	 /* an onset marks it; otherwise the tempo alone says so */
	bool downbeat;
	int bar_beats;	   /* beats a bar, as far as is known: 2, 3, 4 or 6 */
	double period_us;  /* length of a beat */
	double confidence; /* 0-1: how far the beats of late can be trusted */
};

/* Allocates; NULL without memory. The network is borrowed and outlives the tracker. */
struct tracker *tracker_new(const struct rhythm_network *network);
void tracker_free(struct tracker *tracker); /* NULL is allowed */

/* Forgets everything. */
void tracker_reset(struct tracker *tracker);
/* Takes an event of any kind; those that are no note and no pedal change nothing. What is due before it must have been taken
 * with tracker_next. */
void tracker_take(struct tracker *tracker, const struct event *event);
/* When tracker_next has something to do; INT64_MAX: not before another note. */
int64_t tracker_deadline(const struct tracker *tracker);
/* Does what is due first, if it is due at now_us. True: that was a beat. Call it until tracker_deadline is later. */
bool tracker_next(struct tracker *tracker, int64_t now_us, struct tracker_beat *beat);

#endif
