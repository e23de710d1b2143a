/* The mask book: which notes of the training part may be masked, a bit each. Notes that the masker finds hardest are frozen
 * now and then, since masking what cannot be inferred from its surroundings teaches the training part by heart
 * (docs/MODEL.md, pre-training). Read by training threads between two freezings; everything else: leading thread. */
#ifndef MIDIBERTD_TRAIN_MASK_BOOK_H
#define MIDIBERTD_TRAIN_MASK_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASK_BOOK_FROZEN_MAX 0.3 /* share of a piece's notes that may be frozen, on average; no limit with FAULT_DECAY */

struct mask_book {
	size_t pieces, notes;
	size_t *start;	/* [pieces + 1]: index of each piece's first note among all notes */
	uint16_t *bits; /* [mask_book_words]: 1: frozen */
	size_t frozen;	/* notes */
	uint64_t freezings;
	int *rank; /* room for the longest piece, as was and chosen */
	uint8_t *was, *chosen;
};

/* counts: notes of each piece. False without memory; the book is then empty. */
bool mask_book_new(struct mask_book *book, size_t pieces, const size_t *counts);
void mask_book_free(struct mask_book *book);

static inline bool mask_book_is_frozen(const struct mask_book *book, size_t piece, size_t note)
{
	size_t at = book->start[piece] + note;
	return book->bits[at / 16] >> at % 16 & 1;
}

/* One freezing, by worth[notes], the masker's opinion of every note: in each piece, of the notes that are not frozen the
 * share U(0.1, 0.3) with the highest worth (the earlier of equal ones first) is frozen, and each note that was frozen is let
 * go with probability U(0, 0.1), or with the one that keeps the frozen share at MASK_BOOK_FROZEN_MAX if that is higher.
 * Draws, a piece: the share, the probability, then one number for each note that was frozen, in order.
 * faults: of train/masker.h. */
void mask_book_freeze(struct mask_book *book, const float *worth, uint64_t seed, unsigned faults);

/* The bits as numbers below 65536, one a word, and back (frozen is counted again). */
size_t mask_book_words(const struct mask_book *book);
void mask_book_save(const struct mask_book *book, float *words);
void mask_book_load(struct mask_book *book, const float *words);

#endif
