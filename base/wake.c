/* An eventfd with the three calls that the threads of the daemon need. */
#define _GNU_SOURCE
#include "base/wake.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int wake_open(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void wake_post(int wake)
{
	uint64_t one = 1;
	/* A full counter (EAGAIN) is already a pending wake-up. */
	ssize_t written = write(wake, &one, sizeof one);
	(void)written;
}

void wake_clear(int wake)
{
	uint64_t count;
	ssize_t got = read(wake, &count, sizeof count);
	(void)got;
}

bool wake_wait(int wake, int64_t timeout_us)
{
	struct pollfd waiting = {.fd = wake, .events = POLLIN};
	struct timespec timeout = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
	if (ppoll(&waiting, 1, timeout_us < 0 ? NULL : &timeout, NULL) <= 0)
		return false;
	wake_clear(wake);
	return true;
}
