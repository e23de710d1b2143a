/* Melody against what accompanies it, note by note: how much earlier it comes, and how its notes join. Pure; any thread. */
#ifndef MIDIBERTD_REHEARSAL_VOICING_H
#define MIDIBERTD_REHEARSAL_VOICING_H

#include "rehearsal/take.h"

#define VOICING_TOGETHER_MS 70 /* accompaniment this close to a melody onset is meant to sound with it */
#define VOICING_NEXT_MS 1500   /* melody notes farther apart than this do not join */

/* Fills lead_ms and overlap_ms of melody notes, and leaves the others as they are. */
void voicing_measure(struct take *take);

#endif
