/* Medians, straight lines and means, see statistics.h. Any thread. */
#include "rehearsal/statistics.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double statistics_median(double *values, size_t count)
{
	if (count == 0)
		return (double)NAN;
	qsort(values, count, sizeof *values, compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

double statistics_rest(const double *values, size_t count, double *rest, size_t *farthest)
{
	double middle = ((double)count - 1) / 2, mean = 0, across = 0, along = 0, sum = 0, most = -1;
	if (farthest)
		*farthest = 0;
	for (size_t i = 0; i < count; i++)
		mean += values[i] / (double)count;
	for (size_t i = 0; i < count; i++) {
		across += ((double)i - middle) * (values[i] - mean);
		along += ((double)i - middle) * ((double)i - middle);
	}
	double slope = along > 0 ? across / along : 0;
	for (size_t i = 0; i < count; i++) {
		double left = values[i] - mean - slope * ((double)i - middle);
		sum += left * left;
		if (rest)
			rest[i] = left;
		if (fabs(left) > most) {
			most = fabs(left);
			if (farthest)
				*farthest = i;
		}
	}
	return count < 3 ? 0 : sqrt(sum / (double)(count - 2));
}

void mean_add(struct mean *mean, double value)
{
	if (isnan(value))
		return;
	mean->sum += value;
	mean->count++;
}

double mean_value(const struct mean *mean)
{
	return mean->count ? mean->sum / (double)mean->count : (double)NAN;
}
