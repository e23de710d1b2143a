/* Sections of a page, for page.c. Each writes its own heading. False: no memory. */
#ifndef MIDIBERTD_REHEARSAL_PAGE_PARTS_H
#define MIDIBERTD_REHEARSAL_PAGE_PARTS_H

#include "rehearsal/report.h"
#include "rehearsal/text.h"

#include <stdbool.h>
#include <stdio.h>

extern const char page_style[];

void page_heading(FILE *out, const char *id, enum text title); /* opens a section */
void page_paragraph(FILE *out, enum text text);
void page_no_voices(const struct report *report, FILE *out); /* why melody is not told apart */
const char *page_file_name(const struct take *take);	     /* without its folders */

void page_findings(const struct report *report, FILE *out);
void page_roll(const struct report *report, FILE *out);
size_t page_roll_row(const struct take *take, size_t unit); /* row of the roll that shows a unit */
bool page_curves(const struct report *report, FILE *out);
bool page_takes(const struct report *report, FILE *out);
void page_levels(const struct report *report, FILE *out);
bool page_voicing(const struct report *report, FILE *out);
bool page_hands(const struct report *report, FILE *out);
bool page_runs(const struct report *report, FILE *out);
bool page_time(const struct report *report, FILE *out);

#endif
