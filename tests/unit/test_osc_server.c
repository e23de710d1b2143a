/* What is sent, to whom and when: a real server and real receivers on loopback; time is handed in. */
#define _GNU_SOURCE
#include "osc/server.h"
#include "test_osc_support.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static struct prediction prediction(enum prediction_kind kind)
{
	return (struct prediction){.event_us = 3 * SECOND,
				   .note_id = 7,
				   .kind = (uint8_t)kind,
				   .stage = STAGE_FINAL,
				   .pitch = 60,
				   .velocity = 100,
				   .label = 1,
				   .classes = 3,
				   .confidence = 0.75f,
				   .expected = 71.5f,
				   .spread = 9,
				   .probability = {0.125f, 0.75f, 0.125f}};
}

static void expect_numbers(const struct client *client, const char *address, const char *types, const double *numbers)
{
	struct osc_received message = client_expect(client, address);

	assert_string_equal(message.types, types);
	for (size_t i = 0; i < message.count; i++)
		if (message.number[i] != numbers[i])
			fail_msg("%s argument %zu is %g, not %g", address, i, message.number[i], numbers[i]);
}

/* A client and a server that sends to it; what the opening sent has been read. */
struct pair {
	struct client client;
	struct osc_server *server;
};

static struct pair open_pair(void)
{
	struct pair pair = {.client = client_open()};

	pair.server = open_server(NULL, pair.client.target, NULL);
	client_expect(&pair.client, "/midibert/status/session");
	return pair;
}

static void close_pair(struct pair *pair)
{
	client_expect_nothing(&pair->client);
	osc_server_close(pair->server);
	client_close(&pair->client);
}

static void events_become_messages(void **state)
{
	struct pair pair = open_pair();
	struct event event = note_on(41, 60, 99, 1234567);

	(void)state;
	event.channel = 0;
	event.input = 2;
	int64_t before = clock_now_us();
	int64_t sent = osc_server_send_event(pair.server, &event, 1234567);
	assert_in_range(sent, before, clock_now_us());
	expect_numbers(&pair.client, "/midibert/note", "iiiiii", (double[]){41, 60, 99, 1, 1234, 2});
	event.kind = EVENT_NOTE_OFF;
	event.duration_us = 250600;
	osc_server_send_event(pair.server, &event, 1);
	expect_numbers(&pair.client, "/midibert/note/off", "iii", (double[]){41, 60, 251});
	event = (struct event){.kind = EVENT_PEDAL, .pitch = 64, .velocity = 127, .event_us = 5000000, .input = 3};
	assert_true(osc_server_send_event(pair.server, &event, 1) > 0);
	expect_numbers(&pair.client, "/midibert/pedal", "iiii", (double[]){64, 127, 5000, 3});
	event.pitch = 65; /* portamento is no pedal */
	assert_int_equal(osc_server_send_event(pair.server, &event, 1), 0);
	event.kind = EVENT_END;
	assert_int_equal(osc_server_send_event(pair.server, &event, 1), 0);
	osc_server_send_input(pair.server, 4, true, "Piano");
	struct osc_received input = client_expect(&pair.client, "/midibert/input");
	assert_string_equal(input.types, "iis");
	assert_true(input.number[0] == 4 && input.number[1] == 1);
	assert_string_equal(input.text[0], "Piano");
	close_pair(&pair);
}

