/* The ring and the wake: order, bounds and counts on one thread; nothing lost, doubled or torn between two (the thread
 * sanitizer runs this as well). */
#include "base/ring.h"
#include "base/wake.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#define MESSAGES 300000
#define WORDS 9 /* of a message: not a power of two */

static void test_bounds(void **state)
{
	(void)state;
	assert_null(ring_new(0, 4));
	assert_null(ring_new(8, SIZE_MAX));
	assert_null(ring_new(SIZE_MAX / 2, 4));
	ring_free(NULL);
}

static void test_full_and_empty(void **state)
{
	(void)state;
	int value = -1;
	struct ring *ring = ring_new(sizeof(value), 5);
	assert_non_null(ring);
	size_t room = ring_space(ring);
	assert_in_range(room, 5, 8);
	for (int lap = 0; lap < 3; lap++) {
		assert_true(ring_is_empty(ring));
		assert_false(ring_pop(ring, &value));
		for (int i = 0; i < (int)room; i++)
			assert_true(ring_push(ring, &i));
		assert_int_equal(ring_space(ring), 0);
		int late = 99;
		assert_false(ring_push(ring, &late));
		assert_int_equal(ring_dropped(ring), lap + 1);
		assert_false(ring_is_empty(ring));
		for (int i = 0; i < (int)room; i++) {
			assert_true(ring_pop(ring, &value));
			assert_int_equal(value, i); /* the newest was refused, the older ones stayed */
		}
	}
	ring_free(ring);
}

struct pair {
	struct ring *ring;
	int wake;
};

static void *write_all(void *context)
{
	struct pair *pair = context;
	for (uint64_t i = 0; i < MESSAGES; i++) {
		uint64_t message[WORDS];
		for (size_t word = 0; word < WORDS; word++)
			message[word] = i * WORDS + word;
		while (ring_space(pair->ring) == 0)
			sched_yield();
		if (!ring_push(pair->ring, message))
			return context; /* there was room: only the writer fills it */
		wake_post(pair->wake);
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	(void)state;
	struct pair pair = {ring_new(WORDS * sizeof(uint64_t), 64), wake_open()};
	pthread_t writer;
	assert_non_null(pair.ring);
	assert_true(pair.wake >= 0);
	assert_int_equal(pthread_create(&writer, NULL, write_all, &pair), 0);
	for (uint64_t i = 0; i < MESSAGES;) {
		uint64_t message[WORDS];
		/* Woken for every message that the ring was empty before: a lost wake-up would end in the time-out. */
		assert_true(wake_wait(pair.wake, 20000000));
		for (; ring_pop(pair.ring, message); i++)
			for (size_t word = 0; word < WORDS; word++)
				if (message[word] != i * WORDS + word)
					fail_msg("message %llu, word %zu is %llu", (unsigned long long)i, word,
						 (unsigned long long)message[word]);
	}
	void *failed;
	assert_int_equal(pthread_join(writer, &failed), 0);
	assert_null(failed);
	assert_true(ring_is_empty(pair.ring));
	assert_int_equal(ring_dropped(pair.ring), 0);
	close(pair.wake);
	ring_free(pair.ring);
}

static void test_wake(void **state)
{
	(void)state;
	int wake = wake_open();
	assert_true(wake >= 0);
	assert_false(wake_wait(wake, 0));
	wake_post(wake);
	wake_post(wake);
	assert_true(wake_wait(wake, -1)); /* two posts are one wake-up */
	assert_false(wake_wait(wake, 1000));
	wake_post(wake);
	wake_clear(wake);
	assert_false(wake_wait(wake, 0));
	close(wake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_full_and_empty),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_wake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
