/* From notes to onsets and what describes them, see rhythm_ear.h. Scales are such that most numbers lie between -1 and 1;
 * times are logarithms, for a ratio of intervals is what a rhythm is. Knows no network. */
#include "stream/rhythm_ear.h"

#include <math.h>
#include <string.h>

#define SECOND_US 1e6f
#define NEVER_US 4000000 /* before the first onset: so long ago was everything */
#define LOG_MIN (-6.0f)	 /* of seconds: 16 ms to 8 s */
#define LOG_MAX 3.0f
#define BIN_FIRST (-4.6f) /* the interval once more, as 16 bins: 41 ms to 2.6 s */
#define BIN_WIDTH 0.4f
#define BINS 16
#define RATE 0.1f /* how fast register and loudness are forgotten, an onset */
#define INTERVAL_RATE 0.08f
#define REST_S 4.0f /* longer intervals do not count for the usual one */
#define CHROMA_NOTE 0.5f
#define LAG_FIRST_S 0.18f
#define LAGS_AN_OCTAVE 9.0f
#define LAG_LAST_S 2.4f
#define LAG_REACH 1.2f /* an onset counts for lags so near, less the farther */
#define ECHO_MAX 2.0f
#define PERIODICITY_S 4.0f

struct chord {
	int low, high, loudest, notes;
	float velocity; /* mean */
};

static float clamp(float value, float low, float high)
{
	return value < low ? low : value > high ? high : value;
}

static float log_seconds(float seconds)
{
	return clamp(log2f(seconds < 0.01f ? 0.01f : seconds), LOG_MIN, LOG_MAX);
}

float rhythm_lag_s(int lag)
{
	return LAG_FIRST_S * exp2f(((float)lag + 0.5f) / LAGS_AN_OCTAVE);
}

int rhythm_lag_of(float seconds)
{
	int lag = seconds > LAG_FIRST_S ? (int)(log2f(seconds / LAG_FIRST_S) * LAGS_AN_OCTAVE) : 0;

	return lag < RHYTHM_LAGS ? lag : RHYTHM_LAGS - 1;
}

static float log_since(int64_t now_us, int64_t then_us)
{
	return log_seconds((float)(now_us - then_us) / SECOND_US);
}

void rhythm_ear_take(struct rhythm_ear *ear, const struct event *event)
{
	if (event->kind == EVENT_NOTE_ON) {
		if (ear->notes == 0) {
			ear->onset_us = event->event_us;
			ear->down_before = ear->down;
		}
		if (ear->notes < RHYTHM_CHORD_MAX) {
			ear->pitch[ear->notes] = event->pitch;
			ear->velocity[ear->notes++] = event->velocity;
		}
		ear->down++;
	} else if (event->kind == EVENT_NOTE_OFF) {
		ear->down -= ear->down > 0;
	} else if (event->kind == EVENT_PEDAL && event->pitch == 64) {
		bool pedal = event->velocity >= 64;

		if (pedal != ear->pedal)
			*(pedal ? &ear->pedal_down_us : &ear->pedal_up_us) = event->event_us;
		ear->pedal = pedal;
	}
}

int64_t rhythm_ear_deadline(const struct rhythm_ear *ear)
{
	return ear->notes > 0 ? ear->onset_us + RHYTHM_GATHER_US : INT64_MAX;
}

static struct chord chord_of(const struct rhythm_ear *ear)
{
	struct chord chord = {.low = 127, .notes = ear->notes};
	int sum = 0;

	for (int i = 0; i < ear->notes; i++) {
		int pitch = ear->pitch[i], velocity = ear->velocity[i];

		chord.low = pitch < chord.low ? pitch : chord.low;
		chord.high = pitch > chord.high ? pitch : chord.high;
		chord.loudest = velocity > chord.loudest ? velocity : chord.loudest;
		sum += velocity;
	}
	chord.velocity = (float)sum / (float)ear->notes;
	return chord;
}

