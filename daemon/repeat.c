/* See repeat.h. Main thread. What the osc thread did is done line by line; for each label that it sent, the engine's lines
 * are worked off until there is one. Messages are compared with those in the journal as they go out. */
#define _GNU_SOURCE
#include "daemon/repeat.h"

#include "base/clock.h"
#include "daemon/publisher.h"
#include "daemon/realtime.h"
#include "daemon/setup.h"
#include "daemon/signals.h"
#include "daemon/take_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNS_EVERY 64 /* lines between two looks at signals and control */

struct repeat {
	char *text; /* the file, its newlines replaced by terminators */
	char **lines;
	size_t count, body; /* body: first line after the head */
	bool complete;	    /* its last line is there, and nothing was lost */
	struct take_head head;
	struct options recorded, options; /* options borrows from recorded and from the user's */
	struct setup setup;
	struct osc_server *server;
	struct publisher *publisher;
	struct shared shared; /* of the publisher: its mutex, and no source */
	int signals;
	/* playing */
	size_t engine_line, osc_line, message_line;
	struct prediction *labels; /* made and not sent */
	size_t label_count, label_room, label_next;
	bool failed; /* no memory */
	size_t messages, different, first_different;
};

bool repeat_is_recording(const char *path)
{
	char start[sizeof JOURNAL_MAGIC] = "";
	FILE *file = fopen(path, "re");
	bool is = file && fread(start, 1, sizeof start - 1, file) == sizeof start - 1 && strcmp(start, JOURNAL_MAGIC) == 0;
	if (file)
		fclose(file);
	return is;
}

/* ---- reading ---- */

static enum status read_text(struct repeat *repeat, const char *path, size_t *size, struct error *error)
{
	FILE *file = fopen(path, "re");
	if (!file || fseeko(file, 0, SEEK_END) != 0) {
		if (file)
			fclose(file);
		return status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	}
	off_t length = ftello(file);
	rewind(file);
	repeat->text = length > 0 ? malloc((size_t)length + 1) : NULL;
	*size = repeat->text ? fread(repeat->text, 1, (size_t)length, file) : 0;
	bool good = repeat->text && !ferror(file);
	fclose(file);
	if (!good)
		return status_fail(error, STATUS_IO, "%s: cannot be read", path);
	repeat->text[*size] = '\0';
	return STATUS_OK;
}

/* A last line without its newline was cut off, and is left out. */
static enum status split(struct repeat *repeat, size_t size, struct error *error)
{
	size_t lines = 0, at = 0;
	for (size_t i = 0; i < size; i++)
		lines += repeat->text[i] == '\n';
	repeat->lines = calloc(lines + 1, sizeof *repeat->lines);
	if (!repeat->lines)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a recording");
	for (size_t i = 0; i < size; i++) {
		if (repeat->text[i] != '\n')
			continue;
		repeat->text[i] = '\0';
		repeat->lines[repeat->count++] = repeat->text + at;
		at = i + 1;
	}
	return STATUS_OK;
}

static enum status read_head(struct repeat *repeat, const char *path, struct error *error)
{
	struct error why;
	bool is_head = true;
	while (repeat->body < repeat->count) {
		enum status status = take_head_read(&repeat->head, repeat->lines[repeat->body++], &is_head, &why);
		if (status != STATUS_OK)
			return status_fail(error, status, "%s, line %zu: %.200s", path, repeat->body, why.text);
		if (!is_head)
			break;
	}
	if (is_head)
		return status_fail(error, STATUS_BAD_DATA, "%s: the head of the recording has no end", path);
	const char *last = repeat->lines[repeat->count - 1];
	unsigned long long lost = 0;
	if (sscanf(last, "end %llu", &lost) == 1) {
		repeat->complete = lost == 0;
		repeat->count--;
		if (lost > 0)
			return status_fail(error, STATUS_UNSUPPORTED,
					   "%s: %llu entries were lost while it was recorded; play the MIDI file beside it",
					   path, lost);
	}
	return STATUS_OK;
}

