/* The Avahi thread, see announce.h. The one file that includes Avahi's client library, which talks to avahi-daemon over the
 * system's D-Bus: no network socket here. */
#define _GNU_SOURCE
#include "web/announce.h"

#include "base/wake.h"

#include <avahi-client/client.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_US 5000000
#define RENAMES_MAX 20

struct announce {
	char *name; /* Avahi's own allocation */
	int osc_port, http_port;
	void (*say)(const char *line);
	pthread_t thread;
	int wake;
	_Atomic bool stop;
	/* its thread only */
	AvahiSimplePoll *poll;
	AvahiClient *client;
	AvahiEntryGroup *group;
	int renames;
	bool broken; /* the connection has to be made again */
	bool told_absent, told_refused;
};

static void say_failure(struct announce *announce, bool *told, const char *what, const char *why)
{
	char line[256];
	if (*told)
		return;
	*told = true;
	snprintf(line, sizeof line, "midibertd: %s (%.150s)", what, why);
	announce->say(line);
}

static void break_off(struct announce *announce)
{
	announce->broken = true;
	avahi_simple_poll_quit(announce->poll);
}

static void refuse(struct announce *announce, int code)
{
	say_failure(announce, &announce->told_refused, "not announced: avahi-daemon refuses", avahi_strerror(code));
}

/* ---- services ---- */

static int add_service(struct announce *announce, const char *type, int port, AvahiStringList *texts)
{
	return avahi_entry_group_add_service_strlst(announce->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, announce->name,
						    type, NULL, NULL, (uint16_t)port, texts);
}

/* The keys of OSC 1.1. */
static int add_osc(struct announce *announce)
{
	char place[320];
	AvahiStringList *texts = avahi_string_list_new("txtvers=1", "version=1.1", "framing=datagram", "types=ifs", NULL);
	if (announce->http_port)
		snprintf(place, sizeof place, "uri=http://%s:%d/", avahi_client_get_host_name_fqdn(announce->client),
			 announce->http_port);
	else
		snprintf(place, sizeof place, "uri=osc.udp://%s:%d/", avahi_client_get_host_name_fqdn(announce->client),
			 announce->osc_port);
	texts = avahi_string_list_add(texts, place);
	int code = add_service(announce, "_osc._udp", announce->osc_port, texts);
	avahi_string_list_free(texts);
	return code;
}

static void rename_service(struct announce *announce)
{
	char *other = avahi_alternative_service_name(announce->name);
	if (other) {
		avahi_free(announce->name);
		announce->name = other;
	}
}

static void publish(struct announce *announce)
{
	int code = AVAHI_ERR_COLLISION;
	while (code == AVAHI_ERR_COLLISION && announce->renames < RENAMES_MAX) {
		avahi_entry_group_reset(announce->group);
		code = add_osc(announce);
		if (code == AVAHI_OK && announce->http_port) {
			AvahiStringList *texts = avahi_string_list_new("txtvers=1", NULL);
			code = add_service(announce, "_oscjson._tcp", announce->http_port, texts);
			avahi_string_list_free(texts);
		}
		if (code == AVAHI_ERR_COLLISION) {
			announce->renames++;
			rename_service(announce);
		}
	}
	if (code == AVAHI_OK)
		code = avahi_entry_group_commit(announce->group);
	if (code != AVAHI_OK)
		refuse(announce, code);
}

static void group_changed(AvahiEntryGroup *group, AvahiEntryGroupState state, void *context)
{
	struct announce *announce = context;
	char line[192];
	announce->group = group;
	switch (state) {
	case AVAHI_ENTRY_GROUP_ESTABLISHED:
		snprintf(line, sizeof line, "midibertd: announced on the network as \"%.63s\"", announce->name);
		announce->say(line);
		announce->told_absent = announce->told_refused = false;
		break;
	case AVAHI_ENTRY_GROUP_COLLISION: /* somebody else on the network has that name */
		if (announce->renames++ < RENAMES_MAX) {
			rename_service(announce);
			publish(announce);
		}
		break;
	case AVAHI_ENTRY_GROUP_FAILURE: refuse(announce, avahi_client_errno(announce->client)); break;
	case AVAHI_ENTRY_GROUP_UNCOMMITED:
	case AVAHI_ENTRY_GROUP_REGISTERING: break;
	}
}

