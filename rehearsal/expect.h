/* What a model says of a take: which notes are melody, and how loud each could be expected without hearing any velocity.
 * Offline; allocates. */
#ifndef MIDIBERTD_REHEARSAL_EXPECT_H
#define MIDIBERTD_REHEARSAL_EXPECT_H

#include "model/model.h"
#include "rehearsal/take.h"

/* Fills voice, voice_confidence, expected and spread of every note, has_voices, has_expected, level and expected_in, as far
 * as the model has the heads melody and velocity_hidden. STATUS_NO_MEMORY. */
enum status expect_take(const struct model *model, struct take *take, struct error *error);

/* The take's own level from its notes' expectations; called by expect_take. STATUS_NO_MEMORY. */
enum status expect_level(struct take *take, struct error *error);

#endif
