/* AdamW, or Muon for the encoder's matrices, with gradient clipping and a warm-up-then-cosine schedule. State is two arrays
 * beside the parameters. */
#ifndef MIDIBERTD_TRAIN_OPTIMISER_H
#define MIDIBERTD_TRAIN_OPTIMISER_H

#include "train/muon.h"

struct optimiser_options {
	double rate;		/* peak learning rate */
	double muon;		/* peak rate of the encoder's matrices by Muon; 0: AdamW like the rest */
	uint64_t warmup, steps; /* rises linearly over warmup steps, falls as a cosine to nothing at `steps` */
	double decay;		/* decoupled weight decay, of matrices only */
	double clip;		/* largest norm of the whole gradient */
	double beta1, beta2, epsilon;
};

/* Of AdamW at this step; Muon's has the same course. */
double optimiser_rate(const struct optimiser_options *options, uint64_t step);

/* Sum of squares of one tensor's gradient, in double, in order. The gradient's norm is the root of their sum in order. */
double optimiser_squares(const struct parameter *parameter, const float *gradient);

/* One step (counted from 0) of one tensor, with moments first and second (zero before step 0). norm: of the whole gradient.
 * All arrays are whole arrays of parameters. Tensors may go on different threads. muon: that thread's; NULL where
 * options->muon is 0. */
void optimiser_step(const struct optimiser_options *options, const struct parameter *parameter, uint64_t step, double norm,
		    const float *gradient, float *values, float *first, float *second, struct muon *muon);

#endif
