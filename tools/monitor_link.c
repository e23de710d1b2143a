/* The monitor's subscription, see monitor_link.h. Main thread. Does not know what the stream is about. */
#define _GNU_SOURCE
#include "tools/monitor_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define ASK_US (SECOND_US / 4)	       /* while nobody has accepted us */
#define RENEW_US (20 * SECOND_US)      /* a third of the lease */
#define SILENCE_US (SECOND_US * 3 / 2) /* /midibert/status comes every second: ask whether we are still known */
#define GONE_US (3 * SECOND_US)
#define RECEIVE_BYTES (1 << 20)
#define DATAGRAMS_A_CALL 256

/* ---- sending ---- */

static size_t put_text(char *bytes, const char *text)
{
	size_t length = strlen(text) + 1, padded = (length + 3) & ~(size_t)3;

	memset(bytes, 0, padded);
	memcpy(bytes, text, length);
	return padded;
}

/* A control message with no argument, or with one number. Errors show as silence. */
static void send_control(struct monitor_link *link, enum osc_address address, const int32_t *number)
{
	char bytes[64];
	size_t size = put_text(bytes, osc_namespace[address].address);

	size += put_text(bytes + size, number ? ",i" : ",");
	for (int shift = 24; number && shift >= 0; shift -= 8)
		bytes[size++] = (char)((uint32_t)*number >> shift & 0xff);
	ssize_t sent = send(link->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)sent;
}

/* ---- life ---- */

/* A new socket has a new port: whatever the daemon still sends to the old one is not ours to count. */
static enum status connect_anew(struct monitor_link *link, struct error *error)
{
	int bytes = RECEIVE_BYTES;

