/* Predictors of the next note's velocity, see predictors.h. Any thread; no state. Reads nothing of the note that is asked
 * about but its pitch, and nothing later. */
#include "model/predictors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 16
#define VOICES 8 /* notes among which the highest and lowest are sought */
#define RECENT 32

enum { LAST, MEAN2, MEAN8, MEAN32, NEAR16, BLEND, NEAR64, WEIGHTED32, HIGHEST8, LOWEST8, SPREAD32, KNOWN, PREDICTORS_END };
_Static_assert(PREDICTORS_END == CAUSAL_PREDICTORS && (int)BLEND == PREDICTORS_BLEND, "the list and its length");

static float scaled(float velocity)
{
	return (velocity - PREDICTORS_MIDDLE) / PREDICTORS_SCALE;
}

void predictors_compute(const uint8_t *pitch, const uint8_t *velocity, int count, int next_pitch,
			float out[CAUSAL_PREDICTORS])
{
	int sum = 0, squares = 0, near = 0, apart_least = 1000, highest = 0, lowest = 0;
	float weighted = 0, weights = 0;
	memset(out, 0, CAUSAL_PREDICTORS * sizeof *out);
	if (count <= 0)
		return;
	int reach = count < PREDICTORS_REACH ? count : PREDICTORS_REACH;
	out[LAST] = scaled(velocity[count - 1]);
	highest = lowest = near = count - 1;
	for (int ago = 1; ago <= reach; ago++) {
		int at = count - ago, v = velocity[at], apart = abs(pitch[at] - next_pitch);
		if (apart < apart_least) {
			apart_least = apart;
			near = at;
		}
		if (ago <= VOICES && pitch[at] > pitch[highest])
			highest = at;
		if (ago <= VOICES && pitch[at] < pitch[lowest])
			lowest = at;
		if (ago <= RECENT) {
			float weight = 1 / ((float)(2 + apart) * (float)(8 + ago));
			sum += v;
			squares += v * v;
			weighted += weight * (float)v;
			weights += weight;
		}
		/* each of these stands at what the notes so far make of it until its own number of notes is reached */
		if (ago <= 2)
			out[MEAN2] = scaled((float)sum / (float)ago);
		if (ago <= 8)
			out[MEAN8] = scaled((float)sum / (float)ago);
		if (ago <= NEAR)
			out[NEAR16] = scaled(velocity[near]);
	}
	float recent = (float)(reach < RECENT ? reach : RECENT), mean = (float)sum / recent;
	float variance = (float)squares / recent - mean * mean;
	out[MEAN32] = scaled(mean);
	out[BLEND] = (out[MEAN8] + out[NEAR16]) / 2;
	out[NEAR64] = scaled(velocity[near]);
	out[WEIGHTED32] = scaled(weighted / weights);
	out[HIGHEST8] = scaled(velocity[highest]);
	out[LOWEST8] = scaled(velocity[lowest]);
	out[SPREAD32] = variance > 0 ? sqrtf(variance) / PREDICTORS_SCALE : 0;
	out[KNOWN] = (float)reach / PREDICTORS_REACH;
}
