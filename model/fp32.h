/* Inside model/: the packed weight of our own fp32 backends. Any thread; only fp32_pack allocates. */
#ifndef MIDIBERTD_MODEL_FP32_H
#define MIDIBERTD_MODEL_FP32_H

#include "model/linear.h"

#define FP32_PANEL 16 /* channels of a panel */

/* For struct backend: linear->packed becomes [panel][in][16] floats, 64-byte aligned, zero past the channels. */
bool fp32_pack(struct linear *linear);

#endif
