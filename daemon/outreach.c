/* Opens and closes HTTP and the announcement, see outreach.h. Main thread; their own threads log through here. */
#define _GNU_SOURCE
#include "daemon/outreach.h"

#include "daemon/setup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

/* Where a browser on this computer finds the page. */
static void say_place(const char *place, int port)
{
	bool every = strncmp(place, "[::]:", 5) == 0 || strncmp(place, "0.0.0.0:", 8) == 0;
	int length = every ? 9 : (int)(strrchr(place, ':') - place);
	fprintf(stderr, "midibertd: HTTP on port %d: http://%.*s:%d/page/\n", port, length, every ? "localhost" : place,
		port);
}

static enum status open_web(const struct options *options, int osc_port, const char *name, struct web **web,
			    struct error *error)
{
	char place[SETUP_PLACE_MAX];
	const struct web_options web_options = {.http = place,
						.allow = (const char *const *)options->allow.text,
						.allow_count = options->allow.count,
						.allow_local = options->lan && options->allow.count == 0,
						.lan = options->lan,
						.osc_port = osc_port,
						.name = name,
						.say = say};
	if (strcmp(options->http, "off") == 0)
		return STATUS_OK;
	setup_place(options, "http", options->http, place);
	enum status status = web_open(&web_options, web, error);
	if (status == STATUS_OK)
		say_place(place, web_port(*web));
	if (status == STATUS_OK || options_is_given(options, "http"))
		return status;
	if (status != STATUS_UNSUPPORTED)
		fprintf(stderr, "midibertd: going on without HTTP: %s\n", error->text);
	return STATUS_OK;
}

enum status outreach_open(const struct options *options, struct osc_server *server, struct outreach *outreach,
			  struct error *error)
{
	char host[64] = "", name[96];
	memset(outreach, 0, sizeof *outreach);
	gethostname(host, sizeof host - 1);
	snprintf(name, sizeof name, "midibertd on %.*s", (int)strcspn(host, "."), host);
	enum status status = open_web(options, osc_server_port(server), name, &outreach->web, error);
	if (status != STATUS_OK)
		return status;
	if (outreach->web) {
		const struct osc_tap tap = {web_take, outreach->web};
		osc_server_set_tap(server, &tap);
	}
	if (!options->lan)
		return STATUS_OK;
	const struct announce_options announce = {name, osc_server_port(server), outreach->web ? web_port(outreach->web) : 0,
						  say};
	status = announce_open(&announce, &outreach->announce, error);
	if (status != STATUS_OK)
		outreach_close(outreach);
	return status;
}

void outreach_hush(struct outreach *outreach)
{
	announce_close(outreach->announce);
	outreach->announce = NULL;
}

void outreach_close(struct outreach *outreach)
{
	outreach_hush(outreach);
	web_close(outreach->web);
	outreach->web = NULL;
}
