/* Standard MIDI Files: what is read, and what is refused with which byte. */
#include "stream/smf.h"
#include "stream/octuple.h"
#include "tests/support/midi_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct midi_bytes midi;

static struct smf *parse(void)
{
	struct error error = {0};
	struct smf *file;

	if (smf_parse(midi.bytes, midi.size, "test.mid", &file, &error))
		fail_msg("%s", error.text);
	return file;
}

static void assert_note(const struct smf *file, size_t index, int64_t start, int64_t end, int pitch, int velocity)
{
	assert_true(index < file->note_count);
	assert_int_equal(file->notes[index].start_tick, start);
	assert_int_equal(file->notes[index].end_tick, end);
	assert_int_equal(file->notes[index].pitch, pitch);
	assert_int_equal(file->notes[index].velocity, velocity);
}

/* 0x83 0x60 is 3 * 128 + 96 = 480. The second and third event use running status, the last one velocity 0 as an end. */
static void test_running_status(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 0, 1, 480);
	midi_track(&midi, "00 90 3c 40  00 43 41  83 60 3c 00  60 43 00");
	file = parse();
	assert_int_equal(file->ticks_per_quarter, 480);
	assert_int_equal(file->tracks, 1);
	assert_int_equal(file->note_count, 2);
	assert_note(file, 0, 0, 480, 60, 64);
	assert_note(file, 1, 0, 576, 67, 65);
	assert_true(file->notes[0].ended);
	assert_int_equal(file->end_tick, 576);
	smf_free(file);
}

/* Two sounding notes of one key: the first note-off ends the first. */
static void test_first_in_first_out(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 0, 1, 96);
	midi_track(&midi, "00 90 3c 0a  0a 90 3c 14  0a 80 3c 00  0a 80 3c 00  0a 90 3c 1e  0a 80 3c 40");
	file = parse();
	assert_int_equal(file->note_count, 3);
	assert_note(file, 0, 0, 20, 60, 10);
	assert_note(file, 1, 10, 30, 60, 20);
	assert_note(file, 2, 40, 50, 60, 30);
	assert_int_equal(file->unended_notes, 0);
	smf_free(file);
}

/* A note-off of another channel, another pitch or another track ends nothing; such notes last as long as their track. */
static void test_pairing_is_per_track_and_channel(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 1, 2, 96);
	midi_track(&midi, "00 90 3c 0a  05 81 3c 00  05 80 3d 00  05 b0 07 40");
	midi_track(&midi, "08 80 3c 00  64 b0 07 40");
	file = parse();
	assert_int_equal(file->note_count, 1);
	assert_note(file, 0, 0, 15, 60, 10);
	assert_false(file->notes[0].ended);
	assert_int_equal(file->stray_note_offs, 3);
	assert_int_equal(file->unended_notes, 1);
	assert_int_equal(file->end_tick, 108);
	smf_free(file);
}

/* A track's open notes do not leak into the next track's pairing. */
static void test_open_notes_stay_in_their_track(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 1, 2, 96);
	midi_track(&midi, "00 90 3c 0a  20 b0 07 40");
	midi_track(&midi, "10 90 3c 14  10 80 3c 00");
	file = parse();
	assert_int_equal(file->note_count, 2);
	assert_note(file, 0, 0, 32, 60, 10);
	assert_note(file, 1, 16, 32, 60, 20);
	assert_false(file->notes[0].ended);
	assert_true(file->notes[1].ended);
	smf_free(file);
}

static void test_order_is_tick_track_file(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 1, 3, 96);
	midi_track(&midi, "00 90 40 01  0a 90 3f 02  00 90 3e 03");
	midi_track(&midi, "00 90 30 04  0a 90 20 05  14 90 21 06");
	midi_track(&midi, "05 90 10 07");
	file = parse();
	static const int velocity[] = {1, 4, 7, 2, 3, 5, 6};

	assert_int_equal(file->note_count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(file->notes[i].velocity, velocity[i]);
	assert_int_equal(file->notes[5].track, 1);
	smf_free(file);
}