static void predictions_become_messages(void **state)
{
	static const char *const labels[] = {"Bethel", "Clayderman", "Einaudi"};
	struct pair pair = open_pair();
	struct prediction p = prediction(PREDICT_MELODY);

	(void)state;
	assert_true(osc_server_send_prediction(pair.server, &p, 0) > 0);
	expect_numbers(&pair.client, "/midibert/melody", "iiifi", (double[]){7, 60, 1, 0.75, 2});
	p = prediction(PREDICT_MELODY_ON);
	osc_server_send_prediction(pair.server, &p, 0);
	expect_numbers(&pair.client, "/midibert/melody/on", "iiif", (double[]){7, 60, 100, 0.75});
	p = prediction(PREDICT_MELODY_OFF);
	osc_server_send_prediction(pair.server, &p, 0);
	expect_numbers(&pair.client, "/midibert/melody/off", "ii", (double[]){7, 60});
	p = prediction(PREDICT_VELOCITY_CAUSAL);
	osc_server_send_prediction(pair.server, &p, 0);
	expect_numbers(&pair.client, "/midibert/velocity", "iiiffffi", (double[]){7, 60, 100, 71.5, 9, 28.5, 0.75, 2});
	p = prediction(PREDICT_VELOCITY_HIDDEN);
	osc_server_send_prediction(pair.server, &p, 0);
	expect_numbers(&pair.client, "/midibert/velocity/hidden", "iiiffffi",
		       (double[]){7, 60, 100, 71.5, 9, 28.5, 0.75, 2});
	assert_int_equal(osc_server_set_labels(pair.server, OSC_LABELS_STYLE, labels, 3, NULL), STATUS_OK);
	assert_string_equal(client_expect(&pair.client, "/midibert/style/labels").types, "sss");
	p = prediction(PREDICT_STYLE);
	assert_true(osc_server_send_prediction(pair.server, &p, 0) > 0);
	expect_numbers(&pair.client, "/midibert/style", "if", (double[]){1, 0.75});
	assert_string_equal(client_expect(&pair.client, "/midibert/style/name").text[0], "Clayderman");
	expect_numbers(&pair.client, "/midibert/style/probs", "fff", (double[]){0.125, 0.75, 0.125});
	p = prediction(PREDICT_EMOTION);
	p.label = CLASS_UNKNOWN;
	osc_server_send_prediction(pair.server, &p, 0);
	expect_numbers(&pair.client, "/midibert/emotion", "if", (double[]){-1, 0.75});
	assert_string_equal(client_expect(&pair.client, "/midibert/emotion/name").text[0], "unknown");
	client_expect(&pair.client, "/midibert/emotion/probs");
	p = prediction(PREDICT_RESET);
	osc_server_send_prediction(pair.server, &p, 0);
	expect_numbers(&pair.client, "/midibert/panic", "", NULL);
	close_pair(&pair);
}

static void states_become_messages(void **state)
{
	struct pair pair = open_pair();
	const struct osc_latency latency = {.p50_ms = 2.5f, .p95_ms = 5, .p99_ms = 7.5f, .period_ms = 1.25f};
	const struct osc_status status = {.state = OSC_STATE_PLAYING,
					  .last_note_id = 9,
					  .dropped = UINT64_C(1) << 40,
					  .window_fill = 256,
					  .xruns = 3,
					  .bad_input = 4};

	(void)state;
	osc_server_send_latency(pair.server, &latency);
	expect_numbers(&pair.client, "/midibert/latency", "ffff", (double[]){2.5, 5, 7.5, 1.25});
	osc_server_send_status(pair.server, &status);
	expect_numbers(&pair.client, "/midibert/status", "iiiiiii", (double[]){1, 9, INT32_MAX, 256, 3, 0, 4});
	osc_server_send_tempo(pair.server, 90.5, 0.5, OSC_TEMPO_TAP, 0);
	expect_numbers(&pair.client, "/midibert/tempo", "ffi", (double[]){90.5, 0.5, 2});
	osc_server_send_beat(pair.server, 3, 1, 0.5, 90.5, 0);
	expect_numbers(&pair.client, "/midibert/beat", "iiff", (double[]){3, 1, 0.5, 90.5});
	osc_server_set_model(pair.server, "default.safetensors 1234abcd");
	assert_string_equal(client_expect(&pair.client, "/midibert/status/model").text[0], "default.safetensors 1234abcd");
	osc_server_set_source(pair.server, "jack:default");
	assert_string_equal(client_expect(&pair.client, "/midibert/status/source").text[0], "jack:default");
	osc_server_send_error(pair.server, "source", "the JACK server is gone", 0);
	assert_string_equal(client_expect(&pair.client, "/midibert/error").text[1], "the JACK server is gone");
	close_pair(&pair);
}

