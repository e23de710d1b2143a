/* Waking a thread: posts are kept until they are taken, many are one, a time-out says that nothing came. */
#include "base/wake.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void test_keeps_a_post_and_takes_it_once(void **state)
{
	(void)state;
	int wake = wake_open();
	assert_true(wake >= 0);
	assert_false(wake_wait(wake, 0));
	wake_post(wake);
	wake_post(wake);
	struct pollfd waiting = {.fd = wake, .events = POLLIN};
	assert_int_equal(poll(&waiting, 1, 0), 1);
	assert_true(wake_wait(wake, -1));
	assert_false(wake_wait(wake, 0));
	assert_false(wake_wait(wake, 1000));
	wake_post(wake);
	wake_clear(wake);
	assert_false(wake_wait(wake, 0));
	wake_clear(wake); /* of nothing does not block */
	close(wake);
}

#define ROUNDS 2000

struct pair {
	int there, back;
};

static void *answer(void *context)
{
	struct pair *pair = context;
	for (int i = 0; i < ROUNDS; i++) {
		if (!wake_wait(pair->there, -1))
			return context;
		wake_post(pair->back);
	}
	return NULL;
}

static void test_wakes_another_thread_every_time(void **state)
{
	(void)state;
	struct pair pair = {wake_open(), wake_open()};
	pthread_t thread;
	void *result;
	assert_int_equal(pthread_create(&thread, NULL, answer, &pair), 0);
	for (int i = 0; i < ROUNDS; i++) {
		wake_post(pair.there);
		assert_true(wake_wait(pair.back, 30000000));
	}
	pthread_join(thread, &result);
	assert_null(result);
	close(pair.there);
	close(pair.back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keeps_a_post_and_takes_it_once),
	    cmocka_unit_test(test_wakes_another_thread_every_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
