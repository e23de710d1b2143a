/* OSC messages to and from bytes, with liblo. The one file that includes it: no lo_server, no lo_address, no socket.
 * Allocates inside liblo; osc thread and tests. Does not know who a message is for. */
#define _POSIX_C_SOURCE 200809L
#include "osc/message.h"

#include <lo/lo.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A pattern may make the matcher try C(length, stars) ways: with these bounds it stays at microseconds. */
#define PATTERN_MAX 100
#define PATTERN_STARS_MAX 3
#define PATTERN_BRACES_MAX 2

/* What encode and print share: type tags, and texts without control characters, so that a printed line is one line. */
struct prepared {
	char types[OSC_ARGUMENTS_MAX + 1];
	union osc_value value[OSC_ARGUMENTS_MAX];
	char text[OSC_DATAGRAM_MAX];
};

static bool prepare(struct prepared *prepared, enum osc_address address, const union osc_value *values, size_t count)
{
	size_t used = 0;

	if (count > OSC_ARGUMENTS_MAX || !osc_namespace_types(address, count, prepared->types))
		return false;
	for (size_t i = 0; i < count; i++) {
		prepared->value[i] = values[i];
		if (prepared->types[i] != 's')
			continue;
		size_t length = strlen(values[i].s) + 1;
		if (length > sizeof prepared->text - used)
			return false;
		char *text = prepared->text + used;
		for (size_t k = 0; k < length; k++) {
			char c = values[i].s[k];
			text[k] = (c > 0 && c < ' ') || c == 127 ? ' ' : c;
		}
		prepared->value[i].s = text;
		used += length;
	}
	return true;
}

static bool add_value(lo_message message, char type, const union osc_value *value)
{
	switch (type) {
	case 'i': return lo_message_add_int32(message, value->i) == 0;
	case 'f': return lo_message_add_float(message, value->f) == 0;
	case 's': return lo_message_add_string(message, value->s) == 0;
	default: return false;
	}
}

size_t osc_message_encode(enum osc_address address, const union osc_value *values, size_t count, void *datagram, size_t size)
{
	struct prepared prepared;
	size_t length = 0;

	if (!prepare(&prepared, address, values, count))
		return 0;
	lo_message message = lo_message_new();
	if (!message)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (!add_value(message, prepared.types[i], &prepared.value[i]))
			goto out;
	if (lo_message_length(message, osc_namespace[address].address) > size)
		goto out;
	if (!lo_message_serialise(message, osc_namespace[address].address, datagram, &length))
		length = 0;
out:
	lo_message_free(message);
	return length;
}

size_t osc_message_print(enum osc_address address, const union osc_value *values, size_t count, char *line, size_t size)
{
	struct prepared prepared;

	if (size > 0)
		line[0] = '\0';
	if (!prepare(&prepared, address, values, count))
		return 0;
	int length = snprintf(line, size, "%s\t%s", osc_namespace[address].address, prepared.types);
	for (size_t i = 0; i < count && length >= 0 && (size_t)length < size; i++) {
		char *end = line + length;
		size_t left = size - (size_t)length;
		int more = -1;

		switch (prepared.types[i]) {
		case 'i': more = snprintf(end, left, "\t%d", prepared.value[i].i); break;
		case 'f': more = snprintf(end, left, "\t%.9g", (double)prepared.value[i].f); break;
		case 's': more = snprintf(end, left, "\t%s", prepared.value[i].s); break;
		default: break;
		}
		length = more < 0 ? -1 : length + more;
	}
	return length < 0 || (size_t)length >= size ? 0 : (size_t)length;
}

