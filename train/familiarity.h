/* Fits what model/familiar.h asks of a head: the Gaussian of its training part and the distances over which playing is no
 * longer like it (docs/MODEL.md, unknown). Passages are tokens as the stream has them when their last note has just come.
 * Offline; allocates. */
#ifndef MIDIBERTD_TRAIN_FAMILIARITY_H
#define MIDIBERTD_TRAIN_FAMILIARITY_H

#include "base/status.h"
#include "model/familiar.h"
#include "train/dataset.h"

#define FAMILIARITY_PLAYED_MAX 256

struct familiarity; /* listens to passages; one belongs to one thread */

/* For a head of setting played. NULL: no memory. The model is borrowed. */
struct familiarity *familiarity_new(const struct model *model, int head);
void familiarity_free(struct familiarity *familiarity); /* NULL is allowed */

#define FAMILIARITY_OWN_GRID (-1)

/* Features [d + FAMILIAR_STATISTICS] of the newest notes when notes[count] (16 to FAMILIARITY_PLAYED_MAX) have been played
 * and nothing before, on a grid of 120 bpm that began at start_us, or on their own. */
void familiarity_listen(struct familiarity *familiarity, const struct piece_note *notes, int count, int64_t start_us,
			float *features);

/* The same, as the head's distance and its strangeness. */
float familiarity_distance(struct familiarity *familiarity, const struct piece_note *notes, int count, int64_t start_us);
float familiarity_strangeness(struct familiarity *familiarity, const struct piece_note *notes, int count, int64_t start_us);

/* mean[F] and whiten[F][F] as model/parameters.h keeps them, F = d + FAMILIAR_STATISTICS, from passages of every piece whose
 * manifest `teaches` the head. STATUS_NOT_FOUND: too few of them. */
enum status familiarity_fit(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
			    float *mean, float *whiten, struct error *error);

/* Distances over which passages of 16, 32 and 64 notes are strange: as far as may be without taking more than 1 - coverage
 * of any kind of odd input (train/oddity.h) for music, but not nearer than that `coverage` of the dataset's passages do not
 * exceed them, nor four times farther. So music of other kinds than the training part is judged unless it is as far from it
 * as noise is. The model has its Gaussian. */
enum status familiarity_thresholds(const struct model *model, int head, const struct dataset *dataset, const bool *teaches,
				   double coverage, float thresholds[FAMILIAR_THRESHOLDS], struct error *error);

#endif
