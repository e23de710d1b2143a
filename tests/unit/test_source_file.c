/* The file source on the virtual clock and in real time: what comes out of the rings is the file. */
#define _GNU_SOURCE
#include "stream/source.h"

#include "base/wake.h"
#include "tests/support/midi_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS_MAX 70000

struct bed {
	char path[64];
	struct source_options options;
	struct source_output output;
	struct source *source;
	struct event events[EVENTS_MAX];
	size_t count;
};

static struct bed bed;

static void write_file(const unsigned char *bytes, size_t size)
{
	strcpy(bed.path, "/tmp/test_source_file-XXXXXX");
	int file = mkstemp(bed.path);
	assert_true(file >= 0);
	assert_int_equal(write(file, bytes, size), size);
	close(file);
}

static void open_bed(size_t ring, double speed)
{
	struct error error = {0};
	bed.options = (struct source_options){.path = bed.path, .key_high = 127, .speed = speed};
	bed.output = (struct source_output){ring_new(sizeof(struct event), ring), ring_new(sizeof(struct event), ring),
					    wake_open(), wake_open()};
	bed.count = 0;
	bed.source = NULL;
	assert_int_equal(source_open_file(&bed.options, &bed.output, &bed.source, &error), STATUS_OK);
}

/* Reads both rings as the daemon's threads do until the end of the file, or of `limit` events. */
static void read_events(size_t limit)
{
	struct event other;
	while (bed.count < limit) {
		while (bed.count < limit && ring_pop(bed.output.engine, &bed.events[bed.count])) {
			assert_true(ring_pop(bed.output.osc, &other)); /* which has been given it before */
			assert_int_equal(other.note_id, bed.events[bed.count].note_id);
			if (bed.events[bed.count++].kind == EVENT_END)
				return;
		}
		if (bed.count < limit)
			assert_true(wake_wait(bed.output.engine_wake, 30000000));
	}
}

static void close_bed(void)
{
	source_close(bed.source);
	ring_free(bed.output.engine);
	ring_free(bed.output.osc);
	close(bed.output.engine_wake);
	close(bed.output.osc_wake);
	unlink(bed.path);
}

/* 96 ticks a quarter at 120 bpm: a tick is 5208.33 microseconds. Channel 2 has one note, the drums another. */
static void write_little_file(void)
{
	struct midi_bytes midi = {.size = 0};
	midi_header(&midi, 0, 1, 96);
	midi_track(&midi, "00 90 3c 40  00 91 48 20  00 99 24 7f  60 3c 00"
			  "00 80 3c 00  00 b0 40 7f  30 90 3e 41  00 81 48 00  30 80 3e 00");
	write_file(midi.bytes, midi.size);
}

static void assert_event(size_t i, int kind, int32_t id, int pitch, int64_t event_us, int64_t position)
{
	const struct event *event = &bed.events[i];
	assert_in_range(i, 0, bed.count - 1);
	assert_int_equal(event->kind, kind);
	assert_int_equal(event->note_id, id);
	assert_int_equal(event->pitch, pitch);
	assert_int_equal(event->event_us, event_us);
	assert_int_equal(event->position, position);
}

static void test_virtual_clock(void **state)
{
	(void)state;
	char text[64];
	write_little_file();
	open_bed(256, 0);
	read_events(EVENTS_MAX);
	assert_int_equal(bed.count, 9);
	assert_event(0, EVENT_INPUT_PRESENT, 0, 0, 0, -1);
	assert_event(1, EVENT_NOTE_ON, 1, 60, 0, 0);
	assert_event(2, EVENT_NOTE_ON, 2, 72, 0, 0);
	assert_event(3, EVENT_NOTE_OFF, 1, 60, 500000, 16);
	assert_event(4, EVENT_PEDAL, 0, 64, 500000, 16);
	assert_event(5, EVENT_NOTE_OFF, 2, 72, 750000, 24);
	assert_event(6, EVENT_NOTE_ON, 3, 62, 750000, 24);
	assert_event(7, EVENT_NOTE_OFF, 3, 62, 1000000, 32);
	assert_int_equal(bed.events[8].kind, EVENT_END);
	assert_int_equal(bed.events[3].duration_us, 500000);
	assert_int_equal(bed.events[2].velocity, 32);
	assert_int_equal(bed.events[2].channel, 1);
	for (size_t i = 0; i < bed.count; i++)
		assert_int_equal(bed.events[i].arrival_us, bed.events[i].event_us);
	while (source_state(bed.source) != SOURCE_ENDED)
		assert_true(wake_wait(bed.output.osc_wake, 30000000));
	assert_int_equal(source_counters(bed.source)->events, 9);
	assert_int_equal(source_counters(bed.source)->last_note_id, 3);
	source_describe(bed.source, text, sizeof text);
	assert_memory_equal(text, "file:test_source_file-", 22);
	source_input_name(bed.source, 0, text, sizeof text);
	assert_string_equal(text, strrchr(bed.path, '/') + 1);
	close_bed();
}

