/* Who receives: fixed targets, and subscribers with a lease and a pattern. A bounded table; osc thread. */
#define _GNU_SOURCE
#include "osc/server_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define LEASE_US (INT64_C(1000000) * OSC_LEASE_SECONDS)
#define RECONNECT_US 5000000

_Static_assert(OSC_OUT_END <= 64, "one bit an address");

uint64_t roster_wanted(const char *pattern)
{
	uint64_t wanted = 0;

	for (int i = 0; i < OSC_OUT_END; i++)
		if (osc_namespace[i].stream && osc_message_pattern_match(osc_namespace[i].address, pattern))
			wanted |= UINT64_C(1) << i;
	return wanted;
}

static struct receiver *free_slot(struct osc_server *server)
{
	for (int i = 0; i < ROSTER_MAX; i++)
		if (!server->receiver[i].used)
			return &server->receiver[i];
	return NULL;
}

struct receiver *roster_find(struct osc_server *server, const struct endpoint *peer)
{
	for (int i = 0; i < ROSTER_MAX; i++)
		if (server->receiver[i].used && server->receiver[i].peer.size > 0 &&
		    endpoint_equal(&server->receiver[i].peer, peer))
			return &server->receiver[i];
	return NULL;
}

int roster_subscribers(const struct osc_server *server)
{
	int count = 0;

	for (int i = 0; i < ROSTER_MAX; i++)
		count += server->receiver[i].used && server->receiver[i].leased;
	return count;
}

enum status roster_add_fixed(struct osc_server *server, const struct endpoint *peer, int name, struct error *error)
{
	if (peer->size > 0 && roster_find(server, peer))
		return STATUS_OK; /* named twice: one stream */
	struct receiver *receiver = free_slot(server);
	if (!receiver)
		return status_fail(error, STATUS_FULL, "more than %d targets", OSC_TARGETS_MAX);
	*receiver = (struct receiver){.peer = *peer,
				      .fd = -1,
				      .used = true,
				      .fixed = true,
				      .name = name,
				      .briefed_us = INT64_MIN,
				      .wanted = WANTS_ALL};
	enum status status = receiver_connect(receiver, NULL, -1, error);
	if (status != STATUS_OK)
		receiver_close(receiver);
	return status;
}

void roster_move_fixed(struct osc_server *server, struct receiver *target, const struct endpoint *peer)
{
	struct receiver *other = roster_find(server, peer);

	if (other == target)
		return;
	target->leased = false;
	target->pattern[0] = '\0';
	target->wanted = WANTS_ALL;
	target->peer = *peer;
	if (other && other->fixed) { /* two names of one place: one stream */
		target->wanted = 0;
		target->peer.size = 0;
	} else if (other) { /* it had subscribed before its name was known */
		target->leased = other->leased;
		target->lease_end_us = other->lease_end_us;
		target->wanted = other->wanted;
		memcpy(target->pattern, other->pattern, sizeof target->pattern);
		receiver_close(other);
	}
	receiver_connect(target, NULL, -1, NULL);
}

/* Subscribers' sockets are read, too: what they send to the control port arrives there. */
static enum status connect_subscriber(struct osc_server *server, struct receiver *receiver, struct error *error)
{
	struct epoll_event interest = {.events = EPOLLIN, .data.u32 = (uint32_t)(receiver - server->receiver)};

	enum status status = receiver_connect(receiver, &server->local, server->control, error);
	if (status != STATUS_OK || receiver->fd < 0)
		return status;
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, receiver->fd, &interest) != 0)
		return status_fail(error, STATUS_IO, "epoll: %s", strerror(errno));
	return STATUS_OK;
}

struct receiver *roster_subscribe(struct osc_server *server, const struct endpoint *peer, const char *pattern,
				  int64_t now_us, const char **reason)
{
	struct receiver *receiver = roster_find(server, peer);
	uint64_t wanted = pattern[0] != '\0' ? roster_wanted(pattern) : WANTS_ALL;

	if (!receiver) {
		receiver = roster_subscribers(server) < server->max_subscribers ? free_slot(server) : NULL;
		if (!receiver) {
			*reason = "no room for another subscriber";
			return NULL;
		}
		*receiver = (struct receiver){.peer = *peer, .fd = -1, .used = true, .briefed_us = INT64_MIN};
		if (connect_subscriber(server, receiver, NULL) != STATUS_OK) {
			receiver_close(receiver);
			*reason = "the system gives no socket for another subscriber";
			return NULL;
		}
	}
	receiver->leased = true;
	receiver->lease_end_us = now_us + LEASE_US;
	receiver->wanted = wanted;
	snprintf(receiver->pattern, sizeof receiver->pattern, "%s", pattern);
	return receiver;
}

void roster_unsubscribe(struct osc_server *server, struct receiver *receiver)
{
	(void)server; /* closing a socket takes it out of epoll */
	if (!receiver->fixed) {
		receiver_close(receiver);
		return;
	}
	receiver->leased = false;
	receiver->wanted = WANTS_ALL;
	receiver->pattern[0] = '\0';
}

void roster_expire(struct osc_server *server, int64_t now_us)
{
	bool reconnect = now_us >= server->reconnect_us || server->reconnect_us > now_us + RECONNECT_US;

	if (reconnect)
		server->reconnect_us = now_us + RECONNECT_US;
	for (int i = 0; i < ROSTER_MAX; i++) {
		struct receiver *receiver = &server->receiver[i];

		if (receiver->used && receiver->leased && receiver->lease_end_us <= now_us)
			roster_unsubscribe(server, receiver);
		if (!receiver->used || !reconnect)
			continue;
		uint64_t trouble = receiver->failed + receiver->unreachable;
		if (receiver->name > 0 && trouble > receiver->suspected)
			resolver_hurry(server->resolver, receiver->name - 1);
		receiver->suspected = trouble;
		if (!receiver->troubled)
			continue;
		if (receiver->fixed)
			receiver_connect(receiver, NULL, -1, NULL);
		else
			connect_subscriber(server, receiver, NULL);
	}
}

int64_t roster_deadline(const struct osc_server *server)
{
	int64_t earliest = INT64_MAX;

	for (int i = 0; i < ROSTER_MAX; i++) {
		const struct receiver *receiver = &server->receiver[i];

		if (!receiver->used)
			continue;
		if (receiver->leased && receiver->lease_end_us < earliest)
			earliest = receiver->lease_end_us;
		if (receiver->troubled && server->reconnect_us < earliest)
			earliest = server->reconnect_us;
	}
	return earliest;
}
