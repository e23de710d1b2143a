/* A host and a port, and networks of hosts. No socket; any thread. Only endpoint_resolve may block (names). */
#ifndef MIDIBERTD_OSC_ENDPOINT_H
#define MIDIBERTD_OSC_ENDPOINT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ENDPOINT_HOST_MAX 64

struct endpoint {
	struct sockaddr_storage address; /* IPv4 or IPv6 */
	socklen_t size;
};

/* Checks "HOST:PORT" or "[V6]:PORT" without resolving it. Port 0 only where any_port. */
enum status endpoint_check(const char *text, bool any_port, struct error *error);
/* Set-up thread; may block. Resolves to the first address of the host. */
enum status endpoint_resolve(const char *text, bool any_port, struct endpoint *endpoint, struct error *error);

/* Any thread; asks nobody. STATUS_NOT_FOUND: well-formed, but the host is a name and not an address in figures. */
enum status endpoint_figures(const char *text, struct endpoint *endpoint, struct error *error);
/* An IPv6 socket that is not bound yet is to take IPv4, too, whatever the system's preset. */
void endpoint_take_both(int fd, const struct endpoint *local);

int endpoint_port(const struct endpoint *endpoint);
void endpoint_set_port(struct endpoint *endpoint, int port);
/* The host in figures, terminated: "127.0.0.1". IPv4 written within IPv6 comes out as IPv4. */
void endpoint_host(const struct endpoint *endpoint, char text[ENDPOINT_HOST_MAX]);
bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

struct network {
	uint8_t prefix[16]; /* IPv4 as ::ffff:a.b.c.d */
	int bits;
};

/* "10.0.0.0/8", "fe80::/10", or one address. */
enum status network_parse(const char *text, struct network *network, struct error *error);
bool network_contains(const struct network *network, const struct endpoint *endpoint);

#endif
