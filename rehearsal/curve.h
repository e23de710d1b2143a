/* The figures of every unit (bar or second) of a take, by part. Offline; allocates. */
#ifndef MIDIBERTD_REHEARSAL_CURVE_H
#define MIDIBERTD_REHEARSAL_CURVE_H

#include "rehearsal/take.h"

enum part { PART_ALL, PART_MELODY, PART_ACCOMPANIMENT, PART_LEFT, PART_RIGHT, PARTS };

/* Means over the notes of a part that begin in a unit; NAN where there is none. */
struct curve_part {
	size_t notes, judged; /* judged: notes whose expectation is not wide; the last three are over these */
	double velocity;
	double expected, spread;
	double deviation; /* played minus expected, less the take's level */
};

struct curve_unit {
	struct curve_part part[PARTS];
	double gap;	     /* melody minus accompaniment, MIDI velocity */
	double expected_gap; /* the same of what could be expected */
	double lead_ms;	     /* mean over melody notes */
	double overlap_ms;   /* the same */
	double onsets_per_s; /* notes that begin together count once */
	double pedal_share;  /* part of the time that the sustain pedal is down, 0-1; NAN where none was recorded */
	int pedal_presses;
};

struct curve {
	struct curve_unit *units; /* as many as the take has */
	size_t count;
	struct curve_part whole[PARTS];		       /* over all notes of the take */
	double gap, expected_gap, lead_ms, overlap_ms; /* the same */
};

enum status curve_draw(const struct take *take, struct curve *curve, struct error *error);
void curve_free(struct curve *curve);

bool curve_is_in(enum part part, const struct take_note *note);

/* Figures of units first .. end - 1 together, of one part. */
struct curve_part curve_stretch(const struct curve *curve, size_t first, size_t end, enum part part);

#endif
