/* What a source hands on: one timestamped MIDI event, numbered and paired.
 * Plain data of fixed size; it is copied through rings between threads (docs/THREADS.md). */
#ifndef MIDIBERTD_BASE_EVENT_H
#define MIDIBERTD_BASE_EVENT_H

#include <stdint.h>

#define INPUTS_MAX 16	       /* inputs that are told apart; further ones are refused and counted */
#define NOTE_ID_MAX 2147483647 /* ids start at 1 and wrap to 1 after this one */

enum event_kind {
	EVENT_NOTE_ON,	     /* note_id, input, channel, pitch, velocity 1-127 */
	EVENT_NOTE_OFF,	     /* note_id of the note that ends, input, channel, pitch, duration_us */
	EVENT_PEDAL,	     /* input, channel, pitch = controller (64, 66, 67), velocity = value 0-127 */
	EVENT_INPUT_PRESENT, /* input; its name is in the source's table */
	EVENT_INPUT_GONE,    /* input, pitch = enum input_loss; note-offs of its held notes have been sent before */
	EVENT_CLOCK,	 /* input; pitch = MIDI status: 0xf8 tick, 0xfa start, 0xfb continue, 0xfc stop, 0xf2 song position,
			  * with position in sixteenths of a quarter */
	EVENT_TRANSPORT, /* JACK's: channel 1 rolling, 0 stopped; note_id = bar from 0; position in the bar in millionths of
			  * a quarter; duration_us of a quarter, 0: no tempo is known; signature pitch / velocity */
	EVENT_END	 /* a file is over: finalise everything */
};

#define EVENT_TRANSPORT_QUARTER 1000000

enum input_loss {
	INPUT_TAKEN, /* unplugged, disconnected, or its server or we end */
	INPUT_SILENT /* its active sensing stopped */
};

struct event {
	int64_t event_us;    /* when it happened: JACK frame, ALSA queue time or file time, on the monotonic clock */
	int64_t arrival_us;  /* when the callback or read that delivered it began, on the monotonic clock */
	int64_t position;    /* file sources: grid position, 16 per quarter note; others: -1 */
	int64_t duration_us; /* note-off: event_us minus the note-on's event_us */
	int32_t note_id;
	uint8_t kind;		/* enum event_kind */
	uint8_t input, channel; /* both from 0; OSC shows channels from 1 */
	uint8_t pitch, velocity;
	uint8_t fine; /* note-on: further seven bits of the velocity (controller 88); 0 where there are none */
};

#endif
