/* The name space against the contract, written out literally: what users and patches rely on. */
#define _GNU_SOURCE
#include "osc/namespace.h"
#include "test_osc_support.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *address, *types;
} contract_out[] =
    {
	{"/midibert/note", "iiiiii"},
	{"/midibert/note/off", "iii"},
	{"/midibert/pedal", "iiii"},
	{"/midibert/melody", "iiifi"},
	{"/midibert/melody/on", "iiif"},
	{"/midibert/melody/off", "ii"},
	{"/midibert/velocity", "iiiffffi"},
	{"/midibert/velocity/hidden", "iiiffffi"},
	{"/midibert/style", "if"},
	{"/midibert/style/name", "s"},
	{"/midibert/style/probs", "f..."},
	{"/midibert/style/labels", "s..."},
	{"/midibert/emotion", "if"},
	{"/midibert/emotion/name", "s"},
	{"/midibert/emotion/probs", "f..."},
	{"/midibert/emotion/labels", "s..."},
	{"/midibert/tempo", "ffi"},
	{"/midibert/beat", "iiff"},
	{"/midibert/latency", "ffff"},
	{"/midibert/status", "iiiiiii"},
	{"/midibert/status/session", "s"},
	{"/midibert/status/model", "s"},
	{"/midibert/status/source", "s"},
	{"/midibert/input", "iis"},
	{"/midibert/panic", ""},
	{"/midibert/error", "ss"},
	{"/midibert/subscribed", "ii"},
	{"/midibert/challenge", "i"},
	{"/midibert/pong", "ii"},
	{"/midibert/subscriber", "siis"},
	{"/midibert/stats/total", "iiiiii"},
	{"/midibert/stats/receiver", "siiii"},
},
  contract_in[] = {
      {"/midibert/subscribe", "none|i|s|is"}, {"/midibert/confirm", "i"},	 {"/midibert/unsubscribe", "none|i"},
      {"/midibert/ping", "none|i"},	      {"/midibert/reset", "none"},	 {"/midibert/pause", "none"},
      {"/midibert/resume", "none"},	      {"/midibert/subscribers", "none"}, {"/midibert/stats", "none"},
      {"/midibert/tempo/set", "f"},	      {"/midibert/tap", "none"},	 {"/midibert/model/load", "s"},
};

#define OUTS (sizeof contract_out / sizeof contract_out[0])
#define INS (sizeof contract_in / sizeof contract_in[0])

static void addresses_and_types_are_the_contract(void **state)
{
	(void)state;
	assert_int_equal(OUTS, OSC_OUT_END);
	assert_int_equal(INS, OSC_ADDRESSES - OSC_OUT_END);
	for (size_t i = 0; i < OUTS; i++) {
		int index = osc_namespace_find(OSC_DIRECTION_OUT, contract_out[i].address);
		assert_true(index >= 0);
		assert_string_equal(osc_namespace[index].types, contract_out[i].types);
	}
	for (size_t i = 0; i < INS; i++) {
		int index = osc_namespace_find(OSC_DIRECTION_IN, contract_in[i].address);
		assert_true(index >= 0);
		assert_string_equal(osc_namespace[index].types, contract_in[i].types);
	}
	assert_int_equal(osc_namespace_find(OSC_DIRECTION_OUT, "/midibert/ping"), -1);
	assert_int_equal(osc_namespace_find(OSC_DIRECTION_IN, "/midibert/pong"), -1);
	assert_int_equal(osc_namespace_find(OSC_DIRECTION_OUT, "/midibert/not"), -1);
}

static void every_row_is_complete(void **state)
{
	(void)state;
	for (int i = 0; i < OSC_ADDRESSES; i++) {
		const struct osc_spec *spec = &osc_namespace[i];
		size_t named = 0;

		assert_non_null(spec->address);
		assert_true(strlen(spec->description) > 5);
		assert_null(strpbrk(spec->description, "\t\n|"));
		assert_int_equal(spec->direction, i < OSC_OUT_END ? OSC_DIRECTION_OUT : OSC_DIRECTION_IN);
		while (named < OSC_SPEC_ARGUMENTS_MAX && spec->argument[named].name)
			named++;
		size_t types = strcspn(spec->types, ".");
		if (i >= OSC_OUT_END) {
			const char *longest = strrchr(spec->types, '|') ? strrchr(spec->types, '|') + 1 : spec->types;
			types = strcmp(longest, "none") == 0 ? 0 : strlen(longest);
		}
		assert_int_equal(named, types);
		assert_int_equal(strspn(spec->types, i < OSC_OUT_END ? "ifs." : "ifsnoe|"), strlen(spec->types));
	}
}

static void types_follow_the_number_of_arguments(void **state)
{
	char types[OSC_ARGUMENTS_MAX + 1];

	(void)state;
	assert_true(osc_namespace_types(OSC_MELODY, 5, types));
	assert_string_equal(types, "iiifi");
	assert_false(osc_namespace_types(OSC_MELODY, 4, types));
	assert_false(osc_namespace_types(OSC_MELODY, 6, types));
	assert_true(osc_namespace_types(OSC_PANIC, 0, types));
	assert_string_equal(types, "");
	assert_true(osc_namespace_types(OSC_STYLE_PROBS, 4, types));
	assert_string_equal(types, "ffff");
	assert_false(osc_namespace_types(OSC_STYLE_PROBS, 0, types));
	assert_false(osc_namespace_types(OSC_IN_PING, 1, types));
}

static void a_message_that_is_not_in_the_table_cannot_be_sent(void **state)
{
	const union osc_value values[8] = {{.i = 1}};
	unsigned char datagram[OSC_DATAGRAM_MAX];

	(void)state;
	assert_int_equal(osc_message_encode(OSC_NOTE, values, 5, datagram, sizeof datagram), 0);
	assert_int_equal(osc_message_encode(OSC_IN_RESET, values, 0, datagram, sizeof datagram), 0);
	assert_true(osc_message_encode(OSC_NOTE, values, 6, datagram, sizeof datagram) > 0);
}

static void the_list_is_tab_separated(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	int lines = 0;

	(void)state;
	assert_non_null(file);
	assert_int_equal(osc_namespace_list(file), 0);
	assert_int_equal(fclose(file), 0);
	assert_non_null(
	    strstr(text, "out\t/midibert/note\tiiiiii\tid 1..2147483647, pitch 0..127, velocity 1..127, channel 1..16, "
			 "onset ms, input 0..15\t"));
	assert_non_null(strstr(text, "\nout\t/midibert/panic\tnone\t-\t"));
	assert_non_null(strstr(text, "\nin\t/midibert/subscribe\tnone|i|s|is\tport 1..65535, address pattern\t"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		int tabs = 0;
		for (const char *c = line; *c != '\0'; c++)
			tabs += *c == '\t';
		assert_int_equal(tabs, 4);
	}
	assert_int_equal(lines, OSC_ADDRESSES);
	free(text);
}

static void a_full_disk_is_noticed(void **state)
{
	FILE *file = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(file);
	assert_int_equal(osc_namespace_list(file), -1);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_and_types_are_the_contract),
	    cmocka_unit_test(every_row_is_complete),
	    cmocka_unit_test(types_follow_the_number_of_arguments),
	    cmocka_unit_test(a_message_that_is_not_in_the_table_cannot_be_sent),
	    cmocka_unit_test(the_list_is_tab_separated),
	    cmocka_unit_test(a_full_disk_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
