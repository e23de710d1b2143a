/* midibert report: a take, and older ones beside it, as a page to read, as JSON and as CSV. Main thread. The figures are
 * rehearsal/'s; this opens files. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "model/locate.h"
#include "rehearsal/page.h"
#include "rehearsal/report.h"
#include "rehearsal/table.h"
#include "tools/emit.h"
#include "tools/report_folder.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const name = "report";

#define REPORT_VERSION 1 /* of the names in JSON and CSV: grows when one changes its meaning or goes */

struct request {
	const char *const *takes;
	size_t count;
	const char *model, *page, *csv, *curve;
	bool json;
	enum take_grid grid;
};

static void print_help(void)
{
	printf(
	    "usage: midibert report TAKE.mid [OLD.mid]... -o PAGE.html [OPTION]...\n"
	    "       midibert report FOLDER [-o FOLDER] [OPTION]...\n\n"
	    "Writes what a rehearsal can use as one page that needs no network: places worth hearing again, the notes\n"
	    "against what could be expected, loudness, voicing, hands, runs, tempo, pedal; and what has changed since\n"
	    "older takes of the same piece. docs/REPORT.md tells the figures and their names.\n\n"
	    "Of a folder: a page for each take (*.mid) that has none yet, index.html with the history of each piece, and\n"
	    "history.csv; into the same folder unless -o names another.\n\n"
	    "  -o FILE       the page\n"
	    "  --json        everything on the page as one JSON object on standard output\n"
	    "  --csv DIR     everything on the page as one CSV file a table; DIR is made if it is not there\n"
	    "  --by UNIT     count by bar, by second, or by bar where the playing follows the file's bars (auto, default)\n"
	    "  --curve FILE  the keyboard's velocity curve (midibert calibrate); none: velocities as they are; auto, "
	    "default:\n"
	    "                the one kept for the device that the take names\n"
	    "  --model FILE  weights; default $MIDIBERT_MODEL, then weights/default.safetensors\n"
	    "  --help        this text\n");
}

/* ---- output ---- */

static FILE *open_output(const char *path, struct error *error)
{
	FILE *out = fopen(path, "w");
	if (!out)
		status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	return out;
}

static enum status close_output(FILE *out, const char *path, struct error *error)
{
	bool good = !ferror(out);
	if (fclose(out) == 0 && good)
		return STATUS_OK;
	return status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

/* Whole or not at all, so that a page that is looked at is never half of one; a device or pipe is written to as it is. */
static enum status write_page(const struct report *report, const char *path, struct error *error)
{
	char fresh[PATH_MAX];
	struct stat about;
	bool plain = (stat(path, &about) != 0 || S_ISREG(about.st_mode)) &&
		     snprintf(fresh, sizeof fresh, "%s.part", path) < (int)sizeof fresh;
	const char *to = plain ? fresh : path;
	FILE *out = fopen(to, "w");
	if (!out)
		return status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	enum status status = page_write(report, out, error);
	if (status == STATUS_OK)
		status = close_output(out, path, error);
	else
		fclose(out);
	if (plain && status == STATUS_OK && rename(fresh, path) != 0)
		status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	if (plain && status != STATUS_OK)
		unlink(fresh);
	return status;
}

/* RFC 4180: quotes around what has commas, quotes or line breaks. */
static void put_csv_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void put_csv_cell(FILE *out, const struct cell *cell)
{
	switch (cell->kind) {
	case CELL_NONE: break;
	case CELL_INTEGER: fprintf(out, "%lld", cell->integer); break;
	case CELL_REAL: fprintf(out, "%.9g", cell->real); break;
	case CELL_TEXT: put_csv_text(out, cell->text); break;
	}
}

static enum status write_table(const struct report *report, const struct table *table, const char *folder,
			       struct error *error)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/%s.csv", folder, table->name) >= (int)sizeof path)
		return status_fail(error, STATUS_IO, "%s: the path is too long", folder);
	FILE *out = open_output(path, error);
	if (!out)
		return STATUS_IO;
	for (size_t c = 0; table->columns[c]; c++)
		fprintf(out, "%s%s", c ? "," : "", table->columns[c]);
	fputs("\r\n", out);
	for (size_t row = 0; row < table->rows(report); row++) {
		for (size_t c = 0; table->columns[c]; c++) {
			struct cell cell = table->cell(report, row, c);
			if (c)
				putc(',', out);
			put_csv_cell(out, &cell);
		}
		fputs("\r\n", out);
	}
	return close_output(out, path, error);
}

static enum status write_csv(const struct report *report, const char *folder, struct error *error)
{
	enum status status = STATUS_OK;
	if (mkdir(folder, 0777) != 0 && errno != EEXIST)
		return status_fail(error, STATUS_IO, "%s: %s", folder, strerror(errno));
	for (size_t i = 0; status == STATUS_OK && i < TABLES; i++)
		status = write_table(report, &tables[i], folder, error);
	return status;
}

static void put_json_cell(struct emit *json, const char *key, const struct cell *cell)
{
	switch (cell->kind) {
	case CELL_NONE: emit_text(json, key, NULL); break;
	case CELL_INTEGER: emit_integer(json, key, cell->integer); break;
	case CELL_REAL: emit_real(json, key, cell->real); break;
	case CELL_TEXT: emit_text(json, key, cell->text); break;
	}
}

