/* Standard MIDI Files in memory for unit tests: events as hexadecimal text, lengths filled in. */
#ifndef MIDIBERTD_TESTS_SUPPORT_MIDI_BYTES_H
#define MIDIBERTD_TESTS_SUPPORT_MIDI_BYTES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct midi_bytes {
	unsigned char bytes[8192];
	size_t size, track; /* track: where the open chunk begins */
};

/* Appends bytes written as "00 90 3c 40"; blanks are free. A mistake in the text ends the test program. */
static inline void midi_put(struct midi_bytes *midi, const char *hex)
{
	while (*(hex += strspn(hex, " \n\t"))) {
		unsigned byte;

		if (sscanf(hex, "%2x", &byte) != 1 || midi->size == sizeof midi->bytes)
			abort();
		midi->bytes[midi->size++] = (unsigned char)byte;
		hex += 2;
	}
}

static inline void midi_put_number(struct midi_bytes *midi, unsigned long value, int count)
{
	while (count-- > 0)
		midi->bytes[midi->size++] = (unsigned char)(value >> 8 * count);
}

static inline void midi_header(struct midi_bytes *midi, unsigned format, unsigned tracks, unsigned division)
{
	midi->size = 0;
	midi_put(midi, "4d 54 68 64 00 00 00 06");
	midi_put_number(midi, format, 2);
	midi_put_number(midi, tracks, 2);
	midi_put_number(midi, division, 2);
}

/* One track: its events, then end of track. */
static inline void midi_track(struct midi_bytes *midi, const char *events)
{
	size_t start = midi->size + 8, end;

	midi_put(midi, "4d 54 72 6b 00 00 00 00");
	midi_put(midi, events);
	midi_put(midi, "00 ff 2f 00");
	end = midi->size;
	midi->size = start - 4;
	midi_put_number(midi, end - start, 4);
	midi->size = end;
}

#endif
