/* Listening and accepting, see listener.h. Reads and writes nothing. */
#define _GNU_SOURCE
#include "web/listener.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 32
#define SEND_BYTES 32768

enum status listener_open(const char *text, int *opened, int *port, struct error *error)
{
	struct endpoint local;
	int yes = 1;
	*opened = -1;
	enum status status = endpoint_resolve(text, true, &local, error);
	if (status != STATUS_OK)
		return status;
	int fd = socket(local.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return status_fail(error, STATUS_IO, "no socket for HTTP on %s: %s", text, strerror(errno));
	endpoint_take_both(fd, &local);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
	    bind(fd, (const struct sockaddr *)&local.address, local.size) != 0 || listen(fd, BACKLOG) != 0) {
		int code = errno;
		close(fd);
		if (code == EADDRINUSE)
			return status_fail(error, STATUS_IO,
					   "HTTP address %s is in use, by another midibertd or another program: choose "
					   "another with --http HOST:PORT, or --http off",
					   text);
		return status_fail(error, STATUS_IO, "cannot listen for HTTP on %s: %s", text, strerror(code));
	}
	local.size = sizeof local.address;
	if (getsockname(fd, (struct sockaddr *)&local.address, &local.size) != 0) {
		close(fd);
		return status_fail(error, STATUS_IO, "HTTP socket: %s", strerror(errno));
	}
	*port = endpoint_port(&local);
	*opened = fd;
	return STATUS_OK;
}

int listener_accept(int fd, struct endpoint *peer)
{
	memset(peer, 0, sizeof *peer);
	peer->size = sizeof peer->address;
	int accepted = accept4(fd, (struct sockaddr *)&peer->address, &peer->size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int room = SEND_BYTES;
	/* What waits in the kernel is as late as what waits here, and cannot be taken back. */
	if (accepted >= 0)
		setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return accepted;
}
