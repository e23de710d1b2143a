/* What the three sources share: numbering, pairing, filters, full rings, stuck keys, slots. */
#include "stream/source_base.h"

#include "base/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RING 256
#define NOW 5000000
#define KEYS 60 /* that are held at once; the pool of such rings has room for 64 */

struct bed {
	struct source source;
	struct source_output output;
};

static void no_close(struct source *source)
{
	(void)source;
}

static void open_bed(struct bed *bed, const struct source_options *options)
{
	bed->output = (struct source_output){ring_new(sizeof(struct event), RING), ring_new(sizeof(struct event), RING),
					     wake_open(), wake_open()};
	struct error error;
	assert_int_equal(source_init(&bed->source, options, &bed->output, no_close, &error), STATUS_OK);
}

static void close_bed(struct bed *bed)
{
	source_uninit(&bed->source);
	ring_free(bed->output.engine);
	ring_free(bed->output.osc);
	close(bed->output.engine_wake);
	close(bed->output.osc_wake);
}

static void play(struct bed *bed, int status, int first, int second)
{
	const uint8_t bytes[] = {(uint8_t)status, (uint8_t)first, (uint8_t)second};
	source_bytes(&bed->source, 0, bytes, 3, NOW, NOW);
}

/* The next event, which both rings must have. */
static struct event take(struct bed *bed)
{
	struct event engine = {0}, osc = {0};
	assert_true(ring_pop(bed->output.engine, &engine));
	assert_true(ring_pop(bed->output.osc, &osc));
	assert_int_equal(engine.note_id, osc.note_id);
	assert_int_equal(engine.kind, osc.kind);
	return engine;
}

static void take_note(struct bed *bed, int kind, int32_t id)
{
	struct event event = take(bed);
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.note_id, id);
}

static void assert_empty(struct bed *bed)
{
	assert_true(ring_is_empty(bed->output.engine));
	assert_true(ring_is_empty(bed->output.osc));
}

static const struct source_options everything = {.key_high = 127};

static void test_numbers_wrap_to_one(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	play(&bed, 0x90, 60, 1);
	take_note(&bed, EVENT_NOTE_ON, 1);
	bed.source.last_id = NOTE_ID_MAX - 1;
	play(&bed, 0x90, 61, 1);
	play(&bed, 0x90, 62, 1);
	play(&bed, 0x80, 61, 1);
	take_note(&bed, EVENT_NOTE_ON, NOTE_ID_MAX);
	take_note(&bed, EVENT_NOTE_ON, 1);
	take_note(&bed, EVENT_NOTE_OFF, NOTE_ID_MAX);
	assert_int_equal(bed.source.counters.last_note_id, 1);
	close_bed(&bed);
}

static void test_running_status_and_stray_bytes(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	const uint8_t bytes[] = {1, 2, 0x90, 60, 64, 61, 64, 60, 0};
	source_bytes(&bed.source, 0, bytes, sizeof bytes, NOW, NOW);
	take_note(&bed, EVENT_NOTE_ON, 1);
	take_note(&bed, EVENT_NOTE_ON, 2);
	take_note(&bed, EVENT_NOTE_OFF, 1);
	assert_int_equal(bed.source.counters.bad_input, 2);
	/* Messages that did not come as bytes are checked, too. */
	const struct midi_message high = {0x90, {128, 64}, 3}, loud = {0x90, {60, 200}, 3}, brief = {0x90, {60, 64}, 2};
	source_message(&bed.source, 0, &high, NOW, NOW);
	source_message(&bed.source, 0, &loud, NOW, NOW);
	source_message(&bed.source, 0, &brief, NOW, NOW);
	assert_int_equal(bed.source.counters.bad_input, 5);
	assert_empty(&bed);
	close_bed(&bed);
}

