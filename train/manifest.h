/* A manifest: a text of lines `path` or `path<TAB>label`, paths relative to the manifest's folder. Blank lines, CRLF and a
 * UTF-8 byte-order mark are taken. Offline; allocates. The bytes are untrusted. */
#ifndef MIDIBERTD_TRAIN_MANIFEST_H
#define MIDIBERTD_TRAIN_MANIFEST_H

#include "base/status.h"

#include <stddef.h>

struct manifest_entry {
	char *path;	     /* joined with the manifest's folder */
	char *label;	     /* or NULL */
	const char *problem; /* why the line cannot be used, or NULL; then path and label are NULL */
	size_t line;	     /* from 1 */
};

struct manifest {
	struct manifest_entry *entries; /* in the order of the lines, bad lines included */
	size_t count;
};

/* On failure *manifest is empty. A manifest with bad lines is no failure. */
enum status manifest_read(const char *path, struct manifest *manifest, struct error *error);
/* The same from memory; path tells the folder and is not opened. */
enum status manifest_parse(const char *bytes, size_t size, const char *path, struct manifest *manifest, struct error *error);
void manifest_free(struct manifest *manifest); /* leaves *manifest empty */

#endif
