/* The Octuple token: one note, eight attributes (METHOD section 1 of docs/MODEL.md; arXiv 2407.08306, section 3).
 * Plain data; the rules that fill it live in stream/octuple.h, the tables that read it in model/. */
#ifndef MIDIBERTD_BASE_TOKEN_H
#define MIDIBERTD_BASE_TOKEN_H

#include <stdint.h>

enum attribute {
	ATTRIBUTE_BAR,
	ATTRIBUTE_POSITION,
	ATTRIBUTE_INSTRUMENT,
	ATTRIBUTE_PITCH,
	ATTRIBUTE_DURATION,
	ATTRIBUTE_VELOCITY,
	ATTRIBUTE_TIME_SIGNATURE,
	ATTRIBUTE_TEMPO,
	ATTRIBUTES
};

/* Regular ids come first in every vocabulary; the six special ids follow them in this order. */
enum special { SPECIAL_PAD, SPECIAL_MASK, SPECIAL_SOS, SPECIAL_EOS, SPECIAL_CLS, SPECIAL_SEP, SPECIALS };

struct token {
	uint16_t id[ATTRIBUTES];
};

/* Size of each attribute's vocabulary, special ids included: 262 134 135 262 134 38 260 55. */
extern const uint16_t token_vocabulary[ATTRIBUTES];
#define TOKEN_VOCABULARY_SUM 1280 /* of all eight */
#define TOKEN_VOCABULARY_MAX 262

#define TOKEN_BARS 256
#define TOKEN_VELOCITIES 32

static inline uint16_t token_special(enum attribute attribute, enum special special)
{
	return (uint16_t)(token_vocabulary[attribute] - SPECIALS + (int)special);
}

#endif
