/* A JACK client that plays messages on exact frames and says when it did, in JACK's own time.
 *   jack_player [-j SERVER] [-n CLIENT] [-o PORT] [-A ALIAS] [-p] [-a] [-s]      (-p: a hardware port; -a: do not wait for a
 * connection; -s: stay until SIGTERM) Standard input: one message a line, "FRAME HEX...", frames counted from the first
 * cycle, not falling. Standard output, when all are played: one line each, "played MICROSECONDS HEX...", then "offset
 * MICROSECONDS", what CLOCK_MONOTONIC is ahead of JACK's time, then "done". */
#define _GNU_SOURCE
#include "base/clock.h"

#include <jack/jack.h>
#include <jack/midiport.h>

#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGES_MAX 100000
#define LEAD_CYCLES 4 /* between the connection and frame 0, and after the last message */

struct message {
	uint32_t frame;
	unsigned length;
	unsigned char bytes[8];
	jack_time_t played_us; /* 0: the buffer had no room */
};

static struct message messages[MESSAGES_MAX];
static size_t count, next;
static jack_client_t *client;
static jack_port_t *port;
static _Atomic bool started;
static bool has_base;
static jack_nframes_t base;
static unsigned cycles_after = LEAD_CYCLES; /* the last message has been heard before we leave */
static sem_t finished, leaving;

static int process(jack_nframes_t frames, void *context)
{
	(void)context;
	void *buffer = jack_port_get_buffer(port, frames);
	jack_nframes_t now = jack_last_frame_time(client);
	jack_midi_clear_buffer(buffer);
	if (!atomic_load(&started))
		return 0;
	if (next == count) {
		if (cycles_after > 0 && --cycles_after == 0)
			sem_post(&finished);
		return 0;
	}
	if (!has_base) {
		base = now + frames * LEAD_CYCLES;
		has_base = true;
	}
	while (next < count && (int32_t)(base + messages[next].frame - (now + frames)) < 0) {
		struct message *message = &messages[next];
		int32_t offset = (int32_t)(base + message->frame - now);
		offset = offset < 0 ? 0 : offset;
		if (jack_midi_event_write(buffer, (jack_nframes_t)offset, message->bytes, message->length) == 0)
			message->played_us = jack_frames_to_time(client, now + (jack_nframes_t)offset);
		next++;
	}
	return 0;
}

static bool read_messages(void)
{
	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		struct message *message = &messages[count];
		char *rest;
		message->frame = (uint32_t)strtoul(line, &rest, 10);
		for (char *word = strtok(rest, " \n"); word && message->length < sizeof message->bytes;
		     word = strtok(NULL, " \n"))
			message->bytes[message->length++] = (unsigned char)strtoul(word, NULL, 16);
		if (message->length > 0 && ++count == MESSAGES_MAX)
			return false;
	}
	return true;
}

/* A client that just dies leaves jackd waiting for it for seconds: leave in good order. */
static void on_signal(int number)
{
	(void)number;
	sem_post(&leaving);
}

/* The tightest of some tries. */
static int64_t measure_offset(void)
{
	int64_t best_us = INT64_MAX, offset_us = 0;
	for (int i = 0; i < 50; i++) {
		int64_t before_us = clock_now_us(), jack_us = (int64_t)jack_get_time(), after_us = clock_now_us();
		if (after_us - before_us < best_us) {
			best_us = after_us - before_us;
			offset_us = before_us - jack_us;
		}
	}
	return offset_us;
}

static void silent(const char *text)
{
	(void)text;
}

int main(int argc, char **argv)
{
	const char *server = NULL, *name = "player", *port_name = "out", *alias = NULL;
	bool physical = false, at_once = false, stay = false;
	int option;
	while ((option = getopt(argc, argv, "j:n:o:A:pas")) != -1) {
		switch (option) {
		case 'j': server = optarg; break;
		case 'n': name = optarg; break;
		case 'o': port_name = optarg; break;
		case 'A': alias = optarg; break;
		case 'p': physical = true; break;
		case 'a': at_once = true; break;
		case 's': stay = true; break;
		default: return 2;
		}
	}
	if (!read_messages())
		return 2;
	jack_set_error_function(silent);
	jack_set_info_function(silent);
	sem_init(&finished, 0, 0);
	sem_init(&leaving, 0, 0);
	client = jack_client_open(name, JackNoStartServer | (server ? JackServerName : JackNullOption), NULL, server);
	if (!client) {
		fprintf(stderr, "jack_player: no server\n");
		return 1;
	}
	unsigned long flags = JackPortIsOutput | (physical ? JackPortIsPhysical | JackPortIsTerminal : 0UL);
	port = jack_port_register(client, port_name, JACK_DEFAULT_MIDI_TYPE, flags, 0);
	if (port && alias)
		jack_port_set_alias(port, alias);
	if (!port || jack_set_process_callback(client, process, NULL) != 0 || jack_activate(client) != 0) {
		fprintf(stderr, "jack_player: no port\n");
		return 1;
	}
	signal(SIGTERM, on_signal);
	const struct timespec look_again = {.tv_nsec = 1000000};
	while (!at_once && jack_port_connected(port) == 0) {
		nanosleep(&look_again, NULL);
		if (sem_trywait(&leaving) == 0)
			goto leave;
	}
	atomic_store(&started, true);
	sem_wait(&finished);
	for (size_t i = 0; i < count; i++) {
		printf("played %" PRIu64, (uint64_t)messages[i].played_us);
		for (unsigned byte = 0; byte < messages[i].length; byte++)
			printf(" %02x", messages[i].bytes[byte]);
		printf("\n");
	}
	printf("offset %" PRId64 "\ndone\n", measure_offset());
	fflush(stdout);
	while (stay && sem_wait(&leaving) != 0)
		;
leave:
	jack_client_close(client);
	return 0;
}
