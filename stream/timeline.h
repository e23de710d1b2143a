/* A file as the stream of events that a live source would deliver: note-ons numbered in order of arrival, note-offs paired,
 * pedals. Order: by tick; within a tick ends of earlier notes, pedals, note-ons from low to high pitch (never by track,
 * which would give labels away; ties by velocity and end, up or down by a coin, so that neither shows), then ends of notes
 * of length zero. Ends with EVENT_END. Training, predict, eval and the file source all read files through this. Offline and
 * set-up threads; allocates. */
#ifndef MIDIBERTD_STREAM_TIMELINE_H
#define MIDIBERTD_STREAM_TIMELINE_H

#include "base/event.h"
#include "base/status.h"
#include "stream/smf.h"

#include <stdbool.h>
#include <stddef.h>

struct timeline {
	struct event *events; /* event_us from the start of the file, arrival_us the same, position from ticks, input 0 */
	size_t count;
	size_t *note; /* note[id - 1]: index into file->notes of the note with this id (ids 1..notes) */
	size_t notes;
};

/* Channel 10 is left out unless drums. */
enum status timeline_new(const struct smf *file, bool drums, struct timeline *timeline, struct error *error);
void timeline_free(struct timeline *timeline); /* leaves *timeline empty */

#endif
