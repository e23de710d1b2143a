/* Signals as a descriptor, see signals.h. Main thread. */
#define _GNU_SOURCE
#include "daemon/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum status signals_open(int *descriptor, struct error *error)
{
	sigset_t ending;
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	*descriptor = -1;
	if (sigprocmask(SIG_BLOCK, &ending, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0 ||
	    (*descriptor = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return status_fail(error, STATUS_IO, "signals: %s", strerror(errno));
	return STATUS_OK;
}

void signals_close(int descriptor)
{
	if (descriptor >= 0)
		close(descriptor);
}

bool signals_take(int descriptor)
{
	struct signalfd_siginfo info;
	return read(descriptor, &info, sizeof info) == sizeof info;
}
