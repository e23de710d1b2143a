/* A report: one take, everything found out about it, and older takes laid beside it. Offline; allocates. */
#ifndef MIDIBERTD_REHEARSAL_REPORT_H
#define MIDIBERTD_REHEARSAL_REPORT_H

#include "model/model.h"
#include "rehearsal/align.h"
#include "rehearsal/curve.h"
#include "rehearsal/findings.h"
#include "rehearsal/runs.h"
#include "rehearsal/take.h"

struct report {
	struct take take;
	struct curve curve;
	struct runs runs;
	struct findings findings;
	struct take *older;	  /* in the order they were named */
	struct alignment *beside; /* the take beside each of them */
	size_t older_count;
	const struct model *model; /* borrowed */
};

/* paths[0] is the take, the others are older takes of the same piece. curve: see take_calibrate. On failure *report is
 * empty. */
enum status report_make(const struct model *model, const char *const *paths, size_t count, enum take_grid grid,
			const char *curve, struct report *report, struct error *error);
void report_free(struct report *report);

/* Share of notes whose expectation is narrow enough to be spoken of, 0-1. */
double report_judged_share(const struct report *report);
/* Mean confidence of the hands, 0-1, and how many notes have a hand. */
double report_hand_confidence(const struct report *report, size_t *known);

#endif