/* 480 ticks at 500000 us, then 480 at 250000, then 480 at 1000000 a quarter. The middle tempo is in another track. */
static void test_tempo_map(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 1, 2, 480);
	midi_track(&midi, "00 ff 51 03 07 a1 20  87 40 ff 51 03 0f 42 40");
	midi_track(&midi, "83 60 ff 51 03 03 d0 90");
	file = parse();
	assert_int_equal(file->tempo_count, 3);
	assert_int_equal(smf_tick_to_us(file, 0), 0);
	assert_int_equal(smf_tick_to_us(file, 240), 250000);
	assert_int_equal(smf_tick_to_us(file, 480), 500000);
	assert_int_equal(smf_tick_to_us(file, 960), 750000);
	assert_int_equal(smf_tick_to_us(file, 1440), 1750000);
	assert_int_equal(smf_tick_to_us(file, 1), 1042); /* 500000 / 480 = 1041.67 */
	smf_free(file);
}

static void test_default_tempo(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 0, 1, 96);
	midi_track(&midi, "60 ff 51 03 03 d0 90");
	file = parse();
	assert_int_equal(smf_tick_to_us(file, 96), 500000);
	assert_int_equal(smf_tick_to_us(file, 192), 750000);
	smf_free(file);
}

/* Thousands of changes leave no rounding behind: each lasts a tick of 333333 / 480 us. */
static void test_tempo_changes_do_not_drift(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 0, 1, 480);
	static char events[1100 * 21 + 1];

	for (size_t i = 0; i < 1100; i++)
		memcpy(events + i * 21, i ? "01 ff 51 03 05 16 15 " : "00 ff 51 03 05 16 15 ", 22);
	midi_track(&midi, events);
	file = parse();
	assert_int_equal(file->tempo_count, 1100);
	assert_int_equal(smf_tick_to_us(file, 960), 666666);
	smf_free(file);
}

/* 25 frames of 40 ticks: 1000 ticks a second, whatever the tempo event says; a second is two quarters at 120. */
static void test_smpte(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 0, 1, 0xe728);
	midi_track(&midi, "00 ff 51 03 01 00 00  00 90 3c 40  87 68 80 3c 00");
	file = parse();
	assert_true(file->smpte);
	assert_int_equal(file->tempo_count, 0);
	assert_int_equal(smf_tick_to_us(file, file->notes[0].end_tick), 1000000);
	assert_int_equal(octuple_position(file->notes[0].end_tick, file->ticks_per_quarter), 32);
	smf_free(file);

	/* 25 frames of one tick: half a second is 12.5 ticks, and stays exact. 25 ticks last a second. */
	midi_header(&midi, 0, 1, 0xe701);
	midi_track(&midi, "00 90 3c 40  19 80 3c 00");
	file = parse();
	assert_int_equal(smf_tick_to_us(file, file->notes[0].end_tick), 1000000);
	assert_int_equal(octuple_position(file->notes[0].end_tick, file->ticks_per_quarter), 32);
	smf_free(file);

	/* 29: 30000 / 1001 frames of 100 ticks a second. 3000 ticks (0x97 0x38) last 1.001 s. */
	midi_header(&midi, 0, 1, 0xe364);
	midi_track(&midi, "00 90 3c 40  97 38 80 3c 00");
	file = parse();
	assert_int_equal(smf_tick_to_us(file, file->notes[0].end_tick), 1001000);
	smf_free(file);
}

static void test_signatures(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 0, 1, 96);
	midi_track(&midi, "00 ff 58 04 06 03 18 08  60 ff 58 04 03 ff 18 08");
	file = parse();
	assert_int_equal(file->signature_count, 2);
	assert_int_equal(file->signatures[0].numerator, 6);
	assert_int_equal(file->signatures[0].denominator, 8);
	assert_int_equal(file->signatures[1].tick, 96);
	assert_int_equal(file->signatures[1].denominator, 32768);
	smf_free(file);
}

/* Sysex, its continuation, unknown metas, other controllers, programs, pressure, pitch bend and an unknown chunk. */
static void test_steps_over_the_rest(void **state)
{
	struct smf *file;

	(void)state;
	midi.size = 0;
	midi_put(&midi, "4d 54 68 64 00 00 00 08 00 01 00 01 00 60 aa bb"); /* a header of eight bytes */
	midi_put(&midi, "58 46 49 48 00 00 00 03 01 02 03");
	midi_track(&midi,
		   "00 f0 03 43 12 f7  00 f7 02 01 02  00 ff 7f 02 00 00  00 ff 60 00  00 c0 05  00 d0 22  00 e0 00 40 "
		   "00 a0 3c 10  00 b0 40 7f  01 43 00  00 42 20  00 07 64  10 90 3c 40  00 ff 01 01 41  10 3c 00");
	file = parse();
	assert_int_equal(file->note_count, 1);
	assert_note(file, 0, 17, 33, 60, 64); /* running status outlives a meta event */
	assert_int_equal(file->control_count, 3);
	assert_int_equal(file->controls[0].controller, 64);
	assert_int_equal(file->controls[0].value, 127);
	assert_int_equal(file->controls[1].controller, 67);
	assert_int_equal(file->controls[1].tick, 1);
	assert_int_equal(file->controls[2].controller, 66);
	smf_free(file);
}

