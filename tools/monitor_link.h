/* The subscription that `midibert monitor` holds at a running midibertd: asked for, renewed, proved where the daemon wants
 * proof, taken up again when the daemon was away, ended at the end. Main thread; no call blocks but monitor_link_open
 * (names). Time is handed in. */
#ifndef MIDIBERTD_TOOLS_MONITOR_LINK_H
#define MIDIBERTD_TOOLS_MONITOR_LINK_H

#include "base/status.h"
#include "osc/endpoint.h"
#include "osc/message.h"

#include <stdbool.h>
#include <stdint.h>

enum monitor_link_state {
	MONITOR_LINK_ASKING, /* nobody has answered yet */
	MONITOR_LINK_UP,
	MONITOR_LINK_GONE /* it was up; asking again */
};

struct monitor_link {
	struct endpoint daemon, local;
	int fd;
	enum monitor_link_state state;
	bool statistics;     /* ask once a second what was sent to us */
	int64_t asked_us;    /* subscribe was sent */
	int64_t counted_us;  /* stats was sent */
	int64_t heard_us;    /* anything came */
	int64_t stream_us;   /* a message of the stream came */
	char session[64];    /* of the daemon: another text is another daemon */
	char refusal[256];   /* the last /midibert/error that came while nobody had accepted us */
	uint64_t taken;	     /* datagrams of the stream since the subscription */
	int64_t lost;	     /* of those that the daemon sent us; -1: not known */
	uint64_t unreadable; /* datagrams that are no OSC, and messages that this version does not know */
};

/* STATUS_USAGE: not HOST:PORT; STATUS_NOT_FOUND: the host. Sends nothing yet. */
enum status monitor_link_open(struct monitor_link *link, const char *control, bool statistics, struct error *error);
/* Ends the subscription, in one datagram that nobody waits for. */
void monitor_link_unsubscribe(struct monitor_link *link);
void monitor_link_close(struct monitor_link *link);

/* Asks, renews and notices silence. Call it at monitor_link_deadline, or earlier. */
void monitor_link_tick(struct monitor_link *link, int64_t now_us);
int64_t monitor_link_deadline(const struct monitor_link *link);

/* Reads what has arrived. take() gets the messages of the stream, which fit the table of the name space; answers are the
 * link's own. True: the daemon has said that the subscription has ended. */
bool monitor_link_receive(struct monitor_link *link, int64_t now_us,
			  void (*take)(void *context, enum osc_address address, const struct osc_received *message),
			  void *context);

#endif
