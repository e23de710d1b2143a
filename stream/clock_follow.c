/* MIDI clock to a line through time, see clock_follow.h. The line serves timing; a calmer tempo is kept for people. Ticks
 * that arrive in bursts are taken as they come: the regression does not need even spacing. Reads no clock. */
#include "stream/clock_follow.h"

#include <math.h>
#include <string.h>

#define TICKS_FIRST 4	   /* fewer say nothing about tempo */
#define TICKS_AFTER_JUMP 5 /* the newest ones that a line after a jump begins with */
#define JUMP_STRAYS 3	   /* in a row on one side of the line, and far: the tempo has jumped */
#define JUMP_SHARE 0.12	   /* far: of a tick's length, */
#define JUMP_SPREADS 3.0   /* and of the usual distance */
#define SPREAD_MIN_US 300.0
#define SPREAD_RATE 0.1
#define PAUSE_TICKS 6.0 /* a gap this long begins anew */
#define SHOWN_RATE 0.08
#define SHOWN_JUMP 0.03	 /* a difference that is no jitter */
#define AGREE_NOTES 10.0 /* about so many notes are remembered, */
#define AGREE_LEAST 6.0	 /* so many are needed, */
#define AGREEMENT 0.8	 /* and so well they must agree */
#define TWO_PI 6.283185307179586

#define STEPS (CLOCK_TICKS_PER_QUARTER / 6)

static void forget_line(struct clock_follow *clock)
{
	clock->fitted = 0;
	clock->tick_length_us = 0;
	clock->spread_us = 0;
	memset(clock->stray_us, 0, sizeof clock->stray_us);
	memset(clock->weight, 0, sizeof clock->weight);
	clock->sum_cosine = clock->sum_sine = clock->sum_weight = clock->agreement = 0;
}

/* Least squares over the newest `fitted` ticks. */
static void fit(struct clock_follow *clock)
{
	int n = clock->fitted;
	int64_t newest = clock->ticks - 1, base_us = clock->tick_us[newest % CLOCK_WINDOW];
	double mean_x = -(n - 1) / 2.0, mean_y = 0, xx = 0, xy = 0;

	for (int i = 0; i < n; i++)
		mean_y += (double)(clock->tick_us[(newest - i) % CLOCK_WINDOW] - base_us) / n;
	for (int i = 0; i < n; i++) {
		double x = -i - mean_x, y = (double)(clock->tick_us[(newest - i) % CLOCK_WINDOW] - base_us) - mean_y;

		xx += x * x;
		xy += x * y;
	}
	double slope = xx > 0 ? xy / xx : 0;
	double shortest = BEAT_US_PER_MINUTE / (CLOCK_TICKS_PER_QUARTER * 400.0);

	if (n < TICKS_FIRST || !(slope > shortest)) {
		clock->tick_length_us = 0;
		return;
	}
	clock->tick_length_us = slope;
	clock->line_us = (double)base_us + mean_y - mean_x * slope;
}

static void show(struct clock_follow *clock)
{
	double bpm = BEAT_US_PER_MINUTE / (clock->tick_length_us * CLOCK_TICKS_PER_QUARTER);

	if (clock->fitted < CLOCK_WINDOW || fabs(bpm - clock->shown_bpm) > SHOWN_JUMP * bpm)
		clock->shown_bpm = bpm;
	else
		clock->shown_bpm += (bpm - clock->shown_bpm) * SHOWN_RATE;
}

static bool has_jumped(const struct clock_follow *clock)
{
	double spread = clock->spread_us > SPREAD_MIN_US ? clock->spread_us : SPREAD_MIN_US;
	double far = JUMP_SHARE * clock->tick_length_us;

	if (far < JUMP_SPREADS * spread)
		far = JUMP_SPREADS * spread;
	int above = 0, below = 0;

	for (int i = 0; i < JUMP_STRAYS; i++) {
		above += clock->stray_us[i] > far;
		below += clock->stray_us[i] < -far;
	}
	return above == JUMP_STRAYS || below == JUMP_STRAYS;
}

static void take_tick(struct clock_follow *clock, int64_t event_us)
{
	int64_t before_us = clock->ticks > 0 ? clock->tick_us[(clock->ticks - 1) % CLOCK_WINDOW] : event_us;
	double pause_us = clock->tick_length_us > 0 ? PAUSE_TICKS * clock->tick_length_us : CLOCK_TIMEOUT_US;

	if (event_us < before_us)
		event_us = before_us;
	if ((double)(event_us - before_us) > pause_us)
		forget_line(clock);
	if (clock->running && clock->next_song >= 0) {
		clock->song = clock->next_song - clock->ticks;
		clock->next_song = -1;
	}
	clock->tick_us[clock->ticks % CLOCK_WINDOW] = event_us;
	clock->ticks++;
	if (clock->tick_length_us > 0) {
		double stray_us = (double)event_us - (clock->line_us + clock->tick_length_us);

		memmove(clock->stray_us + 1, clock->stray_us, (CLOCK_STRAY_MAX - 1) * sizeof clock->stray_us[0]);
		clock->stray_us[0] = stray_us;
		if (has_jumped(clock)) {
			clock->fitted = TICKS_AFTER_JUMP - 1;
			memset(clock->stray_us, 0, sizeof clock->stray_us);
		} else {
			clock->spread_us += (fabs(stray_us) - clock->spread_us) * SPREAD_RATE;
		}
	}
	clock->fitted += clock->fitted < CLOCK_WINDOW;
	fit(clock);
	if (clock->tick_length_us > 0)
		show(clock);
}

