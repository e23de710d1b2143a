/* See page_index.h. Offline. Every number is the history's. */
#define _GNU_SOURCE
#include "rehearsal/page_index.h"

#include "rehearsal/page_parts.h"
#include "rehearsal/plot.h"
#include "rehearsal/word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEIGHT 70
#define MARKS 8 /* takes that are named below a plot, at most */

static const enum text measure_words[MEASURES] = {
    TEXT_MEASURE_LENGTH, TEXT_MEASURE_NOTES,	    TEXT_MEASURE_VELOCITY,   TEXT_MEASURE_LEVEL,
    TEXT_MEASURE_STRAY,	 TEXT_MEASURE_GAP,	    TEXT_MEASURE_LEAD,	     TEXT_MEASURE_OVERLAP,
    TEXT_MEASURE_HANDS,	 TEXT_MEASURE_RUN_VELOCITY, TEXT_MEASURE_RUN_TIMING, TEXT_MEASURE_PEDAL,
    TEXT_MEASURE_TEMPO,	 TEXT_MEASURE_LEFT_OUT,	    TEXT_MEASURE_ADDED,	     TEXT_MEASURE_FINDINGS};

static struct word measure_word(enum measure measure, double value)
{
	switch (measure) {
	case MEASURE_LENGTH_S: return isnan(value) ? word_number(value, 0) : word_time((int64_t)(value * 1e6));
	case MEASURE_NOTES:
	case MEASURE_LEFT_OUT_NOTES:
	case MEASURE_ADDED_NOTES:
	case MEASURE_FINDINGS:
	case MEASURE_LEAD_MS:
	case MEASURE_OVERLAP_MS:
	case MEASURE_RUN_TIMING_MS: return word_number(value, 0);
	case MEASURE_LEVEL_VELOCITY:
	case MEASURE_GAP_VELOCITY:
	case MEASURE_HANDS_VELOCITY: return word_signed(value, 1);
	case MEASURE_PEDAL_SHARE:
	case MEASURE_TEMPO_RATIO: return word_number(value, 2);
	default: return word_number(value, 1);
	}
}

/* A take's name without its ending. */
static struct word take_name(const struct history_take *take)
{
	struct word word;
	size_t length = strlen(take->file);
	if (length > 4)
		length -= 4;
	snprintf(word.text, sizeof word.text, "%.*s", (int)(length < 70 ? length : 70), take->file);
	return word;
}

/* A file's name as a link: what means something in an address is written by its number. */
static void put_link(const struct history_take *take, FILE *out)
{
	size_t length = strlen(take->file) - 4;
	fputs("<a href=\"./", out);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)take->file[i];
		if (strchr("-_.~", c) || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
			putc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
	fputs(".html\">", out);
	text_escape(out, take_name(take).text);
	fputs("</a>", out);
}

