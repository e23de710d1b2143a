/* The signals that end the daemon, as a descriptor to poll. Main thread. */
#ifndef MIDIBERTD_DAEMON_SIGNALS_H
#define MIDIBERTD_DAEMON_SIGNALS_H

#include "base/status.h"

#include <stdbool.h>

/* SIGINT, SIGTERM and SIGHUP make the descriptor readable; SIGPIPE is ignored. */
enum status signals_open(int *descriptor, struct error *error);
void signals_close(int descriptor); /* back to the system's own handling; negative is allowed */

/* True: one has come. Never blocks. */
bool signals_take(int descriptor);

#endif
