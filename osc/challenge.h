/* Subscriptions that wait for a proof: a number was sent to the port that is to receive, and whoever reads it there sends
 * it back. So a forged source address cannot turn the daemon against a third. A bounded table; osc thread alone; time is
 * handed in. */
#ifndef MIDIBERTD_OSC_CHALLENGE_H
#define MIDIBERTD_OSC_CHALLENGE_H

#include "osc/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define CHALLENGES_MAX 16
#define CHALLENGE_GUESSES 3

struct challenge {
	struct endpoint target; /* where the stream is to go */
	char pattern[104];
	int32_t number; /* 1 to 2^24 - 1, which Pure Data's floats hold exactly; 0: free slot */
	int wrong;	/* numbers that came from this host and were not it */
	int64_t end_us;
};

struct challenge_table {
	struct challenge slot[CHALLENGES_MAX];
};

/* The number to send to target: a new one, or that of a challenge that still waits. A full table gives up its oldest.
 * 0: the system has no randomness. */
int32_t challenge_make(struct challenge_table *table, const struct endpoint *target, const char *pattern, int64_t end_us);

/* Takes the challenge that this number, coming from any port of the target's host, answers. */
bool challenge_take(struct challenge_table *table, const struct endpoint *sender, int32_t number, struct challenge *taken);

void challenge_expire(struct challenge_table *table, int64_t now_us);
int64_t challenge_deadline(const struct challenge_table *table); /* INT64_MAX: none waits */

#endif
