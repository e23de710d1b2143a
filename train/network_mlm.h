/* The two heads of pre-training over a network's hidden states: the recoverer, which fills masked notes in, and the masker,
 * which says how much a note is worth masking (docs/MODEL.md, pre-training). Both need a shape with `pretraining`.
 * Training threads; nothing allocates but the _new functions. Letters as in model/shape.h. */
#ifndef MIDIBERTD_TRAIN_NETWORK_MLM_H
#define MIDIBERTD_TRAIN_NETWORK_MLM_H

#include "train/network.h"

/* What the recoverer is asked of a sequence of T notes. */
struct recovery {
	const struct token *truth; /* [T] */
	const uint8_t *asked;	   /* [T]: bit a: attribute a */
	const float *weight;	   /* [ATTRIBUTES]: of each attribute's loss */
	float scale;		   /* of the whole sequence's loss in the gradient */
	float *note_loss;	   /* [T], or NULL: weighted loss of each note, a mean over its asked attributes */
};

/* Room for the heads of one sequence; belongs to one thread. */
struct mlm;
struct mlm *mlm_new(const struct network *network); /* NULL without memory */
void mlm_free(struct mlm *mlm);			    /* NULL is allowed */

/* Cross-entropy per attribute, a mean over the notes that are asked for it; score[a] counts them. With gradient: adds to it
 * and to dhidden[T][d]. */
void mlm_recover(struct mlm *mlm, int T, const struct recovery *recovery, const float *hidden, float *gradient,
		 float *dhidden, struct score *score);

/* worth[T] in 0..1, with dropout by key if train. */
void mlm_mask(struct mlm *mlm, int T, const float *hidden, uint32_t key, bool train, float *worth);

/* Of the latest mlm_mask, with train: mean squared error over the notes whose target is 0 or 1, not -1, times scale. Adds to
 * gradient and to dhidden[T][d]; score's last place counts the targets, and those on whose side of 1/2 the masker was. */
void mlm_mask_backward(struct mlm *mlm, int T, const int8_t *target, float scale, uint32_t key, const float *worth,
		       float *gradient, float *dhidden, struct score *score);

#endif
