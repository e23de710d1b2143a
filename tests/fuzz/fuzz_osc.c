/* Control messages from strangers: a real server takes any sequence of datagrams from a few senders while time goes on, and
 * sends notes meanwhile. An input is steps of one byte of what to do, one byte of length in words, and the datagram. */
#define _GNU_SOURCE
#include "osc/server_state.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
	STEP_SENDER = 0x03,
	STEP_FOREIGN = 0x04,
	STEP_CONFIRM = 0x08,
	STEP_LATER = 0x10,
	STEP_MUCH_LATER = 0x20,
	STEP_ODD = 0x40
};

#define SUBSCRIBERS 6

static void take(void *context, const struct osc_command *command)
{
	struct osc_server *server = context;

	if (command->kind == OSC_COMMAND_TEMPO_SET && !(command->bpm >= 16 && command->bpm <= 256))
		abort();
	if (strnlen(command->path, sizeof command->path) == sizeof command->path)
		abort();
	osc_server_answer_error(server, command, "model", command->path, command->arrival_us);
}

static struct osc_server *open_server(FILE *print)
{
	static const char *const labels[] = {"one", "two"};
	const char *const targets[] = {"127.0.0.1:9"};
	struct osc_server_options options = {.targets = targets,
					     .target_count = 1,
					     .control = "127.0.0.1:0",
					     .timing = OSC_TIMING_BUNDLE,
					     .print = print,
					     .max_subscribers = SUBSCRIBERS};
	struct osc_server *server = NULL;

	if (osc_server_open(&options, &server, NULL) != STATUS_OK ||
	    osc_server_set_labels(server, OSC_LABELS_STYLE, labels, 2, NULL) != STATUS_OK)
		abort();
	return server;
}

static void confirm(struct osc_server *server, const struct endpoint *sender, int64_t now_us,
		    const struct osc_command_sink *sink)
{
	unsigned char datagram[] = "/midibert/confirm\0\0\0,i\0\0nnnn";

	for (int i = 0; i < CHALLENGES_MAX; i++) {
		uint32_t number = htonl((uint32_t)server->challenges.slot[i].number);
		if (number == 0)
			continue;
		memcpy(datagram + 24, &number, 4);
		control_take(server, datagram, 28, sender, now_us, sink);
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static FILE *print;
	struct endpoint sender = {.size = sizeof(struct sockaddr_in)};
	struct sockaddr_in *address = (struct sockaddr_in *)&sender.address;
	struct event event = {.kind = EVENT_NOTE_ON, .note_id = 1, .pitch = 60, .velocity = 64};
	struct osc_server_statistics count;
	int64_t now_us = 1000000;

	if (!print && !(print = fopen("/dev/null", "w")))
		abort();
	struct osc_server *server = open_server(print);
	const struct osc_command_sink sink = {.take = take, .context = server};
	while (size >= 2) {
		uint8_t step = bytes[0];
		size_t length = bytes[1] * (size_t)4 + ((step & STEP_ODD) ? 1 : 0);

		bytes += 2;
		size -= 2;
		length = length < size ? length : size;
		address->sin_family = AF_INET;
		address->sin_port = htons((uint16_t)(2 + (step & STEP_SENDER))); /* nobody listens there */
		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		server->networks.count = (step & STEP_FOREIGN) ? 0 : 2;
		now_us += (step & STEP_LATER) ? 200000 : 100;
		now_us += (step & STEP_MUCH_LATER) ? 40000000 : 0;
		/* In memory of exactly this size, so that a read past its end is seen. */
		unsigned char *copy = malloc(length > 0 ? length : 1);
		if (!copy)
			abort();
		memcpy(copy, bytes, length);
		control_take(server, copy, length, &sender, now_us, &sink);
		free(copy);
		if (step & STEP_CONFIRM)
			confirm(server, &sender, now_us, &sink);
		osc_server_send_event(server, &event, now_us);
		osc_server_receive(server, now_us, &sink);
		osc_server_expire(server, now_us);
		bytes += length;
		size -= length;
	}
	osc_server_statistics(server, &count);
	if (count.subscribers > SUBSCRIBERS + 1 || count.too_long > 0)
		abort();
	osc_server_close(server);
	return 0;
}
