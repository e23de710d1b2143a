/* Whether playing is like what a head was trained on (docs/MODEL.md, unknown): the distance of the newest notes to a
 * Gaussian that was fitted on the head's training part. Looked at are the mean of their hidden states, which know what the
 * network makes of them, and a few statistics that its tokens hardly show: pace, leaps, keys. Training and the stream call
 * the same functions. Pure; any thread; real-time safe. */
#ifndef MIDIBERTD_MODEL_FAMILIAR_H
#define MIDIBERTD_MODEL_FAMILIAR_H

#include "model/model.h"

#include <stdint.h>

struct familiar_note {
	int64_t onset_us;
	uint8_t pitch, velocity;
};

/* Features[d + FAMILIAR_STATISTICS] of notes in order of arrival, FAMILIAR_NOTES_MIN to FAMILIAR_NOTES of them, and their
 * hidden states [count][d] in the head's setting. */
void familiar_features(const float *hidden, int d, const struct familiar_note *notes, int count, float *features);

/* Mean square of the whitened features, about 1 for what the Gaussian was fitted on. scratch: d + FAMILIAR_STATISTICS. */
float familiar_distance(const struct model *model, int head, const float *features, float *scratch);

/* Distance over the head's threshold for so many notes: above 1 an answer is unknown. 0, always familiar, for a head without
 * thresholds and for fewer than FAMILIAR_NOTES_MIN notes. */
float familiar_strangeness(const struct head_spec *head, float distance, int count);

/* Draws probabilities [C] to equal ones by what is strange: they keep the share 1 / strangeness^2 above 1. */
void familiar_doubt(const struct head_spec *head, float strangeness, float *probability);

#endif
