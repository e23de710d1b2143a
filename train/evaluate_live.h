/* How right a model is in the stream: whole files played event by event through engine/ on the virtual clock, as the daemon
 * plays them at --speed 0, and every answer noted when it stood (docs/MODEL.md, evaluation). The answers judged are the
 * most probable classes, sure enough to be published or not; coverage says how many were. Offline; allocates; the figures
 * do not depend on the number of threads. */
#ifndef MIDIBERTD_TRAIN_EVALUATE_LIVE_H
#define MIDIBERTD_TRAIN_EVALUATE_LIVE_H

#include "engine/engine.h"
#include "stream/rhythm.h"
#include "train/dataset.h"
#include "train/evaluate.h"
#include "train/metrics.h"

#define LIVE_LOOKAHEADS 7
extern const int live_lookaheads[LIVE_LOOKAHEADS]; /* 0, 1, 2, 4 ... 32 later notes */

struct evaluate_live_options {
	struct engine_options engine; /* as the daemon is told; window 0: the model's span, not the daemon's default */
	double bpm;		      /* of a steady grid, 16-256; 0: the file's own tempo map, which no keyboard sends */
	const struct rhythm_network *network; /* the grid is the beat tracker's, with this network; NULL: it is not */
	int threads;			      /* 0: as many as the process has cores */
	int set;			      /* pieces of this manifest alone (piece.set), or EVALUATE_ALL_SETS */
};

/* Seconds from a piece's first note; median over all pieces, one that never gets there is later than all others. */
struct live_delay {
	size_t never;	 /* pieces */
	double median_s; /* infinite where half of the pieces never get there */
};

struct live_evaluation {
	size_t files;	/* pieces that were judged */
	size_t skipped; /* pieces without a label of this task */
	/* Note heads: final labels, over notes. Sequence heads: the last answer, over pieces. */
	struct metrics metrics;
	double coverage;	   /* of them, the share that was sure enough to be published as a class */
	double selective_accuracy; /* of that share */

	/* Note heads. [i]: labels as they stood after the inference in which live_lookaheads[i] later notes had been heard
	 * (all notes of one arrival time are heard in one inference); over the notes that have so many later ones. */
	struct {
		size_t count;
		double accuracy;
	} by_lookahead[LIVE_LOOKAHEADS];
	double flips_per_100_notes; /* changes of the class after the first answer */
	double stable_median_ms,
	    stable_p90_ms; /* from a note's onset to the last change of its class, or its first answer */

	/* Sequence heads. */
	struct metrics answers; /* over every answer that was published */
	size_t unanswered;	/* pieces too short for any; they are not in metrics */
	struct live_delay first_right, stays_right;
};

/* Reads the dataset's files again. Matrix products are set to one thread each: pieces are played side by side.
 * STATUS_UNSUPPORTED: the stream does not publish this head, or its labels are not known; STATUS_NOT_FOUND: no piece has a
 * label; STATUS_USAGE: a window that the model does not allow. */
enum status evaluate_live(const struct model *model, int head, const struct dataset *dataset,
			  const struct evaluate_live_options *options, struct live_evaluation *evaluation,
			  struct error *error);

#endif
