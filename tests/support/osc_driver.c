/* osc_driver TARGET... | --serve | --hold: sends every address of the name space that is streamed, with values that are hard
 * to carry, through the real server, to TARGETs (HOST:PORT), and prints what it sends. --serve has no targets: it says its
 * control port on standard error, waits for somebody to subscribe, and sends to that. --hold does the same and then goes on
 * answering until its standard input ends. */
#include "osc/server.h"

#include "base/clock.h"

#include <float.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const styles[] = {"Bethel",	 "Clayderman", "Einaudi", "Hancock",
				     "Hillsong", "Hisaishi",   "Ryuichi", "Yiruma"};
static const char *const emotions[] = {"Q1 happy, tense", "Q2", "\"Q3\"", "Q4 caf\303\251"};

static void send_notes(struct osc_server *server, int64_t now_us)
{
	for (int i = 0; i < 16; i++) {
		struct event event = {.event_us = i * INT64_C(123456789012),
				      .note_id = i == 15 ? NOTE_ID_MAX : i + 1,
				      .kind = EVENT_NOTE_ON,
				      .input = (uint8_t)i,
				      .channel = (uint8_t)i,
				      .pitch = (uint8_t)(i * 8 + 7),
				      .velocity = (uint8_t)(i * 8 + 1),
				      .duration_us = i * INT64_C(100499)};
		osc_server_send_event(server, &event, now_us);
		event.kind = EVENT_NOTE_OFF;
		osc_server_send_event(server, &event, now_us);
	}
	for (int i = 0; i < 3; i++) {
		struct event event = {.kind = EVENT_PEDAL, .pitch = (uint8_t[]){64, 66, 67}[i], .velocity = 127};
		osc_server_send_event(server, &event, now_us);
	}
}

static void send_predictions(struct osc_server *server, int64_t now_us)
{
	static const float confidences[] = {0, 1, 1 / 3.0f, 0.1f, FLT_MIN, 0.99999994f};

	for (int i = 0; i < 6; i++) {
		for (int kind = PREDICT_MELODY; kind <= PREDICT_RESET; kind++) {
			struct prediction p = {.note_id = 1000 + i,
					       .kind = (uint8_t)kind,
					       .stage = (uint8_t)(i % 3),
					       .pitch = (uint8_t)(20 + i),
					       .velocity = (uint8_t)(1 + i * 25),
					       .label = (int8_t)(i % 4 - 1),
					       .classes = kind == PREDICT_STYLE ? 8 : 4,
					       .confidence = confidences[i],
					       .expected = 64.1f + (float)i * 7.77f,
					       .spread = 1.0f / (float)(i + 3)};
			for (int c = 0; c < p.classes; c++)
				p.probability[c] = confidences[(c + i) % 6];
			osc_server_send_prediction(server, &p, now_us + i * INT64_C(1000000));
		}
	}
}

static void send_states(struct osc_server *server, int64_t now_us)
{
	const struct osc_latency latency = {
	    .p50_ms = 1.2345678f, .p95_ms = 9.87654f, .p99_ms = 123456.7f, .period_ms = 1.3333334f};
	const struct osc_status status = {.state = OSC_STATE_INPUT_LOST,
					  .last_note_id = NOTE_ID_MAX,
					  .dropped = UINT64_MAX,
					  .window_fill = 256,
					  .xruns = 1,
					  .bad_input = 2};

	osc_server_set_model(server, "default.safetensors with spaces, commas and \"quotes\"");
	osc_server_set_source(server, "file:a piece\twith\na strange name.mid");
	osc_server_send_input(server, 0, true, "Digital Piano MIDI 1");
	osc_server_send_input(server, 0, false, "");
	osc_server_send_tempo(server, 120.00001, 0.3, OSC_TEMPO_CLOCK, now_us);
	osc_server_send_beat(server, 12, 3, 0.7, 61.8, now_us);
	osc_server_send_latency(server, &latency);
	osc_server_send_status(server, &status);
	osc_server_send_error(server, "source", "100 % of the input is gone: %s %n", now_us);
}

static void ignore(void *context, const struct osc_command *command)
{
	(void)context;
	(void)command;
}

static bool wait_for_subscriber(struct osc_server *server)
{
	const struct osc_command_sink sink = {ignore, NULL};
	struct pollfd control = {.fd = osc_server_fd(server), .events = POLLIN};
	struct osc_server_statistics count;

	do {
		if (poll(&control, 1, 60000) <= 0)
			return false;
		osc_server_receive(server, clock_now_us(), &sink);
		osc_server_statistics(server, &count);
	} while (count.subscribers == 0);
	return true;
}

static void answer_until_input_ends(struct osc_server *server)
{
	const struct osc_command_sink sink = {ignore, NULL};
	struct pollfd ready[] = {{.fd = osc_server_fd(server), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	char byte;

	do {
		osc_server_receive(server, clock_now_us(), &sink);
		osc_server_expire(server, clock_now_us());
		if (poll(ready, 2, 100) < 0)
			return;
	} while (!ready[1].revents || read(STDIN_FILENO, &byte, 1) > 0);
}

int main(int argc, char **argv)
{
	bool hold = argc == 2 && strcmp(argv[1], "--hold") == 0;
	bool serve = hold || (argc == 2 && strcmp(argv[1], "--serve") == 0);
	struct osc_server_options options = {.targets = (const char *const *)(argv + 1),
					     .target_count = serve ? 0 : (size_t)(argc - 1),
					     .control = "127.0.0.1:0",
					     .print = stdout};
	struct osc_server *server;
	struct error error;

	if (osc_server_open(&options, &server, &error) != STATUS_OK ||
	    osc_server_set_labels(server, OSC_LABELS_STYLE, styles, 8, &error) != STATUS_OK ||
	    osc_server_set_labels(server, OSC_LABELS_EMOTION, emotions, 4, &error) != STATUS_OK) {
		fprintf(stderr, "osc_driver: %s\n", error.text);
		return 1;
	}
	if (serve) {
		fprintf(stderr, "%d\n", osc_server_port(server));
		if (!wait_for_subscriber(server)) {
			fputs("osc_driver: nobody subscribed\n", stderr);
			osc_server_close(server);
			return 1;
		}
	}
	send_notes(server, 1000000);
	send_predictions(server, 2000000);
	send_states(server, 9000000);
	if (hold)
		answer_until_input_ends(server);
	osc_server_close(server);
	return 0;
}