static void test_filters_renumber(void **state)
{
	(void)state;
	struct error error;
	write_little_file();
	open_bed(256, 0);
	read_events(EVENTS_MAX);
	source_close(bed.source);
	bed.count = 0;
	bed.options.channel = 1;
	bed.options.key_low = 61;
	assert_int_equal(source_open_file(&bed.options, &bed.output, &bed.source, &error), STATUS_OK);
	read_events(EVENTS_MAX);
	assert_int_equal(bed.count, 5);
	assert_event(1, EVENT_PEDAL, 0, 64, 500000, 16);
	assert_event(2, EVENT_NOTE_ON, 1, 62, 750000, 24);
	assert_event(3, EVENT_NOTE_OFF, 1, 62, 1000000, 32);
	close_bed();
}

/* 30000 notes through rings for 128: on the virtual clock the source waits, and nothing is lost. */
static void test_back_pressure(void **state)
{
	(void)state;
	const unsigned notes = 30000;
	size_t size = 0;
	unsigned char *bytes = malloc(notes * 8 + 64);
	assert_non_null(bytes);
	size_t length = notes * 8 + 4;
	const unsigned char head[] = {'M', 'T', 'h', 'd', 0, 0, 0, 6, 0, 0, 0, 1, 0, 96, 'M', 'T', 'r', 'k'};
	memcpy(bytes, head, sizeof head);
	size = sizeof head;
	for (int shift = 24; shift >= 0; shift -= 8)
		bytes[size++] = (unsigned char)(length >> shift);
	for (unsigned i = 0; i < notes; i++) {
		const unsigned char note[] = {0, 0x90, (unsigned char)(i % 128), 64, 1, 0x80, (unsigned char)(i % 128), 0};
		memcpy(bytes + size, note, sizeof note);
		size += sizeof note;
	}
	const unsigned char end[] = {0, 0xff, 0x2f, 0};
	memcpy(bytes + size, end, sizeof end);
	write_file(bytes, size + sizeof end);
	free(bytes);
	open_bed(128, 0);
	read_events(EVENTS_MAX);
	assert_int_equal(bed.count, 2 * notes + 2);
	int32_t on = 0, off = 0;
	for (size_t i = 1; i + 1 < bed.count; i++) {
		if (bed.events[i].kind == EVENT_NOTE_ON)
			assert_int_equal(bed.events[i].note_id, ++on);
		else
			assert_int_equal(bed.events[i].note_id, ++off);
	}
	assert_int_equal(on, notes);
	assert_int_equal(off, notes);
	assert_int_equal(source_counters(bed.source)->dropped, 0);
	close_bed();
}

/* Ten times as fast: the same events, their times a tenth of the file's on the monotonic clock. */
static void test_real_time(void **state)
{
	(void)state;
	write_little_file();
	open_bed(256, 10);
	read_events(EVENTS_MAX);
	assert_int_equal(bed.count, 9);
	int64_t start_us = bed.events[0].event_us;
	assert_true(start_us > 0);
	assert_event(1, EVENT_NOTE_ON, 1, 60, start_us, 0);
	assert_event(3, EVENT_NOTE_OFF, 1, 60, start_us + 50000, 16);
	assert_event(7, EVENT_NOTE_OFF, 3, 62, start_us + 100000, 32);
	assert_int_equal(bed.events[3].duration_us, 50000);
	for (size_t i = 0; i < bed.count; i++)
		assert_true(bed.events[i].arrival_us >= bed.events[i].event_us);
	close_bed();
}

