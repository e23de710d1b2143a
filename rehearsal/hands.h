/* Which hand played which note: told by the file where it has a track a hand, else guessed. Offline; allocates.
 *
 * The guess: at every onset the keyboard is split at one key; the left hand has what is below. A hidden Markov model over
 * the split prefers hands that span no more than a tenth, no more than five keys a hand, a split in a gap and near the
 * middle of what sounds around and of the keyboard, and a split that moves little. A note's confidence is the probability,
 * over all ways to split, that its hand is right; below HANDS_SURE the hand is unknown. Crossed hands are not understood. */
#ifndef MIDIBERTD_REHEARSAL_HANDS_H
#define MIDIBERTD_REHEARSAL_HANDS_H

#include "rehearsal/take.h"

#define HANDS_SURE 0.8

/* Fills hand and hand_confidence of every note. STATUS_NO_MEMORY. */
enum status hands_find(struct take *take, struct error *error);

#endif
