/* What lies between the matrix products, vectorised for the CPU at hand (chosen at load time), without allocation.
 * Any thread; real-time safe. Arrays are rows of floats; d, T and the other letters are those of model/shape.h. */
#ifndef MIDIBERTD_MODEL_KERNELS_H
#define MIDIBERTD_MODEL_KERNELS_H

/* y = layer norm of (x + residual) over each row of d: gain * (v - mean) / sqrt(variance + 1e-12) + bias. residual may be
 * NULL; y may be x. normal[T][d] (before gain and bias) and inverse[T] (1 / deviation) are kept for a backward pass if not
 * NULL. */
void kernel_layer_norm(int rows, int d, const float *x, const float *residual, const float *gain, const float *bias,
		       float *y, float *normal, float *inverse);

/* x[row][c] += bias[c]. */
void kernel_add_bias(int rows, int columns, const float *bias, float *x);

/* y = 0.5 v (1 + erf(v / sqrt 2)) with v = x + bias; x is left as v when keep is set (a backward pass needs it). */
void kernel_gelu(int rows, int columns, const float *bias, float *x, float *y, int keep);

/* dx = dy * GELU'(v). dx may be dy. */
void kernel_gelu_backward(long count, const float *v, const float *dy, float *dx);

/* x = max(0, x + bias). */
void kernel_relu(int rows, int columns, const float *bias, float *x);

/* x = tanh(x). */
void kernel_tanh(long count, float *x);

/* p[0..count-1] = softmax of s. In place is allowed. */
void kernel_softmax(int count, const float *s, float *p);

/* s[c] = (s[c] + g[c] + h[c * stride]) * scale for c < count: one row of attention scores with its two relative terms. */
void kernel_scores(int count, float *s, const float *g, const float *h, long stride, float scale);

/* y[c] += a * x[c]. */
void kernel_axpy(long count, float a, const float *x, float *y);

#endif
