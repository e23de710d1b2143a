/* Plots along the piece: loudness, voicing, hands, tempo, pedal, articulation, and changes since older takes. Offline. */
#include "rehearsal/page_parts.h"

#include "rehearsal/plot.h"
#include "rehearsal/word.h"

#include <math.h>
#include <stdlib.h>

#define HEIGHT 150
#define HEIGHT_LOW 90

enum figure {
	FIGURE_VELOCITY,
	FIGURE_BAND_LOW,
	FIGURE_BAND_HIGH,
	FIGURE_GAP,
	FIGURE_EXPECTED_GAP,
	FIGURE_LEAD,
	FIGURE_OVERLAP,
	FIGURE_BPM,
	FIGURE_ONSETS,
	FIGURE_PEDAL,
	FIGURE_CHANGE,
	FIGURE_TEMPO_CHANGE
};

/* What a unit is plotted as; part: for velocities, which: older take. */
static double figure_of(const struct report *report, enum figure figure, enum part part, size_t which, size_t unit)
{
	const struct curve_unit *of_unit = &report->curve.units[unit];
	const struct curve_part *of_part = &of_unit->part[part];
	switch (figure) {
	case FIGURE_VELOCITY: return of_part->velocity;
	case FIGURE_BAND_LOW: return of_part->expected + report->take.level - of_part->spread;
	case FIGURE_BAND_HIGH: return of_part->expected + report->take.level + of_part->spread;
	case FIGURE_GAP: return of_unit->gap;
	case FIGURE_EXPECTED_GAP: return of_unit->expected_gap;
	case FIGURE_LEAD: return of_unit->lead_ms;
	case FIGURE_OVERLAP: return of_unit->overlap_ms;
	case FIGURE_BPM: return report->take.units[unit].bpm;
	case FIGURE_ONSETS: return of_unit->onsets_per_s;
	case FIGURE_PEDAL: return of_unit->pedal_share;
	case FIGURE_CHANGE: return report->beside[which].units[unit].velocity;
	case FIGURE_TEMPO_CHANGE: return report->beside[which].units[unit].tempo;
	}
	return (double)NAN;
}

struct drawing {
	const struct report *report;
	struct plot plot;
	double *values, *others;
	size_t count;
	enum part part;
	size_t which;
};

static bool drawing_init(struct drawing *drawing, const struct report *report, FILE *out)
{
	*drawing = (struct drawing){.report = report, .count = report->take.unit_count};
	drawing->plot.out = out;
	drawing->plot.x_high = (double)drawing->count;
	drawing->values = malloc((drawing->count + 1) * sizeof *drawing->values);
	drawing->others = malloc((drawing->count + 1) * sizeof *drawing->others);
	return drawing->values && drawing->others;
}

static void drawing_free(struct drawing *drawing)
{
	free(drawing->values);
	free(drawing->others);
}

static void take_values(struct drawing *drawing, enum figure figure, double *values)
{
	for (size_t u = 0; u < drawing->count; u++)
		values[u] = figure_of(drawing->report, figure, drawing->part, drawing->which, u);
}

/* The range that figures lie in, wide enough to hold low..high, rounded outwards. */
static void fit(struct drawing *drawing, const enum figure *figures, size_t count, double low, double high)
{
	for (size_t f = 0; f < count; f++)
		for (size_t u = 0; u < drawing->count; u++) {
			double value = figure_of(drawing->report, figures[f], drawing->part, drawing->which, u);
			low = value < low ? value : low;
			high = value > high ? value : high;
		}
	double step = plot_step(high - low, 4);
	drawing->plot.y_low = floor(low / step) * step;
	drawing->plot.y_high = ceil(high / step) * step;
}

static void begin(struct drawing *drawing, enum text title, int height)
{
	struct plot *plot = &drawing->plot;
	double step = plot_step(plot->y_high - plot->y_low, 4), along = fmax(plot_step((double)drawing->count, 10), 1);
	fputs("<h3>", plot->out);
	text_put(plot->out, title, NULL);
	fputs("</h3>\n", plot->out);
	plot->height = height;
	plot_open(plot, text_of(title));
	for (double y = plot->y_low; y <= plot->y_high + step / 2; y += step)
		plot_across(plot, y, word_number(y, step < 0.1 ? 2 : step < 1 ? 1 : 0).text);
	for (size_t u = 0; u < drawing->count; u += (size_t)along) {
		const struct take *take = &drawing->report->take;
		plot_down(plot, (double)u, (take->has_beat ? word_count(u + 1) : word_time(take->units[u].start_us)).text);
	}
	plot_data(plot);
}

static void end(struct drawing *drawing)
{
	plot_data_end(&drawing->plot);
	plot_close(&drawing->plot);
}

