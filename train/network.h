/* The network while it learns: one forward and backward pass over one sequence, adding to a gradient (docs/MODEL.md).
 * struct network is shared by all training threads and read-only between two network_prepare calls; struct workspace
 * belongs to one thread. Letters as in model/shape.h. */
#ifndef MIDIBERTD_TRAIN_NETWORK_H
#define MIDIBERTD_TRAIN_NETWORK_H

#include "base/status.h"
#include "base/token.h"
#include "model/parameters.h"
#include "train/product.h"

#include <stdbool.h>
#include <stdint.h>

struct network_options {
	int rows; /* longest sequence: twice its notes if it is causal */
	enum precision precision;
	float dropout;
};

struct network;

/* Set-up thread; allocates. values[parameters->elements] stay with the caller and are what is trained. */
enum status network_new(const struct model_shape *shape, const struct parameters *parameters, const float *values,
			const struct network_options *options, struct network **network, struct error *error);
void network_free(struct network *network); /* NULL is allowed */

/* After values have changed and while no pass runs: all parts, in any order, on any threads. */
int network_parts(const struct network *network);
void network_prepare(struct network *network, int part);

/* What a sequence is asked. Unlabelled notes are LABEL_NONE. A causal sequence teaches the heads of the causal setting: its
 * rows are one a note with its velocity, which see no later row, then one a note that asks for it: there velocity is MASK,
 * and of the rows before, it sees those of earlier notes (train/attention.h). The causal heads read the second half. */
#define LABEL_NONE (-1)
struct sequence {
	int length;			     /* T, 1..rows: notes, or twice the notes of a causal sequence */
	const struct token *tokens;	     /* [T] */
	const int *limit;		     /* [T]: last row each row sees; not read in a causal sequence */
	const float *predictors;	     /* [notes][CAUSAL_PREDICTORS] makes the sequence a causal one; else NULL */
	const int8_t *note_label[HEADS_MAX]; /* [notes], or NULL: head not asked */
	int sequence_label[HEADS_MAX];	     /* class, or LABEL_NONE */
	const float *note_target[HEADS_MAX]; /* [notes][C]: what a teacher answers, where note_label is asked; or NULL */
	float taught;			     /* share of such targets in the gradient; the label keeps the rest */
	float weight[HEADS_MAX];	     /* of each labelled note's (or the sequence's) cross-entropy in the gradient */
	uint32_t key;			     /* of this sequence's dropout */
};

static inline int sequence_notes(const struct sequence *sequence)
{
	return sequence->predictors ? sequence->length / 2 : sequence->length;
}

/* Sums over labelled notes or sequences, by head; in pre-training by attribute, then the masker. */
#define SCORES_MAX (ATTRIBUTES + 1)
_Static_assert(SCORES_MAX >= HEADS_MAX, "a score a head");
struct score {
	double loss[SCORES_MAX];		       /* cross-entropy with labels, nats, unweighted */
	uint64_t asked[SCORES_MAX], right[SCORES_MAX]; /* of a velocity head: right in the six dynamics, as eval counts */
};
void score_add(struct score *sum, const struct score *score);

/* Floats of a gradient: one per parameter, then the folded embedding's. Zero it before a batch. */
size_t network_gradient_size(const struct network *network);

/* After all passes of a batch, on the summed gradient: carries the folded embedding's part over to its parameters. All
 * attributes, in any order, on any threads. */
void network_finish_gradient(const struct network *network, enum attribute attribute, float *gradient);

struct workspace;
struct workspace *workspace_new(const struct network *network); /* NULL without memory */
void workspace_free(struct workspace *workspace);

/* Training thread. Forward (with dropout if gradient) and, if gradient is not NULL, backward. Adds to score and gradient. */
void network_pass(const struct network *network, struct workspace *workspace, const struct sequence *sequence,
		  float *gradient, struct score *score);

/* Last hidden states of the latest pass, [T][d]. */
const float *workspace_hidden(const struct workspace *workspace);

/* The same in two halves, for heads that are not the shape's: the encoder forward (with dropout if train), then, of that
 * forward and once the gradient of its hidden states is in workspace_gradient [T][d] (zero after a forward with train), the
 * encoder backward. The sequence must be the same, and not have changed in between. */
void network_forward(const struct network *network, struct workspace *workspace, const struct sequence *sequence,
		     bool train);
float *workspace_gradient(struct workspace *workspace);
void network_backward(const struct network *network, struct workspace *workspace, const struct sequence *sequence,
		      float *gradient);

#endif
