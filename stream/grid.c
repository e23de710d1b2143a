/* The beat grid: three step functions over grid positions (where bars begin, which signature, which tempo), looked up by
 * bisection; or the live beat, which stream/beat.c keeps. Made by the set-up thread. It estimates nothing. */
#include "stream/grid.h"

#include <math.h>
#include <stdlib.h>

#define US_PER_MINUTE 60e6
#define BPM_DEFAULT 120.0

struct bars { /* from here on bars have this length, until the next one */
	int64_t position, bar, length;
};

struct meter {
	int64_t position;
	uint8_t id;
};

struct pace {
	int64_t position;
	double bpm;
	uint8_t id;
};

struct grid {
	struct beat *beat; /* live grid: all that follows is unused */
	bool recorded;	   /* so it is here, but for the place of the newest note */
	struct place place;
	size_t bar_count, meter_count, pace_count; /* each at least 1: the first entry stands at position 0 */
	struct bars *bars;
	struct meter *meters;
	struct pace *paces;
};

/* Index of the last of count items whose leading position is at most this one; the first item's is 0. */
static size_t find(const void *items, size_t size, size_t count, int64_t position)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (*(const int64_t *)(const void *)((const char *)items + middle * size) <= position)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* A bar's length is fixed when it starts: a signature inside a bar acts from the next bar on. */
static void add_bars(struct grid *grid, int64_t position, int64_t length)
{
	struct bars *last = &grid->bars[grid->bar_count - 1];
	int64_t full;

	if (position <= last->position) { /* an earlier signature waits for the same bar line */
		last->length = length;
		return;
	}
	full = (position - last->position + last->length - 1) / last->length;
	grid->bars[grid->bar_count++] = (struct bars){last->position + full * last->length, last->bar + full, length};
}

static void add_meter(struct grid *grid, int64_t position, uint8_t id)
{
	if (grid->meters[grid->meter_count - 1].position != position)
		grid->meter_count++;
	grid->meters[grid->meter_count - 1] = (struct meter){position, id};
}

static void add_pace(struct grid *grid, int64_t position, double bpm)
{
	if (grid->paces[grid->pace_count - 1].position != position)
		grid->pace_count++;
	grid->paces[grid->pace_count - 1] = (struct pace){position, bpm, octuple_tempo_id(bpm)};
}

/* 4/4 at 120 bpm from position 0, with room for so many changes. */
static struct grid *new_grid(size_t signatures, size_t tempos)
{
	struct grid *grid = calloc(1, sizeof *grid);

	if (!grid)
		return NULL;
	grid->bars = malloc((signatures + 1) * sizeof *grid->bars);
	grid->meters = malloc((signatures + 1) * sizeof *grid->meters);
	grid->paces = malloc((tempos + 1) * sizeof *grid->paces);
	if (!grid->bars || !grid->meters || !grid->paces) {
		grid_free(grid);
		return NULL;
	}
	grid->bars[0] = (struct bars){0, 0, octuple_bar_length(4, 4)};
	grid->meters[0] = (struct meter){0, octuple_signature_id(4, 4)};
	grid->paces[0] = (struct pace){0, BPM_DEFAULT, octuple_tempo_id(BPM_DEFAULT)};
	grid->bar_count = grid->meter_count = grid->pace_count = 1;
	return grid;
}

struct grid *grid_new_file(const struct smf *file, size_t *clamped_signatures)
{
	struct grid *grid = new_grid(file->signature_count, file->tempo_count);
	size_t clamped = 0;

	if (!grid)
		return NULL;
	for (size_t i = 0; i < file->signature_count; i++) {
		uint16_t numerator = file->signatures[i].numerator, denominator = file->signatures[i].denominator;
		int64_t position = octuple_position(file->signatures[i].tick, file->ticks_per_quarter);

		clamped += !octuple_reduce_signature(&numerator, &denominator);
		add_bars(grid, position, octuple_bar_length(numerator, denominator));
		add_meter(grid, position, octuple_signature_id(numerator, denominator));
	}
	for (size_t i = 0; i < file->tempo_count; i++) {
		uint32_t us = file->tempos[i].us_per_quarter;

		add_pace(grid, octuple_position(file->tempos[i].tick, file->ticks_per_quarter),
			 US_PER_MINUTE / (us ? us : 1));
	}
	if (clamped_signatures)
		*clamped_signatures = clamped;
	return grid;
}

