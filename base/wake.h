/* Wakes a thread that waits for rings: an eventfd, so that it can stand beside sockets in poll(2). */
#ifndef MIDIBERTD_BASE_WAKE_H
#define MIDIBERTD_BASE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

/* Set-up thread. Returns a non-blocking descriptor, or -1 with errno. Close it with close(2). */
int wake_open(void);

/* Any thread. One system call, never blocks: a JACK client posts after jack_cycle_signal, outside the cycle. */
void wake_post(int wake);

/* Waiting thread. Returns when posted or after timeout_us (negative: no time-out); true when posted. Clears the post. */
bool wake_wait(int wake, int64_t timeout_us);

/* Waiting thread. Clears the post after a poll(2) of its own. */
void wake_clear(int wake);

#endif
