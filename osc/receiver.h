/* One receiver of the stream: a connected non-blocking socket of its own, so that its troubles (nobody listens, no route,
 * full buffers) stay its own, and its counts. Used by the osc thread alone. */
#ifndef MIDIBERTD_OSC_RECEIVER_H
#define MIDIBERTD_OSC_RECEIVER_H

#include "osc/endpoint.h"

#include <stddef.h>
#include <stdint.h>

struct receiver {
	struct endpoint peer; /* size 0: a name that nobody knows yet */
	int fd;		      /* -1: could not be connected; receiver_connect tries again */
	bool used;
	bool fixed;  /* a target of the options: never removed */
	int name;    /* a target that was given as a name: its number in the resolver, from 1; 0: figures, or a subscriber */
	bool told;   /* that its name is not known */
	bool leased; /* subscribed until lease_end_us */
	bool troubled; /* the system refused something: connect again before long */
	int64_t lease_end_us;
	int64_t briefed_us; /* when labels and status were last sent to it alone */
	uint64_t wanted;    /* one bit an enum osc_address */
	char pattern[104];  /* of the lease */
	uint64_t sent, failed, unreachable;
	uint64_t suspected; /* failed and unreachable when its name was last asked for out of turn */
};

/* Makes the socket. local: the address to send from (a subscriber gets its stream from the control port), NULL: any; then
 * `owner` is the socket that is bound there. A network that cannot be reached now leaves fd -1 and is no failure. */
enum status receiver_connect(struct receiver *receiver, const struct endpoint *local, int owner, struct error *error);
void receiver_close(struct receiver *receiver); /* leaves it unused */

/* Never blocks. False: the system did not take the datagram; counted. */
bool receiver_send(struct receiver *receiver, const void *datagram, size_t size);

#endif
