/* Live bytes to messages: running status, real-time bytes, sysex, and what is counted as bad. */
#include "stream/midi_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct midi_parser parser;

/* Feeds all bytes; messages that come out are kept as they came. */
static struct midi_message out[16];

static int feed(const uint8_t *bytes, size_t count)
{
	int messages = 0;

	for (size_t i = 0; i < count; i++)
		if (midi_parser_feed(&parser, bytes[i], &out[messages]))
			messages++;
	return messages;
}

#define FEED(...) feed((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int fresh(void **state)
{
	(void)state;
	parser = (struct midi_parser){0};
	return 0;
}

static void assert_message(int index, int length, int status, int first, int second)
{
	assert_int_equal(out[index].length, length);
	assert_int_equal(out[index].status, status);
	assert_int_equal(out[index].data[0], first);
	assert_int_equal(out[index].data[1], second);
}

static void test_lengths(void **state)
{
	(void)state;
	assert_int_equal(FEED(0x80, 1, 2, 0x91, 3, 4, 0xa2, 5, 6, 0xb3, 64, 127, 0xc4, 9, 0xd5, 10, 0xe6, 11, 12), 7);
	assert_message(0, 3, 0x80, 1, 2);
	assert_message(1, 3, 0x91, 3, 4);
	assert_message(2, 3, 0xa2, 5, 6);
	assert_message(3, 3, 0xb3, 64, 127);
	assert_message(4, 2, 0xc4, 9, 0);
	assert_message(5, 2, 0xd5, 10, 0);
	assert_message(6, 3, 0xe6, 11, 12);
	assert_int_equal(FEED(0xf1, 1, 0xf2, 2, 3, 0xf3, 4, 0xf6), 4);
	assert_message(0, 2, 0xf1, 1, 0);
	assert_message(1, 3, 0xf2, 2, 3);
	assert_message(2, 2, 0xf3, 4, 0);
	assert_message(3, 1, 0xf6, 0, 0);
	assert_int_equal(parser.bad_bytes, 0);
}

static void test_running_status(void **state)
{
	(void)state;
	assert_int_equal(FEED(0x90, 60, 64, 62, 65, 60, 0, 0xc1, 5, 6), 5);
	assert_message(0, 3, 0x90, 60, 64);
	assert_message(1, 3, 0x90, 62, 65);
	assert_message(2, 3, 0x80, 60, 0); /* velocity 0 ends a note */
	assert_message(3, 2, 0xc1, 5, 0);
	assert_message(4, 2, 0xc1, 6, 0);
	assert_int_equal(FEED(0x95, 60, 0, 61, 9), 2); /* and does not end the running status of note-ons */
	assert_message(0, 3, 0x85, 60, 0);
	assert_message(1, 3, 0x95, 61, 9);
	assert_int_equal(parser.bad_bytes, 0);
}

static void test_real_time_inside(void **state)
{
	(void)state;
	assert_int_equal(FEED(0x90, 0xf8, 60, 0xfe, 64, 0xfa, 62, 0xff, 65), 6);
	assert_message(0, 1, 0xf8, 0, 0);
	assert_message(1, 1, 0xfe, 0, 0);
	assert_message(2, 3, 0x90, 60, 64);
	assert_message(3, 1, 0xfa, 0, 0);
	assert_message(4, 1, 0xff, 0, 0);
	assert_message(5, 3, 0x90, 62, 65);
	assert_int_equal(parser.bad_bytes, 0);
}

static void test_sysex(void **state)
{
	(void)state;
	assert_int_equal(FEED(0x90, 60, 64, 0xf0, 0x43, 1, 0xf8, 2, 0xf7), 2); /* a clock tick inside it */
	assert_message(1, 1, 0xf8, 0, 0);
	assert_int_equal(parser.bad_bytes, 0);
	assert_int_equal(FEED(62, 65), 0); /* it has ended running status */
	assert_int_equal(parser.bad_bytes, 2);
	assert_int_equal(FEED(0xf0, 1, 2, 3, 0x90, 60, 64), 1); /* a status ends it without its end */
	assert_message(0, 3, 0x90, 60, 64);
	assert_int_equal(parser.bad_bytes, 3);
}

static void test_bad_bytes(void **state)
{
	(void)state;
	assert_int_equal(FEED(1, 2, 3), 0);
	assert_int_equal(parser.bad_bytes, 3);
	assert_int_equal(FEED(0xf7), 0);
	assert_int_equal(parser.bad_bytes, 4);
	assert_int_equal(FEED(0xf4, 0xf5, 0xf9, 0xfd), 0); /* undefined */
	assert_int_equal(parser.bad_bytes, 8);
	assert_int_equal(FEED(0x90, 60, 0x91, 61, 64), 1); /* the first one was cut short */
	assert_message(0, 3, 0x91, 61, 64);
	assert_int_equal(parser.bad_bytes, 9);
	assert_int_equal(FEED(0xf2, 1, 2, 3), 1); /* system messages have no running status */
	assert_int_equal(parser.bad_bytes, 10);
}

static void test_reset(void **state)
{
	(void)state;
	assert_int_equal(FEED(1, 0x90, 60), 0);
	midi_parser_reset(&parser);
	assert_int_equal(parser.bad_bytes, 1);
	assert_int_equal(FEED(64), 0);
	assert_int_equal(parser.bad_bytes, 2);
	assert_int_equal(FEED(0xf0, 1), 0);
	midi_parser_reset(&parser);
	assert_int_equal(FEED(0x90, 60, 64), 1);
	assert_int_equal(parser.bad_bytes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_lengths, fresh),	  cmocka_unit_test_setup(test_running_status, fresh),
	    cmocka_unit_test_setup(test_real_time_inside, fresh), cmocka_unit_test_setup(test_sysex, fresh),
	    cmocka_unit_test_setup(test_bad_bytes, fresh),	  cmocka_unit_test_setup(test_reset, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
