/* Measures the OSC server with real sockets on loopback: how many messages a second reach 1, 8 and 32 subscribers without
 * loss, what a message costs, and what a subscriber that misbehaves does to the others.
 *
 *   osc [--seconds 2]
 * The main thread is the daemon's osc thread in small: it sends notes at an even rate and takes control messages in between.
 * A second thread is all receivers. What is measured: the sender's own CPU time (CLOCK_THREAD_CPUTIME_ID) for each message,
 * and for isolation the time from before osc_server_send_event to the return of recv at each well-behaved receiver.
 * Receivers have the system's default buffers. Nothing is asserted. */
#define _GNU_SOURCE
#include "osc/server.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVERS_MAX 32
#define MESSAGES_MAX 400000 /* of one run */
#define STREAM_PATTERN "/midibert/note"

struct receiver {
	int fd, port;
	bool reads; /* false: subscribed, and never read */
	long heard; /* the receiving thread's */
};

/* Shared by the two threads: fixed before a run, but for the atomics. */
static struct bench {
	struct osc_server *server;
	struct receiver receiver[RECEIVERS_MAX + 1];
	int receivers;
	struct sockaddr_in control;
	_Atomic int64_t sent_us[MESSAGES_MAX];
	atomic_bool stop, flood;
	bool silent;	    /* the flood: it only takes the core, to tell that apart */
	_Atomic long heard; /* by all who read */
	int32_t *late_us;   /* of each message at each receiver, as they come */
	long late_count, late_room;
} bench;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "osc: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_until(int64_t time_us)
{
	struct timespec until = {.tv_sec = time_us / 1000000, .tv_nsec = time_us % 1000000 * 1000};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* ---- receivers ---- */

static struct receiver receiver_open(void)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof here;
	struct receiver receiver = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .reads = true};
	if (receiver.fd < 0 || bind(receiver.fd, (struct sockaddr *)&here, size) != 0 ||
	    getsockname(receiver.fd, (struct sockaddr *)&here, &size) != 0)
		fail("no socket");
	receiver.port = ntohs(here.sin_port);
	return receiver;
}

static void say(const struct receiver *receiver, const void *datagram, size_t size)
{
	sendto(receiver->fd, datagram, size, MSG_DONTWAIT, (struct sockaddr *)&bench.control, sizeof bench.control);
}

static void subscribe(const struct receiver *receiver)
{
	static const char datagram[] = "/midibert/subscribe\0,s\0\0" STREAM_PATTERN "\0"; /* one more ends it */
	say(receiver, datagram, sizeof datagram);
}

/* "/midibert/note" and its types take 24 bytes; the id follows. */
static void take(struct receiver *receiver, const unsigned char *datagram, ssize_t size, int64_t now_us)
{
	uint32_t id;
	if (size != 48 || memcmp(datagram, STREAM_PATTERN, sizeof STREAM_PATTERN) != 0)
		return;
	memcpy(&id, datagram + 24, sizeof id);
	id = ntohl(id);
	if (id < 1 || id > MESSAGES_MAX)
		return;
	receiver->heard++;
	atomic_fetch_add_explicit(&bench.heard, 1, memory_order_relaxed);
	int64_t sent_us = atomic_load_explicit(&bench.sent_us[id - 1], memory_order_acquire);
	if (bench.late_count < bench.late_room)
		bench.late_us[bench.late_count++] = (int32_t)(now_us - sent_us);
}

static void *receive(void *context)
{
	int epoll = *(int *)context;
	struct epoll_event ready[16];
	unsigned char datagram[1024];
	while (!atomic_load(&bench.stop)) {
		int count = epoll_wait(epoll, ready, 16, 20);
		for (int i = 0; i < count; i++) {
			struct receiver *receiver = &bench.receiver[ready[i].data.u32];
			for (ssize_t size; (size = recv(receiver->fd, datagram, sizeof datagram, MSG_DONTWAIT)) >= 0;)
				take(receiver, datagram, size, clock_now_us());
		}
	}
	return NULL;
}

/* One who sends nonsense and requests as fast as it can. */
static void *flood(void *context)
{
	static const char ping[] = "/midibert/ping\0\0,\0\0", stats[] = "/midibert/stats\0,\0\0", junk[] = "no OSC at all";
	const struct receiver *receiver = context;
	unsigned char answer[1024];
	while (!atomic_load(&bench.stop)) {
		if (bench.silent)
			continue;
		say(receiver, ping, sizeof ping);
		say(receiver, stats, sizeof stats);
		say(receiver, junk, sizeof junk);
		while (recv(receiver->fd, answer, sizeof answer, MSG_DONTWAIT) >= 0)
			;
	}
	return NULL;
}