static void milliseconds_wrap(void **state)
{
	struct pair pair = open_pair();
	struct event event = note_on(1, 60, 64, (INT64_C(1) << 31) * 1000 + 500);

	(void)state;
	osc_server_send_event(pair.server, &event, 0);
	assert_true(client_expect(&pair.client, "/midibert/note").number[4] == -2147483648.0);
	event.event_us = (INT64_C(1) << 32) * 1000 + 7999;
	osc_server_send_event(pair.server, &event, 0);
	assert_true(client_expect(&pair.client, "/midibert/note").number[4] == 7);
	event.event_us = -1; /* just before the start */
	osc_server_send_event(pair.server, &event, 0);
	assert_true(client_expect(&pair.client, "/midibert/note").number[4] == -1);
	close_pair(&pair);
}

static void bundles_carry_the_time_of_the_event(void **state)
{
	struct client client = client_open();
	const char *const targets[] = {client.target};
	struct osc_server_options options = {
	    .targets = targets, .target_count = 1, .control = own_control(), .timing = OSC_TIMING_BUNDLE};
	struct osc_server *server = NULL;
	unsigned char bytes[OSC_DATAGRAM_MAX];
	struct timespec real[2];

	(void)state;
	assert_int_equal(osc_server_open(&options, &server, NULL), STATUS_OK);
	client_drain(&client);
	clock_gettime(CLOCK_REALTIME, &real[0]);
	/* An event that happened 1.25 s before now. */
	struct event event = note_on(1, 60, 64, clock_now_us() - 1250000);
	clock_gettime(CLOCK_REALTIME, &real[1]);
	osc_server_send_event(server, &event, 0);
	ssize_t size = recv(client.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	assert_true(size > 20);
	assert_memory_equal(bytes, "#bundle", 8);
	assert_memory_equal(bytes + 20, "/midibert/note", 15);
	uint32_t words[3];
	memcpy(words, bytes + 8, sizeof words);
	assert_int_equal(ntohl(words[2]), size - 20);
	double sent = ntohl(words[0]) - 2208988800.0 + ntohl(words[1]) / 4294967296.0;
	for (int i = 0; i < 2; i++) {
		double expected = (double)real[i].tv_sec + (double)real[i].tv_nsec / 1e9 - 1.25;
		assert_true(i == 0 ? sent > expected - 0.001 : sent < expected + 0.001);
	}
	/* Answers to control stay plain. */
	client_send(&client, server, "/midibert/ping", "");
	receive(server, 0);
	size = recv(client.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	assert_true(size > 0 && bytes[0] == '/');
	osc_server_close(server);
	client_close(&client);
}

static void the_print_is_what_was_sent_once_a_message(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *print = open_memstream(&text, &size);
	struct client one = client_open(), two = client_open();
	struct osc_server *server = open_server(print, one.target, two.target);
	struct event event = note_on(1, 60, 64, 2000);
	struct prediction p = prediction(PREDICT_VELOCITY_HIDDEN);

	(void)state;
	p.expected = 71.1f;
	osc_server_send_event(server, &event, 0);
	osc_server_send_prediction(server, &p, 0);
	osc_server_send_panic(server);
	osc_server_expire(server, 0);
	assert_int_equal(client_drain(&one), 4);
	assert_int_equal(client_drain(&two), 4);
	const char *second = strchr(text, '\n') + 1;
	assert_memory_equal(text, "/midibert/status/session\ts\t", 27);
	assert_string_equal(second, "/midibert/note\tiiiiii\t1\t60\t64\t1\t2\t0\n"
				    "/midibert/velocity/hidden\tiiiffffi\t7\t60\t100\t71.0999985\t9\t28.9000015\t0.75\t2\n"
				    "/midibert/panic\t\n");
	osc_server_close(server);
	fclose(print);
	free(text);
	client_close(&one);
	client_close(&two);
}

static void what_nobody_wants_is_neither_sent_nor_printed(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *print = open_memstream(&text, &size);
	struct osc_server *server = open_server(print, NULL, NULL);
	struct event event = note_on(1, 60, 64, 2000);

	(void)state;
	assert_int_equal(osc_server_send_event(server, &event, 0), 0);
	osc_server_close(server);
	fclose(print);
	assert_int_equal(size, 0);
	free(text);
}

static void a_dead_target_takes_nothing_from_another(void **state)
{
	struct client dead = client_open(), alive = client_open();
	struct osc_server *server = open_server(NULL, dead.target, alive.target);
	struct osc_server_statistics count;

	(void)state;
	client_drain(&alive);
	client_close(&dead);
	for (int id = 1; id <= 100; id++) {
		struct event event = note_on(id, 60, 64, id);
		assert_true(osc_server_send_event(server, &event, 0) > 0);
	}
	for (int id = 1; id <= 100; id++)
		assert_true(client_expect(&alive, "/midibert/note").number[0] == id);
	client_expect_nothing(&alive);
	osc_server_statistics(server, &count);
	assert_int_equal(count.targets, 2);
	assert_int_equal(count.messages, 101);
	assert_true(count.refused_by_target >= 99);
	osc_server_close(server);
	client_close(&alive);
}

static void a_target_that_does_not_read_takes_nothing_from_another(void **state)
{
	struct client slow = client_open(), alive = client_open();
	struct osc_server *server = open_server(NULL, slow.target, alive.target);
	int least = 1;

	(void)state;
	assert_int_equal(setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
	client_drain(&alive);
	for (int id = 1; id <= 1000; id++) {
		struct event event = note_on(id, 60, 64, id);
		assert_true(osc_server_send_event(server, &event, 0) > 0);
		assert_true(client_expect(&alive, "/midibert/note").number[0] == id);
	}
	assert_true(client_drain(&slow) < 100);
	osc_server_close(server);
	client_close(&slow);
	client_close(&alive);
}

static void a_target_that_comes_back_gets_the_next_message(void **state)
{
	struct client client = client_open();
	struct osc_server *server = open_server(NULL, client.target, NULL);
	struct event event = note_on(1, 60, 64, 0);
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr = own_host(), .sin_port = htons((uint16_t)client.port)};

	(void)state;
	client_close(&client);
	osc_server_send_event(server, &event, 0); /* is lost, and leaves an error at the socket */
	client.fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(client.fd, (struct sockaddr *)&address, sizeof address), 0);
	event.note_id = 2;
	osc_server_send_event(server, &event, 0);
	assert_true(client_expect(&client, "/midibert/note").number[0] == 2);
	osc_server_close(server);
	client_close(&client);
}

static void continuous_values_wait_and_the_newest_wins(void **state)
{
	struct pair pair = open_pair();
	struct prediction p = prediction(PREDICT_STYLE);
	struct osc_server_statistics count;
	int sent = 0;

	(void)state;
	p.classes = 0;
	/* 1000 a second for ten seconds, from time 5 s on. */
	for (int ms = 0; ms < 10000; ms++) {
		p.confidence = (float)ms;
		sent += osc_server_send_prediction(pair.server, &p, 5 * SECOND + ms * 1000) > 0;
		if (osc_server_deadline(pair.server) <= 5 * SECOND + ms * 1000)
			osc_server_expire(pair.server, 5 * SECOND + ms * 1000);
	}
	int64_t due = osc_server_deadline(pair.server);
	assert_in_range(due, 15 * SECOND - 1000, 15 * SECOND + 34000);
	int before = client_drain(&pair.client);
	assert_in_range(before / 2, 290, 300);
	osc_server_expire(pair.server, due - 1);
	client_expect_nothing(&pair.client);
	osc_server_expire(pair.server, due);
	expect_numbers(&pair.client, "/midibert/style", "if", (double[]){1, 9999});
	client_expect(&pair.client, "/midibert/style/name");
	assert_true(osc_server_deadline(pair.server) == INT64_MAX);
	osc_server_statistics(pair.server, &count);
	assert_true(count.replaced > 9000);
	assert_int_equal(count.replaced + (uint64_t)before / 2 + 1, 10000);
	close_pair(&pair);
}

static void pedals_wait_apart_and_notes_never(void **state)
{
	struct pair pair = open_pair();
	struct event sustain = {.kind = EVENT_PEDAL, .pitch = 64}, soft = {.kind = EVENT_PEDAL, .pitch = 67};

	(void)state;
	assert_true(osc_server_send_event(pair.server, &sustain, SECOND) > 0);
	assert_true(osc_server_send_event(pair.server, &soft, SECOND) > 0);
	assert_int_equal(osc_server_send_event(pair.server, &sustain, SECOND + 1), 0);
	sustain.input = 1;
	sustain.velocity = 11;
	assert_true(osc_server_send_event(pair.server, &sustain, SECOND + 2) > 0);
	assert_int_equal(client_drain(&pair.client), 3);
	for (int id = 1; id <= 200; id++) {
		struct event event = note_on(id, 60, 64, id);
		osc_server_send_event(pair.server, &event, SECOND + 3);
	}
	assert_int_equal(client_drain(&pair.client), 200);
	osc_server_send_panic(pair.server); /* nothing that waits may come after it */
	expect_numbers(&pair.client, "/midibert/pedal", "iiii", (double[]){64, 0, 0, 0});
	client_expect(&pair.client, "/midibert/panic");
	osc_server_expire(pair.server, 9 * SECOND);
	close_pair(&pair);
}

static void a_virtual_clock_holds_nothing_back(void **state)
{
	struct client client = client_open();
	const char *const targets[] = {client.target};
	struct osc_server_options options = {
	    .targets = targets, .target_count = 1, .control = own_control(), .unthrottled = true};
	struct osc_server *server = NULL;
	struct prediction p = prediction(PREDICT_STYLE);

	(void)state;
	assert_int_equal(osc_server_open(&options, &server, NULL), STATUS_OK);
	for (int i = 0; i < 100; i++)
		assert_true(osc_server_send_prediction(server, &p, 0) > 0);
	assert_int_equal(client_drain(&client), 300); /* and no session, which differs from run to run */
	osc_server_close(server);
	client_close(&client);
}

static void names_that_do_not_fit_are_refused_at_set_up(void **state)
{
	struct pair pair = open_pair();
	char name[32][80];
	const char *labels[33];
	struct error error;

	(void)state;
	for (int i = 0; i < 33; i++) {
		labels[i] = name[i % 32];
		memset(name[i % 32], 'a' + i % 26, 40);
		name[i % 32][40] = '\0';
	}
	assert_int_equal(osc_server_set_labels(pair.server, OSC_LABELS_STYLE, labels, 32, &error), STATUS_UNSUPPORTED);
	assert_non_null(strstr(error.text, "/midibert/style/labels"));
	assert_int_equal(osc_server_set_labels(pair.server, OSC_LABELS_STYLE, labels, 33, &error), STATUS_UNSUPPORTED);
	assert_int_equal(osc_server_set_labels(pair.server, OSC_LABELS_STYLE, labels, 20, &error), STATUS_OK);
	assert_int_equal(strlen(client_expect(&pair.client, "/midibert/style/labels").types), 20);
	memset(name[0], 'x', 64);
	name[0][64] = '\0';
	assert_int_equal(osc_server_set_labels(pair.server, OSC_LABELS_EMOTION, labels, 1, &error), STATUS_UNSUPPORTED);
	close_pair(&pair);
}

static void addresses_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *target, *control, *allow;
		enum status status;
		const char *named;
	} table[] = {
	    {"localhost", NULL, NULL, STATUS_USAGE, "'localhost'"},
	    {"127.0.0.1:0", NULL, NULL, STATUS_USAGE, "port"},
	    {"127.0.0.1:65536", NULL, NULL, STATUS_USAGE, "port"},
	    {"127.0.0.1:12x", NULL, NULL, STATUS_USAGE, "port"},
	    {"127.0.0.1:", NULL, NULL, STATUS_USAGE, "port"},
	    {":57120", NULL, NULL, STATUS_USAGE, "host"},
	    {"::1:57120", NULL, NULL, STATUS_USAGE, "[ADDRESS]:PORT"},
	    {NULL, "192.0.2.1:9109", NULL, STATUS_IO, "192.0.2.1:9109"},
	    {NULL, NULL, "10.0.0.0/33", STATUS_USAGE, "32"},
	    {NULL, NULL, "10.0.0.0/", STATUS_USAGE, "bits"},
	    {NULL, NULL, "10.0.0.0/-1", STATUS_USAGE, "bits"},
	    {NULL, NULL, "lan", STATUS_USAGE, "'lan'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct osc_server_options options = {.targets = &table[i].target,
						     .target_count = table[i].target != NULL,
						     .control = table[i].control ? table[i].control : own_control(),
						     .allow = &table[i].allow,
						     .allow_count = table[i].allow != NULL};
		struct osc_server *server = (struct osc_server *)&options;
		struct error error;
		assert_int_equal(osc_server_open(&options, &server, &error), table[i].status);
		assert_null(server);
		if (!strstr(error.text, table[i].named))
			fail_msg("row %zu: %s", i, error.text);
	}
	assert_int_equal(osc_server_check_endpoint("studio.local:57120", NULL), STATUS_OK);
	assert_int_equal(osc_server_check_endpoint("[fe80::1]:57120", NULL), STATUS_OK);
	assert_int_equal(osc_server_check_endpoint("57120", NULL), STATUS_USAGE);
	assert_int_equal(osc_server_check_network("192.168.1.0/24", NULL), STATUS_OK);
	assert_int_equal(osc_server_check_network("192.168.1.0/x", NULL), STATUS_USAGE);
}

