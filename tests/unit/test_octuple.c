/* The Octuple rules, each id worked out by hand; whole files are compared in tests/golden/tokens. */
#include "stream/octuple.h"
#include "tests/support/midi_bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* 480 ticks a quarter: 30 ticks a position. */
static void test_position_rounds_halves_to_even(void **state)
{
	(void)state;
	assert_int_equal(octuple_position(0, 480), 0);
	assert_int_equal(octuple_position(14, 480), 0);
	assert_int_equal(octuple_position(15, 480), 0); /* 0.5 */
	assert_int_equal(octuple_position(16, 480), 1);
	assert_int_equal(octuple_position(45, 480), 2);	 /* 1.5 */
	assert_int_equal(octuple_position(75, 480), 2);	 /* 2.5 */
	assert_int_equal(octuple_position(105, 480), 4); /* 3.5 */
	assert_int_equal(octuple_position(480, 480), 16);
	assert_int_equal(octuple_position(1, 7), 2); /* 2.29 */
	assert_int_equal(octuple_position(5, 1), 80);
	assert_int_equal(octuple_position(SMF_TICK_MAX, 1), SMF_TICK_MAX * 16);
}

static void assert_reduced(int numerator, int denominator, int to_numerator, int to_denominator, bool fits)
{
	uint16_t above = (uint16_t)numerator, below = (uint16_t)denominator;

	assert_int_equal(octuple_reduce_signature(&above, &below), fits);
	assert_int_equal(above, to_numerator);
	assert_int_equal(below, to_denominator);
	assert_true(octuple_signature_id(above, below) < 254);
	assert_true(octuple_bar_length(above, below) <= 128);
}

static void test_signatures_are_reduced(void **state)
{
	(void)state;
	assert_reduced(4, 4, 4, 4, true);
	assert_reduced(12, 8, 12, 8, true);
	assert_reduced(9, 4, 3, 4, true);  /* 9 > 8: divided by 3 */
	assert_reduced(10, 4, 5, 4, true); /* by 2 */
	assert_reduced(7, 2, 1, 2, true);  /* by 7 */
	assert_reduced(36, 4, 3, 4, true); /* 18, 9, 3 */
	assert_reduced(6, 128, 3, 64, true);
	assert_reduced(12, 256, 3, 64, true);
	assert_reduced(3, 128, 3, 64, false);
	assert_reduced(255, 32768, 85, 64, false); /* clamped, then 255 > 128: divided by 3 */
	assert_reduced(0, 4, 1, 4, false);
}

static void test_every_signature_fits(void **state)
{
	(void)state;
	for (int power = 0; power < 16; power++) {
		for (int numerator = 0; numerator < 256; numerator++) {
			uint16_t above = (uint16_t)numerator, below = (uint16_t)(1 << power);

			octuple_reduce_signature(&above, &below);
			assert_true(above >= 1 && below <= 64 && above <= 2 * below);
		}
	}
}

static void test_signature_ids(void **state)
{
	(void)state;
	assert_int_equal(octuple_signature_id(4, 4), 9);
	assert_int_equal(octuple_signature_id(3, 4), 8);
	assert_int_equal(octuple_signature_id(6, 8), 19);
	assert_int_equal(octuple_signature_id(1, 1), 0);
	assert_int_equal(octuple_signature_id(2, 1), 1);
	assert_int_equal(octuple_signature_id(1, 2), 2);
	assert_int_equal(octuple_signature_id(1, 64), 126);
	assert_int_equal(octuple_signature_id(128, 64), 253);
	assert_int_equal(octuple_bar_length(4, 4), 64);
	assert_int_equal(octuple_bar_length(6, 8), 48);
	assert_int_equal(octuple_bar_length(2, 1), 128);
	assert_int_equal(octuple_bar_length(1, 64), 1);
}

/* 16 ids an octave; in octave i one id is 2^i positions wide, from 16 (2^i - 1) on. */
static void test_duration_ids(void **state)
{
	static const int table[][2] = {{0, 0},	    {1, 1},	 {15, 15},    {16, 16},	    {17, 16},
				       {18, 17},    {47, 31},	 {48, 32},    {51, 32},	    {52, 33},
				       {111, 47},   {112, 48},	 {2031, 111}, {2032, 112},  {2159, 112},
				       {2160, 113}, {4079, 127}, {4080, 127}, {100000, 127}};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_int_equal(octuple_duration_id(table[i][0]), table[i][1]);
	assert_int_equal(octuple_duration_id(INT64_MAX), 127);
}

static void test_velocity_and_tempo_ids(void **state)
{
	(void)state;
	assert_int_equal(octuple_velocity_id(1), 0);
	assert_int_equal(octuple_velocity_id(3), 0);
	assert_int_equal(octuple_velocity_id(4), 1);
	assert_int_equal(octuple_velocity_id(127), 31);
	assert_int_equal(octuple_velocity_of_id(0), 2);
	assert_int_equal(octuple_velocity_of_id(31), 126);
	assert_int_equal(octuple_tempo_id(120), 35); /* 12 * 2.907 = 34.9 */
	assert_int_equal(octuple_tempo_id(60), 23);  /* 22.9 */
	assert_int_equal(octuple_tempo_id(100), 32); /* 31.7 */
	assert_int_equal(octuple_tempo_id(16), 0);
	assert_int_equal(octuple_tempo_id(1), 0);
	assert_int_equal(octuple_tempo_id(256), 48);
	assert_int_equal(octuple_tempo_id(6e7), 48);
	assert_int_equal(octuple_tempo_id((double)NAN), 0);
}

