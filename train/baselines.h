/* Cheap answers that a model must beat, computed on the same notes or pieces as its own figures (docs/MODEL.md, baselines).
 * Offline; allocates. */
#ifndef MIDIBERTD_TRAIN_BASELINES_H
#define MIDIBERTD_TRAIN_BASELINES_H

#include "base/status.h"
#include "train/dataset.h"
#include "train/metrics.h"
#include "train/task.h"

#define BASELINES_MAX 4

struct baseline {
	const char *name;   /* majority, skyline, causal_blend, naive_bayes */
	const char *fitted; /* on what: "train", "evaluated" (flatters it), or NULL where nothing is fitted */
	struct metrics metrics;
};

/* Every baseline of the task, over the pieces of `set` (or all: EVALUATE_ALL_SETS) that have a truth. train may be NULL:
 * then majority is fitted on the evaluated pieces themselves and naive Bayes is left out. */
enum status baselines_compute(const struct task *task, const struct dataset *dataset, int set, const struct dataset *train,
			      struct baseline baselines[BASELINES_MAX], int *count, struct error *error);

/* Skyline: a note is melody when no higher note begins at its grid position or still sounds there, else accompaniment.
 * class[piece->count]. */
void baseline_skyline(const struct piece *piece, int8_t *class);

/* Causal blend: the mean of (a) the mean velocity of the last 8 notes and (b) the velocity of the nearest pitch among the
 * last 16 (the later one of two). The first note gets 64. expected[piece->count], MIDI velocity. */
void baseline_blend(const struct piece *piece, float *expected);

/* Naive Bayes over histograms of pitch, duration, velocity and time since the note before, add-one smoothed. */
struct bayes;
struct bayes *bayes_new(int classes); /* NULL without memory */
void bayes_free(struct bayes *bayes); /* NULL is allowed */
void bayes_learn(struct bayes *bayes, const struct piece *piece, int class);
/* The most probable class of a piece; probability (of that class) may be NULL. */
int bayes_classify(const struct bayes *bayes, const struct piece *piece, float *probability);

#endif
