/* `midibert report FOLDER`: pages for the takes of a folder that have none yet, and the index over all of them. Main thread.
 */
#ifndef MIDIBERTD_TOOLS_REPORT_FOLDER_H
#define MIDIBERTD_TOOLS_REPORT_FOLDER_H

#include "model/model.h"
#include "rehearsal/history.h"

struct folder_request {
	const char *folder, *out; /* out: where pages go; NULL: into the folder */
	enum take_grid grid;
	const char *curve;
	/* Writes a take's page; the caller's own. */
	enum status (*write_page)(const struct report *report, const char *path, struct error *error);
};

/* Only what is new, or has other weights or another curve by now, is measured. A take that cannot be read is told on
 * standard error, and the others go on; then the status is STATUS_BAD_DATA. *history is for the caller to show and free. */
enum status report_folder(const struct model *model, const struct folder_request *request, struct history *history,
			  struct error *error);

#endif
