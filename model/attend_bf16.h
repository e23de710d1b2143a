/* Inside model/: attention of one head in bf16 pairs (model/bf16.h) with fp32 sums: scores, and values by weights that are
 * rounded, too, before they are made to sum to one. Only on CPUs where bf16_available() is true. Any thread; real-time
 * safe. */
#ifndef MIDIBERTD_MODEL_ATTEND_BF16_H
#define MIDIBERTD_MODEL_ATTEND_BF16_H

#include "model/attend.h"

/* As attend. A row's result is the same to the last bit whatever rows are beside it. */
void attend_bf16(int rows, const struct attend_keys *keys, const float *const query[], const int from[], const int to[],
		 float *scores, float *const y[]);

#endif
