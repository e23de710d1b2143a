/* A file as a live stream: orders note-ons, note-offs and pedals as a keyboard would have sent them. Offline and set-up
 * threads. It knows nothing of tracks but where notes lie: what a live source cannot see must not shape the order. */
#include "stream/timeline.h"
#include "stream/octuple.h"

#include <stdlib.h>

#define DRUM_CHANNEL 9

/* Order within a tick. */
enum turn { TURN_OFF, TURN_PEDAL, TURN_ON, TURN_OFF_AT_ONCE };

struct moment {
	int64_t tick;
	enum turn turn;
	size_t index; /* of a note: its id - 1; of a pedal: into file->controls */
};

/* A note on its way to its id. */
struct arrival {
	int64_t tick, end_tick;
	uint8_t pitch, velocity;
	size_t note;
};

/* A coin for each key and moment, the same whenever the file is read. */
static bool toss(const struct arrival *arrival)
{
	uint64_t mixed = ((uint64_t)arrival->tick << 7 | arrival->pitch) * UINT64_C(0x9e3779b97f4a7c15);
	return (mixed ^ mixed >> 32) >> 31 & 1;
}

static int compare_arrivals(const void *left, const void *right)
{
	const struct arrival *a = left, *b = right;

	if (a->tick != b->tick)
		return a->tick < b->tick ? -1 : 1;
	if (a->pitch != b->pitch)
		return a->pitch < b->pitch ? -1 : 1;
	/* A model that sees neither velocities nor what comes later must not see them in the order. */
	if (a->velocity != b->velocity)
		return (a->velocity < b->velocity) == toss(a) ? -1 : 1;
	if (a->end_tick != b->end_tick)
		return (a->end_tick < b->end_tick) == toss(a) ? -1 : 1;
	return a->note < b->note ? -1 : a->note > b->note;
}

static int compare_moments(const void *left, const void *right)
{
	const struct moment *a = left, *b = right;

	if (a->tick != b->tick)
		return a->tick < b->tick ? -1 : 1;
	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static bool number_notes(const struct smf *file, bool drums, struct timeline *timeline)
{
	struct arrival *arrivals = malloc((file->note_count + 1) * sizeof *arrivals);
	size_t count = 0;

	timeline->note = malloc((file->note_count + 1) * sizeof *timeline->note);
	if (!arrivals || !timeline->note) {
		free(arrivals);
		return false;
	}
	for (size_t i = 0; i < file->note_count; i++) {
		const struct smf_note *note = &file->notes[i];

		if (drums || note->channel != DRUM_CHANNEL)
			arrivals[count++] =
			    (struct arrival){note->start_tick, note->end_tick, note->pitch, note->velocity, i};
	}
	qsort(arrivals, count, sizeof *arrivals, compare_arrivals);
	for (size_t i = 0; i < count; i++)
		timeline->note[i] = arrivals[i].note;
	timeline->notes = count;
	free(arrivals);
	return true;
}

static struct moment *order_moments(const struct smf *file, bool drums, const struct timeline *timeline, size_t *count)
{
	struct moment *moments = malloc((timeline->notes * 2 + file->control_count + 1) * sizeof *moments);
	size_t n = 0;

	if (!moments)
		return NULL;
	for (size_t i = 0; i < timeline->notes; i++) {
		const struct smf_note *note = &file->notes[timeline->note[i]];
		enum turn off = note->end_tick > note->start_tick ? TURN_OFF : TURN_OFF_AT_ONCE;

		moments[n++] = (struct moment){note->start_tick, TURN_ON, i};
		moments[n++] = (struct moment){note->end_tick, off, i};
	}
	for (size_t i = 0; i < file->control_count; i++)
		if (drums || file->controls[i].channel != DRUM_CHANNEL)
			moments[n++] = (struct moment){file->controls[i].tick, TURN_PEDAL, i};
	qsort(moments, n, sizeof *moments, compare_moments);
	*count = n;
	return moments;
}

static struct event make_event(const struct smf *file, const struct timeline *timeline, const struct moment *moment)
{
	int64_t us = smf_tick_to_us(file, moment->tick);
	struct event event = {
	    .event_us = us, .arrival_us = us, .position = octuple_position(moment->tick, file->ticks_per_quarter)};

	if (moment->turn == TURN_PEDAL) {
		const struct smf_control *control = &file->controls[moment->index];

		event.kind = EVENT_PEDAL;
		event.channel = control->channel;
		event.pitch = control->controller;
		event.velocity = control->value;
		return event;
	}
	const struct smf_note *note = &file->notes[timeline->note[moment->index]];

	event.note_id = (int32_t)(moment->index + 1);
	event.channel = note->channel;
	event.pitch = note->pitch;
	event.kind = EVENT_NOTE_ON;
	event.velocity = note->velocity;
	event.fine = note->fine;
	if (moment->turn != TURN_ON) {
		event.kind = EVENT_NOTE_OFF;
		event.velocity = event.fine = 0;
		event.duration_us = us - smf_tick_to_us(file, note->start_tick);
	}
	return event;
}

enum status timeline_new(const struct smf *file, bool drums, struct timeline *timeline, struct error *error)
{
	struct moment *moments = NULL;
	size_t count = 0;

	*timeline = (struct timeline){0};
	if (number_notes(file, drums, timeline))
		moments = order_moments(file, drums, timeline, &count);
	if (moments)
		timeline->events = malloc((count + 1) * sizeof *timeline->events);
	if (!timeline->events) {
		free(moments);
		timeline_free(timeline);
		return status_fail(error, STATUS_NO_MEMORY, "not enough memory for %zu notes", file->note_count);
	}
	for (size_t i = 0; i < count; i++)
		timeline->events[i] = make_event(file, timeline, &moments[i]);
	free(moments);
	int64_t end_us = smf_tick_to_us(file, file->end_tick);

	timeline->events[count++] = (struct event){.event_us = end_us,
						   .arrival_us = end_us,
						   .position = octuple_position(file->end_tick, file->ticks_per_quarter),
						   .kind = EVENT_END};
	timeline->count = count;
	return STATUS_OK;
}

void timeline_free(struct timeline *timeline)
{
	free(timeline->events);
	free(timeline->note);
	*timeline = (struct timeline){0};
}
