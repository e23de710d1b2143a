/* The state of a training run in a file: values, both moments, step, what the lesson keeps, and
 * the options it belongs to. */
#ifndef MIDIBERTD_TRAIN_CHECKPOINT_H
#define MIDIBERTD_TRAIN_CHECKPOINT_H

#include "model/parameters.h"

#define CHECKPOINT_MORE_MAX 6

/* What a lesson, or the trainer, keeps beside the weights. */
struct checkpoint_array {
	const char *name;
	float *data;
	size_t elements;
};

struct checkpoint {
	uint64_t step;			/* steps finished */
	const char *fingerprint;	/* text of every option that the result depends on */
	float *values, *first, *second; /* [parameters->elements] */
	const struct checkpoint_array *more;
	int more_count; /* at most CHECKPOINT_MORE_MAX */
};

/* Written beside and renamed, so that a crash leaves the previous one. */
enum status checkpoint_write(const char *path, const struct parameters *parameters, const struct checkpoint *checkpoint,
			     struct error *error);
/* Fills the arrays and the step; refuses another network's or other options' state. */
enum status checkpoint_read(const char *path, const struct parameters *parameters, struct checkpoint *checkpoint,
			    struct error *error);

#endif
