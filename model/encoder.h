/* The encoder over a stream of notes: keys and values of earlier notes are kept, only rows that can still change are
 * computed again (docs/MODEL.md, bounded look-ahead). A run over a finished file is the same call over longer blocks.
 * One struct encoder belongs to one thread. Rows are counted from encoder_reset, 0 first. */
#ifndef MIDIBERTD_MODEL_ENCODER_H
#define MIDIBERTD_MODEL_ENCODER_H

#include "base/token.h"
#include "model/model.h"

#include <stdint.h>

struct encoder;

/* Set-up thread; allocates everything that later calls need. window: notes a row may look back on, 1..shape.span (fewer
 * than the span is faster); block: most rows a single run may compute. NULL without memory or out of range. */
struct encoder *encoder_new(const struct model *model, int window, int block);
void encoder_free(struct encoder *encoder); /* NULL is allowed */

/* Inference thread from here on; no allocation. */
void encoder_reset(struct encoder *encoder);

/* Computes rows first .. first + count - 1 from their tokens, as the newest rows of the stream, and hands out their last
 * hidden states, hidden[count][d] (NULL: not wanted). Keys and values of these rows replace what was kept.
 * Bounded look-ahead: rows before `first` must have been computed in earlier runs and be settled, that is
 * first <= (rows so far) - layers * n for rows whose tokens changed or that gain look-ahead; see encoder_first.
 * Unlimited: first must be the first row of the window, and every earlier row is forgotten. count <= block. */
void encoder_run(struct encoder *encoder, int64_t first, int count, const struct token *tokens, float *hidden);

/* First row that must be in the next run when `rows` rows have been computed and tokens from `changed` on are new:
 * max(0, changed - layers * n). Unlimited: max(0, newest - window). */
int64_t encoder_first(const struct encoder *encoder, int64_t changed, int64_t newest);

/* Bytes of keys and values kept. */
size_t encoder_bytes(const struct encoder *encoder);

#endif
