/* The page as a whole, see page.h: its frame, its tables, and what it rests on. Offline. */
#include "rehearsal/page.h"

#include "rehearsal/page_parts.h"
#include "rehearsal/table.h"
#include "rehearsal/word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_SHOWN 12

void page_heading(FILE *out, const char *id, enum text title)
{
	fprintf(out, "<section id=\"%s\"><h2>", id);
	text_put(out, title, NULL);
	fputs("</h2>\n", out);
}

void page_paragraph(FILE *out, enum text text)
{
	fputs("<p>", out);
	text_put(out, text, NULL);
	fputs("</p>\n", out);
}

void page_no_voices(const struct report *report, FILE *out)
{
	const struct take *take = &report->take;
	bool hears = shape_find_head(model_shape(report->model), "melody") >= 0;
	fputs("<p>", out);
	text_put(out, hears ? TEXT_FEW_VOICES : TEXT_NO_VOICES, word_count(take->melody_notes).text,
		 word_count(take->count).text, NULL);
	fputs("</p>\n", out);
}

const char *page_file_name(const struct take *take)
{
	const char *slash = strrchr(take->path, '/');
	return slash && slash[1] ? slash + 1 : take->path;
}

static void put_cells(FILE *out, const char *tag, const char *const *cells, size_t count)
{
	fputs("<tr>", out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "<%s>", tag);
		text_escape(out, cells[i]);
		fprintf(out, "</%.2s>", tag);
	}
	fputs("</tr>\n", out);
}

/* ---- dynamic levels ---- */

#define BARS_HEIGHT 150

