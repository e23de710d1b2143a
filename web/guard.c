/* Judges requests, see guard.h. HTTP thread. */
#define _GNU_SOURCE
#include "web/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define HOST_MAX 256

/* The host of "name:port", "1.2.3.4" or "[::1]:port", without brackets. */
static bool host_of(const char *header, char host[HOST_MAX])
{
	bool brackets = header[0] == '[';
	size_t length = strcspn(header += brackets, brackets ? "]" : ":");
	const char *rest = header + length;
	if (length == 0 || length >= HOST_MAX || (brackets && *rest++ != ']'))
		return false;
	if (*rest != '\0' && (rest[0] != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1)))
		return false;
	memcpy(host, header, length);
	host[length] = '\0';
	return true;
}

static bool loopback(const struct endpoint *endpoint)
{
	struct network network;
	return (network_parse("127.0.0.0/8", &network, NULL) == STATUS_OK && network_contains(&network, endpoint)) ||
	       (network_parse("::1", &network, NULL) == STATUS_OK && network_contains(&network, endpoint));
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool is_loopback_name(const char *host)
{
	unsigned char bytes[16];
	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
		return true;
	return inet_pton(AF_INET, host, bytes) == 1 && bytes[0] == 127;
}

/* NAME or NAME.local, which no page from elsewhere is under. */
static bool is_own_name(const char *host, const char *own_name)
{
	size_t length = strcspn(own_name, ".");
	if (length == 0 || strncasecmp(host, own_name, length) != 0)
		return false;
	return host[length] == '\0' || strcasecmp(host + length, ".local") == 0;
}

/* In a time that does not depend on where they differ. */
static bool same_token(const char *given, const char *token)
{
	size_t length = strlen(token);
	unsigned char different = strlen(given) != length || length == 0;
	for (size_t i = 0; i < length && !(strlen(given) != length); i++)
		different |= (unsigned char)(given[i] ^ token[i]);
	return !different;
}

enum guard_verdict guard_judge(const struct guard_request *request, const char *token, const char *own_name)
{
	char host[HOST_MAX];
	if (!request->host || !host_of(request->host, host))
		return GUARD_REFUSED;
	if (request->origin &&
	    (strncmp(request->origin, "http://", 7) != 0 || strcasecmp(request->origin + 7, request->host) != 0))
		return GUARD_REFUSED;
	if (request->token)
		return same_token(request->token, token) ? GUARD_ALL : GUARD_REFUSED;
	if (loopback(request->peer))
		return is_loopback_name(host) || is_own_name(host, own_name) ? GUARD_ALL : GUARD_REFUSED;
	return is_address(host) || is_own_name(host, own_name) ? GUARD_NAMES : GUARD_REFUSED;
}

bool guard_make_token(char token[GUARD_TOKEN_MAX])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz023456789";
	unsigned char bytes[12];
	_Static_assert(sizeof letters == 33, "five bits a letter");
	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		token[i] = letters[bytes[i] % 32];
	token[sizeof bytes] = '\0';
	return true;
}
