/* What a thread asks of the system so that it answers in time: priority, locked memory, no denormals. Never fails: what is
 * not granted is told in words. */
#ifndef MIDIBERTD_DAEMON_REALTIME_H
#define MIDIBERTD_DAEMON_REALTIME_H

#include <stddef.h>

/* The calling thread. Denormals are flushed to zero from here on: they cost a hundred times a normal number. */
void realtime_flush_denormals(void);

/* The calling thread: SCHED_FIFO at `priority`, or the highest below it that is allowed. Returns what was granted, 0 none.
 */
int realtime_set_priority(int priority);

/* The calling thread: no real-time priority, which a new thread has from the one that began it. */
void realtime_drop_priority(void);

/* Main thread, after everything is allocated and warm. Locks the memory that is in use, as far as RLIMIT_MEMLOCK allows;
 * pages that were never touched are locked when they are. Writes "memory: ..." into text. */
void realtime_lock_memory(char *text, size_t size);

/* Writes "priority: up to N" or why there is none, for --doctor. Returns the highest allowed, 0 none. */
int realtime_priority_limit(char *text, size_t size);

#endif
