/* The list of networks that are let in, see networks.h. Reads interfaces; opens no socket but to ask for a route. */
#define _GNU_SOURCE
#include "osc/networks.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool endpoint_of(const struct sockaddr *address, struct endpoint *endpoint)
{
	if (!address || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return false;
	endpoint->size = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	memcpy(&endpoint->address, address, endpoint->size);
	return true;
}

static int mask_bits(const struct sockaddr *mask)
{
	unsigned char bytes[16];
	size_t size = mask->sa_family == AF_INET ? 4 : 16;
	int bits = 0;

	if (size == 4)
		memcpy(bytes, &((const struct sockaddr_in *)(const void *)mask)->sin_addr, 4);
	else
		memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr, 16);
	for (size_t i = 0; i < size; i++)
		bits += __builtin_popcount(bytes[i]);
	return bits;
}

static bool is_usable(const struct ifaddrs *interface)
{
	return (interface->ifa_flags & IFF_UP) && !(interface->ifa_flags & IFF_LOOPBACK) && interface->ifa_addr;
}

void networks_refresh(struct networks *networks)
{
	struct ifaddrs *all;
	struct endpoint endpoint;
	char text[ENDPOINT_HOST_MAX + 16], host[ENDPOINT_HOST_MAX];

	if (!networks->local || getifaddrs(&all) != 0)
		return;
	networks->count = networks->fixed;
	for (const struct ifaddrs *i = all; i && networks->count < NETWORKS_MAX; i = i->ifa_next) {
		if (!is_usable(i) || !i->ifa_netmask || !endpoint_of(i->ifa_addr, &endpoint))
			continue;
		int bits = mask_bits(i->ifa_netmask);
		endpoint_host(&endpoint, host);
		snprintf(text, sizeof text, "%s/%d", host, bits);
		if (bits > 0 && network_parse(text, &networks->entry[networks->count], NULL) == STATUS_OK)
			networks->count++;
	}
	freeifaddrs(all);
}

enum status networks_set(struct networks *networks, const char *const *texts, size_t count, bool local, struct error *error)
{
	static const char *const loopback[] = {"127.0.0.0/8", "::1"};

	memset(networks, 0, sizeof *networks);
	if (count + 2 > NETWORKS_MAX)
		return status_fail(error, STATUS_USAGE, "more than %d networks are allowed", NETWORKS_MAX - 2);
	for (size_t i = 0; i < 2 + count; i++) {
		enum status status =
		    network_parse(i < 2 ? loopback[i] : texts[i - 2], &networks->entry[networks->count], error);
		if (status != STATUS_OK)
			return status;
		networks->count++;
	}
	networks->fixed = networks->count;
	networks->local = local;
	networks_refresh(networks);
	return STATUS_OK;
}

bool networks_contain(const struct networks *networks, const struct endpoint *host)
{
	for (int i = 0; i < networks->count; i++)
		if (network_contains(&networks->entry[i], host))
			return true;
	return false;
}

const char *networks_everywhere(void)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	bool six = false;

	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		six = bind(fd, (const struct sockaddr *)&any, sizeof any) == 0;
		close(fd);
	}
	return six ? "[::]" : "0.0.0.0";
}

/* Asks the kernel which address it would send from; 192.0.2.1 is nobody's. */
static bool host_of_route(char text[ENDPOINT_HOST_MAX])
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct endpoint own = {.size = sizeof own.address};
	bool found = false;

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	to.sin_addr.s_addr = htonl(0xc0000201);
	if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
	    getsockname(fd, (struct sockaddr *)&own.address, &own.size) == 0) {
		endpoint_host(&own, text);
		found = true;
	}
	close(fd);
	return found;
}

bool networks_own_host(char text[ENDPOINT_HOST_MAX])
{
	struct ifaddrs *all;
	struct endpoint endpoint;
	bool found = host_of_route(text);

	if (found || getifaddrs(&all) != 0)
		return found;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		found = is_usable(i) && i->ifa_addr->sa_family == AF_INET && endpoint_of(i->ifa_addr, &endpoint);
		if (found)
			endpoint_host(&endpoint, text);
	}
	freeifaddrs(all);
	return found;
}
