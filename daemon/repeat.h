/* A recording played again (--source file:NAME.take --speed 0): everything that was done to the engine is done to it again
 * at the recorded times, and everything is sent in the recorded order, so that with the same weights and backend the same
 * messages go out byte for byte (docs/RECORD.md). Main thread alone. */
#ifndef MIDIBERTD_DAEMON_REPEAT_H
#define MIDIBERTD_DAEMON_REPEAT_H

#include "daemon/options.h"

/* The file begins as a journal does. */
bool repeat_is_recording(const char *path);

/* Returns when everything is sent, or a signal has come. Says on standard error whether the messages are those that were
 * recorded; STATUS_BAD_DATA if they are not, though weights and backend are the same. */
enum status repeat_run(const struct options *options, struct error *error);

#endif
