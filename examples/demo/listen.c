/* A receiver of the demonstration, and an example of one in plain C: a UDP socket and the wire format, no library.
 * Writes every message that arrives to a file, one line each (address, types, values, separated by tabs), and when it is
 * told to stop (SIGTERM, SIGINT) says what it has heard. Runs in one thread; it knows nothing of the daemon's source.
 *   listen PORT-FILE LOG-FILE      PORT-FILE gets the number of the port that it listens on */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 64
#define MELODY_MAX 4096
#define ARGUMENTS_MAX 40

struct message {
	const char *address, *types;
	double number[ARGUMENTS_MAX];
	const char *text[ARGUMENTS_MAX];
	int count;
};

struct heard {
	char address[ADDRESSES_MAX][64];
	long times[ADDRESSES_MAX];
	int addresses;
	long messages, unreadable;
	int melody[MELODY_MAX]; /* pitches announced by /midibert/melody/on */
	int melodies;
	char style[64];
	double style_confidence;
	double latency[4]; /* p50, p95, p99, period, of the last /midibert/latency */
};

/* A zero-terminated string padded to four bytes; NULL if it runs over the end. */
static const char *take_string(const char *data, size_t size, size_t *at)
{
	const char *text = data + *at;
	const char *end = *at < size ? memchr(text, 0, size - *at) : NULL;
	if (end == NULL)
		return NULL;
	*at += ((size_t)(end - text) / 4 + 1) * 4;
	return text;
}

static bool decode(const char *data, size_t size, struct message *message)
{
	size_t at = 0;
	*message = (struct message){.address = take_string(data, size, &at)};
	message->types = take_string(data, size, &at);
	if (message->address == NULL || message->types == NULL || message->address[0] != '/' || message->types[0] != ',')
		return false;
	for (const char *type = ++message->types; *type != '\0'; type++) {
		int i = message->count++;
		if (i == ARGUMENTS_MAX)
			return false;
		if (*type == 's') {
			message->text[i] = take_string(data, size, &at);
			if (message->text[i] == NULL)
				return false;
			continue;
		}
		uint32_t word;
		if ((*type != 'i' && *type != 'f') || at + 4 > size)
			return false;
		memcpy(&word, data + at, 4);
		word = ntohl(word);
		at += 4;
		if (*type == 'i') {
			message->number[i] = (int32_t)word;
		} else {
			float value;
			memcpy(&value, &word, 4);
			message->number[i] = (double)value;
		}
	}
	return true;
}

static void write_line(FILE *log, const struct message *message)
{
	fprintf(log, "%s\t%s", message->address, message->types);
	for (int i = 0; i < message->count; i++) {
		if (message->types[i] == 's')
			fprintf(log, "\t%s", message->text[i]);
		else
			fprintf(log, message->types[i] == 'i' ? "\t%.0f" : "\t%.9g", message->number[i]);
	}
	fputc('\n', log);
}

static void note_down(struct heard *heard, const struct message *message)
{
	int i = 0;
	while (i < heard->addresses && strcmp(heard->address[i], message->address) != 0)
		i++;
	if (i == heard->addresses && i < ADDRESSES_MAX)
		snprintf(heard->address[heard->addresses++], sizeof(heard->address[0]), "%.63s", message->address);
	if (i < ADDRESSES_MAX)
		heard->times[i]++;
	heard->messages++;
	if (strcmp(message->address, "/midibert/melody/on") == 0 && strcmp(message->types, "iiif") == 0) {
		if (heard->melodies < MELODY_MAX)
			heard->melody[heard->melodies++] = (int)message->number[1];
	} else if (strcmp(message->address, "/midibert/style/name") == 0 && strcmp(message->types, "s") == 0) {
		snprintf(heard->style, sizeof(heard->style), "%.63s", message->text[0]);
	} else if (strcmp(message->address, "/midibert/style") == 0 && strcmp(message->types, "if") == 0) {
		heard->style_confidence = message->number[1];
	} else if (strcmp(message->address, "/midibert/latency") == 0 && strcmp(message->types, "ffff") == 0) {
		memcpy(heard->latency, message->number, sizeof(heard->latency));
	}
}

static void receive(int socket, struct heard *heard, FILE *log)
{
	char data[65536];
	ssize_t size;
	while ((size = recv(socket, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
		struct message message;
		if (decode(data, (size_t)size, &message)) {
			write_line(log, &message);
			note_down(heard, &message);
		} else {
			heard->unreadable++;
		}
	}
}

static void say(const struct heard *heard, int port)
{
	static const char *const steps[] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
	printf("The receiver on UDP port %d heard %ld messages", port, heard->messages);
	if (heard->unreadable > 0)
		printf(" and %ld datagrams it could not read", heard->unreadable);
	printf(":\n");
	for (int i = 0; i < heard->addresses; i++)
		printf("%8ld  %s\n", heard->times[i], heard->address[i]);
	printf("The melody as it was announced (/midibert/melody/on), %d notes:", heard->melodies);
	for (int i = 0; i < heard->melodies; i++)
		printf("%s%s%d", i % 16 == 0 ? "\n    " : " ", steps[heard->melody[i] % 12], heard->melody[i] / 12 - 1);
	printf("\n");
	if (heard->style[0] != '\0')
		printf("The style of the playing, as last heard: %s (confidence %.2f)\n", heard->style,
		       heard->style_confidence);
	if (heard->latency[0] > 0)
		printf("Note to label on this machine: p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n", heard->latency[0],
		       heard->latency[1], heard->latency[2]);
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "listen: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int count, char **argument)
{
	static struct heard heard;
	if (count != 3) {
		fprintf(stderr, "usage: listen PORT-FILE LOG-FILE\n");
		return 2;
	}
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	int stop = signalfd(-1, &signals, SFD_CLOEXEC);

	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 1 << 20;
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(here);
	if (stop < 0 || udp < 0 || bind(udp, (struct sockaddr *)&here, size) != 0 ||
	    getsockname(udp, (struct sockaddr *)&here, &size) != 0)
		fail("no socket");
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)); /* as much as the system allows */

	FILE *log = fopen(argument[2], "w");
	if (log == NULL)
		fail(argument[2]);
	FILE *port = fopen(argument[1], "w");
	if (port == NULL || fprintf(port, "%d\n", ntohs(here.sin_port)) < 0 || fclose(port) != 0)
		fail(argument[1]);

	struct pollfd wait[] = {{.fd = udp, .events = POLLIN}, {.fd = stop, .events = POLLIN}};
	do {
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		receive(udp, &heard, log);
	} while (wait[1].revents == 0);

	if (fclose(log) != 0)
		fail(argument[2]);
	say(&heard, ntohs(here.sin_port));
	return heard.messages > 0 ? 0 : 1;
}
