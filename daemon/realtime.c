/* Priority, locked memory and denormals, see realtime.h. Each call acts on the calling thread or the process. Asks neither
 * rtkit nor systemd: what PAM, limits or privileges grant is taken. */
#define _GNU_SOURCE
#include "daemon/realtime.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

void realtime_flush_denormals(void)
{
#if defined(__x86_64__) || defined(__i386__)
	_mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#elif defined(__aarch64__)
	uint64_t control;
	__asm__ volatile("mrs %0, fpcr" : "=r"(control));
	__asm__ volatile("msr fpcr, %0" : : "r"(control | (UINT64_C(1) << 24)));
#endif
}

int realtime_set_priority(int priority)
{
	int lowest = sched_get_priority_min(SCHED_FIFO);
	for (; priority >= lowest; priority--) {
		struct sched_param parameter = {.sched_priority = priority};
		if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter) == 0)
			return priority;
	}
	return 0;
}

void realtime_drop_priority(void)
{
	struct sched_param parameter = {.sched_priority = 0};
	pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameter);
}

int realtime_priority_limit(char *text, size_t size)
{
	struct rlimit limit = {0, 0};
	int policy;
	struct sched_param before, wanted = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
	getrlimit(RLIMIT_RTPRIO, &limit);
	/* Trying is the only answer that holds for privileges, limits and containers alike. */
	pthread_getschedparam(pthread_self(), &policy, &before);
	int refused = pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted);
	if (refused) {
		snprintf(text, size, "none (%s); add the user to the group audio, or allow rtprio in /etc/security/limits.d",
			 strerror(refused));
		return 0;
	}
	pthread_setschedparam(pthread_self(), policy, &before);
	int highest = sched_get_priority_max(SCHED_FIFO);
	if (limit.rlim_cur > 0 && limit.rlim_cur < (rlim_t)highest)
		highest = (int)limit.rlim_cur;
	snprintf(text, size, "SCHED_FIFO up to %d", highest);
	return highest;
}

struct locking {
	uint64_t locked, wanted; /* bytes */
	int refused;		 /* errno of the first refusal */
};

/* One line of /proc/self/maps: private memory that can be written is locked. */
static void lock_mapping(struct locking *locking, const char *line)
{
	uint64_t start, end;
	char access[8];
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end, access) != 3 || strncmp(access, "rw", 2) != 0 ||
	    access[3] != 'p')
		return;
	locking->wanted += end - start;
	if (mlock2((void *)(uintptr_t)start, end - start, MLOCK_ONFAULT) == 0)
		locking->locked += end - start;
	else if (!locking->refused)
		locking->refused = errno;
}

void realtime_lock_memory(char *text, size_t size)
{
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) == 0) {
		snprintf(text, size, "memory: locked");
		return;
	}
	struct locking locking = {0, 0, 0};
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof line, maps))
		lock_mapping(&locking, line);
	if (maps)
		fclose(maps);
	snprintf(text, size, "memory: %.1f of %.1f mapped MiB locked (%s; raise memlock in /etc/security/limits.d)",
		 (double)locking.locked / 1048576, (double)locking.wanted / 1048576,
		 locking.refused ? strerror(locking.refused) : "no /proc");
}
