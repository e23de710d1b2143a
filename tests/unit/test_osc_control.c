/* Control: leases, patterns, challenges, commands, refusals. A real server and real senders; time is handed in. */
#define _GNU_SOURCE
#include "osc/server.h"
#include "test_osc_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void send_note(struct osc_server *server, int id)
{
	struct event event = note_on(id, 60, 64, 0);

	osc_server_send_event(server, &event, 0);
}

static void expect_error(const struct client *client, const char *code, const char *part)
{
	struct osc_received message = client_expect(client, "/midibert/error");

	assert_string_equal(message.types, "ss");
	assert_string_equal(message.text[0], code);
	if (!strstr(message.text[1], part))
		fail_msg("'%s' does not say '%s'", message.text[1], part);
}

static void a_subscriber_learns_what_there_is(void **state)
{
	static const char *const labels[] = {"Q1", "Q2", "Q3", "Q4"};
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();
	const struct osc_status status = {.state = OSC_STATE_PLAYING, .last_note_id = 5};

	(void)state;
	osc_server_set_model(server, "m");
	osc_server_set_source(server, "s");
	osc_server_set_labels(server, OSC_LABELS_EMOTION, labels, 4, NULL);
	osc_server_send_input(server, 3, true, "Piano");
	osc_server_send_input(server, 4, true, "Gone");
	osc_server_send_input(server, 4, false, "Gone");
	osc_server_send_tempo(server, 120, 1, OSC_TEMPO_FIXED, 0);
	osc_server_send_status(server, &status);
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, SECOND);
	struct osc_received answer = client_expect(&client, "/midibert/subscribed");
	assert_string_equal(answer.types, "ii");
	assert_true(answer.number[0] == client.port && answer.number[1] == 60);
	assert_string_equal(client_expect(&client, "/midibert/status/session").text[0], osc_server_session(server));
	client_expect(&client, "/midibert/status/model");
	client_expect(&client, "/midibert/status/source");
	assert_string_equal(client_expect(&client, "/midibert/emotion/labels").types, "ssss");
	assert_true(client_expect(&client, "/midibert/input").number[0] == 3);
	client_expect(&client, "/midibert/tempo");
	assert_true(client_expect(&client, "/midibert/status").number[5] == 1);
	client_expect_nothing(&client);
	/* Renewed at once: the lease, not the whole story again. */
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, SECOND + 1000);
	client_expect(&client, "/midibert/subscribed");
	client_expect_nothing(&client);
	/* A patch that was opened again gets it again. */
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, 3 * SECOND);
	assert_int_equal(client_drain(&client), 8);
	osc_server_close(server);
	client_close(&client);
}

static void a_lease_ends_unless_it_is_renewed(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();
	int64_t start = 1000 * SECOND;

	(void)state;
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, start);
	assert_int_equal(client_drain(&client), 2);
	assert_int_equal(osc_server_deadline(server), start + 60 * SECOND);
	osc_server_expire(server, start + 60 * SECOND - 1);
	send_note(server, 1);
	client_expect(&client, "/midibert/note");
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, start + 50 * SECOND);
	assert_int_equal(client_drain(&client), 2);
	osc_server_expire(server, start + 110 * SECOND - 1);
	send_note(server, 2);
	client_expect(&client, "/midibert/note");
	osc_server_expire(server, start + 110 * SECOND);
	send_note(server, 3);
	client_expect_nothing(&client);
	struct osc_server_statistics count;
	osc_server_statistics(server, &count);
	assert_int_equal(count.subscribers, 0);
	assert_true(osc_server_deadline(server) == INT64_MAX);
	osc_server_close(server);
	client_close(&client);
}