/* The settings that were in force, and from the user's where it goes. */
static enum status make_options(struct repeat *repeat, const struct options *user, struct error *error)
{
	static const char *const elsewhere[] = {
	    "source", "connect", "ignore",     "osc",	     "control",	     "allow",	      "speed", "loop",	"print",
	    "record", "curve",	 "take-pause", "take-pedal", "record-limit", "record-report", "model", "budget"};
	enum status status = options_init(&repeat->recorded, error);
	char *rest = NULL;
	for (char *line = repeat->head.settings ? strtok_r(repeat->head.settings, "\n", &rest) : NULL;
	     line && status == STATUS_OK; line = strtok_r(NULL, "\n", &rest)) {
		char name[64];
		int used = 0;
		bool skip = sscanf(line, "%63s = %n", name, &used) != 1 || used == 0;
		for (size_t i = 0; !skip && i < sizeof elsewhere / sizeof elsewhere[0]; i++)
			skip = strcmp(name, elsewhere[i]) == 0;
		if (!skip)
			status = options_set(&repeat->recorded, name, line + used, 1, error);
	}
	struct options *options = &repeat->options;
	*options = repeat->recorded;
	options->source = SOURCE_KIND_TAKE;
	options->map = repeat->head.map;
	options->osc = user->osc;
	options->control = user->control;
	options->allow = user->allow;
	options->print = user->print;
	options->model = user->model ? user->model : repeat->head.model;
	if (options_is_given(user, "backend"))
		options->backend = user->backend;
	else if (repeat->head.backend[0] != '\0')
		options->backend = repeat->head.backend;
	return status;
}

/* ---- playing ---- */

static void keep_label(void *context, const struct prediction *prediction)
{
	struct repeat *repeat = context;
	if (repeat->label_next == repeat->label_count)
		repeat->label_next = repeat->label_count = 0;
	if (repeat->label_count == repeat->label_room) {
		size_t room = 2 * repeat->label_room + 1024;
		struct prediction *grown = realloc(repeat->labels, room * sizeof *grown);
		if (!grown) {
			repeat->failed = true;
			return;
		}
		repeat->labels = grown;
		repeat->label_room = room;
	}
	repeat->labels[repeat->label_count++] = *prediction;
}

/* The next line that holds an entry of one of these kinds, from *at on; *at is moved behind it. */
static bool next_entry(struct repeat *repeat, size_t *at, const char *kinds, struct journal_entry *entry, const char **text)
{
	while (*at < repeat->count) {
		const char *line = repeat->lines[(*at)++];
		if (line[0] != '\0' && strchr(kinds, line[0]) && journal_read(line, entry, text))
			return true;
	}
	return false;
}

/* False: nothing is left to be done to the engine. */
static bool step_engine(struct repeat *repeat)
{
	struct engine *engine = repeat->setup.engine;
	struct journal_entry entry;
	const char *text;
	if (!next_entry(repeat, &repeat->engine_line, "aixfrt", &entry, &text))
		return false;
	switch ((enum journal_kind)entry.kind) {
	case JOURNAL_ACCEPT:
		if (entry.as.event.kind == EVENT_NOTE_ON) {
			entry.as.event.velocity = entry.number;
			entry.as.event.fine = entry.fine;
		}
		engine_accept(engine, &entry.as.event);
		break;
	case JOURNAL_INFER: engine_infer(engine, entry.now_us); break;
	case JOURNAL_EXPIRE: engine_expire(engine, entry.now_us); break;
	case JOURNAL_FINALISE: engine_finalise(engine, entry.now_us); break;
	case JOURNAL_RESET: engine_reset(engine, entry.now_us); break;
	case JOURNAL_TEMPO: grid_set_bpm(repeat->setup.grid, entry.as.bpm, entry.now_us); break;
	default: break;
	}
	return true;
}