static void test_a_broken_stamp_is_replaced_and_counted(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	const uint8_t on[] = {0x90, 60, 64}, off[] = {0x80, 60, 0};
	source_bytes(&bed.source, 0, on, 3, NOW - 3000, NOW);
	source_bytes(&bed.source, 0, off, 3, NOW + 100000000, NOW + 1000);
	assert_int_equal(take(&bed).event_us, NOW - 3000);
	struct event event = take(&bed);
	assert_int_equal(event.event_us, NOW + 1000);
	assert_int_equal(event.duration_us, 4000);
	source_bytes(&bed.source, 0, on, 3, NOW - 100000000, NOW + 2000);
	assert_int_equal(take(&bed).event_us, NOW + 2000);
	source_bytes(&bed.source, 0, off, 3, NOW, NOW + 2000); /* a clock that goes back: no negative length */
	assert_int_equal(take(&bed).duration_us, 0);
	assert_int_equal(bed.source.counters.bad_input, 2);
	close_bed(&bed);
}

/* Neither ring is read: every note that got in keeps room for its end, the others are dropped, whole and counted. */
static void test_full_rings_never_lose_a_note_off(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	for (int pitch = 0; pitch < KEYS; pitch++)
		play(&bed, 0x90, pitch, 64);
	for (int i = 0; i < 1000; i++)
		play(&bed, 0xb0, 64, i % 128);
	assert_true(bed.source.counters.dropped > 0);
	uint64_t dropped = bed.source.counters.dropped;
	play(&bed, 0x90, 100, 64); /* dropped */
	play(&bed, 0x90, 0, 64);   /* dropped, of a key that is down */
	assert_int_equal(bed.source.counters.dropped, dropped + 4);
	play(&bed, 0x80, 100, 0);
	for (int pitch = 0; pitch < KEYS; pitch++)
		play(&bed, 0x80, pitch, 0);
	play(&bed, 0x80, 0, 0);
	assert_int_equal(bed.source.counters.dropped, dropped + 4);
	assert_int_equal(bed.source.counters.bad_input, 0);
	int32_t on = 0, off = 0;
	struct event event;
	while (ring_pop(bed.output.engine, &event)) {
		if (event.kind == EVENT_NOTE_ON)
			assert_int_equal(event.note_id, ++on);
		else if (event.kind == EVENT_NOTE_OFF)
			assert_int_equal(event.note_id, ++off);
	}
	assert_int_equal(on, off);
	assert_true(on > 32);
	assert_int_equal(bed.source.counters.last_note_id, on);
	close_bed(&bed);
}

static void test_one_full_ring_does_not_stop_the_other(void **state)
{
	(void)state;
	struct bed bed;
	struct event event;
	open_bed(&bed, &everything);
	int32_t heard = 0;
	for (int i = 0; i < 2000; i++) {
		play(&bed, i % 2 ? 0x80 : 0x90, 60, 64);
		while (ring_pop(bed.output.osc, &event)) /* the engine never reads */
			heard++;
	}
	assert_int_equal(heard, 2000);
	assert_int_equal(bed.source.counters.last_note_id, 1000);
	assert_true(bed.source.counters.dropped > 0);
	close_bed(&bed);
}

/* Note-ons without note-offs for ever: each ends by itself when the pool is full. */
static void test_stuck_keys_are_ended(void **state)
{
	(void)state;
	struct bed bed;
	struct event event;
	open_bed(&bed, &everything);
	int32_t on = 0, off = 0;
	for (int i = 0; i < 1000; i++) {
		play(&bed, 0x90, i % 5, 64);
		while (ring_pop(bed.output.osc, &event) && ring_pop(bed.output.engine, &event)) {
			if (event.kind == EVENT_NOTE_ON)
				assert_int_equal(event.note_id, ++on);
			else
				assert_int_equal(event.note_id, ++off);
		}
	}
	assert_int_equal(on, 1000);
	assert_int_equal(off, 1000 - RING / 4);
	assert_int_equal(bed.source.counters.bad_input, off);
	close_bed(&bed);
}

