/* The delays of the last ten seconds and their percentiles. osc thread only; no allocation. */
#ifndef MIDIBERTD_DAEMON_LATENCY_H
#define MIDIBERTD_DAEMON_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LATENCY_SAMPLES 8192 /* the newest; more than 800 notes a second are more than any player's */
#define LATENCY_SPAN_US 10000000

struct latency {
	int64_t at_us[LATENCY_SAMPLES]; /* when the answer had been sent */
	int32_t delay_us[LATENCY_SAMPLES];
	int32_t sorted[LATENCY_SAMPLES];
	size_t next, count;
};

/* All zero is empty. */
void latency_add(struct latency *latency, int64_t at_us, int64_t delay_us);

/* p50, p95 and p99 in microseconds of what was added in the last ten seconds; false: nothing was. A percentile is the
 * smallest delay that so many percent do not exceed. */
bool latency_percentiles(struct latency *latency, int64_t now_us, int32_t percentile_us[3]);

#endif
