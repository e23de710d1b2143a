/* The same work on several threads at once, for offline tools: items are taken in turn, what an item gives lands at its own
 * place, and so no result depends on the number of threads. No pool, no queue: threads live for one call. */
#ifndef MIDIBERTD_BASE_PARALLEL_H
#define MIDIBERTD_BASE_PARALLEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define PARALLEL_MAX 64 /* threads */

/* Items 0..count-1 that the next free thread takes; start with {.count = N}. */
struct parallel_items {
	size_t count;
	_Atomic size_t next;
};

/* Any thread. False: none is left. Every item before one that was taken has been taken, too. */
bool parallel_take(struct parallel_items *items, size_t *item);

/* Any thread. Nobody takes another. */
void parallel_stop(struct parallel_items *items);

/* Cores that this process may use, 1 to PARALLEL_MAX. */
int parallel_cores(void);

/* Runs work(context) on so many threads, the caller's among them, and returns when all have. threads: at most PARALLEL_MAX
 * are used; 0: parallel_cores(). Where the system gives fewer threads, fewer run: work must end only when its items do.
 * State of a thread's own belongs on its stack. */
void parallel_run(int threads, void (*work)(void *context), void *context);

#endif
