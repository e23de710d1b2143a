/* Which notes are masked, what becomes of them, what the masker should have said, the mask book and its freezing, and each
 * fault of the published code beside what is done here. */
#include "train/mask_book.h"
#include "train/masker.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T 4000

static struct token truth[T], shown[T];
static uint8_t chosen[T], became[T], asked[T], frozen[T];
static float worth[T];
static int8_t target[T];
static int rank[T];

static int set_up(void **state)
{
	(void)state;
	struct random random = {5, 0};
	for (int t = 0; t < T; t++) {
		for (int a = 0; a < ATTRIBUTES; a++) /* regular ids; no note twice */
			truth[t].id[a] = (uint16_t)random_integer(&random, 0, token_vocabulary[a] - SPECIALS - 1);
		truth[t].id[ATTRIBUTE_BAR] = (uint16_t)(t / 20 % TOKEN_BARS);
		truth[t].id[ATTRIBUTE_POSITION] = (uint16_t)(t % 128);
		worth[t] = (float)random_uniform(&random);
	}
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	memcpy(shown, truth, sizeof shown);
	memset(frozen, 0, sizeof frozen);
	memset(chosen, 0, sizeof chosen);
	return 0;
}

static void test_count(void **state)
{
	(void)state;
	assert_int_equal(masker_count(0, 100, 100, 0), 10);
	assert_int_equal(masker_count(0.2, 100, 100, 0), 14);
	assert_int_equal(masker_count(0.999, 100, 100, 0), 15);
	/* few notes: at least one, but none that is frozen */
	assert_int_equal(masker_count(0, 3, 3, 0), 1);
	assert_int_equal(masker_count(0.5, 1, 1, 0), 1);
	assert_int_equal(masker_count(0.5, 100, 4, 0), 4);
	assert_int_equal(masker_count(0.5, 100, 0, 0), 0);
	/* published: of the unfrozen notes, so that fewer and fewer are masked */
	assert_int_equal(masker_count(0.5, 100, 50, 0), 15);
	assert_int_equal(masker_count(0.5, 100, 50, FAULT_DECAY), 10);
	assert_int_equal(masker_count(0, 3, 3, FAULT_DECAY), 0);
}

static void test_select(void **state)
{
	(void)state;
	const float values[8] = {0.5f, 0.9f, 0.5f, 0.1f, 0.9f, 0.7f, 0.5f, 0.99f};
	const uint8_t out[8] = {0, 0, 0, 0, 0, 0, 0, 1};
	const uint8_t wanted[8] = {1, 1, 0, 0, 1, 1, 0, 0};
	assert_int_equal(masker_select(8, values, out, 4, rank, chosen), 4);
	assert_memory_equal(chosen, wanted, 8); /* the frozen one never, of equal ones the first */
	assert_int_equal(masker_select(8, values, out, 100, rank, chosen), 7);
	assert_int_equal(chosen[7], 0);
	assert_int_equal(masker_select(8, values, out, 0, rank, chosen), 0);
	assert_int_equal(masker_select(T, worth, frozen, 600, rank, chosen), 600);
	float least = 1, most = 0;
	for (int t = 0; t < T; t++) {
		if (chosen[t])
			least = worth[t] < least ? worth[t] : least;
		else
			most = worth[t] > most ? worth[t] : most;
	}
	assert_true(least > most);
}

static bool is_note_of_sequence(const struct token *token)
{
	for (int t = 0; t < T; t++)
		if (memcmp(token, &truth[t], sizeof *token) == 0)
			return true;
	return false;
}

static void test_hide(void **state)
{
	(void)state;
	struct random random = {9, 0};
	int count[4] = {0}, special = 0;
	masker_select(T, worth, frozen, 2000, rank, chosen);
	masker_hide(T, chosen, truth, 0, &random, shown, became);
	for (int t = 0; t < T; t++) {
		count[became[t]]++;
		assert_int_equal(became[t] != NOTE_SHOWN, chosen[t]);
		for (int a = 0; became[t] == NOTE_MASKED && a < ATTRIBUTES; a++)
			assert_int_equal(shown[t].id[a], token_special((enum attribute)a, SPECIAL_MASK));
		if (became[t] == NOTE_SHOWN || became[t] == NOTE_KEPT)
			assert_memory_equal(&shown[t], &truth[t], sizeof *shown);
		if (became[t] == NOTE_REPLACED)
			assert_true(is_note_of_sequence(&shown[t]));
	}
	assert_in_range(count[NOTE_MASKED], 1540, 1660);
	assert_in_range(count[NOTE_REPLACED], 160, 240);
	assert_in_range(count[NOTE_KEPT], 160, 240);
	/* published: any id of the vocabulary, PAD and MASK among them */
	memcpy(shown, truth, sizeof shown);
	masker_hide(T, chosen, truth, FAULT_VOCABULARY, &random, shown, became);
	for (int t = 0; t < T; t++)
		for (int a = 0; became[t] == NOTE_REPLACED && a < ATTRIBUTES; a++) {
			assert_true(shown[t].id[a] < token_vocabulary[a]);
			special += shown[t].id[a] >= token_vocabulary[a] - SPECIALS;
		}
	assert_true(special > 20);
}