static void send_label(struct repeat *repeat, int64_t now_us)
{
	while (repeat->label_next == repeat->label_count)
		if (!step_engine(repeat))
			return;
	publisher_send_prediction(repeat->publisher, &repeat->labels[repeat->label_next++], now_us);
}

static void send_event(struct repeat *repeat, const struct journal_entry *entry, const char *input_name)
{
	if (entry->as.event.kind == EVENT_INPUT_PRESENT)
		osc_server_send_input(repeat->server, entry->as.event.input, true, input_name);
	else
		publisher_send_event(repeat->publisher, &entry->as.event, entry->now_us);
}

/* A message has gone out: is it the one that was recorded here? */
static void compare(void *context, const char *line)
{
	struct repeat *repeat = context;
	struct journal_entry entry;
	const char *text = NULL;
	if (repeat->message_line == 0 || journal_is_passing(line))
		return; /* what opens the session */
	bool recorded = next_entry(repeat, &repeat->message_line, "M", &entry, &text);
	if (!recorded && !repeat->complete)
		return; /* the last entry's messages were cut off */
	bool same = recorded && strcmp(text, line) == 0;
	repeat->messages++;
	repeat->different += !same;
	if (!same && repeat->different == 1)
		repeat->first_different = repeat->message_line;
}

static void refuse(void *context, const struct osc_command *command)
{
	struct repeat *repeat = context;
	osc_server_answer_error(repeat->server, command, "unsupported", "the recording alone decides what is sent",
				command->arrival_us);
}

/* False: asked to stop. */
static bool look_around(struct repeat *repeat)
{
	const struct osc_command_sink sink = {refuse, repeat};
	osc_server_receive(repeat->server, clock_now_us(), &sink);
	if (repeat->options.print && ferror(stdout))
		return false;
	return !signals_take(repeat->signals);
}

static bool play(struct repeat *repeat)
{
	struct journal_entry entry;
	char input_name[TAKE_NAME_MAX] = "";
	const char *text;
	repeat->engine_line = repeat->osc_line = repeat->message_line = repeat->body;
	for (size_t i = 0; !repeat->failed && next_entry(repeat, &repeat->osc_line, "EPXCSNTB", &entry, &text); i++) {
		if (i % SIGNS_EVERY == 0 && !look_around(repeat))
			return false;
		switch ((enum journal_kind)entry.kind) {
		case JOURNAL_EVENT: send_event(repeat, &entry, input_name); break;
		case JOURNAL_PREDICTION: send_label(repeat, entry.now_us); break;
		case JOURNAL_RELEASE: osc_server_release(repeat->server, entry.now_us); break;
		case JOURNAL_COMMAND: publisher_apply(repeat->publisher, (enum order_kind)entry.number); break;
		case JOURNAL_STATE:
			repeat->publisher->bpm = entry.as.state.bpm;
			repeat->publisher->paused = entry.as.state.paused;
			repeat->publisher->skipped_first = entry.as.state.skipped_first;
			repeat->publisher->skipped_last = entry.as.state.skipped_last;
			break;
		case JOURNAL_TOLD_TEMPO:
			osc_server_send_tempo(repeat->server, entry.as.tempo.bpm, entry.as.tempo.confidence,
					      (enum osc_tempo_source)entry.as.tempo.source, entry.now_us);
			break;
		case JOURNAL_TOLD_BEAT:
			osc_server_send_beat(repeat->server, entry.as.beat.bar, entry.as.beat.beat, entry.as.beat.confidence,
					     entry.as.beat.bpm, entry.as.beat.event_us);
			break;
		case JOURNAL_INPUT: snprintf(input_name, sizeof input_name, "%s", text); break;
		default: break;
		}
	}
	return true;
}

/* ---- from start to end ---- */