static void client_changed(AvahiClient *client, AvahiClientState state, void *context)
{
	struct announce *announce = context;
	announce->client = client;
	switch (state) {
	case AVAHI_CLIENT_S_RUNNING:
		if (!announce->group)
			announce->group = avahi_entry_group_new(client, group_changed, announce);
		if (announce->group)
			publish(announce);
		else
			refuse(announce, avahi_client_errno(client));
		break;
	case AVAHI_CLIENT_S_COLLISION:
	case AVAHI_CLIENT_S_REGISTERING: /* the host's own name is not settled */
		if (announce->group)
			avahi_entry_group_reset(announce->group);
		break;
	case AVAHI_CLIENT_CONNECTING:
		say_failure(announce, &announce->told_absent, "not announced: waiting for avahi-daemon",
			    "it is not running");
		break;
	case AVAHI_CLIENT_FAILURE: break_off(announce); break;
	}
}

/* ---- the thread ---- */

static void woken(AvahiWatch *watch, int fd, AvahiWatchEvent event, void *context)
{
	struct announce *announce = context;
	(void)watch;
	(void)event;
	wake_clear(fd);
	if (atomic_load(&announce->stop))
		avahi_simple_poll_quit(announce->poll);
}

/* From connecting to D-Bus to losing it, or being told to stop. */
static void serve(struct announce *announce)
{
	int code = AVAHI_ERR_NO_MEMORY;
	announce->broken = false;
	announce->group = NULL;
	announce->client = NULL;
	announce->poll = avahi_simple_poll_new();
	if (!announce->poll)
		return;
	const AvahiPoll *api = avahi_simple_poll_get(announce->poll);
	AvahiWatch *watch = api->watch_new(api, announce->wake, AVAHI_WATCH_IN, woken, announce);
	AvahiClient *client = watch ? avahi_client_new(api, AVAHI_CLIENT_NO_FAIL, client_changed, announce, &code) : NULL;
	if (!client)
		say_failure(announce, &announce->told_absent, "not announced: no avahi-daemon; it is looked for again",
			    avahi_strerror(code));
	while (client && !announce->broken && !atomic_load(&announce->stop) &&
	       avahi_simple_poll_iterate(announce->poll, -1) == 0)
		continue;
	if (client)
		avahi_client_free(client); /* and its group */
	if (watch)
		api->watch_free(watch);
	avahi_simple_poll_free(announce->poll);
}

static void *run(void *context)
{
	struct announce *announce = context;
	pthread_setname_np(pthread_self(), "announce");
	while (!atomic_load(&announce->stop)) {
		serve(announce);
		if (!atomic_load(&announce->stop))
			wake_wait(announce->wake, AGAIN_US);
	}
	return NULL;
}

enum status announce_open(const struct announce_options *options, struct announce **opened, struct error *error)
{
	*opened = NULL;
	struct announce *announce = calloc(1, sizeof *announce);
	if (!announce)
		return status_fail(error, STATUS_NO_MEMORY, "no memory to announce the daemon");
	announce->osc_port = options->osc_port;
	announce->http_port = options->http_port;
	announce->say = options->say;
	announce->name = avahi_strndup(options->name, AVAHI_LABEL_MAX - 1);
	announce->wake = wake_open();
	if (!announce->name || announce->wake < 0 || pthread_create(&announce->thread, NULL, run, announce) != 0) {
		avahi_free(announce->name);
		if (announce->wake >= 0)
			close(announce->wake);
		free(announce);
		return status_fail(error, STATUS_NO_MEMORY, "the system gives no thread to announce the daemon");
	}
	*opened = announce;
	return STATUS_OK;
}

void announce_close(struct announce *announce)
{
	if (!announce)
		return;
	atomic_store(&announce->stop, true);
	wake_post(announce->wake);
	pthread_join(announce->thread, NULL);
	close(announce->wake);
	avahi_free(announce->name);
	free(announce);
}
