/* Dropout whose mask is a function of a key and an index: the backward pass draws it again instead of keeping it.
 * Any thread; no allocation. */
#ifndef MIDIBERTD_TRAIN_DROPOUT_H
#define MIDIBERTD_TRAIN_DROPOUT_H

#include <stdint.h>

/* x[i] = x[i] / (1 - rate), or 0 with probability rate, for i < count. rate 0 leaves x alone. */
void dropout_apply(uint32_t key, float rate, long count, float *x);

#endif
