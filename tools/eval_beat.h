/* midibert eval --task beat. Main thread. */
#ifndef MIDIBERTD_TOOLS_EVAL_BEAT_H
#define MIDIBERTD_TOOLS_EVAL_BEAT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Tracks the beat of the manifests' files and prints how well. model: weights of the tracker; NULL: those beside the
 * encoder's. */
enum status eval_beat(const char *const *manifests, size_t count, const char *model, bool json, struct error *error);

#endif