	if (link->fd >= 0)
		close(link->fd);
	link->taken = 0;
	link->lost = -1;
	link->session[0] = '\0';
	link->local.size = sizeof link->local.address;
	link->fd = socket(link->daemon.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return status_fail(error, STATUS_IO, "no socket: %s", strerror(errno));
	/* As much as the system gives: a page is drawn between two reads. */
	(void)setsockopt(link->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	if (connect(link->fd, (const struct sockaddr *)&link->daemon.address, link->daemon.size) != 0 ||
	    getsockname(link->fd, (struct sockaddr *)&link->local.address, &link->local.size) != 0)
		return status_fail(error, STATUS_IO, "no way to the daemon: %s", strerror(errno));
	return STATUS_OK;
}

enum status monitor_link_open(struct monitor_link *link, const char *control, bool statistics, struct error *error)
{
	*link = (struct monitor_link){.fd = -1, .statistics = statistics, .asked_us = INT64_MIN / 2};
	enum status status = endpoint_resolve(control, false, &link->daemon, error);
	if (status == STATUS_OK)
		status = connect_anew(link, error);
	if (status != STATUS_OK)
		monitor_link_close(link);
	return status;
}

void monitor_link_unsubscribe(struct monitor_link *link)
{
	if (link->state == MONITOR_LINK_UP)
		send_control(link, OSC_IN_UNSUBSCRIBE, NULL);
}

void monitor_link_close(struct monitor_link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

static void lose(struct monitor_link *link)
{
	if (link->state != MONITOR_LINK_UP)
		return;
	monitor_link_unsubscribe(link); /* it may only have been slow */
	link->state = MONITOR_LINK_GONE;
	connect_anew(link, NULL); /* failed: tick tries again */
}

static int64_t next_ask(const struct monitor_link *link)
{
	if (link->state != MONITOR_LINK_UP)
		return link->asked_us + ASK_US;
	int64_t renew = link->asked_us + RENEW_US, doubt = link->stream_us + SILENCE_US;
	if (doubt < link->asked_us + SECOND_US / 2)
		doubt = link->asked_us + SECOND_US / 2;
	return renew < doubt ? renew : doubt;
}

void monitor_link_tick(struct monitor_link *link, int64_t now_us)
{
	if (link->state == MONITOR_LINK_UP && now_us >= link->heard_us + GONE_US)
		lose(link);
	if (now_us >= next_ask(link)) {
		link->asked_us = now_us;
		if (link->fd >= 0 || connect_anew(link, NULL) == STATUS_OK)
			send_control(link, OSC_IN_SUBSCRIBE, NULL);
	}
	if (link->statistics && link->state == MONITOR_LINK_UP && now_us >= link->counted_us + SECOND_US) {
		link->counted_us = now_us;
		send_control(link, OSC_IN_STATS, NULL);
	}
}

int64_t monitor_link_deadline(const struct monitor_link *link)
{
	int64_t deadline = next_ask(link);

	if (link->state == MONITOR_LINK_UP && link->heard_us + GONE_US < deadline)
		deadline = link->heard_us + GONE_US;
	if (link->statistics && link->state == MONITOR_LINK_UP && link->counted_us + SECOND_US < deadline)
		deadline = link->counted_us + SECOND_US;
	return deadline;
}

/* ---- receiving ---- */

struct reading {
	struct monitor_link *link;
	int64_t now_us;
	void (*take)(void *context, enum osc_address address, const struct osc_received *message);
	void *context;
	bool answer; /* the datagram was not of the stream */
	bool ended;
};

static void compare_counts(struct monitor_link *link, const struct osc_received *message)
{
	char host[ENDPOINT_HOST_MAX];

	endpoint_host(&link->local, host);
	if (strcmp(message->text[0], host) != 0 || (int)message->number[1] != endpoint_port(&link->local))
		return;
	int64_t lost = (int64_t)message->number[2] - (int64_t)link->taken;
	link->lost = lost > 0 ? lost : 0;
}

static void take_answer(struct reading *reading, enum osc_address address, const struct osc_received *message)
{
	struct monitor_link *link = reading->link;

	switch (address) {
	case OSC_SUBSCRIBED:
		reading->ended = message->number[1] <= 0;
		if (reading->ended || link->state == MONITOR_LINK_UP)
			break;
		link->state = MONITOR_LINK_UP;
		link->stream_us = reading->now_us;
		link->refusal[0] = '\0';
		break;
	case OSC_CHALLENGE: {
		int32_t number = (int32_t)message->number[0];
		send_control(link, OSC_IN_CONFIRM, &number);
		break;
	}
	case OSC_STATS_RECEIVER: compare_counts(link, message); break;
	default: break;
	}
}

static void take_stream(struct reading *reading, enum osc_address address, const struct osc_received *message)
{
	struct monitor_link *link = reading->link;

	link->stream_us = reading->now_us;
	/* It is the first thing that a subscriber gets. */
	if (address == OSC_STATUS_SESSION && strncmp(link->session, message->text[0], sizeof link->session - 1) != 0) {
		snprintf(link->session, sizeof link->session, "%.63s", message->text[0]);
		link->taken = 0;
		link->lost = -1;
	}
	reading->take(reading->context, address, message);
}

static void take_message(void *context, const struct osc_received *message)
{
	struct reading *reading = context;
	struct monitor_link *link = reading->link;
	char types[OSC_ARGUMENTS_MAX + 1];
	int address = osc_namespace_find(OSC_DIRECTION_OUT, message->address);

	if (address < 0 || !osc_namespace_types((enum osc_address)address, message->count, types) ||
	    strcmp(types, message->types) != 0) {
		link->unreadable++;
	} else if (!osc_namespace[address].stream) {
		reading->answer = true;
		take_answer(reading, (enum osc_address)address, message);
	} else if (link->state != MONITOR_LINK_UP && address == OSC_ERROR) {
		reading->answer = true;
		snprintf(link->refusal, sizeof link->refusal, "%s", message->text[1]);
	} else {
		take_stream(reading, (enum osc_address)address, message);
	}
}

bool monitor_link_receive(struct monitor_link *link, int64_t now_us,
			  void (*take)(void *context, enum osc_address address, const struct osc_received *message),
			  void *context)
{
	struct reading reading = {.link = link, .now_us = now_us, .take = take, .context = context};
	unsigned char datagram[OSC_DATAGRAM_MAX];

	for (int i = 0; i < DATAGRAMS_A_CALL && link->fd >= 0; i++) {
		ssize_t size = recv(link->fd, datagram, sizeof datagram, MSG_DONTWAIT | MSG_TRUNC);

		if (size < 0) {
			if (errno == ECONNREFUSED)
				lose(link);
			break;
		}
		link->heard_us = now_us;
		reading.answer = false;
		if (osc_message_decode(datagram, (size_t)size, take_message, &reading))
			link->unreadable++;
		link->taken += !reading.answer;
	}
	return reading.ended;
}
