/* Weights that are loaded while the daemon plays: a thread for each, beside all others. It reads and checks the file, warms
 * an engine up, lets it relive what the engine in use remembers, has the engine thread change over between two notes, and
 * frees what was in use before. One at a time. */
#ifndef MIDIBERTD_DAEMON_LOADER_H
#define MIDIBERTD_DAEMON_LOADER_H

#include "daemon/options.h"
#include "daemon/setup.h"
#include "daemon/shared.h"
#include "osc/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum loader_state { LOADER_IDLE, LOADER_WORKS, LOADER_DONE };

struct loader {
	struct shared *shared;
	const struct options *options;
	struct setup *setup; /* in use; the loader's while it works, main's otherwise */
	_Atomic int state;   /* enum loader_state: the osc thread starts and ends a load */
	_Atomic bool told;   /* osc -> loader: everybody knows the new model */
	_Atomic bool cancel; /* main -> loader: no thread answers any more */
	pthread_t thread;
	/* the osc thread's when idle or done, the loader's while it works */
	struct osc_command command;
	struct osc_command next; /* the osc thread's: the one that waits */
	bool waits;
	struct setup beside;
	const struct model *model; /* that is put in place */
	int window;
	enum status status;
	struct error error;
};

/* osc thread. One may wait for the one that is under way. False: another waits, or the system gives no thread. */
bool loader_start(struct loader *loader, const struct osc_command *command);
/* osc thread, at PREDICT_MODEL: tells everybody what follows. */
void loader_tell(struct loader *loader, struct osc_server *server);
/* osc thread. Once for each load, when it is over: answers who asked for it. */
void loader_answer(struct loader *loader, struct osc_server *server, int64_t now_us);

/* Main thread, when neither the engine thread nor the osc thread runs any more. A file that is being read is read to its
 * end. */
void loader_close(struct loader *loader);

#endif
