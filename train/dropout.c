/* Dropout by counter. Training threads; no state. */
#include "train/dropout.h"

#include "model/vector.h"

VECTOR_KERNEL void dropout_apply(uint32_t key, float rate, long count, float *x)
{
	if (rate <= 0)
		return;
	uint32_t threshold = (uint32_t)(rate * 4294967296.0);
	float scale = 1 / (1 - rate);
	for (long i = 0; i < count; i++) {
		uint32_t hash = (uint32_t)i * 0x9e3779b1u + key;
		hash = (hash ^ (hash >> 16)) * 0x7feb352du;
		hash = (hash ^ (hash >> 15)) * 0x846ca68bu;
		hash ^= hash >> 16;
		x[i] = hash >= threshold ? x[i] * scale : 0;
	}
}
