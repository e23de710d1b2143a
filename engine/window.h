/* The notes that the engine knows: a ring of records by row (0 is the first note since the last reset), their tokens, and
 * which of them have changed since the last inference. Engine thread; only window_new allocates. Knows no network. */
#ifndef MIDIBERTD_ENGINE_WINDOW_H
#define MIDIBERTD_ENGINE_WINDOW_H

#include "base/event.h"
#include "base/token.h"
#include "engine/label.h"
#include "stream/octuple.h"

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_UNCHANGED INT64_MAX

struct note {
	int64_t onset_us;   /* event time */
	int64_t due_us;	    /* what time-outs count from: the onset, but never after the arrival (a clock that jumps) */
	int64_t trigger_us; /* the later of event and arrival time */
	int64_t end_us;	    /* event time of its key's release, once it has ended */
	int64_t position;   /* on the grid */
	int32_t id;
	struct place place;
	struct token token;
	uint8_t pitch, velocity, fine; /* fine: 128ths of a velocity beside the tokens', which are of four */
	bool ended;		       /* its key is up */
	bool decided;		       /* melody/on has been sent or will never be */
	bool sounding;		       /* melody/on has been sent, melody/off has not */
	struct label label[LABELS];
};

struct window {
	struct note *notes;
	int64_t capacity; /* a power of two */
	int64_t rows;	  /* notes since the last reset */
	int64_t changed;  /* oldest row whose token changed since window_mark_seen, or WINDOW_UNCHANGED */
	int64_t seen;	  /* rows that an inference has seen */
	int freeze;	  /* later notes after which a token no longer changes */
};

/* Set-up thread. Room for at least `notes` records. False: no memory. */
bool window_init(struct window *window, int64_t notes, int freeze);
void window_free(struct window *window);

/* Engine thread. */
void window_reset(struct window *window);
int64_t window_oldest(const struct window *window); /* row of the oldest record that is still there */
struct note *window_note(const struct window *window, int64_t row);
/* Row of a note id, or -1 if it has left or was never here. */
int64_t window_find(const struct window *window, int32_t id);
/* Adds a note-on; overwrites the oldest record when full. */
struct note *window_add(struct window *window, const struct event *event, int64_t position, const struct place *place);
/* A key release; completes the duration if the token may still change. */
void window_end(struct window *window, int64_t row, int64_t end_us, int64_t position);
/* True: tokens have come or changed since the last inference. */
bool window_is_stale(const struct window *window);
void window_mark_seen(struct window *window);

#endif