static void test_token(void **state)
{
	const struct place place = {.bar = 259, .position = 17, .time_signature = 8, .tempo = 35};
	struct token token = octuple_token(&place, 60, 18, 64, 0);
	static const uint16_t known[] = {3, 17, 0, 60, 17, 16, 8, 35};

	(void)state;
	assert_memory_equal(token.id, known, sizeof known);
	token = octuple_token(&place, 60, -1, -1, 254); /* (259 + 254) mod 256 = 1; both unknown are MASK */
	static const uint16_t masked[] = {1, 17, 0, 60, 129, 33, 8, 35};

	assert_memory_equal(token.id, masked, sizeof masked);
	assert_int_equal(octuple_token(&place, 60, 0, 1, -260).id[ATTRIBUTE_BAR], 255);
}

static void tokenize(struct octuple_tokens *tokens, const struct midi_bytes *midi, bool drums)
{
	struct error error = {0};
	struct smf *file;

	if (smf_parse(midi->bytes, midi->size, "test.mid", &file, &error) || octuple_tokenize(file, drums, tokens, &error))
		fail_msg("%s", error.text);
	smf_free(file);
}

/* Notes in bars 0, 255, 256 and 1024 of 4/4: three cuts, the empty ones do not appear. 16 ticks a quarter, 64 a bar:
 * bar 255 begins at tick 16320, bar 256 at 16384 (64 later), bar 1024 at 65536 (49152 later). */
static void test_cuts(void **state)
{
	struct midi_bytes midi;
	struct octuple_tokens tokens;

	(void)state;
	midi_header(&midi, 0, 1, 16);
	midi_track(&midi, "00 90 3c 40 01 3c 00  ff 3f 3e 40 01 3e 00  3f 40 40 01 40 00  82 ff 7f 41 40");
	tokenize(&tokens, &midi, false);
	assert_int_equal(tokens.count, 4);
	assert_int_equal(tokens.cuts, 3);
	assert_int_equal(tokens.cut_start[0], 0);
	assert_int_equal(tokens.cut_start[1], 2);
	assert_int_equal(tokens.cut_start[2], 3);
	assert_int_equal(tokens.tokens[1].id[ATTRIBUTE_BAR], 255);
	assert_int_equal(tokens.tokens[2].id[ATTRIBUTE_BAR], 0);
	assert_int_equal(tokens.tokens[3].id[ATTRIBUTE_BAR], 0);
	assert_int_equal(tokens.tokens[3].id[ATTRIBUTE_PITCH], 65);
	octuple_tokens_free(&tokens);
	assert_null(tokens.tokens);
	assert_int_equal(tokens.count, 0);
}

/* One chord, played from the top: pitch orders it; one pitch twice: duration, then velocity. note[] tells who was who. */
static void test_order_of_all_fields(void **state)
{
	struct midi_bytes midi;
	struct octuple_tokens tokens;
	static const size_t note[] = {3, 2, 1, 0};

	(void)state;
	midi_header(&midi, 0, 1, 16);
	midi_track(&midi,
		   "00 90 48 40  00 91 3c 70  00 92 3c 50  00 93 3c 70  02 93 3c 00  02 92 3c 00  00 91 3c 00  00 90 48 00");
	tokenize(&tokens, &midi, false);
	assert_int_equal(tokens.count, 4);
	assert_memory_equal(tokens.note, note, sizeof note);
	assert_int_equal(tokens.tokens[0].id[ATTRIBUTE_DURATION], 2);
	assert_int_equal(tokens.tokens[1].id[ATTRIBUTE_VELOCITY], 20);
	assert_int_equal(tokens.tokens[2].id[ATTRIBUTE_VELOCITY], 28);
	octuple_tokens_free(&tokens);
}

static void test_drums_and_clamped(void **state)
{
	struct midi_bytes midi;
	struct octuple_tokens tokens;

	(void)state;
	midi_header(&midi, 0, 1, 16);
	midi_track(&midi, "00 ff 58 04 03 07 18 08  00 99 24 40  00 90 3c 40");
	tokenize(&tokens, &midi, false);
	assert_int_equal(tokens.count, 1);
	assert_int_equal(tokens.clamped_signatures, 1);
	assert_int_equal(tokens.tokens[0].id[ATTRIBUTE_TIME_SIGNATURE], 128); /* 3/64: 126 + 2 */
	octuple_tokens_free(&tokens);
	tokenize(&tokens, &midi, true);
	assert_int_equal(tokens.count, 2);
	assert_int_equal(tokens.tokens[1].id[ATTRIBUTE_INSTRUMENT], 128);
	assert_int_equal(tokens.tokens[1].id[ATTRIBUTE_PITCH], 36 + 128);
	octuple_tokens_free(&tokens);
}

static void test_no_notes(void **state)
{
	struct midi_bytes midi;
	struct octuple_tokens tokens;

	(void)state;
	midi_header(&midi, 1, 0, 16);
	tokenize(&tokens, &midi, false);
	assert_int_equal(tokens.count, 0);
	assert_int_equal(tokens.cuts, 0);
	octuple_tokens_free(&tokens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_position_rounds_halves_to_even),
	    cmocka_unit_test(test_signatures_are_reduced),
	    cmocka_unit_test(test_every_signature_fits),
	    cmocka_unit_test(test_signature_ids),
	    cmocka_unit_test(test_duration_ids),
	    cmocka_unit_test(test_velocity_and_tempo_ids),
	    cmocka_unit_test(test_token),
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_order_of_all_fields),
	    cmocka_unit_test(test_drums_and_clamped),
	    cmocka_unit_test(test_no_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
