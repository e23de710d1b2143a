/* What the network says of the notes in a window: one encoder in all settings that somebody wants, and the heads over it.
 * Only what can still change is computed: rows by the encoder, labels that are not final by the heads. Engine thread; only
 * hearing_new allocates. Knows no time and sends nothing. */
#ifndef MIDIBERTD_ENGINE_HEARING_H
#define MIDIBERTD_ENGINE_HEARING_H

#include "engine/heads.h"
#include "engine/window.h"

#include <stdbool.h>
#include <stdint.h>

#define HEARING_BURST 64 /* new notes that one run takes; more are worked off in several */

struct hearing;

/* Set-up thread. window: notes that a label looks back on. The model and the heads are borrowed. NULL: no memory. */
struct hearing *hearing_new(const struct model *model, const struct heads *heads, int window);
void hearing_free(struct hearing *hearing); /* NULL is allowed */

/* Note records that must be there for hearing_run: those of notes that are not seen yet come on top. */
int64_t hearing_records(const struct hearing *hearing);

/* Engine thread. */
void hearing_reset(struct hearing *hearing);

/* Kinds of predictions that somebody listens for, a bit 1u << enum prediction_kind each; all at first. A setting that no
 * wanted head needs is not computed. When it is wanted again it catches up over the next runs, a part in each, and speaks
 * about the notes that begin once it has: its labels are then what they would have been. */
void hearing_want(struct hearing *hearing, unsigned kinds);

/* Whether a note that begins now will get this label. */
bool hearing_answers(const struct hearing *hearing, enum label_kind kind, const struct window *window);

/* Hears up to the newest note and sets the labels that are not final, of rows from `open` on. */
void hearing_run(struct hearing *hearing, struct window *window, int64_t open);

/* Calibrated probabilities [C] of sequence head `index` of heads->sequence over the newest `count` notes (at most the
 * window), and how strange the newest notes are to it (familiar_strangeness), by which they are doubted. False: nobody wants
 * it, or it has not caught up. */
bool hearing_judge(struct hearing *hearing, int index, const struct window *window, int count, float *probability,
		   float *strangeness);

/* How strange the newest notes were to a head of the model when it last answered; 0: not at all, or it cannot tell. */
float hearing_strangeness(const struct hearing *hearing, int head);

#endif
