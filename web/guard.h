/* Who may see what over HTTP. A browser is everybody's tool: pages from elsewhere can make it ask this computer. So Host and
 * Origin must be of here, or the token must come along. No state; the request is untrusted. */
#ifndef MIDIBERTD_WEB_GUARD_H
#define MIDIBERTD_WEB_GUARD_H

#include "osc/endpoint.h"

#include <stdbool.h>
#include <stddef.h>

#define GUARD_TOKEN_MAX 24

enum guard_verdict {
	GUARD_REFUSED,
	GUARD_NAMES, /* the name space and the page's files, without a value */
	GUARD_ALL
};

struct guard_request {
	const struct endpoint *peer;
	const char *host;   /* header; NULL: none came */
	const char *origin; /* header; NULL: none came */
	const char *token;  /* from ?token=; NULL: none came */
};

/* token: the daemon's own; "" refuses every token. own_name: this computer's host name. */
enum guard_verdict guard_judge(const struct guard_request *request, const char *token, const char *own_name);

/* Twelve characters that a person can type, 60 bits of the system's randomness. False: it has none. */
bool guard_make_token(char token[GUARD_TOKEN_MAX]);

#endif
