/* Matrix products from their definition, in double: the oracle that tests hold the fast ones against. */
#include "model/matrix.h"

/* C[i][j] = sum over l of A(i, l) B(l, j) + beta C[i][j]; each operand by its two strides. */
static void product(int m, int n, int k, const float *a, int a_row, int a_column, const float *b, int b_row, int b_column,
		    float beta, float *c, int ldc)
{
	for (int i = 0; i < m; i++) {
		for (int j = 0; j < n; j++) {
			double sum = 0;
			for (int l = 0; l < k; l++)
				sum += (double)a[i * a_row + l * a_column] * (double)b[l * b_row + j * b_column];
			/* As BLAS: beta 0 overwrites whatever C held, NaN included. */
			c[i * ldc + j] = (float)(sum + (beta == 0 ? 0 : (double)beta * (double)c[i * ldc + j]));
		}
	}
}

void matrix_naive_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	product(m, n, k, a, lda, 1, b, 1, ldb, beta, c, ldc);
}

void matrix_naive_nn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	product(m, n, k, a, lda, 1, b, ldb, 1, beta, c, ldc);
}

void matrix_naive_tn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	product(m, n, k, a, 1, lda, b, ldb, 1, beta, c, ldc);
}
