/* Matrix products in fp32, row-major. Any thread; OpenBLAS below (one thread per call unless told otherwise) may use its
 * own buffers, but takes no memory from the heap once warm (docs/THREADS.md).
 * A row-major operand X with leading dimension ldx has its row i at X + i * ldx. */
#ifndef MIDIBERTD_MODEL_MATRIX_H
#define MIDIBERTD_MODEL_MATRIX_H

/* C[m][n] = A[m][k] B[n][k]^T + beta C: a linear layer's forward with B its weight. */
void matrix_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* C[m][n] = A[m][k] B[k][n] + beta C. */
void matrix_nn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* C[m][n] = A[k][m]^T B[k][n] + beta C: a linear layer's weight gradient. */
void matrix_tn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* The same three from their definition: the oracle for tests. */
void matrix_naive_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
void matrix_naive_nn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
void matrix_naive_tn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* Set-up thread. Threads that one product may use. */
void matrix_use_threads(int threads);

/* "OpenBLAS 0.3.21 SkylakeX": library and the core it runs for. Lives as long as the program. */
const char *matrix_backend(void);

#endif
