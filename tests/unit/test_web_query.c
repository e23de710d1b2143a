/* OSCQuery's JSON, commands, queues and who is let in, without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "osc/networks.h"
#include "web/guard.h"
#include "web/outbox.h"
#include "web/query.h"
#include "web/values.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct query_host own = {"midibertd on x", 9109, 9110};

static void keep(struct values *values, enum osc_address address, const union osc_value *value, size_t count)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];
	size_t size = osc_message_encode(address, value, count, datagram, sizeof datagram);
	assert_true(size > 0);
	values_keep(values, address, datagram, size);
}

static void expect(const struct values *values, const char *path, const char *attribute, int status, const char *json)
{
	struct writer writer = {0};
	assert_int_equal(query_answer(values, &own, path, attribute, &writer), status);
	if (json)
		assert_string_equal(writer.text, json);
	writer_free(&writer);
}

static void values_are_those_that_were_sent(void **state)
{
	struct values *values = calloc(1, sizeof *values);
	const union osc_value names[] = {{.s = "a \"quoted\" \\ name"}, {.s = "\xc3\xa9\xff"}};
	const union osc_value tempo[] = {{.f = 0.1f}, {.f = 1}, {.i = 2}};
	const union osc_value large[] = {{.i = INT32_MAX}, {.i = 0}, {.i = 123456789}};
	(void)state;
	assert_non_null(values);
	expect(values, "/midibert/style/labels", "VALUE", 204, NULL);
	expect(values, "/midibert/style/labels", "TYPE", 200, "{\"TYPE\":\"s\"}");
	keep(values, OSC_STYLE_LABELS, names, 2);
	expect(values, "/midibert/style/labels", "TYPE", 200, "{\"TYPE\":\"ss\"}");
	expect(values, "/midibert/style/labels", "RANGE", 200, "{\"RANGE\":[{},{}]}");
	expect(values, "/midibert/style/labels", "VALUE", 200, "{\"VALUE\":[\"a \\\"quoted\\\" \\\\ name\",\"\xc3\xa9?\"]}");
	expect(NULL, "/midibert/style/labels", "VALUE", 204, NULL); /* who may not see values */
	keep(values, OSC_TEMPO, tempo, 3);
	expect(values, "/midibert/tempo", "VALUE", 200, "{\"VALUE\":[0.1,1,2]}");
	expect(values, "/midibert/tempo", "UNIT", 200, "{\"UNIT\":[\"time.bpm\",null,null]}");
	keep(values, OSC_NOTE_OFF, large, 3);
	expect(values, "/midibert/note/off", "VALUE", 200, "{\"VALUE\":[2147483647,0,123456789]}");
	free(values);
}

static void control_has_forms(void **state)
{
	(void)state;
	expect(NULL, "/midibert/subscribe", "TYPE", 200, "{\"TYPE\":\"is\"}");
	expect(NULL, "/midibert/subscribe", "OVERLOADS", 200,
	       "{\"OVERLOADS\":[{\"TYPE\":\"N\",\"RANGE\":[]},{\"TYPE\":\"i\",\"RANGE\":[{\"MIN\":1,\"MAX\":65535}]},"
	       "{\"TYPE\":\"s\",\"RANGE\":[{}]}]}");
	expect(NULL, "/midibert/tempo/set", "RANGE", 200, "{\"RANGE\":[{\"MIN\":16,\"MAX\":256}]}");
	expect(NULL, "/midibert/reset", "TYPE", 200, "{\"TYPE\":\"N\"}");
	expect(NULL, "/midibert/reset", "RANGE", 204, NULL);
	expect(NULL, "/", "ACCESS", 200, "{\"ACCESS\":0}");
	expect(NULL, "/midibert/note", "nonsense", 400, NULL);
	expect(NULL, "/midibert/note/", "ACCESS", 200, "{\"ACCESS\":1}");
	expect(NULL, "", NULL, 404, NULL);
	expect(NULL, "/midiber", NULL, 404, NULL);
}

static const char *read_command(const char *text, struct query_command *command)
{
	return query_command_read(text, strlen(text), command);
}

static void commands_are_read(void **state)
{
	struct query_command command;
	(void)state;
	assert_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":\"\\/midibert\\/note\"}", &command));
	assert_true(command.listen && command.addresses == UINT64_C(1) << OSC_NOTE);
	assert_null(read_command(" { \"DATA\" : \"/midibert/stats\" , \"X\":\"\", \"COMMAND\" : \"IGNORE\" } ", &command));
	assert_true(!command.listen &&
		    command.addresses == (UINT64_C(1) << OSC_STATS_TOTAL | UINT64_C(1) << OSC_STATS_RECEIVER));
	assert_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":\"/\"}", &command));
	assert_true(command.addresses == (UINT64_C(1) << OSC_OUT_END) - 1);
	assert_non_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":\"/midibert/reset\"}", &command)); /* is not sent */
	assert_non_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":\"\"}", &command));
	assert_non_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":\"/midibert\"} x", &command));
	assert_non_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":\"/midibert\"", &command));
	assert_non_null(read_command("{\"COMMAND\":\"LISTEN\",\"DATA\":[\"/midibert\"]}", &command));
	assert_non_null(read_command("", &command));
}

