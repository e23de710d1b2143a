/* A ring of note records, see window.h. Engine thread. It does not decide when a label is due nor what it is. */
#include "engine/window.h"

#include <stdlib.h>
#include <string.h>

bool window_init(struct window *window, int64_t notes, int freeze)
{
	int64_t capacity = 2;
	while (capacity < notes)
		capacity *= 2;
	memset(window, 0, sizeof *window);
	window->notes = calloc((size_t)capacity, sizeof *window->notes);
	if (!window->notes)
		return false;
	window->capacity = capacity;
	window->freeze = freeze;
	window->changed = WINDOW_UNCHANGED;
	return true;
}

void window_free(struct window *window)
{
	free(window->notes);
	window->notes = NULL;
}

void window_reset(struct window *window)
{
	window->rows = window->seen = 0;
	window->changed = WINDOW_UNCHANGED;
}

int64_t window_oldest(const struct window *window)
{
	return window->rows > window->capacity ? window->rows - window->capacity : 0;
}

struct note *window_note(const struct window *window, int64_t row)
{
	return &window->notes[row & (window->capacity - 1)];
}

/* Notes numbered between two ids, on the circle of ids. */
static int64_t age(int32_t newest, int32_t id)
{
	int64_t distance = (int64_t)newest - id;
	return distance < 0 ? distance + NOTE_ID_MAX : distance;
}

int64_t window_find(const struct window *window, int32_t id)
{
	/* Ids grow by row, with gaps where a full ring dropped notes: bisect by age. */
	int64_t low = window_oldest(window), high = window->rows - 1;
	if (high < low)
		return -1;
	int32_t newest = window_note(window, high)->id;
	int64_t wanted = age(newest, id);
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (age(newest, window_note(window, middle)->id) > wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return window_note(window, low)->id == id ? low : -1;
}

struct note *window_add(struct window *window, const struct event *event, int64_t position, const struct place *place)
{
	struct note *note = window_note(window, window->rows);
	memset(note, 0, sizeof *note);
	bool late = event->arrival_us >= event->event_us;
	note->onset_us = event->event_us;
	note->due_us = late ? event->event_us : event->arrival_us;
	note->trigger_us = late ? event->arrival_us : event->event_us;
	note->position = position;
	note->id = event->note_id;
	note->place = *place;
	note->pitch = event->pitch;
	note->velocity = event->velocity;
	note->fine = event->fine;
	note->token = octuple_token(place, note->pitch, -1, note->velocity, 0);
	for (int i = 0; i < LABELS; i++)
		label_clear(&note->label[i]);
	window->rows++;
	return note;
}

void window_end(struct window *window, int64_t row, int64_t end_us, int64_t position)
{
	struct note *note = window_note(window, row);
	if (note->ended)
		return;
	note->ended = true;
	note->end_us = end_us;
	if (window->rows - 1 - row >= window->freeze)
		return;
	int64_t duration = position > note->position ? position - note->position : 0;
	note->token = octuple_token(&note->place, note->pitch, duration, note->velocity, 0);
	if (row < window->changed)
		window->changed = row;
}

bool window_is_stale(const struct window *window)
{
	return window->seen < window->rows || window->changed != WINDOW_UNCHANGED;
}

void window_mark_seen(struct window *window)
{
	window->seen = window->rows;
	window->changed = WINDOW_UNCHANGED;
}
