/* The Octuple rules (docs/MODEL.md, tokens): how a note's place, pitch, duration and velocity become eight ids.
 * The only source of tokens: training, files and the live window all call it. Pure functions; any thread; real-time safe
 * but for octuple_tokenize. */
#ifndef MIDIBERTD_STREAM_OCTUPLE_H
#define MIDIBERTD_STREAM_OCTUPLE_H

#include "base/token.h"
#include "stream/smf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCTUPLE_GRID 16 /* positions per quarter note */

/* Where a note begins. Fixed at its note-on, never re-gridded. */
struct place {
	int64_t bar;		       /* from 0, growing without bound; a token holds it modulo 256 */
	uint8_t position;	       /* 0-127, in the bar; positions past 127 are held at 127 */
	uint8_t time_signature, tempo; /* ids */
};

/* round(tick * 16 / ticks_per_quarter), halves to even. tick >= 0. */
int64_t octuple_position(int64_t tick, int32_t ticks_per_quarter);

/* Reduces a signature in place as the rules say. False: it could not be reduced and was clamped to what a token holds. */
bool octuple_reduce_signature(uint16_t *numerator, uint16_t *denominator);
uint8_t octuple_signature_id(uint16_t numerator, uint16_t denominator); /* of a reduced signature */
int64_t octuple_bar_length(uint16_t numerator, uint16_t denominator);	/* in grid positions: num * 64 / den, at least 1 */

uint8_t octuple_duration_id(int64_t positions); /* 0 and up */
uint8_t octuple_velocity_id(int velocity);	/* 0-127 */
uint8_t octuple_tempo_id(double bpm);
int octuple_velocity_of_id(int id); /* 4 id + 2 */

/* One token. duration_positions < 0: not known, MASK. velocity < 0: hidden, MASK. bar = (place->bar + bar_offset) mod 256.
 * Instrument is 0. */
struct token octuple_token(const struct place *place, int pitch, int64_t duration_positions, int velocity, int bar_offset);

/* A token on its way to its place in a file's order: by cut, all eight fields, then note. For qsort. */
struct octuple_sorted {
	int64_t cut; /* bar / TOKEN_BARS */
	size_t note; /* index where it came from */
	struct token token;
};
int octuple_sort_order(const void *left, const void *right);

/* A file as published checkpoints and `midibert tokenize` see it: sorted by all eight fields, cut after 256 bars, bar
 * numbers restarting in each cut. Channel 10 is left out unless drums. Allocates; free both arrays with free(3). */
struct octuple_tokens {
	struct token *tokens;
	size_t *note; /* index into file->notes of each token */
	size_t count;
	size_t *cut_start; /* index of the first token of each cut */
	size_t cuts;
	size_t clamped_signatures;
};
enum status octuple_tokenize(const struct smf *file, bool drums, struct octuple_tokens *tokens, struct error *error);
void octuple_tokens_free(struct octuple_tokens *tokens); /* leaves *tokens empty */

#endif
