/* midibert calibrate: leads through two minutes of playing, from as soft as possible to as loud as possible in three
 * registers, and writes the keyboard's velocity curve. Main thread, beside the source's own. Nothing is written before the
 * end. */
#define _GNU_SOURCE
#include "tools/tools.h"

#include "base/wake.h"
#include "stream/source.h"
#include "stream/touch.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const name = "calibrate";

#define REGISTERS 3
#define NOTES 5 /* in each register at each level: 90 in all */
#define EVENTS 1024
#define LOOK_US 200000

struct request {
	const char *source, *out, *device;
	const char *connect[SOURCE_PATTERNS_MAX];
	int patterns;
};

struct calibration {
	struct ring *engine, *osc; /* both get every event; one is read */
	int engine_wake, osc_wake;
	struct source *source;
	bool terminal;
	int input; /* of the first note: the keyboard that is calibrated; -1 before */
	char device[TOUCH_DEVICE_MAX];
	double sent[DYNAMICS][REGISTERS * NOTES];
	size_t ignored; /* notes of other registers and other inputs */
};

static const char *const level_words[DYNAMICS] = {
    "pp  as softly as it will sound", "p   softly", "mp  moderately softly",
    "mf  moderately loudly",	      "f   loudly", "ff  as loudly as you ever play"};
static const struct {
	const char *words;
	int low, high; /* MIDI keys */
} registers[REGISTERS] = {{"low (below G3)", 0, 54}, {"middle (G3 to B4)", 55, 71}, {"high (from C5)", 72, 127}};

static atomic_bool stopped;

static void take_signal(int number)
{
	(void)number;
	stopped = true;
}

static void print_help(void)
{
	printf("usage: midibert calibrate [OPTION]...\n\n"
	       "Leads through two minutes of playing, from pp to ff in three registers, and writes how the keyboard's\n"
	       "velocities relate to the dynamic levels. midibertd and midibert report find the curve by the input's "
	       "identity.\n"
	       "Ctrl-C leaves everything as it was. docs/CALIBRATION.md tells more.\n\n"
	       "  --source alsa|jack|auto|file:PATH  where notes come from; a MIDI file holds what would be played; default "
	       "auto\n"
	       "  --connect NAME  also connect this software port or client; repeat it for more\n"
	       "  --out FILE      the curve; default $XDG_CONFIG_HOME/midibert/IDENTITY.curve (~/.config)\n"
	       "  --device NAME   the identity or name to file it under; default the input's identity\n"
	       "  --help          this text\n");
}

/* ---- listening ---- */

static enum status open_source(const struct request *request, struct calibration *calibration, struct error *error)
{
	const bool file = strncmp(request->source, "file:", 5) == 0;
	struct source_options options = {.client_name = "midibert-calibrate",
					 .key_high = 127,
					 .path = file ? request->source + 5 : NULL,
					 .server_required = true};
	memcpy(options.connect, request->connect, sizeof options.connect);
	calibration->engine = ring_new(sizeof(struct event), EVENTS);
	calibration->osc = ring_new(sizeof(struct event), EVENTS);
	calibration->engine_wake = wake_open();
	calibration->osc_wake = wake_open();
	if (!calibration->engine || !calibration->osc || calibration->engine_wake < 0 || calibration->osc_wake < 0)
		return status_fail(error, STATUS_NO_MEMORY, "no memory or descriptors");
	const struct source_output output = {calibration->engine, calibration->osc, calibration->engine_wake,
					     calibration->osc_wake};
	if (file)
		return source_open_file(&options, &output, &calibration->source, error);
	if (strcmp(request->source, "alsa") == 0)
		return source_open_alsa(&options, &output, &calibration->source, error);
	if (strcmp(request->source, "jack") == 0)
		return source_open_jack(&options, &output, &calibration->source, error);
	return source_open_auto(&options, &output, &calibration->source, error);
}

static void close_source(struct calibration *calibration)
{
	source_close(calibration->source);
	ring_free(calibration->engine);
	ring_free(calibration->osc);
	if (calibration->engine_wake >= 0)
		close(calibration->engine_wake);
	if (calibration->osc_wake >= 0)
		close(calibration->osc_wake);
}

