/* The piano roll: rows of about half a minute, notes coloured by played minus expected. Offline. */
#include "rehearsal/page_parts.h"

#include "rehearsal/plot.h"
#include "rehearsal/word.h"

#include <math.h>

#define ROW_US 20000000
#define UNITS_STEP 4 /* a row holds a multiple of so many units */
#define KEYS_MIN 24
#define PIXELS_A_KEY 4
#define HEIGHT_MAX 240

enum shade { MUCH_SOFTER, SOFTER, EVEN, LOUDER, MUCH_LOUDER, SILENT, SHADES };

static const enum text shade_texts[SHADES] = {TEXT_ROLL_MUCH_SOFTER, TEXT_ROLL_SOFTER,	    TEXT_ROLL_EXPECTED,
					      TEXT_ROLL_LOUDER,	     TEXT_ROLL_MUCH_LOUDER, TEXT_ROLL_SILENT};

static enum shade shade_of(const struct take *take, const struct take_note *note)
{
	double deviation = take_deviation(take, note);
	if (isnan(deviation))
		return take->has_expected ? SILENT : EVEN;
	return deviation < -16	 ? MUCH_SOFTER
	       : deviation < -8	 ? SOFTER
	       : deviation <= 8	 ? EVEN
	       : deviation <= 16 ? LOUDER
				 : MUCH_LOUDER;
}

/* Units in a row: about ROW_US, a multiple of four where that many fit. */
static size_t row_units(const struct take *take)
{
	const struct take_unit *last = &take->units[take->unit_count - 1];
	double mean_us = (double)(last->end_us - take->units[0].start_us) / (double)take->unit_count;
	size_t units = mean_us > 0 ? (size_t)(ROW_US / mean_us) : 1;
	units = units > UNITS_STEP ? (units + UNITS_STEP / 2) / UNITS_STEP * UNITS_STEP : units;
	return units < 1 ? 1 : units;
}

size_t page_roll_row(const struct take *take, size_t unit)
{
	return unit / row_units(take);
}

static void key_range(const struct take *take, int *low, int *high)
{
	*low = 127;
	*high = 0;
	for (size_t i = 0; i < take->count; i++) {
		*low = take->notes[i].pitch < *low ? take->notes[i].pitch : *low;
		*high = take->notes[i].pitch > *high ? take->notes[i].pitch : *high;
	}
	while (*high - *low < KEYS_MIN) {
		*low -= *low > 0;
		*high += *high < 127;
	}
}

/* Notes of one shade; SHADES: the edges of melody notes. */
static void draw_strokes(const struct plot *plot, const struct take *take, size_t first, size_t end, int shade)
{
	bool begun = false;
	for (size_t i = first; i < end; i++) {
		const struct take_note *note = &take->notes[i];
		if (shade < SHADES ? (int)shade_of(take, note) != shade : note->voice != VOICE_MELODY)
			continue;
		if (!begun)
			plot_strokes(plot,
				     shade < SHADES ? (const char *[]){"n0", "n1", "n2", "n3", "n4", "n5"}[shade] : "edge");
		begun = true;
		double from = (double)note->onset_us, to = (double)note->end_us;
		plot_stroke(plot, from, fmin(to, plot->x_high), note->pitch);
	}
	if (begun)
		plot_strokes_end(plot);
}

static void draw_grid(const struct plot *plot, const struct take *take, size_t from, size_t to)
{
	size_t step = (size_t)plot_step((double)(to - from), 8);
	step = step < 1 ? 1 : step;
	for (int pitch = (int)plot->y_low; pitch <= (int)plot->y_high; pitch++)
		if (pitch % 12 == 0) {
			char word[16];
			snprintf(word, sizeof word, "C%d", pitch / 12 - 1);
			plot_across(plot, pitch, word);
		}
	for (size_t u = from; u < to; u += step) {
		struct word word = take->has_beat ? word_count(u + 1) : word_time(take->units[u].start_us);
		plot_down(plot, (double)take->units[u].start_us, word.text);
	}
}

