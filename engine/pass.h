/* One encoder over the notes of a window in one setting (velocities played or hidden), and the last hidden states of its
 * newest rows. Engine thread; only pass_new allocates. */
#ifndef MIDIBERTD_ENGINE_PASS_H
#define MIDIBERTD_ENGINE_PASS_H

#include "engine/window.h"
#include "model/model.h"

#include <stdint.h>

struct pass;

/* Set-up thread. keep: newest rows whose hidden states stay readable; block: most rows a run computes. NULL: no memory. */
struct pass *pass_new(const struct model *model, enum head_setting setting, int window, int block, int keep);
void pass_free(struct pass *pass); /* NULL is allowed */

/* Engine thread. */
void pass_reset(struct pass *pass);
/* First row of a run whose newest row is end - 1 when rows from `changed` on are new. */
int64_t pass_first(const struct pass *pass, int64_t changed, int64_t end);
/* Computes rows first .. end - 1; at most block. */
void pass_run(struct pass *pass, const struct window *window, int64_t first, int64_t end);
/* Hidden states of `row` and the rows after it, [..][d]. row must be among the `keep` newest. */
const float *pass_hidden(const struct pass *pass, int64_t row);

#endif
