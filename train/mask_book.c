/* The mask book. It does not know the network: the masker's opinions are handed in. */
#include "train/mask_book.h"

#include "base/random.h"
#include "train/masker.h"

#include <stdlib.h>
#include <string.h>

bool mask_book_new(struct mask_book *book, size_t pieces, const size_t *counts)
{
	*book = (struct mask_book){.pieces = pieces};
	book->start = calloc(pieces + 1, sizeof *book->start);
	for (size_t i = 0; book->start && i < pieces; i++)
		book->start[i + 1] = book->start[i] + counts[i];
	book->notes = book->start ? book->start[pieces] : 0;
	book->bits = calloc(mask_book_words(book), sizeof *book->bits);
	size_t longest = 1;
	for (size_t i = 0; i < pieces; i++)
		longest = counts[i] > longest ? counts[i] : longest;
	book->rank = calloc(longest, sizeof *book->rank);
	book->was = calloc(longest, 1);
	book->chosen = calloc(longest, 1);
	if (book->start && book->bits && book->rank && book->was && book->chosen)
		return true;
	mask_book_free(book);
	return false;
}

void mask_book_free(struct mask_book *book)
{
	free(book->start);
	free(book->bits);
	free(book->rank);
	free(book->was);
	free(book->chosen);
	*book = (struct mask_book){0};
}

static void set(struct mask_book *book, size_t at, bool frozen)
{
	unsigned bit = 1u << at % 16, word = book->bits[at / 16];
	book->bits[at / 16] = (uint16_t)(frozen ? word | bit : word & ~bit);
}

/* Probability with which a frozen note is let go, after `freezing` of its piece were added to `frozen`. */
static double let_go(double u, int notes, int frozen, int freezing, unsigned faults)
{
	double drawn = 0.1 * u, needed = (frozen + freezing - MASK_BOOK_FROZEN_MAX * notes) / frozen;
	if (faults & FAULT_DECAY || needed < drawn)
		return drawn;
	return needed < 1 ? needed : 1;
}

static void freeze_piece(struct mask_book *book, size_t piece, const float *worth, uint64_t key, unsigned faults)
{
	uint8_t *was = book->was, *chosen = book->chosen;
	struct random random = {random_hash(key, piece), 0};
	size_t start = book->start[piece];
	int notes = (int)(book->start[piece + 1] - start), frozen = 0;
	for (int i = 0; i < notes; i++)
		frozen += was[i] = mask_book_is_frozen(book, piece, (size_t)i);
	double share = MASKER_SHARE_LOW + (MASKER_SHARE_HIGH - MASKER_SHARE_LOW) * random_uniform(&random);
	int freezing = masker_select(notes, worth + start, was, (int)(share * (notes - frozen)), book->rank, chosen);
	double u = random_uniform(&random), probability = frozen ? let_go(u, notes, frozen, freezing, faults) : 0;
	for (int i = 0; i < notes; i++) {
		bool stays = was[i] ? random_uniform(&random) >= probability : chosen[i];
		set(book, start + (size_t)i, stays);
		book->frozen += (size_t)stays - was[i];
	}
}

void mask_book_freeze(struct mask_book *book, const float *worth, uint64_t seed, unsigned faults)
{
	for (size_t i = 0; i < book->pieces; i++)
		freeze_piece(book, i, worth, random_hash(seed, book->freezings), faults);
	book->freezings++;
}

size_t mask_book_words(const struct mask_book *book)
{
	return book->notes / 16 + 1;
}

void mask_book_save(const struct mask_book *book, float *words)
{
	for (size_t i = 0; i < mask_book_words(book); i++)
		words[i] = (float)book->bits[i];
}

void mask_book_load(struct mask_book *book, const float *words)
{
	book->frozen = 0;
	for (size_t i = 0; i < mask_book_words(book); i++)
		book->bits[i] = words[i] >= 0 && words[i] <= 65535 ? (uint16_t)words[i] : 0;
	for (size_t at = 0; at < book->notes; at++)
		book->frozen += book->bits[at / 16] >> at % 16 & 1;
}
