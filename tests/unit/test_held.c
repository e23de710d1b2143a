/* Held notes against what a player does, and against a plain list under random use. */
#include "stream/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POOL 64

static bool push(struct held *held, int32_t id, int input, int channel, int pitch)
{
	struct held_note note = {id * 10, id, (uint8_t)input, (uint8_t)channel, (uint8_t)pitch};
	return held_push(held, &note);
}

static void test_pairs_first_in_first_out(void **state)
{
	(void)state;
	struct held *held = held_new(POOL);
	struct held_note note;
	assert_non_null(held);
	assert_true(push(held, 1, 0, 0, 60));
	assert_true(push(held, 2, 0, 0, 60));
	assert_true(push(held, 3, 0, 1, 60));
	assert_true(push(held, 4, 1, 0, 60));
	assert_true(push(held, 5, 0, 0, 61));
	assert_int_equal(held_count(held), 5);
	assert_true(held_pop(held, 0, 0, 60, &note));
	assert_int_equal(note.id, 1);
	assert_int_equal(note.event_us, 10);
	assert_true(held_pop(held, 0, 0, 60, &note));
	assert_int_equal(note.id, 2);
	assert_false(held_pop(held, 0, 0, 60, &note));
	assert_true(held_pop(held, 1, 0, 60, &note));
	assert_int_equal(note.id, 4);
	assert_true(held_pop(held, 0, 1, 60, &note));
	assert_int_equal(note.id, 3);
	assert_true(held_pop_oldest(held, &note));
	assert_int_equal(note.id, 5);
	assert_false(held_pop_oldest(held, &note));
	assert_int_equal(held_count(held), 0);
	held_free(held);
}

static void test_is_bounded(void **state)
{
	(void)state;
	struct held *held = held_new(POOL);
	struct held_note note;
	for (int32_t id = 1; id <= POOL; id++)
		assert_true(push(held, id, 15, 15, 127));
	assert_false(push(held, POOL + 1, 0, 0, 0));
	assert_int_equal(held_count(held), POOL);
	assert_true(held_pop_oldest(held, &note));
	assert_int_equal(note.id, 1);
	assert_true(push(held, POOL + 1, 0, 0, 0));
	for (int32_t id = 2; id <= POOL; id++) {
		assert_true(held_pop(held, 15, 15, 127, &note));
		assert_int_equal(note.id, id);
	}
	assert_null(held_new(0));
	assert_null(held_new(HELD_MAX + 1));
	held_free(held);
	held_free(NULL);
}

struct collected {
	int32_t ids[POOL];
	size_t count;
};

static void collect(void *context, const struct held_note *note)
{
	struct collected *collected = context;
	collected->ids[collected->count++] = note->id;
}

static void test_releases_by_input_and_channel(void **state)
{
	(void)state;
	struct held *held = held_new(POOL);
	struct collected collected = {{0}, 0};
	for (int32_t id = 1; id <= 12; id++)
		assert_true(push(held, id, id % 2, id % 3, id));
	held_release(held, 1, 0, collect, &collected);
	const int32_t channel_0[] = {3, 9}, input_1[] = {1, 5, 7, 11}, rest[] = {2, 4, 6, 8, 10, 12};
	assert_int_equal(collected.count, 2);
	assert_memory_equal(collected.ids, channel_0, sizeof channel_0);
	collected.count = 0;
	held_release(held, 1, -1, collect, &collected);
	assert_int_equal(collected.count, 4);
	assert_memory_equal(collected.ids, input_1, sizeof input_1);
	collected.count = 0;
	held_release(held, -1, -1, collect, &collected);
	assert_int_equal(collected.count, 6);
	assert_memory_equal(collected.ids, rest, sizeof rest);
	assert_int_equal(held_count(held), 0);
	held_free(held);
}

/* The same thing done slowly: an array in order of age. */
struct plain {
	struct held_note notes[POOL];
	size_t count;
};

static bool plain_take(struct plain *plain, const struct held_note *key, struct held_note *note)
{
	for (size_t i = 0; i < plain->count; i++) {
		const struct held_note *at = &plain->notes[i];
		if (key && (at->input != key->input || at->channel != key->channel || at->pitch != key->pitch))
			continue;
		*note = *at;
		plain->count--;
		memmove(&plain->notes[i], &plain->notes[i + 1], (plain->count - i) * sizeof plain->notes[0]);
		return true;
	}
	return false;
}

static void test_agrees_with_a_plain_list(void **state)
{
	(void)state;
	struct held *held = held_new(POOL);
	struct plain plain = {.count = 0};
	srand(7);
	for (int32_t id = 1; id <= 200000; id++) {
		struct held_note key = {id, id, (uint8_t)(rand() % 3), (uint8_t)(rand() % 2), (uint8_t)(rand() % 4)};
		struct held_note got = {0}, expected = {0};
		int action = rand() % 20;
		if (action < 11) {
			bool room = plain.count < POOL;
			assert_int_equal(held_push(held, &key), room);
			if (room)
				plain.notes[plain.count++] = key;
		} else if (action < 19) {
			assert_int_equal(held_pop(held, key.input, key.channel, key.pitch, &got),
					 plain_take(&plain, &key, &expected));
		} else {
			assert_int_equal(held_pop_oldest(held, &got), plain_take(&plain, NULL, &expected));
		}
		assert_int_equal(got.id, expected.id);
		assert_int_equal(held_count(held), plain.count);
	}
	held_free(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pairs_first_in_first_out),
	    cmocka_unit_test(test_is_bounded),
	    cmocka_unit_test(test_releases_by_input_and_channel),
	    cmocka_unit_test(test_agrees_with_a_plain_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
