/* Words of the page, see text.h. Any thread. */
#include "rehearsal/text.h"

#include <stdarg.h>
#include <stddef.h>

static const char *const english[TEXTS] = {
#define TEXT(name, words) [name] = words,
#include "rehearsal/english.def"
#undef TEXT
};

#define PLACES 9

const char *text_of(enum text text)
{
	return english[text];
}

/* Bytes of the well-formed UTF-8 character that text begins with; 0: none. */
static size_t character_length(const unsigned char *text)
{
	size_t length = text[0] < 0x80	 ? 1
			: text[0] < 0xc2 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf5 ? 4
					 : 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

static size_t escape_character(FILE *out, const unsigned char *at)
{
	size_t length = character_length(at);
	switch (*at) {
	case '&': fputs("&amp;", out); break;
	case '<': fputs("&lt;", out); break;
	case '>': fputs("&gt;", out); break;
	case '"': fputs("&quot;", out); break;
	default:
		if (length == 0 || *at < 0x20 || *at == 0x7f)
			fputs("\xef\xbf\xbd", out);
		else
			fwrite(at, 1, length, out);
	}
	return length ? length : 1;
}

void text_escape(FILE *out, const char *string)
{
	for (const unsigned char *at = (const unsigned char *)string; *at;)
		at += escape_character(out, at);
}

void text_put(FILE *out, enum text text, ...)
{
	const char *places[PLACES] = {0};
	va_list arguments;
	va_start(arguments, text);
	for (int i = 0; i < PLACES && (places[i] = va_arg(arguments, const char *)); i++)
		continue;
	va_end(arguments);
	for (const unsigned char *at = (const unsigned char *)english[text]; *at;) {
		int place = at[0] == '{' && at[1] >= '1' && at[1] <= '9' && at[2] == '}' ? at[1] - '1' : -1;
		if (place < 0) {
			at += escape_character(out, at);
			continue;
		}
		if (places[place])
			text_escape(out, places[place]);
		at += 3;
	}
}
