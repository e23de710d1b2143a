/* The HTTP server: OSCQuery, and a page to look at. A thread of its own, which nobody waits for: what it is given goes into
 * a ring, and what does not fit there, or into a slow client's queue, is lost and counted. A build without libwebsockets
 * has the same calls; web_open then refuses.
 *
 *	web_open(&options, &web, &error);                     main thread
 *	osc_server_set_tap(server, &(struct osc_tap){web_take, web});
 *	web_close(web);                                       main thread, after the last web_take */
#ifndef MIDIBERTD_WEB_WEB_H
#define MIDIBERTD_WEB_WEB_H

#include "base/status.h"
#include "osc/namespace.h"

#include <stdbool.h>
#include <stddef.h>

#define WEB_CONNECTIONS_MAX 48 /* of any kind; those that come beyond are closed */
#define WEB_CLIENTS_MAX 16     /* WebSockets */
#define WEB_DEFAULT "127.0.0.1:9110"

struct web_options {
	const char *http;	  /* "HOST:PORT", IPv6 in brackets; port 0: any free one, see web_port */
	const char *const *allow; /* networks that may connect beside loopback */
	size_t allow_count;
	bool allow_local;	       /* and those that this computer is in */
	bool lan;		       /* tell the way in from outside: address, token, QR code */
	int osc_port;		       /* of control, for HOST_INFO */
	const char *name;	       /* of this daemon, for people */
	void (*say)(const char *line); /* log; called by the HTTP thread */
};

struct web;

/* Binds and starts the thread; an occupied port is STATUS_IO, a build without HTTP STATUS_UNSUPPORTED. On failure nothing is
 * left. */
enum status web_open(const struct web_options *options, struct web **web, struct error *error);
void web_close(struct web *web); /* NULL is allowed */
int web_port(const struct web *web);

/* The tap of osc/server.h: context is the struct web. osc thread; one copy, and at most one write to an eventfd. */
void web_take(void *context, enum osc_address address, const void *datagram, size_t size);

#endif
