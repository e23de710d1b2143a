/* The file source: a Standard MIDI File played into the rings as if it were live, by a thread of its own. At a speed above
 * 0 it waits for each event's time and drops what a full ring refuses; at speed 0 it waits for room in the rings instead,
 * and event times are the file's own, from 0. Notes are paired by the timeline, not here. Does not read the beat grid. */
#define _POSIX_C_SOURCE 200809L
#include "stream/source_base.h"

#include "base/clock.h"
#include "base/wake.h"
#include "stream/timeline.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAKE_EVENTS 64	     /* readers are woken at least so often while the player never has to wait */
#define BACK_PRESSURE_US 100 /* between two looks at a full ring */

/* A note of the timeline that has begun: what its end needs. */
struct playing {
	int64_t event_us;
	int32_t id; /* 0: not begun, filtered, dropped or over */
	uint8_t channel, pitch;
};

struct source_file {
	struct source source;
	struct timeline timeline;
	double speed;
	bool loop;
	int stop; /* wake.h */
	bool is_running;
	pthread_t thread;
	/* playing thread */
	struct playing *playing; /* by timeline id - 1 */
	size_t held;
	int64_t start_us; /* of this pass of the file: what a file time of 0 is on the source's clock */
};

static int64_t stretch(const struct source_file *file, int64_t file_us)
{
	return file->speed > 0 ? (int64_t)((double)file_us / file->speed) : file_us;
}

/* On the virtual clock nothing is dropped, so nothing has to be kept back for the note-offs. */
static size_t reserve_of(const struct source_file *file)
{
	return file->speed > 0 ? file->held + SOURCE_RESERVE : 0;
}

/* False: asked to stop. At speed 0 nothing may be dropped, so it waits for both rings, too. */
static bool wait_until(struct source_file *file, int64_t due_us)
{
	const struct source_output *output = &file->source.output;
	if (file->speed > 0) {
		int64_t ahead_us = due_us - clock_now_us();
		if (ahead_us > 0)
			source_wake(&file->source);
		do {
			if (wake_wait(file->stop, ahead_us > 0 ? ahead_us : 0))
				return false;
			ahead_us = due_us - clock_now_us();
		} while (ahead_us > 0);
		return true;
	}
	if (wake_wait(file->stop, 0))
		return false;
	while (ring_space(output->engine) == 0 || ring_space(output->osc) == 0) {
		source_wake(&file->source);
		if (wake_wait(file->stop, BACK_PRESSURE_US))
			return false;
	}
	return true;
}

static bool is_wanted(const struct source *source, const struct event *event)
{
	if (source->channel != 0 && event->channel + 1 != source->channel)
		return false;
	return event->kind == EVENT_PEDAL || (event->pitch >= source->key_low && event->pitch <= source->key_high);
}

static void end_note(struct source_file *file, struct playing *playing, struct event *event)
{
	event->kind = EVENT_NOTE_OFF;
	event->note_id = playing->id;
	event->duration_us = event->event_us - playing->event_us;
	event->channel = playing->channel;
	event->pitch = playing->pitch;
	source_push(&file->source, event, 0);
	playing->id = 0;
	file->held--;
}

static void play_note(struct source_file *file, struct playing *playing, struct event *event)
{
	struct source *source = &file->source;
	if (event->kind == EVENT_NOTE_OFF) {
		if (playing->id != 0)
			end_note(file, playing, event);
		return;
	}
	event->note_id = source->last_id == NOTE_ID_MAX ? 1 : source->last_id + 1;
	if (!source_push(source, event, reserve_of(file)))
		return;
	source->last_id = event->note_id;
	atomic_store_explicit(&source->counters.last_note_id, event->note_id, memory_order_relaxed);
	*playing = (struct playing){event->event_us, event->note_id, event->channel, event->pitch};
	file->held++;
}

