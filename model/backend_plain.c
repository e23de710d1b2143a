/* Plain C: what runs where no instruction set is known, and what the int8 kernels are held against. Any thread; no
 * allocation in run. */
#include "model/backends.h"

#include "model/fp32.h"
#include "model/int8.h"

#include <string.h>

static const char *describe_fp32(void)
{
	return "our plain C kernels, fp32";
}

static const char *describe_int8(void)
{
	return "our plain C kernels, int8";
}

static void run_fp32(const struct linear *linear, int rows, const float *x, void *scratch, float *y)
{
	int out = linear->out, in = linear->in;
	(void)scratch;
	for (int c = 0; c < out; c += FP32_PANEL) {
		const float *panel = (const float *)linear->packed + (size_t)c * (size_t)in;
		for (int i = 0; i < rows; i++) {
			const float *a = x + (size_t)i * (size_t)in, *b = panel;
			float total[FP32_PANEL] = {0};
			for (int k = 0; k < in; k++, b += FP32_PANEL)
				for (int j = 0; j < FP32_PANEL; j++)
					total[j] += a[k] * b[j];
			for (int j = 0; j < FP32_PANEL && c + j < out; j++)
				y[(size_t)i * (size_t)out + (size_t)(c + j)] = total[j];
		}
	}
}

static void run_int8(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	const struct int8_weight *w = linear->packed;
	const struct int8_rows x = int8_quantise(rows, linear->in, values, scratch);
	int out = linear->out;
	for (int c = 0; c < out; c += INT8_PANEL) {
		for (int i = 0; i < rows; i++) {
			const uint8_t *a = x.value + (size_t)i * x.stride;
			const int8_t *b = w->panels + (size_t)c * (size_t)w->quads * 4;
			int32_t total[INT8_PANEL] = {0};
			for (int q = 0; q < w->quads; q++, a += 4, b += INT8_PANEL * 4)
				for (int j = 0; j < INT8_PANEL; j++)
					total[j] += a[0] * b[4 * j] + a[1] * b[4 * j + 1] + a[2] * b[4 * j + 2] +
						    a[3] * b[4 * j + 3];
			int columns = out - c < INT8_PANEL ? out - c : INT8_PANEL;
			memcpy(y + (size_t)i * (size_t)out + c, total, (size_t)columns * sizeof *total);
		}
	}
	int8_finish(w, &x, rows, out, y);
}

const struct backend backend_plain_fp32 = {
    .name = "plain-fp32", .precision = "fp32", .describe = describe_fp32, .pack = fp32_pack, .run = run_fp32};
const struct backend backend_plain_int8 = {
    .name = "plain-int8", .precision = "int8", .describe = describe_int8, .pack = int8_pack, .run = run_int8};