static void tell_input(struct calibration *calibration, const struct event *event)
{
	char input[TOUCH_DEVICE_MAX];
	source_input_name(calibration->source, event->input, input, sizeof input);
	if (event->kind == EVENT_INPUT_PRESENT)
		printf("input: %s\n", input);
	else if (event->input == calibration->input)
		printf("\n%s has gone; plug it in again to go on\n", input);
	fflush(stdout);
}

/* The next note of the keyboard, waited for. */
static enum status next_note(struct calibration *calibration, struct event *note, struct error *error)
{
	struct event event;
	for (;;) {
		while (ring_pop(calibration->engine, &event)) {
		}
		while (!ring_pop(calibration->osc, &event)) {
			if (atomic_load(&stopped))
				return status_fail(error, STATUS_INTERRUPTED, "stopped; nothing was written");
			while (ring_pop(calibration->engine, &event)) {
			}
			wake_wait(calibration->osc_wake, LOOK_US);
		}
		if (event.kind == EVENT_END)
			return status_fail(error, STATUS_BAD_DATA, "the file ends before the playing is complete");
		if (event.kind == EVENT_INPUT_PRESENT || event.kind == EVENT_INPUT_GONE)
			tell_input(calibration, &event);
		if (event.kind != EVENT_NOTE_ON)
			continue;
		if (calibration->input < 0) {
			calibration->input = event.input;
			source_input_identity(calibration->source, event.input, calibration->device,
					      sizeof calibration->device);
		}
		if (event.input == calibration->input) {
			*note = event;
			return STATUS_OK;
		}
		calibration->ignored++;
	}
}

/* ---- leading ---- */

static void show(const struct calibration *calibration, int level, int place, int notes, const char *remark)
{
	int done = (level * REGISTERS + place) * NOTES + notes, all = DYNAMICS * REGISTERS * NOTES;
	char bar[NOTES + 1];
	for (int i = 0; i < NOTES; i++)
		bar[i] = i < notes ? '#' : '.';
	bar[NOTES] = '\0';
	if (calibration->terminal)
		printf("\r\033[K%3d %%  %s, %s  [%s] %s", 100 * done / all, level_words[level], registers[place].words, bar,
		       remark);
	else if (notes == NOTES)
		printf("%3d %%  %s, %s\n", 100 * done / all, level_words[level], registers[place].words);
	fflush(stdout);
}

