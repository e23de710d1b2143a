/* How well the beat is tracked from the notes alone: performances played event by event to stream/tracker.h, each beat
 * counted at the time it was announced, against annotated beats within 70 ms. Figures are means over pieces. Offline;
 * allocates. */
#ifndef MIDIBERTD_TRAIN_EVALUATE_BEAT_H
#define MIDIBERTD_TRAIN_EVALUATE_BEAT_H

#include "train/rhythm_piece.h"

#define BEAT_TOLERANCE_S 0.07
#define BEAT_WARM_UP_S 5.0 /* beats before it are usually left out of published figures; ours count them */

struct beat_score { /* of one method */
	double f1, precision, recall;
	double interval[2]; /* 95 % of f1, bootstrap by piece */
	double downbeat_f1;
	double tolerant_f1; /* the best of: as it is, every other beat, twice as many, between the beats */
	double later_f1;    /* beats after the first five seconds alone */
};

struct beat_evaluation {
	size_t files, beats; /* pieces judged, beats annotated */
	struct beat_score tracker;
	struct beat_score steady;   /* 120 bpm from the first note on */
	struct beat_score interval; /* so often as notes begin, doubled until 0.4 s are reached; of the whole piece */
	double music_s, processor_s;
};

enum status evaluate_beat(const struct rhythm_pieces *pieces, const struct rhythm_network *network,
			  struct beat_evaluation *evaluation, struct error *error);

/* F1 of times within BEAT_TOLERANCE_S of each other, each matched at most once; both ascending. */
double beat_f1(const double *said, size_t said_count, const double *true_s, size_t true_count, size_t *matches);

#endif