static void print_json(const struct report *report)
{
	struct emit json;
	emit_start(&json, stdout);
	emit_integer(&json, "report_version", REPORT_VERSION);
	emit_text(&json, "model", model_path(report->model));
	emit_text(&json, "model_sha256", model_sha256(report->model));
	emit_real(&json, "spread_wide_velocity", TAKE_SPREAD_WIDE);
	emit_real(&json, "gap_velocity", report->curve.gap);
	emit_real(&json, "expected_gap_velocity", report->curve.expected_gap);
	emit_real(&json, "lead_ms", report->curve.lead_ms);
	emit_real(&json, "overlap_ms", report->curve.overlap_ms);
	for (size_t i = 0; i < TABLES; i++) {
		const struct table *table = &tables[i];
		emit_open(&json, table->name, '[');
		for (size_t row = 0; row < table->rows(report); row++) {
			emit_open(&json, NULL, '{');
			for (size_t c = 0; table->columns[c]; c++) {
				struct cell cell = table->cell(report, row, c);
				put_json_cell(&json, table->columns[c], &cell);
			}
			emit_close(&json, '}');
		}
		emit_close(&json, ']');
	}
	emit_finish(&json);
}

/* ---- the command ---- */

static bool is_folder(const char *path)
{
	struct stat about;
	return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static void print_history(const struct history *history)
{
	struct emit json;
	emit_start(&json, stdout);
	emit_integer(&json, "report_version", REPORT_VERSION);
	emit_open(&json, "history", '[');
	for (size_t i = 0; i < history->count; i++) {
		const struct history_take *take = &history->takes[i];
		emit_open(&json, NULL, '{');
		emit_text(&json, "file", take->file);
		emit_integer(&json, "piece", (long long)take->piece);
		for (int m = 0; m < MEASURES; m++)
			emit_real(&json, history_names[m], take->measure[m]);
		emit_close(&json, '}');
	}
	emit_close(&json, ']');
	emit_finish(&json);
}

static enum status report_on_folder(const struct model *model, const struct request *request, struct error *error)
{
	const struct folder_request folder = {request->takes[0], request->page, request->grid, request->curve, write_page};
	struct history history;
	enum status status = report_folder(model, &folder, &history, error);
	if (request->json && (status == STATUS_OK || status == STATUS_BAD_DATA))
		print_history(&history);
	history_free(&history);
	return status;
}

static enum status report(const struct request *request, struct error *error)
{
	char path[PATH_MAX];
	struct model *model = NULL;
	struct report made = {0};
	enum status status = locate_model(request->model, path, sizeof path, error);
	if (status == STATUS_OK)
		status = model_load(path, &model, error);
	if (status == STATUS_OK && is_folder(request->takes[0])) {
		status = report_on_folder(model, request, error);
		model_free(model);
		return status;
	}
	if (status == STATUS_OK)
		status = report_make(model, request->takes, request->count, request->grid, request->curve, &made, error);
	if (status == STATUS_OK && request->page)
		status = write_page(&made, request->page, error);
	if (status == STATUS_OK && request->csv)
		status = write_csv(&made, request->csv, error);
	if (status == STATUS_OK && request->json)
		print_json(&made);
	report_free(&made);
	model_free(model);
	return status;
}

static const struct option options[] = {{"json", no_argument, NULL, 'j'},
					{"csv", required_argument, NULL, 'c'},
					{"model", required_argument, NULL, 'w'},
					{"by", required_argument, NULL, 'b'},
					{"curve", required_argument, NULL, 'k'},
					{"help", no_argument, NULL, 'h'},
					{0}};

/* -1: help was asked for. */
static int read_options(int argc, char **argv, struct request *request)
{
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
		switch (option) {
		case 'o': request->page = optarg; break;
		case 'j': request->json = true; break;
		case 'c': request->csv = optarg; break;
		case 'w': request->model = optarg; break;
		case 'k': request->curve = optarg; break;
		case 'b':
			if (strcmp(optarg, "bar") != 0 && strcmp(optarg, "second") != 0 && strcmp(optarg, "auto") != 0)
				return tool_usage(name, "%s is no value that --by takes", optarg);
			request->grid = *optarg == 'b' ? TAKE_GRID_BAR : *optarg == 's' ? TAKE_GRID_SECOND : TAKE_GRID_AUTO;
			break;
		case 'h': return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind == argc)
		return tool_usage(name, "which take?");
	bool folder = is_folder(argv[optind]);
	if (folder && (optind + 1 < argc || request->csv))
		return tool_usage(name, "of a folder: no other takes, and its CSV is history.csv");
	if (!folder && !request->page && !request->csv && !request->json)
		return tool_usage(name, "where to? -o PAGE.html, --csv DIR or --json");
	request->takes = (const char *const *)&argv[optind];
	request->count = (size_t)(argc - optind);
	return TOOL_DONE;
}

int tool_report(int argc, char **argv)
{
	struct request request = {.curve = "auto"};
	struct error error;
	int status = read_options(argc, argv, &request);
	if (status < 0) {
		print_help();
		return tool_finish(name, TOOL_DONE);
	}
	if (status == TOOL_DONE) {
		status = report(&request, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
		status = tool_finish(name, status);
	}
	return status;
}
