/* AdamW, and which tensors go by Muon instead. One thread; no state but the arrays handed in. */
#include "train/optimiser.h"

#include "model/vector.h"

#include <math.h>

/* Rises and falls between 0 and 1. */
static double course(const struct optimiser_options *options, uint64_t step)
{
	if (step < options->warmup)
		return (double)(step + 1) / (double)options->warmup;
	if (step >= options->steps)
		return 0;
	double part = (double)(step - options->warmup) / (double)(options->steps - options->warmup);
	return 0.5 * (1 + cos(3.14159265358979 * part));
}

double optimiser_rate(const struct optimiser_options *options, uint64_t step)
{
	return options->rate * course(options, step);
}

double optimiser_squares(const struct parameter *parameter, const float *gradient)
{
	double sum[8] = {0};
	const float *g = gradient + parameter->offset;
	for (size_t i = 0; i < parameter->elements; i++)
		sum[i % 8] += (double)g[i] * (double)g[i];
	return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

struct coefficients {
	float clip, beta1, beta2, correct1, correct2, epsilon, rate, decay;
};

VECTOR_KERNEL void adamw_update(const struct coefficients *c, size_t count, const float *gradient, float *values,
				float *first, float *second);
VECTOR_KERNEL void adamw_update(const struct coefficients *c, size_t count, const float *gradient, float *values,
				float *first, float *second)
{
	for (size_t i = 0; i < count; i++) {
		float g = gradient[i] * c->clip;
		first[i] = c->beta1 * first[i] + (1 - c->beta1) * g;
		second[i] = c->beta2 * second[i] + (1 - c->beta2) * g * g;
		float move = first[i] * c->correct1 / (sqrtf(second[i] * c->correct2) + c->epsilon);
		values[i] -= c->rate * (move + c->decay * values[i]);
	}
}

void optimiser_step(const struct optimiser_options *o, const struct parameter *parameter, uint64_t step, double norm,
		    const float *gradient, float *values, float *first, float *second, struct muon *muon)
{
	struct coefficients c = {
	    .clip = (float)(norm > o->clip ? o->clip / norm : 1),
	    .beta1 = (float)o->beta1,
	    .beta2 = (float)o->beta2,
	    .correct1 = (float)(1 / (1 - pow(o->beta1, (double)(step + 1)))),
	    .correct2 = (float)(1 / (1 - pow(o->beta2, (double)(step + 1)))),
	    .epsilon = (float)o->epsilon,
	    .rate = (float)optimiser_rate(o, step),
	    .decay = parameter->decays ? (float)o->decay : 0,
	};
	size_t at = parameter->offset;
	if (o->muon > 0 && muon_suits(parameter)) {
		struct muon_step by = {(float)(o->muon * course(o, step)), c.decay, c.clip};
		muon_update(muon, parameter, &by, gradient + at, values + at, first + at);
		return;
	}
	adamw_update(&c, parameter->elements, gradient + at, values + at, first + at, second + at);
}
