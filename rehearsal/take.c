/* A take from a MIDI file: notes, pedal, bars or seconds. Offline. It judges nothing: expect.c, hands.c, voicing.c and
 * runs.c fill in what is found out about a note. */
#define _POSIX_C_SOURCE 200809L
#include "rehearsal/take.h"

#include "rehearsal/statistics.h"
#include "stream/grid.h"
#include "stream/smf.h"
#include "stream/timeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US ((int64_t)1000000)
#define POSITIONS_MAX ((int64_t)1 << 22) /* grid positions a file's bars are looked for in: 72 hours at 60 bpm */
#define BARS_MAX 100000
#define CHORD_US 30000 /* onsets closer than this are one for the beat */
/* Onsets that ignore the file's beats support them by about 1 / sqrt(onsets); players who follow a click by 0.5 and more. */
#define SUPPORT_MIN 0.25
#define SUPPORT_ONSETS_MIN 16
#define QUANTISED 0.95 /* nobody follows a click so closely */
#define PEDAL_DOWN 64
#define SUSTAIN 64

static enum status out_of_memory(const char *path, struct error *error)
{
	return status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
}

/* ---- notes ---- */

static enum status add_notes(const struct smf *file, const struct timeline *timeline, const struct grid *grid,
			     struct take *take, struct error *error)
{
	take->count = timeline->notes;
	take->notes = calloc(take->count + 1, sizeof *take->notes);
	take->piece.notes = calloc(take->count + 1, sizeof *take->piece.notes);
	take->piece.count = take->count;
	if (!take->notes || !take->piece.notes)
		return out_of_memory(take->path, error);
	for (size_t i = 0; i < take->count; i++) {
		const struct smf_note *from = &file->notes[timeline->note[i]];
		int64_t position = octuple_position(from->start_tick, file->ticks_per_quarter);
		int64_t duration = octuple_position(from->end_tick, file->ticks_per_quarter) - position;
		struct place place = grid_place(grid, position);
		take->notes[i] = (struct take_note){.onset_us = smf_tick_to_us(file, from->start_tick),
						    .end_us = smf_tick_to_us(file, from->end_tick),
						    .pitch = from->pitch,
						    .velocity = from->velocity,
						    .keyboard_velocity = from->velocity,
						    .fine = from->fine,
						    .track = from->track,
						    .beat = 1 + (double)place.position / OCTUPLE_GRID,
						    .voice = VOICE_UNKNOWN,
						    .expected = (double)NAN,
						    .spread = (double)NAN,
						    .hand = HAND_UNKNOWN,
						    .lead_ms = (double)NAN,
						    .overlap_ms = (double)NAN,
						    .run = -1};
		take->piece.notes[i] =
		    (struct piece_note){.place = place,
					.onset_us = take->notes[i].onset_us,
					.end_us = take->notes[i].end_us,
					.position = position,
					.duration_positions = duration > INT32_MAX ? INT32_MAX : (int32_t)duration,
					.pitch = from->pitch,
					.velocity = from->velocity,
					.melody = MELODY_NONE};
		take->played_in[dynamic_of_velocity(from->velocity)]++;
	}
	return STATUS_OK;
}

/* ---- beat ---- */

/* How closely onsets keep to halves, thirds, quarters or sixths of the file's quarter notes: the largest mean cosine of
 * their phase there. Quantised 1, a click followed 0.5 and more, a grid that the player never heard about 0. */
static double support(const struct smf *file, const struct timeline *timeline)
{
	static const double parts[] = {1, 2, 3, 4, 6};
	double best = 0;
	for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
		struct mean mean = {0};
		int64_t last_us = -CHORD_US;
		for (size_t i = 0; i < timeline->notes; i++) {
			int64_t tick = file->notes[timeline->note[i]].start_tick, us = smf_tick_to_us(file, tick);
			if (us - last_us < CHORD_US)
				continue;
			last_us = us;
			double quarters = (double)(tick % file->ticks_per_quarter) / file->ticks_per_quarter;
			mean_add(&mean, cos(2 * acos(-1) * parts[p] * quarters));
		}
		if (mean.count >= SUPPORT_ONSETS_MIN)
			best = fmax(best, mean_value(&mean));
	}
	return best;
}

static int64_t tick_of_position(const struct smf *file, int64_t position)
{
	return position * file->ticks_per_quarter / OCTUPLE_GRID;
}

