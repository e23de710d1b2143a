/* Messages against bytes worked out by hand from the OSC 1.0 specification, and hostile bytes. */
#include "osc/message.h"
#include "test_osc_support.h"

#include <stdio.h>
#include <stdlib.h>

static void bytes_are_those_of_the_specification(void **state)
{
	static const unsigned char expected[] = "/midibert/melody/on\0,iiif\0\0\0"
						"\0\0\x01\x02"
						"\0\0\0\x3c"
						"\0\0\0\x40"
						"\x3f\x40\0";
	const union osc_value values[] = {{.i = 258}, {.i = 60}, {.i = 64}, {.f = 0.75f}};
	unsigned char datagram[OSC_DATAGRAM_MAX];

	(void)state;
	assert_int_equal(osc_message_encode(OSC_MELODY_ON, values, 4, datagram, sizeof datagram), 44);
	assert_int_equal(sizeof expected, 44);
	assert_memory_equal(datagram, expected, 44);
}

static void a_bundle_carries_time_and_length(void **state)
{
	static const unsigned char expected[] = "#bundle\0"
						"\x12\x34\x56\x78\x9a\xbc\xde\xf0"
						"\0\0\0\x14"
						"/midibert/panic\0,\0\0";
	unsigned char datagram[OSC_DATAGRAM_MAX];

	(void)state;
	size_t length = osc_message_encode(OSC_PANIC, NULL, 0, datagram, sizeof datagram);
	assert_int_equal(length, 20);
	assert_int_equal(osc_message_wrap(datagram, length, UINT64_C(0x123456789abcdef0)), 40);
	assert_memory_equal(datagram, expected, 40);
}

static void a_datagram_never_exceeds_its_room(void **state)
{
	char text[1100];
	union osc_value value = {.s = text};
	unsigned char datagram[1200];
	size_t longest = 0;

	(void)state;
	for (size_t length = 900; length < sizeof text; length++) {
		memset(text, 'x', length);
		text[length] = '\0';
		memset(datagram, 0xee, sizeof datagram);
		size_t size = osc_message_encode(OSC_STATUS_MODEL, &value, 1, datagram, OSC_DATAGRAM_MAX);
		assert_true(size <= OSC_DATAGRAM_MAX);
		assert_int_equal(datagram[OSC_DATAGRAM_MAX], 0xee);
		longest = size > 0 ? size : longest;
	}
	assert_int_equal(longest, OSC_DATAGRAM_MAX);
}

static void a_printed_line_is_the_message(void **state)
{
	const union osc_value values[] = {{.s = "bad\tname\n\x1b[31m\x7f"}, {.s = "caf\xc3\xa9"}};
	const union osc_value numbers[] = {{.i = INT32_MIN}, {.f = 0.1f}};
	char line[OSC_LINE_MAX];
	unsigned char datagram[OSC_DATAGRAM_MAX];
	struct osc_received received;

	(void)state;
	assert_true(osc_message_print(OSC_ERROR, values, 2, line, sizeof line) > 0);
	assert_string_equal(line, "/midibert/error\tss\tbad name  [31m \tcaf\xc3\xa9");
	size_t size = osc_message_encode(OSC_ERROR, values, 2, datagram, sizeof datagram);
	assert_null(osc_message_decode(datagram, size, keep_received, &received));
	assert_string_equal(received.text[0], "bad name  [31m ");
	assert_true(osc_message_print(OSC_STYLE, numbers, 2, line, sizeof line) > 0);
	assert_string_equal(line, "/midibert/style\tif\t-2147483648\t0.100000001");
	assert_true(strtof("0.100000001", NULL) == 0.1f);
	assert_true(osc_message_print(OSC_PANIC, NULL, 0, line, sizeof line) > 0);
	assert_string_equal(line, "/midibert/panic\t");
	assert_int_equal(osc_message_print(OSC_STYLE, numbers, 2, line, 20), 0);
	assert_int_equal(strlen(line) < 20, 1);
}

static void whatever_is_encoded_is_decoded(void **state)
{
	const union osc_value values[] = {{.i = 7}, {.i = 60},	  {.i = 100},	{.f = 71.5f},
					  {.f = 9}, {.f = 28.5f}, {.f = 0.25f}, {.i = 2}};
	unsigned char datagram[OSC_DATAGRAM_MAX];
	struct osc_received received;

	(void)state;
	size_t size = osc_message_encode(OSC_VELOCITY, values, 8, datagram, sizeof datagram);
	assert_null(osc_message_decode(datagram, size, keep_received, &received));
	assert_string_equal(received.address, "/midibert/velocity");
	assert_string_equal(received.types, "iiiffffi");
	assert_int_equal(received.count, 8);
	assert_true(received.number[2] == 100 && received.number[3] == 71.5 && received.number[5] == 28.5);
}

