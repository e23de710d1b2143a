/* Opens a source as the daemon does and prints every event that it pushes, one a line, until the source ends or SIGTERM
 * or SIGINT comes. Both rings must say the same; otherwise it exits with 3.
 *   source_dump [-s jack|alsa|auto|file:PATH] [-j SERVER] [-c PATTERN]... [-i PATTERN]... [-n CHANNEL] [-k LO-HI] [-x SPEED]
 * [-l]
 *               [-r RING] [-y LAYERS_MS] */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/wake.h"
#include "stream/source.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND_US 100000 /* a change of state that no event tells is seen so soon */

static int wake;

static volatile sig_atomic_t stopping;

static void on_stop(int number)
{
	(void)number;
	stopping = 1;
	wake_post(wake);
}

static void print_event(const struct source *source, const struct event *event)
{
	char name[256];
	switch (event->kind) {
	case EVENT_NOTE_ON:
		printf("on %" PRId32 " %d %d %d %d %" PRId64 " %" PRId64 " %" PRId64, event->note_id, event->pitch,
		       event->velocity, event->channel, event->input, event->event_us, event->arrival_us, event->position);
		printf(event->fine ? " %d\n" : "\n", event->fine);
		break;
	case EVENT_NOTE_OFF:
		printf("off %" PRId32 " %d %" PRId64 " %" PRId64 "\n", event->note_id, event->pitch, event->duration_us,
		       event->event_us);
		break;
	case EVENT_PEDAL:
		printf("pedal %d %d %d %d %" PRId64 "\n", event->pitch, event->velocity, event->channel, event->input,
		       event->event_us);
		break;
	case EVENT_INPUT_PRESENT:
		source_input_name(source, event->input, name, sizeof name);
		printf("present %d %s\n", event->input, name);
		source_input_identity(source, event->input, name, sizeof name);
		if (strncmp(name, "usb:", 4) == 0)
			printf("identity %d %s\n", event->input, name);
		break;
	case EVENT_CLOCK:
		printf("clock %02x %" PRId64 " %d %" PRId64 " %" PRId64 "\n", event->pitch, event->position, event->input,
		       event->event_us, event->arrival_us);
		break;
	case EVENT_INPUT_GONE: printf("gone %d%s\n", event->input, event->pitch == INPUT_SILENT ? " silent" : ""); break;
	case EVENT_END: printf("end %" PRId64 "\n", event->event_us); break;
	default: printf("unknown %d\n", event->kind); break;
	}
}

static bool is_same(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->note_id == b->note_id && a->event_us == b->event_us &&
	       a->arrival_us == b->arrival_us && a->duration_us == b->duration_us && a->position == b->position &&
	       a->input == b->input && a->channel == b->channel && a->pitch == b->pitch && a->velocity == b->velocity &&
	       a->fine == b->fine;
}

/* False: the rings differ. */
static bool drain(const struct source *source, const struct source_output *output)
{
	struct event event, other;
	while (ring_pop(output->engine, &event)) { /* osc has been given it before */
		if (!ring_pop(output->osc, &other) || !is_same(&event, &other)) {
			printf("rings differ\n");
			return false;
		}
		print_event(source, &event);
	}
	fflush(stdout);
	return true;
}

static void print_counters(const struct source_counters *counters)
{
	printf("counters events=%" PRIu64 " dropped=%" PRIu64 " xruns=%" PRIu64 " bad_input=%" PRIu64 " lost=%" PRIu64
	       " doubled=%" PRIu64 " period_us=%d inputs=%d last=%d priority=%d\n",
	       counters->events, counters->dropped, counters->xruns, counters->bad_input, counters->lost_by_server,
	       counters->doubled, counters->period_us, counters->inputs_present, counters->last_note_id, counters->priority);
	fflush(stdout);
}

static enum status open_source(const char *kind, struct source_options *options, const struct source_output *output,
			       struct source **source, struct error *error)
{
	if (strcmp(kind, "jack") == 0)
		return source_open_jack(options, output, source, error);
	if (strcmp(kind, "alsa") == 0)
		return source_open_alsa(options, output, source, error);
	if (strcmp(kind, "auto") == 0)
		return source_open_auto(options, output, source, error);
	options->path = strncmp(kind, "file:", 5) == 0 ? kind + 5 : kind;
	return source_open_file(options, output, source, error);
}

int main(int argc, char **argv)
{
	struct source_options options = {.client_name = "midibertd", .key_high = 127, .speed = 1};
	const char *kind = "auto", *states[] = {"waiting", "running", "lost", "ended"};
	size_t ring = 8192;
	int connects = 0, ignores = 0, option;
	while ((option = getopt(argc, argv, "s:j:c:i:n:k:x:lr:y:")) != -1) {
		switch (option) {
		case 's': kind = optarg; break;
		case 'j': options.jack_server = optarg; break;
		case 'c': options.connect[connects++ % SOURCE_PATTERNS_MAX] = optarg; break;
		case 'i': options.ignore[ignores++ % SOURCE_PATTERNS_MAX] = optarg; break;
		case 'n': options.channel = atoi(optarg); break;
		case 'k':
			if (sscanf(optarg, "%d-%d", &options.key_low, &options.key_high) != 2)
				return 2;
			break;
		case 'x': options.speed = strtod(optarg, NULL); break;
		case 'l': options.loop = true; break;
		case 'y': options.layers_us = atoi(optarg) * 1000; break;
		case 'r': ring = strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	wake = wake_open();
	struct source_output output = {ring_new(sizeof(struct event), ring), ring_new(sizeof(struct event), ring), wake,
				       wake};
	struct source *source;
	struct error error;
	if (wake < 0 || !output.engine || !output.osc)
		return 1;
	struct sigaction action = {.sa_handler = on_stop};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	enum status status = open_source(kind, &options, &output, &source, &error);
	if (status != STATUS_OK) {
		fprintf(stderr, "source_dump: %s: %s\n", status_name(status), error.text);
		ring_free(output.engine);
		ring_free(output.osc);
		return status == STATUS_USAGE ? 2 : 1;
	}
	char text[256];
	source_describe(source, text, sizeof text);
	printf("open %s\n", text);
	bool good = true;
	int state = -1;
	while (good && !stopping && state != SOURCE_ENDED) {
		int now = source_state(source); /* before draining, so that nothing is left behind the end */
		good = drain(source, &output);
		if (now != state)
			printf("state %s\n", states[now]);
		state = now;
		fflush(stdout);
		wake_wait(wake, ROUND_US);
	}
	print_counters(source_counters(source)); /* of what came before closing */
	int64_t close_us = clock_now_us();
	source_close(source);
	close_us = clock_now_us() - close_us;
	struct event event, other;
	while (good && ring_pop(output.engine, &event))
		if (ring_pop(output.osc, &other))
			printf("%s %" PRId32 "\n", event.kind == EVENT_NOTE_OFF ? "close-off" : "close-event",
			       event.note_id);
	printf("closed %s\n", close_us < 1000000 ? "in time" : "late");
	ring_free(output.engine);
	ring_free(output.osc);
	close(wake);
	return good ? 0 : 3;
}
