/* The velocity curves of the inputs (docs/CALIBRATION.md): found when an input appears, used for each note. /note carries
 * what the keyboard sent; labels speak of the curve's velocities. */
#ifndef MIDIBERTD_DAEMON_KEYBOARDS_H
#define MIDIBERTD_DAEMON_KEYBOARDS_H

#include "base/event.h"
#include "stream/touch.h"

#include <stdatomic.h>
#include <stdbool.h>

struct keyboards {
	struct touch fixed; /* of --curve FILE: for every input */
	bool search;	    /* curves are looked for by what the inputs are */
	struct touch found[INPUTS_MAX];
	_Atomic(const struct touch *) touch[INPUTS_MAX]; /* osc thread -> engine; NULL: as it is */
};

/* Main thread. curve: "auto", "none" or a file. */
enum status keyboards_open(const char *curve, struct keyboards *keyboards, struct error *error);

/* osc thread: an input is there. Reads its curve, once, by its identity or else its name; says so on standard error. */
void keyboards_appear(struct keyboards *keyboards, int input, const char *identity, const char *name);

/* Engine thread; real-time safe. Gives a note-on the velocity that was meant. */
static inline void keyboards_translate(struct keyboards *keyboards, struct event *event)
{
	if (event->kind == EVENT_NOTE_ON)
		touch_translate(atomic_load_explicit(&keyboards->touch[event->input], memory_order_acquire),
				&event->velocity, &event->fine);
}

#endif
