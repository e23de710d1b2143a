/* libFuzzer: any bytes as a live MIDI stream. Every message is well-formed, and bytes that are no part of one are counted.
 */
#include "stream/midi_parser.h"

#include <stddef.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                                                  \
	do {                                                                                                                \
		if (!(condition))                                                                                           \
			abort();                                                                                            \
	} while (0)

static int expected_length(uint8_t status)
{
	if (status < 0xf0)
		return (status & 0xe0) == 0xc0 ? 2 : 3;
	if (status == 0xf2)
		return 3;
	return status == 0xf1 || status == 0xf3 ? 2 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct midi_parser parser = {0};
	struct midi_message message;

	for (size_t i = 0; i < size; i++) {
		uint64_t bad = parser.bad_bytes;

		if (bytes[i] == 0xf5 && i % 7 == 0) /* an input that is unplugged now and then */
			midi_parser_reset(&parser);
		if (midi_parser_feed(&parser, bytes[i], &message)) {
			REQUIRE(message.status >= 0x80 && message.status != 0xf0 && message.status != 0xf7);
			REQUIRE(message.length == expected_length(message.status));
			REQUIRE(message.data[0] < 0x80 && message.data[1] < 0x80);
			REQUIRE((message.status & 0xf0) != 0x90 || message.data[1] > 0);
			REQUIRE(message.length == 3 || message.data[1] == 0);
		}
		REQUIRE(parser.bad_bytes - bad <= 2); /* a message cut short by a status that is itself undefined */
	}
	/* After a reset a note always comes through. */
	midi_parser_reset(&parser);
	REQUIRE(!midi_parser_feed(&parser, 0x91, &message) && !midi_parser_feed(&parser, 60, &message));
	REQUIRE(midi_parser_feed(&parser, 1, &message) && message.status == 0x91 && message.data[0] == 60 &&
		message.data[1] == 1);
	return 0;
}
