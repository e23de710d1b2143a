/* The index page of a folder of takes: per piece its takes, with links to their pages, and how each measure went. Offline.
 */
#ifndef MIDIBERTD_REHEARSAL_PAGE_INDEX_H
#define MIDIBERTD_REHEARSAL_PAGE_INDEX_H

#include "rehearsal/history.h"

#include <stdio.h>

/* The page of a take stands beside the index and is called as the take, with .html for .mid. The caller checks `out` for
 * errors when closing it. STATUS_NO_MEMORY. */
enum status page_index_write(const struct history *history, const char *folder, FILE *out, struct error *error);

#endif
