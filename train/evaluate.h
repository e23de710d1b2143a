/* How well a model answers on pieces whose truth is known: clean input, whole pieces, one global ratio over real notes
 * (docs/MODEL.md, evaluation). `midibert eval` and the trainer both call it. Offline; allocates; the figures do not depend
 * on the number of threads. */
#ifndef MIDIBERTD_TRAIN_EVALUATE_H
#define MIDIBERTD_TRAIN_EVALUATE_H

#include "base/status.h"
#include "model/model.h"
#include "train/dataset.h"
#include "train/metrics.h"
#include "train/task.h"

#define EVALUATE_ALL_SETS (-1)

struct evaluate_options {
	int window;  /* note heads: notes a note looks back on; sequence heads: notes a passage. 0: the model's span */
	int threads; /* 0: as many as the process has cores */
	int set;     /* pieces of this manifest alone (piece.set), or EVALUATE_ALL_SETS */
};

struct evaluation {
	size_t files;		 /* pieces that were judged */
	size_t skipped;		 /* pieces without a label of this task */
	struct metrics metrics;	 /* over notes; of a sequence head over pieces */
	struct metrics passages; /* sequence heads only */
};

/* One head over a dataset. Matrix products are set to one thread each: pieces run side by side.
 * STATUS_UNSUPPORTED: the head is of the other level, or its labels are not known; STATUS_NOT_FOUND: no piece has a label.
 */
enum status evaluate_note_task(const struct model *model, int head, const struct dataset *dataset,
			       const struct evaluate_options *options, struct evaluation *evaluation, struct error *error);
enum status evaluate_sequence_task(const struct model *model, int head, const struct dataset *dataset,
				   const struct evaluate_options *options, struct evaluation *evaluation,
				   struct error *error);

/* What evaluate_* judges by: classes and expectation from a head's probabilities. Dynamics of a velocity head are summed. */
struct judgement evaluate_note(const struct task *task, const struct head_spec *head, const float *probability,
			       const struct piece *piece, const struct piece_note *note);

#endif
