/* A week of listeners who come, renew, change their minds, crash and come back: on handed-in time, with real sockets. At its
 * end there are no more descriptors and no more memory than at its beginning, and the table is empty. */
#define _GNU_SOURCE
#include "osc/server.h"
#include "test_osc_support.h"

#include "base/random.h"

#include <dirent.h>
#include <malloc.h>

#define LISTENERS 40 /* more than there is room for */
#define STEP_US (20 * SECOND)
#define WEEK_STEPS (7 * 24 * 3600 / 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_MEMORY 0 /* the address sanitizer finds leaks itself */
#else
#define COUNTS_MEMORY 1
#endif

static int descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

struct churn {
	struct osc_server *server;
	struct client listener[LISTENERS];
	struct random random;
	int64_t now_us;
	long subscribed, refused, challenged, most;
};

static struct churn churn;

/* Reads what has come to a listener; a challenge is answered, now and then wrongly. */
static void listen_to(struct client *listener)
{
	struct osc_received message;

	while (client_get(listener, &message)) {
		if (strcmp(message.address, "/midibert/subscribed") == 0 && message.number[1] > 0)
			churn.subscribed++;
		if (strcmp(message.address, "/midibert/error") == 0 && strcmp(message.text[0], "full") == 0)
			churn.refused++;
		if (strcmp(message.address, "/midibert/challenge") == 0) {
			int number = (int)message.number[0];
			churn.challenged++;
			client_send(listener, churn.server, "/midibert/confirm", "i",
				    random_uniform(&churn.random) < 0.2 ? number % 1000 + 1 : number);
		}
	}
}

/* Returns who else may hear of it. */
static struct client *act(struct client *listener)
{
	static const char *const patterns[] = {"/midibert/*", "/midibert/note*", "/midibert/{style,emotion}*", "/midibert/[",
					       ""};
	struct client *other = &churn.listener[random_integer(&churn.random, 0, LISTENERS - 1)];
	double what = random_uniform(&churn.random);

	if (what < 0.4)
		client_send(listener, churn.server, "/midibert/subscribe", "");
	else if (what < 0.55)
		client_send(listener, churn.server, "/midibert/subscribe", "s",
			    patterns[random_integer(&churn.random, 0, 4)]);
	else if (what < 0.7) /* for a port that another listens on */
		client_send(listener, churn.server, "/midibert/subscribe", "i", other->port);
	else if (what < 0.8)
		client_send(listener, churn.server, "/midibert/unsubscribe", "");
	else if (what < 0.85)
		client_send(listener, churn.server, "/midibert/stats", "");
	else if (what < 0.9)
		client_send_bytes(listener, churn.server, "/mid\0nonsense", 13);
	else { /* it crashes, and starts again elsewhere */
		client_close(listener);
		*listener = client_open();
	}
	return other;
}

static void step(void)
{
	struct osc_server_statistics count;
	struct event event = note_on(1, 60, 64, churn.now_us);

	struct client *busy[8];

	for (int i = 0; i < 8; i += 2) {
		busy[i] = &churn.listener[random_integer(&churn.random, 0, LISTENERS - 1)];
		busy[i + 1] = act(busy[i]);
	}
	receive(churn.server, churn.now_us);
	for (int i = 0; i < 8; i++)
		listen_to(busy[i]);
	receive(churn.server, churn.now_us);
	osc_server_send_event(churn.server, &event, churn.now_us);
	osc_server_statistics(churn.server, &count);
	if (count.subscribers > churn.most)
		churn.most = count.subscribers;
	assert_true(count.subscribers <= 8);
	churn.now_us += STEP_US;
	osc_server_expire(churn.server, churn.now_us);
}

/* Everybody leaves and is forgotten. */
static void empty(void)
{
	struct osc_server_statistics count;

	churn.now_us += 2 * OSC_LEASE_SECONDS * SECOND;
	osc_server_expire(churn.server, churn.now_us);
	for (int i = 0; i < LISTENERS; i++)
		client_drain(&churn.listener[i]);
	osc_server_statistics(churn.server, &count);
	assert_int_equal(count.subscribers, 0);
	assert_int_equal(osc_server_deadline(churn.server), INT64_MAX);
}

static void a_week_of_leases_leaves_nothing(void **state)
{
	struct osc_server_options options = {.control = own_control(), .max_subscribers = 8};
	struct error error;

	(void)state;
	if (osc_server_open(&options, &churn.server, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	churn.random = (struct random){5, 0};
	for (int i = 0; i < LISTENERS; i++)
		churn.listener[i] = client_open();
	for (int i = 0; i < 200; i++) /* the first steps of libraries */
		step();
	empty();
	int files = descriptors();
	size_t bytes = mallinfo2().uordblks;
	for (int i = 0; i < WEEK_STEPS; i++)
		step();
	empty();
	assert_int_equal(descriptors(), files);
	if (COUNTS_MEMORY)
		assert_int_equal(mallinfo2().uordblks, bytes);
	/* It was a week in which things happened. */
	assert_true(churn.subscribed > 10000 && churn.challenged > 1000 && churn.refused > 100);
	assert_int_equal(churn.most, 8);
	for (int i = 0; i < LISTENERS; i++)
		client_close(&churn.listener[i]);
	osc_server_close(churn.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_week_of_leases_leaves_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