static void check_received_line(enum osc_address address, const union osc_value *values, size_t count)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];
	char sent[OSC_LINE_MAX], line[OSC_LINE_MAX];
	struct osc_received received;

	assert_true(osc_message_print(address, values, count, sent, sizeof sent) > 0);
	size_t size = osc_message_encode(address, values, count, datagram, sizeof datagram);
	assert_null(osc_message_decode(datagram, size, keep_received, &received));
	assert_int_equal(osc_message_print_received(&received, line, sizeof line), strlen(sent));
	assert_string_equal(line, sent);
	assert_int_equal(osc_message_print_received(&received, line, strlen(sent)), 0); /* no room for the terminator */
}

static void what_arrives_prints_as_what_was_sent(void **state)
{
	const union osc_value labels[] = {{.s = "ada"}, {.s = ""}, {.s = "cyd d."}, {.s = "eve"}};
	const union osc_value style[] = {{.i = INT32_MIN}, {.f = 0.1f}};
	const union osc_value input[] = {{.i = 3}, {.i = 1}, {.s = "caf\xc3\xa9"}};
	const union osc_value receiver[] = {{.s = "::1"}, {.i = 65535}, {.i = INT32_MAX}, {.i = 0}, {.i = -1}};
	struct osc_received received;
	unsigned char bytes[64];
	char line[OSC_LINE_MAX];

	(void)state;
	check_received_line(OSC_STYLE_LABELS, labels, 4);
	check_received_line(OSC_STYLE, style, 2);
	check_received_line(OSC_INPUT, input, 3);
	check_received_line(OSC_STATS_RECEIVER, receiver, 5);
	check_received_line(OSC_PANIC, NULL, 0);
	assert_null(osc_message_decode(bytes, build(bytes, "/midibert/style", "ff", 1.0, 1.0), keep_received, &received));
	assert_int_equal(osc_message_print_received(&received, line, sizeof line), 0);
	assert_null(osc_message_decode(bytes, build(bytes, "/midibert/reset", ""), keep_received, &received));
	assert_int_equal(osc_message_print_received(&received, line, sizeof line), 0);
}

static void count_taken(void *context, const struct osc_received *message)
{
	(void)message;
	++*(int *)context;
}

static const char *decode(const void *bytes, size_t size, int *taken)
{
	*taken = 0;
	return osc_message_decode(bytes, size, count_taken, taken);
}

static size_t build_bundle(unsigned char *bytes, int messages)
{
	size_t at = put_text(bytes, "#bundle");

	at += put_word(bytes + at, 0);
	at += put_word(bytes + at, 1);
	for (int i = 0; i < messages; i++) {
		size_t size = build(bytes + at + 4, "/midibert/ping", "i", i);
		put_word(bytes + at, (uint32_t)size);
		at += 4 + size;
	}
	return at;
}

static void bundles_are_unpacked_one_level_deep_and_bounded(void **state)
{
	unsigned char bytes[OSC_DATAGRAM_MAX + 100];
	int taken;

	(void)state;
	assert_null(decode(bytes, build_bundle(bytes, 0), &taken));
	assert_int_equal(taken, 0);
	assert_null(decode(bytes, build_bundle(bytes, 16), &taken));
	assert_int_equal(taken, 16);
	assert_string_equal(decode(bytes, build_bundle(bytes, 17), &taken), "a bundle of more than 16 messages");
	assert_int_equal(taken, 16);
	size_t size = build_bundle(bytes, 2);
	assert_string_equal(decode(bytes, size - 4, &taken), "a bundle with a wrong length in it");
	assert_int_equal(taken, 1);
	put_word(bytes + 16, 0xfffffffc);
	assert_string_equal(decode(bytes, size, &taken), "a bundle with a wrong length in it");
	size_t inner = build_bundle(bytes + 20, 1);
	memmove(bytes, "#bundle\0\0\0\0\0\0\0\0\1", 16);
	put_word(bytes + 16, (uint32_t)inner);
	assert_string_equal(decode(bytes, 20 + inner, &taken), "a bundle within a bundle");
	assert_int_equal(taken, 0);
	assert_string_equal(decode(bytes, 12, &taken), "a bundle without a time tag");
}

