/* Which weights a run hands over: the best of its validations, with an end when it no longer gets better, or the mean of its
 * last ones. Leading thread; what it keeps goes through checkpoints. */
#ifndef MIDIBERTD_TRAIN_KEEPER_H
#define MIDIBERTD_TRAIN_KEEPER_H

#include "train/checkpoint.h"

#include <stdbool.h>

struct keeper_options {
	int patience;	 /* end after so many validations that are no better; 0: train to the end, keep the last weights */
	int average;	 /* hand over the mean of the weights at the last so many validations; 0: do not */
	uint64_t every;	 /* steps between validations */
	uint64_t steps;	 /* of the run */
	size_t elements; /* of the weights */
};

struct keeper;

/* NULL without memory. Not both patience and average. */
struct keeper *keeper_new(const struct keeper_options *options);
void keeper_free(struct keeper *keeper); /* NULL is allowed */

/* After each validation of the schedule; figure: lower is better. */
void keeper_look(struct keeper *keeper, uint64_t step, double figure, const float *values);
/* True: patience is at its end. */
bool keeper_is_done(const struct keeper *keeper);
/* Whether anything has been kept; and of which step, with which figure (of a mean: the last). */
bool keeper_has(const struct keeper *keeper, uint64_t *step, double *figure);
/* Puts what is to be handed over into values; leaves them alone if nothing has been kept. */
void keeper_take(const struct keeper *keeper, float *values);

/* What a checkpoint must hold of it, read and written in place; returns how many arrays (at most 2). */
int keeper_arrays(struct keeper *keeper, struct checkpoint_array *arrays);

#endif
