/* Sixteen floats at once, in the compiler's vector extension: the same source becomes AVX-512, AVX2, NEON or plain code.
 * Functions marked VECTOR_KERNEL are compiled once per instruction set and chosen when the program is loaded. */
#ifndef MIDIBERTD_MODEL_VECTOR_H
#define MIDIBERTD_MODEL_VECTOR_H

#include <stdint.h>
#include <string.h>

#define VECTOR_LANES 16

typedef float vector __attribute__((vector_size(4 * VECTOR_LANES)));
typedef int32_t vector_int __attribute__((vector_size(4 * VECTOR_LANES)));

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VECTOR_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTOR_KERNEL
#endif
#define VECTOR_INLINE static inline __attribute__((always_inline))

/* Vectors pass by pointer: a by-value vector would make the ABI depend on the instruction set. */
VECTOR_INLINE void vector_load(vector *v, const float *p)
{
	memcpy(v, p, sizeof *v);
}

VECTOR_INLINE void vector_store(float *p, const vector *v)
{
	memcpy(p, v, sizeof *v);
}

VECTOR_INLINE float vector_sum(const vector *v)
{
	float lane[VECTOR_LANES];
	memcpy(lane, v, sizeof lane);
	for (int width = VECTOR_LANES / 2; width > 0; width /= 2)
		for (int i = 0; i < width; i++)
			lane[i] += lane[i + width];
	return lane[0];
}

/* v = e^v, relative error under 2e-7 on [-87, 88]; clamped outside (0 below about -87). */
VECTOR_INLINE void vector_exp(vector *v)
{
	const vector low = (vector){0} - 87.33f, high = (vector){0} + 88.0f;
	vector x = *v;
	vector_int below = x<low, above = x> high;
	x = (vector)(((vector_int)x & ~below) | ((vector_int)low & below));
	x = (vector)(((vector_int)x & ~above) | ((vector_int)high & above));
	/* x = k ln 2 + r, |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to the nearest integer. */
	vector shifted = x * 1.44269504f + 12582912.0f;
	vector k = shifted - 12582912.0f;
	vector r = x - k * 0.693359375f + k * 2.12194440e-4f;
	vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	vector_int exponent = ((vector_int)shifted - 0x4b400000 + 127) << 23;
	p *= (vector)exponent;
	*v = (vector)((vector_int)p & ~below);
}

/* v = erf(v), absolute error under 4e-7 (Abramowitz and Stegun, 7.1.28), odd in v. */
VECTOR_INLINE void vector_erf(vector *v)
{
	vector_int sign = (vector_int)*v & (int32_t)0x80000000;
	vector x = (vector)((vector_int)*v & 0x7fffffff);
	vector d = x * 0.0000430638f + 0.0002765672f;
	d = d * x + 0.0001520143f;
	d = d * x + 0.0092705272f;
	d = d * x + 0.0422820123f;
	d = d * x + 0.0705230784f;
	d = d * x + 1.0f;
	/* past 10 the power would overflow; erf is 1 there to the last bit */
	vector_int far = x > 6.0f;
	d *= d;
	d *= d;
	d *= d;
	d *= d;
	vector e = 1.0f - 1.0f / d;
	const vector one = (vector){0} + 1.0f;
	e = (vector)(((vector_int)e & ~far) | ((vector_int)one & far));
	*v = (vector)((vector_int)e | sign);
}

#endif
