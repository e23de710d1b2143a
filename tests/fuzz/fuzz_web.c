/* What comes by HTTP and WebSocket and is read by our own code: commands, paths, attributes, Host, Origin and token.
 * Whatever it is, an answer is well-formed and a stranger is not let in. The first byte says how the rest is divided. */
#include "web/guard.h"
#include "web/query.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Braces, brackets and quotes of an answer close. */
static void check_json(const char *text)
{
	int depth = 0;
	for (bool quoted = false; *text != '\0'; text++) {
		if (quoted && *text == '\\' && text[1] != '\0')
			text++;
		else if (*text == '"')
			quoted = !quoted;
		else if (!quoted)
			depth += (*text == '{' || *text == '[') - (*text == '}' || *text == ']');
		if (depth < 0 || (unsigned char)*text < ' ')
			abort();
	}
	if (depth != 0)
		abort();
}

static void query(const struct values *values, const char *path, const char *attribute)
{
	static const struct query_host own = {"\"name\"", 1, 2};
	struct writer writer = {0};
	int code = query_answer(values, &own, path, attribute, &writer);
	if (code != 200 && code != 204 && code != 400 && code != 404)
		abort();
	if (code == 200)
		check_json(writer.text);
	writer_free(&writer);
}

static void judge(const char *host, const char *origin, const char *token)
{
	struct endpoint peer = {.size = sizeof(struct sockaddr_in)};
	peer.address.ss_family = AF_INET;
	((struct sockaddr_in *)&peer.address)->sin_addr.s_addr = htonl(0xc0a80107);
	const struct guard_request request = {&peer, host, origin, token};
	if (guard_judge(&request, "right", "stage") == GUARD_ALL && strcmp(token, "right") != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct values values;
	struct query_command command;
	char text[3][512] = {"", "", ""};
	if (size == 0)
		return 0;
	size_t at = 1;
	for (size_t i = 0; i < 3; i++) {
		size_t left = size - at, length = i < 2 ? left * (data[0] >> (4 * i) & 15) / 16 : left;
		if (length >= sizeof text[i])
			length = sizeof text[i] - 1;
		memcpy(text[i], data + at, length);
		at += length;
	}
	if (query_command_read((const char *)data + 1, size - 1, &command) == NULL && command.addresses == 0)
		abort();
	values_keep(&values, (enum osc_address)(data[0] % OSC_OUT_END), data + 1, size - 1);
	query(&values, text[0], text[1]);
	if (data[0] % 16 == 0) /* all of it takes long under sanitizers */
		query(&values, "/", NULL);
	judge(text[0], text[1], text[2]);
	return 0;
}
