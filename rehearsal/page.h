/* A report as one HTML page: no script, nothing from outside, readable on paper. Offline. */
#ifndef MIDIBERTD_REHEARSAL_PAGE_H
#define MIDIBERTD_REHEARSAL_PAGE_H

#include "rehearsal/report.h"

#include <stdio.h>

/* Writes the page. The caller checks `out` for errors when closing it. STATUS_NO_MEMORY. */
enum status page_write(const struct report *report, FILE *out, struct error *error);

#endif