static void test_an_input_that_goes_ends_its_notes(void **state)
{
	(void)state;
	struct bed bed;
	char name[64];
	open_bed(&bed, &everything);
	assert_int_equal(source_take_slot(&bed.source, "keys:out", "keys:out", "", false), 0);
	assert_int_equal(source_take_slot(&bed.source, "pads:out", "pads:out", "", false), 1);
	source_input_present(&bed.source, 0, NOW);
	source_input_present(&bed.source, 0, NOW);
	assert_int_equal(take(&bed).kind, EVENT_INPUT_PRESENT);
	assert_int_equal(source_state(&bed.source), SOURCE_RUNNING);
	play(&bed, 0x90, 60, 64);
	take_note(&bed, EVENT_NOTE_ON, 1);
	source_input_gone(&bed.source, 1, NOW);
	assert_empty(&bed);
	source_input_gone(&bed.source, 0, NOW + 7);
	struct event event = take(&bed);
	assert_int_equal(event.kind, EVENT_NOTE_OFF);
	assert_int_equal(event.duration_us, 7);
	assert_int_equal(take(&bed).kind, EVENT_INPUT_GONE);
	assert_empty(&bed);
	assert_int_equal(source_state(&bed.source), SOURCE_LOST);
	assert_int_equal(bed.source.counters.inputs_present, 0);
	/* Names return to their numbers; a second device of the same name gets one of its own. */
	source_give_slot(&bed.source, 0);
	source_give_slot(&bed.source, 1);
	assert_int_equal(source_take_slot(&bed.source, "pads:out", "pads:out", "", false), 1);
	assert_int_equal(source_take_slot(&bed.source, "pads:out", "pads:out", "", false), 2);
	assert_int_equal(source_take_slot(&bed.source, "keys:out", "keys:out", "", false), 0);
	for (int i = 3; i < INPUTS_MAX; i++)
		assert_int_equal(source_take_slot(&bed.source, "more", "more", "", false), i);
	assert_int_equal(source_take_slot(&bed.source, "too many", "too many", "", false), -1);
	assert_int_equal(bed.source.counters.bad_input, 1);
	source_input_name(&bed.source, 1, name, sizeof name);
	assert_string_equal(name, "pads:out");
	source_input_name(&bed.source, INPUTS_MAX, name, sizeof name);
	assert_string_equal(name, "");
	close_bed(&bed);
}

/* What MIDI 1.0 says of active sensing: without it silence means nothing, after it 300 ms of it mean that the input is gone.
 */
static void test_active_sensing(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	struct source *source = &bed.source;
	const uint8_t on[] = {0x90, 60, 64}, sense = 0xfe, clock = 0xf8;
	int64_t now_us = NOW;
	source_take_slot(source, "keys", "keys", "", true);
	source_input_present(source, 0, now_us);
	take(&bed);
	source_bytes(source, 0, on, 3, now_us, now_us);
	take_note(&bed, EVENT_NOTE_ON, 1);
	for (int i = 0; i < 50; i++)
		assert_false(source_tick(source, now_us += SOURCE_TICK_US));
	assert_empty(&bed);

	source_bytes(source, 0, &sense, 1, now_us, now_us);
	for (int i = 0; i < 3; i++)
		assert_true(source_tick(source, now_us += SOURCE_TICK_US));
	source_bytes(source, 0, &clock, 1, now_us, now_us); /* any byte is a sign of life */
	for (int i = 0; i < 3; i++)
		assert_true(source_tick(source, now_us += SOURCE_TICK_US));
	while (!ring_is_empty(bed.output.engine)) /* the clock itself */
		take(&bed);
	assert_int_equal(source_state(source), SOURCE_RUNNING);
	assert_false(source_tick(source, now_us += 1000));
	take_note(&bed, EVENT_NOTE_OFF, 1);
	struct event gone = take(&bed);
	assert_int_equal(gone.kind, EVENT_INPUT_GONE);
	assert_int_equal(gone.pitch, INPUT_SILENT);
	assert_int_equal(source_state(source), SOURCE_LOST);
	source_input_gone(source, 0, now_us); /* unplugged: it is gone already */
	assert_empty(&bed);

	/* It returns, and senses anew; a tick that comes late has heard late. */
	source_input_present(source, 0, now_us);
	assert_int_equal(take(&bed).kind, EVENT_INPUT_PRESENT);
	assert_false(source_tick(source, now_us += SOURCE_TICK_US));
	source_bytes(source, 0, &sense, 1, now_us, now_us);
	assert_true(source_tick(source, now_us += 5 * SOURCE_SENSE_US));
	assert_true(source_tick(source, now_us += SOURCE_TICK_US));
	assert_empty(&bed);
	close_bed(&bed);
}

