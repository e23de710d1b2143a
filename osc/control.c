/* Control messages: untrusted datagrams in, answers or commands out. osc thread. What concerns osc itself is done here,
 * everything else is handed to the daemon. Nothing that arrives can make it send much more than it received, but to who
 * has subscribed. */
#define _GNU_SOURCE
#include "osc/server_state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define DATAGRAMS_A_CALL 16 /* some 50 us: whoever floods holds up a note no longer */
#define BRIEF_AGAIN_US 1000000

struct call {
	struct osc_server *server;
	const struct endpoint *sender;
	int64_t now_us;
	const struct osc_command_sink *sink;
};

bool control_allows(const struct osc_server *server, const struct endpoint *host)
{
	return networks_contain(&server->networks, host);
}

static void answer_error(struct osc_server *server, const struct endpoint *to, const char *code, const char *text,
			 int64_t now_us)
{
	char plain[TEXT_MAX * 2];
	const union osc_value values[] = {{.s = code}, {.s = plain}};

	if (!rate_take(&server->answer_rate, now_us))
		return;
	/* It quotes what somebody sent, and may end up on a terminal. */
	snprintf(plain, sizeof plain, "%s", text);
	for (char *c = plain; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	broadcast_answer(server, to, OSC_ERROR, values, 2);
}

static void refuse(const struct call *call, const char *code, const char *address, const char *why)
{
	char text[TEXT_MAX * 2];

	snprintf(text, sizeof text, "%s: %s", address, why);
	call->server->count.refused++;
	answer_error(call->server, call->sender, code, text, call->now_us);
}

/* ---- subscriptions ---- */

static void subscribe(const struct call *call, const struct endpoint *target, const char *pattern)
{
	struct osc_server *server = call->server;
	const union osc_value answer[] = {{.i = endpoint_port(target)}, {.i = OSC_LEASE_SECONDS}};
	const char *reason = NULL;

	struct receiver *receiver = roster_subscribe(server, target, pattern, call->now_us, &reason);
	if (!receiver) {
		refuse(call, "full", "/midibert/subscribe", reason);
		return;
	}
	broadcast_answer(server, call->sender, OSC_SUBSCRIBED, answer, 2);
	if (!endpoint_equal(call->sender, target))
		broadcast_answer(server, target, OSC_SUBSCRIBED, answer, 2);
	bool lately = receiver->briefed_us != INT64_MIN && receiver->briefed_us <= call->now_us &&
		      call->now_us - receiver->briefed_us < BRIEF_AGAIN_US;
	if (lately || !rate_take(&server->brief_rate, call->now_us))
		return;
	receiver->briefed_us = call->now_us;
	publish_brief(server, receiver);
}

static void take_subscribe(const struct call *call, const struct endpoint *target, const char *pattern)
{
	struct osc_server *server = call->server;
	const char *wrong = pattern[0] != '\0' ? osc_message_pattern_check(pattern) : NULL;

	if (!wrong && pattern[0] != '\0' && roster_wanted(pattern) == 0)
		wrong = "no address matches the pattern";
	if (wrong) {
		refuse(call, "arguments", "/midibert/subscribe", wrong);
		return;
	}
	/* Who can be trusted to want the stream: who has it already, and who asks from the very port, in a network that is
	 * allowed. Others prove that they can read there. */
	if (roster_find(server, target) || (endpoint_equal(call->sender, target) && control_allows(server, call->sender))) {
		subscribe(call, target, pattern);
		return;
	}
	if (!rate_take(&server->challenge_rate, call->now_us)) {
		server->count.refused++;
		return;
	}
	union osc_value number = {.i = challenge_make(&server->challenges, target, pattern,
						      call->now_us + INT64_C(1000000) * OSC_CHALLENGE_SECONDS)};
	if (number.i == 0)
		refuse(call, "refused", "/midibert/subscribe", "the system has no random numbers yet");
	else
		broadcast_answer(server, target, OSC_CHALLENGE, &number, 1);
}

static void take_confirm(const struct call *call, int32_t number)
{
	struct challenge challenge;

	if (challenge_take(&call->server->challenges, call->sender, number, &challenge))
		subscribe(call, &challenge.target, challenge.pattern);
	else
		refuse(call, "refused", "/midibert/confirm", "no challenge of this number waits for this host");
}

static void take_unsubscribe(const struct call *call, const struct endpoint *target)
{
	const union osc_value answer[] = {{.i = endpoint_port(target)}, {.i = 0}};
	struct receiver *receiver = roster_find(call->server, target);

	if (!receiver || !receiver->leased) {
		refuse(call, "refused", "/midibert/unsubscribe", "nobody at this port has subscribed");
		return;
	}
	roster_unsubscribe(call->server, receiver);
	broadcast_answer(call->server, call->sender, OSC_SUBSCRIBED, answer, 2);
}

/* ---- lists ---- */

static int32_t wire_count(uint64_t count)
{
	return count > INT32_MAX ? INT32_MAX : (int32_t)count;
}

/* Its port; and its host, which is a name while nobody knows more. */
static int receiver_place(const struct osc_server *server, const struct receiver *receiver, char host[ENDPOINT_HOST_MAX])
{
	if (receiver->peer.size > 0) {
		endpoint_host(&receiver->peer, host);
		return endpoint_port(&receiver->peer);
	}
	const char *text = resolver_text(server->resolver, receiver->name - 1), *colon = strrchr(text, ':');
	snprintf(host, ENDPOINT_HOST_MAX, "%.*s", (int)(colon - text), text);
	return atoi(colon + 1);
}

static void list_subscribers(const struct call *call)
{
	char host[ENDPOINT_HOST_MAX];

	for (int i = 0; i < ROSTER_MAX; i++) {
		const struct receiver *receiver = &call->server->receiver[i];

		if (!receiver->used)
			continue;
		int64_t left_us = receiver->leased ? receiver->lease_end_us - call->now_us : -1000000;
		int port = receiver_place(call->server, receiver, host);
		const union osc_value values[] = {{.s = host},
						  {.i = port},
						  {.i = (int32_t)(left_us / 1000000)},
						  {.s = receiver->pattern[0] != '\0' ? receiver->pattern : "*"}};
		broadcast_answer(call->server, call->sender, OSC_SUBSCRIBER, values, 4);
	}
}

static void list_statistics(struct osc_server *server, const struct endpoint *to)
{
	const struct osc_server_statistics *count = &server->count;
	const union osc_value total[] = {{.i = wire_count(count->messages)},  {.i = wire_count(count->sent)},
					 {.i = wire_count(count->failed)},    {.i = wire_count(count->received)},
					 {.i = wire_count(count->malformed)}, {.i = wire_count(count->refused)}};
	char host[ENDPOINT_HOST_MAX];

	broadcast_answer(server, to, OSC_STATS_TOTAL, total, 6);
	for (int i = 0; i < ROSTER_MAX; i++) {
		const struct receiver *receiver = &server->receiver[i];

		if (!receiver->used)
			continue;
		int port = receiver_place(server, receiver, host);
		const union osc_value values[] = {{.s = host},
						  {.i = port},
						  {.i = wire_count(receiver->sent)},
						  {.i = wire_count(receiver->failed)},
						  {.i = wire_count(receiver->unreachable)}};
		broadcast_answer(server, to, OSC_STATS_RECEIVER, values, 5);
	}
}

void osc_server_tap_statistics(struct osc_server *server)
{
	if (server->tap.take)
		list_statistics(server, NULL);
}

static bool has_receiver(const struct osc_server *server, const struct endpoint *host)
{
	for (int i = 0; i < ROSTER_MAX; i++)
		if (server->receiver[i].used && endpoint_same_host(&server->receiver[i].peer, host))
			return true;
	return false;
}

static void take_list(const struct call *call, enum osc_address address)
{
	if (!control_allows(call->server, call->sender) && !has_receiver(call->server, call->sender)) {
		refuse(call, "refused", osc_namespace[address].address, "this network is not allowed (--allow)");
		return;
	}
	if (!rate_take(&call->server->brief_rate, call->now_us))
		call->server->count.refused++;
	else if (address == OSC_IN_STATS)
		list_statistics(call->server, call->sender);
	else
		list_subscribers(call);
}

/* ---- messages ---- */

/* Does the message have one of the forms "none|i|s|is" of its address? Any number passes as i and as f. */
static bool fits(const struct osc_received *message, const char *forms)
{
	char shape[OSC_ARGUMENTS_MAX + 1];

	for (size_t i = 0; i < message->count; i++)
		shape[i] = message->types[i] == '\0' || !strchr("ifhd", message->types[i]) ? message->types[i] : 'n';
	for (const char *form = forms; *form != '\0'; form += *form == '|') {
		size_t length = strcspn(form, "|");
		size_t wanted = strncmp(form, "none", length) == 0 && length == 4 ? 0 : length;
		size_t i = 0;
		while (i < wanted && i < message->count && shape[i] == (form[i] == 's' ? 's' : 'n'))
			i++;
		if (i == wanted && i == message->count)
			return true;
		form += length;
	}
	return false;
}

static bool whole(double number, double minimum, double maximum, int32_t *result)
{
	if (!isfinite(number))
		return false;
	number = rint(number);
	if (number < minimum || number > maximum)
		return false;
	*result = (int32_t)number;
	return true;
}

static void hand_on(const struct call *call, enum osc_address address, const struct osc_received *message)
{
	struct osc_command command = {
	    .arrival_us = call->now_us, .sender = call->sender->address, .sender_size = call->sender->size};
	const struct osc_argument *range = &osc_namespace[address].argument[0];

	if (!control_allows(call->server, call->sender)) {
		refuse(call, "refused", message->address, "this network is not allowed (--allow)");
		return;
	}
	switch (address) {
	case OSC_IN_RESET: command.kind = OSC_COMMAND_RESET; break;
	case OSC_IN_PAUSE: command.kind = OSC_COMMAND_PAUSE; break;
	case OSC_IN_RESUME: command.kind = OSC_COMMAND_RESUME; break;
	case OSC_IN_TAP: command.kind = OSC_COMMAND_TAP; break;
	case OSC_IN_TEMPO_SET:
		command.kind = OSC_COMMAND_TEMPO_SET;
		command.bpm = message->number[0];
		if (!(command.bpm >= range->minimum && command.bpm <= range->maximum)) {
			refuse(call, "arguments", message->address, "the tempo goes from 16 to 256 bpm");
			return;
		}
		break;
	case OSC_IN_MODEL_LOAD:
		command.kind = OSC_COMMAND_MODEL_LOAD;
		snprintf(command.path, sizeof command.path, "%s", message->text[0]);
		break;
	default: return;
	}
	call->sink->take(call->sink->context, &command);
}

static void answer_ping(const struct call *call, int32_t argument)
{
	int64_t ms = (call->now_us - call->server->start_us) / 1000;
	const union osc_value values[] = {{.i = argument}, {.i = (int32_t)(uint32_t)ms}};

	broadcast_answer(call->server, call->sender, OSC_PONG, values, 2);
}

static void take_message(void *context, const struct osc_received *message)
{
	const struct call *call = context;
	int index = osc_namespace_find(OSC_DIRECTION_IN, message->address);
	bool numbered = message->count > 0 && message->types[0] != 's';
	int32_t number = 0;

	if (index < 0) {
		/* What looks like an answer is never answered, or two daemons could be set upon each other. */
		if (osc_namespace_find(OSC_DIRECTION_OUT, message->address) >= 0)
			call->server->count.refused++;
		else
			refuse(call, "unknown", message->address, "no such address, see midibertd --list-osc");
		return;
	}
	const struct osc_argument *range = &osc_namespace[index].argument[0];
	bool bounded = range->name && range->minimum < range->maximum;
	if (!fits(message, osc_namespace[index].types)) {
		char text[64];
		snprintf(text, sizeof text, "takes %s", osc_namespace[index].types);
		refuse(call, "arguments", message->address, text);
		return;
	}
	if (numbered && !whole(message->number[0], bounded ? range->minimum : INT32_MIN,
			       bounded ? range->maximum : INT32_MAX, &number)) {
		refuse(call, "arguments", message->address, "the number is out of range");
		return;
	}
	struct endpoint target = *call->sender;
	switch ((enum osc_address)index) {
	case OSC_IN_SUBSCRIBE:
	case OSC_IN_UNSUBSCRIBE:
		if (numbered)
			endpoint_set_port(&target, number);
		if (index == OSC_IN_SUBSCRIBE)
			take_subscribe(call, &target, message->texts > 0 ? message->text[0] : "");
		else
			take_unsubscribe(call, &target);
		break;
	case OSC_IN_CONFIRM: take_confirm(call, number); break;
	case OSC_IN_PING: answer_ping(call, number); break;
	case OSC_IN_SUBSCRIBERS:
	case OSC_IN_STATS: take_list(call, (enum osc_address)index); break;
	default: hand_on(call, (enum osc_address)index, message); break;
	}
}

void control_take(struct osc_server *server, const void *datagram, size_t size, const struct endpoint *sender,
		  int64_t now_us, const struct osc_command_sink *sink)
{
	struct call call = {.server = server, .sender = sender, .now_us = now_us, .sink = sink};

	server->count.received++;
	const char *reason = osc_message_decode(datagram, size, take_message, &call);
	if (!reason)
		return;
	server->count.malformed++;
	answer_error(server, sender, "malformed", reason, now_us);
}

/* False: nothing (more) to read at this socket. */
static bool read_one(struct osc_server *server, int fd, int64_t now_us, const struct osc_command_sink *sink)
{
	_Alignas(8) unsigned char datagram[OSC_DATAGRAM_MAX];
	struct endpoint sender = {.size = sizeof sender.address};

	ssize_t size = recvfrom(fd, datagram, sizeof datagram, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&sender.address,
				&sender.size);
	if (size < 0)
		return false;
	control_take(server, datagram, (size_t)size, &sender, now_us, sink);
	return true;
}

void osc_server_receive(struct osc_server *server, int64_t now_us, const struct osc_command_sink *sink)
{
	struct epoll_event ready[8];
	int budget = DATAGRAMS_A_CALL;

	while (budget > 0) {
		int count = epoll_wait(server->epoll, ready, 8, 0);

		if (count <= 0)
			return;
		for (int i = 0; i < count; i++, budget--) {
			uint32_t index = ready[i].data.u32;

			if (index == INDEX_NAMES) {
				targets_follow(server, now_us);
				continue;
			}
			if (index == INDEX_CONTROL) {
				read_one(server, server->control, now_us, sink);
				continue;
			}
			struct receiver *receiver = &server->receiver[index];
			if (receiver->used && receiver->fd >= 0 && !read_one(server, receiver->fd, now_us, sink) &&
			    errno == ECONNREFUSED) {
				receiver->unreachable++;
				server->count.refused_by_target++;
			}
		}
	}
}

void osc_server_answer_error(struct osc_server *server, const struct osc_command *command, const char *code,
			     const char *text, int64_t now_us)
{
	const struct endpoint to = {.address = command->sender, .size = command->sender_size};

	answer_error(server, &to, code, text, now_us);
}

void osc_server_answer_model(struct osc_server *server, const struct osc_command *command)
{
	const struct endpoint to = {.address = command->sender, .size = command->sender_size};
	const union osc_value value = {.s = server->model};
	const struct receiver *receiver = roster_find(server, &to);

	if (!receiver || !(receiver->wanted >> OSC_STATUS_MODEL & 1))
		broadcast_answer(server, &to, OSC_STATUS_MODEL, &value, 1);
}