static enum status take_step(struct calibration *calibration, int level, int place, struct error *error)
{
	const char *remark = "";
	for (int notes = 0; notes < NOTES;) {
		struct event note = {.pitch = 0};
		show(calibration, level, place, notes, remark);
		enum status status = next_note(calibration, &note, error);
		if (status != STATUS_OK)
			return status;
		remark = "";
		if (note.pitch < registers[place].low || note.pitch > registers[place].high) {
			calibration->ignored++;
			remark = "(that note is of another register)";
			continue;
		}
		calibration->sent[level][place * NOTES + notes++] = note.velocity;
	}
	show(calibration, level, place, NOTES, "");
	if (calibration->terminal)
		putchar('\n');
	return STATUS_OK;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

static double median(const double *values, size_t count)
{
	double sorted[REGISTERS * NOTES];
	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, compare);
	return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static void tell_result(const struct calibration *calibration, const double sent[DYNAMICS])
{
	printf("\nlevel  sent (low, middle, high)  meant\n");
	for (int level = 0; level < DYNAMICS; level++) {
		const double *values = calibration->sent[level];
		printf("%-5.2s  %4.0f (%.0f, %.0f, %.0f)%s  %d\n", level_words[level], sent[level], median(values, NOTES),
		       median(values + NOTES, NOTES), median(values + 2 * NOTES, NOTES), "        ",
		       touch_reference((enum dynamic)level));
		if (level > 0 && sent[level] <= sent[level - 1])
			printf("       no louder than the level below: the two are taken as one\n");
	}
	if (calibration->ignored > 0)
		printf("%zu notes of other registers or inputs were not counted\n", calibration->ignored);
}

static enum status lead(struct calibration *calibration, double sent[DYNAMICS], struct error *error)
{
	printf("Play single notes, %d in each register at each level: here low, then middle, then high, any keys there.\n"
	       "Take your time between them. Ctrl-C stops, and leaves everything as it was.\n",
	       NOTES);
	for (int level = 0; level < DYNAMICS; level++) {
		for (int place = 0; place < REGISTERS; place++) {
			enum status status = take_step(calibration, level, place, error);
			if (status != STATUS_OK) {
				if (calibration->terminal)
					putchar('\n');
				return status;
			}
		}
		sent[level] = median(calibration->sent[level], REGISTERS * NOTES);
	}
	return STATUS_OK;
}

/* ---- the result ---- */

/* The folder of the default place is made; that of --out is the user's. */
static enum status choose_place(const struct request *request, const char *device, char *path, size_t size,
				struct error *error)
{
	if (request->out) {
		snprintf(path, size, "%s", request->out);
		return STATUS_OK;
	}
	enum status status = touch_place(device, path, size, error);
	for (char *slash = path + 1; status == STATUS_OK && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
		*slash = '/';
	}
	return status;
}

static enum status calibrate(const struct request *request, struct error *error)
{
	struct calibration calibration = {
	    .input = -1, .engine_wake = -1, .osc_wake = -1, .terminal = isatty(STDOUT_FILENO) == 1};
	double sent[DYNAMICS];
	struct touch touch = {.device = ""};
	char path[PATH_MAX];
	enum status status = open_source(request, &calibration, error);
	if (status == STATUS_OK)
		status = lead(&calibration, sent, error);
	close_source(&calibration);
	if (status != STATUS_OK)
		return status;
	tell_result(&calibration, sent);
	status = touch_fit(sent, &touch, error);
	snprintf(touch.device, sizeof touch.device, "%s", request->device ? request->device : calibration.device);
	if (status == STATUS_OK)
		status = choose_place(request, touch.device, path, sizeof path, error);
	if (status == STATUS_OK)
		status = touch_write(path, &touch, sent, error);
	if (status == STATUS_OK)
		printf("written to %s, for %s\n", path, touch.device);
	return status;
}

static const struct option options[] = {{"source", required_argument, NULL, 's'}, {"connect", required_argument, NULL, 'c'},
					{"out", required_argument, NULL, 'o'},	  {"device", required_argument, NULL, 'd'},
					{"help", no_argument, NULL, 'h'},	  {0}};

static int read_options(int argc, char **argv, struct request *request)
{
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
		switch (option) {
		case 's': request->source = optarg; break;
		case 'o': request->out = optarg; break;
		case 'd': request->device = optarg; break;
		case 'c':
			if (request->patterns == SOURCE_PATTERNS_MAX - 1)
				return tool_usage(name, "more than %d times --connect", SOURCE_PATTERNS_MAX - 1);
			request->connect[request->patterns++] = optarg;
			break;
		case 'h': return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return tool_usage(name, "what is %s?", argv[optind]);
	if (strncmp(request->source, "file:", 5) != 0 && strcmp(request->source, "alsa") != 0 &&
	    strcmp(request->source, "jack") != 0 && strcmp(request->source, "auto") != 0)
		return tool_usage(name, "source %s: give alsa, jack, auto or file:PATH", request->source);
	if (request->device && (request->device[0] == '\0' || strlen(request->device) >= TOUCH_DEVICE_MAX))
		return tool_usage(name, "device: give a name of 1 to %d bytes", TOUCH_DEVICE_MAX - 1);
	return TOOL_DONE;
}

int tool_calibrate(int argc, char **argv)
{
	struct request request = {.source = "auto"};
	struct sigaction action = {.sa_handler = take_signal};
	struct error error;
	int status = read_options(argc, argv, &request);
	if (status < 0) {
		print_help();
		return tool_finish(name, TOOL_DONE);
	}
	if (status != TOOL_DONE)
		return status;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	status = calibrate(&request, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
	return tool_finish(name, status);
}
