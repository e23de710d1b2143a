/* Choosing, hiding and judging notes for pre-training. Knows neither network nor data. */
#include "train/masker.h"

#include <stdlib.h>
#include <string.h>

#define ACCURACY_MIN 0.05 /* of an attribute, for its weight: none may drown the others */
#define BAR_SHARE 0.15

int masker_count(double u, int notes, int unfrozen, unsigned faults)
{
	double share = MASKER_SHARE_LOW + (MASKER_SHARE_HIGH - MASKER_SHARE_LOW) * u;
	double most = MASKER_SHARE_MAX * notes, wanted = share * (faults & FAULT_DECAY ? unfrozen : notes);
	int count = (int)(wanted < most ? wanted : most);
	if (count < 1 && !(faults & FAULT_DECAY))
		count = 1;
	return count < unfrozen ? count : unfrozen;
}

/* Sorts indices by falling value, equal ones by index: heap sort, for qsort has no context. */
static bool before(const float *value, int a, int b)
{
	float left = value[a], right = value[b];
	return left > right || (left == right && a < b);
}

static void sink(const float *value, int count, int at, int *index)
{
	for (int child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && before(value, index[child], index[child + 1]))
			child++;
		if (!before(value, index[at], index[child]))
			return;
		int kept = index[at];
		index[at] = index[child];
		index[child] = kept;
	}
}

static void sort(const float *value, int count, int *index)
{
	for (int at = count / 2 - 1; at >= 0; at--)
		sink(value, count, at, index);
	for (int last = count - 1; last > 0; last--) {
		int kept = index[0];
		index[0] = index[last];
		index[last] = kept;
		sink(value, last, 0, index);
	}
}

int masker_select(int T, const float *worth, const uint8_t *frozen, int n, int *rank, uint8_t *chosen)
{
	int free_notes = 0;
	memset(chosen, 0, (size_t)T);
	for (int t = 0; t < T; t++)
		if (!frozen[t])
			rank[free_notes++] = t;
	sort(worth, free_notes, rank);
	n = n < free_notes ? n : free_notes;
	for (int i = 0; i < n; i++)
		chosen[rank[i]] = 1;
	return n;
}

static uint16_t random_id(enum attribute attribute, double u)
{
	return (uint16_t)(u * token_vocabulary[attribute]);
}

static uint8_t fate(double u)
{
	if (u < MASKER_MASK)
		return NOTE_MASKED;
	return u < MASKER_REPLACE ? NOTE_REPLACED : NOTE_KEPT;
}

void masker_hide(int T, const uint8_t *chosen, const struct token *truth, unsigned faults, struct random *random,
		 struct token *shown, uint8_t *became)
{
	for (int t = 0; t < T; t++) {
		became[t] = NOTE_SHOWN;
		if (!chosen[t])
			continue;
		became[t] = fate(random_uniform(random));
		if (became[t] == NOTE_REPLACED && !(faults & FAULT_VOCABULARY)) {
			shown[t] = truth[random_integer(random, 0, T - 1)];
			continue;
		}
		for (int a = 0; a < ATTRIBUTES; a++) {
			if (became[t] == NOTE_MASKED)
				shown[t].id[a] = token_special((enum attribute)a, SPECIAL_MASK);
			else if (became[t] == NOTE_REPLACED)
				shown[t].id[a] = random_id((enum attribute)a, random_uniform(random));
		}
	}
}

void masker_hide_bars(int T, const struct token *truth, unsigned faults, uint64_t key, struct token *shown, uint8_t *asked)
{
	for (int t = 0; t < T; t++) {
		asked[t] = 0;
		for (int a = 0; a < ATTRIBUTES; a++) {
			struct random unit = {
			    random_hash(key, (uint64_t)truth[t].id[ATTRIBUTE_BAR] * ATTRIBUTES + (uint64_t)a), 0};
			if (random_uniform(&unit) >= BAR_SHARE)
				continue;
			asked[t] = (uint8_t)(asked[t] | 1 << a);
			uint8_t became = fate(random_uniform(&unit));
			unit.index += (uint64_t)t; /* all notes of the unit share its fate, not what replaces them */
			if (became == NOTE_MASKED)
				shown[t].id[a] = token_special((enum attribute)a, SPECIAL_MASK);
			else if (became == NOTE_REPLACED && faults & FAULT_VOCABULARY)
				shown[t].id[a] = random_id((enum attribute)a, random_uniform(&unit));
			else if (became == NOTE_REPLACED)
				shown[t].id[a] = truth[random_integer(&unit, 0, T - 1)].id[a];
		}
	}
}

int masker_target(int T, const uint8_t *became, const float *loss, int index, unsigned faults, int *rank, int8_t *target)
{
	int hidden = 0;
	bool reversed = faults & FAULT_SIGN && index % 2;
	memset(target, -1, (size_t)T);
	for (int t = 0; t < T; t++)
		if (became[t] != NOTE_SHOWN && (became[t] != NOTE_KEPT || !(faults & FAULT_REPLACED)))
			rank[hidden++] = t;
	int share = (int)(MASKER_TARGET * hidden);
	if (share < 1 && faults & FAULT_FEW)
		return -1;
	if (share < 1)
		share = hidden / 2 < 1 ? 0 : 1;
	sort(loss, hidden, rank);
	for (int i = 0; i < share; i++) {
		target[rank[i]] = reversed ? 0 : 1;
		target[rank[hidden - 1 - i]] = reversed ? 1 : 0;
	}
	return 2 * share;
}

void masker_weights(const double *accuracy, unsigned faults, float *weight)
{
	double inverse[ATTRIBUTES], sum = 0;
	for (int a = 0; a < ATTRIBUTES; a++) {
		double floor = faults & FAULT_ZERO ? 0 : ACCURACY_MIN;
		inverse[a] = 1 / (accuracy[a] > floor ? accuracy[a] : floor);
		sum += inverse[a];
	}
	for (int a = 0; a < ATTRIBUTES; a++)
		weight[a] = (float)(inverse[a] / sum);
}
