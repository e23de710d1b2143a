/* The virtual clock: events drive the engine as time would, with back-pressure instead of drops and one inference per
 * distinct arrival time. `midibertd --speed 0` and `midibert predict --live` both run this and therefore say the same.
 * Usage: replay_start, replay_accept for each event in order of arrival, replay_finish. One thread, the engine's; no
 * allocation. What the engine emits goes to its sink during these calls. */
#ifndef MIDIBERTD_ENGINE_REPLAY_H
#define MIDIBERTD_ENGINE_REPLAY_H

#include "base/event.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct replay {
	struct engine *engine; /* borrowed */
	int64_t now_us;	       /* arrival time of the newest event */
	bool waiting;	       /* events of now_us were accepted and not yet answered */
};

void replay_start(struct replay *replay, struct engine *engine);

/* Answers the events of an earlier arrival time and lets what falls due strictly before to_us expire, each at its own time.
 * For those who have something to say between that and the event. */
void replay_reach(struct replay *replay, int64_t to_us);

/* Reaches the event's arrival time, then takes the event in. An arrival time before the newest one counts as the newest.
 * EVENT_END finishes. */
void replay_accept(struct replay *replay, const struct event *event);

/* Answers what waits and finalises every open note. Events may follow (a file played in a loop). */
void replay_finish(struct replay *replay);

#endif