static void a_full_outbox_loses_whole_messages(void **state)
{
	struct outbox outbox;
	unsigned char message[OUTBOX_MESSAGE_MAX] = {0}, got[OUTBOX_MESSAGE_MAX];
	uint64_t pushed = 0, popped = 0;
	(void)state;
	assert_true(outbox_open(&outbox));
	assert_int_equal(outbox_pop(&outbox, got), 0);
	for (uint32_t round = 0; round < 2000; round++) { /* many times around the ring */
		size_t size = 4 + (round * 37) % (OUTBOX_MESSAGE_MAX - 3);
		memcpy(message, &round, sizeof round);
		pushed += outbox_push(&outbox, message, size);
		if (round % 3 == 0 && (size = outbox_pop(&outbox, got)) > 0) {
			uint32_t of;
			memcpy(&of, got, sizeof of);
			assert_int_equal(size, 4 + (of * 37) % (OUTBOX_MESSAGE_MAX - 3));
			popped++;
		}
	}
	assert_true(outbox.lost > 0);
	assert_int_equal(pushed + outbox.lost, 2000);
	while (outbox_pop(&outbox, got) > 0)
		popped++;
	assert_int_equal(popped, pushed);
	assert_false(outbox_push(&outbox, message, sizeof message + 1));
	outbox_close(&outbox);
}

static struct endpoint host(const char *text)
{
	struct endpoint endpoint = {.size = sizeof(struct sockaddr_in6)};
	endpoint.address.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&endpoint.address)->sin6_addr), 1);
	return endpoint;
}

static enum guard_verdict judge(const char *peer, const char *name, const char *origin, const char *token)
{
	struct endpoint endpoint = host(peer);
	const struct guard_request request = {&endpoint, name, origin, token};
	return guard_judge(&request, "secret", "stage.example.org");
}

static void strangers_are_kept_out(void **state)
{
	static const char here[] = "::ffff:127.0.0.1", there[] = "::ffff:192.168.1.7";
	(void)state;
	assert_int_equal(judge(here, "localhost:9110", NULL, NULL), GUARD_ALL);
	assert_int_equal(judge("::1", "[::1]:9110", "http://[::1]:9110", NULL), GUARD_ALL);
	assert_int_equal(judge(here, "stage", NULL, NULL), GUARD_ALL);
	assert_int_equal(judge(here, "stage.local:9110", NULL, NULL), GUARD_ALL);
	assert_int_equal(judge(here, "stage.example.org", NULL, NULL), GUARD_REFUSED); /* a name server's to give */
	assert_int_equal(judge(here, "stagelocal", NULL, NULL), GUARD_REFUSED);
	assert_int_equal(judge(here, "192.168.1.2:9110", NULL, NULL), GUARD_REFUSED);
	assert_int_equal(judge(here, "localhost", "http://localhost:80", NULL), GUARD_REFUSED);
	assert_int_equal(judge(here, "localhost", NULL, "wrong"), GUARD_REFUSED);
	assert_int_equal(judge(here, NULL, NULL, "secret"), GUARD_REFUSED);
	assert_int_equal(judge(there, "192.168.1.2:9110", NULL, NULL), GUARD_NAMES);
	assert_int_equal(judge(there, "stage.local", NULL, NULL), GUARD_NAMES);
	assert_int_equal(judge(there, "localhost", NULL, NULL), GUARD_REFUSED);
	assert_int_equal(judge(there, "example.org", NULL, NULL), GUARD_REFUSED);
	assert_int_equal(judge(there, "example.org", NULL, "secret"), GUARD_ALL);
	assert_int_equal(judge(there, "example.org", "http://other.example.org", "secret"), GUARD_REFUSED);
	assert_int_equal(judge(there, "192.168.1.2", NULL, "secre"), GUARD_REFUSED);
	assert_int_equal(judge(there, "192.168.1.2", NULL, "secrets"), GUARD_REFUSED);
	assert_int_equal(judge(there, "192.168.1.2", NULL, ""), GUARD_REFUSED);
	const struct endpoint endpoint = host(there);
	const struct guard_request empty = {&endpoint, "192.168.1.2", NULL, ""};
	assert_int_equal(guard_judge(&empty, "", "stage"), GUARD_REFUSED);
}

static void tokens_differ(void **state)
{
	char one[GUARD_TOKEN_MAX], other[GUARD_TOKEN_MAX];
	(void)state;
	assert_true(guard_make_token(one) && guard_make_token(other));
	assert_int_equal(strlen(one), 12);
	assert_string_not_equal(one, other);
}

static void networks_are_named_or_local(void **state)
{
	static const char *const named[] = {"10.1.0.0/16"};
	struct networks networks;
	char text[ENDPOINT_HOST_MAX];
	struct endpoint here = host("::1"), inside = host("::ffff:10.1.2.3"), outside = host("::ffff:10.2.2.3");
	(void)state;
	assert_int_equal(networks_set(&networks, named, 1, false, NULL), STATUS_OK);
	assert_true(networks_contain(&networks, &here) && networks_contain(&networks, &inside));
	assert_false(networks_contain(&networks, &outside));
	assert_int_equal(networks_set(&networks, NULL, 0, true, NULL), STATUS_OK);
	assert_true(networks_contain(&networks, &here));
	if (networks_own_host(text)) { /* a machine without a network has loopback alone */
		char mapped[ENDPOINT_HOST_MAX + 8];
		snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
		struct endpoint own_host = host(mapped);
		assert_true(networks.count > networks.fixed && networks_contain(&networks, &own_host));
	}
	networks_refresh(&networks);
	assert_true(networks_contain(&networks, &here));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_those_that_were_sent),
	    cmocka_unit_test(control_has_forms),
	    cmocka_unit_test(commands_are_read),
	    cmocka_unit_test(a_full_outbox_loses_whole_messages),
	    cmocka_unit_test(strangers_are_kept_out),
	    cmocka_unit_test(tokens_differ),
	    cmocka_unit_test(networks_are_named_or_local),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
