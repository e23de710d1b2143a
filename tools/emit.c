/* JSON on a stream, see json.h. Main thread. */
#include "tools/emit.h"

#include <math.h>
#include <string.h>

/* Bytes of the UTF-8 character that text begins with; 0: none. */
static size_t character_length(const unsigned char *text)
{
	static const unsigned long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80	 ? 1
			: text[0] < 0xc2 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf5 ? 4
					 : 0;
	if (length < 2)
		return length;
	unsigned long code = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	return code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

static void put_text(struct emit *json, const char *value)
{
	const unsigned char *text = (const unsigned char *)value;
	putc('"', json->out);
	while (*text) {
		size_t length = character_length(text);
		if (length == 0)
			fputs("\\ufffd", json->out);
		else if (*text == '"' || *text == '\\')
			fprintf(json->out, "\\%c", *text);
		else if (*text < 0x20)
			fprintf(json->out, "\\u%04x", *text);
		else
			fwrite(text, 1, length, json->out);
		text += length ? length : 1;
	}
	putc('"', json->out);
}

static void put_key(struct emit *json, const char *key)
{
	if (!json->first)
		putc(',', json->out);
	json->first = false;
	if (key) {
		put_text(json, key);
		putc(':', json->out);
	}
}

void emit_start(struct emit *json, FILE *out)
{
	*json = (struct emit){out, true};
	putc('{', out);
}

void emit_finish(struct emit *json)
{
	fputs("}\n", json->out);
}

void emit_open(struct emit *json, const char *key, char bracket)
{
	put_key(json, key);
	putc(bracket, json->out);
	json->first = true;
}

void emit_close(struct emit *json, char bracket)
{
	putc(bracket, json->out);
	json->first = false;
}

void emit_integer(struct emit *json, const char *key, long long value)
{
	put_key(json, key);
	fprintf(json->out, "%lld", value);
}

void emit_real(struct emit *json, const char *key, double value)
{
	put_key(json, key);
	if (isfinite(value))
		fprintf(json->out, "%.9g", value);
	else
		fputs("null", json->out);
}

void emit_text(struct emit *json, const char *key, const char *value)
{
	put_key(json, key);
	if (value)
		put_text(json, value);
	else
		fputs("null", json->out);
}