static void a_pattern_filters_and_can_be_changed(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();
	struct prediction melody = {.kind = PREDICT_MELODY, .note_id = 1};

	(void)state;
	client_send(&client, server, "/midibert/subscribe", "s", "/midibert/{melody,style}*");
	receive(server, 0);
	client_expect(&client, "/midibert/subscribed");
	client_expect_nothing(&client); /* no session, no status */
	send_note(server, 1);
	client_expect_nothing(&client);
	osc_server_send_prediction(server, &melody, 0);
	client_expect(&client, "/midibert/melody");
	client_send(&client, server, "/midibert/subscribe", "is", client.port, "/midibert/note");
	receive(server, SECOND);
	client_expect(&client, "/midibert/subscribed");
	send_note(server, 2);
	osc_server_send_prediction(server, &melody, 0);
	client_expect(&client, "/midibert/note");
	client_expect_nothing(&client);
	client_send(&client, server, "/midibert/subscribe", "s", "/midibert/nothing");
	receive(server, SECOND);
	expect_error(&client, "arguments", "no address matches");
	client_send(&client, server, "/midibert/subscribe", "s", "/midibert/pong"); /* answers are not for subscription */
	receive(server, SECOND);
	expect_error(&client, "arguments", "no address matches");
	client_send(&client, server, "/midibert/subscribe", "s", "/midibert/[");
	receive(server, SECOND);
	expect_error(&client, "arguments", "does not close");
	send_note(server, 3); /* the old pattern is still in force */
	client_expect(&client, "/midibert/note");
	osc_server_close(server);
	client_close(&client);
}

static void unsubscribing_ends_the_stream(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open(), other = client_open();

	(void)state;
	client_send(&client, server, "/midibert/unsubscribe", "");
	receive(server, 0);
	expect_error(&client, "refused", "nobody");
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, 0);
	client_drain(&client);
	client_send(&other, server, "/midibert/unsubscribe", "i", client.port);
	receive(server, 0);
	struct osc_received answer = client_expect(&other, "/midibert/subscribed");
	assert_true(answer.number[0] == client.port && answer.number[1] == 0);
	send_note(server, 1);
	client_expect_nothing(&client);
	osc_server_close(server);
	client_close(&client);
	client_close(&other);
}

static void another_port_must_prove_itself(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client asker = client_open(), receiver = client_open(), forger = client_open();

	(void)state;
	client_send(&asker, server, "/midibert/subscribe", "is", receiver.port, "/midibert/note");
	receive(server, 0);
	client_expect_nothing(&asker);
	struct osc_received challenge = client_expect(&receiver, "/midibert/challenge");
	assert_string_equal(challenge.types, "i");
	int number = (int)challenge.number[0];
	assert_in_range(number, 1, (1 << 24) - 1);
	send_note(server, 1);
	client_expect_nothing(&receiver);
	/* Asking again does not make the number that is under way stale. */
	client_send(&asker, server, "/midibert/subscribe", "is", receiver.port, "/midibert/note");
	receive(server, SECOND);
	assert_true(client_expect(&receiver, "/midibert/challenge").number[0] == number);
	client_send(&forger, server, "/midibert/confirm", "i", number ^ 1);
	receive(server, SECOND);
	expect_error(&forger, "refused", "no challenge");
	/* As a float: what Pure Data sends. */
	client_send(&asker, server, "/midibert/confirm", "f", (double)number);
	receive(server, SECOND);
	assert_true(client_expect(&asker, "/midibert/subscribed").number[0] == receiver.port);
	assert_true(client_expect(&receiver, "/midibert/subscribed").number[0] == receiver.port);
	send_note(server, 2);
	client_expect(&receiver, "/midibert/note");
	client_expect_nothing(&asker);
	/* The number is good for once. */
	client_send(&asker, server, "/midibert/confirm", "i", number);
	receive(server, SECOND);
	expect_error(&asker, "refused", "no challenge");
	/* A stream that runs is renewed without another proof. */
	client_send(&asker, server, "/midibert/subscribe", "i", receiver.port);
	receive(server, 30 * SECOND);
	client_expect(&asker, "/midibert/subscribed");
	client_expect(&receiver, "/midibert/subscribed");
	osc_server_expire(server, 89 * SECOND);
	client_drain(&receiver);
	send_note(server, 3);
	client_expect(&receiver, "/midibert/note");
	osc_server_close(server);
	client_close(&asker);
	client_close(&receiver);
	client_close(&forger);
}

