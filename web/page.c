/* Finds the files of the page, see page.h; the build makes the table from web/page/. */
#include "web/page.h"

#include <string.h>

const struct page_file *page_find(const char *path)
{
	for (size_t i = 0; i < page_count; i++)
		if (strcmp(page_files[i].path, path) == 0)
			return &page_files[i];
	return NULL;
}

bool page_is_entrance(const struct page_file *file)
{
	return strncmp(file->type, "text/html", 9) == 0;
}
