/* The engine thread: takes events from the source, lets the engine label them, hands predictions to the osc thread. */
#ifndef MIDIBERTD_DAEMON_LABELLER_H
#define MIDIBERTD_DAEMON_LABELLER_H

#include "daemon/shared.h"
#include "engine/engine.h"
#include "stream/grid.h"

struct labeller {
	struct shared *shared;
	struct engine *engine;
	struct grid *grid;
	int64_t gather_us;
	int priority; /* wanted; below the source's */
	/* engine thread only */
	bool paused, pushed, ended;
	int64_t infer_at_us; /* an inference waits until then for the rest of its chord; INT64_MAX: none waits */
};

/* The engine's sink: context is the struct labeller. Engine thread; real-time safe but for one write to an eventfd. */
void labeller_emit(void *context, const struct prediction *prediction);

/* The thread; context is the struct labeller. Ends when told to stop, or after EVENT_END. */
void *labeller_run(void *context);

#endif