static void put_u32(unsigned char *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

size_t osc_message_wrap(void *datagram, size_t length, uint64_t ntp)
{
	unsigned char *bytes = datagram;

	memmove(bytes + OSC_BUNDLE_HEADER, bytes, length);
	memcpy(bytes, "#bundle", 8);
	put_u32(bytes + 8, (uint32_t)(ntp >> 32));
	put_u32(bytes + 12, (uint32_t)ntp);
	put_u32(bytes + 16, (uint32_t)length);
	return length + OSC_BUNDLE_HEADER;
}

/* used: of all_texts. bytes: a lo_arg, but 8-byte ones may lie at any multiple of 4, where the union must not be touched. */
static const char *keep_argument(struct osc_received *received, char type, const char *bytes, size_t *used)
{
	int32_t i;
	int64_t h;
	float f;
	double number = 0;

	switch (type) {
	case 'i':
		memcpy(&i, bytes, sizeof i);
		number = i;
		break;
	case 'h':
		memcpy(&h, bytes, sizeof h);
		number = (double)h;
		break;
	case 'f':
		memcpy(&f, bytes, sizeof f);
		number = (double)f;
		break;
	case 'd': memcpy(&number, bytes, sizeof number); break;
	case 's':
	case 'S': {
		size_t length = strlen(bytes);
		/* All strings of a datagram fit, for it is not longer than this. */
		if (length >= sizeof received->all_texts - *used)
			return "texts of more than 1000 bytes";
		memcpy(received->all_texts + *used, bytes, length + 1);
		received->text_at[received->count] = (uint16_t)*used;
		*used += length + 1;
		if (received->texts < 2) {
			if (length >= sizeof received->text[0])
				return "a text of more than 255 bytes";
			memcpy(received->text[received->texts++], bytes, length + 1);
		}
		type = 's';
		break;
	}
	default: break; /* kept as a type, so that it matches no form */
	}
	received->number[received->count] = number;
	received->types[received->count++] = type;
	return NULL;
}

static const char *decode_message(const void *bytes, size_t size, struct osc_received *received)
{
	/* liblo wants memory that it may write and that is aligned. */
	_Alignas(8) char copy[OSC_DATAGRAM_MAX];
	const char *reason = NULL;
	size_t used = 0;
	int result = 0;

	if (size > sizeof copy)
		return "longer than 1000 bytes";
	memcpy(copy, bytes, size);
	if (size == 0 || copy[0] != '/')
		return "does not begin with an address";
	size_t length = strnlen(copy, size);
	if (length == size || length >= sizeof received->address)
		return "the address does not end";
	lo_message message = lo_message_deserialise(copy, size, &result);
	if (!message)
		return "not an OSC message with type tags";
	memset(received, 0, sizeof *received);
	memcpy(received->address, copy, length + 1);
	int count = lo_message_get_argc(message);
	const char *types = lo_message_get_types(message);
	lo_arg **arguments = lo_message_get_argv(message);
	if (count > OSC_ARGUMENTS_MAX)
		reason = "more than 32 arguments";
	else if (count > 0 && (!types || !arguments))
		reason = "no memory";
	for (int i = 0; i < count && !reason; i++)
		reason = keep_argument(received, types[i], (const char *)arguments[i], &used);
	lo_message_free(message);
	return reason;
}

const char *osc_message_decode(const void *datagram, size_t size,
			       void (*take)(void *context, const struct osc_received *message), void *context)
{
	const unsigned char *bytes = datagram;
	struct osc_received received;
	const char *reason;

	if (size > OSC_DATAGRAM_MAX)
		return "longer than 1000 bytes";
	if (size % 4 != 0)
		return "length is not a multiple of 4";
	if (size < 8 || memcmp(bytes, "#bundle", 8) != 0) {
		reason = decode_message(bytes, size, &received);
		if (!reason)
			take(context, &received);
		return reason;
	}
	if (size < 16)
		return "a bundle without a time tag";
	size_t at = 16;
	for (int taken = 0; at < size; taken++) {
		if (taken == OSC_BUNDLE_MESSAGES)
			return "a bundle of more than 16 messages";
		if (size - at < 4)
			return "a bundle that ends within a length";
		size_t length = get_u32(bytes + at);
		at += 4;
		if (length % 4 != 0 || length > size - at)
			return "a bundle with a wrong length in it";
		if (length > 0 && bytes[at] == '#')
			return "a bundle within a bundle";
		reason = decode_message(bytes + at, length, &received);
		if (reason)
			return reason;
		take(context, &received);
		at += length;
	}
	return NULL;
}

size_t osc_message_print_received(const struct osc_received *message, char *line, size_t size)
{
	union osc_value values[OSC_ARGUMENTS_MAX];
	char types[OSC_ARGUMENTS_MAX + 1];
	int address = osc_namespace_find(OSC_DIRECTION_OUT, message->address);

	if (address < 0 || !osc_namespace_types((enum osc_address)address, message->count, types) ||
	    strcmp(types, message->types) != 0)
		return 0;
	for (size_t i = 0; i < message->count; i++) {
		switch (types[i]) {
		case 'i': values[i].i = (int32_t)message->number[i]; break;
		case 'f': values[i].f = (float)message->number[i]; break;
		default: values[i].s = message->all_texts + message->text_at[i]; break;
		}
	}
	return osc_message_print((enum osc_address)address, values, message->count, line, size);
}

const char *osc_message_pattern_check(const char *pattern)
{
	int stars = 0, braces = 0;
	char open = '\0';

	if (pattern[0] != '/' && pattern[0] != '*')
		return "a pattern begins with / or *";
	if (strlen(pattern) > PATTERN_MAX)
		return "a pattern of more than 100 bytes";
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~')
			return "a pattern with a character that no address has";
		stars += *p == '*';
		braces += *p == '{';
		if (open == '\0' && (*p == '[' || *p == '{'))
			open = *p;
		else if (*p == '[' || *p == '{')
			return "a pattern with brackets within brackets";
		else if (*p == ']' || *p == '}') {
			if (open != (*p == ']' ? '[' : '{'))
				return "a pattern with a bracket that was not opened";
			if (p[-1] == open || (open == '[' && p[-1] == '!'))
				return "a pattern with empty brackets";
			open = '\0';
		} else if (open == '{' && (*p == '*' || *p == '?'))
			return "a pattern with a star or question mark in braces";
	}
	if (open != '\0')
		return "a pattern with a bracket that does not close";
	if (stars > PATTERN_STARS_MAX || braces > PATTERN_BRACES_MAX)
		return "a pattern with more than 3 stars or 2 pairs of braces";
	return NULL;
}

bool osc_message_pattern_match(const char *address, const char *pattern)
{
	char trimmed[PATTERN_MAX + 1];
	size_t length = strlen(pattern);

	if (lo_pattern_match(address, pattern))
		return true;
	/* liblo 0.31 does not let a last star match nothing after a closing brace. */
	if (length < 2 || length > PATTERN_MAX || pattern[length - 1] != '*')
		return false;
	memcpy(trimmed, pattern, length - 1);
	trimmed[length - 1] = '\0';
	return lo_pattern_match(address, trimmed) != 0;
}
