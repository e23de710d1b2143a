/* Muon's step by Newton-Schulz iteration: an odd polynomial of the matrix takes its singular values from (0, 1] to about
 * 0.7..1.2 in five rounds, by products alone. Training threads. Knows no schedule. */
#include "train/muon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTUM 0.95f
#define ROUNDS 5
#define STEP_SIZE 0.2f /* root mean square of an element's step, in rates */

/* Of the polynomial a x + b x^3 + c x^5, from the publication. */
static const float poly_a = 3.4445f, poly_b = -4.7750f, poly_c = 2.0315f;

struct muon {
	int rows, columns; /* largest matrix, rows <= columns */
	enum precision precision;
	struct product_weight x_weight, gram_weight; /* of x and gram */
	struct product_scratch scratch;
	float *x, *next;     /* [rows][columns] */
	float *gram, *mixed; /* [rows][rows] */
};

bool muon_suits(const struct parameter *parameter)
{
	return parameter->dimensions == 2 && strstr(parameter->name, ".encoder.layer.") &&
	       !strstr(parameter->name, "distance_embedding");
}

static int shorter(const struct parameter *parameter)
{
	return (int)(parameter->shape[0] < parameter->shape[1] ? parameter->shape[0] : parameter->shape[1]);
}

static int longer(const struct parameter *parameter)
{
	return (int)(parameter->shape[0] < parameter->shape[1] ? parameter->shape[1] : parameter->shape[0]);
}

static float *floats(int rows, int columns)
{
	return malloc((size_t)rows * (size_t)columns * sizeof(float));
}

struct muon *muon_new(const struct parameters *parameters, enum precision precision)
{
	struct muon *muon = calloc(1, sizeof *muon);
	if (!muon)
		return NULL;
	muon->rows = muon->columns = 1;
	muon->precision = product_has_bf16() ? precision : PRECISION_FP32;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		if (!muon_suits(parameter))
			continue;
		muon->rows = shorter(parameter) > muon->rows ? shorter(parameter) : muon->rows;
		muon->columns = longer(parameter) > muon->columns ? longer(parameter) : muon->columns;
	}
	int r = muon->rows, c = muon->columns;
	muon->x = floats(r, c);
	muon->next = floats(r, c);
	muon->gram = floats(r, r);
	muon->mixed = floats(r, r);
	bool ok = muon->x && muon->next && muon->gram && muon->mixed;
	ok = product_weight_new(&muon->x_weight, muon->precision, r, c, muon->x) && ok;
	ok = product_weight_new(&muon->gram_weight, muon->precision, r, r, muon->gram) && ok;
	ok = product_scratch_new(&muon->scratch, r, c) && ok;
	if (ok)
		return muon;
	muon_free(muon);
	return NULL;
}

void muon_free(struct muon *muon)
{
	if (!muon)
		return;
	product_weight_free(&muon->x_weight);
	product_weight_free(&muon->gram_weight);
	product_scratch_free(&muon->scratch);
	free(muon->x);
	free(muon->next);
	free(muon->gram);
	free(muon->mixed);
	free(muon);
}

/* x[r][c] becomes a x + (b G + c G G) x with G = x x^T. */
static void one_round(struct muon *muon, int r, int c)
{
	size_t count = (size_t)r * (size_t)r;
	muon->x_weight.out = r;
	muon->x_weight.in = c;
	muon->gram_weight.out = muon->gram_weight.in = r;
	product_weight_pack(&muon->x_weight);
	product_forward(&muon->x_weight, &muon->scratch, r, muon->x, muon->gram);
	product_weight_pack(&muon->gram_weight);
	product_forward(&muon->gram_weight, &muon->scratch, r, muon->gram, muon->mixed);
	for (size_t i = 0; i < count; i++)
		muon->mixed[i] = poly_b * muon->gram[i] + poly_c * muon->mixed[i];
	for (int i = 0; i < r; i++)
		muon->mixed[(size_t)i * (size_t)r + (size_t)i] += poly_a;
	product_input_gradient(&muon->x_weight, &muon->scratch, r, muon->mixed, false, muon->next);
	memcpy(muon->x, muon->next, (size_t)r * (size_t)c * sizeof *muon->x);
}

void muon_update(struct muon *muon, const struct parameter *parameter, const struct muon_step *step, const float *gradient,
		 float *values, float *momentum)
{
	int r = shorter(parameter), c = longer(parameter), out = (int)parameter->shape[0], in = (int)parameter->shape[1];
	bool tall = out > in; /* then x is the transpose, which is cheaper */
	double squares = 0;
	float *x = muon->x;

	for (int i = 0; i < out; i++) {
		for (int k = 0; k < in; k++) {
			size_t at = (size_t)i * (size_t)in + (size_t)k;
			float g = gradient[at] * step->clip;
			momentum[at] = MOMENTUM * momentum[at] + (1 - MOMENTUM) * g;
			float ahead = MOMENTUM * momentum[at] + (1 - MOMENTUM) * g;
			x[tall ? (size_t)k * (size_t)out + (size_t)i : at] = ahead;
			squares += (double)ahead * (double)ahead;
		}
	}
	if (squares > 0) { /* else no gradient has been, and x is zero */
		float norm = (float)sqrt(squares);
		for (size_t i = 0; i < parameter->elements; i++)
			x[i] /= norm;
		for (int round = 0; round < ROUNDS; round++)
			one_round(muon, r, c);
	}
	float scale = STEP_SIZE * sqrtf((float)c) * step->rate;
	for (int i = 0; i < out; i++) {
		for (int k = 0; k < in; k++) {
			size_t at = (size_t)i * (size_t)in + (size_t)k;
			values[at] -= scale * x[tall ? (size_t)k * (size_t)out + (size_t)i : at] +
				      step->rate * step->decay * values[at];
		}
	}
}