/* ---- the osc thread in small ---- */

static void drop(void *context, const struct osc_command *command)
{
	(void)context;
	(void)command;
}

static void serve(int64_t now_us)
{
	static const struct osc_command_sink sink = {drop, NULL};
	osc_server_receive(bench.server, now_us, &sink);
	osc_server_expire(bench.server, now_us);
}

static void open_bench(int receivers)
{
	struct osc_server_options options = {.control = "127.0.0.1:0", .max_subscribers = RECEIVERS_MAX + 1};
	struct error error;
	if (osc_server_open(&options, &bench.server, &error) != STATUS_OK) {
		fprintf(stderr, "osc: %s\n", error.text);
		exit(1);
	}
	bench.control = (struct sockaddr_in){.sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					     .sin_port = htons((uint16_t)osc_server_port(bench.server))};
	bench.receivers = receivers;
	for (int i = 0; i < receivers; i++) {
		bench.receiver[i] = receiver_open();
		subscribe(&bench.receiver[i]);
		serve(clock_now_us());
	}
}

static void close_bench(void)
{
	for (int i = 0; i < bench.receivers; i++)
		if (bench.receiver[i].fd >= 0)
			close(bench.receiver[i].fd);
	osc_server_close(bench.server);
}

struct outcome {
	long sent, heard;
	double us_a_message; /* of the sender's CPU time, control included */
	double share;	     /* of one core */
	double rate;	     /* messages a second that were really sent */
};

/* Sends `rate` notes a second; others may subscribe and flood meanwhile. */
static struct outcome run(double rate, double seconds)
{
	long count = (long)(rate * seconds) < MESSAGES_MAX ? (long)(rate * seconds) : MESSAGES_MAX;
	int epoll = epoll_create1(EPOLL_CLOEXEC), reading = 0;
	pthread_t receiving, flooding;
	if (epoll < 0)
		fail("epoll");
	for (int i = 0; i < bench.receivers; i++) {
		struct epoll_event interest = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		bench.receiver[i].heard = 0;
		if (bench.receiver[i].fd < 0 || !bench.receiver[i].reads)
			continue;
		reading++;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, bench.receiver[i].fd, &interest) != 0)
			fail("epoll");
	}
	atomic_store(&bench.stop, false);
	atomic_store(&bench.heard, 0);
	bench.late_count = 0;
	bench.late_room = count * reading;
	bench.late_us = malloc((size_t)bench.late_room * sizeof *bench.late_us);
	struct receiver flooder = receiver_open();
	bool floods = atomic_load(&bench.flood);
	if (!bench.late_us || pthread_create(&receiving, NULL, receive, &epoll) != 0 ||
	    (floods && pthread_create(&flooding, NULL, flood, &flooder) != 0))
		fail("no memory or thread");
	int64_t start_us = clock_now_us() + 10000, before_ns = cpu_ns();
	struct pollfd control = {.fd = osc_server_fd(bench.server), .events = POLLIN};
	for (long i = 0; i < count; i++) {
		int64_t due_us = start_us + (int64_t)((double)i * 1e6 / rate), now_us;
		while ((now_us = clock_now_us()) < due_us) {
			if (due_us - now_us > 1000 && poll(&control, 1, (int)((due_us - now_us) / 1000)) > 0)
				serve(clock_now_us());
			else
				sleep_until(due_us);
		}
		struct event event = {
		    .event_us = now_us, .note_id = (int32_t)i + 1, .kind = EVENT_NOTE_ON, .pitch = 60, .velocity = 64};
		atomic_store_explicit(&bench.sent_us[i], now_us, memory_order_release);
		osc_server_send_event(bench.server, &event, now_us);
		if (i % 16 == 0)
			serve(now_us);
	}
	int64_t used_ns = cpu_ns() - before_ns, took_us = clock_now_us() - start_us;
	/* What has been sent is in the buffers: it is read, or was lost. */
	for (int i = 0; i < 200 && atomic_load(&bench.heard) < count * reading; i++)
		sleep_until(clock_now_us() + 5000);
	atomic_store(&bench.stop, true);
	pthread_join(receiving, NULL);
	if (floods)
		pthread_join(flooding, NULL);
	close(flooder.fd);
	close(epoll);
	return (struct outcome){count * reading, atomic_load(&bench.heard), (double)used_ns / 1000 / (double)count,
				(double)used_ns / 1000 / (double)took_us, (double)count * 1e6 / (double)took_us};
}

/* ---- reports ---- */

static int compare(const void *a, const void *b)
{
	int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
	return (left > right) - (left < right);
}

static double percentile(double share)
{
	long at = (long)(share * (double)bench.late_count + 0.999999) - 1; /* nearest rank */
	return bench.late_count > 0 ? (double)bench.late_us[at < 0 ? 0 : at] : 0;
}

