/* Inside model/: the entries of the table in backend.c, one file each. */
#ifndef MIDIBERTD_MODEL_BACKENDS_H
#define MIDIBERTD_MODEL_BACKENDS_H

#include "model/backend.h"

extern const struct backend backend_openblas;
extern const struct backend backend_avx512_bf16;

#endif
