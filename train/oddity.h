/* Playing that is no playing: inputs unlike anything a model was trained on, made from a seed, to measure whether it notices
 * (docs/MODEL.md, unknown). Offline; any thread; no allocation. */
#ifndef MIDIBERTD_TRAIN_ODDITY_H
#define MIDIBERTD_TRAIN_ODDITY_H

#include "train/dataset.h"

enum oddity {
	ODDITY_DRUMS,	  /* patterns of kick, snare, hats and toms, as a drum pad on the piano's channel sends them */
	ODDITY_RANDOM,	  /* any key, any velocity, any length, at random times */
	ODDITY_REPEATED,  /* one key, again and again */
	ODDITY_CHROMATIC, /* up and down by semitones */
	ODDITY_CAT,	  /* paws: handfuls of neighbouring keys, walking, pausing, turning */
	ODDITY_SPARSE,	  /* now and then a note, seconds apart */
	ODDITIES
};

const char *oddity_name(enum oddity oddity);

/* Notes of one such input, in order of arrival, on a grid of 120 bpm in 4/4; tempo, range, touch and evenness are drawn,
 * too. The same for the same seed. */
void oddity_make(enum oddity oddity, uint64_t seed, int count, struct piece_note *notes);

#endif
