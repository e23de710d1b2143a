/* Inside findings: candidates, and those that are stretches of bars. */
#ifndef MIDIBERTD_REHEARSAL_FINDINGS_PLACES_H
#define MIDIBERTD_REHEARSAL_FINDINGS_PLACES_H

#include "rehearsal/findings.h"
#include "rehearsal/statistics.h"

/* What is worth a word: half a dynamic level for a mean of several notes, more for one note. */
#define FINDING_LEVEL_MIN 8.0
#define FINDING_GAP_MIN 8.0
#define FINDING_SHAPE_MIN 12.0 /* a rise or fall that is expected within a few bars */
#define FINDING_NOTE_MIN 24.0
#define FINDING_RUN_VELOCITY_MIN 9.0
#define FINDING_RUN_TIMING_MIN_MS 15.0
#define FINDING_RUN_TIMING_SHARE 0.15 /* of the run's interval */
#define FINDING_STRETCH_US 2000000    /* shorter bars are joined until they last so long */

struct candidates {
	struct finding *list;
	size_t count, room;
	bool failed; /* no memory */
};

/* Takes what weighs at least 1. */
void candidates_add(struct candidates *candidates, const struct finding *finding);

void findings_weigh_places(const struct findings_input *input, struct candidates *candidates);

#endif
