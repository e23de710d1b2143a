/* Threads side by side, see parallel.h. Offline: creates and joins threads. It knows nothing of results or errors. */
#define _GNU_SOURCE
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>

struct job {
	void (*work)(void *context);
	void *context;
};

bool parallel_take(struct parallel_items *items, size_t *item)
{
	*item = atomic_fetch_add(&items->next, 1);
	return *item < items->count;
}

void parallel_stop(struct parallel_items *items)
{
	atomic_store(&items->next, items->count);
}

int parallel_cores(void)
{
	cpu_set_t set;
	int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return cores < 1 ? 1 : cores > PARALLEL_MAX ? PARALLEL_MAX : cores;
}

static void *start(void *context)
{
	const struct job *job = context;
	job->work(job->context);
	return NULL;
}

void parallel_run(int threads, void (*work)(void *context), void *context)
{
	struct job job = {work, context};
	pthread_t helpers[PARALLEL_MAX];
	int started = 0;
	threads = threads <= 0 ? parallel_cores() : threads > PARALLEL_MAX ? PARALLEL_MAX : threads;
	while (started < threads - 1 && pthread_create(&helpers[started], NULL, start, &job) == 0)
		started++;
	work(context);
	while (started > 0)
		pthread_join(helpers[--started], NULL);
}
