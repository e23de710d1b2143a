/* Writes one JSON object to a stream, value by value. Main thread. Writes only: nothing is read or kept. Usage:
 * emit_start, then emit_* with a key inside an object or NULL inside a list, every emit_open followed by its emit_close. */
#ifndef MIDIBERTD_TOOLS_EMIT_H
#define MIDIBERTD_TOOLS_EMIT_H

#include <stdbool.h>
#include <stdio.h>

struct emit {
	FILE *out;
	bool first; /* of the object or list at hand */
};

/* The outermost object; emit_finish ends it with a newline. */
void emit_start(struct emit *json, FILE *out);
void emit_finish(struct emit *json);

void emit_open(struct emit *json, const char *key, char bracket); /* '{' or '[' */
void emit_close(struct emit *json, char bracket);		  /* '}' or ']' */
void emit_integer(struct emit *json, const char *key, long long value);
void emit_real(struct emit *json, const char *key, double value); /* what is not finite becomes null */
/* NULL becomes null. Bytes that are not UTF-8 (a file name) become U+FFFD. */
void emit_text(struct emit *json, const char *key, const char *value);

#endif
