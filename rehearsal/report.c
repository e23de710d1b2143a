/* Puts a report together, see report.h. Offline. The figures are the other files'. */
#include "rehearsal/report.h"

#include "rehearsal/expect.h"
#include "rehearsal/hands.h"
#include "rehearsal/statistics.h"
#include "rehearsal/voicing.h"

#include <stdlib.h>

enum status report_make(const struct model *model, const char *const *paths, size_t count, enum take_grid grid,
			const char *curve, struct report *report, struct error *error)
{
	*report = (struct report){.model = model};
	struct take *take = &report->take;
	enum status status = take_read(paths[0], grid, take, error);
	if (status == STATUS_OK)
		status = take_calibrate(take, curve, error);
	if (status == STATUS_OK)
		status = expect_take(model, take, error);
	if (status == STATUS_OK)
		status = hands_find(take, error);
	if (status == STATUS_OK)
		status = runs_find(take, &report->runs, error);
	if (status == STATUS_OK) {
		voicing_measure(take);
		status = curve_draw(take, &report->curve, error);
	}
	if (status == STATUS_OK) {
		report->older = calloc(count, sizeof *report->older);
		report->beside = calloc(count, sizeof *report->beside);
		if (!report->older || !report->beside)
			status = status_fail(error, STATUS_NO_MEMORY, "no memory for %zu takes", count);
	}
	for (size_t i = 1; status == STATUS_OK && i < count; i++) {
		status = take_read(paths[i], grid, &report->older[i - 1], error);
		if (status == STATUS_OK)
			status = take_calibrate(&report->older[i - 1], curve, error);
		if (status == STATUS_OK)
			status = align_takes(take, &report->older[i - 1], &report->beside[i - 1], error);
		if (status == STATUS_OK)
			report->older_count++;
		else
			take_free(&report->older[i - 1]);
	}
	if (status == STATUS_OK) {
		const struct findings_input input = {take, &report->curve, &report->runs, report->beside,
						     report->older_count};
		status = findings_make(&input, &report->findings, error);
	}
	if (status != STATUS_OK)
		report_free(report);
	return status;
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->older_count; i++) {
		take_free(&report->older[i]);
		alignment_free(&report->beside[i]);
	}
	free(report->older);
	free(report->beside);
	curve_free(&report->curve);
	runs_free(&report->runs);
	take_free(&report->take);
	*report = (struct report){0};
}

double report_judged_share(const struct report *report)
{
	return (double)report->curve.whole[PART_ALL].judged / (double)report->take.count;
}

double report_hand_confidence(const struct report *report, size_t *known)
{
	struct mean mean = {0};
	*known = 0;
	for (size_t i = 0; i < report->take.count; i++) {
		mean_add(&mean, report->take.notes[i].hand_confidence);
		*known += report->take.notes[i].hand != HAND_UNKNOWN;
	}
	return mean_value(&mean);
}