static void guesses_and_time_void_a_challenge(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client asker = client_open(), receiver = client_open();

	(void)state;
	client_send(&asker, server, "/midibert/subscribe", "i", receiver.port);
	receive(server, 0);
	int number = (int)client_expect(&receiver, "/midibert/challenge").number[0];
	int wrong = number == 1 ? 2 : 1;
	for (int i = 0; i < CHALLENGE_GUESSES; i++)
		client_send(&asker, server, "/midibert/confirm", "i", wrong);
	client_send(&asker, server, "/midibert/confirm", "i", number);
	receive(server, 0);
	for (int i = 0; i < CHALLENGE_GUESSES + 1; i++)
		expect_error(&asker, "refused", "no challenge");
	client_send(&asker, server, "/midibert/subscribe", "i", receiver.port);
	receive(server, SECOND);
	number = (int)client_expect(&receiver, "/midibert/challenge").number[0];
	assert_int_equal(osc_server_deadline(server), 11 * SECOND);
	osc_server_expire(server, 11 * SECOND);
	client_send(&asker, server, "/midibert/confirm", "i", number);
	receive(server, 11 * SECOND);
	expect_error(&asker, "refused", "no challenge");
	send_note(server, 1);
	client_expect_nothing(&receiver);
	osc_server_close(server);
	client_close(&asker);
	client_close(&receiver);
}

static void challenges_are_few_and_their_table_is_bounded(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client asker = client_open(), victim = client_open();
	struct challenge_table table = {0};
	struct endpoint target;

	(void)state;
	for (int i = 0; i < 50; i++) {
		client_send(&asker, server, "/midibert/subscribe", "i", victim.port);
		receive(server, 100 * SECOND + i);
	}
	assert_int_equal(client_drain(&victim), 10); /* a second's worth */
	osc_server_close(server);
	assert_int_equal(endpoint_resolve("127.0.0.1:1", true, &target, NULL), STATUS_OK);
	int32_t first = challenge_make(&table, &target, "", 100);
	for (int port = 2; port <= CHALLENGES_MAX + 1; port++) {
		endpoint_set_port(&target, port);
		assert_in_range(challenge_make(&table, &target, "", 100 + port), 1, (1 << 24) - 1);
	}
	struct challenge taken;
	assert_false(challenge_take(&table, &target, first, &taken)); /* the oldest gave way */
	int32_t last = challenge_make(&table, &target, "", 200);
	struct endpoint elsewhere;
	assert_int_equal(endpoint_resolve("127.0.0.2:1", true, &elsewhere, NULL), STATUS_OK);
	assert_false(challenge_take(&table, &elsewhere, last, &taken)); /* the number is good for its host only */
	endpoint_set_port(&elsewhere, CHALLENGES_MAX + 1);
	assert_false(challenge_take(&table, &elsewhere, last, &taken));
	assert_true(challenge_take(&table, &target, last, &taken));
	client_close(&asker);
	client_close(&victim);
}

static void a_network_that_is_not_allowed_must_prove_itself(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();

	(void)state;
	server->networks.count = 0; /* loopback is the only other network that every machine has */
	client_send(&client, server, "/midibert/subscribe", "");
	receive(server, 0);
	int number = (int)client_expect(&client, "/midibert/challenge").number[0];
	client_send(&client, server, "/midibert/stats", "");
	struct command_log log = receive(server, 0);
	expect_error(&client, "refused", "not allowed");
	client_send(&client, server, "/midibert/confirm", "i", number);
	receive(server, 0);
	client_expect(&client, "/midibert/subscribed");
	client_expect(&client, "/midibert/status/session");
	send_note(server, 1);
	client_expect(&client, "/midibert/note");
	client_send(&client, server, "/midibert/reset", "");
	log = receive(server, 0);
	assert_int_equal(log.count, 0);
	expect_error(&client, "refused", "not allowed");
	client_send(&client, server, "/midibert/stats", ""); /* who receives may count */
	receive(server, 0);
	assert_true(client_drain(&client) >= 2);
	osc_server_close(server);
	client_close(&client);
}

