/* midibert eval --task unknown: what it prints. Main thread. */
#ifndef MIDIBERTD_TOOLS_EVAL_UNKNOWN_H
#define MIDIBERTD_TOOLS_EVAL_UNKNOWN_H

#include "base/status.h"
#include "model/model.h"
#include "train/dataset.h"

#include <stdbool.h>

/* Measures (train/unknown.h) and prints a table or one JSON object. window: notes of a passage, 0: the default. */
enum status eval_unknown(const struct model *model, const struct dataset *dataset, int window, bool json,
			 struct error *error);

#endif
