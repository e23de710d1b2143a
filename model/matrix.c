/* Matrix products by OpenBLAS. The only file that sees cblas.h. */
#include "model/matrix.h"

#include <cblas.h>
#include <stdio.h>

void matrix_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

void matrix_nn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

void matrix_tn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

void matrix_use_threads(int threads)
{
	if (openblas_get_num_threads() != threads) /* weights are loaded while others compute: that writes nothing */
		openblas_set_num_threads(threads);
}

const char *matrix_backend(void)
{
	static char text[96]; /* the same text whoever writes it first */
	if (!text[0]) {
		char version[32] = "";
		sscanf(openblas_get_config(), "OpenBLAS %31s", version);
		snprintf(text, sizeof text, "OpenBLAS %s %s fp32", version, openblas_get_corename());
	}
	return text;
}