static void networks_contain_what_they_say(void **state)
{
	static const struct {
		const char *network, *host;
		bool inside;
	} table[] = {
	    {"192.168.1.0/24", "192.168.1.255:1", true},
	    {"192.168.1.0/24", "192.168.2.0:1", false},
	    {"10.0.0.0/9", "10.127.255.255:1", true},
	    {"10.0.0.0/9", "10.128.0.0:1", false},
	    {"10.1.2.3", "10.1.2.3:1", true},
	    {"10.1.2.3", "10.1.2.4:1", false},
	    {"0.0.0.0/0", "8.8.8.8:1", true},
	    {"0.0.0.0/0", "[::2]:1", false},
	    {"127.0.0.0/8", "[::ffff:127.0.0.1]:1", true},
	    {"fe80::/10", "[fe80::1]:1", true},
	    {"fe80::/10", "[fec0::1]:1", false},
	    {"::/0", "10.0.0.1:1", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct network network;
		struct endpoint host;
		assert_int_equal(network_parse(table[i].network, &network, NULL), STATUS_OK);
		assert_int_equal(endpoint_resolve(table[i].host, false, &host, NULL), STATUS_OK);
		if (network_contains(&network, &host) != table[i].inside)
			fail_msg("%s in %s", table[i].host, table[i].network);
	}
}

static void a_fixed_target_may_subscribe_without_getting_all_twice(void **state)
{
	struct client client = client_open();
	struct osc_server *server = open_server(NULL, client.target, NULL);

	(void)state;
	client_drain(&client);
	client_send(&client, server, "/midibert/subscribe", "s", "/midibert/note*");
	receive(server, 0);
	client_expect(&client, "/midibert/subscribed");
	send_note(server, 1);
	osc_server_send_panic(server);
	client_expect(&client, "/midibert/note");
	client_expect_nothing(&client);
	osc_server_expire(server, 60 * SECOND); /* a target again, that gets everything */
	send_note(server, 2);
	osc_server_send_panic(server);
	assert_int_equal(client_drain(&client), 2);
	osc_server_close(server);
	client_close(&client);
}

static void the_table_of_subscribers_is_bounded(void **state)
{
	struct osc_server_options options = {.control = own_control(), .max_subscribers = 3};
	struct osc_server *server = NULL;
	struct client client[4];

	(void)state;
	assert_int_equal(osc_server_open(&options, &server, NULL), STATUS_OK);
	for (int i = 0; i < 4; i++) {
		client[i] = client_open();
		client_send(&client[i], server, "/midibert/subscribe", "");
		receive(server, 0);
	}
	expect_error(&client[3], "full", "no room");
	for (int i = 0; i < 3; i++)
		client_expect(&client[i], "/midibert/subscribed");
	client_send(&client[0], server, "/midibert/subscribe", ""); /* a renewal needs no room */
	client_send(&client[1], server, "/midibert/unsubscribe", "");
	receive(server, 0);
	client_send(&client[3], server, "/midibert/subscribe", "");
	receive(server, 0);
	client_expect(&client[3], "/midibert/subscribed");
	osc_server_close(server);
	for (int i = 0; i < 4; i++)
		client_close(&client[i]);
}

static void subscribers_and_losses_can_be_listed(void **state)
{
	struct client dead = client_open(), client = client_open();
	struct osc_server *server = open_server(NULL, dead.target, NULL);

	(void)state;
	client_send(&client, server, "/midibert/subscribe", "s", "/midibert/note");
	receive(server, 0);
	client_expect(&client, "/midibert/subscribed");
	client_close(&dead);
	for (int id = 1; id <= 5; id++)
		send_note(server, id);
	assert_int_equal(client_drain(&client), 5);
	client_send(&client, server, "/midibert/subscribers", "");
	receive(server, 10 * SECOND);
	struct osc_received line = client_expect(&client, "/midibert/subscriber");
	assert_string_equal(line.types, "siis");
	assert_string_equal(line.text[0], inet_ntoa(own_host()));
	assert_true(line.number[1] == dead.port && line.number[2] == -1);
	line = client_expect(&client, "/midibert/subscriber");
	assert_true(line.number[1] == client.port && line.number[2] == 50);
	assert_string_equal(line.text[1], "/midibert/note");
	client_send(&client, server, "/midibert/stats", "");
	receive(server, 10 * SECOND);
	line = client_expect(&client, "/midibert/stats/total");
	assert_true(line.number[3] == 3); /* control messages */
	line = client_expect(&client, "/midibert/stats/receiver");
	assert_true(line.number[1] == dead.port && line.number[4] >= 4);
	line = client_expect(&client, "/midibert/stats/receiver");
	assert_true(line.number[1] == client.port && line.number[2] == 5 && line.number[3] == 0);
	client_expect_nothing(&client);
	osc_server_close(server);
	client_close(&client);
}

static void a_ping_comes_back_with_both_times(void **state)
{
	struct osc_server_options options = {.control = own_control(), .start_us = 5 * SECOND};
	struct osc_server *server = NULL;
	struct client client = client_open();

	(void)state;
	assert_int_equal(osc_server_open(&options, &server, NULL), STATUS_OK);
	client_send(&client, server, "/midibert/ping", "i", -123456789);
	client_send(&client, server, "/midibert/ping", "f", 41.6);
	client_send(&client, server, "/midibert/ping", "");
	receive(server, 7 * SECOND + 5000);
	static const double argument[] = {-123456789, 42, 0};
	for (int i = 0; i < 3; i++) {
		struct osc_received pong = client_expect(&client, "/midibert/pong");
		assert_string_equal(pong.types, "ii");
		assert_true(pong.number[0] == argument[i] && pong.number[1] == 2005);
	}
	osc_server_close(server);
	client_close(&client);
}

static void commands_reach_the_daemon(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();

	(void)state;
	client_send(&client, server, "/midibert/reset", "");
	client_send(&client, server, "/midibert/pause", "");
	client_send(&client, server, "/midibert/resume", "");
	client_send(&client, server, "/midibert/tempo/set", "f", 92.5);
	client_send(&client, server, "/midibert/tempo/set", "i", 100);
	client_send(&client, server, "/midibert/tap", "");
	client_send(&client, server, "/midibert/model/load", "s", "/home/me/other.safetensors");
	struct command_log log = receive(server, 77);
	assert_int_equal(log.count, 7);
	static const enum osc_command_kind kinds[] = {OSC_COMMAND_RESET,     OSC_COMMAND_PAUSE,	    OSC_COMMAND_RESUME,
						      OSC_COMMAND_TEMPO_SET, OSC_COMMAND_TEMPO_SET, OSC_COMMAND_TAP,
						      OSC_COMMAND_MODEL_LOAD};
	for (int i = 0; i < 7; i++) {
		assert_int_equal(log.command[i].kind, kinds[i]);
		assert_int_equal(log.command[i].arrival_us, 77);
	}
	assert_true(log.command[3].bpm == 92.5 && log.command[4].bpm == 100);
	assert_string_equal(log.command[6].path, "/home/me/other.safetensors");
	client_expect_nothing(&client);
	osc_server_answer_error(server, &log.command[6], "model", "no such file", 77);
	expect_error(&client, "model", "no such file");
	osc_server_close(server);
	client_close(&client);
}

static void wrong_messages_are_answered_with_the_reason(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();
	static const struct {
		const char *address, *types, *code, *part;
	} table[] = {
	    {"/midibert/nonsense", "", "unknown", "/midibert/nonsense: no such address"},
	    {"/other", "i", "unknown", "/other"},
	    {"/midibert/reset", "i", "arguments", "takes none"},
	    {"/midibert/tempo/set", "", "arguments", "takes f"},
	    {"/midibert/tempo/set", "s", "arguments", "takes f"},
	    {"/midibert/subscribe", "ss", "arguments", "takes none|i|s|is"},
	    {"/midibert/subscribe", "si", "arguments", "takes none|i|s|is"},
	    {"/midibert/confirm", "", "arguments", "takes i"},
	    {"/midibert/model/load", "i", "arguments", "takes s"},
	};
	int64_t now = 0;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		unsigned char bytes[256];
		/* Every argument is four zero bytes: 0, 0.0 or an empty text. */
		size_t size = put_text(bytes, table[i].address);
		char tags[8];
		snprintf(tags, sizeof tags, ",%s", table[i].types);
		size += put_text(bytes + size, tags);
		memset(bytes + size, 0, 8);
		size += 4 * strlen(table[i].types);
		client_send_bytes(&client, server, bytes, size);
		struct command_log log = receive(server, now += SECOND);
		assert_int_equal(log.count, 0);
		expect_error(&client, table[i].code, table[i].part);
	}
	static const double ports[] = {0, -1, 65536, 1e30, -1e30};
	for (int i = 0; i < 5; i++)
		client_send(&client, server, "/midibert/subscribe", "f", ports[i]);
	client_send(&client, server, "/midibert/subscribe", "f", (double)NAN);
	client_send(&client, server, "/midibert/tempo/set", "f", 15.9);
	receive(server, now += SECOND);
	for (int i = 0; i < 7; i++)
		expect_error(&client, "arguments", i < 6 ? "out of range" : "16 to 256");
	client_send(&client, server, "/midibert/tempo/set", "f", (double)NAN);
	client_send(&client, server, "/midibert/\x1b[31m", "");
	receive(server, now += SECOND);
	client_expect(&client, "/midibert/error");
	expect_error(&client, "unknown", "/midibert/?[31m");
	osc_server_close(server);
	client_close(&client);
}

