/* How a passage is played, in numbers that do not ask what it says: histograms of touch, time, register, key and harmony. A
 * sequence head may read them beside the hidden states (docs/MODEL.md, texture): what a few hundred pieces tell of eight
 * pianists, a network that has room for every piece learns by heart, and a linear layer over these does not. Training and
 * the stream call the same functions. Pure; any thread; real-time safe. */
#ifndef MIDIBERTD_MODEL_TEXTURE_H
#define MIDIBERTD_MODEL_TEXTURE_H

#include "model/model.h"

#include <stdint.h>

#define TEXTURE_NOTES_MIN 64   /* of fewer nothing is strange */
#define TEXTURE_DOWN INT64_MAX /* length of a key that is still down */

struct texture_note {
	int64_t onset_us, length_us; /* length: to the key's release, or TEXTURE_DOWN */
	uint8_t pitch, velocity;
};

/* features[TEXTURE_SIZE] of notes[count] in order of arrival, count at least 1: the square roots of the shares that each
 * histogram's bins have; 0 where a histogram counts nothing. */
void texture_features(const struct texture_note *notes, int count, float *features);

/* Standardises features of `count` notes in place, by a head's mean and deviation [TEXTURE_SIZE]; fewer notes are believed
 * less, and come out nearer to 0. */
void texture_standardise(const float *mean, const float *deviation, int count, float *features);

/* Mean square of standardised features: about 1 for passages such as the head learnt from. */
float texture_distance(const float *features);

/* Adds to the logits [C] of a sequence head what its texture layer makes of features as texture_features gives them, which
 * are standardised in place. Returns how strange they are: above 1 the answer is unknown; 0 for fewer than TEXTURE_NOTES_MIN
 * notes. For a head without such a layer nothing, and 0. */
float texture_judge(const struct model *model, int head, float *features, int count, float *logits);

#endif
