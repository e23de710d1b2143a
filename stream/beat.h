/* Where the beat comes from: asks several sources, believes the most trusted that is alive, and keeps a grid that goes on
 * without a break when the source changes: a bar never comes back before a reset. Trust: MIDI clock, JACK transport, taps, a
 * fixed tempo, the tracker that hears the notes, and when nothing is known a plain grid of 120 bpm. One thread at a time,
 * the engine's; real-time safe after beat_new; no clock of its own: times are handed in. */
#ifndef MIDIBERTD_STREAM_BEAT_H
#define MIDIBERTD_STREAM_BEAT_H

#include "base/event.h"
#include "stream/beat_line.h"
#include "stream/octuple.h"
#include "stream/tracker.h"

#include <stdbool.h>
#include <stdint.h>

#define BEAT_PLAIN_BPM 120.0

enum beat_source { BEAT_PLAIN, BEAT_FIXED, BEAT_TAP, BEAT_TRACKER, BEAT_JACK, BEAT_CLOCK, BEAT_SOURCES };
#define BEAT_BIT(source) (1u << (source))
#define BEAT_ALL (BEAT_BIT(BEAT_SOURCES) - 1)

struct beat_options {
	unsigned sources; /* BEAT_BITs that may be believed; BEAT_PLAIN always is */
	double bpm;	  /* of BEAT_FIXED, and of the plain grid; 0: no fixed tempo yet, 120 for the other */
	const struct rhythm_network *network; /* for BEAT_TRACKER; NULL: there is none */
};

/* What can be said of the beat: a beat that has come or will, and how the next ones follow it until there is another cue. */
struct beat_cue {
	int64_t at_us; /* when this was said */
	enum beat_source source;
	double bpm, confidence;
	uint32_t session; /* grows with each reset: bars begin again */
	int64_t bar;	  /* of the beat at next_us; bars from 0 */
	int beat, beats;  /* in its bar, from 0; beats of a bar */
	int64_t next_us;  /* event time of that beat, which may just have passed; INT64_MAX: unknown */
	double beat_us;	  /* from it to the one after; 0: the one after is not known */
};

struct beat;

/* Set-up thread; allocates; NULL without memory. The network is borrowed. */
struct beat *beat_new(const struct beat_options *options);
void beat_free(struct beat *beat); /* NULL is allowed */

/* Calls `said` with each new cue, from within the calls below, and now with how things are. NULL: nobody (the default). */
void beat_listen(struct beat *beat, void (*said)(void *context, const struct beat_cue *cue), void *context, int64_t now_us);

/* As new, but for who listens: times may begin again. */
void beat_clear(struct beat *beat);

/* A new piece begins at event_us. A source that counts bars by itself, or that somebody taps, goes on; otherwise bar 0
 * begins here. What was heard is forgotten. */
void beat_reset(struct beat *beat, int64_t event_us);

/* Takes an event of any kind, after what is due before it. Times go forward, but for a few milliseconds. */
void beat_take(struct beat *beat, const struct event *event);
void beat_tap(struct beat *beat, int64_t tap_us);
void beat_forget_taps(struct beat *beat, int64_t now_us);
void beat_set_bpm(struct beat *beat, double bpm, int64_t now_us); /* 16-256; from now on there is a fixed tempo */

/* Does what is due by now_us, each at its own time. */
int64_t beat_deadline(const struct beat *beat);
void beat_advance(struct beat *beat, int64_t now_us);

/* Position on the grid, 16 a quarter, never negative. */
int64_t beat_position(const struct beat *beat, int64_t event_us);
/* Where a position that beat_position has just given lies. */
struct place beat_place(struct beat *beat, int64_t position);

/* In force now, of the grid. */
double beat_bpm(const struct beat *beat);

const struct beat_cue *beat_cue(const struct beat *beat);

#endif
