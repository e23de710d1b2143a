/* Inside model/: the entries of the table in backend.c, one file each. */
#ifndef MIDIBERTD_MODEL_BACKENDS_H
#define MIDIBERTD_MODEL_BACKENDS_H

#include "model/backend.h"

extern const struct backend backend_openblas;
extern const struct backend backend_avx512_bf16, backend_avx512_int8;
extern const struct backend backend_avx2_fp32, backend_avx2_int8;
extern const struct backend backend_neon_fp32, backend_neon_int8;
extern const struct backend backend_onednn_bf16, backend_onednn_int8;
extern const struct backend backend_plain_fp32, backend_plain_int8;

/* Set-up thread: threads that one product of oneDNN's may use. */
void backend_onednn_use_threads(int threads);

#endif
