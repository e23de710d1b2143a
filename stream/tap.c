/* Taps to a line through time, see tap.h. Least squares over the newest taps. Reads no clock. */
#include "stream/tap.h"

#include <math.h>
#include <string.h>

#define APART_MIN_US (int64_t)(BEAT_US_PER_MINUTE / BEAT_BPM_MAX) /* closer taps are one finger's bounce */
#define APART_MAX_US (int64_t)(BEAT_US_PER_MINUTE / BEAT_BPM_MIN)
#define ASTRAY 0.3 /* of a beat: another row */
#define CERTAIN_TAPS 4
#define SPREAD_SHARE 8.0 /* taps that miss the line by an eighth of a beat say nothing */

/* The tempo of the row before stays until there is another one. */
static void begin_row(struct tap *tap, int64_t tap_us)
{
	tap->tap_us[0] = tap_us;
	tap->line_us = (double)tap_us;
	tap->beat = 0;
	tap->count = 1;
}

static void fit(struct tap *tap)
{
	int n = tap->count < TAP_WINDOW ? tap->count : TAP_WINDOW;
	double mean_x = -(n - 1) / 2.0, mean_y = 0, xx = 0, xy = 0, miss = 0;

	for (int i = 0; i < n; i++)
		mean_y += (double)(tap->tap_us[i] - tap->tap_us[0]) / n;
	for (int i = 0; i < n; i++) {
		double x = -i - mean_x;

		xx += x * x;
		xy += x * ((double)(tap->tap_us[i] - tap->tap_us[0]) - mean_y);
	}
	tap->beat_us = xy / xx;
	tap->line_us = (double)tap->tap_us[0] + mean_y - mean_x * tap->beat_us;
	for (int i = 0; i < n; i++)
		miss += fabs((double)tap->tap_us[i] - (tap->line_us - i * tap->beat_us)) / n;
	double certain = tap->count < CERTAIN_TAPS ? (double)tap->count / CERTAIN_TAPS : 1;
	double even = 1 - SPREAD_SHARE * miss / tap->beat_us;

	tap->confidence = even > 0 ? certain * even : 0;
}

void tap_take(struct tap *tap, int64_t tap_us)
{
	int64_t apart_us = tap_us - tap->tap_us[0];

	if (tap->count > 0 && apart_us < APART_MIN_US)
		return;
	if (tap->count > 1 && fabs((double)apart_us - tap->beat_us) > ASTRAY * tap->beat_us) {
		begin_row(tap, tap_us);
		return;
	}
	if (tap->count == 0 || apart_us > APART_MAX_US) {
		begin_row(tap, tap_us);
		return;
	}
	memmove(tap->tap_us + 1, tap->tap_us, (TAP_WINDOW - 1) * sizeof tap->tap_us[0]);
	tap->tap_us[0] = tap_us;
	tap->count++;
	tap->beat++;
	fit(tap);
}

bool tap_line(const struct tap *tap, struct beat_line *line)
{
	if (!(tap->beat_us > 0))
		return false;
	double bpm = BEAT_US_PER_MINUTE / tap->beat_us;

	*line = (struct beat_line){.at_us = (int64_t)llrint(tap->line_us),
				   .quarters = (double)(tap->beat % 4),
				   .bpm = bpm,
				   .shown_bpm = bpm,
				   .confidence = tap->confidence,
				   .numerator = 4,
				   .denominator = 4};
	return true;
}
