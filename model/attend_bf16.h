/* Inside model/: attention's scores from bf16 pairs (model/bf16.h), fp32 sums. Only on CPUs where bf16_available() is true.
 * Any thread; real-time safe. */
#ifndef MIDIBERTD_MODEL_ATTEND_BF16_H
#define MIDIBERTD_MODEL_ATTEND_BF16_H

#include "model/attend.h"

/* scores[i * stride + k] = (q_i k + q_i E + k E) scale for i < rows and every key of blocks block .. blocks - 1. */
void attend_bf16_scores(int rows, const struct attend_keys *keys, const float *const query[], int block, int blocks,
			float scale, float *scores, long stride);

#endif
