/* Tells the local network by mDNS (Avahi) that this daemon is here: _osc._udp, and _oscjson._tcp where there is HTTP. A
 * thread of its own; waits for avahi-daemon as long as it is not there. A build without Avahi has the same calls and does
 * nothing but say so. */
#ifndef MIDIBERTD_WEB_ANNOUNCE_H
#define MIDIBERTD_WEB_ANNOUNCE_H

#include "base/status.h"

struct announce_options {
	const char *name;	       /* of the service, for people; at most 63 bytes are shown */
	int osc_port, http_port;       /* http_port 0: none */
	void (*say)(const char *line); /* log; called by its thread */
};

struct announce;

/* Main thread. */
enum status announce_open(const struct announce_options *options, struct announce **announce, struct error *error);
/* Takes the announcement back. NULL is allowed. */
void announce_close(struct announce *announce);

#endif