static void draw_levels(const struct take *take, FILE *out)
{
	double most = 1;
	for (int level = 0; level < DYNAMICS; level++)
		most = fmax(most, fmax(take->played_in[level], take->expected_in[level]));
	fprintf(out, "<svg class=\"plot bars\" width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"", BARS_HEIGHT + 18);
	text_put(out, TEXT_LEVELS, NULL);
	fputs("\">\n", out);
	for (int level = 0; level < DYNAMICS; level++) {
		double left = 100.0 * level / DYNAMICS, width = 100.0 / DYNAMICS;
		double played = BARS_HEIGHT * take->played_in[level] / most,
		       expected = BARS_HEIGHT * take->expected_in[level] / most;
		fprintf(out,
			"<rect class=\"played\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"%.1f\" height=\"%.1f\"/>"
			"<rect class=\"expected\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"%.1f\" height=\"%.1f\"/>"
			"<text x=\"%.2f%%\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
			left + 0.12 * width, 0.76 * width, BARS_HEIGHT - played, played, left + 0.06 * width, 0.88 * width,
			BARS_HEIGHT - expected, take->has_expected ? expected : 0, left + width / 2, BARS_HEIGHT + 13,
			table_dynamics[level]);
	}
	fputs("</svg>\n", out);
}

void page_levels(const struct report *report, FILE *out)
{
	const struct take *take = &report->take;
	const char *heads[] = {text_of(TEXT_LEVEL), text_of(TEXT_PLAYED), text_of(TEXT_EXPECTED)};
	page_heading(out, "levels", TEXT_LEVELS);
	page_paragraph(out, take->curve ? TEXT_LEVELS_CALIBRATED : TEXT_LEVELS_LEAD);
	draw_levels(take, out);
	fputs("<div class=\"wide\"><table id=\"levels-table\">", out);
	put_cells(out, "th scope=\"col\"", heads, 3);
	for (int level = 0; level < DYNAMICS; level++) {
		struct word played = word_count((size_t)take->played_in[level]);
		struct word expected = word_number(take->has_expected ? take->expected_in[level] : (double)NAN, 0);
		put_cells(out, "td", (const char *[]){table_dynamics[level], played.text, expected.text}, 3);
	}
	fputs("</table></div>\n</section>\n", out);
}

/* ---- runs ---- */

static double unevenness(const struct run *run)
{
	return run->velocity_unevenness / 10 + run->timing_unevenness_ms / 20;
}

static int compare_runs(const void *left, const void *right)
{
	const struct run *a = *(const struct run *const *)left, *b = *(const struct run *const *)right;
	double difference = unevenness(b) - unevenness(a);
	return difference > 0 ? 1 : difference < 0 ? -1 : a < b ? -1 : a > b;
}

static void put_run(const struct report *report, const struct run *run, FILE *out)
{
	const struct take_note *notes = report->take.notes, *first = &notes[run->notes[0]];
	struct word place = word_place(&report->take, first->unit, first->unit), range, count = word_count(run->count);
	struct word step = word_number(run->interval_ms, 0), velocity = word_number(run->velocity_unevenness, 1);
	struct word expected = word_number(run->expected_unevenness, 1), timing = word_number(run->timing_unevenness_ms, 1);
	snprintf(range.text, sizeof range.text, "%s, %s", table_note_name(first->pitch),
		 table_note_name(notes[run->notes[run->count - 1]].pitch));
	put_cells(out, "td",
		  (const char *[]){place.text, range.text, count.text, step.text, velocity.text, expected.text, timing.text},
		  7);
}

bool page_runs(const struct report *report, FILE *out)
{
	size_t count = report->runs.count, shown = count < RUNS_SHOWN ? count : RUNS_SHOWN;
	const struct run **runs = malloc((count + 1) * sizeof *runs);
	page_heading(out, "runs", TEXT_RUNS);
	if (runs && count == 0) {
		page_paragraph(out, TEXT_RUNS_NONE);
	} else if (runs) {
		const char *heads[] = {text_of(TEXT_RUN_PLACE), text_of(TEXT_RUN_FROM),	    text_of(TEXT_NOTES),
				       text_of(TEXT_RUN_STEP),	text_of(TEXT_RUN_VELOCITY), text_of(TEXT_RUN_EXPECTED),
				       text_of(TEXT_RUN_TIMING)};
		for (size_t i = 0; i < count; i++)
			runs[i] = &report->runs.runs[i];
		qsort(runs, count, sizeof *runs, compare_runs);
		page_paragraph(out, TEXT_RUNS_LEAD);
		fputs("<div class=\"wide\" tabindex=\"0\"><table id=\"runs-table\">", out);
		put_cells(out, "th scope=\"col\"", heads, 7);
		for (size_t i = 0; i < shown; i++)
			put_run(report, runs[i], out);
		fputs("</table></div>\n<p class=\"soft\">", out);
		text_put(out, TEXT_RUN_COUNT, word_count(shown).text, word_count(count).text, NULL);
		fputs("</p>\n", out);
	}
	bool good = runs != NULL;
	free(runs);
	fputs("</section>\n", out);
	return good;
}

/* ---- what it rests on ---- */

static void put_line(FILE *out, enum text text, const char *first, const char *second, const char *third)
{
	fputs("<li>", out);
	text_put(out, text, first, second, third, NULL);
	fputs("</li>\n", out);
}

static void put_trust(const struct report *report, FILE *out)
{
	const struct take *take = &report->take;
	const char *recipe = model_metadata(report->model, "recipe"), *data = model_metadata(report->model, "licence");
	const char *path = model_path(report->model), *slash = strrchr(path, '/');
	char sha[13] = {0};
	snprintf(sha, sizeof sha, "%.12s", model_sha256(report->model));
	page_heading(out, "trust", TEXT_TRUST);
	fputs("<ul>\n", out);
	if (take->has_expected) {
		put_line(out, TEXT_TRUST_HIDDEN, NULL, NULL, NULL);
		put_line(out, TEXT_TRUST_SPREAD, word_number(TAKE_SPREAD_WIDE, 0).text,
			 word_count(report->curve.whole[PART_ALL].judged).text, word_count(take->count).text);
		put_line(out, take->curve ? TEXT_TRUST_CALIBRATED : TEXT_TRUST_KEYBOARD, word_signed(take->level, 1).text,
			 take->curve, NULL);
	}
	put_line(out, TEXT_TRUST_MODEL, slash ? slash + 1 : path, sha, NULL);
	if (recipe)
		put_line(out, TEXT_TRUST_RECIPE, recipe, NULL, NULL);
	if (data)
		put_line(out, TEXT_TRUST_DATA, data, NULL, NULL);
	if (!recipe && !data)
		put_line(out, TEXT_TRUST_UNSTATED, NULL, NULL, NULL);
	put_line(out, TEXT_TRUST_OUTSIDE, NULL, NULL, NULL);
	put_line(out, TEXT_TRUST_BEATS, word_number(take->beat_support, 2).text, NULL, NULL);
	put_line(out, TEXT_TRUST_DATA_FILES, NULL, NULL, NULL);
	fputs("</ul>\n</section>\n", out);
}

/* ---- frame ---- */

static void put_head(const struct report *report, FILE *out)
{
	fprintf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n", text_of(TEXT_LANGUAGE));
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", out);
	text_put(out, TEXT_TITLE, page_file_name(&report->take), NULL);
	fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>", page_style);
	text_put(out, TEXT_TITLE, page_file_name(&report->take), NULL);
	fputs("</h1>\n", out);
}

static void put_summary(const struct report *report, FILE *out)
{
	static const struct {
		const char *id;
		enum text title;
	} contents[] = {{"findings", TEXT_FINDINGS}, {"takes", TEXT_TAKES},	{"roll", TEXT_ROLL},   {"curve", TEXT_CURVE},
			{"levels", TEXT_LEVELS},     {"voicing", TEXT_VOICING}, {"hands", TEXT_HANDS}, {"runs", TEXT_RUNS},
			{"time", TEXT_TIME},	     {"trust", TEXT_TRUST}};
	const struct take *take = &report->take;
	struct word notes = word_count(take->count), bars = word_count(take->unit_count);
	struct word length = word_time(take->units[take->unit_count - 1].end_us);
	fputs("<p>", out);
	text_put(out, take->has_beat ? TEXT_SUMMARY_BARS : TEXT_SUMMARY_SECONDS, notes.text, length.text, bars.text, NULL);
	fputs("</p>\n", out);
	if (take->quantised)
		page_paragraph(out, TEXT_QUANTISED);
	fputs("<nav aria-label=\"", out);
	text_put(out, TEXT_CONTENTS, NULL);
	fputs("\"><ul>\n", out);
	for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
		if (contents[i].title == TEXT_TAKES && report->older_count == 0)
			continue;
		fprintf(out, "<li><a href=\"#%s\">", contents[i].id);
		text_put(out, contents[i].title, NULL);
		fputs("</a></li>\n", out);
	}
	fputs("</ul></nav>\n", out);
}

enum status page_write(const struct report *report, FILE *out, struct error *error)
{
	put_head(report, out);
	put_summary(report, out);
	page_findings(report, out);
	bool good = report->older_count == 0 || page_takes(report, out);
	page_roll(report, out);
	good = good && page_curves(report, out);
	page_levels(report, out);
	good =
	    good && page_voicing(report, out) && page_hands(report, out) && page_runs(report, out) && page_time(report, out);
	put_trust(report, out);
	fputs("</main>\n</body>\n</html>\n", out);
	return good ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory for the page");
}
