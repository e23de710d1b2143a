/* MIDI clock: 24 ticks a quarter, start, stop, continue, song position, to a line through time. A regression over the last
 * quarter smooths the jitter of ticks; when ticks leave it on one side, it begins anew with the last few, so that a jump of
 * the tempo is followed within a quarter. One thread at a time, the engine's; real-time safe; no clock of its own. */
#ifndef MIDIBERTD_STREAM_CLOCK_FOLLOW_H
#define MIDIBERTD_STREAM_CLOCK_FOLLOW_H

#include "stream/beat_line.h"

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_TICKS_PER_QUARTER 24
#define CLOCK_WINDOW CLOCK_TICKS_PER_QUARTER
#define CLOCK_STRAY_MAX 6	/* newest ticks that are looked at for a jump */
#define CLOCK_TIMEOUT_US 500000 /* without a tick the clock has stopped */

enum clock_status { /* MIDI status bytes */
		    CLOCK_SONG_POSITION = 0xf2,
		    CLOCK_TICK = 0xf8,
		    CLOCK_START = 0xfa,
		    CLOCK_CONTINUE = 0xfb,
		    CLOCK_STOP = 0xfc
};

struct clock_follow {			/* all zero: nothing has come yet; private */
	int64_t tick_us[CLOCK_WINDOW];	/* by number modulo the window */
	int64_t ticks;			/* that have come; the newest has number ticks - 1 */
	int fitted;			/* of them, as many of the newest are in the line */
	double line_us, tick_length_us; /* where the line has the newest tick; its slope; 0: none yet */
	double stray_us[CLOCK_STRAY_MAX];
	double spread_us;  /* mean distance of ticks from the line */
	double shown_bpm;  /* calmer than the line: for people */
	bool running;	   /* started, not stopped */
	int64_t song;	   /* song position of a tick minus its number, in ticks; while running */
	int64_t next_song; /* song position of the next tick that counts; -1: it follows from the one before */
	/* a clock that was never started: do notes fall on its sixteenths? */
	double agreement, weight[CLOCK_TICKS_PER_QUARTER / 6];
	double sum_cosine, sum_sine, sum_weight;
};

/* A message at event_us; position: of CLOCK_SONG_POSITION, in sixteenths of a quarter. */
void clock_follow_take(struct clock_follow *clock, uint8_t status, int64_t position, int64_t event_us);
/* A note began: says whether a clock that runs without having been started is about this music. weight: 1 a note. */
void clock_follow_note(struct clock_follow *clock, double weight, int64_t event_us);
/* False: no clock that is to be trusted at now_us. */
bool clock_follow_line(const struct clock_follow *clock, int64_t now_us, struct beat_line *line);
/* When the clock will have stopped if no tick comes; INT64_MAX: it has, or never ran. */
int64_t clock_follow_deadline(const struct clock_follow *clock);

#endif
