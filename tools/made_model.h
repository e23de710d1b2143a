/* A network of any size with random weights: what `midibert bench` measures where no trained one is. Main thread. */
#ifndef MIDIBERTD_TOOLS_MADE_MODEL_H
#define MIDIBERTD_TOOLS_MADE_MODEL_H

#include "base/status.h"
#include "model/model.h"

/* "LAYERSxWIDTH", such as 12x768: attention heads of 64, inner width 4 times the width, span 1024, look-ahead 4, the heads
 * of the shipped weights. Written to a file in $TMPDIR (/tmp), 2 bytes a number, which is gone again when this returns. */
enum status made_model_open(const char *size, struct model **model, struct error *error);

#endif