static void line(struct drawing *drawing, enum figure figure, const char *style)
{
	take_values(drawing, figure, drawing->values);
	plot_line(&drawing->plot, drawing->values, drawing->count, style);
}

/* One figure in a plot of its own. */
static void single(struct drawing *drawing, enum text title, enum figure figure, double low, double high, const char *style)
{
	fit(drawing, &figure, 1, low, high);
	begin(drawing, title, HEIGHT_LOW);
	line(drawing, figure, style);
	end(drawing);
}

/* ---- loudness ---- */

static void draw_part(struct drawing *drawing, enum text title, enum part part, const char *band, const char *style)
{
	static const enum figure figures[] = {FIGURE_VELOCITY, FIGURE_BAND_LOW, FIGURE_BAND_HIGH};
	drawing->part = part;
	fit(drawing, figures, 3, 40, 80);
	drawing->plot.y_low = fmax(drawing->plot.y_low, 0);
	drawing->plot.y_high = fmin(drawing->plot.y_high, 128);
	begin(drawing, title, HEIGHT);
	take_values(drawing, FIGURE_BAND_LOW, drawing->values);
	take_values(drawing, FIGURE_BAND_HIGH, drawing->others);
	plot_band(&drawing->plot, drawing->values, drawing->others, drawing->count, band);
	line(drawing, FIGURE_VELOCITY, style);
	end(drawing);
}

bool page_curves(const struct report *report, FILE *out)
{
	struct drawing drawing;
	bool good = drawing_init(&drawing, report, out);
	page_heading(out, "curve", TEXT_CURVE);
	fputs("<p>", out);
	text_put(out, TEXT_CURVE_LEAD, text_of(report->take.has_beat ? TEXT_UNIT_BAR : TEXT_UNIT_SECOND), NULL);
	fputs("</p>\n", out);
	if (good && report->take.has_voices) {
		draw_part(&drawing, TEXT_CURVE_MELODY, PART_MELODY, "band melody", "line melody");
		draw_part(&drawing, TEXT_CURVE_ACCOMPANIMENT, PART_ACCOMPANIMENT, "band other", "line other");
	} else if (good) {
		page_no_voices(report, out);
		draw_part(&drawing, TEXT_CURVE_ALL, PART_ALL, "band ink", "line ink");
	}
	drawing_free(&drawing);
	fputs("</section>\n", out);
	return good;
}

/* ---- voicing ---- */

bool page_voicing(const struct report *report, FILE *out)
{
	static const enum figure gaps[] = {FIGURE_GAP, FIGURE_EXPECTED_GAP};
	struct drawing drawing;
	bool good = drawing_init(&drawing, report, out);
	page_heading(out, "voicing", TEXT_VOICING);
	if (!report->take.has_voices) {
		page_no_voices(report, out);
	} else if (good) {
		struct word gap = word_number(report->curve.gap, 1), expected = word_number(report->curve.expected_gap, 1);
		struct word lead = word_number(report->curve.lead_ms, 1);
		page_paragraph(out, TEXT_VOICING_LEAD);
		fputs("<p id=\"voicing-mean\">", out);
		text_put(out, TEXT_VOICING_MEAN, gap.text, expected.text, lead.text, NULL);
		fputs("</p>\n", out);
		fit(&drawing, gaps, 2, -10, 20);
		begin(&drawing, TEXT_GAP, HEIGHT);
		line(&drawing, FIGURE_EXPECTED_GAP, "dashed ink");
		line(&drawing, FIGURE_GAP, "line melody");
		end(&drawing);
		single(&drawing, TEXT_LEAD, FIGURE_LEAD, -20, 40, "line melody");
	}
	drawing_free(&drawing);
	fputs("</section>\n", out);
	return good;
}

/* ---- hands ---- */

