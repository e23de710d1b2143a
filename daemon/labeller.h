/* The engine thread: takes events from the source, lets the engine label them, hands predictions to the osc thread. */
#ifndef MIDIBERTD_DAEMON_LABELLER_H
#define MIDIBERTD_DAEMON_LABELLER_H

#include "daemon/recorder.h"
#include "daemon/shared.h"
#include "engine/engine.h"
#include "stream/grid.h"

struct labeller {
	struct shared *shared;
	struct engine *engine;
	struct grid *grid;
	int64_t gather_us;
	int priority;		   /* wanted; below the source's */
	struct recorder *recorder; /* NULL: nothing is recorded */
	int64_t take_pause_us;	   /* silence that ends a take; 0: none does */
	int take_pedal;		   /* controller whose press ends one; 0: none */
	/* engine thread only */
	bool paused, pushed, ended;
	uint32_t take;	     /* how many resets there have been: what the recorder counts takes by */
	int held;	     /* keys that are down */
	int64_t heard_us;    /* arrival of the newest note, its end, or pedal */
	uint64_t events;     /* taken so far */
	int64_t late_us;     /* how much later than they happened events come, at most, of late */
	bool changed;	     /* the model: still to be said */
	int64_t infer_at_us; /* an inference waits until then for the rest of its chord; INT64_MAX: none waits */
};

/* The engine's sink: context is the struct labeller. Engine thread; real-time safe but for one write to an eventfd. */
void labeller_emit(void *context, const struct prediction *prediction);

/* Of the live beat: context is the struct labeller. Engine thread, as above. */
void labeller_say(void *context, const struct beat_cue *cue);

/* The thread; context is the struct labeller. Ends when told to stop, or after EVENT_END. */
void *labeller_run(void *context);

#endif
