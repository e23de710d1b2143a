/* Live MIDI bytes to messages, one byte at a time. Source thread; real-time safe: no allocation, no lock, no call out.
 * It keeps no note state and drops what no one here needs (the contents of system exclusive messages). */
#include "stream/midi_parser.h"

#define SYSEX_BEGIN 0xf0
#define SYSEX_END 0xf7
#define REAL_TIME 0xf8 /* and above */

/* Length of a message by its status, 0 where MIDI 1.0 defines none. */
static uint8_t message_length(uint8_t status)
{
	static const uint8_t channel[7] = {3, 3, 3, 3, 2, 2, 3};			    /* 0x80, 0x90, ... 0xe0 */
	static const uint8_t system[16] = {0, 2, 3, 2, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1}; /* 0xf0 ... 0xff */

	return status < 0xf0 ? channel[(status >> 4) - 8] : system[status & 0x0f];
}

static bool is_partial(const struct midi_parser *parser)
{
	return parser->in_sysex || parser->filled > 0;
}

void midi_parser_reset(struct midi_parser *parser)
{
	parser->message = (struct midi_message){0};
	parser->expected = 0;
	parser->filled = 0;
	parser->in_sysex = false;
}

/* The message is whole: channel messages leave their status in force, others end it. */
static bool finish(struct midi_parser *parser, struct midi_message *message)
{
	uint8_t status = parser->message.status;

	*message = parser->message;
	message->length = parser->expected;
	if (message->length < 3)
		message->data[1] = 0;
	if (message->length < 2)
		message->data[0] = 0;
	if ((status & 0xf0) == 0x90 && message->data[1] == 0)
		message->status = (uint8_t)(0x80 | (status & 0x0f));
	parser->filled = 0;
	if (status >= 0xf0)
		parser->expected = 0;
	return true;
}

static bool feed_status(struct midi_parser *parser, uint8_t byte, struct midi_message *message)
{
	if (byte == SYSEX_END) {
		if (!parser->in_sysex)
			parser->bad_bytes++;
		midi_parser_reset(parser);
		return false;
	}
	if (is_partial(parser)) /* cut short by the next message */
		parser->bad_bytes++;
	midi_parser_reset(parser);
	if (byte == SYSEX_BEGIN) {
		parser->in_sysex = true;
		return false;
	}
	parser->expected = message_length(byte);
	if (parser->expected == 0) {
		parser->bad_bytes++;
		return false;
	}
	parser->message.status = byte;
	parser->filled = 1;
	return parser->expected == 1 && finish(parser, message);
}

bool midi_parser_feed(struct midi_parser *parser, uint8_t byte, struct midi_message *message)
{
	if (byte >= REAL_TIME) { /* may stand anywhere and disturbs nothing */
		if (message_length(byte) == 0) {
			parser->bad_bytes++;
			return false;
		}
		*message = (struct midi_message){.status = byte, .length = 1};
		return true;
	}
	if (byte >= 0x80)
		return feed_status(parser, byte, message);
	if (parser->in_sysex)
		return false;
	if (parser->expected == 0) {
		parser->bad_bytes++;
		return false;
	}
	if (parser->filled == 0) /* running status */
		parser->filled = 1;
	parser->message.data[parser->filled - 1] = byte;
	parser->filled++;
	return parser->filled == parser->expected && finish(parser, message);
}
