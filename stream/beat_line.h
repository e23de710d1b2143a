/* Where the beat is, as every source of it says: a straight line through time, and the bar it is counted in. Plain data. */
#ifndef MIDIBERTD_STREAM_BEAT_LINE_H
#define MIDIBERTD_STREAM_BEAT_LINE_H

#include <stdint.h>

#define BEAT_BPM_MIN 16.0 /* slower and faster tempi have no token */
#define BEAT_BPM_MAX 256.0
#define BEAT_US_PER_MINUTE 60e6

struct beat_line {
	int64_t at_us;	   /* event time of the next two */
	double quarters;   /* since the bar began; below numerator * 4 / denominator */
	double bpm;	   /* quarter notes a minute */
	double shown_bpm;  /* the same, calmer: for people */
	double confidence; /* 0-1 */
	int numerator, denominator;
};

/* Quarters since the bar of `at_us` began, at another time: below zero before it, over a bar's length after it. */
static inline double beat_line_quarters(const struct beat_line *line, int64_t time_us)
{
	return line->quarters + (double)(time_us - line->at_us) * line->bpm / BEAT_US_PER_MINUTE;
}

#endif
