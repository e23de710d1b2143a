/* A text that grows, with what JSON needs. Allocates; any thread, one at a time. */
#ifndef MIDIBERTD_WEB_WRITER_H
#define MIDIBERTD_WEB_WRITER_H

#include <stdbool.h>
#include <stddef.h>

struct writer {	    /* all zero is empty */
	char *text; /* terminated once anything was written; owned */
	size_t length, room;
	bool failed; /* no memory: what was written since is lost */
};

void writer_free(struct writer *writer); /* empty again */
void writer_add(struct writer *writer, const char *text);
void writer_format(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In quotes and escaped; bytes that are not UTF-8 become question marks. */
void writer_quote(struct writer *writer, const char *text);
/* Shortest of the notations that read back as the same float; null for what JSON has no number for. */
void writer_number(struct writer *writer, double number);

#endif