static void test_hide_bars(void **state)
{
	(void)state;
	int hidden = 0;
	masker_hide_bars(T, truth, 0, 77, shown, asked);
	for (int t = 0; t < T; t++) {
		for (int a = 0; a < ATTRIBUTES; a++) {
			bool is_asked = asked[t] >> a & 1;
			hidden += is_asked;
			if (!is_asked)
				assert_int_equal(shown[t].id[a], truth[t].id[a]);
			if (t % 20) /* one bar, one fate */
				assert_int_equal(is_asked, asked[t - 1] >> a & 1);
			bool masked = shown[t].id[a] == token_special((enum attribute)a, SPECIAL_MASK);
			if (t % 20)
				assert_int_equal(masked,
						 shown[t - 1].id[a] == token_special((enum attribute)a, SPECIAL_MASK));
		}
	}
	/* 200 bars of 8 attributes: 0.15, within four deviations */
	assert_in_range(hidden, (int)(0.114 * T * ATTRIBUTES), (int)(0.186 * T * ATTRIBUTES));
}

static int count_targets(int T1, int8_t value)
{
	int count = 0;
	for (int t = 0; t < T1; t++)
		count += target[t] == value;
	return count;
}

static void test_target(void **state)
{
	(void)state;
	const uint8_t fate[12] = {NOTE_MASKED, NOTE_SHOWN,  NOTE_MASKED, NOTE_KEPT,   NOTE_MASKED, NOTE_REPLACED,
				  NOTE_MASKED, NOTE_MASKED, NOTE_SHOWN,	 NOTE_MASKED, NOTE_MASKED, NOTE_MASKED};
	const float loss[12] = {5, 99, 1, 9, 3, 8, 2, 4, -99, 6, 3.5f, 7};
	const int8_t wanted[12] = {-1, -1, 0, 1, 0, 1, 0, -1, -1, -1, -1, 1};
	assert_int_equal(masker_target(12, fate, loss, 1, 0, rank, target), 6);
	assert_memory_equal(target, wanted, 12);
	/* published: every second sequence the other way round */
	masker_target(12, fate, loss, 0, FAULT_SIGN, rank, target);
	assert_memory_equal(target, wanted, 12);
	masker_target(12, fate, loss, 1, FAULT_SIGN, rank, target);
	for (int t = 0; t < 12; t++)
		assert_int_equal(target[t], wanted[t] < 0 ? -1 : 1 - wanted[t]);
	/* published: notes that stayed as they are teach nothing: 30 % of nine are two */
	assert_int_equal(masker_target(12, fate, loss, 0, FAULT_REPLACED, rank, target), 4);
	assert_int_equal(target[3], -1);
}

static void test_target_of_few(void **state)
{
	(void)state;
	const float loss[4] = {2, 9, 4, 3};
	for (int n = 0; n <= 4; n++) {
		for (int t = 0; t < 4; t++)
			became[t] = t < n ? NOTE_MASKED : NOTE_SHOWN;
		assert_int_equal(masker_target(4, became, loss, 0, 0, rank, target), n < 2 ? 0 : 2);
		assert_int_equal(count_targets(4, 1), n >= 2);
		assert_int_equal(count_targets(4, 0), n >= 2);
		if (n >= 2)
			assert_true(target[1] == 1 && target[0] == 0);
		/* published: nothing to take a mean of */
		assert_int_equal(masker_target(4, became, loss, 0, FAULT_FEW, rank, target), n < 4 ? -1 : 2);
	}
}

static void test_weights(void **state)
{
	(void)state;
	const double accuracy[ATTRIBUTES] = {1, 0.5, 1, 0.25, 1, 0.02, 1, 0}, none[ATTRIBUTES] = {0};
	float weight[ATTRIBUTES], sum = 0;
	masker_weights(accuracy, 0, weight);
	for (int a = 0; a < ATTRIBUTES; a++)
		sum += weight[a];
	assert_true(fabsf(sum - 1) < 1e-6f);
	assert_true(fabsf(weight[1] - 2 * weight[0]) < 1e-6f && fabsf(weight[3] - 4 * weight[0]) < 1e-6f);
	assert_true(fabsf(weight[7] - 20 * weight[0]) < 1e-6f && weight[5] == weight[7]);
	masker_weights(none, 0, weight);
	for (int a = 0; a < ATTRIBUTES; a++)
		assert_true(fabsf(weight[a] - 0.125f) < 1e-6f);
	/* published: a zero accuracy weighs infinitely */
	masker_weights(accuracy, FAULT_ZERO, weight);
	assert_true(!(weight[7] <= 1)); /* not a number */
}

