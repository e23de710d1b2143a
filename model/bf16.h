/* Products of bf16 pairs with fp32 accumulation: for inference (model/encoder.c) and training (train/product.c). A pair is
 * two consecutive values along k in one 32-bit word, low half first. Only on CPUs where bf16_available() is true. Any
 * thread; no allocation. */
#ifndef MIDIBERTD_MODEL_BF16_H
#define MIDIBERTD_MODEL_BF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BF16_PANEL 64 /* columns a packed panel is wide */

bool bf16_available(void);

/* Words a packed B of k x n takes. */
size_t bf16_panel_pairs(int k, int n);

/* B[k][n] = source[k][n], row-major with leading dimension ld: panels of 64 columns, pairs along k. Missing rows and
 * columns are zero. */
void bf16_pack(int k, int n, const float *source, int ld, uint32_t *panels);
/* B[k][n] = source[n][k]^T. */
void bf16_pack_transposed(int k, int n, const float *source, int ld, uint32_t *panels);

/* Row-major conversion: out[m][(k + 1) / 2] words. */
void bf16_rows(int m, int k, const float *source, int ld, uint32_t *out);
/* One half of every pair, the low one or the high one: out[k] words, source[k]. */
void bf16_halves(int k, const float *source, bool high, uint32_t *out);
/* The transpose of source[k][m] as a left operand for bf16_product_columns, m (k + 1) / 2 words. */
void bf16_columns(int k, int m, const float *source, int ld, uint32_t *out);

/* C[m][n] (+)= A B. A's pair p of row i is a[i * row_stride + p * pair_stride]; B is packed. */
void bf16_product(int m, int n, int k, const uint32_t *a, size_t row_stride, size_t pair_stride, const uint32_t *panels,
		  bool add, float *c, int ldc);

/* The same with A from bf16_columns: C[m][n] (+)= source[k][m]^T B. */
void bf16_product_columns(int m, int n, int k, const uint32_t *a, const uint32_t *panels, bool add, float *c, int ldc);

#endif
