/* Runs: eight or more single notes that follow each other by step or small leap in even time (scales, arpeggios, trills,
 * Alberti figures), found in any voice; and how even each is once its own crescendo and ritardando are taken off.
 * Offline; allocates. */
#ifndef MIDIBERTD_REHEARSAL_RUNS_H
#define MIDIBERTD_REHEARSAL_RUNS_H

#include "rehearsal/take.h"

#define RUN_NOTES_MIN 8
#define RUN_NOTES_MAX 32 /* longer ones are cut into parts of equal length, so that a figure belongs to a place */

struct run {
	size_t *notes; /* indices into the take's notes */
	size_t count;
	double interval_ms;	     /* mean time between onsets */
	double velocity_unevenness;  /* standard deviation around a straight line, MIDI velocity */
	double expected_unevenness;  /* the same of the expected velocities; NAN unless all are judged */
	double timing_unevenness_ms; /* standard deviation of the intervals around a straight line */
	size_t loudest_step;	     /* place in the run (from 0) of the note farthest from the line of velocities */
	double loudest_apart;	     /* how far: above the line positive */
	size_t latest_step;	     /* note that ends the interval farthest from its line */
	double latest_apart_ms;	     /* late is positive */
};

struct runs {
	struct run *runs; /* by their first note */
	size_t count;
};

/* Finds the runs and fills `run` of every note that is in one. On failure (STATUS_NO_MEMORY) *runs is empty. */
enum status runs_find(struct take *take, struct runs *runs, struct error *error);
void runs_free(struct runs *runs);

#endif