static void answers_are_never_answered(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();

	(void)state;
	client_send(&client, server, "/midibert/error", "ss", "unknown", "x");
	client_send(&client, server, "/midibert/pong", "ii", 1, 2);
	client_send(&client, server, "/midibert/note", "iiiiii", 1, 2, 3, 4, 5, 6);
	receive(server, 0);
	client_expect_nothing(&client);
	osc_server_close(server);
	client_close(&client);
}

static void a_flood_of_rubbish_is_counted_and_hardly_answered(void **state)
{
	struct client flooder = client_open(), target = client_open();
	struct osc_server *server = open_server(NULL, target.target, NULL);
	struct osc_server_statistics count;
	uint32_t random = 1;

	(void)state;
	client_drain(&target);
	for (int i = 0; i < 20000; i++) {
		unsigned char bytes[64];
		size_t size = random % sizeof bytes;
		for (size_t k = 0; k < size; k++) {
			random = random * 1664525 + 1013904223;
			bytes[k] = (unsigned char)(random >> 24);
		}
		if (size > 0)
			bytes[0] = i % 2 ? '/' : '#';
		random = random * 1664525 + 1013904223;
		client_send_bytes(&flooder, server, bytes, size);
		if (i % 15 == 14) { /* the stream goes on meanwhile */
			receive(server, SECOND + i);
			send_note(server, i + 1);
			assert_true(client_expect(&target, "/midibert/note").number[0] == i + 1);
		}
	}
	receive(server, SECOND + 20000);
	osc_server_statistics(server, &count);
	assert_int_equal(count.received, 20000);
	assert_int_equal(count.malformed, 20000);
	assert_int_equal(client_drain(&flooder), 10);
	client_send(&flooder, server, "/midibert/ping", "i", 5);
	receive(server, 2 * SECOND);
	client_expect(&flooder, "/midibert/pong");
	osc_server_close(server);
	client_close(&flooder);
	client_close(&target);
}

