/* Everything that more than one thread of the daemon touches, in one struct (docs/THREADS.md). Rings have one writer and one
 * reader each; the rest are atomics, and one mutex between two threads that are not real-time. */
#ifndef MIDIBERTD_DAEMON_SHARED_H
#define MIDIBERTD_DAEMON_SHARED_H

#include "base/event.h"
#include "base/prediction.h"
#include "base/ring.h"
#include "base/status.h"
#include "engine/engine.h"
#include "daemon/keyboards.h"
#include "stream/source.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum order_kind { ORDER_RESET, ORDER_PAUSE, ORDER_RESUME, ORDER_TEMPO, ORDER_TAP };

struct order { /* osc to engine: a control message that concerns labels */
	enum order_kind kind;
	double bpm;
	int64_t arrival_us; /* of a tap */
	uint64_t events;    /* that osc has told before: the engine takes them in before it obeys */
};

/* loader to engine: copy what you know, or let another engine go on in your place. */
struct handover {
	struct engine_history *history;
	struct engine *engine; /* NULL: copy into history */
};
enum handover_answer { HANDOVER_NONE, HANDOVER_DONE, HANDOVER_TOO_LATE };

struct input_names {
	char name[128], identity[128];
};

struct shared {
	struct ring *engine_events; /* source -> engine, struct event */
	struct ring *osc_events;    /* source -> osc, struct event */
	struct ring *predictions;   /* engine -> osc, struct prediction */
	struct ring *cues;	    /* engine -> osc, struct beat_cue */
	struct ring *orders;	    /* osc -> engine, struct order */
	struct ring *handovers;	    /* loader -> engine, struct handover; one at a time */
	int engine_wake, osc_wake, main_wake, loader_wake;

	_Atomic bool stop;			  /* main -> engine: finalise and end */
	_Atomic bool engine_done;		  /* engine -> osc: nothing more will be pushed */
	_Atomic bool osc_done;			  /* osc -> main: everything has been sent */
	_Atomic bool osc_failed;		  /* osc -> main: standard output is closed */
	_Atomic bool engine_ready;		  /* engine -> main: its priority is known */
	_Atomic uint64_t engine_beats, osc_beats; /* signs of life */
	_Atomic int handover_answer;		  /* engine -> loader, enum */
	struct keyboards keyboards;		  /* osc -> engine */
	_Atomic int fill;			  /* engine -> osc: notes in the window */
	_Atomic int priority;			  /* engine -> main: what was granted */

	/* Main takes the source away before it closes it; osc reads its counters. Neither is a real-time thread. */
	pthread_mutex_t source_mutex;
	struct source *source;
	struct input_names names[INPUTS_MAX]; /* when the source has been taken away */
};

/* Main thread. On failure nothing is left. */
enum status shared_open(struct shared *shared, struct error *error);
void shared_close(struct shared *shared);

/* With the mutex. */
void shared_input_names(const struct source *source, int input, struct input_names *names);
/* Main thread. Takes the source away from the others; the caller closes it. */
struct source *shared_take_source(struct shared *shared);

#endif