static enum status add_bars(const struct smf *file, const struct grid *grid, int64_t positions, struct take *take,
			    struct error *error)
{
	int64_t bars = grid_place(grid, positions).bar + 1, bar = 0;
	take->units = calloc((size_t)bars, sizeof *take->units);
	if (!take->units)
		return out_of_memory(take->path, error);
	take->unit_count = (size_t)bars;
	int64_t begun = 0;
	for (int64_t position = 1; bar < bars; position++) {
		int64_t here = grid_place(grid, position).bar;
		if (here == bar)
			continue;
		struct take_unit *unit = &take->units[bar];
		unit->start_us = smf_tick_to_us(file, tick_of_position(file, begun));
		unit->end_us = smf_tick_to_us(file, tick_of_position(file, position));
		double minutes = (double)(unit->end_us - unit->start_us) / 60e6;
		unit->bpm = minutes > 0 ? (double)(position - begun) / OCTUPLE_GRID / minutes : (double)NAN;
		begun = position;
		bar = here;
	}
	for (size_t i = 0; i < take->count; i++)
		take->notes[i].unit = (size_t)take->piece.notes[i].place.bar;
	return STATUS_OK;
}

static enum status add_seconds(int64_t end_us, struct take *take, struct error *error)
{
	take->unit_count = (size_t)(end_us / SECOND_US) + 1;
	take->units = calloc(take->unit_count, sizeof *take->units);
	if (!take->units)
		return out_of_memory(take->path, error);
	for (size_t i = 0; i < take->unit_count; i++)
		take->units[i] = (struct take_unit){(int64_t)i * SECOND_US, ((int64_t)i + 1) * SECOND_US, (double)NAN};
	for (size_t i = 0; i < take->count; i++) {
		take->notes[i].unit = (size_t)(take->notes[i].onset_us / SECOND_US);
		take->notes[i].beat = 0;
	}
	return STATUS_OK;
}

static enum status add_units(const struct smf *file, const struct timeline *timeline, const struct grid *grid,
			     enum take_grid wanted, struct take *take, struct error *error)
{
	int64_t last = 0, end_us = 0;
	for (size_t i = 0; i < take->count; i++) {
		last = take->piece.notes[i].position > last ? take->piece.notes[i].position : last;
		end_us = take->notes[i].onset_us > end_us ? take->notes[i].onset_us : end_us;
	}
	if (end_us > TAKE_HOURS_MAX * 3600 * SECOND_US)
		return status_fail(error, STATUS_UNSUPPORTED, "%s: lasts over %d hours; a report is of one take", take->path,
				   TAKE_HOURS_MAX);
	take->beat_support = support(file, timeline);
	take->quantised = take->beat_support >= QUANTISED;
	take->has_beat = wanted == TAKE_GRID_BAR || (wanted == TAKE_GRID_AUTO && take->beat_support >= SUPPORT_MIN);
	if (last > POSITIONS_MAX || grid_place(grid, last).bar >= BARS_MAX) {
		if (wanted == TAKE_GRID_BAR)
			return status_fail(error, STATUS_UNSUPPORTED, "%s: has more bars than a report can hold",
					   take->path);
		take->has_beat = false;
	}
	return take->has_beat ? add_bars(file, grid, last, take, error) : add_seconds(end_us, take, error);
}

/* ---- pedal ---- */

static enum status add_pedals(const struct smf *file, struct take *take, struct error *error)
{
	bool down = false;
	take->pedals = calloc(file->control_count + 1, sizeof *take->pedals);
	if (!take->pedals)
		return out_of_memory(take->path, error);
	for (size_t i = 0; i < file->control_count; i++) {
		const struct smf_control *control = &file->controls[i];
		bool now = control->value >= PEDAL_DOWN;
		if (control->controller != SUSTAIN)
			continue;
		take->pedal_recorded = true;
		if (now && !down)
			take->pedals[take->pedal_count++].start_us = smf_tick_to_us(file, control->tick);
		else if (!now && down)
			take->pedals[take->pedal_count - 1].end_us = smf_tick_to_us(file, control->tick);
		down = now;
	}
	if (down)
		take->pedals[take->pedal_count - 1].end_us = smf_tick_to_us(file, file->end_tick);
	return STATUS_OK;
}

/* ---- the whole ---- */

