/* Fits the texture layer of a sequence head (model/texture.h; docs/MODEL.md, texture): multinomial logistic regression on
 * passages of the training part, and how much it counts beside the network, chosen on the validation part. Offline; one
 * thread; the same bits for the same input. */
#ifndef MIDIBERTD_TRAIN_TEXTURE_FIT_H
#define MIDIBERTD_TRAIN_TEXTURE_FIT_H

#include "base/status.h"
#include "model/model.h"
#include "train/dataset.h"

struct texture_part {
	const struct dataset *dataset;
	const bool *teaches; /* by piece.set: whether its labels are this head's */
};

/* Where the layer goes, as the file keeps it: [TEXTURE_SIZE] each, [C][TEXTURE_SIZE], [C]. */
struct texture_layer {
	float *mean, *deviation, *weight, *bias;
};

/* What was found, for whoever wants to tell. Cross-entropies in nats on passages of a span of the validation part. */
struct texture_found {
	size_t passages; /* of the training part */
	double decay, share;
	double network, texture, both;
	double temperature; /* of the sum, in the file's units */
	float strange;	    /* distance over which texture is strange: see train/familiarity.h, thresholds */
};

/* For a head of level sequence and setting played. coverage: share of the validation part that stays familiar. The network's
 * logits come from `model`; a texture layer that it has already is not heard. STATUS_NOT_FOUND: a part without labelled
 * pieces. */
enum status texture_fit(const struct model *model, int head, const struct texture_part *train,
			const struct texture_part *valid, double coverage, const struct texture_layer *layer,
			struct texture_found *found, struct error *error);

#endif
