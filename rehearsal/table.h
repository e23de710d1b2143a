/* Everything a report holds, as tables: the one description that CSV files, JSON and their documentation (docs/REPORT.md)
 * are made from. Names are stable and carry their unit. Pure; any thread. */
#ifndef MIDIBERTD_REHEARSAL_TABLE_H
#define MIDIBERTD_REHEARSAL_TABLE_H

#include "rehearsal/report.h"

enum cell_kind { CELL_NONE, CELL_INTEGER, CELL_REAL, CELL_TEXT };

struct cell {
	enum cell_kind kind;
	long long integer;
	double real;	  /* never NAN: what is not known is CELL_NONE */
	const char *text; /* lives as long as the report */
};

struct table {
	const char *name;
	const char *const *columns; /* NULL ends */
	size_t (*rows)(const struct report *report);
	struct cell (*cell)(const struct report *report, size_t row, size_t column);
};

#define TABLES 10
extern const struct table tables[TABLES];

const char *table_note_name(int pitch); /* "C4" is 60 */
extern const char *const table_dynamics[DYNAMICS];
extern const char *const table_finding_kinds[FINDING_KINDS];

#endif
