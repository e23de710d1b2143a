/* Who is let in: loopback, networks that were named, and with `local` those that this computer's interfaces are in. No
 * state of its own; each thread keeps a list of its own. */
#ifndef MIDIBERTD_OSC_NETWORKS_H
#define MIDIBERTD_OSC_NETWORKS_H

#include "osc/endpoint.h"

#include <stddef.h>

#define NETWORKS_MAX 64 /* those of interfaces beyond that are left out */

struct networks {
	struct network entry[NETWORKS_MAX];
	int count;
	int fixed; /* loopback and those that were named; behind them those of interfaces */
	bool local;
};

/* texts: "10.0.0.0/8", "fe80::/10" or one address, beside loopback. local: the interfaces' own networks, too. */
enum status networks_set(struct networks *networks, const char *const *texts, size_t count, bool local, struct error *error);
/* Reads the interfaces again, where these were asked for: a computer may join a network later. Some 100 us; allocates. */
void networks_refresh(struct networks *networks);
bool networks_contain(const struct networks *networks, const struct endpoint *host);

/* What to bind to be reached from everywhere: "[::]", which takes IPv4 as well, or "0.0.0.0" where there is no IPv6. */
const char *networks_everywhere(void);

/* The address under which others reach this computer: that of the way out of it, or of the first interface that is up. No
 * packet is sent. False: there is none but loopback. */
bool networks_own_host(char text[ENDPOINT_HOST_MAX]);

#endif
