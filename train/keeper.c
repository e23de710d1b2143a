/* The weights that a run hands over, see keeper.h. Leading thread. Does not validate. */
#include "train/keeper.h"

#include <stdlib.h>
#include <string.h>

/* Numbers in an array of floats, for that is what checkpoints hold; steps by halves, which floats hold exactly. */
enum { BEST, WAITED, KEPT, STEP_LOW, STEP_HIGH, STATE };
#define HALF 65536u

struct keeper {
	struct keeper_options options;
	float *values; /* the best, or the sum of those to be averaged */
	float state[STATE];
};

struct keeper *keeper_new(const struct keeper_options *options)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);
	if (!keeper)
		return NULL;
	keeper->options = *options;
	keeper->values = calloc(options->elements, sizeof *keeper->values);
	if (!keeper->values) {
		keeper_free(keeper);
		return NULL;
	}
	return keeper;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	free(keeper->values);
	free(keeper);
}

static void note(struct keeper *keeper, uint64_t step, double figure)
{
	keeper->state[BEST] = (float)figure;
	keeper->state[STEP_LOW] = (float)(step % HALF);
	keeper->state[STEP_HIGH] = (float)(step / HALF);
}

void keeper_look(struct keeper *keeper, uint64_t step, double figure, const float *values)
{
	const struct keeper_options *o = &keeper->options;
	if (o->average > 0 && step + (uint64_t)o->average * o->every > o->steps) {
		for (size_t i = 0; i < o->elements; i++)
			keeper->values[i] += values[i];
		keeper->state[KEPT]++;
		note(keeper, step, figure);
	} else if (o->patience > 0 && (keeper->state[KEPT] == 0 || (float)figure < keeper->state[BEST])) {
		memcpy(keeper->values, values, o->elements * sizeof *values);
		keeper->state[KEPT] = 1;
		keeper->state[WAITED] = 0;
		note(keeper, step, figure);
	} else {
		keeper->state[WAITED]++;
	}
}

bool keeper_is_done(const struct keeper *keeper)
{
	return keeper->options.patience > 0 && keeper->state[WAITED] >= (float)keeper->options.patience;
}

bool keeper_has(const struct keeper *keeper, uint64_t *step, double *figure)
{
	*step = (uint64_t)keeper->state[STEP_HIGH] * HALF + (uint64_t)keeper->state[STEP_LOW];
	*figure = (double)keeper->state[BEST];
	return keeper->state[KEPT] > 0;
}

void keeper_take(const struct keeper *keeper, float *values)
{
	for (size_t i = 0; keeper->state[KEPT] > 0 && i < keeper->options.elements; i++)
		values[i] = keeper->values[i] / keeper->state[KEPT];
}

int keeper_arrays(struct keeper *keeper, struct checkpoint_array *arrays)
{
	arrays[0] = (struct checkpoint_array){"kept", keeper->values, keeper->options.elements};
	arrays[1] = (struct checkpoint_array){"keeper", keeper->state, STATE};
	return 2;
}
