/* What the three sources share, and the calls of the daemon that do not depend on which one it is. Runs in the source's
 * threads as the header says. Opens nothing and knows no server. */
#define _GNU_SOURCE
#include "stream/source_base.h"

#include "base/clock.h"
#include "base/wake.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_NOTES_MAX 2048
#define APART_MAX_US 10000000	/* further from its arrival an event has a broken stamp */
#define SONG_POSITION 0xf2	/* in MIDI beats: six clocks each */
#define POSITIONS_A_MIDI_BEAT 4 /* sixteenths of a quarter */
#define LATE_US 250000		/* between two ticks: the thread was held up, and so was what it should have heard */
#define ACTIVE_SENSING 0xfe
#define OFFSET_TRIES 5
#define OFFSET_JITTER_US 5

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ---- set-up ---- */

static bool copy_patterns(char *copies[SOURCE_PATTERNS_MAX], const char *const patterns[SOURCE_PATTERNS_MAX])
{
	for (int i = 0; i < SOURCE_PATTERNS_MAX && patterns[i]; i++)
		if (!(copies[i] = strdup(patterns[i])))
			return false;
	return true;
}

enum status source_init(struct source *source, const struct source_options *options, const struct source_output *output,
			void (*close)(struct source *source), struct error *error)
{
	*source = (struct source){.close = close,
				  .output = *output,
				  .channel = options->channel,
				  .key_low = options->key_low,
				  .key_high = options->key_high,
				  .layers_us = options->layers_us};
	if (options->channel < 0 || options->channel > 16)
		return status_fail(error, STATUS_USAGE, "channel %d: give 1 to 16, or 0 for all", options->channel);
	if (options->key_low < 0 || options->key_low > options->key_high || options->key_high > 127)
		return status_fail(error, STATUS_USAGE, "keys %d-%d: give LO-HI within 0-127", options->key_low,
				   options->key_high);
	size_t space = ring_space(output->engine), osc = ring_space(output->osc);
	space = osc < space ? osc : space;
	if (space < SOURCE_RING_MIN)
		return status_fail(error, STATUS_USAGE, "rings for %zu events: a source needs at least %d", space,
				   SOURCE_RING_MIN);
	/* A quarter of the ring at most, so that the room kept for note-offs never fills it. */
	source->held = held_new(space / 4 < HELD_NOTES_MAX ? space / 4 : HELD_NOTES_MAX);
	if (!source->held || !copy_patterns(source->connect, options->connect) ||
	    !copy_patterns(source->ignore, options->ignore)) {
		source_uninit(source);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a source");
	}
	return STATUS_OK;
}

void source_uninit(struct source *source)
{
	for (int i = 0; i < SOURCE_PATTERNS_MAX; i++) {
		free(source->connect[i]);
		free(source->ignore[i]);
	}
	held_free(source->held);
}

/* ---- slots ---- */

static bool is_at(const struct source_slot *slot, const char *place)
{
	return place[0] != '\0' && strcmp(slot->place, place) == 0;
}

int source_take_slot(struct source *source, const char *name, const char *identity, const char *place, bool hardware)
{
	int unnamed = -1, old = -1;
	for (int i = 0; i < INPUTS_MAX && unnamed < 0; i++) {
		const struct source_slot *slot = &source->slots[i];
		if (!atomic_load_explicit(&slot->named, memory_order_relaxed))
			unnamed = i;
		else if (!slot->taken && strncmp(slot->identity, identity, SOURCE_NAME_MAX - 1) == 0 &&
			 (old < 0 || (is_at(slot, place) && !is_at(&source->slots[old], place))))
			old = i;
	}
	if (unnamed < 0 && old < 0) {
		count(&source->counters.bad_input, 1);
		return -1;
	}
	int input = old >= 0 ? old : unnamed;
	struct source_slot *slot = &source->slots[input];
	snprintf(slot->place, sizeof slot->place, "%s", place);
	atomic_store_explicit(&slot->hardware, hardware, memory_order_relaxed);
	slot->taken = true;
	if (old < 0) {
		snprintf(slot->name, sizeof slot->name, "%s", name);
		snprintf(slot->identity, sizeof slot->identity, "%s", identity);
		atomic_store_explicit(&slot->named, true, memory_order_release);
	}
	return input;
}

void source_give_slot(struct source *source, int input)
{
	source->slots[input].taken = false;
}

static bool fits(const char *pattern, const char *name)
{
	return strcmp(pattern, name) == 0 || fnmatch(pattern, name, 0) == 0;
}

/* usb:VENDOR:PRODUCT names every device of that kind, with :SERIAL one of them. */
static bool fits_identity(const char *pattern, const char *identity)
{
	size_t length = strlen(pattern);
	bool begins = strncmp(identity, pattern, length) == 0 && (identity[length] == ':' || identity[length] == ' ');
	return fits(pattern, identity) || (strncmp(pattern, "usb:", 4) == 0 && begins);
}

