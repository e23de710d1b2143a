/* Which notes of a sequence are hidden for pre-training, what stands in their place, and what the masker should have said of
 * them (docs/MODEL.md, pre-training). Pure functions; any thread; no allocation. */
#ifndef MIDIBERTD_TRAIN_MASKER_H
#define MIDIBERTD_TRAIN_MASKER_H

#include "base/random.h"
#include "base/token.h"

#include <stdbool.h>

enum masking { MASKING_RANDOM, MASKING_BAR, MASKING_ADVERSARIAL };

/* What the published code does otherwise, bit by bit, so that each difference can be measured (--paper-code). */
enum {
	FAULT_SIGN = 1,	   /* every second sequence of a batch trains the masker towards the wrong notes */
	FAULT_DECAY = 2,   /* the number of masked notes falls with the notes that are left, and these with every freezing */
	FAULT_FEW = 4,	   /* less than four masked notes: no target, and a loss that is not a number */
	FAULT_PADDING = 8, /* sequences are filled up with PAD, which may be masked and is to be recovered */
	FAULT_ZERO = 16,   /* an accuracy of nothing weighs infinitely */
	FAULT_ALL_NOTES = 32,  /* a second loss asks for every note, masked or not */
	FAULT_VOCABULARY = 64, /* a random note: any id of each vocabulary, special ones included */
	FAULT_REPLACED = 128,  /* the masker learns from the notes that were replaced alone */
	FAULTS_ALL = 255
};

/* Shares of masked notes, and of those that become MASK, and that become MASK or a random note. */
#define MASKER_SHARE_LOW 0.1
#define MASKER_SHARE_HIGH 0.3
#define MASKER_SHARE_MAX 0.15
#define MASKER_MASK 0.8
#define MASKER_REPLACE 0.9
#define MASKER_TARGET 0.3 /* share of the masked notes that are targets, at either end */

/* Notes to mask of a sequence: min(share U(0.1, 0.3) of its notes, 0.15 of its notes), at least one, at most the unfrozen.
 * u: uniform in [0, 1). FAULT_DECAY: U of the unfrozen notes. */
int masker_count(double u, int notes, int unfrozen, unsigned faults);

/* Marks the n notes with the highest worth among those not frozen, the earlier of equal ones first; chosen[T] becomes 0
 * or 1. rank: room for T. Returns how many there were. */
int masker_select(int T, const float *worth, const uint8_t *frozen, int n, int *rank, uint8_t *chosen);

/* What became of a note. */
enum { NOTE_SHOWN, NOTE_MASKED, NOTE_REPLACED, NOTE_KEPT };

/* Hides the chosen notes of shown[T] in place, in order: 80 % MASK, 10 % another note of truth[T], 10 % as they are.
 * became[T] says which. Draws, a chosen note: one number for its fate; then, if replaced, one for the note that comes in its
 * place (FAULT_VOCABULARY: one an attribute). */
void masker_hide(int T, const uint8_t *chosen, const struct token *truth, unsigned faults, struct random *random,
		 struct token *shown, uint8_t *became);

/* Hides all of one attribute in a bar together, each of them with probability 0.15, likewise 80/10/10. asked[T]: bit a:
 * attribute a is hidden. Bars are told apart by truth's ids; key decides everything. */
void masker_hide_bars(int T, const struct token *truth, unsigned faults, uint64_t key, struct token *shown, uint8_t *asked);

/* target[T]: 1 for the 30 % of hidden notes with the highest loss, 0 for the 30 % with the lowest, at least one each where
 * there are two, else -1. index: of the sequence in its batch. Returns the targets; -1: FAULT_FEW, the loss is no number.
 * rank: room for T. */
int masker_target(int T, const uint8_t *became, const float *loss, int index, unsigned faults, int *rank, int8_t *target);

/* weight[a] proportional to 1 / accuracy[a], which counts as at least 0.05; they sum to one. */
void masker_weights(const double *accuracy, unsigned faults, float *weight);

#endif
