/* Names of receivers, looked up beside the stream: a thread of its own asks the system, again and again, for a name may not
 * be known yet and may change. Whoever sends never waits for an answer. At most RESOLVER_NAMES names. */
#ifndef MIDIBERTD_OSC_RESOLVER_H
#define MIDIBERTD_OSC_RESOLVER_H

#include "base/status.h"
#include "osc/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define RESOLVER_NAMES 16
#define RESOLVER_TEXT_MAX 264	   /* a host name of 253, a colon, a port */
#define RESOLVER_SOON_US 1000000   /* after a failure, doubling to RESOLVER_AGAIN_US; and at the soonest when hurried */
#define RESOLVER_AGAIN_US 30000000 /* between two look-ups of a name that is known */

struct resolver;

/* What a name has become: told when it is first found, when it cannot be found (once, until it is), when it changes. */
struct resolver_news {
	int name; /* index */
	bool found;
	struct endpoint endpoint; /* found */
	char why[160];		  /* not found: in words, with the name */
};

/* May block; runs in the resolver's thread. endpoint_resolve, but for tests. */
typedef enum status resolver_look_up(const char *text, bool any_port, struct endpoint *endpoint, struct error *error);

/* Set-up thread. texts: "HOST:PORT", checked, copied. */
enum status resolver_start(const char *const *texts, int count, resolver_look_up *look_up, struct resolver **resolver,
			   struct error *error);
/* Set-up thread. Waits until each name has been asked for once, at most so long. */
void resolver_wait(struct resolver *resolver, int64_t timeout_us);
/* Set-up thread. Does not wait for a look-up that is under way: its thread then frees what is left. NULL is allowed. */
void resolver_stop(struct resolver *resolver);

/* One other thread. Readable when there is news; one descriptor for the life of the resolver. */
int resolver_fd(const struct resolver *resolver);
/* False: no (more) news. Allocates nothing, waits for nothing but a copy under a mutex. */
bool resolver_take(struct resolver *resolver, struct resolver_news *news);
/* Nobody answers at this name's address: ask again soon. */
void resolver_hurry(struct resolver *resolver, int name);
const char *resolver_text(const struct resolver *resolver, int name); /* as it was given */

#endif
