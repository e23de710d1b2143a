/* The encoder from its definition (docs/MODEL.md, encoder): every row against every row under the setting's mask, over the
 * whole history at once. The oracle for tests of what streams: slow, and it shares nothing with model/encoder.h but the
 * weights. Offline; allocates. */
#ifndef MIDIBERTD_MODEL_REFERENCE_H
#define MIDIBERTD_MODEL_REFERENCE_H

#include "base/token.h"
#include "model/model.h"

#include <stdbool.h>

/* hidden[count][d]: last states of all notes in a setting, each looking back on `window` notes at most (1..span). tokens are
 * as played and as frozen: the setting masks what it may not see. False: no memory. */
bool reference_hidden(const struct model *model, enum head_setting setting, int window, const struct token *tokens,
		      int count, float *hidden);

#endif