static char said[512];

static void keep_said(const char *text)
{
	snprintf(said, sizeof said, "%s", text);
}

static void a_name_that_nobody_knows_is_said_and_listed(void **state)
{
	struct client client = client_open();
	const char *const targets[] = {client.target, "no.such.host.invalid:57120"};
	struct osc_server_options options = {
	    .targets = targets, .target_count = 2, .control = own_control(), .say = keep_said};
	struct osc_server *server = NULL;
	struct error error;

	(void)state;
	assert_int_equal(osc_server_open(&options, &server, &error), STATUS_OK);
	/* A resolver that does not answer within the patience of opening says it later. */
	while (said[0] == '\0') {
		struct pollfd news = {.fd = osc_server_fd(server), .events = POLLIN};
		assert_int_equal(poll(&news, 1, 60000), 1);
		receive(server, SECOND);
	}
	assert_non_null(strstr(said, "no.such.host.invalid:57120"));
	client_drain(&client);
	said[0] = '\0';
	struct event event = note_on(1, 60, 64, 0);
	assert_true(osc_server_send_event(server, &event, 0) > 0);
	client_expect(&client, "/midibert/note");
	osc_server_expire(server, 6 * SECOND);
	client_send(&client, server, "/midibert/stats", "");
	receive(server, 7 * SECOND);
	client_expect(&client, "/midibert/stats/total");
	client_expect(&client, "/midibert/stats/receiver");
	struct osc_received row = client_expect(&client, "/midibert/stats/receiver");
	assert_string_equal(row.text[0], "no.such.host.invalid");
	assert_true(row.number[1] == 57120 && row.number[2] == 0 && row.number[3] > 0);
	assert_string_equal(said, "");
	osc_server_close(server);
	client_close(&client);
}