/* Two tracks with notes, told apart by their names or by where their notes lie, hold a hand each. */
static void find_hand_tracks(const struct smf *file, struct take *take)
{
	static const char *const words[HANDS][2] = {{"left", "lh"}, {"right", "rh"}};
	take->hand_tracks[HAND_LEFT] = take->hand_tracks[HAND_RIGHT] = -1;
	for (int track = 0; track < file->tracks; track++) {
		char name[sizeof *file->track_names] = "";
		for (size_t i = 0; i < sizeof name; i++) {
			char c = file->track_names[track][i];
			name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		}
		for (int hand = 0; hand < HANDS; hand++)
			if (strstr(name, words[hand][0]) || strcmp(name, words[hand][1]) == 0)
				take->hand_tracks[hand] = track;
	}
	if (take->hand_tracks[HAND_LEFT] < 0 || take->hand_tracks[HAND_RIGHT] < 0 ||
	    take->hand_tracks[HAND_LEFT] == take->hand_tracks[HAND_RIGHT])
		take->hand_tracks[HAND_LEFT] = take->hand_tracks[HAND_RIGHT] = -1;
}

enum status take_read(const char *path, enum take_grid wanted, struct take *take, struct error *error)
{
	struct smf *file = NULL;
	struct timeline timeline = {0};
	struct grid *grid = NULL;
	*take = (struct take){.level = (double)NAN};
	enum status status = smf_read(path, &file, error);
	if (status == STATUS_OK)
		status = timeline_new(file, false, &timeline, error);
	if (status == STATUS_OK && timeline.notes == 0)
		status = status_fail(error, STATUS_UNSUPPORTED, "%s: holds no notes", path);
	if (status == STATUS_OK) {
		take->path = strdup(path);
		grid = grid_new_file(file, NULL);
		if (!take->path || !grid)
			status = out_of_memory(path, error);
	}
	if (status == STATUS_OK)
		status = add_notes(file, &timeline, grid, take, error);
	if (status == STATUS_OK)
		status = add_units(file, &timeline, grid, wanted, take, error);
	if (status == STATUS_OK)
		status = add_pedals(file, take, error);
	if (status == STATUS_OK) {
		find_hand_tracks(file, take);
		snprintf(take->identity, sizeof take->identity, "%s", file->device);
		for (int track = 0; track < file->tracks && take->device[0] == '\0'; track++)
			snprintf(take->device, sizeof take->device, "%s", file->track_names[track]);
	} else {
		take_free(take);
	}
	grid_free(grid);
	timeline_free(&timeline);
	smf_free(file);
	return status;
}

enum status take_calibrate(struct take *take, const char *curve, struct error *error)
{
	struct touch touch;
	char path[4096];
	if (strcmp(curve, "none") == 0)
		return STATUS_OK;
	enum status status;
	if (strcmp(curve, "auto") == 0) {
		status = touch_find(take->identity, &touch, path, sizeof path, error);
		if (status == STATUS_NOT_FOUND)
			status = touch_find(take->device, &touch, path, sizeof path, error);
		if (status == STATUS_NOT_FOUND)
			return STATUS_OK;
		curve = path;
	} else {
		status = touch_read(curve, &touch, error);
	}
	if (status != STATUS_OK)
		return status;
	take->curve = strdup(curve);
	if (!take->curve)
		return out_of_memory(take->path, error);
	memset(take->played_in, 0, sizeof take->played_in);
	for (size_t i = 0; i < take->count; i++) {
		uint8_t velocity = take->notes[i].keyboard_velocity;
		touch_translate(&touch, &velocity, &take->notes[i].fine);
		take->notes[i].velocity = take->piece.notes[i].velocity = velocity;
		take->played_in[dynamic_of_velocity(velocity)]++;
	}
	return STATUS_OK;
}

void take_free(struct take *take)
{
	free(take->path);
	free(take->curve);
	free(take->notes);
	free(take->units);
	free(take->pedals);
	piece_free(&take->piece);
	*take = (struct take){0};
}

bool take_is_judged(const struct take_note *note)
{
	return note->spread <= TAKE_SPREAD_WIDE; /* false of NAN */
}

double take_deviation(const struct take *take, const struct take_note *note)
{
	return take_is_judged(note) ? take_played(note) - note->expected - take->level : (double)NAN;
}

size_t take_unit_at(const struct take *take, int64_t us)
{
	size_t low = 0, high = take->unit_count - 1;
	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;
		if (take->units[middle].start_us <= us)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}