static bool is_named(char *const patterns[SOURCE_PATTERNS_MAX], const char *name, const char *identity)
{
	char client[SOURCE_NAME_MAX];
	snprintf(client, sizeof client, "%.*s", (int)strcspn(name, ":"), name);
	for (int i = 0; i < SOURCE_PATTERNS_MAX && patterns[i]; i++)
		if (fits(patterns[i], name) || fits(patterns[i], client) || fits_identity(patterns[i], identity))
			return true;
	return false;
}

bool source_wants(const struct source *source, const char *name, const char *identity, bool hardware)
{
	return is_named(source->connect, name, identity) || (hardware && !is_named(source->ignore, name, identity));
}

/* ---- pushing ---- */

bool source_push(struct source *source, const struct event *event, size_t reserve)
{
	struct source_output *output = &source->output;
	/* osc first: when a label comes out of the engine, the note itself is already there to be sent before it. */
	bool osc = ring_space(output->osc) > reserve && ring_push(output->osc, event);
	bool engine = ring_space(output->engine) > reserve && ring_push(output->engine, event);
	if (!engine || !osc)
		count(&source->counters.dropped, (uint64_t)!engine + (uint64_t)!osc);
	if (!engine && !osc)
		return false;
	count(&source->counters.events, 1);
	source->pushed = true;
	return true;
}

struct moment {
	struct source *source;
	int64_t event_us, arrival_us;
};

/* For held_release: ends one note. */
static void end_note(void *context, const struct held_note *note)
{
	const struct moment *moment = context;
	if (note->id == 0)
		return;
	int64_t duration_us = moment->event_us - note->event_us;
	struct event event = {.event_us = moment->event_us,
			      .arrival_us = moment->arrival_us,
			      .position = -1,
			      .duration_us = duration_us > 0 ? duration_us : 0,
			      .note_id = note->id,
			      .kind = EVENT_NOTE_OFF,
			      .input = note->input,
			      .channel = note->channel,
			      .pitch = note->pitch};
	source_push(moment->source, &event, 0);
}

/* The same key of this input is down since just now, on another channel. */
static bool is_layer(const struct source *source, const struct event *event)
{
	for (int channel = 0; channel < 16 && source->layers_us > 0; channel++) {
		const struct held_note *note =
		    channel == event->channel ? NULL : held_newest(source->held, event->input, channel, event->pitch);
		if (note && note->id != 0 && event->event_us - note->event_us <= source->layers_us &&
		    note->event_us - event->event_us <= source->layers_us)
			return true;
	}
	return false;
}

static void begin_note(struct moment *moment, struct event *event)
{
	struct source *source = moment->source;
	struct held_note oldest;
	if (is_layer(source, event)) { /* its end is kept apart, too */
		const struct held_note layer = {event->event_us, 0, event->input, event->channel, event->pitch};
		count(&source->counters.doubled, 1);
		held_push(source->held, &layer);
		return;
	}
	if (atomic_load_explicit(&source->slots[event->input].hardware, memory_order_relaxed) &&
	    held_pop(source->held, event->input, event->channel, event->pitch, &oldest)) {
		count(&source->counters.bad_input, 1); /* the key came up, but its note-off was lost */
		end_note(moment, &oldest);
	}
	int32_t id = source->last_id == NOTE_ID_MAX ? 1 : source->last_id + 1;
	event->note_id = id;
	event->kind = EVENT_NOTE_ON;
	if (source_push(source, event, held_count(source->held) + SOURCE_RESERVE)) {
		source->last_id = id;
		atomic_store_explicit(&source->counters.last_note_id, id, memory_order_relaxed);
	} else {
		id = 0;
	}
	struct held_note note = {event->event_us, id, event->input, event->channel, event->pitch};
	if (held_push(source->held, &note) || id == 0)
		return;
	/* More keys down than any player has: the oldest one is stuck. End it rather than lose the pairing of this one. */
	if (held_pop_oldest(source->held, &oldest)) {
		count(&source->counters.bad_input, 1);
		end_note(moment, &oldest);
		held_push(source->held, &note);
	}
}

static void control(struct moment *moment, struct event *event, uint8_t controller, uint8_t value)
{
	if (controller == 64 || controller == 66 || controller == 67) {
		event->kind = EVENT_PEDAL;
		event->pitch = controller;
		event->velocity = value;
		source_push(moment->source, event, held_count(moment->source->held) + SOURCE_RESERVE);
	} else if (controller == 88) {
		moment->source->slots[event->input].fine[event->channel] = value;
	} else if (controller == 120 || controller >= 123) { /* all sound off; all notes off; the modes, which imply it */
		held_release(moment->source->held, event->input, event->channel, end_note, moment);
	}
}