static void one_call_reads_a_bounded_number(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client = client_open();
	struct pollfd ready = {.fd = osc_server_fd(server), .events = POLLIN};

	(void)state;
	assert_int_equal(poll(&ready, 1, 0), 0);
	for (int i = 0; i < 100; i++)
		client_send(&client, server, "/midibert/tap", "");
	assert_int_equal(poll(&ready, 1, 0), 1);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(receive(server, 0).count, 16);
		assert_int_equal(poll(&ready, 1, 0), 1);
	}
	assert_int_equal(receive(server, 0).count, 4);
	assert_int_equal(poll(&ready, 1, 0), 0);
	osc_server_close(server);
	client_close(&client);
}

static void a_subscriber_that_died_does_not_disturb(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client dead = client_open(), alive = client_open();
	struct pollfd ready = {.fd = osc_server_fd(server), .events = POLLIN};

	(void)state;
	client_send(&dead, server, "/midibert/subscribe", "");
	client_send(&alive, server, "/midibert/subscribe", "");
	receive(server, 0);
	client_drain(&alive);
	client_close(&dead);
	for (int id = 1; id <= 100; id++)
		send_note(server, id);
	for (int id = 1; id <= 100; id++)
		assert_true(client_expect(&alive, "/midibert/note").number[0] == id);
	receive(server, 0);
	assert_int_equal(poll(&ready, 1, 0), 0); /* its error does not keep the thread awake */
	client_send(&alive, server, "/midibert/ping", "");
	receive(server, 0);
	client_expect(&alive, "/midibert/pong");
	osc_server_close(server);
	client_close(&alive);
}

