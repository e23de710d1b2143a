/* The files of the page, from web/page/, within the program. Constant data; any thread. */
#ifndef MIDIBERTD_WEB_PAGE_H
#define MIDIBERTD_WEB_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page_file {
	const char *path, *type;
	const unsigned char *bytes;
	size_t size;
};

extern const struct page_file page_files[];
extern const size_t page_count;

/* NULL: no such file. */
const struct page_file *page_find(const char *path);
/* The page itself, as opposed to what it is made of: who sees it sees everything. */
bool page_is_entrance(const struct page_file *file);

#endif