static int64_t near_arrival(struct source *source, int64_t event_us, int64_t arrival_us)
{
	if (event_us <= arrival_us + APART_MAX_US && event_us >= arrival_us - APART_MAX_US)
		return event_us;
	count(&source->counters.bad_input, 1);
	return arrival_us;
}

static bool is_clock(uint8_t status)
{
	return status == SONG_POSITION || status == 0xf8 || (status >= 0xfa && status <= 0xfc);
}

/* Clock messages have no channel, and no filter holds them back. */
static void clock_message(struct moment *moment, int input, const struct midi_message *message)
{
	struct source *source = moment->source;
	struct event event = {.event_us = moment->event_us,
			      .arrival_us = moment->arrival_us,
			      .position = -1,
			      .kind = EVENT_CLOCK,
			      .input = (uint8_t)input,
			      .pitch = message->status};
	if (message->status == SONG_POSITION) {
		if (message->length != 3 || message->data[0] > 127 || message->data[1] > 127) {
			count(&source->counters.bad_input, 1);
			return;
		}
		event.position = (message->data[0] + 128 * message->data[1]) * POSITIONS_A_MIDI_BEAT;
	}
	source_push(source, &event, held_count(source->held) + SOURCE_RESERVE);
}

void source_message(struct source *source, int input, const struct midi_message *message, int64_t event_us,
		    int64_t arrival_us)
{
	uint8_t kind = message->status & 0xf0, channel = message->status & 0x0f;
	struct moment moment = {source, event_us, arrival_us};
	if (message->status == 0xff) {
		held_release(source->held, input, -1, end_note, &moment);
		return;
	}
	if (is_clock(message->status)) {
		moment.event_us = near_arrival(source, event_us, arrival_us);
		clock_message(&moment, input, message);
		return;
	}
	if (message->status == ACTIVE_SENSING)
		source->slots[input].sensing = true;
	if (kind != 0x80 && kind != 0x90 && kind != 0xb0)
		return;
	if (message->length != 3 || message->data[0] > 127 || message->data[1] > 127) {
		count(&source->counters.bad_input, 1);
		return;
	}
	if (source->channel != 0 && channel + 1 != source->channel)
		return;
	moment.event_us = near_arrival(source, event_us, arrival_us);
	struct event event = {.event_us = moment.event_us,
			      .arrival_us = arrival_us,
			      .position = -1,
			      .input = (uint8_t)input,
			      .channel = channel,
			      .pitch = message->data[0],
			      .velocity = message->data[1]};
	if (kind == 0xb0) {
		control(&moment, &event, message->data[0], message->data[1]);
		return;
	}
	event.fine = source->slots[input].fine[channel];
	source->slots[input].fine[channel] = 0;
	if (event.pitch < source->key_low || event.pitch > source->key_high)
		return;
	if (kind == 0x90 && event.velocity > 0) {
		begin_note(&moment, &event);
		return;
	}
	struct held_note note;
	if (held_pop(source->held, input, channel, event.pitch, &note))
		end_note(&moment, &note);
	else
		count(&source->counters.bad_input, 1);
}

void source_bytes(struct source *source, int input, const uint8_t *bytes, size_t size, int64_t event_us, int64_t arrival_us)
{
	struct midi_parser *parser = &source->slots[input].parser;
	struct midi_message message;
	uint64_t bad = parser->bad_bytes;
	source_heard(source, input, arrival_us);
	for (size_t i = 0; i < size; i++)
		if (midi_parser_feed(parser, bytes[i], &message))
			source_message(source, input, &message, event_us, arrival_us);
	if (parser->bad_bytes != bad)
		count(&source->counters.bad_input, parser->bad_bytes - bad);
}

void source_heard(struct source *source, int input, int64_t arrival_us)
{
	source->slots[input].heard_us = arrival_us;
}

/* The input's notes end, and it is no longer there. */
static void lose(struct source *source, int input, enum input_loss loss, int64_t now_us)
{
	struct source_slot *slot = &source->slots[input];
	struct moment moment = {source, now_us, now_us};
	struct event event = {.event_us = now_us,
			      .arrival_us = now_us,
			      .position = -1,
			      .kind = EVENT_INPUT_GONE,
			      .input = (uint8_t)input,
			      .pitch = (uint8_t)loss};
	held_release(source->held, input, -1, end_note, &moment);
	slot->sensing = false;
	if (!slot->present)
		return;
	slot->present = false;
	if (atomic_fetch_sub_explicit(&source->counters.inputs_present, 1, memory_order_relaxed) == 1)
		atomic_store_explicit(&source->state, SOURCE_LOST, memory_order_relaxed);
	source_push(source, &event, held_count(source->held));
}

