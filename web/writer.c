/* A growing text and JSON's notation of texts and numbers, see writer.h. Knows nothing of what is written. */
#include "web/writer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct writer *writer, size_t more)
{
	if (writer->failed)
		return false;
	if (writer->room - writer->length > more)
		return true;
	size_t room = writer->room ? writer->room * 2 : 1024;
	while (room - writer->length <= more)
		room *= 2;
	char *text = realloc(writer->text, room);
	if (!text) {
		writer->failed = true;
		return false;
	}
	writer->text = text;
	writer->room = room;
	return true;
}

void writer_free(struct writer *writer)
{
	free(writer->text);
	memset(writer, 0, sizeof *writer);
}

static void add_bytes(struct writer *writer, const char *bytes, size_t size)
{
	if (!make_room(writer, size))
		return;
	memcpy(writer->text + writer->length, bytes, size);
	writer->length += size;
	writer->text[writer->length] = '\0';
}

void writer_add(struct writer *writer, const char *text)
{
	add_bytes(writer, text, strlen(text));
}

void writer_format(struct writer *writer, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length >= 0 && make_room(writer, (size_t)length)) {
		vsnprintf(writer->text + writer->length, (size_t)length + 1, format, again);
		writer->length += (size_t)length;
	}
	va_end(again);
}

/* Bytes of the UTF-8 character at text; 0: it is none. */
static size_t character_size(const unsigned char *text)
{
	static const unsigned lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
	if (size < 2)
		return size;
	unsigned code = text[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	return code < lowest[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

void writer_quote(struct writer *writer, const char *text)
{
	writer_add(writer, "\"");
	while (*text != '\0') {
		size_t size = character_size((const unsigned char *)text);
		if (size == 0)
			writer_add(writer, "?");
		else if (*text == '"' || *text == '\\')
			writer_format(writer, "\\%c", *text);
		else if (size == 1 && (unsigned char)*text < ' ')
			writer_format(writer, "\\u%04x", (unsigned)*text);
		else
			add_bytes(writer, text, size);
		text += size ? size : 1;
	}
	writer_add(writer, "\"");
}

void writer_number(struct writer *writer, double number)
{
	char text[32];
	if (!isfinite(number)) {
		writer_add(writer, "null");
		return;
	}
	int whole = rint(number) == number && fabs(number) < 1e10;
	snprintf(text, sizeof text, whole ? "%.0f" : "%.6g", number);
	if (!whole && strtof(text, NULL) != (float)number)
		snprintf(text, sizeof text, "%.9g", number);
	writer_add(writer, text);
}