struct grid *grid_new_fixed(double bpm)
{
	if (!(bpm >= BEAT_BPM_MIN))
		bpm = BEAT_BPM_MIN;
	return grid_new_live(&(struct beat_options){.sources = BEAT_BIT(BEAT_FIXED), .bpm = bpm});
}

struct grid *grid_new_live(const struct beat_options *options)
{
	struct grid *grid = calloc(1, sizeof *grid);

	if (grid)
		grid->beat = beat_new(options);
	if (grid && grid->beat)
		return grid;
	free(grid);
	return NULL;
}

struct grid *grid_new_recorded(void)
{
	struct grid *grid = calloc(1, sizeof *grid);

	if (grid)
		grid->recorded = true;
	return grid;
}

void grid_free(struct grid *grid)
{
	if (!grid)
		return;
	beat_free(grid->beat);
	free(grid->bars);
	free(grid->meters);
	free(grid->paces);
	free(grid);
}

struct beat *grid_beat(const struct grid *grid)
{
	return grid->beat;
}

void grid_take(struct grid *grid, const struct event *event)
{
	if (grid->beat)
		beat_take(grid->beat, event);
	else if (grid->recorded && event->kind == EVENT_NOTE_ON)
		grid->place = (struct place){.bar = event->duration_us >> 24,
					     .position = (uint8_t)(event->duration_us >> 16 & 127),
					     .time_signature = (uint8_t)(event->duration_us >> 8),
					     .tempo = (uint8_t)event->duration_us};
}

void grid_stamp(const struct grid *grid, struct event *event)
{
	if (!grid->beat || (event->kind != EVENT_NOTE_ON && event->kind != EVENT_NOTE_OFF))
		return;
	event->position = grid_position(grid, event);
	if (event->kind == EVENT_NOTE_OFF)
		return;
	struct place place = grid_place(grid, event->position);
	event->duration_us =
	    place.bar << 24 | (int64_t)place.position << 16 | (int64_t)place.time_signature << 8 | place.tempo;
}

void grid_reset(struct grid *grid, int64_t event_us)
{
	if (grid->beat)
		beat_reset(grid->beat, event_us);
}

void grid_set_bpm(struct grid *grid, double bpm, int64_t now_us)
{
	if (grid->beat)
		beat_set_bpm(grid->beat, bpm, now_us);
}

int64_t grid_position(const struct grid *grid, const struct event *event)
{
	if (grid->beat)
		return beat_position(grid->beat, event->event_us);
	return event->position > 0 ? event->position : 0;
}

struct place grid_place(const struct grid *grid, int64_t position)
{
	if (grid->beat)
		return beat_place(grid->beat, position);
	if (grid->recorded)
		return grid->place;
	const struct bars *bars = &grid->bars[find(grid->bars, sizeof *grid->bars, grid->bar_count, position)];
	int64_t since = position - bars->position;
	int64_t in_bar = since % bars->length;
	struct place place = {.bar = bars->bar + since / bars->length, .position = (uint8_t)(in_bar > 127 ? 127 : in_bar)};

	place.time_signature = grid->meters[find(grid->meters, sizeof *grid->meters, grid->meter_count, position)].id;
	place.tempo = grid->paces[find(grid->paces, sizeof *grid->paces, grid->pace_count, position)].id;
	return place;
}

double grid_bpm(const struct grid *grid, int64_t position)
{
	if (grid->beat)
		return beat_bpm(grid->beat);
	if (grid->recorded)
		return BPM_DEFAULT;
	return grid->paces[find(grid->paces, sizeof *grid->paces, grid->pace_count, position)].bpm;
}
