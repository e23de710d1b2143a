/* The signals that end the daemon, as a descriptor to poll. Main thread, before any other thread starts: they inherit that
 * these signals are blocked. */
#ifndef MIDIBERTD_DAEMON_SIGNALS_H
#define MIDIBERTD_DAEMON_SIGNALS_H

#include "base/status.h"

#include <stdbool.h>

/* SIGINT, SIGTERM and SIGHUP end; SIGPIPE is ignored. */
enum status signals_open(int *descriptor, struct error *error);
void signals_close(int descriptor); /* negative is allowed */

/* True: one has come. Never blocks. */
bool signals_take(int descriptor);

#endif