/* One pass over the file, without its EVENT_END. False: asked to stop. */
static bool play_once(struct source_file *file)
{
	for (size_t i = 0; i < file->timeline.count; i++) {
		struct event event = file->timeline.events[i];
		event.event_us = file->start_us + stretch(file, event.event_us);
		event.arrival_us = event.event_us;
		if (i % WAKE_EVENTS == 0)
			source_wake(&file->source);
		if (!wait_until(file, event.event_us))
			return false;
		if (file->speed > 0)
			event.arrival_us = clock_now_us();
		if (event.kind == EVENT_END) {
			file->start_us = event.event_us;
		} else if (is_wanted(&file->source, &event)) {
			if (event.kind == EVENT_PEDAL)
				source_push(&file->source, &event, reserve_of(file));
			else
				play_note(file, &file->playing[event.note_id - 1], &event);
		}
	}
	return true;
}

static void *play(void *context)
{
	struct source_file *file = context;
	struct source *source = &file->source;
	file->start_us = file->speed > 0 ? clock_now_us() : 0;
	source_input_present(source, 0, file->start_us);
	bool to_the_end;
	do
		to_the_end = play_once(file);
	while (to_the_end && file->loop);

	/* Only a stop in the middle leaves notes; on the virtual clock that has no time but the last event's. */
	int64_t now_us = file->speed > 0 ? clock_now_us() : file->start_us;
	struct event event = {.event_us = now_us, .arrival_us = now_us, .position = -1};
	for (size_t i = 0; i < file->timeline.notes && file->held > 0; i++) {
		if (file->playing[i].id == 0)
			continue;
		if (event.event_us < file->playing[i].event_us)
			event.event_us = event.arrival_us = file->playing[i].event_us;
		end_note(file, &file->playing[i], &event);
	}
	if (to_the_end) {
		event = file->timeline.events[file->timeline.count - 1];
		event.event_us = file->start_us;
		event.arrival_us = now_us;
		source_push(source, &event, 0);
	}
	source->pushed = true; /* the state has changed, too */
	atomic_store_explicit(&source->state, SOURCE_ENDED, memory_order_release);
	source_wake(source);
	return NULL;
}

static void close_file(struct source *source)
{
	struct source_file *file = (struct source_file *)source;
	if (file->is_running) {
		wake_post(file->stop);
		pthread_join(file->thread, NULL);
	}
	if (file->stop >= 0)
		close(file->stop);
	timeline_free(&file->timeline);
	free(file->playing);
	source_uninit(source);
	free(file);
}

static enum status read_file(struct source_file *file, const char *path, struct error *error)
{
	struct smf *smf;
	enum status status = smf_read(path, &smf, error);
	if (status != STATUS_OK)
		return status;
	status = timeline_new(smf, false, &file->timeline, error);
	if (status == STATUS_OK && file->timeline.notes == 0)
		status = status_fail(error, STATUS_BAD_DATA, "%s: no notes to play (channel 10 is left out)", path);
	smf_free(smf);
	return status;
}

enum status source_open_file(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error)
{
	*source = NULL;
	if (!options->path || options->path[0] == '\0')
		return status_fail(error, STATUS_USAGE, "file source: no path; give file:PATH");
	if (!(options->speed >= 0 && options->speed <= 1000))
		return status_fail(error, STATUS_USAGE, "speed %g: give 0 (as fast as it can be followed) to 1000",
				   options->speed);
	struct source_file *file = malloc(sizeof *file);
	if (!file)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a source");
	enum status status = source_init(&file->source, options, output, close_file, error);
	if (status != STATUS_OK) {
		free(file);
		return status;
	}
	file->timeline = (struct timeline){0};
	file->speed = options->speed;
	file->loop = options->loop;
	file->is_running = false;
	file->playing = NULL;
	file->held = 0;
	file->stop = wake_open();
	status = file->stop < 0 ? status_fail(error, STATUS_IO, "file source: no eventfd")
				: read_file(file, options->path, error);
	if (status != STATUS_OK)
		goto failed;
	const char *slash = strrchr(options->path, '/'), *name = slash ? slash + 1 : options->path;
	source_take_slot(&file->source, name, name, "", false);
	snprintf(file->source.description, sizeof file->source.description, "file:%s", name);
	file->playing = calloc(file->timeline.notes, sizeof *file->playing);
	if (!file->playing) {
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for a source");
		goto failed;
	}
	if (pthread_create(&file->thread, NULL, play, file) != 0) {
		status = status_fail(error, STATUS_IO, "file source: no thread");
		goto failed;
	}
	file->is_running = true;
	*source = &file->source;
	return STATUS_OK;
failed:
	close_file(&file->source);
	return status;
}
