/* Training of the beat tracker's network (stream/rhythm.h) from performances with annotated beats: sequences of onsets in
 * parallel, truncated back-propagation through time, AdamW. The pieces are heard through stream/rhythm_ear.h as a stream
 * would hear them, each time disturbed anew: tempo, register and loudness scaled, notes missing, onsets uneven, pedals
 * unknown. The result depends on options, seed and data alone. Offline; one thread; allocates. */
#ifndef MIDIBERTD_TRAIN_RHYTHM_TRAIN_H
#define MIDIBERTD_TRAIN_RHYTHM_TRAIN_H

#include "engine/rhythm_file.h"
#include "train/optimiser.h"
#include "train/rhythm_piece.h"

struct rhythm_train_options {
	int units;
	int batch, rows; /* sequences side by side; onsets before the gradient is cut */
	uint64_t steps, report_steps;
	double rate, decay, dropout;
	struct rhythm_rubato rubato;
	uint64_t seed;
};

struct rhythm_train_progress {
	uint64_t step;
	double phase, period, downbeat; /* mean losses since the last report */
	const float *values;		/* averaged over the last steps, in rhythm_layout's order */
};

/* values[rhythm_layout(units)] are overwritten with a random start and trained; an average over the last
 * steps is left in them. report may be NULL; stop is asked every step
 * and may be NULL. STATUS_INTERRUPTED: stopped; values are as far as they got. */
enum status rhythm_train(const struct rhythm_piece *pieces, size_t count, const struct rhythm_train_options *options,
			 float *values, void (*report)(void *context, const struct rhythm_train_progress *progress),
			 bool (*stop)(void *context), void *context, struct error *error);

/* One pass forwards and backwards over the first rows of a piece, without dropout: the mean loss and its gradient. For the
 * check of gradients. */
enum status rhythm_train_gradient(const struct rhythm_piece *piece, int units, int rows, const float *values,
				  float *gradient, double *loss, struct error *error);

#endif
