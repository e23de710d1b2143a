/* The training loop: batches over threads, optimiser, validation, checkpoints. The result depends on the options and the
 * seed alone, not on the number of threads or on interruptions. */
#ifndef MIDIBERTD_TRAIN_TRAINER_H
#define MIDIBERTD_TRAIN_TRAINER_H

#include "train/lesson.h"
#include "train/optimiser.h"
#include "train/sampler.h"

struct trainer_options {
	struct sampler_options sampler;
	struct optimiser_options optimiser;
	struct network_options network;
	int shards;  /* parts of a batch with a gradient of their own: what threads can work on; decides the order of sums */
	int threads; /* at most shards */
	const char *checkpoint; /* file that keeps the state; written every checkpoint_s seconds and at the end */
	int checkpoint_s;
	uint64_t stop_after;   /* end after this step, short of optimiser.steps; 0: train them all */
	int validate_steps;    /* validate every so many steps */
	size_t validate_notes; /* about so many of each head, spread over its validation part; 0: none */
	int patience;	       /* end after so many validations without a better figure, with the best weights; 0: never */
	int average;	       /* end with the mean of the weights at the last so many validations; 0: the last ones */
};

/* What a validation found, per head. */
struct validation {
	struct score score;
};

struct trainer_progress {
	uint64_t step, steps;
	double notes_per_s, left_s; /* rate of this run; time left at that rate */
	double rate, norm;
	struct score score;		     /* since the last report */
	const struct validation *validation; /* NULL but after a validation */
};

struct trainer;

/* Trains a lesson over a network that is made already. values[parameters->elements] hold the start and are trained in place.
 * fingerprint: every option that the result depends on, so that a checkpoint is not continued under other rules by mistake;
 * at most 3000 bytes of it count. options->sampler gives the batch and the seed only. Everything is borrowed, but the lesson
 * is freed with the trainer, or at once if this fails. */
enum status trainer_new_lesson(struct network *network, const struct parameters *parameters, float *values,
			       const struct lesson *lesson, const char *fingerprint, const struct trainer_options *options,
			       struct trainer **trainer, struct error *error);

/* The lesson of labelled heads (train/labelled.h), network included. Everything is borrowed. valid may be empty. */
enum status trainer_new(const struct model_shape *shape, const struct parameters *parameters, float *values,
			const struct dataset *train, const struct corpus *train_corpora, int train_count,
			const struct dataset *valid, const struct corpus *valid_corpora, int valid_count,
			const struct trainer_options *options, struct trainer **trainer, struct error *error);
void trainer_free(struct trainer *trainer); /* NULL is allowed */

/* Continues from the checkpoint. Refused when it was made with other options. */
enum status trainer_resume(struct trainer *trainer, struct error *error);

/* Trains to the last step, or to stop_after, or until patience ends; then values are the weights to hand over, while the
 * checkpoint holds the last ones. report is called every few seconds and after validations; stop is asked every
 * step. STATUS_INTERRUPTED: stopped, the checkpoint holds the last finished step. */
enum status trainer_run(struct trainer *trainer, void (*report)(void *context, const struct trainer_progress *progress),
			bool (*stop)(void *context), void *context, struct error *error);

/* With patience or average: true when a validation has been, and the step and figure of the weights that trainer_run hands
 * over (of a mean: of the last). */
bool trainer_kept(const struct trainer *trainer, uint64_t *step, double *figure);

#endif
