/* What an alignment says unit by unit: differences of velocity and tempo, and longer stretches that one take lacks. Private
 * to align.c and its tests. */
#ifndef MIDIBERTD_REHEARSAL_ALIGN_UNITS_H
#define MIDIBERTD_REHEARSAL_ALIGN_UNITS_H

#include "rehearsal/align.h"

/* Fills everything but the pairs and `matched`. False: no memory. */
bool align_units(const struct take *newer, const struct take *older, struct alignment *alignment);

#endif