static void begin(struct rhythm_ear *ear, const struct chord *chord)
{
	int64_t long_ago_us = ear->onset_us - NEVER_US;

	ear->any = true;
	ear->usual_interval = 0.3f;
	ear->usual_low = (float)chord->low;
	ear->usual_high = (float)chord->high;
	ear->usual_velocity = (float)chord->loudest;
	ear->low = chord->low;
	ear->high = chord->high;
	ear->last_us = ear->bass_us = ear->strong_us = long_ago_us;
	if (ear->pedal_down_us == 0)
		ear->pedal_down_us = long_ago_us;
	if (ear->pedal_up_us == 0)
		ear->pedal_up_us = long_ago_us;
	for (int i = 0; i < RHYTHM_INTERVALS; i++)
		ear->interval[i] = NEVER_US / SECOND_US;
}

static float accent_of(const struct rhythm_ear *ear, const struct chord *chord, float seconds, bool bass)
{
	float accent = 0.6f + ((float)chord->loudest - ear->usual_velocity) / 40 + 0.25f * log2f((float)chord->notes) +
		       0.1f * (log_seconds(seconds) - log_seconds(ear->usual_interval));

	return clamp(bass ? accent + 0.4f : accent, 0.1f, 2);
}

/* What sounded each lag ago, and what has done so again and again. */
static void listen_back(struct rhythm_ear *ear, float accent, float seconds, float input[2 * RHYTHM_LAGS])
{
	float fade = expf(-seconds / PERIODICITY_S), sum = 0.02f;
	float *echo = input, *again = input + RHYTHM_LAGS;

	memset(input, 0, 2 * RHYTHM_LAGS * sizeof *input);
	for (int64_t i = ear->past - 1; i >= 0 && ear->past - i <= RHYTHM_REMEMBERED; i--) {
		float ago_s = (float)(ear->onset_us - ear->past_us[i % RHYTHM_REMEMBERED]) / SECOND_US;

		if (ago_s > LAG_LAST_S)
			break;
		float place = log2f((ago_s < 0.01f ? 0.01f : ago_s) / LAG_FIRST_S) * LAGS_AN_OCTAVE - 0.5f;
		for (int lag = (int)ceilf(place - LAG_REACH); lag <= (int)floorf(place + LAG_REACH); lag++)
			if (lag >= 0 && lag < RHYTHM_LAGS)
				echo[lag] +=
				    (1 - fabsf((float)lag - place) / LAG_REACH) * ear->past_accent[i % RHYTHM_REMEMBERED];
	}
	for (int lag = 0; lag < RHYTHM_LAGS; lag++) {
		float heard = echo[lag] < ECHO_MAX ? echo[lag] : ECHO_MAX;

		ear->periodicity[lag] = ear->periodicity[lag] * fade + heard * accent * (1 - fade);
		sum += ear->periodicity[lag];
		echo[lag] = 0.5f * heard;
	}
	for (int lag = 0; lag < RHYTHM_LAGS; lag++)
		again[lag] = clamp(0.5f * RHYTHM_LAGS * ear->periodicity[lag] / sum, 0, 3) - 0.5f;
	ear->past_us[ear->past % RHYTHM_REMEMBERED] = ear->onset_us;
	ear->past_accent[ear->past++ % RHYTHM_REMEMBERED] = accent;
}

