/* Small statistics over arrays that are sorted in place. Pure; no allocation; any thread. */
#ifndef MIDIBERTD_REHEARSAL_STATISTICS_H
#define MIDIBERTD_REHEARSAL_STATISTICS_H

#include <stddef.h>

/* Middle value, the mean of both middle ones for an even count; NAN of none. Sorts values; none may be NAN. */
double statistics_median(double *values, size_t count);

/* Standard deviation of what is left after the best straight line (values at 0, 1, 2, ...) is taken off, and the index of
 * the value farthest from that line. 0 for fewer than three. The rest of value i is written to rest[i] unless NULL. */
double statistics_rest(const double *values, size_t count, double *rest, size_t *farthest);

/* A mean that grows value by value. */
struct mean {
	double sum;
	size_t count;
};
void mean_add(struct mean *mean, double value); /* NAN is left out */
double mean_value(const struct mean *mean);	/* NAN of none */

#endif
