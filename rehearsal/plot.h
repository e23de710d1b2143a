/* Plots as plainly written SVG that is as wide as the page and keeps the size of its words. Nothing is kept: open, draw,
 * close. Any thread. */
#ifndef MIDIBERTD_REHEARSAL_PLOT_H
#define MIDIBERTD_REHEARSAL_PLOT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct plot {
	FILE *out;
	double x_low, x_high, y_low, y_high; /* of the data */
	int height;			     /* of the drawing, CSS pixels; words below it come on top */
};

/* `label` is read out to those who do not see the plot. */
void plot_open(struct plot *plot, const char *label);
void plot_close(struct plot *plot);

/* Lines across and down, each with a word (NULL: none). Before plot_data. */
void plot_across(const struct plot *plot, double y, const char *word);
void plot_down(const struct plot *plot, double x, const char *word);

/* Between these two, what is drawn is in data coordinates. */
void plot_data(const struct plot *plot);
void plot_data_end(const struct plot *plot);

/* Values at first + 0.5, first + 1.5, ...; NAN breaks the line, lone values become dots. style: CSS class. */
void plot_line(const struct plot *plot, const double *values, size_t count, const char *style);
void plot_band(const struct plot *plot, const double *low, const double *high, size_t count, const char *style);

/* Horizontal strokes: begin (with a CSS class), one by one, end. */
void plot_strokes(const struct plot *plot, const char *style);
void plot_stroke(const struct plot *plot, double from, double to, double y);
void plot_strokes_end(const struct plot *plot);

/* A round step (1, 2, 5, 10, ...) that divides a range into at most `parts`. */
double plot_step(double range, int parts);

#endif
