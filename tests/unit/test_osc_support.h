/* What the tests of osc/ share: a receiver with a real socket, and OSC datagrams built byte by byte, without liblo. */
#ifndef MIDIBERTD_TEST_OSC_SUPPORT_H
#define MIDIBERTD_TEST_OSC_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "osc/server_state.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)

#define HOST_MAX 32

/* This process's own loopback address. Tests run beside each other, and on one address a port that was left here, and is
 * still sent to, soon belongs to another of them. */
static inline struct in_addr own_host(void)
{
	return (struct in_addr){htonl(UINT32_C(0x7f400000) | ((uint32_t)getpid() & 0x3fffff))};
}

/* "HOST:PORT" of it, in `text`. */
static inline const char *own_address(int port, char text[HOST_MAX])
{
	snprintf(text, HOST_MAX, "%s:%d", inet_ntoa(own_host()), port);
	return text;
}

/* A control address there. */
static inline const char *own_control(void)
{
	static char text[HOST_MAX];

	return own_address(0, text);
}

struct client {
	int fd, port;
	char target[HOST_MAX];
};

static inline struct client client_open(void)
{
	struct client client = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = own_host()};
	socklen_t size = sizeof address;
	int room = 4 << 20;

	assert_true(client.fd >= 0);
	assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
	assert_int_equal(bind(client.fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(client.fd, (struct sockaddr *)&address, &size), 0);
	client.port = ntohs(address.sin_port);
	own_address(client.port, client.target);
	return client;
}

static inline void client_close(struct client *client)
{
	close(client->fd);
	client->fd = -1;
}

static inline size_t put_text(unsigned char *bytes, const char *text)
{
	size_t length = strlen(text) + 1, padded = (length + 3) & ~(size_t)3;

	memset(bytes, 0, padded);
	memcpy(bytes, text, length);
	return padded;
}

static inline size_t put_word(unsigned char *bytes, uint32_t word)
{
	word = htonl(word);
	memcpy(bytes, &word, 4);
	return 4;
}

/* i: int, f: double, s: text. */
static inline size_t build_va(unsigned char *bytes, const char *address, const char *types, va_list arguments)
{
	char tags[40];
	size_t at = put_text(bytes, address);

	snprintf(tags, sizeof tags, ",%s", types);
	at += put_text(bytes + at, tags);
	for (const char *t = types; *t != '\0'; t++) {
		if (*t == 'i') {
			at += put_word(bytes + at, (uint32_t)va_arg(arguments, int));
		} else if (*t == 'f') {
			float number = (float)va_arg(arguments, double);
			uint32_t word;
			memcpy(&word, &number, 4);
			at += put_word(bytes + at, word);
		} else {
			at += put_text(bytes + at, va_arg(arguments, const char *));
		}
	}
	return at;
}

static inline size_t build(unsigned char *bytes, const char *address, const char *types, ...)
{
	va_list arguments;

	va_start(arguments, types);
	size_t size = build_va(bytes, address, types, arguments);
	va_end(arguments);
	return size;
}

static inline void client_send_bytes(const struct client *client, const struct osc_server *server, const void *bytes,
				     size_t size)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_addr = own_host(), .sin_port = htons((uint16_t)osc_server_port(server))};

	assert_int_equal(sendto(client->fd, bytes, size, 0, (struct sockaddr *)&to, sizeof to), size);
}

static inline void client_send(const struct client *client, const struct osc_server *server, const char *address,
			       const char *types, ...)
{
	unsigned char bytes[2048];
	va_list arguments;

	va_start(arguments, types);
	size_t size = build_va(bytes, address, types, arguments);
	va_end(arguments);
	client_send_bytes(client, server, bytes, size);
}

static inline void keep_received(void *context, const struct osc_received *message)
{
	*(struct osc_received *)context = *message;
}

/* Datagrams over loopback are there as soon as they have been sent. False: nothing is there. */
static inline bool client_get(const struct client *client, struct osc_received *message)
{
	_Alignas(8) unsigned char bytes[2048];
	ssize_t size = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (size < 0)
		return false;
	assert_null(osc_message_decode(bytes, (size_t)size, keep_received, message));
	return true;
}

/* The next message must have this address; returns it. */
static inline struct osc_received client_expect(const struct client *client, const char *address)
{
	struct osc_received message;

	if (!client_get(client, &message))
		fail_msg("nothing came where %s was expected", address);
	assert_string_equal(message.address, address);
	return message;
}

static inline void client_expect_nothing(const struct client *client)
{
	struct osc_received message;

	if (client_get(client, &message))
		fail_msg("unexpected %s", message.address);
}

static inline int client_drain(const struct client *client)
{
	struct osc_received message;
	int count = 0;

	while (client_get(client, &message))
		count++;
	return count;
}

/* What came out of the server as commands. */
struct command_log {
	struct osc_command command[64];
	int count;
};

static inline void log_command(void *context, const struct osc_command *command)
{
	struct command_log *log = context;

	if (log->count < 64)
		log->command[log->count] = *command;
	log->count++;
}

static inline struct command_log receive(struct osc_server *server, int64_t now_us)
{
	struct command_log log = {.count = 0};
	struct osc_command_sink sink = {.take = log_command, .context = &log};

	osc_server_receive(server, now_us, &sink);
	return log;
}

/* A server on a free port; targets end with NULL. */
static inline struct osc_server *open_server(FILE *print, const char *first, const char *second)
{
	const char *const targets[] = {first, second};
	struct osc_server_options options = {.targets = targets,
					     .target_count = (size_t)(first != NULL) + (second != NULL),
					     .control = own_control(),
					     .print = print};
	struct osc_server *server = NULL;
	struct error error;

	if (osc_server_open(&options, &server, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return server;
}

static inline struct event note_on(int id, int pitch, int velocity, int64_t event_us)
{
	return (struct event){.event_us = event_us,
			      .arrival_us = event_us,
			      .note_id = id,
			      .kind = EVENT_NOTE_ON,
			      .pitch = (uint8_t)pitch,
			      .velocity = (uint8_t)velocity};
}

#endif
