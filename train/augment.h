/* How the same performance could have reached a stream: on another keyboard, faster, less exactly, with notes lost and
 * doubled (docs/MODEL.md, training). Works on copies of a piece's notes. Any thread; no allocation; what is drawn depends on
 * `random` alone. */
#ifndef MIDIBERTD_TRAIN_AUGMENT_H
#define MIDIBERTD_TRAIN_AUGMENT_H

#include "base/random.h"
#include "train/dataset.h"

/* Another keyboard or another touch: one random rising curve over all velocities, 1..127 to 1..127 (an exponent of 2/3 to
 * 3/2, a range of 0.6 to 1.2 of the old one, up to 14 louder or softer). What velocity heads are asked follows. */
void augment_curve(struct random *random, int count, struct piece_note *notes);

/* Another tempo: all times, and the tempo that notes carry, by one factor of 1 / (1 + most) to 1 + most. */
void augment_stretch(struct random *random, double most, int count, struct piece_note *notes);

/* Fingers and sensors: each onset and each release displaced by a normal deviation, on the grid, too. Notes are no longer in
 * order. */
void augment_jitter(struct random *random, double deviation_us, int count, struct piece_note *notes);

/* Copies notes[count] to at most `room` notes: each is left out with probability `missing`, and followed with probability
 * `doubled` by itself again up to 30 ms later and up to 10 louder or softer. source[i]: which note i is a copy of. Returns
 * how many there are, at least one. Notes are no longer in order. */
int augment_copy(struct random *random, double missing, double doubled, const struct piece_note *notes, int count, int room,
		 struct piece_note *copies, int *source);

/* Another arrangement: melody and bridge, each for itself, left out (1 in 5), an octave away (3 in 10) where the keyboard
 * reaches, and up to 12 louder or softer as a whole. Returns how many notes are left, at least one. */
int augment_voices(struct random *random, int count, struct piece_note *notes, int *source);

/* No beat: on a grid of 120 bpm in 4/4 that begins phase_us before the file. */
void augment_regrid(int64_t phase_us, int count, struct piece_note *notes);

#endif
