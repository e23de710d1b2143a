/* Writes one JSON object to a stream, value by value. Main thread. Writes only: nothing is read or kept. Usage:
 * json_start, then json_* with a key inside an object or NULL inside a list, every json_open followed by its json_close. */
#ifndef MIDIBERTD_TOOLS_JSON_H
#define MIDIBERTD_TOOLS_JSON_H

#include <stdbool.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool first; /* of the object or list at hand */
};

/* The outermost object; json_finish ends it with a newline. */
void json_start(struct json *json, FILE *out);
void json_finish(struct json *json);

void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);		  /* '}' or ']' */
void json_integer(struct json *json, const char *key, long long value);
void json_real(struct json *json, const char *key, double value); /* what is not finite becomes null */
/* NULL becomes null. Bytes that are not UTF-8 (a file name) become U+FFFD. */
void json_text(struct json *json, const char *key, const char *value);

#endif
