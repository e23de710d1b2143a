/* Live MIDI bytes to messages: running status, real-time bytes inside messages, sysex skipped, stray data bytes counted.
 * One parser per input; source thread only; real-time safe; no allocation. */
#ifndef MIDIBERTD_STREAM_MIDI_PARSER_H
#define MIDIBERTD_STREAM_MIDI_PARSER_H

#include <stdbool.h>
#include <stdint.h>

struct midi_message {
	uint8_t status; /* channel in the low nibble of channel messages */
	uint8_t data[2];
	uint8_t length; /* 1-3, status included */
};

struct midi_parser {
	struct midi_message message; /* being assembled */
	uint8_t expected;	     /* length of the message being assembled; 0: none */
	uint8_t filled;
	bool in_sysex;
	uint64_t bad_bytes; /* data bytes without a status, messages cut short */
};

void midi_parser_reset(struct midi_parser *parser); /* keeps the count */

/* Takes one byte; true when it completes a message, then *message is it. Velocity-0 note-ons come out as note-offs. */
bool midi_parser_feed(struct midi_parser *parser, uint8_t byte, struct midi_message *message);

#endif
