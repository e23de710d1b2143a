/* The thread that looks names up, see resolver.h. Normal priority; blocks in the system's resolver, with no mutex held.
 * Knows no receiver and sends nothing. */
#define _GNU_SOURCE
#include "osc/resolver.h"

#include "base/clock.h"
#include "base/wake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct name {
	char text[RESOLVER_TEXT_MAX];
	bool asked, found, news, hurried;
	struct endpoint endpoint;
	char why[160];
	int64_t asked_us, next_us, pause_us;
};

struct resolver {
	pthread_mutex_t mutex; /* guards everything below; held for copies only */
	pthread_cond_t changed;
	resolver_look_up *look_up;
	struct name name[RESOLVER_NAMES];
	int count, wake;
	bool stop, idle; /* idle: the thread waits, and does not ask */
	bool orphaned;	 /* nobody else has it any more: the thread frees it */
	pthread_t thread;
};

static void destroy(struct resolver *resolver)
{
	close(resolver->wake);
	pthread_cond_destroy(&resolver->changed);
	pthread_mutex_destroy(&resolver->mutex);
	free(resolver);
}

/* Until a time of clock_now_us; the mutex is held. */
static int wait_until(struct resolver *resolver, int64_t until_us)
{
	struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
	return pthread_cond_timedwait(&resolver->changed, &resolver->mutex, &until);
}

/* Takes in what a look-up said; the mutex is held. */
static void note(struct resolver *resolver, struct name *name, bool found, const struct endpoint *endpoint, const char *why)
{
	bool changed = found && (!name->found || !endpoint_equal(endpoint, &name->endpoint));
	name->asked_us = clock_now_us();
	if (found) {
		name->pause_us = RESOLVER_AGAIN_US;
		name->endpoint = *endpoint;
		name->found = true;
	} else {
		name->pause_us = name->pause_us ? name->pause_us * 2 : RESOLVER_SOON_US;
		if (name->pause_us > RESOLVER_AGAIN_US)
			name->pause_us = RESOLVER_AGAIN_US;
		snprintf(name->why, sizeof name->why, "%s", why);
		changed = !name->asked; /* what was found once is kept while nobody knows better */
	}
	name->asked = true;
	name->next_us = name->asked_us + name->pause_us;
	if (!changed)
		return;
	name->news = true;
	wake_post(resolver->wake);
}

/* The name whose turn comes first; the mutex is held. */
static struct name *first_due(struct resolver *resolver)
{
	struct name *first = &resolver->name[0];
	for (int i = 0; i < resolver->count; i++) {
		struct name *name = &resolver->name[i];
		if (name->hurried && name->next_us > name->asked_us + RESOLVER_SOON_US) {
			name->next_us = name->asked_us + RESOLVER_SOON_US;
			name->pause_us = 0;
		}
		name->hurried = false;
		if (name->next_us < first->next_us)
			first = name;
	}
	return first;
}

static void *run(void *context)
{
	struct resolver *resolver = context;
	pthread_setname_np(pthread_self(), "resolver");
	pthread_mutex_lock(&resolver->mutex);
	while (!resolver->stop) {
		struct name *name = first_due(resolver);
		if (name->next_us > clock_now_us()) {
			resolver->idle = true;
			wait_until(resolver, name->next_us);
			resolver->idle = false;
			continue;
		}
		struct endpoint endpoint;
		struct error error = {STATUS_OK, ""};
		pthread_mutex_unlock(&resolver->mutex);
		bool found = resolver->look_up(name->text, false, &endpoint, &error) == STATUS_OK;
		pthread_mutex_lock(&resolver->mutex);
		note(resolver, name, found, &endpoint, error.text);
		pthread_cond_broadcast(&resolver->changed);
	}
	bool orphaned = resolver->orphaned;
	pthread_mutex_unlock(&resolver->mutex);
	if (orphaned)
		destroy(resolver);
	return NULL;
}

enum status resolver_start(const char *const *texts, int count, resolver_look_up *look_up, struct resolver **started,
			   struct error *error)
{
	pthread_condattr_t monotonic;
	*started = NULL;
	if (count < 1 || count > RESOLVER_NAMES)
		return status_fail(error, STATUS_USAGE, "%d names to look up, at most %d", count, RESOLVER_NAMES);
	struct resolver *resolver = calloc(1, sizeof *resolver);
	if (!resolver)
		return status_fail(error, STATUS_NO_MEMORY, "no memory to look names up");
	for (int i = 0; i < count; i++)
		snprintf(resolver->name[i].text, RESOLVER_TEXT_MAX, "%s", texts[i]);
	resolver->count = count;
	resolver->look_up = look_up;
	pthread_mutex_init(&resolver->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&resolver->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	resolver->wake = wake_open();
	if (resolver->wake < 0 || pthread_create(&resolver->thread, NULL, run, resolver) != 0) {
		destroy(resolver);
		return status_fail(error, STATUS_IO, "no thread or descriptor to look names up");
	}
	*started = resolver;
	return STATUS_OK;
}

void resolver_wait(struct resolver *resolver, int64_t timeout_us)
{
	int64_t until_us = clock_now_us() + timeout_us;
	pthread_mutex_lock(&resolver->mutex);
	for (int i = 0; i < resolver->count; i++)
		while (!resolver->name[i].asked && clock_now_us() < until_us)
			wait_until(resolver, until_us);
	pthread_mutex_unlock(&resolver->mutex);
}

void resolver_stop(struct resolver *resolver)
{
	if (!resolver)
		return;
	pthread_t thread = resolver->thread;
	pthread_mutex_lock(&resolver->mutex);
	bool idle = resolver->idle;
	resolver->stop = true;
	resolver->orphaned = !idle;
	pthread_cond_broadcast(&resolver->changed);
	pthread_mutex_unlock(&resolver->mutex);
	if (!idle) {
		pthread_detach(thread);
		return;
	}
	pthread_join(thread, NULL);
	destroy(resolver);
}

int resolver_fd(const struct resolver *resolver)
{
	return resolver->wake;
}

bool resolver_take(struct resolver *resolver, struct resolver_news *news)
{
	bool any = false;
	wake_clear(resolver->wake);
	pthread_mutex_lock(&resolver->mutex);
	for (int i = 0; i < resolver->count && !any; i++) {
		struct name *name = &resolver->name[i];
		if (!name->news)
			continue;
		any = true;
		name->news = false;
		*news = (struct resolver_news){.name = i, .found = name->found, .endpoint = name->endpoint};
		snprintf(news->why, sizeof news->why, "%s", name->why);
	}
	pthread_mutex_unlock(&resolver->mutex);
	return any;
}

void resolver_hurry(struct resolver *resolver, int name)
{
	pthread_mutex_lock(&resolver->mutex);
	resolver->name[name].hurried = true;
	pthread_cond_broadcast(&resolver->changed);
	pthread_mutex_unlock(&resolver->mutex);
}

const char *resolver_text(const struct resolver *resolver, int name)
{
	return resolver->name[name].text;
}