bool page_hands(const struct report *report, FILE *out)
{
	struct drawing drawing;
	bool good = drawing_init(&drawing, report, out);
	size_t known;
	double confidence = report_hand_confidence(report, &known);
	page_heading(out, "hands", TEXT_HANDS);
	fputs("<p>", out);
	if (report->take.hand_tracks[HAND_LEFT] >= 0)
		text_put(out, TEXT_HANDS_TRACKS, NULL);
	else
		text_put(out, TEXT_HANDS_GUESS, word_number(confidence, 2).text, word_count(known).text,
			 word_count(report->take.count).text, NULL);
	fputs("</p>\n<div class=\"wide\"><table id=\"hands-table\"><tr>", out);
	static const enum text heads[] = {TEXT_HAND, TEXT_NOTES, TEXT_VELOCITY, TEXT_DEVIATION};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		fputs("<th scope=\"col\">", out);
		text_put(out, heads[i], NULL);
		fputs("</th>", out);
	}
	fputs("</tr>\n", out);
	for (enum part part = PART_LEFT; part <= PART_RIGHT; part++) {
		const struct curve_part *whole = &report->curve.whole[part];
		fputs("<tr><td>", out);
		text_put(out, part == PART_LEFT ? TEXT_LEFT : TEXT_RIGHT, NULL);
		fprintf(out, "</td><td>%zu</td><td>%s</td><td>%s</td></tr>\n", whole->notes,
			word_number(whole->velocity, 1).text, word_signed(whole->deviation, 1).text);
	}
	fputs("</table></div>\n", out);
	if (good) {
		static const enum figure velocity = FIGURE_VELOCITY;
		drawing.part = PART_LEFT;
		fit(&drawing, &velocity, 1, 40, 80);
		double low = drawing.plot.y_low, high = drawing.plot.y_high;
		drawing.part = PART_RIGHT;
		fit(&drawing, &velocity, 1, low, high);
		begin(&drawing, TEXT_HANDS_CURVE, HEIGHT);
		line(&drawing, FIGURE_VELOCITY, "line melody");
		drawing.part = PART_LEFT;
		line(&drawing, FIGURE_VELOCITY, "dashed other");
		end(&drawing);
	}
	drawing_free(&drawing);
	fputs("</section>\n", out);
	return good;
}

/* ---- tempo, pedal, articulation ---- */

bool page_time(const struct report *report, FILE *out)
{
	struct drawing drawing;
	bool good = drawing_init(&drawing, report, out);
	page_heading(out, "time", TEXT_TIME);
	if (good) {
		if (report->take.has_beat) {
			double bpm = report->take.units[0].bpm;
			single(&drawing, TEXT_TEMPO, FIGURE_BPM, bpm - 10, bpm + 10, "line ink");
		} else {
			single(&drawing, TEXT_DENSITY, FIGURE_ONSETS, 0, 4, "line ink");
		}
		if (report->take.pedal_recorded)
			single(&drawing, TEXT_PEDAL, FIGURE_PEDAL, 0, 1, "line ink");
		else
			page_paragraph(out, TEXT_PEDAL_NONE);
		if (report->take.has_voices)
			single(&drawing, TEXT_OVERLAP, FIGURE_OVERLAP, -100, 100, "line melody");
	}
	drawing_free(&drawing);
	fputs("</section>\n", out);
	return good;
}

/* ---- older takes ---- */

#define GAPS_SHOWN 12

static void list_gaps(const struct report *report, size_t which, FILE *out)
{
	const struct alignment *beside = &report->beside[which];
	if (beside->gap_count == 0)
		return;
	fputs("<ul>\n", out);
	for (size_t g = 0; g < beside->gap_count && g < GAPS_SHOWN; g++) {
		const struct align_gap *gap = &beside->gaps[g];
		struct word place = word_place(&report->take, gap->unit, gap->unit), notes = word_count(gap->notes);
		struct word there = word_place(&report->older[which], gap->older_unit, gap->older_unit);
		fputs("<li>", out);
		text_put(out, gap->left_out ? TEXT_GAP_LEFT_OUT : TEXT_GAP_ADDED, place.text, notes.text, there.text, NULL);
		fputs("</li>\n", out);
	}
	fputs("</ul>\n", out);
	if (beside->gap_count > GAPS_SHOWN) {
		fputs("<p>", out);
		text_put(out, TEXT_GAP_MORE, word_count(beside->gap_count - GAPS_SHOWN).text, NULL);
		fputs("</p>\n", out);
	}
}

bool page_takes(const struct report *report, FILE *out)
{
	struct drawing drawing;
	bool good = drawing_init(&drawing, report, out);
	page_heading(out, "takes", TEXT_TAKES);
	page_paragraph(out, TEXT_TAKES_LEAD);
	for (size_t i = 0; good && i < report->older_count; i++) {
		const struct alignment *beside = &report->beside[i];
		fputs("<h3>", out);
		text_escape(out, page_file_name(&report->older[i]));
		fputs("</h3>\n<p class=\"take\">", out);
		text_put(out, TEXT_TAKE_SUMMARY, word_count(beside->matched).text, word_count(beside->added).text,
			 word_count(beside->left_out).text, word_signed(beside->level, 1).text,
			 word_number(beside->tempo, 2).text, NULL);
		fputs("</p>\n", out);
		list_gaps(report, i, out);
		drawing.which = i;
		single(&drawing, TEXT_TAKE_VELOCITY, FIGURE_CHANGE, -10, 10, "line ink");
		single(&drawing, TEXT_TAKE_TEMPO, FIGURE_TEMPO_CHANGE, 0.8, 1.2, "line ink");
	}
	drawing_free(&drawing);
	fputs("</section>\n", out);
	return good;
}