static void put_table(const struct history_take *const *takes, size_t count, size_t piece, FILE *out)
{
	fprintf(out, "<div class=\"wide\" tabindex=\"0\"><table id=\"piece%zu-table\"><tr><th scope=\"col\">", piece);
	text_put(out, TEXT_INDEX_TAKE, NULL);
	fputs("</th>", out);
	for (int m = 0; m < MEASURES; m++) {
		fputs("<th scope=\"col\">", out);
		text_put(out, measure_words[m], NULL);
		fputs("</th>", out);
	}
	fputs("</tr>\n", out);
	for (size_t i = count; i-- > 0;) { /* the newest first */
		fputs("<tr><td>", out);
		put_link(takes[i], out);
		fputs("</td>", out);
		for (int m = 0; m < MEASURES; m++)
			fprintf(out, "<td>%s</td>", measure_word((enum measure)m, takes[i]->measure[m]).text);
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

static void put_plot(const struct history_take *const *takes, size_t count, enum measure measure, double *values, FILE *out)
{
	double low = INFINITY, high = -INFINITY;
	size_t known = 0;
	for (size_t i = 0; i < count; i++) {
		values[i] = takes[i]->measure[measure];
		if (isnan(values[i]))
			continue;
		low = fmin(low, values[i]);
		high = fmax(high, values[i]);
		known++;
	}
	if (known < 2)
		return;
	double margin = fmax((high - low) / 8, 1e-3 * fmax(fabs(high), 1));
	struct plot plot = {out, 0, (double)count, low - margin, high + margin, HEIGHT};
	fputs("<div><h4>", out);
	text_put(out, measure_words[measure], NULL);
	fputs("</h4>\n", out);
	plot_open(&plot, text_of(measure_words[measure]));
	plot_across(&plot, low, measure_word(measure, low).text);
	if (high > low)
		plot_across(&plot, high, measure_word(measure, high).text);
	size_t step = (count + MARKS - 1) / MARKS;
	for (size_t i = 0; i < count; i += step) {
		char number[24];
		snprintf(number, sizeof number, "%zu", i + 1);
		plot_down(&plot, (double)i + 0.5, number);
	}
	plot_data(&plot);
	plot_line(&plot, values, count, "line other");
	plot_data_end(&plot);
	plot_close(&plot);
	fputs("</div>\n", out);
}

static void put_piece(const struct history_take *const *takes, size_t count, size_t piece, double *values, FILE *out)
{
	struct word number = word_count(piece), first = take_name(takes[0]), many = word_count(count);
	fprintf(out, "<section id=\"piece%zu\"><h2>", piece);
	text_put(out, TEXT_INDEX_PIECE, number.text, first.text, NULL);
	fputs("</h2>\n<p>", out);
	text_put(out, count == 1 ? TEXT_INDEX_ONE : TEXT_INDEX_MANY, many.text, NULL);
	fputs("</p>\n", out);
	put_table(takes, count, piece, out);
	if (count > 1) {
		fputs("<details open><summary>", out);
		text_put(out, TEXT_INDEX_COURSE, NULL);
		fputs("</summary>\n<div class=\"small\">\n", out);
		for (int m = 0; m < MEASURES; m++)
			put_plot(takes, count, (enum measure)m, values, out);
		fputs("</div></details>\n", out);
	}
	fputs("</section>\n", out);
}

static void put_head(const char *path, size_t takes, FILE *out)
{
	const char *slash = strrchr(path, '/'), *folder = slash && slash[1] ? slash + 1 : path;
	struct word count = word_count(takes);
	fprintf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n", text_of(TEXT_LANGUAGE));
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", out);
	text_put(out, TEXT_INDEX_TITLE, folder, NULL);
	fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>", page_style);
	text_put(out, TEXT_INDEX_TITLE, folder, NULL);
	fputs("</h1>\n<p>", out);
	text_put(out, TEXT_INDEX_LEAD, count.text, NULL);
	fputs("</p>\n", out);
}

/* Pieces in the order in which they were last played, the newest first. */
enum status page_index_write(const struct history *history, const char *folder, FILE *out, struct error *error)
{
	const struct history_take **takes = malloc((history->count + 1) * sizeof *takes);
	double *values = malloc((history->count + 1) * sizeof *values);
	bool *told = calloc(history->count + 1, sizeof *told);
	if (!takes || !values || !told) {
		free(takes);
		free(values);
		free(told);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for an index of %zu takes", history->count);
	}
	put_head(folder, history->count, out);
	for (size_t newest = history->count; newest-- > 0;) {
		size_t count = 0, piece = history->takes[newest].piece;
		if (told[newest])
			continue;
		for (size_t i = 0; i <= newest; i++) {
			if (history->takes[i].piece != piece)
				continue;
			told[i] = true;
			takes[count++] = &history->takes[i];
		}
		put_piece(takes, count, piece, values, out);
	}
	page_paragraph(out, TEXT_INDEX_TRUST);
	fputs("</main>\n</body>\n</html>\n", out);
	free(takes);
	free(values);
	free(told);
	return STATUS_OK;
}
