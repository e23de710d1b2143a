/* Vocabulary sizes of the Octuple token. Constant data. */
#include "base/token.h"

const uint16_t token_vocabulary[ATTRIBUTES] = {262, 134, 135, 262, 134, 38, 260, 55};
