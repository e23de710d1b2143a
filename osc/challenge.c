/* Challenges that wait for their answer; osc thread. Sends nothing itself. */
#define _GNU_SOURCE
#include "osc/challenge.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static int32_t draw(void)
{
	uint32_t random = 0;

	while (random == 0) {
		if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
			return 0;
		random &= 0xffffff;
	}
	return (int32_t)random;
}

int32_t challenge_make(struct challenge_table *table, const struct endpoint *target, const char *pattern, int64_t end_us)
{
	struct challenge *slot = NULL;

	for (int i = 0; i < CHALLENGES_MAX; i++) {
		struct challenge *candidate = &table->slot[i];

		if (candidate->number != 0 && endpoint_equal(&candidate->target, target)) {
			slot = candidate;
			break;
		}
		if (!slot || (slot->number != 0 && (candidate->number == 0 || candidate->end_us < slot->end_us)))
			slot = candidate;
	}
	bool waits = slot->number != 0 && endpoint_equal(&slot->target, target);
	if (!waits) {
		memset(slot, 0, sizeof *slot);
		slot->number = draw();
		slot->target = *target;
	}
	slot->end_us = end_us;
	snprintf(slot->pattern, sizeof slot->pattern, "%s", pattern);
	return slot->number;
}

bool challenge_take(struct challenge_table *table, const struct endpoint *sender, int32_t number, struct challenge *taken)
{
	for (int i = 0; i < CHALLENGES_MAX; i++) {
		struct challenge *slot = &table->slot[i];

		if (slot->number == 0 || slot->number != number || !endpoint_same_host(&slot->target, sender))
			continue;
		*taken = *slot;
		slot->number = 0;
		return true;
	}
	for (int i = 0; i < CHALLENGES_MAX; i++) {
		struct challenge *slot = &table->slot[i];

		if (slot->number != 0 && endpoint_same_host(&slot->target, sender) && ++slot->wrong >= CHALLENGE_GUESSES)
			slot->number = 0;
	}
	return false;
}

void challenge_expire(struct challenge_table *table, int64_t now_us)
{
	for (int i = 0; i < CHALLENGES_MAX; i++)
		if (table->slot[i].number != 0 && table->slot[i].end_us <= now_us)
			table->slot[i].number = 0;
}

int64_t challenge_deadline(const struct challenge_table *table)
{
	int64_t earliest = INT64_MAX;

	for (int i = 0; i < CHALLENGES_MAX; i++)
		if (table->slot[i].number != 0 && table->slot[i].end_us < earliest)
			earliest = table->slot[i].end_us;
	return earliest;
}