static void test_a_key_that_stays_down_is_stuck(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	play(&bed, 0x90, 60, 64);
	take_note(&bed, EVENT_NOTE_ON, 1);
	source_tick(&bed.source, NOW + SOURCE_STUCK_US);
	assert_empty(&bed);
	source_tick(&bed.source, NOW + SOURCE_STUCK_US + 1);
	take_note(&bed, EVENT_NOTE_OFF, 1);
	assert_int_equal(bed.source.counters.bad_input, 1);
	assert_int_equal(held_count(bed.source.held), 0);
	close_bed(&bed);
}

/* A key cannot go down twice: a note-off was lost. A program may well begin a note twice. */
static void test_a_lost_note_off_does_not_shift_the_others(void **state)
{
	(void)state;
	struct bed bed;
	open_bed(&bed, &everything);
	source_take_slot(&bed.source, "keys", "keys", "", true);
	play(&bed, 0x90, 60, 64);
	play(&bed, 0x90, 60, 65);
	play(&bed, 0x80, 60, 0);
	take_note(&bed, EVENT_NOTE_ON, 1);
	take_note(&bed, EVENT_NOTE_OFF, 1);
	take_note(&bed, EVENT_NOTE_ON, 2);
	take_note(&bed, EVENT_NOTE_OFF, 2);
	assert_int_equal(bed.source.counters.bad_input, 1);
	source_give_slot(&bed.source, 0);
	source_take_slot(&bed.source, "keys", "keys", "", false);
	play(&bed, 0x90, 60, 64);
	play(&bed, 0x90, 60, 65);
	play(&bed, 0x80, 60, 0);
	take_note(&bed, EVENT_NOTE_ON, 3);
	take_note(&bed, EVENT_NOTE_ON, 4);
	take_note(&bed, EVENT_NOTE_OFF, 3);
	assert_empty(&bed);
	close_bed(&bed);
}

static void test_layers_count_once(void **state)
{
	(void)state;
	struct bed bed;
	struct source_options options = everything;
	options.layers_us = 3000;
	open_bed(&bed, &options);
	const uint8_t on[3][3] = {{0x90, 60, 64}, {0x91, 60, 50}, {0x9f, 60, 40}};
	const uint8_t off[3][3] = {{0x80, 60, 0}, {0x81, 60, 0}, {0x8f, 60, 0}};
	for (int i = 0; i < 3; i++)
		source_bytes(&bed.source, 0, on[i], 3, NOW + 1500 * i, NOW + 3000);
	take_note(&bed, EVENT_NOTE_ON, 1);
	source_bytes(&bed.source, 0, off[1], 3, NOW + 9000, NOW + 9000);
	assert_empty(&bed); /* of a layer that was not counted */
	source_bytes(&bed.source, 0, off[0], 3, NOW + 10000, NOW + 10000);
	take_note(&bed, EVENT_NOTE_OFF, 1);
	source_bytes(&bed.source, 0, off[2], 3, NOW + 11000, NOW + 11000);
	assert_empty(&bed);
	assert_int_equal(bed.source.counters.doubled, 2);
	assert_int_equal(bed.source.counters.bad_input, 0);
	/* Later, on another input or the same channel it is a note of its own. */
	source_bytes(&bed.source, 0, on[0], 3, NOW + 20000, NOW + 20000);
	source_bytes(&bed.source, 0, on[1], 3, NOW + 23001, NOW + 23001);
	source_bytes(&bed.source, 1, on[1], 3, NOW + 23001, NOW + 23001);
	source_bytes(&bed.source, 0, on[0], 3, NOW + 26500, NOW + 26500);
	for (int32_t id = 2; id <= 5; id++)
		take_note(&bed, EVENT_NOTE_ON, id);
	assert_int_equal(bed.source.counters.doubled, 2);
	close_bed(&bed);
}