static void test_track_names(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 1, 3, 96);
	midi_track(&midi, "00 ff 03 06 4d 45 4c 4f 44 59  00 ff 03 01 58");
	midi_track(&midi, "");
	midi_track(
	    &midi,
	    "00 ff 03 48 "
	    "41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 "
	    "41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41");
	file = parse();
	assert_string_equal(file->track_names[0], "MELODY");
	assert_string_equal(file->track_names[1], "");
	assert_int_equal(strlen(file->track_names[2]), 63);
	smf_free(file);
}

/* What follows the end of a track inside its chunk, and what follows the last declared track, is not read. */
static void test_trailing_bytes(void **state)
{
	struct smf *file;

	(void)state;
	midi_header(&midi, 1, 2, 96);
	midi_put(&midi, "4d 54 72 6b 00 00 00 0e 00 90 3c 40 04 80 3c 00 00 ff 2f 00 99 99");
	midi_track(&midi, "00 90 3d 40");
	midi_put(&midi, "de ad be ef");
	file = parse();
	assert_int_equal(file->note_count, 2);
	assert_int_equal(file->notes[1].pitch, 61);
	smf_free(file);
}

static void assert_refused(enum status expected, size_t offset, const char *reason)
{
	struct error error = {0};
	struct smf *file;
	char where[64];
	enum status status = smf_parse(midi.bytes, midi.size, "bad.mid", &file, &error);

	snprintf(where, sizeof where, "bad.mid: byte %zu: ", offset);
	assert_null(file);
	assert_int_equal(status, expected);
	assert_int_equal(error.status, expected);
	if (strncmp(error.text, where, strlen(where)) != 0 || !strstr(error.text, reason))
		fail_msg("'%s' is not '%s...%s'", error.text, where, reason);
}

/* Bytes of a track that is the first, so that its events begin at byte 22; the chunk's length is what the events are. */
static void track_refused(const char *events, size_t offset, const char *reason)
{
	midi_header(&midi, 0, 1, 96);
	midi_put(&midi, "4d 54 72 6b 00 00 00 00");
	midi_put(&midi, events);
	midi.bytes[21] = (unsigned char)(midi.size - 22);
	assert_refused(STATUS_BAD_DATA, offset, reason);
}

static void test_bad_headers(void **state)
{
	(void)state;
	midi.size = 0;
	assert_refused(STATUS_BAD_DATA, 0, "not a Standard MIDI File");
	midi_put(&midi, "52 49 46 46 00 00 00 06 00 00 00 01 00 60");
	assert_refused(STATUS_BAD_DATA, 0, "not a Standard MIDI File");
	midi_header(&midi, 2, 1, 96);
	assert_refused(STATUS_UNSUPPORTED, 8, "format 2");
	midi_header(&midi, 3, 1, 96);
	assert_refused(STATUS_BAD_DATA, 8, "format");
	midi_header(&midi, 0, 1, 0);
	assert_refused(STATUS_BAD_DATA, 12, "zero ticks");
	midi_header(&midi, 0, 1, 0xe700);
	assert_refused(STATUS_BAD_DATA, 13, "zero ticks");
	midi_header(&midi, 0, 1, 0x8010);
	assert_refused(STATUS_BAD_DATA, 12, "frame rate");
	midi_header(&midi, 0, 65535, 96);
	assert_refused(STATUS_BAD_DATA, 14, "before track 1 of 65535");
	midi.size = 0;
	midi_put(&midi, "4d 54 68 64 ff ff ff ff 00 00 00 01 00 60");
	assert_refused(STATUS_BAD_DATA, 4, "header");
	midi.size = 0;
	midi_put(&midi, "4d 54 68 64 00 00 00 05 00 00 00 01 00 60");
	assert_refused(STATUS_BAD_DATA, 4, "header");
	midi_header(&midi, 0, 1, 96);
	midi_put(&midi, "4d 54 72 6b ff ff ff ff 00");
	assert_refused(STATUS_BAD_DATA, 14, "4294967295 bytes, but 1 are left");
}