static void report_rates(double seconds)
{
	static const int numbers[] = {1, 8, 32};
	static const double rates[] = {1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000};
	printf("%-12s %22s %14s %15s %18s\n", "subscribers", "messages/s, no loss", "us a message", "us a datagram",
	       "CPU at 1000/s, %");
	for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
		double best = 0, us = 0, share = 0;
		open_bench(numbers[n]);
		for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
			struct outcome outcome =
			    run(rates[r], seconds * rates[r] > MESSAGES_MAX ? MESSAGES_MAX / rates[r] : seconds);
			free(bench.late_us);
			if (rates[r] == 1000)
				share = outcome.share;
			/* What cannot be sent in time is not borne, either. */
			if (outcome.heard < outcome.sent || outcome.rate < 0.97 * rates[r])
				break;
			best = rates[r];
			us = outcome.us_a_message;
		}
		close_bench();
		printf("%-12d %22.0f %14.2f %15.2f %18.1f\n", numbers[n], best, us, us / numbers[n], 100 * share);
	}
}

enum trouble { TROUBLE_NONE, TROUBLE_DEAF, TROUBLE_DEAD, TROUBLE_BURN, TROUBLE_FLOOD, TROUBLES };

/* Eight listeners at 1000 messages a second, and a ninth. */
static void report_isolation(double seconds)
{
	static const char *const name[TROUBLES] = {"reads, like the others", "has stopped reading",
						   "is dead: its port is closed", "keeps a core busy, sends nothing",
						   "floods the control port"};
	printf("\n%-34s %10s %10s %10s %12s\n", "us to 8 others; the ninth", "p50", "p99", "max", "their loss");
	for (int trouble = 0; trouble < TROUBLES; trouble++) {
		open_bench(9);
		struct receiver *ninth = &bench.receiver[8];
		ninth->reads = false;
		if (trouble == TROUBLE_NONE) /* it reads, but is not among those who are timed */
			ninth->reads = true;
		if (trouble == TROUBLE_DEAD) {
			close(ninth->fd);
			ninth->fd = -1;
		}
		atomic_store(&bench.flood, trouble == TROUBLE_FLOOD || trouble == TROUBLE_BURN);
		bench.silent = trouble == TROUBLE_BURN;
		struct outcome outcome = run(1000, seconds);
		atomic_store(&bench.flood, false);
		qsort(bench.late_us, (size_t)bench.late_count, sizeof *bench.late_us, compare);
		printf("%-34s %10.0f %10.0f %10.0f %12ld\n", name[trouble], percentile(0.5), percentile(0.99), percentile(1),
		       outcome.sent - outcome.heard);
		free(bench.late_us);
		close_bench();
	}
}

/* What a control message costs the osc thread: taken, judged, answered or not. */
static void report_control(void)
{
	static const struct {
		const char *name, *datagram;
		size_t size;
	} table[] = {{"malformed", "no OSC at all", 13},
		     {"unknown address", "/midibert/nonsense\0\0,\0\0", 24},
		     {"ping", "/midibert/ping\0\0,\0\0", 20},
		     {"a lease renewed", "/midibert/subscribe\0,\0\0", 24}};
	printf("\n%-34s %10s\n", "us of CPU for a control message", "mean");
	open_bench(8);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int64_t used_ns = 0;
		int taken = 0;
		for (int batch = 0; batch < 200; batch++) {
			for (int k = 0; k < 8; k++)
				say(&bench.receiver[k], table[i].datagram, table[i].size);
			struct osc_server_statistics before, after;
			osc_server_statistics(bench.server, &before);
			int64_t start_ns = cpu_ns();
			serve(clock_now_us());
			used_ns += cpu_ns() - start_ns;
			osc_server_statistics(bench.server, &after);
			taken += (int)(after.received - before.received);
			char answer[1024];
			for (int k = 0; k < 8; k++)
				while (recv(bench.receiver[k].fd, answer, sizeof answer, MSG_DONTWAIT) >= 0)
					;
		}
		printf("%-34s %10.2f\n", table[i].name, taken > 0 ? (double)used_ns / 1000 / taken : 0);
	}
	close_bench();
}

int main(int count, char **argument)
{
	double seconds = 2;
	if (count == 3 && strcmp(argument[1], "--seconds") == 0)
		seconds = atof(argument[2]);
	else if (count != 1)
		seconds = 0;
	if (!(seconds > 0)) {
		fputs("usage: osc [--seconds N]\n", stderr);
		return 2;
	}
	report_rates(seconds);
	report_control();
	report_isolation(seconds * 5);
	return 0;
}
