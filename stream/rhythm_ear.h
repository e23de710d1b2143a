/* What the beat tracker hears: notes that begin within 30 ms are one onset, and an onset is described by numbers that say
 * where in time, in the register, in loudness and in the harmony it stands against what came before it. The same code feeds
 * training and the stream. Causal; one thread at a time, the engine's; real-time safe; no clock of its own. */
#ifndef MIDIBERTD_STREAM_RHYTHM_EAR_H
#define MIDIBERTD_STREAM_RHYTHM_EAR_H

#include "base/event.h"

#include <stdbool.h>
#include <stdint.h>

#define RHYTHM_LAGS 32 /* how long ago, evenly spaced in its logarithm: rhythm_lag_s */
#define RHYTHM_INPUTS (44 + 2 * RHYTHM_LAGS)
#define RHYTHM_GATHER_US 30000 /* from an onset's first note until it is judged */
#define RHYTHM_CHORD_MAX 32    /* notes of an onset that are looked at */
#define RHYTHM_INTERVALS 4
#define RHYTHM_REMEMBERED 96 /* onsets */

struct rhythm_ear { /* private; all zero: nothing has been heard */
	/* the onset that is being gathered */
	int notes;
	int64_t onset_us;
	int down_before; /* keys that were down already */
	uint8_t pitch[RHYTHM_CHORD_MAX], velocity[RHYTHM_CHORD_MAX];
	/* what came before it */
	int down; /* keys that are down */
	bool any, pedal;
	int64_t last_us, pedal_down_us, pedal_up_us, bass_us, strong_us;
	float interval[RHYTHM_INTERVALS]; /* between the last onsets, newest first, in seconds */
	float usual_interval, usual_low, usual_high, usual_velocity;
	int low, high;			    /* of the last onset */
	int64_t past_us[RHYTHM_REMEMBERED]; /* of onsets, by number modulo the size */
	float past_accent[RHYTHM_REMEMBERED];
	int64_t past;			/* onsets so far */
	float periodicity[RHYTHM_LAGS]; /* how often accents have followed each other at this lag, fading within seconds */
	float chroma[12];		/* how much each pitch class has sounded, fading within a second */
};

/* The middle of a lag or of a class of periods in seconds: 0.19 to 2 s; and which one it is. */
float rhythm_lag_s(int lag);
int rhythm_lag_of(float seconds);

/* Takes an event of any kind; those that are no note and no pedal change nothing. An onset that is due must have been taken
 * with rhythm_ear_close before. */
void rhythm_ear_take(struct rhythm_ear *ear, const struct event *event);
/* When the onset that is being gathered is to be judged; INT64_MAX: there is none. */
int64_t rhythm_ear_deadline(const struct rhythm_ear *ear);
/* Ends the gathering: describes the onset. Its time is the first note's. */
int64_t rhythm_ear_close(struct rhythm_ear *ear, float input[RHYTHM_INPUTS]);

#endif