static enum status open_parts(struct repeat *repeat, const char *path, struct error *error)
{
	const struct engine_sink sink = {keep_label, repeat};
	repeat->publisher = calloc(1, sizeof *repeat->publisher);
	if (!repeat->publisher)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the osc part");
	enum status status = setup_open(&repeat->options, &sink, &repeat->setup, error);
	if (status == STATUS_OK)
		status = setup_open_server(&repeat->options, &repeat->setup, repeat->head.start_us, compare, repeat,
					   &repeat->server, error);
	if (status != STATUS_OK)
		return status;
	repeat->publisher->shared = &repeat->shared;
	repeat->publisher->server = repeat->server;
	repeat->publisher->grid = repeat->setup.file_grid ? repeat->setup.grid : NULL;
	osc_server_set_source(repeat->server, path);
	for (int i = 0; i < INPUTS_MAX; i++)
		if (repeat->head.input[i][0] != '\0')
			osc_server_send_input(repeat->server, i, true, repeat->head.input[i]);
	return STATUS_OK;
}

static enum status judge(const struct repeat *repeat, const char *path, struct error *error)
{
	const struct take_head *head = &repeat->head;
	struct journal_entry entry;
	const char *text;
	struct repeat rest = *repeat;
	size_t missing = 0;
	while (next_entry(&rest, &rest.message_line, "M", &entry, &text))
		missing++;
	const char *whole = repeat->complete ? "" : "; the recording was cut off";
	if (repeat->different + missing == 0) {
		fprintf(stderr, "midibertd: %zu messages, all as they were recorded%s\n", repeat->messages, whole);
		return STATUS_OK;
	}
	fprintf(stderr, "midibertd: %zu messages, %zu not as they were recorded, the first at line %zu, %zu missing%s\n",
		repeat->messages, repeat->different, repeat->first_different, missing, whole);
	if (strcmp(head->sha256, model_sha256(repeat->setup.model)) != 0 ||
	    strcmp(head->backend, model_backend(repeat->setup.model)->name) != 0) {
		fprintf(stderr, "midibertd: it was recorded with weights %.12s and backend %s\n", head->sha256,
			head->backend);
		return STATUS_OK;
	}
	if (!repeat->complete && repeat->different == 0)
		return STATUS_OK;
	return status_fail(error, STATUS_BAD_DATA, "%s: the same weights and backend did not repeat it", path);
}

enum status repeat_run(const struct options *options, struct error *error)
{
	struct repeat repeat = {.signals = -1};
	size_t size = 0;
	if (options->speed != 0 || options->loop)
		return status_fail(error, STATUS_USAGE, "%s is a recording: add --speed 0, or play the MIDI file beside it",
				   options->path);
	enum status status = signals_open(&repeat.signals, error);
	if (status != STATUS_OK)
		return status;
	pthread_mutex_init(&repeat.shared.source_mutex, NULL);
	realtime_flush_denormals();
	status = read_text(&repeat, options->path, &size, error);
	if (status == STATUS_OK)
		status = split(&repeat, size, error);
	if (status == STATUS_OK)
		status = read_head(&repeat, options->path, error);
	if (status == STATUS_OK)
		status = make_options(&repeat, options, error);
	if (status == STATUS_OK)
		status = open_parts(&repeat, options->path, error);
	if (status == STATUS_OK) {
		bool to_the_end = play(&repeat);
		if (to_the_end && repeat.complete)
			osc_server_release(repeat.server, INT64_MAX); /* as the daemon's end did */
		if (repeat.failed)
			status = status_fail(error, STATUS_NO_MEMORY, "no memory for the labels of a recording");
		else if (to_the_end)
			status = judge(&repeat, options->path, error);
		osc_server_expire(repeat.server, clock_now_us());
	}
	osc_server_close(repeat.server);
	setup_close(&repeat.setup);
	free(repeat.publisher);
	free(repeat.labels);
	options_free(&repeat.recorded);
	take_head_free(&repeat.head);
	free(repeat.lines);
	free(repeat.text);
	pthread_mutex_destroy(&repeat.shared.source_mutex);
	signals_close(repeat.signals);
	return status;
}
