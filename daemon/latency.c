/* A ring of delays, see latency.h. osc thread. Reads no clock. */
#include "daemon/latency.h"

#include <stdlib.h>

void latency_add(struct latency *latency, int64_t at_us, int64_t delay_us)
{
	latency->at_us[latency->next] = at_us;
	latency->delay_us[latency->next] = delay_us < 0 ? 0 : delay_us > INT32_MAX ? INT32_MAX : (int32_t)delay_us;
	latency->next = (latency->next + 1) % LATENCY_SAMPLES;
	if (latency->count < LATENCY_SAMPLES)
		latency->count++;
}

static int compare(const void *a, const void *b)
{
	int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
	return (left > right) - (left < right);
}

bool latency_percentiles(struct latency *latency, int64_t now_us, int32_t percentile_us[3])
{
	static const size_t percent[3] = {50, 95, 99};
	size_t count = 0;
	while (count < latency->count) {
		size_t i = (latency->next + LATENCY_SAMPLES - 1 - count) % LATENCY_SAMPLES;
		if (latency->at_us[i] < now_us - LATENCY_SPAN_US)
			break;
		latency->sorted[count++] = latency->delay_us[i];
	}
	latency->count = count; /* older ones are of no use any more */
	if (count == 0)
		return false;
	qsort(latency->sorted, count, sizeof latency->sorted[0], compare);
	for (int i = 0; i < 3; i++)
		percentile_us[i] = latency->sorted[(count * percent[i] + 99) / 100 - 1];
	return true;
}
