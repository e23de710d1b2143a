/* What lies between the matrix products. Any thread; no allocation, no state. */
#include "model/kernels.h"

#include "model/parameters.h"
#include "model/vector.h"

#include <math.h>

VECTOR_KERNEL void kernel_layer_norm(int rows, int d, const float *x, const float *residual, const float *gain,
				     const float *bias, float *y, float *normal, float *inverse)
{
	for (int row = 0; row < rows; row++, x += d, y += d) {
		float sum = 0, squares = 0;
		int c = 0;
		vector v, r, total = {0}, total_squares = {0};
		for (; c + VECTOR_LANES <= d; c += VECTOR_LANES) {
			vector_load(&v, x + c);
			if (residual) {
				vector_load(&r, residual + c);
				v += r;
			}
			vector_store(y + c, &v);
			total += v;
		}
		for (; c < d; c++)
			sum += y[c] = x[c] + (residual ? residual[c] : 0);
		float mean = (sum + vector_sum(&total)) / (float)d;
		for (c = 0; c + VECTOR_LANES <= d; c += VECTOR_LANES) {
			vector_load(&v, y + c);
			v -= mean;
			total_squares += v * v;
		}
		for (; c < d; c++)
			squares += (y[c] - mean) * (y[c] - mean);
		float scale = 1 / sqrtf((squares + vector_sum(&total_squares)) / (float)d + LAYER_NORM_EPSILON);
		if (inverse)
			inverse[row] = scale;
		for (c = 0; c < d; c++) {
			float n = (y[c] - mean) * scale;
			if (normal)
				normal[c] = n;
			y[c] = n * gain[c] + bias[c];
		}
		if (residual)
			residual += d;
		if (normal)
			normal += d;
	}
}

VECTOR_KERNEL void kernel_add_bias(int rows, int columns, const float *bias, float *x)
{
	for (int row = 0; row < rows; row++, x += columns)
		for (int c = 0; c < columns; c++)
			x[c] += bias[c];
}

VECTOR_KERNEL void kernel_gelu(int rows, int columns, const float *bias, float *x, float *y, int keep)
{
	for (int row = 0; row < rows; row++, x += columns, y += columns) {
		int c = 0;
		for (; c + VECTOR_LANES <= columns; c += VECTOR_LANES) {
			vector v, b, e;
			vector_load(&v, x + c);
			vector_load(&b, bias + c);
			v += b;
			if (keep)
				vector_store(x + c, &v);
			e = v * 0.70710678f;
			vector_erf(&e);
			v = v * 0.5f * (1.0f + e);
			vector_store(y + c, &v);
		}
		for (; c < columns; c++) {
			float v = x[c] + bias[c];
			if (keep)
				x[c] = v;
			y[c] = 0.5f * v * (1 + erff(v * 0.70710678f));
		}
	}
}

VECTOR_KERNEL void kernel_gelu_backward(long count, const float *v, const float *dy, float *dx)
{
	long c = 0;
	for (; c + VECTOR_LANES <= count; c += VECTOR_LANES) {
		vector x, g, e, density;
		vector_load(&x, v + c);
		vector_load(&g, dy + c);
		e = x * 0.70710678f;
		vector_erf(&e);
		density = x * x * -0.5f;
		vector_exp(&density);
		g *= 0.5f * (1.0f + e) + x * density * 0.39894228f;
		vector_store(dx + c, &g);
	}
	for (; c < count; c++)
		dx[c] = dy[c] * (0.5f * (1 + erff(v[c] * 0.70710678f)) + v[c] * expf(v[c] * v[c] * -0.5f) * 0.39894228f);
}

VECTOR_KERNEL void kernel_relu(int rows, int columns, const float *bias, float *x)
{
	for (int row = 0; row < rows; row++, x += columns)
		for (int c = 0; c < columns; c++)
			x[c] = x[c] + bias[c] > 0 ? x[c] + bias[c] : 0;
}

VECTOR_KERNEL void kernel_tanh(long count, float *x)
{
	long c = 0;
	for (; c + VECTOR_LANES <= count; c += VECTOR_LANES) {
		vector v;
		vector_load(&v, x + c);
		v *= 2.0f;
		vector_exp(&v);
		v = 1.0f - 2.0f / (v + 1.0f);
		vector_store(x + c, &v);
	}
	for (; c < count; c++)
		x[c] = tanhf(x[c]);
}

VECTOR_KERNEL void kernel_softmax(int count, const float *s, float *p)
{
	float top = s[0], sum = 0;
	int c = 0;
	vector v, total = {0};
	if (count >= VECTOR_LANES) {
		vector most;
		vector_load(&most, s);
		for (c = VECTOR_LANES; c + VECTOR_LANES <= count; c += VECTOR_LANES) {
			vector_load(&v, s + c);
			vector_int more = v > most;
			most = (vector)(((vector_int)v & more) | ((vector_int)most & ~more));
		}
		float lane[VECTOR_LANES];
		vector_store(lane, &most);
		for (int i = 0; i < VECTOR_LANES; i++)
			top = lane[i] > top ? lane[i] : top;
	}
	for (; c < count; c++)
		top = s[c] > top ? s[c] : top;
	for (c = 0; c + VECTOR_LANES <= count; c += VECTOR_LANES) {
		vector_load(&v, s + c);
		v -= top;
		vector_exp(&v);
		total += v;
		vector_store(p + c, &v);
	}
	for (; c < count; c++)
		sum += p[c] = expf(s[c] - top);
	float scale = 1 / (sum + vector_sum(&total));
	for (c = 0; c < count; c++)
		p[c] *= scale;
}

VECTOR_KERNEL void kernel_scores(int count, float *s, const float *g, const float *h, long stride, float scale)
{
	for (int c = 0; c < count; c++)
		s[c] = (s[c] + g[c] + h[c * stride]) * scale;
}

VECTOR_KERNEL void kernel_axpy(long count, float a, const float *x, float *y)
{
	for (long c = 0; c < count; c++)
		y[c] += a * x[c];
}
