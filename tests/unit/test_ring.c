/* The ring alone, and between two threads (the thread sanitizer's test). */
#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct message {
	uint64_t number, inverse;
	uint8_t odd[5]; /* a size that is no power of two */
};

static void test_keeps_order_and_counts_what_it_refuses(void **state)
{
	(void)state;
	struct ring *ring = ring_new(sizeof(struct message), 5);
	struct message message = {0};
	assert_non_null(ring);
	assert_true(ring_is_empty(ring));
	assert_false(ring_pop(ring, &message));
	size_t room = ring_space(ring);
	assert_true(room >= 5);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < room; i++) {
			message = (struct message){.number = i, .inverse = ~(uint64_t)i};
			assert_int_equal(ring_space(ring), room - i);
			assert_true(ring_push(ring, &message));
		}
		assert_int_equal(ring_space(ring), 0);
		assert_false(ring_push(ring, &message));
		assert_int_equal(ring_dropped(ring), round + 1);
		for (size_t i = 0; i < room; i++) {
			assert_false(ring_is_empty(ring));
			assert_true(ring_pop(ring, &message));
			assert_int_equal(message.number, i);
			assert_int_equal(message.inverse, ~(uint64_t)i);
		}
		assert_false(ring_pop(ring, &message));
		/* Begin the next round in the middle. */
		assert_true(ring_push(ring, &message));
		assert_true(ring_pop(ring, &message));
	}
	ring_free(ring);
}

static void test_refuses_sizes_that_cannot_be(void **state)
{
	(void)state;
	assert_null(ring_new(0, 8));
	assert_null(ring_new(16, SIZE_MAX));
	assert_null(ring_new(SIZE_MAX, 2));
	ring_free(NULL);
}

#define MESSAGES 400000

static void *write_all(void *context)
{
	struct ring *ring = context;
	for (uint64_t i = 0; i < MESSAGES;) {
		struct message message = {.number = i, .inverse = ~i, .odd = {(uint8_t)i}};
		if (ring_push(ring, &message))
			i++;
		else
			sched_yield();
	}
	return NULL;
}

static void test_between_threads_nothing_is_lost_or_torn(void **state)
{
	(void)state;
	struct ring *ring = ring_new(sizeof(struct message), 64);
	struct message message;
	pthread_t writer;
	assert_int_equal(pthread_create(&writer, NULL, write_all, ring), 0);
	for (uint64_t i = 0; i < MESSAGES;) {
		if (!ring_pop(ring, &message)) {
			sched_yield();
			continue;
		}
		if (message.number != i || message.inverse != ~i || message.odd[0] != (uint8_t)i)
			fail_msg("message %llu came as %llu", (unsigned long long)i, (unsigned long long)message.number);
		i++;
	}
	pthread_join(writer, NULL);
	assert_true(ring_is_empty(ring));
	ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keeps_order_and_counts_what_it_refuses),
	    cmocka_unit_test(test_refuses_sizes_that_cannot_be),
	    cmocka_unit_test(test_between_threads_nothing_is_lost_or_torn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
