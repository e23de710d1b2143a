/* Muon (Jordan et al., 2024): for the encoder's matrices, steps along the momentum with its singular values brought near 1,
 * so that no few directions take all of the step. Scaled as Liu et al. (2025) do, so that an element moves about as far as
 * under AdamW at a fifth of the rate. One struct muon belongs to one thread. */
#ifndef MIDIBERTD_TRAIN_MUON_H
#define MIDIBERTD_TRAIN_MUON_H

#include "model/parameters.h"
#include "train/product.h"

struct muon;

/* Room for every tensor of the parameters that muon_suits. Set-up thread. NULL without memory. */
struct muon *muon_new(const struct parameters *parameters, enum precision precision);
void muon_free(struct muon *muon); /* NULL is allowed */

/* Matrices between hidden states: not embeddings, distance tables or heads. */
bool muon_suits(const struct parameter *parameter);

struct muon_step {
	float rate, decay; /* of this step; decoupled */
	float clip;	   /* factor on the gradient */
};

/* One step of one tensor: gradient, values and momentum (zero before the first step) are its own numbers. */
void muon_update(struct muon *muon, const struct parameter *parameter, const struct muon_step *step, const float *gradient,
		 float *values, float *momentum);

#endif
