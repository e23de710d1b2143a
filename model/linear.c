/* A weight and the backend that multiplies with it. Set-up threads pack, inference threads run; does no arithmetic. */
#include "model/linear.h"

#include <stdlib.h>
#include <string.h>

bool linear_new(struct linear *linear, const struct backend *backend, int out, int in, const float *values)
{
	*linear = (struct linear){.backend = backend, .out = out, .in = in, .values = values};
	return !backend->pack || backend->pack(linear);
}

void linear_free(struct linear *linear)
{
	if (linear->backend && linear->backend->release)
		linear->backend->release(linear);
	else
		free(linear->packed);
	memset(linear, 0, sizeof *linear);
}

size_t linear_scratch(int rows, int in)
{
	return (size_t)rows * (size_t)(in + 24);
}

void linear_run(const struct linear *linear, int rows, const float *x, void *scratch, float *y)
{
	linear->backend->run(linear, rows, x, scratch, y);
}
