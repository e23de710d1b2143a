/* Numbers, times and places as short texts. Pure; any thread. */
#ifndef MIDIBERTD_REHEARSAL_WORD_H
#define MIDIBERTD_REHEARSAL_WORD_H

#include "rehearsal/take.h"

struct word {
	char text[80];
};

struct word word_count(size_t count);
struct word word_number(double value, int decimals); /* NAN: an en dash */
struct word word_signed(double value, int decimals); /* with + or - */
struct word word_time(int64_t us);		     /* m:ss */
/* "Bar 3 (0:07)", "Bars 3 to 5 (0:07)", "At 0:07", "From 0:07 to 0:11"; unit indices from 0. */
struct word word_place(const struct take *take, size_t first, size_t last);

#endif
