/* From a message to datagrams: encoded once, sent to each receiver that wants it, printed once. osc thread.
 * The only file that writes to the network and to the terminal; decides nothing about what is sent. */
#define _GNU_SOURCE
#include "osc/server_state.h"

#include "base/clock.h"

#include <errno.h>
#include <time.h>

#define NTP_UNIX_SECONDS UINT64_C(2208988800) /* from 1900 to 1970 */

static int64_t realtime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void broadcast_measure_clock(struct osc_server *server)
{
	int64_t narrowest = INT64_MAX;

	/* Of a few readings the one that was interrupted least. */
	for (int i = 0; i < 4; i++) {
		int64_t before = clock_now_us();
		int64_t real = realtime_us();
		int64_t after = clock_now_us();
		if (after - before >= narrowest)
			continue;
		narrowest = after - before;
		server->unix_offset_us = real - (before + (after - before) / 2);
	}
}

static uint64_t ntp_time(const struct osc_server *server, int64_t time_us)
{
	int64_t unix_us = time_us + server->unix_offset_us;

	if (unix_us < 0)
		return 1; /* "immediately" */
	uint64_t seconds = (uint64_t)unix_us / 1000000, rest = (uint64_t)unix_us % 1000000;
	return (seconds + NTP_UNIX_SECONDS) << 32 | (rest << 32) / 1000000;
}

static void print_line(struct osc_server *server, enum osc_address address, const union osc_value *values, size_t count)
{
	char line[OSC_LINE_MAX];

	/* A terminal that is gone is not worth stopping for: the stream goes on. */
	if (server->print && osc_message_print(address, values, count, line, sizeof line) > 0)
		fprintf(server->print, "%s\n", line);
}

static void tell(struct osc_server *server, enum osc_address address, const union osc_value *values, size_t count)
{
	char line[OSC_LINE_MAX];

	if (server->told && osc_message_print(address, values, count, line, sizeof line) > 0)
		server->told(server->told_context, line);
}

static size_t encode(struct osc_server *server, enum osc_address address, const union osc_value *values, size_t count,
		     int64_t time_us, bool plain, unsigned char datagram[OSC_DATAGRAM_MAX])
{
	bool bundle = server->timing == OSC_TIMING_BUNDLE && !plain;
	size_t room = bundle ? OSC_DATAGRAM_MAX - OSC_BUNDLE_HEADER : OSC_DATAGRAM_MAX;
	size_t length = osc_message_encode(address, values, count, datagram, room);

	if (length == 0) {
		server->count.too_long++;
		return 0;
	}
	return bundle ? osc_message_wrap(datagram, length, ntp_time(server, time_us)) : length;
}

static bool send_to(struct osc_server *server, struct receiver *receiver, const void *datagram, size_t length)
{
	uint64_t unreachable = receiver->unreachable;
	bool done = receiver_send(receiver, datagram, length);

	server->count.sent += done;
	server->count.failed += !done;
	server->count.refused_by_target += receiver->unreachable - unreachable;
	return done;
}

/* The tap gets the message without the bundle around it. */
static void tap(struct osc_server *server, enum osc_address address, const unsigned char *datagram, size_t length,
		bool plain)
{
	size_t skip = server->timing == OSC_TIMING_BUNDLE && !plain ? OSC_BUNDLE_HEADER : 0;

	if (server->tap.take && length > skip)
		server->tap.take(server->tap.context, address, datagram + skip, length - skip);
}

int64_t broadcast_send(struct osc_server *server, enum osc_address address, const union osc_value *values, size_t count,
		       int64_t time_us)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];
	size_t length = 0;
	bool any = false;

	tell(server, address, values, count);
	for (int i = 0; i < ROSTER_MAX; i++) {
		struct receiver *receiver = &server->receiver[i];

		if (!receiver->used || !(receiver->wanted >> address & 1))
			continue;
		if (length == 0)
			length = encode(server, address, values, count, time_us, false, datagram);
		if (length == 0)
			return 0;
		any |= send_to(server, receiver, datagram, length);
	}
	int64_t sent_us = any ? clock_now_us() : 0;
	if (length == 0 && server->tap.take)
		length = encode(server, address, values, count, time_us, false, datagram);
	tap(server, address, datagram, length, false);
	if (!any)
		return 0;
	server->count.messages++;
	print_line(server, address, values, count);
	return sent_us;
}

void broadcast_send_one(struct osc_server *server, struct receiver *receiver, enum osc_address address,
			const union osc_value *values, size_t count)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];

	if (receiver && !(receiver->wanted >> address & 1))
		return;
	size_t length = encode(server, address, values, count, clock_now_us(), false, datagram);
	if (!receiver)
		tap(server, address, datagram, length, false);
	if (!receiver || length == 0 || !send_to(server, receiver, datagram, length))
		return;
	server->count.messages++;
	print_line(server, address, values, count);
}

void broadcast_answer(struct osc_server *server, const struct endpoint *to, enum osc_address address,
		      const union osc_value *values, size_t count)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];
	size_t length = encode(server, address, values, count, 0, true, datagram);

	if (!to)
		tap(server, address, datagram, length, true);
	if (!to || length == 0)
		return;
	if (sendto(server->control, datagram, length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to->address,
		   to->size) < 0) {
		server->count.failed++;
		return;
	}
	server->count.sent++;
	server->count.messages++;
	print_line(server, address, values, count);
}
