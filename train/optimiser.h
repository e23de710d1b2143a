/* AdamW with gradient clipping and a warm-up-then-cosine schedule. State is two arrays beside the parameters. */
#ifndef MIDIBERTD_TRAIN_OPTIMISER_H
#define MIDIBERTD_TRAIN_OPTIMISER_H

#include "model/parameters.h"

struct optimiser_options {
	double rate;        /* peak learning rate */
	uint64_t warmup, steps; /* rises linearly over warmup steps, falls as a cosine to nothing at `steps` */
	double decay;       /* decoupled weight decay, of matrices only */
	double clip;        /* largest norm of the whole gradient */
	double beta1, beta2, epsilon;
};

double optimiser_rate(const struct optimiser_options *options, uint64_t step);

/* Norm of a gradient over all parameters, summed in double in a fixed order. */
double optimiser_norm(const struct parameters *parameters, const float *gradient);

/* One step (counted from 0) on values, with moments first and second (zero before step 0). norm: of this gradient. */
void optimiser_step(const struct optimiser_options *options, const struct parameters *parameters, uint64_t step, double norm,
		    const float *gradient, float *values, float *first, float *second);

#endif