static void test_freezing(void **state)
{
	(void)state;
	const size_t counts[3] = {1000, 0, 3000};
	struct mask_book book;
	assert_true(mask_book_new(&book, 3, counts));
	mask_book_freeze(&book, worth, 1, 0);
	/* the first time only freezes: in each piece the hardest U(0.1, 0.3) */
	for (size_t piece = 0; piece < 3; piece += 2) {
		size_t is_frozen = 0;
		float least = 1, most = 0;
		for (size_t i = 0; i < counts[piece]; i++) {
			float m = worth[book.start[piece] + i];
			bool out = mask_book_is_frozen(&book, piece, i);
			is_frozen += out;
			least = out && m < least ? m : least;
			most = !out && m > most ? m : most;
		}
		assert_in_range(is_frozen, counts[piece] / 10, counts[piece] * 3 / 10);
		assert_true(least > most);
	}
	/* through a checkpoint */
	float *words = calloc(mask_book_words(&book), sizeof *words);
	struct mask_book copy;
	assert_true(mask_book_new(&copy, 3, counts));
	mask_book_save(&book, words);
	mask_book_load(&copy, words);
	assert_int_equal(copy.frozen, book.frozen);
	copy.freezings = book.freezings;
	mask_book_freeze(&book, worth, 1, 0);
	mask_book_freeze(&copy, worth, 1, 0);
	assert_memory_equal(book.bits, copy.bits, mask_book_words(&book) * sizeof *book.bits);
	free(words);
	mask_book_free(&copy);
	mask_book_free(&book);
}

/* Share of notes that may be masked after many freezings by ever new opinions. */
static double left_after(int freezings, unsigned faults)
{
	const size_t counts[4] = {1000, 1000, 1000, 1000};
	struct mask_book book;
	struct random random = {3, 0};
	float opinion[T];
	assert_true(mask_book_new(&book, 4, counts));
	for (int k = 0; k < freezings; k++) {
		for (int t = 0; t < T; t++)
			opinion[t] = (float)random_uniform(&random);
		mask_book_freeze(&book, opinion, 2, faults);
		size_t counted = 0;
		for (size_t i = 0; i < T; i++)
			counted += mask_book_is_frozen(&book, i / 1000, i % 1000);
		assert_int_equal(counted, book.frozen);
	}
	double left = 1 - (double)book.frozen / T;
	mask_book_free(&book);
	return left;
}

static void test_share_does_not_decay(void **state)
{
	(void)state;
	double mended = left_after(60, 0), published = left_after(60, FAULT_DECAY);
	if (!(mended > 0.66 && mended < 0.80))
		fail_msg("unfrozen: %.3f", mended);
	if (!(published > 0.12 && published < 0.30))
		fail_msg("unfrozen as published: %.3f", published);
}

static void test_all_frozen(void **state)
{
	(void)state;
	const size_t counts[1] = {40};
	struct mask_book book;
	float words[3] = {65535, 65535, 255};
	assert_true(mask_book_new(&book, 1, counts));
	mask_book_load(&book, words);
	assert_int_equal(book.frozen, 40);
	for (int t = 0; t < 40; t++)
		frozen[t] = mask_book_is_frozen(&book, 0, (size_t)t);
	assert_int_equal(masker_select(40, worth, frozen, masker_count(1, 40, 0, 0), rank, chosen), 0);
	for (int k = 0; k < 20; k++)
		mask_book_freeze(&book, worth, 3, 0);
	assert_in_range(book.frozen, 4, 20); /* they come back */
	mask_book_free(&book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_count),
	    cmocka_unit_test_setup(test_select, fresh),
	    cmocka_unit_test_setup(test_hide, fresh),
	    cmocka_unit_test_setup(test_hide_bars, fresh),
	    cmocka_unit_test_setup(test_target, fresh),
	    cmocka_unit_test_setup(test_target_of_few, fresh),
	    cmocka_unit_test(test_weights),
	    cmocka_unit_test(test_freezing),
	    cmocka_unit_test(test_share_does_not_decay),
	    cmocka_unit_test_setup(test_all_frozen, fresh),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
