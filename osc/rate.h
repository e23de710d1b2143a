/* At most so many a second: a bucket that refills. Time is handed in. */
#ifndef MIDIBERTD_OSC_RATE_H
#define MIDIBERTD_OSC_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t interval_us; /* between two, in the long run */
	int64_t burst_us;    /* what may be saved up */
	int64_t paid_us;     /* time up to which the bucket has been emptied; 0 at first */
};

/* per_second, of which all may come at once. */
static inline struct rate rate_new(int per_second)
{
	return (struct rate){.interval_us = 1000000 / per_second, .burst_us = 1000000, .paid_us = INT64_MIN / 2};
}

/* True: one more may pass now. */
static inline bool rate_take(struct rate *rate, int64_t now_us)
{
	if (rate->paid_us < now_us - rate->burst_us || rate->paid_us > now_us)
		rate->paid_us = now_us - rate->burst_us;
	if (rate->paid_us + rate->interval_us > now_us)
		return false;
	rate->paid_us += rate->interval_us;
	return true;
}

#endif