static void an_occupied_port_is_named(void **state)
{
	struct client client = client_open();
	struct osc_server_options options = {.control = client.target};
	struct osc_server *server = NULL;
	struct error error;

	(void)state;
	assert_int_equal(osc_server_open(&options, &server, &error), STATUS_IO);
	assert_non_null(strstr(error.text, client.target));
	assert_non_null(strstr(error.text, "--control"));
	client_close(&client);
	/* A server that has a subscriber keeps its port for itself, too. */
	client = client_open();
	struct osc_server *first = open_server(NULL, NULL, NULL);
	client_send(&client, first, "/midibert/subscribe", "");
	receive(first, 0);
	client_expect(&client, "/midibert/subscribed");
	char control[HOST_MAX];
	options.control = own_address(osc_server_port(first), control);
	assert_int_equal(osc_server_open(&options, &server, &error), STATUS_IO);
	struct client thief = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr = own_host(), .sin_port = htons((uint16_t)osc_server_port(first))};
	int yes = 1;
	assert_int_equal(setsockopt(thief.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
	assert_int_equal(bind(thief.fd, (struct sockaddr *)&address, sizeof address), -1);
	client_close(&thief);
	osc_server_close(first);
	client_close(&client);
}

/* Of this process's bound internet sockets, those that are not on loopback; `bound` counts them all. The sockets are asked
 * themselves: the tables of /proc/net skip and repeat lines while others come and go. */
static int count_foreign(int *bound)
{
	int foreign = 0;
	DIR *folder = opendir("/proc/self/fd");

	assert_non_null(folder);
	*bound = 0;
	for (struct dirent *entry; (entry = readdir(folder));) {
		struct sockaddr_storage local = {0};
		socklen_t size = sizeof local;
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&local;
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&local;
		if (getsockname(atoi(entry->d_name), (struct sockaddr *)&local, &size) < 0)
			continue;
		if (local.ss_family == AF_INET && v4->sin_port != 0) {
			++*bound;
			foreign += ntohl(v4->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
		} else if (local.ss_family == AF_INET6 && v6->sin6_port != 0) {
			++*bound;
			foreign += !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
		}
	}
	closedir(folder);
	return foreign;
}

static void no_socket_is_on_another_address(void **state)
{
	struct client target = client_open(), subscriber = client_open();
	struct osc_server *server = open_server(NULL, target.target, OSC_TARGET_DEFAULT);
	int bound;

	(void)state;
	client_send(&subscriber, server, "/midibert/subscribe", "");
	receive(server, 0);
	client_expect(&subscriber, "/midibert/subscribed");
	assert_int_equal(count_foreign(&bound), 0);
	assert_int_equal(bound, 6); /* control, two targets, a subscriber, the two of the test */
	osc_server_close(server);
	/* The check sees a socket that is elsewhere. */
	struct osc_server_options options = {.control = "0.0.0.0:0"};
	assert_int_equal(osc_server_open(&options, &server, NULL), STATUS_OK);
	assert_int_equal(count_foreign(&bound), 1);
	osc_server_close(server);
	client_close(&target);
	client_close(&subscriber);
}

static void a_closed_server_leaves_nothing_open(void **state)
{
	int before = dup(0);

	(void)state;
	close(before);
	for (int i = 0; i < 50; i++) {
		struct client client = client_open();
		struct osc_server *server = open_server(NULL, client.target, NULL);
		client_send(&client, server, "/midibert/subscribe", "i", client.port == 50000 ? 50001 : 50000);
		client_send(&client, server, "/midibert/subscribe", "");
		receive(server, 0);
		osc_server_close(server);
		client_close(&client);
	}
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_become_messages),
	    cmocka_unit_test(predictions_become_messages),
	    cmocka_unit_test(states_become_messages),
	    cmocka_unit_test(milliseconds_wrap),
	    cmocka_unit_test(bundles_carry_the_time_of_the_event),
	    cmocka_unit_test(the_print_is_what_was_sent_once_a_message),
	    cmocka_unit_test(what_nobody_wants_is_neither_sent_nor_printed),
	    cmocka_unit_test(a_dead_target_takes_nothing_from_another),
	    cmocka_unit_test(a_target_that_does_not_read_takes_nothing_from_another),
	    cmocka_unit_test(a_target_that_comes_back_gets_the_next_message),
	    cmocka_unit_test(continuous_values_wait_and_the_newest_wins),
	    cmocka_unit_test(pedals_wait_apart_and_notes_never),
	    cmocka_unit_test(a_virtual_clock_holds_nothing_back),
	    cmocka_unit_test(names_that_do_not_fit_are_refused_at_set_up),
	    cmocka_unit_test(addresses_that_cannot_be_are_refused),
	    cmocka_unit_test(a_name_that_nobody_knows_is_said_and_listed),
	    cmocka_unit_test(an_occupied_port_is_named),
	    cmocka_unit_test(no_socket_is_on_another_address),
	    cmocka_unit_test(a_closed_server_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
