/* Running on the virtual clock (--speed 0): one thread answers and sends, the file waits for it, and the same input gives
 * the same messages byte for byte. No /latency, no /status. Main thread. */
#ifndef MIDIBERTD_DAEMON_VIRTUAL_H
#define MIDIBERTD_DAEMON_VIRTUAL_H

#include "daemon/options.h"

/* Returns when the file is over or a signal has come, with everything finalised and sent. */
enum status virtual_run(const struct options *options, struct error *error);

#endif
