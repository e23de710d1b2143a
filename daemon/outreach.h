/* What the daemon is to the network beside its OSC stream: HTTP (OSCQuery and the page), and with --lan an announcement.
 * Main thread. */
#ifndef MIDIBERTD_DAEMON_OUTREACH_H
#define MIDIBERTD_DAEMON_OUTREACH_H

#include "daemon/options.h"
#include "osc/server.h"
#include "web/announce.h"
#include "web/web.h"

struct outreach {
	struct web *web;
	struct announce *announce;
};

/* Before the osc thread starts: HTTP becomes the server's tap. An HTTP address that was asked for and cannot be had is a
 * failure; the preset one is told and done without. On failure nothing is left. */
enum status outreach_open(const struct options *options, struct osc_server *server, struct outreach *outreach,
			  struct error *error);
/* Takes the announcement back, before the service ends. */
void outreach_hush(struct outreach *outreach);
/* After the osc thread has ended. An empty one is allowed. */
void outreach_close(struct outreach *outreach);

#endif
