/* Taps on the beat, to a line through time: the first tap of a row is the first beat of a bar of four. A tap that comes much
 * too early or too late for the row begins another one. One thread at a time, the engine's; real-time safe. */
#ifndef MIDIBERTD_STREAM_TAP_H
#define MIDIBERTD_STREAM_TAP_H

#include "stream/beat_line.h"

#include <stdbool.h>
#include <stdint.h>

#define TAP_WINDOW 8

struct tap {			    /* all zero: nobody has tapped; private */
	int64_t tap_us[TAP_WINDOW]; /* newest first */
	int64_t beat;		    /* of the newest, counted from the row's first */
	int count;		    /* taps in the row, at most TAP_WINDOW are kept */
	double beat_us, line_us;    /* length of a beat; where the line has the newest tap */
	double confidence;
};

void tap_take(struct tap *tap, int64_t tap_us);
/* False: fewer than two taps. A line stays in force until other taps come, or the caller forgets it. */
bool tap_line(const struct tap *tap, struct beat_line *line);

#endif