static void test_fine_velocity(void **state)
{
	(void)state;
	struct bed bed;
	struct source_options options = everything;
	options.key_low = 60;
	open_bed(&bed, &options);
	const uint8_t bytes[] = {0xb0, 88, 96, 0x90, 60, 64, 61,   65,	   /* for the next note only */
				 0xb1, 88, 5,  0x90, 62, 66,		   /* of its own channel */
				 0xb0, 88, 7,  0x80, 60, 0,  0x90, 63, 67, /* of a note-off */
				 0xb0, 88, 9,  0x90, 59, 64, 64,   68};	   /* of a note that nobody wants */
	source_bytes(&bed.source, 0, bytes, sizeof bytes, NOW, NOW);
	static const uint8_t fine[] = {96, 0, 0, 0, 0, 0};
	for (int i = 0; i < 6; i++)
		assert_int_equal(take(&bed).fine, fine[i]);
	assert_empty(&bed);
	const uint8_t other[] = {0x91, 70, 64};
	source_bytes(&bed.source, 0, other, sizeof other, NOW, NOW);
	assert_int_equal(take(&bed).fine, 5);
	assert_int_equal(bed.source.counters.bad_input, 0);
	close_bed(&bed);
}

/* Two of one model without a serial number: the USB ports they were in tell them apart, as long as they return to them. */
static void test_twins(void **state)
{
	(void)state;
	struct bed bed;
	const struct source_options options = {.key_high = 127};
	const char *name = "Keys:MIDI 1", *twins = "usb:1d6b:0104 Keys:MIDI 1";
	open_bed(&bed, &options);
	struct source *source = &bed.source;
	assert_int_equal(source_take_slot(source, name, twins, "1-2", true), 0);
	assert_int_equal(source_take_slot(source, name, twins, "1-3.4", true), 1);
	source_give_slot(source, 0);
	source_give_slot(source, 1);
	assert_int_equal(source_take_slot(source, name, twins, "1-3.4", true), 1);
	assert_int_equal(source_take_slot(source, name, twins, "1-2", true), 0);
	source_give_slot(source, 1);
	assert_int_equal(source_take_slot(source, name, twins, "2-1", true), 1); /* the only one that is missing has moved */
	source_give_slot(source, 0);
	source_give_slot(source, 1);
	assert_int_equal(source_take_slot(source, name, twins, "1-3.4", true), 0); /* nobody is known to have been there */
	assert_int_equal(source_take_slot(source, name, twins, "2-1", true), 1);
	source_give_slot(source, 0);
	assert_int_equal(source_take_slot(source, name, twins, "", true), 0);
	close_bed(&bed);
}

/* The same keyboard again: on another USB port, with another client number, beside one of the same name. */
static void test_identities(void **state)
{
	(void)state;
	struct bed bed;
	char text[64];
	const struct source_options options = {
	    .connect = {"usb:1d6b:0104:0001"}, .ignore = {"usb:1d6b:0105"}, .key_high = 127};
	open_bed(&bed, &options);
	struct source *source = &bed.source;
	const char *first = "usb:1d6b:0104:0001 Keys:MIDI 1", *second = "usb:1d6b:0104:0002 Keys:MIDI 1";
	assert_int_equal(source_take_slot(source, "Keys:MIDI 1", first, "", true), 0);
	assert_int_equal(source_take_slot(source, "Keys:MIDI 1", second, "", true), 1);
	source_give_slot(source, 0);
	source_give_slot(source, 1);
	assert_int_equal(source_take_slot(source, "Keys:MIDI 1", second, "", true), 1);
	assert_int_equal(source_take_slot(source, "Keys:MIDI 1", first, "", true), 0);
	source_input_identity(source, 1, text, sizeof text);
	assert_string_equal(text, second);
	assert_true(source_wants(source, "Keys:MIDI 1", first, false));
	assert_false(source_wants(source, "Keys:MIDI 1", second, false));
	assert_false(source_wants(source, "Keys:MIDI 1", "usb:1d6b:0104:00012 Keys:MIDI 1", false));
	assert_false(source_wants(source, "Pads:MIDI 1", "usb:1d6b:0105 Pads:MIDI 1", true));
	assert_false(source_wants(source, "Pads:MIDI 1", "usb:1d6b:0105:77 Pads:MIDI 1", true));
	assert_true(source_wants(source, "Pads:MIDI 1", "usb:1d6b:01055 Pads:MIDI 1", true));
	close_bed(&bed);
}

