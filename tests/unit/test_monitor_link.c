/* The monitor's subscription against the real OSC server, over loopback, with time handed in: leases that last, daemons that
 * forget, fall silent or are replaced, datagrams that get lost. */
#include "tools/monitor_link.h"

#include "osc/server.h"
#include "test_osc_support.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP_US (SECOND / 4)

struct bed {
	struct osc_server *server;
	struct monitor_link link;
	char control[HOST_MAX];
	int64_t now_us;
	uint64_t taken[OSC_OUT_END];
	bool reading, ended; /* reading: the server reads its control port */
};

static void ignore_command(void *context, const struct osc_command *command)
{
	(void)context;
	(void)command;
}

static void count(void *context, enum osc_address address, const struct osc_received *message)
{
	struct bed *bed = context;

	(void)message;
	bed->taken[address]++;
}

static void start_server(struct bed *bed, const char *control)
{
	const struct osc_server_options options = {.control = control, .start_us = bed->now_us};
	struct error error;

	if (osc_server_open(&options, &bed->server, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	own_address(osc_server_port(bed->server), bed->control);
	bed->reading = true;
}

static struct bed open_bed(bool statistics)
{
	struct bed bed = {.now_us = 1000 * SECOND};
	struct error error;

	start_server(&bed, own_control());
	assert_int_equal(monitor_link_open(&bed.link, bed.control, statistics, &error), STATUS_OK);
	return bed;
}

static void close_bed(struct bed *bed)
{
	monitor_link_close(&bed->link);
	osc_server_close(bed->server);
}

static void serve(struct bed *bed)
{
	const struct osc_command_sink sink = {ignore_command, NULL};

	if (!bed->server || !bed->reading)
		return;
	osc_server_receive(bed->server, bed->now_us, &sink);
	osc_server_expire(bed->server, bed->now_us);
}

static void step(struct bed *bed, int64_t us, bool status)
{
	const struct osc_status playing = {.state = OSC_STATE_PLAYING};

	for (int64_t end_us = bed->now_us + us; bed->now_us < end_us; bed->now_us += STEP_US) {
		monitor_link_tick(&bed->link, bed->now_us);
		serve(bed);
		if (status && bed->server && bed->now_us % SECOND == 0)
			osc_server_send_status(bed->server, &playing);
		bed->ended = monitor_link_receive(&bed->link, bed->now_us, count, bed);
	}
}

static int subscribers(const struct bed *bed)
{
	struct osc_server_statistics statistics;

	osc_server_statistics(bed->server, &statistics);
	return statistics.subscribers;
}

static void a_lease_is_renewed_in_time_and_not_more_often(void **state)
{
	struct bed bed = open_bed(false);
	struct osc_server_statistics statistics;

	(void)state;
	assert_int_equal(bed.link.state, MONITOR_LINK_ASKING);
	for (int second = 0; second < 200; second++) {
		step(&bed, SECOND, true);
		assert_int_equal(bed.link.state, MONITOR_LINK_UP);
		assert_int_equal(subscribers(&bed), 1);
	}
	osc_server_statistics(bed.server, &statistics);
	assert_in_range(statistics.received, 10, 11);	  /* the first, and one every 20 s */
	assert_in_range(bed.taken[OSC_STATUS], 200, 211); /* and one with each renewal */
	close_bed(&bed);
}

static void leaving_ends_the_subscription(void **state)
{
	struct bed bed = open_bed(true);

	(void)state;
	step(&bed, SECOND, true);
	assert_int_equal(subscribers(&bed), 1);
	monitor_link_unsubscribe(&bed.link);
	serve(&bed);
	assert_int_equal(subscribers(&bed), 0);
	assert_true(monitor_link_receive(&bed.link, bed.now_us, count, &bed));
	close_bed(&bed);
}

static void a_daemon_in_the_place_of_another_is_taken_for_what_it_is(void **state)
{
	struct bed bed = open_bed(true);
	char control[32], session[64];

	(void)state;
	step(&bed, 60 * SECOND, true);
	assert_int_equal(bed.link.lost, 0);
	snprintf(control, sizeof control, "%s", bed.control);
	snprintf(session, sizeof session, "%s", bed.link.session);
	osc_server_close(bed.server);
	bed.now_us += STEP_US;
	start_server(&bed, control); /* before anything was sent to the port where nobody was */
	step(&bed, 4 * SECOND, true);
	assert_int_equal(bed.link.state, MONITOR_LINK_UP);
	assert_int_equal(subscribers(&bed), 1);
	assert_string_not_equal(bed.link.session, session);
	assert_in_range(bed.link.taken, 1, 20);
	assert_int_equal(bed.link.lost, 0);
	close_bed(&bed);
}

static void a_daemon_that_ends_is_noticed_and_waited_for(void **state)
{
	struct bed bed = open_bed(true);
	char control[32];

	(void)state;
	step(&bed, 2 * SECOND, true);
	snprintf(control, sizeof control, "%s", bed.control);
	osc_server_close(bed.server);
	bed.server = NULL;
	step(&bed, 4 * SECOND, false);
	assert_int_equal(bed.link.state, MONITOR_LINK_GONE);
	step(&bed, 300 * SECOND, false);
	start_server(&bed, control);
	step(&bed, SECOND, true);
	assert_int_equal(bed.link.state, MONITOR_LINK_UP);
	assert_int_equal(subscribers(&bed), 1);
	step(&bed, SECOND, true);
	assert_int_equal(bed.link.lost, 0);
	close_bed(&bed);
}

static void a_daemon_that_hangs_is_gone_until_it_answers(void **state)
{
	struct bed bed = open_bed(true);

	(void)state;
	step(&bed, 2 * SECOND, true);
	bed.reading = false;
	step(&bed, 2 * SECOND, false);
	assert_int_equal(bed.link.state, MONITOR_LINK_UP); /* it may only be late */
	step(&bed, 2 * SECOND, false);
	assert_int_equal(bed.link.state, MONITOR_LINK_GONE);
	bed.reading = true;
	step(&bed, SECOND, true);
	assert_int_equal(bed.link.state, MONITOR_LINK_UP);
	step(&bed, SECOND, true);
	assert_int_equal(subscribers(&bed), 1); /* the old port has said goodbye */
	close_bed(&bed);
}

/* A daemon that sends no status, but answers. */
static void a_quiet_stream_is_no_loss(void **state)
{
	struct bed bed = open_bed(true);

	(void)state;
	step(&bed, SECOND, true);
	for (int second = 0; second < 30; second++) {
		step(&bed, SECOND, false);
		assert_int_equal(bed.link.state, MONITOR_LINK_UP);
	}
	close_bed(&bed);
}

static void what_the_system_dropped_is_counted(void **state)
{
	struct bed bed = open_bed(true);
	const struct event note = {.kind = EVENT_NOTE_ON, .note_id = 1, .pitch = 60, .velocity = 64};
	const int sent = 20000; /* more than the receive buffer holds */

	(void)state;
	step(&bed, 2 * SECOND, true);
	assert_int_equal(bed.link.lost, 0);
	for (int i = 0; i < sent; i++)
		osc_server_send_event(bed.server, &note, bed.now_us);
	while (bed.link.taken < (uint64_t)sent) {
		uint64_t before = bed.link.taken;
		monitor_link_receive(&bed.link, bed.now_us, count, &bed);
		if (bed.link.taken == before)
			break;
	}
	step(&bed, 2 * SECOND, false);
	assert_in_range(bed.taken[OSC_NOTE], 1, sent - 1);
	assert_int_equal(bed.link.lost, sent - (int)bed.taken[OSC_NOTE]);
	close_bed(&bed);
}

/* A client's socket as the daemon: what it sends and what must come back, byte by byte. */
static void a_challenge_is_answered(void **state)
{
	static const unsigned char subscribe[] = "/midibert/subscribe\0,\0\0";
	static const unsigned char confirm[] = "/midibert/confirm\0\0\0,i\0\0\0\xbc\x61\x4e";
	struct client daemon = client_open();
	struct monitor_link link;
	struct error error;
	struct sockaddr_in peer;
	socklen_t size = sizeof peer;
	unsigned char bytes[256];
	struct bed bed = {0};

	(void)state;
	assert_int_equal(monitor_link_open(&link, daemon.target, false, &error), STATUS_OK);
	monitor_link_tick(&link, SECOND);
	assert_int_equal(recvfrom(daemon.fd, bytes, sizeof bytes, 0, (struct sockaddr *)&peer, &size), sizeof subscribe);
	assert_memory_equal(bytes, subscribe, sizeof subscribe);
	size_t length = build(bytes, "/midibert/challenge", "i", 12345678);
	assert_int_equal(sendto(daemon.fd, bytes, length, 0, (struct sockaddr *)&peer, size), length);
	monitor_link_receive(&link, SECOND, count, &bed);
	assert_int_equal(link.state, MONITOR_LINK_ASKING);
	assert_int_equal(recv(daemon.fd, bytes, sizeof bytes, 0), sizeof confirm - 1);
	assert_memory_equal(bytes, confirm, sizeof confirm - 1);
	length = build(bytes, "/midibert/error", "ss", "full", "no room");
	assert_int_equal(sendto(daemon.fd, bytes, length, 0, (struct sockaddr *)&peer, size), length);
	monitor_link_receive(&link, SECOND, count, &bed);
	assert_string_equal(link.refusal, "no room");
	length = build(bytes, "/midibert/subscribed", "ii", link.local.size ? endpoint_port(&link.local) : 0, 60);
	assert_int_equal(sendto(daemon.fd, bytes, length, 0, (struct sockaddr *)&peer, size), length);
	/* No OSC, an address of the future, types that are not the table's. */
	assert_int_equal(sendto(daemon.fd, "junk", 4, 0, (struct sockaddr *)&peer, size), 4);
	length = build(bytes, "/midibert/news", "i", 1);
	assert_int_equal(sendto(daemon.fd, bytes, length, 0, (struct sockaddr *)&peer, size), length);
	length = build(bytes, "/midibert/status/session", "i", 1);
	assert_int_equal(sendto(daemon.fd, bytes, length, 0, (struct sockaddr *)&peer, size), length);
	monitor_link_receive(&link, SECOND, count, &bed);
	assert_int_equal(link.state, MONITOR_LINK_UP);
	assert_int_equal(link.unreadable, 3);
	for (int i = 0; i < OSC_OUT_END; i++)
		assert_int_equal(bed.taken[i], 0);
	monitor_link_close(&link);
	client_close(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lease_is_renewed_in_time_and_not_more_often),
	    cmocka_unit_test(leaving_ends_the_subscription),
	    cmocka_unit_test(a_daemon_in_the_place_of_another_is_taken_for_what_it_is),
	    cmocka_unit_test(a_daemon_that_ends_is_noticed_and_waited_for),
	    cmocka_unit_test(a_daemon_that_hangs_is_gone_until_it_answers),
	    cmocka_unit_test(a_quiet_stream_is_no_loss),
	    cmocka_unit_test(what_the_system_dropped_is_counted),
	    cmocka_unit_test(a_challenge_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