bool source_tick(struct source *source, int64_t now_us)
{
	struct moment moment = {source, now_us, now_us};
	const struct held_note *oldest;
	struct held_note stuck;
	bool late = now_us - source->ticked_us > LATE_US, sensing = false;
	source->ticked_us = now_us;
	for (int input = 0; input < INPUTS_MAX; input++) {
		struct source_slot *slot = &source->slots[input];
		if (!slot->sensing)
			continue;
		if (late)
			slot->heard_us = now_us;
		else if (now_us - slot->heard_us > SOURCE_SENSE_US)
			lose(source, input, INPUT_SILENT, now_us);
		sensing = sensing || slot->sensing;
	}
	while ((oldest = held_oldest(source->held)) && now_us - oldest->event_us > SOURCE_STUCK_US &&
	       held_pop_oldest(source->held, &stuck)) {
		count(&source->counters.bad_input, stuck.id != 0);
		end_note(&moment, &stuck);
	}
	return sensing;
}

void source_input_present(struct source *source, int input, int64_t now_us)
{
	struct source_slot *slot = &source->slots[input];
	struct event event = {
	    .event_us = now_us, .arrival_us = now_us, .position = -1, .kind = EVENT_INPUT_PRESENT, .input = (uint8_t)input};
	if (slot->present)
		return;
	slot->present = true;
	midi_parser_reset(&slot->parser);
	memset(slot->fine, 0, sizeof slot->fine);
	atomic_fetch_add_explicit(&source->counters.inputs_present, 1, memory_order_relaxed);
	atomic_store_explicit(&source->state, SOURCE_RUNNING, memory_order_relaxed);
	source_push(source, &event, held_count(source->held));
}

void source_input_gone(struct source *source, int input, int64_t now_us)
{
	lose(source, input, INPUT_TAKEN, now_us);
}

void source_all_gone(struct source *source, int64_t now_us)
{
	for (int input = 0; input < INPUTS_MAX; input++)
		source_input_gone(source, input, now_us);
}

void source_wake(struct source *source)
{
	if (!source->pushed)
		return;
	source->pushed = false;
	wake_post(source->output.osc_wake);
	wake_post(source->output.engine_wake);
}

int64_t source_clock_offset(int64_t previous_us, int64_t (*read)(void *context), void *context)
{
	int64_t best_us = INT64_MAX, offset_us = previous_us;
	for (int i = 0; i < OFFSET_TRIES; i++) {
		int64_t before_us = clock_now_us(), other_us = read(context), after_us = clock_now_us();
		if (after_us - before_us < best_us) {
			best_us = after_us - before_us;
			offset_us = before_us + best_us / 2 - other_us;
		}
	}
	int64_t change_us = offset_us - previous_us;
	return change_us > OFFSET_JITTER_US + best_us || change_us < -OFFSET_JITTER_US - best_us ? offset_us : previous_us;
}

/* ---- the daemon's side ---- */

void source_close(struct source *source)
{
	if (source)
		source->close(source);
}

enum source_state source_state(const struct source *source)
{
	return (enum source_state)atomic_load_explicit(&source->state, memory_order_relaxed);
}

const struct source_counters *source_counters(const struct source *source)
{
	return &source->counters;
}

void source_describe(const struct source *source, char *text, size_t size)
{
	snprintf(text, size, "%s", source->description);
}

void source_input_name(const struct source *source, int input, char *text, size_t size)
{
	bool named =
	    input >= 0 && input < INPUTS_MAX && atomic_load_explicit(&source->slots[input].named, memory_order_acquire);
	snprintf(text, size, "%s", named ? source->slots[input].name : "");
}

void source_input_identity(const struct source *source, int input, char *text, size_t size)
{
	bool named =
	    input >= 0 && input < INPUTS_MAX && atomic_load_explicit(&source->slots[input].named, memory_order_acquire);
	snprintf(text, size, "%s", named ? source->slots[input].identity : "");
}

enum status source_open_auto(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error)
{
	struct error jack = {STATUS_OK, ""}, alsa = {STATUS_OK, ""};
	struct source_options required = *options;
	required.server_required = true;
	if (source_open_jack(&required, output, source, &jack) == STATUS_OK)
		return STATUS_OK;
	if (jack.status != STATUS_NOT_FOUND) {
		if (error)
			*error = jack;
		return jack.status;
	}
	if (source_open_alsa(options, output, source, &alsa) == STATUS_OK)
		return STATUS_OK;
	return status_fail(error, alsa.status, "no MIDI input: %.200s; %.240s", jack.text, alsa.text);
}