static void describe(const struct rhythm_ear *ear, const struct chord *chord, float seconds, bool bass, bool strong,
		     float input[RHYTHM_INPUTS])
{
	float interval = log_seconds(seconds), novelty = 0;
	int64_t now_us = ear->onset_us;
	float *x = input;

	for (int i = 0; i < chord->notes; i++)
		novelty += expf(-2 * ear->chroma[ear->pitch[i] % 12]);
	*x++ = 0.3f * interval;
	for (int i = 0; i < 3; i++)
		*x++ = 0.3f * log_seconds(ear->interval[i]);
	*x++ = 0.5f * clamp(interval - log_seconds(ear->interval[0]), -3, 3);
	*x++ = 0.5f * log2f((float)chord->notes);
	*x++ = (float)(chord->low - 48) / 24;
	*x++ = (float)(chord->high - 72) / 24;
	*x++ = (float)chord->loudest / 64 - 1;
	*x++ = chord->velocity / 64 - 1;
	*x++ = ((float)chord->loudest - ear->usual_velocity) / 16;
	*x++ = clamp(((float)chord->low - ear->usual_low) / 12, -2, 2);
	*x++ = clamp(((float)chord->high - ear->usual_high) / 12, -2, 2);
	*x++ = clamp((float)(chord->low - ear->low) / 12, -2, 2);
	*x++ = clamp((float)(chord->high - ear->high) / 12, -2, 2);
	*x++ = novelty / (float)chord->notes;
	*x++ = expf(-2 * ear->chroma[chord->low % 12]);
	*x++ = 0.4f * log2f(1 + (float)ear->down_before);
	*x++ = ear->pedal;
	*x++ = 0.3f * log_since(now_us, ear->pedal_down_us);
	*x++ = 0.3f * log_since(now_us, ear->pedal_up_us);
	*x++ = bass;
	*x++ = 0.3f * log_since(now_us, ear->bass_us);
	*x++ = strong;
	*x++ = 0.3f * log_since(now_us, ear->strong_us);
	*x++ = 0.3f * log_seconds(ear->usual_interval);
	*x++ = interval - log_seconds(ear->usual_interval);
	*x++ = (float)(chord->high - chord->low) / 36 - 0.5f;
	for (int i = 0; i < BINS; i++) {
		float far = fabsf(interval - (BIN_FIRST + (float)i * BIN_WIDTH)) / BIN_WIDTH;

		*x++ = far < 1 ? 1 - far : 0;
	}
	_Static_assert(28 + BINS + 2 * RHYTHM_LAGS == RHYTHM_INPUTS, "every input has its number");
}

static void remember(struct rhythm_ear *ear, const struct chord *chord, float seconds, bool bass, bool strong)
{
	float fade = expf(-seconds);

	for (int i = 0; i < 12; i++)
		ear->chroma[i] *= fade;
	for (int i = 0; i < chord->notes; i++)
		ear->chroma[ear->pitch[i] % 12] += CHROMA_NOTE;
	if (seconds < REST_S)
		ear->usual_interval += (seconds - ear->usual_interval) * INTERVAL_RATE;
	memmove(ear->interval + 1, ear->interval, (RHYTHM_INTERVALS - 1) * sizeof ear->interval[0]);
	ear->interval[0] = seconds;
	ear->usual_low += ((float)chord->low - ear->usual_low) * RATE;
	ear->usual_high += ((float)chord->high - ear->usual_high) * RATE;
	ear->usual_velocity += ((float)chord->loudest - ear->usual_velocity) * RATE;
	ear->low = chord->low;
	ear->high = chord->high;
	if (bass)
		ear->bass_us = ear->onset_us;
	if (strong)
		ear->strong_us = ear->onset_us;
	ear->last_us = ear->onset_us;
}

int64_t rhythm_ear_close(struct rhythm_ear *ear, float input[RHYTHM_INPUTS])
{
	struct chord chord = chord_of(ear);

	if (!ear->any)
		begin(ear, &chord);
	float seconds = (float)(ear->onset_us - ear->last_us) / SECOND_US;
	bool bass = (float)chord.low < ear->usual_low - 3 || chord.low <= ear->low - 7;
	bool strong = (float)chord.loudest > ear->usual_velocity + 6 || chord.notes >= 3;

	if (seconds < 0) /* a source whose clock was set back */
		seconds = 0;
	describe(ear, &chord, seconds, bass, strong, input);
	listen_back(ear, accent_of(ear, &chord, seconds, bass), seconds, input + RHYTHM_INPUTS - 2 * RHYTHM_LAGS);
	remember(ear, &chord, seconds, bass, strong);
	ear->notes = 0;
	return ear->onset_us;
}
