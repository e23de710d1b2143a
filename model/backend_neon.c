/* NEON: fp32 on every aarch64, int8 by the dot product instructions where the CPU has them (ARMv8.2). Any thread; no
 * allocation in run. */
#include "model/backends.h"

#include "model/fp32.h"
#include "model/int8.h"

static const char *describe_fp32(void)
{
	return "our NEON fp32 kernels";
}

static const char *describe_int8(void)
{
	return "our NEON int8 dot product kernels";
}

#ifdef __aarch64__
#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#define INLINE static inline __attribute__((always_inline))
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#define ROWS 6			    /* 6 rows by four registers of sums, 24 of the 32 */
#define HAS_DOT_PRODUCT (1ul << 20) /* HWCAP_ASIMDDP */

static const char *missing_fp32(void)
{
	return NULL;
}

static const char *missing_int8(void)
{
	return getauxval(AT_HWCAP) & HAS_DOT_PRODUCT ? NULL : "this CPU has no int8 dot product (ARMv8.2)";
}

/* Stores the first `columns` of four floats. */
INLINE void store(float *y, int columns, float32x4_t v)
{
	if (columns >= 4) {
		vst1q_f32(y, v);
	} else if (columns > 0) {
		float lanes[4];
		vst1q_f32(lanes, v);
		memcpy(y, lanes, (size_t)columns * sizeof *y);
	}
}

/* `rows` rows by one panel of 16; rows is a constant at every call, so the loops over it vanish. */
INLINE void tile_fp32(const int rows, int in, const float *x, const float *panel, int columns, float *y, int ldy)
{
	float32x4_t total[ROWS][4];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			total[i][j] = vdupq_n_f32(0);
	}
	for (int k = 0; k < in; k++, panel += FP32_PANEL) {
		float32x4_t b[4];
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			b[j] = vld1q_f32(panel + 4 * j);
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			float32x4_t a = vld1q_dup_f32(x + (ptrdiff_t)i * in + k);
#pragma GCC unroll 4
			for (int j = 0; j < 4; j++)
				total[i][j] = vfmaq_f32(total[i][j], a, b[j]);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			store(y + (ptrdiff_t)i * ldy + 4 * j, columns - 4 * j, total[i][j]);
	}
}

static void run_fp32(const struct linear *linear, int rows, const float *x, void *scratch, float *y)
{
	int out = linear->out, in = linear->in;
	(void)scratch;
	for (int c = 0; c < out; c += FP32_PANEL) {
		const float *panel = (const float *)linear->packed + (size_t)c * (size_t)in;
		int i = 0, left = out - c;
		for (; i + ROWS <= rows; i += ROWS)
			tile_fp32(ROWS, in, x + (ptrdiff_t)i * in, panel, left, y + (ptrdiff_t)i * out + c, out);
		const float *rest = x + (ptrdiff_t)i * in;
		float *to = y + (ptrdiff_t)i * out + c;
		switch (rows - i) {
		case 5: tile_fp32(5, in, rest, panel, left, to, out); break;
		case 4: tile_fp32(4, in, rest, panel, left, to, out); break;
		case 3: tile_fp32(3, in, rest, panel, left, to, out); break;
		case 2: tile_fp32(2, in, rest, panel, left, to, out); break;
		case 1: tile_fp32(1, in, rest, panel, left, to, out); break;
		default: break;
		}
	}
}

/* Rows by 16 channels of a panel, sums to y as integers. sdot takes signed bytes only: a row's values come less 128, and
 * the sums begin with what that takes away. */
DOT INLINE void tile_int8(const int rows, int quads, const uint8_t *a, size_t stride, const int8_t *panel,
			  const int32_t *sum, int columns, float *y, int ldy)
{
	int32x4_t total[ROWS][4];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			total[i][j] = vshlq_n_s32(vld1q_s32(sum + 4 * j), 7);
	}
	for (int q = 0; q < quads; q++, a += 4, panel += INT8_PANEL * 4) {
		int8x16_t b[4];
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			b[j] = vld1q_s8(panel + 16 * j);
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			uint32_t four;
			memcpy(&four, a + (size_t)i * stride, sizeof four);
			int8x16_t v = vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
#pragma GCC unroll 4
			for (int j = 0; j < 4; j++)
				total[i][j] = vdotq_s32(total[i][j], b[j], v);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			store(y + (ptrdiff_t)i * ldy + 4 * j, columns - 4 * j, vreinterpretq_f32_s32(total[i][j]));
	}
}

DOT static void run_int8(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	const struct int8_weight *w = linear->packed;
	const struct int8_rows x = int8_quantise(rows, linear->in, values, scratch);
	int out = linear->out, quads = w->quads;
	for (int c = 0; c < out; c += 16) {
		const int8_t *panel = int8_panel(w, c);
		const int32_t *sum = w->sum + c;
		int i = 0, left = out - c;
		for (; i + ROWS <= rows; i += ROWS)
			tile_int8(ROWS, quads, x.value + (size_t)i * x.stride, x.stride, panel, sum, left,
				  y + (ptrdiff_t)i * out + c, out);
		const uint8_t *rest = x.value + (size_t)i * x.stride;
		float *to = y + (ptrdiff_t)i * out + c;
		switch (rows - i) {
		case 5: tile_int8(5, quads, rest, x.stride, panel, sum, left, to, out); break;
		case 4: tile_int8(4, quads, rest, x.stride, panel, sum, left, to, out); break;
		case 3: tile_int8(3, quads, rest, x.stride, panel, sum, left, to, out); break;
		case 2: tile_int8(2, quads, rest, x.stride, panel, sum, left, to, out); break;
		case 1: tile_int8(1, quads, rest, x.stride, panel, sum, left, to, out); break;
		default: break;
		}
	}
	int8_finish(w, &x, rows, out, y);
}

#else

static const char *missing_fp32(void)
{
	return "NEON is aarch64's";
}

static const char *missing_int8(void)
{
	return missing_fp32();
}

static void run_fp32(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	(void)linear, (void)rows, (void)values, (void)scratch, (void)y;
}

static void run_int8(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	(void)linear, (void)rows, (void)values, (void)scratch, (void)y;
}

#endif

const struct backend backend_neon_fp32 = {.name = "neon-fp32",
					  .precision = "fp32",
					  .missing = missing_fp32,
					  .describe = describe_fp32,
					  .pack = fp32_pack,
					  .run = run_fp32};
const struct backend backend_neon_int8 = {.name = "neon-int8",
					  .precision = "int8",
					  .missing = missing_int8,
					  .describe = describe_int8,
					  .pack = int8_pack,
					  .run = run_int8};
