/* Makes confidences mean what they say: one temperature a head, fitted on pieces that were not trained on (docs/MODEL.md,
 * calibration). Offline; allocates. */
#ifndef MIDIBERTD_TRAIN_CALIBRATE_H
#define MIDIBERTD_TRAIN_CALIBRATE_H

#include "base/status.h"
#include "model/model.h"
#include "train/dataset.h"

/* The temperature by which the logits of this head have the smallest cross-entropy on the labels of the pieces whose
 * manifest `teaches` it (teaches[piece.set]): notes of a note head, passages of a span of a sequence head. The model's own
 * temperature for this head is taken into account. Unchanged when no piece has a label. */
enum status calibrate_head(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			   float *temperature, struct error *error);

/* The temperature of a sequence head's answers to whole pieces (listener_pool) with the smallest cross-entropy; the model's
 * own is taken into account. Unchanged when no piece has a label. */
enum status calibrate_pieces(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			     float *temperature, struct error *error);

/* The temperature, 0.2 to 5, by which logits [count][classes] have the smallest mean cross-entropy; *reached, if asked for:
 * that, in nats. count at least 1. Pure. */
double calibrate_temperature(const float *logits, const int8_t *truth, size_t count, int classes, double *reached);

#endif
