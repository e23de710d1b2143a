/* Signals as a descriptor, see signals.h. A handler and not signalfd: OpenBLAS has started threads of its own before main
 * begins, in which the signals are not blocked, and one of them would end the program. */
#define _GNU_SOURCE
#include "daemon/signals.h"

#include "base/wake.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
static atomic_int handler_wake = -1; /* a handler has no other way to know it */

/* Whatever thread the signal finds: one write, which is safe in a handler. */
static void handle(int number)
{
	int before = errno;
	(void)number;
	wake_post(atomic_load(&handler_wake));
	errno = before;
}

static int set_handlers(void (*handler)(int number))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	int failed = 0;
	for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
		failed |= sigaction(ending[i], &action, NULL);
	return failed;
}

enum status signals_open(int *descriptor, struct error *error)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	*descriptor = wake_open();
	atomic_store(&handler_wake, *descriptor);
	if (*descriptor >= 0 && sigaction(SIGPIPE, &ignore, NULL) == 0 && set_handlers(handle) == 0)
		return STATUS_OK;
	int why = errno;
	signals_close(*descriptor);
	*descriptor = -1;
	return status_fail(error, STATUS_IO, "signals: %s", strerror(why));
}

void signals_close(int descriptor)
{
	if (descriptor < 0)
		return;
	set_handlers(SIG_DFL);
	atomic_store(&handler_wake, -1);
	close(descriptor);
}

bool signals_take(int descriptor)
{
	return wake_wait(descriptor, 0);
}
