/* A sequence head over a window that slides: its attention over notes is a sum, and sums of sixteen notes that no longer
 * change are kept, so that an answer costs what is new and a few vectors for the rest. Inference thread; only pool_new
 * allocates. Equal to model_sequence_logits within rounding. */
#ifndef MIDIBERTD_MODEL_POOL_H
#define MIDIBERTD_MODEL_POOL_H

#include "model/model.h"

#include <stdint.h>

struct pool;

/* Set-up thread. window: most notes that an answer is about. NULL: no memory. */
struct pool *pool_new(const struct model *model, int head, int window);
void pool_free(struct pool *pool); /* NULL is allowed */

/* Inference thread. */
void pool_reset(struct pool *pool);

/* Logits[C] over rows first .. end - 1 (1 to window of them; neither bound falls from call to call), hidden[end - first][d].
 * Rows before `changed` have the states that they had in the last call. */
void pool_logits(struct pool *pool, const float *hidden, int64_t changed, int64_t first, int64_t end, float *logits);

#endif
