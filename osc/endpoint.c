/* Hosts, ports and networks: parsing, comparing, resolving. Set-up thread parses; the osc thread compares. No sockets. */
#define _POSIX_C_SOURCE 200809L
#include "osc/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 254 /* of a name */

static enum status split(const char *text, bool any_port, char host[HOST_MAX], char port[8], struct error *error)
{
	const char *colon = strrchr(text, ':');
	const char *start = text, *end = colon;

	if (!colon)
		return status_fail(error, STATUS_USAGE, "'%s' is not HOST:PORT", text);
	if (text[0] == '[' && colon > text && colon[-1] == ']') {
		start++;
		end--;
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		return status_fail(error, STATUS_USAGE, "'%s': write an IPv6 address as [ADDRESS]:PORT", text);
	}
	if (end <= start || end - start >= HOST_MAX)
		return status_fail(error, STATUS_USAGE, "'%s' has no host, or one that is too long", text);
	size_t digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return status_fail(error, STATUS_USAGE, "'%s': the port is a number from 1 to 65535", text);
	long number = strtol(colon + 1, NULL, 10);
	if (number < (any_port ? 0 : 1) || number > 65535)
		return status_fail(error, STATUS_USAGE, "'%s': the port is a number from 1 to 65535", text);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	memcpy(port, colon + 1, digits + 1);
	return STATUS_OK;
}

enum status endpoint_check(const char *text, bool any_port, struct error *error)
{
	char host[HOST_MAX], port[8];

	return split(text, any_port, host, port, error);
}

static enum status look_up(const char *text, bool any_port, int flags, struct endpoint *endpoint, struct error *error)
{
	char host[HOST_MAX], port[8];
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV | flags};
	struct addrinfo *found = NULL;

	enum status status = split(text, any_port, host, port, error);
	if (status != STATUS_OK)
		return status;
	int code = getaddrinfo(host, port, &hints, &found);
	if (code != 0)
		return status_fail(error, STATUS_NOT_FOUND, "'%s': the host is not found (%s)", text, gai_strerror(code));
	if (found->ai_addrlen > sizeof endpoint->address) {
		freeaddrinfo(found);
		return status_fail(error, STATUS_UNSUPPORTED, "'%s' is neither IPv4 nor IPv6", text);
	}
	memset(endpoint, 0, sizeof *endpoint);
	memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
	endpoint->size = found->ai_addrlen;
	freeaddrinfo(found);
	return STATUS_OK;
}

enum status endpoint_resolve(const char *text, bool any_port, struct endpoint *endpoint, struct error *error)
{
	return look_up(text, any_port, 0, endpoint, error);
}

enum status endpoint_figures(const char *text, struct endpoint *endpoint, struct error *error)
{
	return look_up(text, false, AI_NUMERICHOST, endpoint, error);
}

void endpoint_take_both(int fd, const struct endpoint *local)
{
	int no = 0;

	if (local->address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
}

int endpoint_port(const struct endpoint *endpoint)
{
	if (endpoint->address.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&endpoint->address)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&endpoint->address)->sin_port);
}

void endpoint_set_port(struct endpoint *endpoint, int port)
{
	if (endpoint->address.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&endpoint->address)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)&endpoint->address)->sin_port = htons((uint16_t)port);
}

/* Every host as 16 bytes, so that both families compare alike. */
static void host_bytes(const struct endpoint *endpoint, uint8_t bytes[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (endpoint->address.ss_family == AF_INET6) {
		memcpy(bytes, &((const struct sockaddr_in6 *)&endpoint->address)->sin6_addr, 16);
		return;
	}
	memcpy(bytes, mapped, 12);
	memcpy(bytes + 12, &((const struct sockaddr_in *)&endpoint->address)->sin_addr, 4);
}

void endpoint_host(const struct endpoint *endpoint, char text[ENDPOINT_HOST_MAX])
{
	uint8_t bytes[16];
	struct in6_addr address;

	host_bytes(endpoint, bytes);
	memcpy(&address, bytes, sizeof address);
	bool four = IN6_IS_ADDR_V4MAPPED(&address);
	if (!inet_ntop(four ? AF_INET : AF_INET6, four ? bytes + 12 : bytes, text, ENDPOINT_HOST_MAX))
		snprintf(text, ENDPOINT_HOST_MAX, "?");
}

bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b)
{
	uint8_t x[16], y[16];

	host_bytes(a, x);
	host_bytes(b, y);
	return memcmp(x, y, sizeof x) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return endpoint_port(a) == endpoint_port(b) && endpoint_same_host(a, b);
}

enum status network_parse(const char *text, struct network *network, struct error *error)
{
	char host[ENDPOINT_HOST_MAX];
	size_t length = strcspn(text, "/");
	struct endpoint endpoint = {.size = 0};
	long bits = -1;

	if (length >= sizeof host)
		return status_fail(error, STATUS_USAGE, "'%s' is not a network", text);
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, &((struct sockaddr_in *)&endpoint.address)->sin_addr) == 1)
		endpoint.address.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)&endpoint.address)->sin6_addr) == 1)
		endpoint.address.ss_family = AF_INET6;
	else
		return status_fail(error, STATUS_USAGE, "'%s' is not a network: write 192.168.1.0/24 or fe80::/10", text);
	int whole = endpoint.address.ss_family == AF_INET ? 32 : 128;
	if (text[length] == '\0') {
		bits = whole;
	} else {
		char *end = NULL;
		if (text[length + 1] >= '0' && text[length + 1] <= '9')
			bits = strtol(text + length + 1, &end, 10);
		if (!end || *end != '\0' || bits < 0 || bits > whole)
			return status_fail(error, STATUS_USAGE, "'%s': the bits after / go from 0 to %d", text, whole);
	}
	host_bytes(&endpoint, network->prefix);
	network->bits = (int)bits + (128 - whole);
	return STATUS_OK;
}

bool network_contains(const struct network *network, const struct endpoint *endpoint)
{
	uint8_t bytes[16];
	int whole = network->bits / 8, rest = network->bits % 8;

	host_bytes(endpoint, bytes);
	if (memcmp(bytes, network->prefix, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ network->prefix[whole]) >> (8 - rest)) == 0;
}
