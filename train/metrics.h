/* Figures of a classifier from what it said and what was true. Offline; pure but for memory that metrics_compute takes and
 * gives back. Rates are fractions 0-1. */
#ifndef MIDIBERTD_TRAIN_METRICS_H
#define MIDIBERTD_TRAIN_METRICS_H

#include "base/prediction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_CALIBRATION_BINS 15
#define METRICS_RESAMPLES 2000
#define METRICS_DRAWS 400
#define METRICS_BIN_ITEMS 10 /* at least, in a bin of equal count */

/* One thing that was judged: a note, a window or a piece. */
struct judgement {
	int8_t truth, predicted; /* classes from 0 */
	float confidence;	 /* probability of `predicted`, 0-1 */
	float miss;		 /* |expected - played| in MIDI velocity; 0 for other tasks */
};

struct metrics {
	int classes;
	size_t count;
	double accuracy;
	double macro_f1;    /* mean over the classes that occur, as truth or as prediction */
	double interval[2]; /* 95 % of accuracy, percentile bootstrap over pieces, always the same resamples */
	double ece;	    /* expected calibration error, bins of equal width */
	/* The same with bins of equal count, and what it would be on so many items, on average and in the worst twentieth of
	 * draws, if every confidence were exactly right: few items look wrongly calibrated by chance. Items count as drawn
	 * one by one; windows of one piece are not, so their chance is larger still. */
	double ece_adaptive, ece_chance, ece_chance_95;
	double mae;				      /* mean of miss */
	uint64_t confusion[CLASSES_MAX][CLASSES_MAX]; /* [true][predicted] */
};

/* items[0 .. piece_end[pieces - 1] - 1], grouped by piece: piece i ends before piece_end[i] (it may be empty).
 * False: no memory, or a class outside 0 .. classes - 1. All zero for no items. */
bool metrics_compute(const struct judgement *items, const size_t *piece_end, size_t pieces, int classes,
		     struct metrics *metrics);

/* One class against the rest; 0 where nothing would be divided. */
struct metrics_class {
	double precision, recall, f1;
};
struct metrics_class metrics_of_class(const struct metrics *metrics, int class);

#endif
