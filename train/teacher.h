/* Teachers: weights that have been trained already, and what they say of each note of the training part once the piece is
 * finished (docs/MODEL.md, training). Who is taught hears the same notes cut off, hidden, or as a stream knows them, and is
 * told not the label alone, but how sure somebody was who heard all of it. Offline. */
#ifndef MIDIBERTD_TRAIN_TEACHER_H
#define MIDIBERTD_TRAIN_TEACHER_H

#include "base/status.h"
#include "model/model.h"
#include "train/sampler.h"

#define TEACHERS_MAX 8

struct teacher;

/* Set-up thread; allocates a byte a note and class, then hears every piece on so many threads; progress (may be NULL) is
 * called after each, by one thread at a time. Asked are those note heads of `shape`, played and hidden, that a model has,
 * too, in the pieces of the manifests that teach them; of several models that have one the mean counts. Causal heads are
 * left out: they are asked without what comes later anyhow. STATUS_BAD_DATA: a model has none of the heads, or one with
 * other labels. Everything is borrowed until this returns. The result does not depend on the number of threads. */
enum status teacher_new(const struct model_shape *shape, const struct dataset *dataset, const struct corpus *corpora,
			struct model *const *models, int count, int threads,
			void (*progress)(void *context, size_t done, size_t count), void *context, struct teacher **teacher,
			struct error *error);
void teacher_free(struct teacher *teacher); /* NULL is allowed */

/* Training threads. Whether anything is known of this head in this piece. */
bool teacher_knows(const struct teacher *teacher, size_t piece, int head);
/* What is: probability[C] of a note, which sums to 1 within rounding. */
void teacher_answer(const struct teacher *teacher, size_t piece, int head, size_t note, float *probability);

#endif
