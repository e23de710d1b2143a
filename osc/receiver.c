/* Sockets of receivers. The osc thread sends; the main thread makes those of the fixed targets before it starts.
 * Does not know what it sends, or to whom else it goes. */
#define _GNU_SOURCE
#include "osc/receiver.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int set_option(int fd, int option, int value)
{
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

/* Binds beside `owner`. Sockets of receivers always share the address; the owner does so only here, and at all other times
 * keeps a second daemon, or a thief, from it. */
static int bind_beside(int fd, const struct endpoint *local, int owner)
{
	if (set_option(owner, SO_REUSEADDR, 1) != 0 || set_option(fd, SO_REUSEADDR, 1) != 0)
		return -1;
	int result = bind(fd, (const struct sockaddr *)&local->address, local->size);
	int saved = errno;
	if (set_option(owner, SO_REUSEADDR, 0) != 0)
		return -1;
	errno = saved;
	return result;
}

static bool is_unreachable(int code)
{
	return code == ENETUNREACH || code == EHOSTUNREACH || code == ENETDOWN || code == EADDRNOTAVAIL;
}

enum status receiver_connect(struct receiver *receiver, const struct endpoint *local, int owner, struct error *error)
{
	char host[ENDPOINT_HOST_MAX];
	int family = receiver->peer.address.ss_family;

	endpoint_host(&receiver->peer, host);
	if (receiver->fd >= 0)
		close(receiver->fd);
	receiver->troubled = false;
	receiver->fd = -1;
	if (receiver->peer.size == 0)
		return STATUS_OK;
	receiver->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (receiver->fd < 0)
		return status_fail(error, STATUS_IO, "no socket for %s: %s", host, strerror(errno));
	endpoint_take_both(receiver->fd, &receiver->peer);
	/* A fixed target may be a broadcast address: the user wrote it down. Nobody subscribes for one. */
	if ((receiver->fixed && set_option(receiver->fd, SO_BROADCAST, 1) != 0) ||
	    (local && bind_beside(receiver->fd, local, owner) != 0) ||
	    connect(receiver->fd, (const struct sockaddr *)&receiver->peer.address, receiver->peer.size) != 0) {
		int code = errno;
		close(receiver->fd);
		receiver->fd = -1;
		receiver->troubled = true;
		if (is_unreachable(code))
			return STATUS_OK;
		return status_fail(error, STATUS_IO, "cannot send to %s port %d: %s", host, endpoint_port(&receiver->peer),
				   strerror(code));
	}
	return STATUS_OK;
}

void receiver_close(struct receiver *receiver)
{
	if (receiver->used && receiver->fd >= 0)
		close(receiver->fd);
	memset(receiver, 0, sizeof *receiver);
	receiver->fd = -1;
}

bool receiver_send(struct receiver *receiver, const void *datagram, size_t size)
{
	for (int attempt = 0; receiver->fd >= 0 && attempt < 3; attempt++) {
		if (send(receiver->fd, datagram, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			receiver->sent++;
			return true;
		}
		/* The answer to an earlier datagram: nobody listened then. This one has not been sent yet. */
		if (errno == ECONNREFUSED)
			receiver->unreachable++;
		else if (errno != EINTR)
			break;
	}
	receiver->failed++;
	if (receiver->peer.size == 0)
		return false;
	receiver->troubled = receiver->fd < 0 || (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED);
	return false;
}
