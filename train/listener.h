/* One model that hears whole pieces: the answer to a finished file, the same for any length. Clean input: every duration
 * known, bars from 0. Offline; allocates. One struct listener belongs to one thread; the model may be shared. */
#ifndef MIDIBERTD_TRAIN_LISTENER_H
#define MIDIBERTD_TRAIN_LISTENER_H

#include "model/model.h"
#include "model/texture.h"
#include "train/dataset.h"

#include <stdbool.h>

struct listener;

/* window: notes a note looks back on, 1..span. passage: most notes that listener_passage is asked about, at least 1; a model
 * with unlimited look-ahead allows at most `window`. NULL without memory or out of range. */
struct listener *listener_new(const struct model *model, int window, int passage);
void listener_free(struct listener *listener); /* NULL is allowed */

/* Calibrated probabilities of a note head for every note, probability[piece->count][C], in the piece's order.
 * Bounded look-ahead: equal to one forward pass over the whole piece. Unlimited: windows that overlap by half, each note
 * answered where it is nearest to the middle. A causal head hears each note after those before it alone, in either case.
 * False: no memory. */
bool listener_notes(struct listener *listener, const struct piece *piece, int head, float *probability);

/* What note heads read: the last layer's states of every note in a setting, state[piece->count][d], in the piece's order,
 * heard as listener_notes hears; a causal state comes without its predictors. False: no memory, or a setting that neither is
 * SETTING_PLAYED nor one of the model's heads'. */
bool listener_states(struct listener *listener, const struct piece *piece, enum head_setting setting, float *state);

/* Calibrated probabilities of a sequence head for `count` notes from `first` on (in the order that the model expects), as
 * if nothing else had been played. probability[C]. False: no memory. */
bool listener_passage(struct listener *listener, const struct piece *piece, int head, size_t first, int count,
		      float *probability);

/* The same before calibration and without its texture layer: logits[C] of the network alone. */
bool listener_network(struct listener *listener, const struct piece *piece, int head, size_t first, int count,
		      float *logits);

/* Texture (model/texture.h) of notes first..first + count - 1 of a finished piece. scratch: [count]. */
void listener_texture(const struct piece *piece, size_t first, int count, struct texture_note *scratch, float *features);

/* Passages that a piece is judged by: `passage` notes each without overlap, the last one kept if at least half full; a piece
 * shorter than that is one passage. */
size_t listener_passages(const struct piece *piece, int passage);
/* Notes of passage `index`. */
int listener_passage_length(const struct piece *piece, int passage, size_t index);

/* A piece's answer from its passages: mean log-probability over the head's temperature of pieces, normalised.
 * probability[C]; passages is [count][C]. */
void listener_pool(const struct head_spec *head, const float *passages, size_t count, float *probability);

#endif
