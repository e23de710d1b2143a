/* Stages of a label and what probabilities say, see label.h. Any thread; no state of its own, no allocation. */
#include "engine/label.h"

#include <math.h>
#include <string.h>

void label_clear(struct label *label)
{
	memset(label, 0, sizeof *label);
}

void label_set(struct label *label, const struct answer *answer)
{
	if (label->state == LABEL_FINAL)
		return;
	label->known = true;
	label->now = *answer;
}

/* Of a velocity no class is told: a revision for it alone would repeat what the receiver has. */
static bool has_moved(const struct answer *now, const struct answer *sent)
{
	bool told = now->expected <= 0;
	return (told && now->label != sent->label) || fabsf(now->confidence - sent->confidence) >= LABEL_MOVED_CONFIDENCE ||
	       fabsf(now->expected - sent->expected) >= LABEL_MOVED_EXPECTED;
}

int label_next_stage(struct label *label, bool final)
{
	int stage = -1;
	if (!label->known || label->state == LABEL_FINAL)
		return -1;
	if (label->state == LABEL_OPEN) {
		label->state = LABEL_SENT;
		stage = STAGE_PROVISIONAL;
	} else if (final) {
		label->state = LABEL_FINAL;
		stage = STAGE_FINAL;
	} else if (has_moved(&label->now, &label->sent)) {
		stage = STAGE_REVISED;
	}
	if (stage >= 0)
		label->sent = label->now;
	return stage;
}

int label_only_stage(struct label *label)
{
	if (!label->known || label->state == LABEL_FINAL)
		return -1;
	label->state = LABEL_FINAL;
	label->sent = label->now;
	return STAGE_FINAL;
}

void answer_of_classes(const struct head_spec *head, const float *probability, bool strange, struct answer *answer)
{
	int best = 0;
	for (int c = 1; c < head->classes; c++)
		if (probability[c] > probability[best])
			best = c;
	*answer =
	    (struct answer){.label = best, .confidence = probability[best], .best = best, .certainty = probability[best]};
	if (strange || answer->confidence < head->unknown_below)
		answer->label = CLASS_UNKNOWN;
}

/* The velocity that a class stands for. Six dynamics: the middle of each, pp and ff where pianists play them. */
static float class_velocity(int classes, int c)
{
	static const float dynamic[DYNAMICS] = {24, 40, 56, 72, 88, 104};
	if (classes == DYNAMICS)
		return dynamic[c];
	return 4.0f * (float)c + 2.0f;
}

void answer_of_velocities(const struct head_spec *head, const float *probability, int played, struct answer *answer)
{
	float dynamics[DYNAMICS] = {0};
	float mean = 0, square = 0;
	for (int c = 0; c < head->classes; c++) {
		float velocity = class_velocity(head->classes, c);
		mean += probability[c] * velocity;
		square += probability[c] * velocity * velocity;
		dynamics[dynamic_of_velocity((int)velocity)] += probability[c];
	}
	int best = 0;
	for (int d = 1; d < DYNAMICS; d++)
		if (dynamics[d] > dynamics[best])
			best = d;
	float variance = square - mean * mean;
	*answer = (struct answer){.label = best,
				  .confidence = fminf(dynamics[dynamic_of_velocity(played)], 1.0f),
				  .expected = mean,
				  .spread = variance > 0 ? sqrtf(variance) : 0,
				  .best = best,
				  .certainty = fminf(dynamics[best], 1.0f)};
	if (dynamics[best] < head->unknown_below)
		answer->label = CLASS_UNKNOWN;
}
