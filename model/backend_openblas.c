/* The reference backend: OpenBLAS in fp32, on the weights as they are. Any thread. */
#include "model/backends.h"

#include "model/linear.h"
#include "model/matrix.h"

static void run(const struct linear *linear, int rows, const float *x, void *scratch, float *y)
{
	(void)scratch;
	matrix_nt(rows, linear->out, linear->in, x, linear->in, linear->values, linear->in, 0, y, linear->out);
}

const struct backend backend_openblas = {.name = "openblas", .precision = "fp32", .describe = matrix_backend, .run = run};
