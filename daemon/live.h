/* Running in real time: four threads, from the first input to the last label sent (docs/THREADS.md). Main thread. */
#ifndef MIDIBERTD_DAEMON_LIVE_H
#define MIDIBERTD_DAEMON_LIVE_H

#include "daemon/options.h"

/* Returns when a file is over or a signal has come, with everything finalised and sent. */
enum status live_run(const struct options *options, struct error *error);

#endif
