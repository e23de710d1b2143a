/* Runs the masker's rules and the mask book on made-up opinions and losses, and prints what went in, the random numbers that
 * were drawn, and what came out, a JSON object a line; for tests/e2e/test_masker, which works it out again. */
#include "train/mask_book.h"
#include "train/masker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T 70
#define CASES 60
#define PIECES 3

static struct random dice = {2024, 0};

static void print_floats(const char *key, const float *x, int count)
{
	printf("\"%s\": [", key);
	for (int i = 0; i < count; i++)
		printf("%s%.9g", i ? ", " : "", (double)x[i]);
	printf("], ");
}

static void print_bytes(const char *key, const uint8_t *x, int count)
{
	printf("\"%s\": [", key);
	for (int i = 0; i < count; i++)
		printf("%s%d", i ? ", " : "", x[i]);
	printf("], ");
}

static void print_tokens(const char *key, const struct token *x, int count)
{
	printf("\"%s\": [", key);
	for (int i = 0; i < count; i++) {
		printf("%s[", i ? ", " : "");
		for (int a = 0; a < ATTRIBUTES; a++)
			printf("%s%d", a ? ", " : "", x[i].id[a]);
		printf("]");
	}
	printf("], ");
}

/* The first `count` numbers of a stream. */
static void print_draws(uint64_t key, uint64_t count)
{
	struct random random = {key, 0};
	printf("\"draws\": [");
	for (uint64_t i = 0; i < count; i++)
		printf("%s%.17g", i ? ", " : "", random_uniform(&random));
	printf("]");
}

static void print_sequence(int index)
{
	struct token truth[T] = {0}, shown[T];
	float worth[T], loss[T];
	uint8_t frozen[T], chosen[T], became[T];
	int8_t target[T];
	int rank[T], notes = index % 4 ? (int)random_integer(&dice, 20, T) : (int)random_integer(&dice, 1, 6), unfrozen = 0;
	/* every other fault, then all that draw or judge otherwise */
	static const unsigned faults[] = {
	    0, FAULT_SIGN, FAULT_DECAY, FAULT_VOCABULARY, FAULT_REPLACED, 0, FAULT_FEW | FAULT_SIGN, FAULTS_ALL};
	unsigned fault = faults[index % 8];
	for (int t = 0; t < notes; t++) {
		worth[t] = (float)random_integer(&dice, 0, 20) / 20; /* equal ones on purpose */
		loss[t] = (float)random_integer(&dice, 0, 90) / 10;
		frozen[t] = random_uniform(&dice) < 0.4;
		unfrozen += !frozen[t];
		for (int a = 0; a < ATTRIBUTES; a++)
			truth[t].id[a] = (uint16_t)random_integer(&dice, 0, token_vocabulary[a] - SPECIALS - 1);
	}
	memcpy(shown, truth, sizeof shown);
	uint64_t key = random_next(&dice);
	struct random random = {key, 0};
	int count = masker_count(random_uniform(&random), notes, unfrozen, fault);
	count = masker_select(notes, worth, frozen, count, rank, chosen);
	masker_hide(notes, chosen, truth, fault, &random, shown, became);
	int targets = masker_target(notes, became, loss, index, fault, rank, target);
	printf("{\"kind\": \"sequence\", \"index\": %d, \"faults\": %u, ", index, fault);
	print_floats("worth", worth, notes);
	print_floats("loss", loss, notes);
	print_bytes("frozen", frozen, notes);
	print_bytes("chosen", chosen, notes);
	print_bytes("became", became, notes);
	print_tokens("truth", truth, notes);
	print_tokens("shown", shown, notes);
	printf("\"count\": %d, \"targets\": %d, \"target\": [", count, targets);
	for (int t = 0; t < notes; t++)
		printf("%s%d", t ? ", " : "", target[t]);
	printf("], ");
	print_draws(key, random.index);
	printf("}\n");
}

/* Freezes a book several times; after each, the draws of each piece (more than it needs). */
static bool print_book(unsigned faults)
{
	const size_t counts[PIECES] = {50, 0, 33};
	const uint64_t seed = 12;
	struct mask_book book;
	if (!mask_book_new(&book, PIECES, counts))
		return false;
	for (uint64_t freezing = 0; freezing < 12; freezing++) {
		float worth[83];
		for (size_t i = 0; i < book.notes; i++)
			worth[i] = (float)random_integer(&dice, 0, 30) / 30;
		mask_book_freeze(&book, worth, seed, faults);
		for (size_t piece = 0; piece < PIECES; piece++) {
			uint8_t frozen[50];
			for (size_t i = 0; i < counts[piece]; i++)
				frozen[i] = mask_book_is_frozen(&book, piece, i);
			printf("{\"kind\": \"book\", \"piece\": %zu, \"faults\": %u, ", piece, faults);
			print_floats("worth", worth + book.start[piece], (int)counts[piece]);
			print_bytes("frozen", frozen, (int)counts[piece]);
			print_draws(random_hash(random_hash(seed, freezing), piece), counts[piece] + 2);
			printf("}\n");
		}
	}
	mask_book_free(&book);
	return true;
}

int main(void)
{
	for (int i = 0; i < CASES; i++)
		print_sequence(i);
	return print_book(0) && print_book(FAULT_DECAY) ? 0 : 1;
}