static void leases_come_and_go_without_a_leak(void **state)
{
	struct osc_server *server = open_server(NULL, NULL, NULL);
	struct client client[8];
	struct osc_server_statistics count;
	int64_t now = 0;
	int before, after;

	(void)state;
	for (int i = 0; i < 8; i++)
		client[i] = client_open();
	before = dup(0);
	close(before);
	/* A week: every half minute some subscribe, some leave, some are forgotten. */
	for (int step = 0; step < 7 * 24 * 120; step++, now += 30 * SECOND) {
		const struct client *one = &client[step * 7 % 8];
		client_send(one, server, "/midibert/subscribe", "s", "/midibert/note");
		if (step % 3 == 0)
			client_send(&client[step * 5 % 8], server, "/midibert/unsubscribe", "");
		receive(server, now);
		osc_server_expire(server, now);
		client_drain(one);
		client_drain(&client[step * 5 % 8]);
		osc_server_statistics(server, &count);
		assert_in_range(count.subscribers, 0, 3);
	}
	osc_server_expire(server, now + 60 * SECOND);
	osc_server_statistics(server, &count);
	assert_int_equal(count.subscribers, 0);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	osc_server_close(server);
	for (int i = 0; i < 8; i++)
		client_close(&client[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_subscriber_learns_what_there_is),
	    cmocka_unit_test(a_lease_ends_unless_it_is_renewed),
	    cmocka_unit_test(a_pattern_filters_and_can_be_changed),
	    cmocka_unit_test(unsubscribing_ends_the_stream),
	    cmocka_unit_test(another_port_must_prove_itself),
	    cmocka_unit_test(guesses_and_time_void_a_challenge),
	    cmocka_unit_test(challenges_are_few_and_their_table_is_bounded),
	    cmocka_unit_test(a_network_that_is_not_allowed_must_prove_itself),
	    cmocka_unit_test(networks_contain_what_they_say),
	    cmocka_unit_test(a_fixed_target_may_subscribe_without_getting_all_twice),
	    cmocka_unit_test(the_table_of_subscribers_is_bounded),
	    cmocka_unit_test(subscribers_and_losses_can_be_listed),
	    cmocka_unit_test(a_ping_comes_back_with_both_times),
	    cmocka_unit_test(commands_reach_the_daemon),
	    cmocka_unit_test(wrong_messages_are_answered_with_the_reason),
	    cmocka_unit_test(answers_are_never_answered),
	    cmocka_unit_test(a_flood_of_rubbish_is_counted_and_hardly_answered),
	    cmocka_unit_test(one_call_reads_a_bounded_number),
	    cmocka_unit_test(a_subscriber_that_died_does_not_disturb),
	    cmocka_unit_test(leases_come_and_go_without_a_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