void clock_follow_take(struct clock_follow *clock, uint8_t status, int64_t position, int64_t event_us)
{
	switch (status) {
	case CLOCK_TICK: take_tick(clock, event_us); break;
	case CLOCK_START:
		clock->running = true;
		clock->next_song = 0;
		break;
	case CLOCK_CONTINUE: clock->running = true; break; /* from where it stopped, or from a song position */
	case CLOCK_STOP:
		if (clock->running && clock->next_song < 0)
			clock->next_song = clock->ticks + clock->song;
		clock->running = false;
		break;
	case CLOCK_SONG_POSITION: /* acts only while stopped */
		if (!clock->running && position >= 0)
			clock->next_song = position * CLOCK_TICKS_PER_QUARTER / 16;
		break;
	default: break;
	}
}

static bool is_alive(const struct clock_follow *clock, int64_t now_us)
{
	return clock->tick_length_us > 0 && now_us - clock->tick_us[(clock->ticks - 1) % CLOCK_WINDOW] <= CLOCK_TIMEOUT_US;
}

/* Ticks since the count began, at a time. */
static double ticks_at(const struct clock_follow *clock, int64_t time_us)
{
	return (double)(clock->ticks - 1) + ((double)time_us - clock->line_us) / clock->tick_length_us;
}

/* The mean direction of notes on a circle of one sixteenth: long if they keep to the clock, short if they do not. */
void clock_follow_note(struct clock_follow *clock, double weight, int64_t event_us)
{
	if (clock->running || !is_alive(clock, event_us))
		return;
	double keep = 1 - 1 / AGREE_NOTES, steps = ticks_at(clock, event_us) / 6;
	double angle = TWO_PI * (steps - floor(steps));
	int64_t step = (int64_t)floor(steps + 0.5);

	clock->sum_cosine = clock->sum_cosine * keep + weight * cos(angle);
	clock->sum_sine = clock->sum_sine * keep + weight * sin(angle);
	clock->sum_weight = clock->sum_weight * keep + weight;
	clock->agreement = hypot(clock->sum_cosine, clock->sum_sine) / clock->sum_weight;
	for (int i = 0; i < STEPS; i++)
		clock->weight[i] *= keep;
	clock->weight[(step % STEPS + STEPS) % STEPS] += weight;
}

bool clock_follow_line(const struct clock_follow *clock, int64_t now_us, struct beat_line *line)
{
	double ticks, agreement = 1;

	if (!is_alive(clock, now_us))
		return false;
	if (clock->running && clock->next_song < 0) {
		ticks = (double)(clock->ticks - 1 + clock->song);
	} else if (!clock->running && clock->sum_weight >= AGREE_LEAST && clock->agreement >= AGREEMENT) {
		/* The beat is where the notes are heaviest; nothing is known about bars. */
		int best = 0;
		double turn = atan2(clock->sum_sine, clock->sum_cosine) / TWO_PI * 6;

		for (int i = 1; i < STEPS; i++)
			if (clock->weight[i] > clock->weight[best])
				best = i;
		ticks = (double)(clock->ticks - 1) - 6 * best - turn;
		agreement = clock->agreement;
	} else {
		return false;
	}
	double bar = 4 * CLOCK_TICKS_PER_QUARTER;

	*line = (struct beat_line){.at_us = (int64_t)llrint(clock->line_us),
				   .quarters = (ticks - floor(ticks / bar) * bar) / CLOCK_TICKS_PER_QUARTER,
				   .bpm = BEAT_US_PER_MINUTE / (clock->tick_length_us * CLOCK_TICKS_PER_QUARTER),
				   .shown_bpm = clock->shown_bpm,
				   .confidence = agreement * (0.5 + 0.5 * clock->fitted / CLOCK_WINDOW),
				   .numerator = 4,
				   .denominator = 4};
	return true;
}

int64_t clock_follow_deadline(const struct clock_follow *clock)
{
	if (!(clock->tick_length_us > 0))
		return INT64_MAX;
	return clock->tick_us[(clock->ticks - 1) % CLOCK_WINDOW] + CLOCK_TIMEOUT_US + 1;
}