static void test_bad_tracks(void **state)
{
	(void)state;
	track_refused("00 3c 40", 23, "without a status");
	track_refused("00 90 3c 90", 25, "status byte");
	track_refused("00 90 3c", 25, "ends inside a channel message");
	track_refused("00 c0", 24, "ends inside a channel message");
	track_refused("00", 23, "ends after a delta time");
	track_refused("81", 22, "ends inside a variable-length number");
	track_refused("81 81 81 81 01 90 3c 40", 22, "more than four bytes");
	track_refused("00 ff", 24, "ends inside a meta event");
	track_refused("00 ff 01 05 41", 24, "meta event is longer");
	track_refused("00 ff 51 02 01 02", 24, "tempo");
	track_refused("00 ff 58 03 04 02 18", 24, "time signature");
	track_refused("00 f0 05 01 f7", 24, "exclusive");
	track_refused("00 90 3c 40 00 f0 01 f7 00 3c 00", 31, "without a status"); /* sysex ends running status */
	track_refused("00 f8", 23, "system message");
	track_refused("00 f2 00 00", 23, "system message");
}

/* 2^36 ticks are the most: 256 deltas of 2^28 - 1 fit, the 257th does not. Each takes 6 bytes after the first's 7. */
static void test_absurd_length(void **state)
{
	(void)state;
	midi_header(&midi, 0, 1, 96);
	midi_put(&midi, "4d 54 72 6b 00 00 00 00 ff ff ff 7f 90 3c 40");
	for (int i = 0; i < 299; i++)
		midi_put(&midi, "ff ff ff 7f 3c 40");
	midi.bytes[20] = (unsigned char)((midi.size - 22) >> 8);
	midi.bytes[21] = (unsigned char)(midi.size - 22);
	assert_refused(STATUS_BAD_DATA, 22 + 7 + 255 * 6, "absurd length");
}

/* A file that was cut anywhere is refused, and the offset lies inside what was left. */
static void test_every_truncation(void **state)
{
	(void)state;
	midi_header(&midi, 1, 2, 480);
	midi_track(&midi, "00 ff 51 03 07 a1 20  00 ff 58 04 04 02 18 08  00 f0 02 01 f7");
	midi_track(&midi, "00 ff 03 02 41 42  00 90 3c 40  83 60 3c 00  00 c0 01");
	smf_free(parse());
	size_t whole = midi.size;

	for (size_t size = 0; size < whole; size++) {
		struct error error = {0};
		struct smf *file;
		unsigned long offset;

		if (smf_parse(midi.bytes, size, "cut.mid", &file, &error) == STATUS_OK)
			fail_msg("a file cut to %zu of %zu bytes was read", size, whole);
		assert_null(file);
		assert_int_equal(sscanf(error.text, "cut.mid: byte %lu: ", &offset), 1);
		assert_true(offset <= size);
	}
}

static void test_files_that_are_not_there(void **state)
{
	struct error error = {0};
	struct smf *file;

	(void)state;
	assert_int_equal(smf_read("no/such/file.mid", &file, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "no/such/file.mid"));
	assert_null(file);
	assert_int_equal(smf_read(".", &file, &error), STATUS_IO);
	assert_null(file);
	smf_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_running_status),
	    cmocka_unit_test(test_first_in_first_out),
	    cmocka_unit_test(test_pairing_is_per_track_and_channel),
	    cmocka_unit_test(test_open_notes_stay_in_their_track),
	    cmocka_unit_test(test_order_is_tick_track_file),
	    cmocka_unit_test(test_tempo_map),
	    cmocka_unit_test(test_default_tempo),
	    cmocka_unit_test(test_tempo_changes_do_not_drift),
	    cmocka_unit_test(test_smpte),
	    cmocka_unit_test(test_signatures),
	    cmocka_unit_test(test_steps_over_the_rest),
	    cmocka_unit_test(test_track_names),
	    cmocka_unit_test(test_trailing_bytes),
	    cmocka_unit_test(test_bad_headers),
	    cmocka_unit_test(test_bad_tracks),
	    cmocka_unit_test(test_absurd_length),
	    cmocka_unit_test(test_every_truncation),
	    cmocka_unit_test(test_files_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
