/* The lines of a journal: what is written reads back the same, and nothing else is read. */
#define _GNU_SOURCE
#include "daemon/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct journal_entry back;
static const char *text;

static bool reads(const char *line)
{
	return journal_read(line, &back, &text);
}

static void round_trip(const struct journal_entry *entry, const char *words)
{
	static char line[JOURNAL_LINE_MAX]; /* text points into it */
	char again[JOURNAL_LINE_MAX];
	size_t length = journal_write(entry, words, line);
	assert_int_equal(length, strlen(line));
	assert_int_equal(line[length - 1], '\n');
	line[length - 1] = '\0';
	assert_true(reads(line));
	journal_write(&back, text, again);
	again[length - 1] = '\0';
	assert_string_equal(again, line);
	/* Cut off anywhere it is no entry, or a shorter text. */
	for (size_t i = 1; i < length - 1; i++) {
		char cut[JOURNAL_LINE_MAX];
		memcpy(cut, line, i);
		cut[i] = '\0';
		reads(cut);
	}
	assert_true(reads(line));
}

static void test_round_trips(void **state)
{
	static const enum journal_kind plain[] = {JOURNAL_INFER, JOURNAL_EXPIRE, JOURNAL_FINALISE, JOURNAL_PREDICTION,
						  JOURNAL_RELEASE};
	struct event event = {.event_us = 123456789012,
			      .arrival_us = 123456789999,
			      .position = -1,
			      .duration_us = 5000,
			      .note_id = NOTE_ID_MAX,
			      .input = INPUTS_MAX - 1,
			      .channel = 15,
			      .pitch = 127,
			      .velocity = 1};
	(void)state;
	for (int kind = EVENT_NOTE_ON; kind <= EVENT_END; kind++) {
		event.kind = (uint8_t)kind;
		round_trip(&(struct journal_entry){.kind = JOURNAL_ACCEPT, .now_us = 7, .as.event = event}, NULL);
		round_trip(&(struct journal_entry){.kind = JOURNAL_EVENT, .now_us = 7, .as.event = event}, NULL);
		assert_int_equal(back.as.event.event_us, event.event_us);
	}
	event.kind = EVENT_NOTE_ON;
	event.fine = 96;
	round_trip(&(struct journal_entry){.kind = JOURNAL_ACCEPT, .number = 70, .fine = 33, .as.event = event}, NULL);
	assert_true(back.as.event.fine == 96 && back.number == 70 && back.fine == 33);
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		round_trip(&(struct journal_entry){.kind = (uint8_t)plain[i], .now_us = -5}, NULL);
	for (uint8_t reason = REASON_PAUSE; reason <= REASON_INPUT; reason++) {
		round_trip(&(struct journal_entry){.kind = JOURNAL_RESET, .number = reason}, NULL);
		assert_int_equal(back.number, reason);
	}
	round_trip(&(struct journal_entry){.kind = JOURNAL_TEMPO, .as.bpm = 100.0 / 3}, NULL);
	assert_true(back.as.bpm == 100.0 / 3);
	round_trip(&(struct journal_entry){.kind = JOURNAL_COMMAND, .number = 2, .as.bpm = 0}, NULL);
	round_trip(&(struct journal_entry){.kind = JOURNAL_STATE, .as.state = {96.5, 3, 9, true}}, NULL);
	assert_true(back.as.state.paused && back.as.state.skipped_last == 9);
	round_trip(&(struct journal_entry){.kind = JOURNAL_INPUT, .number = 3}, "a keyboard: port 1");
	assert_string_equal(text, "a keyboard: port 1");
	round_trip(&(struct journal_entry){.kind = JOURNAL_IDENTITY, .number = 3}, "usb:1d6b:0104:0001 a keyboard");
	assert_true(back.kind == JOURNAL_IDENTITY && back.number == 3);
	round_trip(&(struct journal_entry){.kind = JOURNAL_MESSAGE}, "/midibert/melody/off\tii\t1\t60");
	assert_string_equal(text, "/midibert/melody/off\tii\t1\t60");
}

static void test_refusals(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "a",
	    "i",
	    "i x",
	    "i 1 2",
	    "z 1",
	    "r 1 bored",
	    "t 1",
	    "t 1 -3",
	    "t 1 inf",
	    "S 1 2 3 4",
	    "N 16 x",
	    "N -1 x",
	    "C 1 300 0",
	    "end 0",
	    "i 9223372036854775807",			       /* a time beyond all sense */
	    "a 1 on 1 0 0 60 64 1 1 -1 0",		       /* a field short */
	    "a 1 on 1 0 0 60 64 1 1 -1 0 0 0",		       /* one too many */
	    "a 1 hum 1 0 0 60 64 1 1 -1 0 0",		       /* no such kind */
	    "a 1 on 1 16 0 60 64 1 1 -1 0 0",		       /* input */
	    "a 1 on 1 0 16 60 64 1 1 -1 0 0",		       /* channel */
	    "a 1 on 1 0 0 128 64 1 1 -1 0 0",		       /* pitch */
	    "a 1 on 1 0 0 60 128 1 1 -1 0 0",		       /* velocity */
	    "a 1 on -1 0 0 60 64 1 1 -1 0 0",		       /* id */
	    "a 1 on 1 0 0 60 64 9223372036854775807 1 -1 0 0", /* time */
	    "a 1 on 1 0 0 60 64 1 1 -2 0 0",		       /* position */
	    "a 1 on 1 0 0 60 64 1 1 9223372036854775807 0 0",
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (reads(wrong[i]))
			fail_msg("it reads \"%s\"", wrong[i]);
	assert_true(reads("a 1 on 1 0 0 60 64 1 1 -1 0 0"));
}

static void test_passing(void **state)
{
	(void)state;
	assert_true(journal_is_passing("/midibert/status\tiiiiiii"));
	assert_true(journal_is_passing("/midibert/status/model\ts\tx"));
	assert_true(journal_is_passing("/midibert/latency\tffff"));
	assert_false(journal_is_passing("/midibert/style\tif\t0\t1"));
	assert_false(journal_is_passing("/midibert/panic\t"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trips),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_passing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
