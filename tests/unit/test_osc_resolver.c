/* Names that are looked up beside the stream: found, moved, unknown, hurried; and a stop in the middle of a look-up. Real
 * threads; the system's resolver is replaced by one that the test answers for. */
#define _GNU_SOURCE
#include "osc/resolver.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 20000 /* less than RESOLVER_AGAIN_US: what has to be hurried fails without it */

/* What the network knows: the test sets it, look_up reads it. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	const char *address[2]; /* of a.test and b.test; NULL: unknown */
	int asked[2];
	bool stuck, entered;
} network = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static enum status look_up(const char *text, bool any_port, struct endpoint *endpoint, struct error *error)
{
	enum status status = STATUS_NOT_FOUND;
	int name = text[0] == 'b';

	pthread_mutex_lock(&network.mutex);
	network.entered = true;
	network.asked[name]++;
	pthread_cond_broadcast(&network.changed);
	while (network.stuck)
		pthread_cond_wait(&network.changed, &network.mutex);
	if (network.address[name])
		status = endpoint_resolve(network.address[name], any_port, endpoint, error);
	else
		status_fail(error, status, "'%s': nobody knows it", text);
	network.entered = false;
	pthread_cond_broadcast(&network.changed);
	pthread_mutex_unlock(&network.mutex);
	return status;
}

static void set(int name, const char *address)
{
	pthread_mutex_lock(&network.mutex);
	network.address[name] = address;
	pthread_mutex_unlock(&network.mutex);
}

/* Waits until a name has been asked for so often. */
static int await(int name, int count)
{
	pthread_mutex_lock(&network.mutex);
	while (network.asked[name] < count || network.entered)
		pthread_cond_wait(&network.changed, &network.mutex);
	count = network.asked[name];
	pthread_mutex_unlock(&network.mutex);
	return count;
}

static struct resolver_news next_news(struct resolver *resolver)
{
	struct pollfd wait = {.fd = resolver_fd(resolver), .events = POLLIN};
	struct resolver_news news;

	while (!resolver_take(resolver, &news))
		assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	return news;
}

static struct resolver *start(void)
{
	static const char *const texts[] = {"a.test:57120", "b.test:9000"};
	struct resolver *resolver = NULL;
	struct error error;

	pthread_mutex_lock(&network.mutex);
	network.asked[0] = network.asked[1] = 0;
	pthread_mutex_unlock(&network.mutex);
	if (resolver_start(texts, 2, look_up, &resolver, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return resolver;
}

static void a_name_is_found_then_moves(void **state)
{
	char host[ENDPOINT_HOST_MAX];
	struct resolver_news news;

	(void)state;
	set(0, "127.0.0.1:57120");
	set(1, NULL);
	struct resolver *resolver = start();
	resolver_wait(resolver, INT64_C(60000000));
	assert_int_equal(await(0, 0), 1);
	assert_true(await(1, 0) >= 1);
	news = next_news(resolver);
	assert_true(news.name == 0 && news.found);
	assert_int_equal(endpoint_port(&news.endpoint), 57120);
	news = next_news(resolver);
	assert_true(news.name == 1 && !news.found);
	assert_non_null(strstr(news.why, "b.test:9000"));
	/* Unknown once is said once, however often it is asked for; then it is there. */
	await(1, 2);
	assert_false(resolver_take(resolver, &news));
	set(1, "127.0.0.2:9000");
	news = next_news(resolver);
	assert_true(news.name == 1 && news.found);
	/* What answers no more is asked for out of turn: half a minute has not passed. */
	set(0, "127.0.0.3:57120");
	resolver_hurry(resolver, 0);
	news = next_news(resolver);
	endpoint_host(&news.endpoint, host);
	assert_string_equal(host, "127.0.0.3");
	/* A name server that is away takes nothing back. */
	int count = await(0, 0);
	set(0, NULL);
	resolver_hurry(resolver, 0);
	await(0, count + 1);
	assert_false(resolver_take(resolver, &news));
	resolver_stop(resolver);
}

/* Its thread ends when the system answers, long after the resolver is gone; the address sanitizer sees what it touches. */
static void a_stop_waits_for_no_look_up(void **state)
{
	(void)state;
	set(0, NULL);
	pthread_mutex_lock(&network.mutex);
	network.stuck = true;
	pthread_mutex_unlock(&network.mutex);
	struct resolver *resolver = start();
	pthread_mutex_lock(&network.mutex);
	while (!network.entered)
		pthread_cond_wait(&network.changed, &network.mutex);
	pthread_mutex_unlock(&network.mutex);
	resolver_wait(resolver, 20000);
	resolver_stop(resolver);
	pthread_mutex_lock(&network.mutex);
	network.stuck = false;
	pthread_cond_broadcast(&network.changed);
	while (network.entered)
		pthread_cond_wait(&network.changed, &network.mutex);
	pthread_mutex_unlock(&network.mutex);
}

static void too_many_are_refused(void **state)
{
	const char *texts[RESOLVER_NAMES + 1];
	struct resolver *resolver;

	(void)state;
	for (int i = 0; i <= RESOLVER_NAMES; i++)
		texts[i] = "a.test:1";
	assert_int_equal(resolver_start(texts, RESOLVER_NAMES + 1, look_up, &resolver, NULL), STATUS_USAGE);
	assert_null(resolver);
	resolver_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_name_is_found_then_moves),
	    cmocka_unit_test(a_stop_waits_for_no_look_up),
	    cmocka_unit_test(too_many_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
