/* Making and unmaking what the threads share. Main thread. */
#include "daemon/shared.h"

#include "base/wake.h"
#include "stream/beat.h"

#include <string.h>
#include <unistd.h>

/* At 10 000 notes a second either reader may be late by more than half a second before anything is dropped. */
#define EVENTS 16384
#define PREDICTIONS 32768
#define CUES 4096 /* a clock makes one a tick: at 256 bpm the reader may be late by 40 s */
#define ORDERS 64

enum status shared_open(struct shared *shared, struct error *error)
{
	memset(shared, 0, sizeof *shared);
	shared->engine_events = ring_new(sizeof(struct event), EVENTS);
	shared->osc_events = ring_new(sizeof(struct event), EVENTS);
	shared->predictions = ring_new(sizeof(struct prediction), PREDICTIONS);
	shared->cues = ring_new(sizeof(struct beat_cue), CUES);
	shared->orders = ring_new(sizeof(struct order), ORDERS);
	shared->handovers = ring_new(sizeof(struct handover), 1);
	shared->engine_wake = wake_open();
	shared->osc_wake = wake_open();
	shared->main_wake = wake_open();
	shared->loader_wake = wake_open();
	pthread_mutex_init(&shared->source_mutex, NULL);
	if (shared->engine_events && shared->osc_events && shared->predictions && shared->cues && shared->orders &&
	    shared->handovers && shared->engine_wake >= 0 && shared->osc_wake >= 0 && shared->main_wake >= 0 &&
	    shared->loader_wake >= 0)
		return STATUS_OK;
	shared_close(shared);
	return status_fail(error, STATUS_NO_MEMORY, "no memory or descriptors for the rings between threads");
}

void shared_close(struct shared *shared)
{
	int wake[] = {shared->engine_wake, shared->osc_wake, shared->main_wake, shared->loader_wake};
	ring_free(shared->engine_events);
	ring_free(shared->osc_events);
	ring_free(shared->predictions);
	ring_free(shared->cues);
	ring_free(shared->orders);
	ring_free(shared->handovers);
	for (size_t i = 0; i < sizeof wake / sizeof wake[0]; i++)
		if (wake[i] >= 0)
			close(wake[i]);
	pthread_mutex_destroy(&shared->source_mutex);
	memset(shared, 0, sizeof *shared);
	shared->engine_wake = shared->osc_wake = shared->main_wake = shared->loader_wake = -1;
}

void shared_input_names(const struct source *source, int input, struct input_names *names)
{
	source_input_name(source, input, names->name, sizeof names->name);
	source_input_identity(source, input, names->identity, sizeof names->identity);
}

struct source *shared_take_source(struct shared *shared)
{
	pthread_mutex_lock(&shared->source_mutex);
	struct source *source = shared->source;
	for (int i = 0; source && i < INPUTS_MAX; i++)
		shared_input_names(source, i, &shared->names[i]);
	shared->source = NULL;
	pthread_mutex_unlock(&shared->source_mutex);
	return source;
}
