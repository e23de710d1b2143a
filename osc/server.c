/* The server's life: opening and closing sockets, options, deadlines, counts. Main thread opens and closes; the osc thread
 * calls the rest. Sends and receives nothing itself. */
#define _GNU_SOURCE
#include "osc/server_state.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CLOCK_CHECK_US 10000000

enum status osc_server_check_endpoint(const char *text, struct error *error)
{
	return endpoint_check(text, false, error);
}

enum status osc_server_check_network(const char *text, struct error *error)
{
	struct network network;

	return network_parse(text, &network, error);
}

static enum status open_control(struct osc_server *server, const char *text, struct error *error)
{
	struct epoll_event interest = {.events = EPOLLIN, .data.u32 = INDEX_CONTROL};

	enum status status = endpoint_resolve(text, true, &server->local, error);
	if (status != STATUS_OK)
		return status;
	server->control = socket(server->local.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->control < 0)
		return status_fail(error, STATUS_IO, "no socket for control: %s", strerror(errno));
	endpoint_take_both(server->control, &server->local);
	if (bind(server->control, (const struct sockaddr *)&server->local.address, server->local.size) != 0) {
		if (errno == EADDRINUSE)
			return status_fail(error, STATUS_IO,
					   "control address %s is in use, by another midibertd or another program: "
					   "choose another with --control HOST:PORT",
					   text);
		return status_fail(error, STATUS_IO, "cannot listen for control on %s: %s", text, strerror(errno));
	}
	server->local.size = sizeof server->local.address;
	if (getsockname(server->control, (struct sockaddr *)&server->local.address, &server->local.size) != 0)
		return status_fail(error, STATUS_IO, "control socket: %s", strerror(errno));
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->control, &interest) != 0)
		return status_fail(error, STATUS_IO, "epoll: %s", strerror(errno));
	return STATUS_OK;
}

static enum status watch_names(struct osc_server *server, struct error *error)
{
	struct epoll_event interest = {.events = EPOLLIN, .data.u32 = INDEX_NAMES};

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, resolver_fd(server->resolver), &interest) != 0)
		return status_fail(error, STATUS_IO, "epoll: %s", strerror(errno));
	return STATUS_OK;
}

static void note_session(struct osc_server *server)
{
	int64_t unix_us = server->start_us + server->unix_offset_us;
	const union osc_value value = {.s = server->session};

	snprintf(server->session, sizeof server->session, "%lld.%06lld", (long long)(unix_us / 1000000),
		 (long long)(unix_us % 1000000));
	if (!server->unthrottled && !server->repeated) /* on the virtual clock the same input gives the same output */
		broadcast_send(server, OSC_STATUS_SESSION, &value, 1, server->start_us);
}

enum status osc_server_open(const struct osc_server_options *options, struct osc_server **opened, struct error *error)
{
	int wanted = options->max_subscribers > 0 ? options->max_subscribers : OSC_SUBSCRIBERS_DEFAULT;

	*opened = NULL;
	struct osc_server *server = calloc(1, sizeof *server);
	if (!server)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the OSC server");
	server->epoll = server->control = -1;
	for (int i = 0; i < ROSTER_MAX; i++)
		server->receiver[i].fd = -1;
	server->timing = options->timing;
	server->print = options->print;
	server->say = options->say;
	server->unthrottled = options->unthrottled;
	server->repeated = options->repeated;
	server->told = options->told;
	server->told_context = options->told_context;
	server->max_subscribers = wanted < OSC_SUBSCRIBERS_MAX ? wanted : OSC_SUBSCRIBERS_MAX;
	server->start_us = options->start_us;
	server->earliest_us = INT64_MAX;
	server->error_rate = rate_new(10);
	server->answer_rate = rate_new(10);
	server->challenge_rate = rate_new(10);
	server->brief_rate = rate_new(40);
	broadcast_measure_clock(server);
	enum status status =
	    networks_set(&server->networks, options->allow, options->allow_count, options->allow_local, error);
	if (status == STATUS_OK)
		status = open_control(server, options->control ? options->control : OSC_CONTROL_DEFAULT, error);
	if (status == STATUS_OK)
		status = targets_add(server, options->targets, options->target_count, error);
	if (status == STATUS_OK && server->resolver)
		status = watch_names(server, error);
	if (status != STATUS_OK) {
		osc_server_close(server);
		return status;
	}
	note_session(server);
	*opened = server;
	return STATUS_OK;
}

void osc_server_close(struct osc_server *server)
{
	if (!server)
		return;
	publish_waiting(server, INT64_MAX);
	resolver_stop(server->resolver);
	for (int i = 0; i < ROSTER_MAX; i++)
		receiver_close(&server->receiver[i]);
	if (server->control >= 0)
		close(server->control);
	if (server->epoll >= 0)
		close(server->epoll);
	if (server->print)
		fflush(server->print);
	free(server);
}

void osc_server_release(struct osc_server *server, int64_t now_us)
{
	publish_waiting(server, now_us);
}

int64_t osc_server_release_due(const struct osc_server *server)
{
	return server->earliest_us;
}

int osc_server_fd(const struct osc_server *server)
{
	return server->epoll;
}

int osc_server_port(const struct osc_server *server)
{
	return endpoint_port(&server->local);
}

void osc_server_set_tap(struct osc_server *server, const struct osc_tap *tap)
{
	server->tap = *tap;
	publish_brief(server, NULL);
}

const char *osc_server_session(const struct osc_server *server)
{
	return server->session;
}

void osc_server_expire(struct osc_server *server, int64_t now_us)
{
	roster_expire(server, now_us);
	challenge_expire(&server->challenges, now_us);
	publish_waiting(server, now_us);
	/* A machine without a clock of its own learns the time after its start. */
	if (now_us >= server->clock_check_us) {
		server->clock_check_us = now_us + CLOCK_CHECK_US;
		broadcast_measure_clock(server);
		networks_refresh(&server->networks);
	}
	if (server->print)
		fflush(server->print);
}

int64_t osc_server_deadline(const struct osc_server *server)
{
	int64_t deadline = roster_deadline(server);
	int64_t challenge = challenge_deadline(&server->challenges);

	if (challenge < deadline)
		deadline = challenge;
	return server->earliest_us < deadline ? server->earliest_us : deadline;
}

void osc_server_statistics(const struct osc_server *server, struct osc_server_statistics *statistics)
{
	*statistics = server->count;
	statistics->subscribers = roster_subscribers(server);
	statistics->targets = 0;
	for (int i = 0; i < ROSTER_MAX; i++)
		statistics->targets += server->receiver[i].used && server->receiver[i].fixed;
}
