/* The osc thread: sends events and predictions, takes control messages, and once a second says how things are. */
#ifndef MIDIBERTD_DAEMON_PUBLISHER_H
#define MIDIBERTD_DAEMON_PUBLISHER_H

#include "daemon/announcer.h"
#include "daemon/latency.h"
#include "daemon/loader.h"
#include "daemon/recorder.h"
#include "daemon/shared.h"
#include "osc/server.h"
#include "stream/grid.h"

#include <stdio.h>

struct publisher {
	struct shared *shared;
	struct osc_server *server;
	const struct grid *grid;    /* of a file: read for its tempo; NULL: live, told by cues */
	int priority;		    /* wanted, of SCHED_FIFO: below the engine's, for what it says must leave; 0: none */
	FILE *print;		    /* watched for a closed terminal; NULL: none */
	struct loader *loader;	    /* of other weights; NULL on the virtual clock, which takes no command */
	struct recorder *recorder;  /* NULL: nothing is recorded */
	struct announcer announcer; /* server and recorder are set by publisher_start */
	/* osc thread only */
	struct latency latency;
	int64_t second_us; /* when the next status is due */
	double bpm;	   /* last told */
	bool paused;
	uint64_t events;		     /* taken from the source so far */
	int32_t skipped_first, skipped_last; /* ids of notes that began in the last pause; 0: none */
	enum osc_state state;
	struct osc_status status; /* last told; also what is left when the source has gone */
	int32_t period_us;
	bool waiting;  /* for the source's server; last told */
	uint32_t take; /* how many resets have been sent */
};

/* Main thread, once the fields above are set. */
void publisher_start(struct publisher *publisher);

/* The thread; context is the struct publisher. Ends when the engine thread is done and everything is sent. */
void *publisher_run(void *context);

/* Sends what the engine said, but about notes that were not told. Returns as osc_server_send_prediction does. */
int64_t publisher_send_prediction(struct publisher *publisher, const struct prediction *prediction, int64_t now_us);

/* Sends one event, with what goes before it (a file's new tempo) and beside it (the name of an input). */
void publisher_send_event(struct publisher *publisher, const struct event *event, int64_t now_us);

/* What a control message changes here. */
void publisher_apply(struct publisher *publisher, enum order_kind kind);

/* For struct osc_server_options: hands messages to the recorder. The context is the struct publisher. */
void publisher_told(void *context, const char *line);

#endif