static void draw_row(const struct report *report, size_t row, size_t *note, int low, int high, FILE *out)
{
	const struct take *take = &report->take;
	size_t units = row_units(take), from = row * units;
	size_t to = from + units < take->unit_count ? from + units : take->unit_count, first = *note;
	int height = PIXELS_A_KEY * (high - low) < HEIGHT_MAX ? PIXELS_A_KEY * (high - low) : HEIGHT_MAX;
	struct plot plot = {.out = out,
			    .x_low = (double)take->units[from].start_us,
			    .x_high = (double)take->units[to - 1].end_us,
			    .y_low = low - 1,
			    .y_high = high + 1,
			    .height = height};
	struct word start = word_time(take->units[from].start_us), stop = word_time(take->units[to - 1].end_us);
	while (*note < take->count && take->notes[*note].unit < to)
		++*note;
	fprintf(out, "<section id=\"row%zu\"><h3>", row + 1);
	struct word place = word_place(take, from, to - 1);
	text_escape(out, place.text);
	fputs("</h3>\n", out);
	if (to - from < units) /* the last row keeps the scale of the others */
		plot.x_high = plot.x_low + (plot.x_high - plot.x_low) * (double)units / (double)(to - from);
	char label[320];
	snprintf(label, sizeof label, "%s: %s - %s", text_of(TEXT_ROLL), start.text, stop.text);
	plot_open(&plot, label);
	draw_grid(&plot, take, from, to);
	plot_data(&plot);
	draw_strokes(&plot, take, first, *note, SHADES); /* edges of melody notes, below everything */
	for (int shade = SILENT; shade >= 0; shade--)
		draw_strokes(&plot, take, first, *note, shade);
	plot_data_end(&plot);
	plot_close(&plot);
	fputs("</section>\n", out);
}

static void draw_key(const struct report *report, FILE *out)
{
	fputs("<ul class=\"key\">\n", out);
	for (int shade = 0; shade < SHADES; shade++) {
		char name[] = {'n', (char)('0' + shade), 0};
		fputs("<li>", out);
		fprintf(out,
			"<svg width=\"26\" height=\"9\" aria-hidden=\"true\"><path d=\"M1 4.5h24\" fill=\"none\" "
			"class=\"%s\"/></svg>",
			name);
		text_put(out, shade_texts[shade], NULL);
		fputs("</li>\n", out);
	}
	if (report->take.has_voices) {
		fputs("<li><svg width=\"26\" height=\"9\" aria-hidden=\"true\"><path d=\"M1 4.5h24\" fill=\"none\" "
		      "class=\"edge\"/>"
		      "<path d=\"M1 4.5h24\" fill=\"none\" class=\"n2\"/></svg>",
		      out);
		text_put(out, TEXT_ROLL_MELODY, NULL);
		fputs("</li>\n", out);
	}
	fputs("</ul>\n", out);
}

void page_roll(const struct report *report, FILE *out)
{
	const struct take *take = &report->take;
	size_t rows = page_roll_row(take, take->unit_count - 1) + 1, note = 0;
	int low, high;
	page_heading(out, "roll", TEXT_ROLL);
	if (take->has_expected) {
		struct word level = word_signed(take->level, 0);
		fputs("<p>", out);
		text_put(out, TEXT_ROLL_LEAD, level.text, NULL);
		fputs("</p>\n", out);
		draw_key(report, out);
	} else {
		page_paragraph(out, TEXT_ROLL_LEAD_PLAIN);
	}
	key_range(take, &low, &high);
	fputs("<div class=\"roll\" tabindex=\"0\" role=\"group\" aria-label=\"", out);
	text_put(out, TEXT_ROLL, NULL);
	fputs("\">\n", out);
	for (size_t row = 0; row < rows; row++)
		draw_row(report, row, &note, low, high, out);
	fputs("</div>\n</section>\n", out);
}
