/* Whether a model notices what is not its kind of playing (docs/MODEL.md, unknown): passages of pieces, and odd inputs of
 * every kind, played through engine/ on the virtual clock and a grid of 120 bpm, as a keyboard alone has it. Offline;
 * allocates; one thread. */
#ifndef MIDIBERTD_TRAIN_UNKNOWN_H
#define MIDIBERTD_TRAIN_UNKNOWN_H

#include "base/status.h"
#include "engine/engine.h"
#include "train/dataset.h"
#include "train/oddity.h"

#define UNKNOWN_HEADS 3	  /* melody, style, emotion */
#define UNKNOWN_NOTES 128 /* of a passage, unless asked for another length */
#define UNKNOWN_EACH 50	  /* odd inputs of a kind */

struct unknown_options {
	struct engine_options engine;
	int notes; /* of a passage: 16 to 256 */
	int each;  /* odd inputs of a kind */
	uint64_t seed;
};

/* What was heard of passages of one sort. */
struct unknown_figures {
	size_t passages;
	double unknown;		 /* melody: share of notes whose final label is unknown; else of passages */
	double confidence;	 /* mean of what was sent, 0-1 */
	double auroc;		 /* of strangeness at the end of a passage against that of familiar passages; NaN: none */
	double auroc_confidence; /* of 1 - confidence */
};

struct unknown_head {
	enum prediction_kind kind;
	int head;			 /* of the model */
	struct unknown_figures familiar; /* pieces that have labels of this head */
	struct unknown_figures other;	 /* further pieces of the manifests: other music */
	struct unknown_figures odd[ODDITIES];
};

struct unknown_report {
	int heads;
	struct unknown_head head[UNKNOWN_HEADS];
};

/* STATUS_UNSUPPORTED: no head that is published knows what is familiar; STATUS_NOT_FOUND: no piece is long enough. */
enum status unknown_measure(const struct model *model, const struct dataset *dataset, const struct unknown_options *options,
			    struct unknown_report *report, struct error *error);

/* Area under the curve of telling `odd` from `usual` by larger values; ties count half; NaN without either. Sorts both. */
double unknown_auroc(float *usual, size_t usual_count, float *odd, size_t odd_count);

#endif
