/* The encoder over a stream of notes: keys and values of earlier notes are kept, only what can still change is computed
 * again (docs/MODEL.md, bounded look-ahead). A run over a finished file is the same call over longer blocks. One struct
 * encoder belongs to one thread. Rows are counted from encoder_reset, 0 first.
 *
 * An encoder hears the same notes in one or several settings at once: each has states of its own, all go through the weights
 * in the same products.
 *   played, hidden: a row sees rows after it as far as the look-ahead allows; hidden: every Velocity is MASK.
 *   causal: beside each note's row with its velocity, which sees no later one and is computed once, the note is asked by a
 *   row with Velocity MASK, which sees the earlier notes' rows and itself; the hidden state is that one's. Duration is MASK
 * in both. Nothing of a note's velocity or of a later note reaches its hidden state. */
#ifndef MIDIBERTD_MODEL_ENCODER_H
#define MIDIBERTD_MODEL_ENCODER_H

#include "base/token.h"
#include "model/model.h"

#include <stdint.h>

struct encoder;

#define ENCODER_SETTING(setting) (1u << (setting))

/* Set-up thread; allocates everything that later calls need. settings: a bit each. window: notes a row may look back on,
 * 1..shape.span (fewer than the span is faster); block: most rows whose tokens a run may be handed; keep: newest rows whose
 * hidden states stay readable, beside those of the last run. NULL without memory or out of range. */
struct encoder *encoder_new(const struct model *model, unsigned settings, int window, int block, int keep);
/* The same for finished files: rows see ahead as far as shape_lookahead says of files. */
struct encoder *encoder_new_file(const struct model *model, unsigned settings, int window, int block, int keep);
void encoder_free(struct encoder *encoder); /* NULL is allowed */

/* Inference thread from here on; no allocation. */
void encoder_reset(struct encoder *encoder);

/* What one setting is to hear in a run: rows first .. end - 1, at most `block`, as the newest of its stream. */
struct encoder_part {
	enum head_setting setting;
	int64_t first, end;
	const struct token *tokens; /* [end - first], as played */
};

/* First row that the next run of a setting must hear, when tokens from `changed` on are new and the newest row is end - 1.
 * Bounded look-ahead: the older one of `changed` and the rows it has not heard. Unlimited: the first row of the window.
 * Causal: rows it has not heard, for a causal row is never heard again. */
int64_t encoder_first(const struct encoder *encoder, enum head_setting setting, int64_t changed, int64_t end);

/* Computes all parts (no setting twice, none with first > end). Bounded look-ahead: rows before `first` are as they were
 * handed earlier; unlimited: they are forgotten. */
void encoder_run(struct encoder *encoder, const struct encoder_part *parts, int count);

/* A setting goes on from `row`: what it heard from there on is forgotten; when it has not heard so far, so is all before,
 * and `row` is the first one that may be looked at. */
void encoder_seek(struct encoder *encoder, enum head_setting setting, int64_t row);

/* Rows that a setting has heard, and the first one whose state its last run changed. */
int64_t encoder_rows(const struct encoder *encoder, enum head_setting setting);
int64_t encoder_changed(const struct encoder *encoder, enum head_setting setting);

/* Hidden states of `row` and the rows after it, [..][d]. */
const float *encoder_hidden(const struct encoder *encoder, enum head_setting setting, int64_t row);

/* One setting, one run: handed tokens[count], its states [count][d] are returned. For whole files and tests. */
const float *encoder_hear(struct encoder *encoder, enum head_setting setting, int64_t first, int count,
			  const struct token *tokens);

/* Bytes of keys, values and states kept. */
size_t encoder_bytes(const struct encoder *encoder);

#endif
