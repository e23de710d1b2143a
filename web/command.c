/* What a WebSocket client says, see query.h: one flat JSON object of texts. HTTP thread. Everything else is refused. */
#include "web/query.h"

#include <string.h>

#define TEXT_MAX_BYTES 128

struct reader {
	const char *at, *end;
};

static void skip_spaces(struct reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at != '\0')
		reader->at++;
}

/* True: that character came, and is passed. */
static bool take(struct reader *reader, char wanted)
{
	skip_spaces(reader);
	if (reader->at == reader->end || *reader->at != wanted)
		return false;
	reader->at++;
	return true;
}

/* A JSON text of ASCII; the only escapes that anybody needs in an address are those of slash, quote and backslash. */
static bool take_text(struct reader *reader, char text[TEXT_MAX_BYTES])
{
	size_t length = 0;
	if (!take(reader, '"'))
		return false;
	while (reader->at < reader->end && *reader->at != '"') {
		char c = *reader->at++;
		if (c == '\\') {
			if (reader->at == reader->end || !memchr("/\"\\", *reader->at, 3))
				return false;
			c = *reader->at++;
		}
		if (c < ' ' || c > '~' || length + 1 >= TEXT_MAX_BYTES)
			return false;
		text[length++] = c;
	}
	text[length] = '\0';
	return take(reader, '"');
}

const char *query_command_read(const char *bytes, size_t size, struct query_command *command)
{
	struct reader reader = {bytes, bytes + size};
	char key[TEXT_MAX_BYTES], value[TEXT_MAX_BYTES], kind[TEXT_MAX_BYTES] = "", path[TEXT_MAX_BYTES] = "";
	memset(command, 0, sizeof *command);
	if (!take(&reader, '{'))
		return "not a JSON object";
	do {
		if (!take_text(&reader, key) || !take(&reader, ':') || !take_text(&reader, value))
			return "not an object of texts";
		if (strcmp(key, "COMMAND") == 0)
			memcpy(kind, value, sizeof kind);
		else if (strcmp(key, "DATA") == 0)
			memcpy(path, value, sizeof path);
	} while (take(&reader, ','));
	if (!take(&reader, '}'))
		return "an object that does not end";
	skip_spaces(&reader);
	if (reader.at != reader.end)
		return "more than an object";
	command->listen = strcmp(kind, "LISTEN") == 0;
	if (!command->listen && strcmp(kind, "IGNORE") != 0)
		return "COMMAND is neither LISTEN nor IGNORE";
	command->addresses = query_addresses(path);
	return command->addresses ? NULL : "DATA is no address that is sent";
}
