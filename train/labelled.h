/* The lesson of `midibert finetune`: sequences drawn for labelled heads, validated a head at a time on clean input. */
#ifndef MIDIBERTD_TRAIN_LABELLED_H
#define MIDIBERTD_TRAIN_LABELLED_H

#include "train/lesson.h"
#include "train/sampler.h"

/* Set-up thread; allocates room for `threads` training threads. Everything is borrowed. valid may be empty. */
enum status labelled_new(const struct network *network, const struct model_shape *shape, const struct dataset *train,
			 const struct corpus *train_corpora, int train_count, const struct dataset *valid,
			 const struct corpus *valid_corpora, int valid_count, const struct sampler_options *options,
			 size_t validate_notes, int threads, struct lesson *lesson, struct error *error);

#endif
