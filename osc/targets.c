/* Fixed targets, those of the options: addresses in figures at once, names as the resolver learns them. Main thread adds
 * them, then osc thread. Asks the system for no name itself. */
#include "osc/server_state.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE_US 2000000 /* at the start, for names: then the stream begins without them */

static void say(struct osc_server *server, const char *text, int64_t now_us)
{
	if (server->say)
		server->say(text);
	osc_server_send_error(server, "target", text, now_us);
}

enum status targets_add(struct osc_server *server, const char *const *texts, size_t count, struct error *error)
{
	const char *names[RESOLVER_NAMES];
	int named = 0;

	if (count > OSC_TARGETS_MAX)
		return status_fail(error, STATUS_USAGE, "more than %d targets", OSC_TARGETS_MAX);
	for (size_t i = 0; i < count; i++) {
		struct endpoint peer = {.size = 0};
		enum status status = endpoint_figures(texts[i], &peer, error);

		if (status == STATUS_NOT_FOUND) {
			names[named++] = texts[i];
			status = STATUS_OK;
		}
		if (status == STATUS_OK)
			status = roster_add_fixed(server, &peer, peer.size == 0 ? named : 0, error);
		if (status != STATUS_OK)
			return status;
	}
	if (named == 0)
		return STATUS_OK;
	enum status status = resolver_start(names, named, endpoint_resolve, &server->resolver, error);
	if (status != STATUS_OK)
		return status;
	resolver_wait(server->resolver, PATIENCE_US);
	targets_follow(server, server->start_us);
	return STATUS_OK;
}

static struct receiver *find_target(struct osc_server *server, int name)
{
	for (int i = 0; i < ROSTER_MAX; i++)
		if (server->receiver[i].used && server->receiver[i].name == name + 1)
			return &server->receiver[i];
	return NULL;
}

void targets_follow(struct osc_server *server, int64_t now_us)
{
	char text[RESOLVER_TEXT_MAX + 200], host[ENDPOINT_HOST_MAX];
	struct resolver_news news;

	while (server->resolver && resolver_take(server->resolver, &news)) {
		struct receiver *target = find_target(server, news.name);

		if (!target)
			continue;
		if (!news.found) {
			target->told = true;
			snprintf(text, sizeof text, "%s; trying again until it is", news.why);
			say(server, text, now_us);
			continue;
		}
		bool first = target->peer.size == 0;
		roster_move_fixed(server, target, &news.endpoint);
		endpoint_host(&news.endpoint, host);
		if (!first || target->told) {
			snprintf(text, sizeof text, "target %s is at %s now", resolver_text(server->resolver, news.name),
				 host);
			say(server, text, now_us);
		}
	}
}
