/* Two takes of one piece laid side by side note by note, whatever their tempi: chords are matched in order by the pitches
 * they share, and what has no partner was added or left out. Offline; allocates. */
#ifndef MIDIBERTD_REHEARSAL_ALIGN_H
#define MIDIBERTD_REHEARSAL_ALIGN_H

#include "rehearsal/take.h"

#define ALIGN_NONE SIZE_MAX

/* What has become of a unit of the newer take since the older one. NAN where no note has a partner. */
struct align_unit {
	size_t matched, added, left_out; /* notes; left_out: only the older take has them, near here */
	double velocity; /* newer minus older, mean over matched notes, less the difference of the two takes' levels */
	double tempo;	 /* how many times as fast as the older take */
};

struct align_gap {     /* notes in a row that one take has and the other has not */
	bool left_out; /* only the older take has them; otherwise only the newer one */
	size_t notes;
	size_t unit, older_unit; /* where it begins in either take */
	int64_t onset_us;	 /* in the take that has the notes */
	int64_t newer_us;	 /* in the newer take */
};

struct alignment {
	size_t *older_of; /* by note of the newer take: its partner in the older one, or ALIGN_NONE */
	size_t *newer_of; /* the other way round */
	size_t matched, added, left_out;
	double level;		  /* newer minus older velocity, median over matched notes; NAN without any */
	double tempo;		  /* how many times as fast, over everything that is matched; NAN without two */
	struct align_unit *units; /* by unit of the newer take */
	struct align_gap *gaps;	  /* of ALIGN_GAP_NOTES and more, in order of time */
	size_t gap_count;
};

#define ALIGN_GAP_NOTES 4

/* On failure (STATUS_NO_MEMORY) *alignment is empty. */
enum status align_takes(const struct take *newer, const struct take *older, struct alignment *alignment,
			struct error *error);
void alignment_free(struct alignment *alignment);

#endif