static void test_patterns(void **state)
{
	(void)state;
	struct bed bed;
	const struct source_options options = {
	    .connect = {"a2j:Odd [name]", "VMPK*", "Synth"}, .ignore = {"Pads*", "Keys:MIDI 2"}, .key_high = 127};
	open_bed(&bed, &options);
	const struct source *source = &bed.source;
	assert_true(source_wants(source, "Keys:MIDI 1", "Keys:MIDI 1", true));
	assert_false(source_wants(source, "Keys:MIDI 1", "Keys:MIDI 1", false));
	assert_false(source_wants(source, "Keys:MIDI 2", "Keys:MIDI 2", true));
	assert_false(source_wants(source, "Pads Mini:out", "Pads Mini:out", true));
	assert_true(source_wants(source, "VMPK Output:out", "VMPK Output:out", false));
	assert_true(source_wants(source, "Synth:out", "Synth:out", false));
	assert_false(source_wants(source, "Synth 2:out", "Synth 2:out", false));
	assert_true(source_wants(source, "a2j:Odd [name]", "a2j:Odd [name]", false));
	close_bed(&bed);
}

static void test_wrong_arguments(void **state)
{
	(void)state;
	struct source source;
	struct error error;
	struct source_output output = {ring_new(sizeof(struct event), RING), ring_new(sizeof(struct event), 16), -1, -1};
	struct source_options options = {.key_high = 127};
	assert_int_equal(source_init(&source, &options, &output, no_close, &error), STATUS_USAGE);
	options.channel = 17;
	assert_int_equal(source_init(&source, &options, &output, no_close, &error), STATUS_USAGE);
	options = (struct source_options){.key_low = 61, .key_high = 60};
	assert_int_equal(source_init(&source, &options, &output, no_close, &error), STATUS_USAGE);
	ring_free(output.engine);
	ring_free(output.osc);
	source_close(NULL);
}

static int64_t read_clock(void *context)
{
	return *(int64_t *)context;
}

static void test_a_clock_offset_does_not_tremble(void **state)
{
	(void)state;
	int64_t other_us = 1000;
	int64_t offset_us = source_clock_offset(0, read_clock, &other_us);
	assert_true(offset_us > 0); /* this machine has been up for more than a millisecond */
	other_us += 1000000000;
	int64_t moved_us = source_clock_offset(offset_us, read_clock, &other_us);
	assert_true(moved_us < offset_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers_wrap_to_one),
	    cmocka_unit_test(test_running_status_and_stray_bytes),
	    cmocka_unit_test(test_a_broken_stamp_is_replaced_and_counted),
	    cmocka_unit_test(test_full_rings_never_lose_a_note_off),
	    cmocka_unit_test(test_one_full_ring_does_not_stop_the_other),
	    cmocka_unit_test(test_stuck_keys_are_ended),
	    cmocka_unit_test(test_an_input_that_goes_ends_its_notes),
	    cmocka_unit_test(test_active_sensing),
	    cmocka_unit_test(test_a_key_that_stays_down_is_stuck),
	    cmocka_unit_test(test_a_lost_note_off_does_not_shift_the_others),
	    cmocka_unit_test(test_layers_count_once),
	    cmocka_unit_test(test_fine_velocity),
	    cmocka_unit_test(test_identities),
	    cmocka_unit_test(test_twins),
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_wrong_arguments),
	    cmocka_unit_test(test_a_clock_offset_does_not_tremble),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
