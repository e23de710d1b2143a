/* A table of takes and its CSV file, see history.h. Offline. It does not look into folders: tools/report_folder.c does. */
#define _GNU_SOURCE
#include "rehearsal/history.h"

#include "rehearsal/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAKES_MAX 100000

const char *const history_names[MEASURES] = {"length_s",       "notes",		 "velocity",	  "level_velocity",
					     "stray_velocity", "gap_velocity",	 "lead_ms",	  "overlap_ms",
					     "hands_velocity", "run_velocity",	 "run_timing_ms", "pedal_share",
					     "tempo_ratio",    "left_out_notes", "added_notes",	  "findings"};

/* ---- the table ---- */

void history_free(struct history *history)
{
	free(history->takes);
	*history = (struct history){0};
}

static size_t place_of(const struct history *history, const char *file)
{
	size_t low = 0, high = history->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(history->takes[middle].file, file) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct history_take *history_find(const struct history *history, const char *file)
{
	size_t at = place_of(history, file);
	return at < history->count && strcmp(history->takes[at].file, file) == 0 ? &history->takes[at] : NULL;
}

struct history_take *history_put(struct history *history, const struct history_take *take)
{
	struct history_take *found = history_find(history, take->file);
	if (found) {
		*found = *take;
		return found;
	}
	if (history->count == history->room) {
		size_t room = 2 * history->room + 64;
		struct history_take *grown = room <= 2 * TAKES_MAX ? realloc(history->takes, room * sizeof *grown) : NULL;
		if (!grown)
			return NULL;
		history->takes = grown;
		history->room = room;
	}
	size_t at = place_of(history, take->file);
	memmove(&history->takes[at + 1], &history->takes[at], (history->count - at) * sizeof *take);
	history->takes[at] = *take;
	history->count++;
	return &history->takes[at];
}

void history_remove(struct history *history, const char *file)
{
	struct history_take *found = history_find(history, file);
	if (!found)
		return;
	size_t at = (size_t)(found - history->takes);
	memmove(found, found + 1, (history->count - at - 1) * sizeof *found);
	history->count--;
}

/* ---- measures ---- */

static double of_runs(const struct runs *runs, bool timing)
{
	struct mean mean = {0};
	for (size_t i = 0; i < runs->count; i++)
		mean_add(&mean, timing ? runs->runs[i].timing_unevenness_ms : runs->runs[i].velocity_unevenness);
	return mean_value(&mean);
}

void history_measure(const struct report *report, struct history_take *take)
{
	const struct take *of = &report->take;
	const struct curve *curve = &report->curve;
	const struct alignment *before = report->older_count > 0 ? &report->beside[0] : NULL;
	struct mean stray = {0};
	int64_t first_us = of->notes[0].onset_us, last_us = first_us, pedal_us = 0;
	for (size_t i = 0; i < of->count; i++) {
		mean_add(&stray, fabs(take_deviation(of, &of->notes[i])));
		last_us = of->notes[i].end_us > last_us ? of->notes[i].end_us : last_us;
	}
	for (size_t i = 0; i < of->pedal_count; i++)
		pedal_us += of->pedals[i].end_us - of->pedals[i].start_us;
	double *m = take->measure;
	m[MEASURE_LENGTH_S] = (double)(last_us - first_us) / 1e6;
	m[MEASURE_NOTES] = (double)of->count;
	m[MEASURE_VELOCITY] = curve->whole[PART_ALL].velocity;
	m[MEASURE_LEVEL_VELOCITY] = of->level;
	m[MEASURE_STRAY_VELOCITY] = mean_value(&stray);
	m[MEASURE_GAP_VELOCITY] = curve->gap;
	m[MEASURE_LEAD_MS] = curve->lead_ms;
	m[MEASURE_OVERLAP_MS] = curve->overlap_ms;
	m[MEASURE_HANDS_VELOCITY] = curve->whole[PART_LEFT].velocity - curve->whole[PART_RIGHT].velocity;
	m[MEASURE_RUN_VELOCITY] = of_runs(&report->runs, false);
	m[MEASURE_RUN_TIMING_MS] = of_runs(&report->runs, true);
	m[MEASURE_PEDAL_SHARE] = of->pedal_recorded && last_us > first_us
				     ? fmin((double)pedal_us / (double)(last_us - first_us), 1)
				     : (double)NAN;
	m[MEASURE_TEMPO_RATIO] = before ? before->tempo : (double)NAN;
	m[MEASURE_LEFT_OUT_NOTES] = before ? (double)before->left_out : (double)NAN;
	m[MEASURE_ADDED_NOTES] = before ? (double)before->added : (double)NAN;
	m[MEASURE_FINDINGS] = (double)report->findings.count;
}

/* ---- the file ---- */

static void put_text(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void write_rows(FILE *out, const struct history *history)
{
	fputs("file,key,piece", out);
	for (int i = 0; i < MEASURES; i++)
		fprintf(out, ",%s", history_names[i]);
	fputs("\r\n", out);
	for (size_t row = 0; row < history->count; row++) {
		const struct history_take *take = &history->takes[row];
		put_text(out, take->file);
		putc(',', out);
		put_text(out, take->key);
		fprintf(out, ",%zu", take->piece);
		for (int i = 0; i < MEASURES; i++)
			isnan(take->measure[i]) ? fputs(",", out) : fprintf(out, ",%.9g", take->measure[i]);
		fputs("\r\n", out);
	}
}

enum status history_write(const char *path, const struct history *history, struct error *error)
{
	char fresh[4200];
	if (snprintf(fresh, sizeof fresh, "%s.part", path) >= (int)sizeof fresh)
		return status_fail(error, STATUS_IO, "%.200s...: the path is too long", path);
	FILE *out = fopen(fresh, "we");
	if (!out)
		return status_fail(error, STATUS_IO, "%s: %s", fresh, strerror(errno));
	write_rows(out, history);
	bool good = fflush(out) == 0 && !ferror(out);
	good = fclose(out) == 0 && good;
	if (good && rename(fresh, path) == 0)
		return STATUS_OK;
	enum status status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	unlink(fresh);
	return status;
}

/* One quoted text; *at is moved behind it and the comma. */
static bool read_text(const char **at, char *text, size_t size)
{
	size_t length = 0;
	if (**at != '"')
		return false;
	for (++*at; **at && !(**at == '"' && (*at)[1] != '"'); ++*at) {
		*at += **at == '"';
		if (length + 1 >= size)
			return false;
		text[length++] = **at;
	}
	text[length] = '\0';
	if (**at != '"' || (*at)[1] != ',' || length == 0)
		return false;
	*at += 2;
	return true;
}

static bool read_row(const char *line, struct history_take *take)
{
	char *end;
	if (!read_text(&line, take->file, sizeof take->file) || !read_text(&line, take->key, sizeof take->key) ||
	    strchr(take->file, '/'))
		return false;
	unsigned long long piece = strtoull(line, &end, 10);
	if (end == line || piece == 0 || piece > TAKES_MAX)
		return false;
	take->piece = (size_t)piece;
	for (int i = 0; i < MEASURES; i++) {
		if (*end != ',')
			return false;
		line = end + 1;
		double value = strtod(line, &end);
		if (end != line && !isfinite(value))
			return false;
		take->measure[i] = end == line ? (double)NAN : value;
	}
	return *end == '\r' || *end == '\n';
}

enum status history_read(const char *path, struct history *history, struct error *error)
{
	char *line = NULL;
	size_t room = 0;
	bool good = true;
	*history = (struct history){0};
	FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? STATUS_OK : status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	for (size_t row = 0; good && getline(&line, &room, file) > 0; row++) {
		struct history_take take = {.piece = 0};
		if (row > 0 && read_row(line, &take))
			good = history_put(history, &take) != NULL;
	}
	free(line);
	bool failed = ferror(file);
	fclose(file);
	if (good && !failed)
		return STATUS_OK;
	history_free(history);
	return failed ? status_fail(error, STATUS_IO, "%s: cannot be read", path)
		      : status_fail(error, STATUS_NO_MEMORY, "no memory for the history of takes");
}
