/* Files as live streams: the order within a tick, ids, times; that the order of tracks does not show. */
#include "stream/timeline.h"
#include "tests/support/midi_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void timeline_of(const char *first, const char *second, bool drums, struct timeline *timeline)
{
	struct midi_bytes midi;
	struct error error = {0};
	struct smf *file;

	midi_header(&midi, 1, 2, 16);
	midi_track(&midi, first);
	midi_track(&midi, second);
	if (smf_parse(midi.bytes, midi.size, "test.mid", &file, &error) || timeline_new(file, drums, timeline, &error))
		fail_msg("%s", error.text);
	smf_free(file);
}

struct expected {
	int kind, note_id, pitch, velocity, position;
};

static void assert_events(const struct timeline *timeline, const struct expected *expected, size_t count)
{
	assert_int_equal(timeline->count, count);
	for (size_t i = 0; i < count; i++) {
		const struct event *event = &timeline->events[i];

		if (event->kind != expected[i].kind || event->note_id != expected[i].note_id ||
		    event->pitch != expected[i].pitch || event->velocity != expected[i].velocity ||
		    event->position != expected[i].position)
			fail_msg("event %zu is {%d, %d, %d, %d, %d}", i, event->kind, event->note_id, event->pitch,
				 event->velocity, (int)event->position);
		assert_int_equal(event->event_us, event->arrival_us);
		assert_int_equal(event->input, 0);
		assert_int_equal(event->event_us, event->position * 31250); /* 16 ticks a quarter at 120 bpm */
	}
}

/* Everything at tick 10: the end of 64, a pedal, 55, two 60s by a coin, 72 of length zero, its end. */
static const char *const left = "00 90 40 32  0a 80 40 00  00 90 3c 28  00 90 48 1e  00 80 48 00  06 80 3c 00";
static const char *const right = "0a b1 40 7f  00 91 37 3c  00 91 3c 1e  08 81 37 00  00 81 3c 00  02 ff 01 00";
static const struct expected together[] = {
    {EVENT_NOTE_ON, 1, 64, 50, 0},  {EVENT_NOTE_OFF, 1, 64, 0, 10}, {EVENT_PEDAL, 0, 64, 127, 10},
    {EVENT_NOTE_ON, 2, 55, 60, 10}, {EVENT_NOTE_ON, 3, 60, 40, 10}, {EVENT_NOTE_ON, 4, 60, 30, 10},
    {EVENT_NOTE_ON, 5, 72, 30, 10}, {EVENT_NOTE_OFF, 5, 72, 0, 10}, {EVENT_NOTE_OFF, 3, 60, 0, 16},
    {EVENT_NOTE_OFF, 2, 55, 0, 18}, {EVENT_NOTE_OFF, 4, 60, 0, 18}, {EVENT_END, 0, 0, 0, 20},
};

static void test_order_within_a_tick(void **state)
{
	struct timeline timeline;
	/* in the file: 64, 60 and 72 of the first track, 55 and 60 of the second are notes 0 to 4 by tick, track, order */
	static const size_t note[] = {0, 3, 1, 4, 2};

	(void)state;
	timeline_of(left, right, false, &timeline);
	assert_events(&timeline, together, sizeof together / sizeof *together);
	assert_int_equal(timeline.notes, 5);
	assert_memory_equal(timeline.note, note, sizeof note);
	assert_int_equal(timeline.events[1].duration_us, 312500);
	assert_int_equal(timeline.events[7].duration_us, 0);
	assert_int_equal(timeline.events[2].channel, 1);
	timeline_free(&timeline);
	assert_null(timeline.events);
}

static void test_order_of_tracks_does_not_show(void **state)
{
	struct timeline timeline;

	(void)state;
	timeline_of(right, left, false, &timeline);
	assert_events(&timeline, together, sizeof together / sizeof *together);
	timeline_free(&timeline);
}

/* An end of an earlier note comes before a note-on of the same key at the same tick. */
static void test_repeated_key(void **state)
{
	struct timeline timeline;
	static const struct expected expected[] = {
	    {EVENT_NOTE_ON, 1, 60, 1, 0},  {EVENT_NOTE_OFF, 1, 60, 0, 4}, {EVENT_NOTE_ON, 2, 60, 2, 4},
	    {EVENT_NOTE_OFF, 2, 60, 0, 8}, {EVENT_END, 0, 0, 0, 8},
	};

	(void)state;
	timeline_of("00 90 3c 01  04 90 3c 02  00 80 3c 00  04 80 3c 00", "", false, &timeline);
	assert_events(&timeline, expected, 5);
	timeline_free(&timeline);
}

static void test_drums(void **state)
{
	struct timeline timeline;
	const char *events = "00 99 24 40  00 b9 40 7f  01 89 24 00";

	(void)state;
	timeline_of(events, "", false, &timeline);
	assert_int_equal(timeline.count, 1);
	assert_int_equal(timeline.notes, 0);
	assert_int_equal(timeline.events[0].kind, EVENT_END);
	timeline_free(&timeline);
	timeline_of(events, "", true, &timeline);
	assert_int_equal(timeline.count, 4);
	assert_int_equal(timeline.events[0].kind, EVENT_PEDAL);
	assert_int_equal(timeline.events[1].channel, 9);
	timeline_free(&timeline);
}

/* Twice the same key at once, a soft and a loud one: which comes first says nothing, and is the same in any order of tracks.
 */
static void test_a_tie_hides_velocities(void **state)
{
	char soft[64 * 28], loud[64 * 28];
	size_t at = 0;
	int louder_first = 0;
	struct timeline timeline, swapped;

	(void)state;
	for (int i = 0; i < 64; i++) {
		snprintf(soft + at, sizeof soft - at, "04 90 %02x 28  04 80 %02x 00  ", 40 + i % 7, 40 + i % 7);
		at +=
		    (size_t)snprintf(loud + at, sizeof loud - at, "04 90 %02x 50  04 80 %02x 00  ", 40 + i % 7, 40 + i % 7);
	}
	timeline_of(soft, loud, false, &timeline);
	timeline_of(loud, soft, false, &swapped);
	assert_int_equal(timeline.notes, 128);
	assert_int_equal(timeline.count, swapped.count);
	for (size_t i = 0; i < timeline.count; i++) {
		const struct event *event = &timeline.events[i];
		assert_int_equal(event->velocity, swapped.events[i].velocity);
		louder_first += event->kind == EVENT_NOTE_ON && event->note_id % 2 == 1 && event->velocity == 80;
	}
	assert_in_range(louder_first, 20, 44);
	timeline_free(&timeline);
	timeline_free(&swapped);
}

static void test_fine_velocities(void **state)
{
	struct timeline timeline;

	(void)state;
	timeline_of("00 b0 58 60  00 90 3c 28  01 90 3e 28  00 b1 58 05  00 80 3c 00  00 b0 58 07  00 80 3e 00  00 90 40 28",
		    "00 91 3c 28", false, &timeline);
	assert_int_equal(timeline.notes, 4);
	assert_int_equal(timeline.events[0].fine + timeline.events[1].fine, 96); /* two 60s at once */
	for (size_t i = 2; i < timeline.count; i++)
		assert_int_equal(timeline.events[i].fine, 0);
	timeline_free(&timeline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_within_a_tick),	   cmocka_unit_test(test_order_of_tracks_does_not_show),
	    cmocka_unit_test(test_repeated_key),	   cmocka_unit_test(test_drums),
	    cmocka_unit_test(test_a_tie_hides_velocities), cmocka_unit_test(test_fine_velocities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
