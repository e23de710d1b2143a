/* Plots as SVG, see plot.h. The outer drawing is in CSS pixels and parts of the width, for words; the inner one is stretched
 * to fit and holds the data on a grid of 10000 by 1000. */
#include "rehearsal/plot.h"

#include "rehearsal/text.h"

#include <math.h>
#include <stdbool.h>

#define WIDE 10000
#define HIGH 1000
#define WORDS 18 /* pixels below the drawing */

static double across(const struct plot *plot, double x)
{
	return (x - plot->x_low) / (plot->x_high - plot->x_low);
}

static double down(const struct plot *plot, double y)
{
	return 1 - (y - plot->y_low) / (plot->y_high - plot->y_low);
}

/* Integers keep pages small. */
static long column(const struct plot *plot, double x)
{
	return lround(across(plot, x) * WIDE);
}

static long row(const struct plot *plot, double y)
{
	return lround(fmin(fmax(down(plot, y), 0), 1) * HIGH);
}

void plot_open(struct plot *plot, const char *label)
{
	if (!(plot->x_high > plot->x_low))
		plot->x_high = plot->x_low + 1;
	if (!(plot->y_high > plot->y_low))
		plot->y_high = plot->y_low + 1;
	fprintf(plot->out, "<svg class=\"plot\" width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"",
		plot->height + WORDS);
	text_escape(plot->out, label);
	fputs("\">\n", plot->out);
}

void plot_close(struct plot *plot)
{
	fputs("</svg>\n", plot->out);
}

void plot_across(const struct plot *plot, double y, const char *word)
{
	double at = down(plot, y) * plot->height;
	if (at < -0.5 || at > plot->height + 0.5) /* it would lie in the heading or in the next plot */
		return;
	fprintf(plot->out, "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", at, at);
	if (word) {
		fprintf(plot->out, "<text x=\"2\" y=\"%.1f\">", at < 14 ? at + 12 : at - 3);
		text_escape(plot->out, word);
		fputs("</text>", plot->out);
	}
}

void plot_down(const struct plot *plot, double x, const char *word)
{
	double at = 100 * across(plot, x);
	fprintf(plot->out, "<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"%d\"/>", at, at, plot->height);
	if (word) {
		fprintf(plot->out, "<text x=\"%.2f%%\" y=\"%d\"%s>", at, plot->height + 13,
			at > 94	 ? " text-anchor=\"end\""
			: at > 3 ? " text-anchor=\"middle\""
				 : "");
		text_escape(plot->out, word);
		fputs("</text>", plot->out);
	}
}

void plot_data(const struct plot *plot)
{
	fprintf(plot->out,
		"\n<svg x=\"0\" y=\"0\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\">\n",
		plot->height, WIDE, HIGH);
}

void plot_data_end(const struct plot *plot)
{
	fputs("</svg>\n", plot->out);
}

void plot_line(const struct plot *plot, const double *values, size_t count, const char *style)
{
	bool drawing = false;
	fprintf(plot->out, "<path class=\"%s\" d=\"", style);
	for (size_t i = 0; i < count; i++) {
		if (isnan(values[i])) {
			drawing = false;
			continue;
		}
		bool alone = !drawing && (i + 1 == count || isnan(values[i + 1]));
		fprintf(plot->out, "%c%ld %ld", drawing ? 'L' : 'M', column(plot, (double)i + 0.5), row(plot, values[i]));
		if (alone)
			fputs("h1", plot->out);
		drawing = true;
	}
	fputs("\"/>\n", plot->out);
}

void plot_band(const struct plot *plot, const double *low, const double *high, size_t count, const char *style)
{
	fprintf(plot->out, "<path class=\"%s\" d=\"", style);
	for (size_t i = 0; i < count;) {
		size_t end = i;
		if (isnan(low[i]) || isnan(high[i])) {
			i++;
			continue;
		}
		while (end < count && !isnan(low[end]) && !isnan(high[end]))
			end++;
		/* from edge to edge of the first and last unit, so that a lone one is seen */
		fprintf(plot->out, "M%ld %ld", column(plot, (double)i), row(plot, high[i]));
		for (size_t k = i; k < end; k++)
			fprintf(plot->out, "L%ld %ld", column(plot, (double)k + 0.5), row(plot, high[k]));
		fprintf(plot->out, "L%ld %ldL%ld %ld", column(plot, (double)end), row(plot, high[end - 1]),
			column(plot, (double)end), row(plot, low[end - 1]));
		for (size_t k = end; k-- > i;)
			fprintf(plot->out, "L%ld %ld", column(plot, (double)k + 0.5), row(plot, low[k]));
		fprintf(plot->out, "L%ld %ldZ", column(plot, (double)i), row(plot, low[i]));
		i = end;
	}
	fputs("\"/>\n", plot->out);
}

void plot_strokes(const struct plot *plot, const char *style)
{
	fprintf(plot->out, "<path class=\"%s\" d=\"", style);
}

void plot_stroke(const struct plot *plot, double from, double to, double y)
{
	long start = column(plot, from), length = column(plot, to) - start;
	fprintf(plot->out, "M%ld %ldh%ld", start, row(plot, y), length < 12 ? 12 : length);
}

void plot_strokes_end(const struct plot *plot)
{
	fputs("\"/>\n", plot->out);
}

double plot_step(double range, int parts)
{
	static const double steps[] = {1, 2, 5, 10};
	double power = pow(10, floor(log10(fmax(range, 1e-9) / parts)));
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (range / (steps[i] * power) <= parts)
			return steps[i] * power;
	return 10 * power;
}
