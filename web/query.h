/* OSCQuery: the name-space table as JSON, with the values that were sent last. No socket, no state; allocates. The path and
 * the attribute are untrusted. */
#ifndef MIDIBERTD_WEB_QUERY_H
#define MIDIBERTD_WEB_QUERY_H

#include "web/values.h"
#include "web/writer.h"

struct query_host {
	const char *name; /* of this daemon, for people */
	int osc_port;	  /* of control */
	int ws_port;	  /* 0: not for who asks */
};

/* Answers GET path?attribute; attribute NULL or "": the whole node with all below it. values NULL: who asks gets none.
 * Returns the HTTP status: 200 with JSON in *writer (which was empty), 204 when the node has no such attribute, 400 for an
 * attribute that OSCQuery does not know, 404 for a path that is not there, 500 without memory. */
int query_answer(const struct values *values, const struct query_host *host, const char *path, const char *attribute,
		 struct writer *writer);

/* Out addresses of a path, one bit each: the address itself, or all that are below it. */
uint64_t query_addresses(const char *path);

/* What a client says over WebSocket: {"COMMAND": "LISTEN" or "IGNORE", "DATA": path}. */
struct query_command {
	bool listen; /* false: ignore */
	uint64_t addresses;
};
/* NULL, or why it is refused. The bytes are untrusted. */
const char *query_command_read(const char *text, size_t size, struct query_command *command);

#endif
