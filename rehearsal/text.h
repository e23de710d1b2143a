/* Every word of a page, in one table (text.c) for translators. {1} to {9} stand for what the comment beside the text says;
 * a translation may order them otherwise. */
#ifndef MIDIBERTD_REHEARSAL_TEXT_H
#define MIDIBERTD_REHEARSAL_TEXT_H

#include <stdio.h>

enum text {
#define TEXT(name, english) name,
#include "rehearsal/english.def"
#undef TEXT
	TEXTS
};

/* The text as it stands. */
const char *text_of(enum text text);

/* Writes a text with its places filled, escaped for HTML. Arguments are strings, NULL ends them. */
void text_put(FILE *out, enum text text, ...);

/* Writes any string escaped for HTML; bytes that are not UTF-8 (a file name) become U+FFFD. */
void text_escape(FILE *out, const char *string);

#endif