static void broken_datagrams_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} broken[] = {
	    {"", 0},
	    {"abcd", 4},
	    {"\0\0\0\0", 4},
	    {"/abc", 4},				/* no end */
	    {"/abcd\0\0", 7},				/* not a multiple of 4 */
	    {"/abc\0\0\0\0", 8},			/* no type tags */
	    {"/abc\0\0\0\0iiii\0\0\0\0", 16},		/* type tags without a comma */
	    {"/abc\0\0\0\0,iii", 12},			/* type tags do not end */
	    {"/abc\0\0\0\0,i\0\0", 12},			/* an argument is missing */
	    {"/abc\0\0\0\0,s\0\0abcd", 16},		/* a text does not end */
	    {"/abc\0\0\0\0,b\0\0\x7f\xff\xff\xff", 16}, /* a blob longer than the datagram */
	    {"/abc\0\0\0\0,Q\0\0\0\0\0\1", 16},		/* a type that does not exist */
	    {"/abc\0xx\0,\0\0\0", 12},			/* padding that is not zero */
	    {"#bundle", 8},
	};
	char long_text[400];
	unsigned char bytes[2048];
	int taken;

	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		_Alignas(8) char copy[32];
		memcpy(copy, broken[i].bytes, broken[i].size);
		if (!decode(copy, broken[i].size, &taken) || taken != 0)
			fail_msg("datagram %zu was accepted", i);
	}
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	assert_string_equal(decode(bytes, build(bytes, "/midibert/model/load", "s", long_text), &taken),
			    "a text of more than 255 bytes");
	long_text[0] = '/';
	assert_string_equal(decode(bytes, build(bytes, long_text, ""), &taken), "the address does not end");
	assert_string_equal(decode(bytes, build(bytes, "/a", "sss", long_text, long_text, long_text), &taken),
			    "longer than 1000 bytes");
	assert_string_equal(
	    decode(bytes,
		   build(bytes, "/a", "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
			 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33),
		   &taken),
	    "more than 32 arguments");
}

static void patterns_match_as_the_manual_says(void **state)
{
	static const struct {
		const char *pattern, *address;
		bool match;
	} table[] = {
	    {"/midibert/note", "/midibert/note", true},
	    {"/midibert/note", "/midibert/note/off", false},
	    {"/midibert/note*", "/midibert/note", true},
	    {"/midibert/note*", "/midibert/note/off", true},
	    {"/midibert/*/on", "/midibert/melody/on", true},
	    {"/midibert/{note,melody}", "/midibert/melody", true},
	    {"/midibert/{note,melody}", "/midibert/melody/on", false},
	    {"/midibert/{note,melody}*", "/midibert/note", true},
	    {"/midibert/{note,melody}*", "/midibert/melody/on", true},
	    {"/midibert/{note,melody}*", "/midibert/style", false},
	    {"/midibert/[mn]*", "/midibert/note", true},
	    {"/midibert/[!mn]*", "/midibert/note", false},
	    {"/midibert/????", "/midibert/note", true},
	    {"/midibert/????", "/midibert/style", false},
	    {"*", "/midibert/panic", true},
	    {"*/off", "/midibert/melody/off", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		assert_null(osc_message_pattern_check(table[i].pattern));
		if (osc_message_pattern_match(table[i].address, table[i].pattern) != table[i].match)
			fail_msg("%s and %s", table[i].pattern, table[i].address);
	}
}

static void patterns_that_could_hurt_are_refused(void **state)
{
	static const char *const refused[] = {
	    "",	     "melody", "/a*b*c*d*",    "/midibert/[", "/midibert/{", "/midibert/]", "/midibert/}",
	    "/a[]",  "/a[!]",  "/{}",	       "/{a,[b]}",    "/[{a}]",	     "/{a*,b}",	    "/{a?}",
	    "/a[b}", "/a b",   "/caf\xc3\xa9", "/{a}{b}{c}",  "/a\tb",
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (!osc_message_pattern_check(refused[i]))
			fail_msg("'%s' was accepted", refused[i]);
	memset(text, 'x', sizeof text - 1);
	text[0] = '/';
	text[101] = '\0';
	assert_non_null(osc_message_pattern_check(text));
	text[100] = '\0';
	assert_null(osc_message_pattern_check(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_are_those_of_the_specification),
	    cmocka_unit_test(a_bundle_carries_time_and_length),
	    cmocka_unit_test(a_datagram_never_exceeds_its_room),
	    cmocka_unit_test(a_printed_line_is_the_message),
	    cmocka_unit_test(whatever_is_encoded_is_decoded),
	    cmocka_unit_test(what_arrives_prints_as_what_was_sent),
	    cmocka_unit_test(bundles_are_unpacked_one_level_deep_and_bounded),
	    cmocka_unit_test(broken_datagrams_are_refused_with_a_reason),
	    cmocka_unit_test(patterns_match_as_the_manual_says),
	    cmocka_unit_test(patterns_that_could_hurt_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
