/* What a training run teaches: the part of a run that the trainer (train/trainer.h) drives and knows nothing of. Labelled
 * heads (train/labelled.h) or pre-training (train/pretrainer.h). A sequence must depend on seed, step and index alone. */
#ifndef MIDIBERTD_TRAIN_LESSON_H
#define MIDIBERTD_TRAIN_LESSON_H

#include "train/checkpoint.h"
#include "train/network.h"

#define LESSON_ARRAYS_MAX (CHECKPOINT_MORE_MAX - 2)

struct lesson {
	void *context;
	/* Training thread number `worker`: passes sequence `index` of a step, adds to gradient and score; returns its notes.
	 */
	uint64_t (*pass)(void *context, int worker, uint64_t step, int index, float *gradient, struct score *score);
	/* Training thread number `worker` of `workers`: its share of the validation part; adds to score. */
	void (*validate)(void *context, int worker, int workers, struct score *score);

	/* One figure of a validation, lower is better: what --patience goes by. NULL: there is no patience. */
	double (*judge)(const void *context, const struct score *score);

	/* All that follows may be NULL. Leading thread, no pass running, but for survey. */
	void (*validated)(void *context, const struct score *score); /* after a validation of the schedule */
	bool (*due)(void *context, uint64_t notes);		/* a step of so many notes is done; true asks for a survey */
	void (*survey)(void *context, int worker, int workers); /* looks at the training part with the present weights */
	void (*surveyed)(void *context);
	/* What the lesson keeps beside the weights goes through checkpoints in these arrays: pack fills them before one is
	 * written, unpack takes them over after one was read. */
	struct checkpoint_array array[LESSON_ARRAYS_MAX];
	int arrays;
	void (*pack)(void *context);
	void (*unpack)(void *context);
	void (*free)(void *context);
};

#endif