static void test_loop_goes_on_until_closed_and_ends_held_notes(void **state)
{
	(void)state;
	struct error error;
	write_little_file();
	open_bed(256, 0);
	read_events(EVENTS_MAX);
	source_close(bed.source);
	bed.count = 0;
	bed.options.loop = true;
	assert_int_equal(source_open_file(&bed.options, &bed.output, &bed.source, &error), STATUS_OK);
	read_events(1 + 7 * 100 + 2); /* the last read: two note-ons of the next pass */
	assert_event(1 + 7 * 100, EVENT_NOTE_ON, 301, 60, 100 * 1000000, 0);
	assert_event(2 + 7 * 100, EVENT_NOTE_ON, 302, 72, 100 * 1000000, 0);
	source_close(bed.source);
	bed.source = NULL;
	/* What is left in the rings ends every note that began. */
	struct event event;
	int held = 2;
	while (ring_pop(bed.output.osc, &event))
		held += event.kind == EVENT_NOTE_ON ? 1 : event.kind == EVENT_NOTE_OFF ? -1 : 0;
	assert_int_equal(held, 0);
	close_bed();
}

static void test_closing_in_real_time_does_not_wait_for_the_file(void **state)
{
	(void)state;
	struct event event;
	write_little_file();
	open_bed(256, 0.001); /* the file would take a quarter of an hour */
	read_events(3);
	source_close(bed.source);
	bed.source = NULL;
	for (int32_t id = 1; id <= 2; id++) {
		assert_true(ring_pop(bed.output.osc, &event));
		assert_int_equal(event.kind, EVENT_NOTE_OFF);
		assert_int_equal(event.note_id, id);
	}
	assert_false(ring_pop(bed.output.osc, &event));
	close_bed();
}

static void assert_refused(enum status status, const char *word)
{
	struct error error = {0};
	bed.source = (struct source *)&bed;
	assert_int_equal(source_open_file(&bed.options, &bed.output, &bed.source, &error), status);
	assert_null(bed.source);
	assert_int_equal(error.status, status);
	assert_non_null(strstr(error.text, word));
}

static void test_bad_files_and_options(void **state)
{
	(void)state;
	write_file((const unsigned char *)"MThd\0\0\0\6\0\2\0\1\0\140", 14);
	bed.options = (struct source_options){.path = "/nonexistent/piece.mid", .key_high = 127, .speed = 1};
	bed.output = (struct source_output){ring_new(sizeof(struct event), 256), ring_new(sizeof(struct event), 256),
					    wake_open(), wake_open()};
	assert_refused(STATUS_NOT_FOUND, "/nonexistent/piece.mid");
	bed.options.path = bed.path;
	assert_refused(STATUS_UNSUPPORTED, bed.path);
	bed.options.path = NULL;
	assert_refused(STATUS_USAGE, "file:PATH");
	bed.options.path = bed.path;
	bed.options.speed = -1;
	assert_refused(STATUS_USAGE, "speed");
	bed.options.speed = 0.0 / 0.0;
	assert_refused(STATUS_USAGE, "speed");
	struct midi_bytes midi = {.size = 0};
	midi_header(&midi, 0, 1, 96);
	midi_track(&midi, "00 99 24 7f 60 24 00");
	unlink(bed.path);
	write_file(midi.bytes, midi.size);
	bed.options.speed = 1;
	assert_refused(STATUS_BAD_DATA, "no notes");
	close_bed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_virtual_clock),
	    cmocka_unit_test(test_filters_renumber),
	    cmocka_unit_test(test_back_pressure),
	    cmocka_unit_test(test_real_time),
	    cmocka_unit_test(test_loop_goes_on_until_closed_and_ends_held_notes),
	    cmocka_unit_test(test_closing_in_real_time_does_not_wait_for_the_file),
	    cmocka_unit_test(test_bad_files_and_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
