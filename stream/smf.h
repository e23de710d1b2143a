/* Standard MIDI Files, read whole: notes, tempo map, signatures, pedals. Formats 0 and 1.
 * Offline and set-up threads; allocates. No global state. The bytes are untrusted. */
#ifndef MIDIBERTD_STREAM_SMF_H
#define MIDIBERTD_STREAM_SMF_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMF_BYTES_MAX ((size_t)256 << 20) /* larger files are refused */
#define SMF_TICK_MAX ((int64_t)1 << 36)	  /* longer tracks are refused: times stay far from overflow */

struct smf_note {
	int64_t start_tick, end_tick; /* end: its note-off, or the end of its track */
	uint16_t track;
	uint8_t channel, pitch, velocity; /* channel from 0; velocity 1-127 */
	uint8_t fine;			  /* further 128ths of the velocity, by controller 88 */
	bool ended;			  /* a note-off was found */
};

struct smf_tempo {
	int64_t tick;
	int64_t time; /* from the start of the file, in microseconds times ticks_per_quarter: exact */
	uint32_t us_per_quarter;
};

struct smf_signature {
	int64_t tick;
	uint16_t numerator, denominator; /* as written: 6/8 is 6, 8; denominators over 2^15 are held there */
};

struct smf_control { /* controllers 64, 66, 67 only */
	int64_t tick;
	uint16_t track;
	uint8_t channel, controller, value;
};

struct smf {
	uint16_t format;
	uint16_t tracks;
	int32_t ticks_per_quarter; /* SMPTE division: ticks in half a second, so that a quarter is 120 bpm */
	bool smpte;	  /* ticks are time; they are scaled so that the line above is exact, tempo events are left out */
	int64_t end_tick; /* of the longest track */
	struct smf_note *notes; /* by start_tick, then track, then order in the track */
	size_t note_count;
	struct smf_tempo *tempos; /* by tick, of all tracks */
	size_t tempo_count;
	struct smf_signature *signatures;
	size_t signature_count;
	struct smf_control *controls;
	size_t control_count;
	char (*track_names)[64]; /* tracks entries, zero-terminated, empty where a track has no name */
	char device[128];	 /* the first device name (meta event 9); empty where there is none */
	size_t stray_note_offs;	 /* note-offs without a note */
	size_t unended_notes;	 /* notes without a note-off */
};

/* Reads and checks a file. On failure *file is NULL and *error names file, byte offset and reason. */
enum status smf_read(const char *path, struct smf **file, struct error *error);
/* The same from memory; name is for messages. The bytes are not kept. */
enum status smf_parse(const unsigned char *bytes, size_t size, const char *name, struct smf **file, struct error *error);
void smf_free(struct smf *file); /* NULL is allowed */

/* Time of a tick from the start of the file, by the tempo map, in microseconds. */
int64_t smf_tick_to_us(const struct smf *file, int64_t tick);

#endif
