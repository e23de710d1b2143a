/* The places of a take most worth hearing again, and what each rests on. Nothing is graded: a finding says where the playing
 * parts from what could be expected, from its own surroundings or from an older take, by how much and over how many notes.
 * Offline; allocates. */
#ifndef MIDIBERTD_REHEARSAL_FINDINGS_H
#define MIDIBERTD_REHEARSAL_FINDINGS_H

#include "rehearsal/align.h"
#include "rehearsal/curve.h"
#include "rehearsal/runs.h"
#include "rehearsal/take.h"

#define FINDINGS_MAX 10

enum finding_kind {
	FINDING_LOUD,	      /* a part is louder than expected: value, expected */
	FINDING_SOFT,	      /* softer */
	FINDING_COVERED,      /* the melody stands less above its accompaniment than expected: value, expected gap */
	FINDING_HANDS,	      /* one hand against the other: value: left minus right deviation, less reference: the same
			       * through the take; throughout: value alone */
	FINDING_SHAPE,	      /* the expectation rises or falls and the playing does not: value, expected change */
	FINDING_RUN_VELOCITY, /* a run of uneven loudness: value, expected unevenness or NAN */
	FINDING_RUN_TIMING,   /* a run of uneven time: value ms, reference: mean interval ms */
	FINDING_NOTE,	      /* one note stands out of its surroundings: value, expected */
	FINDING_LEFT_OUT,     /* notes of an older take that are not here: notes */
	FINDING_ADDED,	      /* notes that the older take has not */
	FINDING_CHANGED,      /* louder or softer than in the older take: value */
	FINDING_KINDS
};

struct finding {
	enum finding_kind kind;
	enum part part;
	bool throughout;	      /* it is about the whole take, not a place */
	size_t first_unit, last_unit; /* both included */
	int64_t start_us;
	double value, reference, spread; /* as the kind says; NAN where it has none */
	size_t notes;			 /* that it rests on */
	size_t note;			 /* the one that stands out, or SIZE_MAX */
	size_t older;			 /* index of the older take, or SIZE_MAX */
	double weight;			 /* what places are ordered by: differences in units of what is worth a word */
};

struct findings {
	struct finding list[FINDINGS_MAX]; /* heaviest first */
	size_t count;
	size_t considered; /* places that were worth a word at all */
};

struct findings_input {
	const struct take *take;
	const struct curve *curve;
	const struct runs *runs;
	const struct alignment *older; /* older_count of them */
	size_t older_count;
};

enum status findings_make(const struct findings_input *input, struct findings *findings, struct error *error);

#endif
