/* Random numbers by counter: a value depends on its key and index alone, so that any of them can be drawn again, in any
 * order, on any thread. Not for secrets. Pure functions; real-time safe. */
#ifndef MIDIBERTD_BASE_RANDOM_H
#define MIDIBERTD_BASE_RANDOM_H

#include <stdint.h>

/* A well-mixed 64-bit value of key and index. */
static inline uint64_t random_hash(uint64_t key, uint64_t index)
{
	uint64_t x = key ^ (index * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* A stream: each draw advances the index. */
struct random {
	uint64_t key, index;
};

static inline uint64_t random_next(struct random *random)
{
	return random_hash(random->key, random->index++);
}

/* Uniform in [0, 1). */
static inline double random_uniform(struct random *random)
{
	return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* Uniform integer in [low, high]. */
static inline int64_t random_integer(struct random *random, int64_t low, int64_t high)
{
	return low + (int64_t)(random_uniform(random) * (double)(high - low + 1));
}

/* Standard normal (sum of twelve uniforms: bounded tails, the same bits on every machine). */
static inline double random_normal(struct random *random)
{
	double sum = -6;
	for (int i = 0; i < 12; i++)
		sum += random_uniform(random);
	return sum;
}

#endif
