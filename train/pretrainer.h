/* The lesson of `midibert pretrain`: the recoverer learns to fill in what the masker, chance or bars hide; the masker learns
 * what the recoverer finds hard (docs/MODEL.md, pre-training; arXiv 2407.08306, section 3). */
#ifndef MIDIBERTD_TRAIN_PRETRAINER_H
#define MIDIBERTD_TRAIN_PRETRAINER_H

#include "train/lesson.h"
#include "train/masker.h"
#include "train/sampler.h"

struct pretrainer_options {
	struct sampler_options sampler;
	enum masking masking;
	unsigned faults;       /* FAULT_... of train/masker.h, for comparison with the published code */
	uint64_t freeze_notes; /* a freezing of the mask book after so many notes; 0: none. Adversarial masking only */
	float masker_weight;   /* of the masker's loss beside the recoverer's */
	size_t validate_notes; /* about so many, spread over the validation part */
};

/* What it knows beside the weights. */
struct pretrainer_state {
	double frozen; /* share of the training part */
	uint64_t freezings;
	float weight[ATTRIBUTES]; /* of each attribute's loss */
};

/* Set-up thread; allocates room for `threads` training threads. The shape has no heads but those of pre-training, and the
 * training part has notes. Everything is borrowed. valid may be empty: attributes then weigh the same. */
enum status pretrainer_new(const struct network *network, const struct model_shape *shape, const struct dataset *train,
			   const struct dataset *valid, const struct pretrainer_options *options, int threads,
			   struct lesson *lesson, struct error *error);

/* Leading thread, between passes. */
struct pretrainer_state pretrainer_state(const struct lesson *lesson);

#endif
