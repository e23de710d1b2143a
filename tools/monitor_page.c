/* What stands where on the monitor's page, see monitor_page.h. Main thread. On a low terminal the keyboard and the lines
 * about the set-up give way to the notes; on a narrow one lines are cut. */
#include "tools/monitor_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS_FOR_SETUP 18    /* below: no source, model, inputs */
#define ROWS_FOR_KEYBOARD 14 /* below: no keyboard */
#define ROWS_FOR_AIR 30	     /* from here on: empty lines between the parts */
#define FIRST_KEY 21	     /* of a piano */
#define LAST_KEY 108
#define WHITE_KEYS 52
#define LABEL_COLUMN 9 /* behind the names of lines */
#define BAR_COLUMN 64  /* of a note's line */
#define BAR_MAX 64

struct page {
	struct monitor_screen *screen;
	const struct monitor_state *state;
	const struct monitor_link *link;
	int rows, columns, row;
};

static bool is_up(const struct page *page)
{
	return page->link->state == MONITOR_LINK_UP;
}

static const char *melody_name(int class)
{
	switch (class) {
	case 0: return "melody";
	case 1: return "bridge";
	case 2: return "accomp.";
	case -1: return "unknown";
	default: return "-";
	}
}

static int put_label(struct page *page, const char *label)
{
	monitor_screen_put(page->screen, page->row, 0, MONITOR_FAINT, label);
	return LABEL_COLUMN;
}

static void leave_air(struct page *page)
{
	page->row += page->rows >= ROWS_FOR_AIR;
}

/* ---- the daemon ---- */

static void draw_title(struct page *page, const char *control)
{
	static const char *const names[] = {"waiting for input", "playing", "paused", "input lost"};
	const struct monitor_state *state = page->state;
	int known = state->status.known && state->status.state >= 0 && state->status.state < 4 ? state->status.state : -1;
	enum monitor_style style = known == 1 ? MONITOR_GOOD : known == 3 ? MONITOR_BAD : MONITOR_STRONG;
	const char *name = known >= 0 ? names[known] : "no status yet";

	if (!is_up(page)) {
		style = MONITOR_BAD;
		name = page->link->state == MONITOR_LINK_GONE ? "GONE: asking again" : "asking";
	}
	int column = monitor_screen_format(page->screen, page->row, 0, MONITOR_STRONG, "midibertd at %s", control);
	column = monitor_screen_put(page->screen, page->row, column + 3, style, name);
	if (state->status.known)
		monitor_screen_format(page->screen, page->row, column + 3, MONITOR_PLAIN, "note %d   window %d notes",
				      state->status.last_note, state->status.window);
	page->row++;
}

static void draw_setup(struct page *page)
{
	const struct monitor_state *state = page->state;
	bool any = false;

	if (page->rows < ROWS_FOR_SETUP)
		return;
	monitor_screen_put(page->screen, page->row, put_label(page, "source"), MONITOR_PLAIN, state->source);
	page->row++;
	monitor_screen_put(page->screen, page->row, put_label(page, "model"), MONITOR_PLAIN, state->model);
	page->row++;
	int column = put_label(page, "inputs");
	for (int i = 0; i < MONITOR_INPUTS; i++) {
		if (!state->input[i].present)
			continue;
		column = monitor_screen_format(page->screen, page->row, column, MONITOR_PLAIN, "%s%d: %s", any ? ", " : "",
					       i, state->input[i].name);
		any = true;
	}
	if (!any)
		monitor_screen_put(page->screen, page->row, column, MONITOR_PLAIN, "none");
	page->row++;
}

/* ---- the keyboard ---- */

static bool is_black(int pitch)
{
	return (0x54a >> pitch % 12 & 1) != 0; /* 1, 3, 6, 8, 10 */
}

/* Glyphs say the same as the styles, for those who see no colours. */
static void draw_key(struct page *page, int row, int column, int width, int pitch)
{
	bool held = page->state->key[pitch] != 0, melody = held && page->state->key_melody[pitch] == 0;
	enum monitor_style style = melody ? MONITOR_LIT : held ? MONITOR_HELD : MONITOR_FAINT;
	const char *glyph = melody ? "@" : held ? "o" : is_black(pitch) ? "'" : ".";

	for (int i = 0; i < (held ? width : 1); i++)
		monitor_screen_put(page->screen, row, column + i, style, glyph);
}

static void draw_outside(struct page *page, int row, int column, int first, int last, const char *glyph)
{
	for (int pitch = first; pitch <= last; pitch++)
		if (page->state->key[pitch] != 0)
			monitor_screen_put(page->screen, row, column, MONITOR_HELD, glyph);
}

static void draw_keyboard(struct page *page)
{
	static const char *const pedals[] = {"sustain", "sostenuto", "soft"};
	int unit = (page->columns - 4) / WHITE_KEYS, white = 0, top = page->row;

	if (page->rows < ROWS_FOR_KEYBOARD)
		return;
	unit = unit < 1 ? 1 : unit > 3 ? 3 : unit;
	for (int pitch = FIRST_KEY; pitch <= LAST_KEY; pitch++) {
		int column = 1 + white * unit;
		if (is_black(pitch)) { /* at the right edge of the white key below it */
			draw_key(page, top, column - 1, 1, pitch);
			continue;
		}
		draw_key(page, top + 1, column, unit, pitch);
		if (pitch % 12 == 0)
			monitor_screen_format(page->screen, top + 2, column, MONITOR_FAINT, "C%d", pitch / 12 - 1);
		white++;
	}
	draw_outside(page, top + 1, 0, 0, FIRST_KEY - 1, "<");
	draw_outside(page, top + 1, 1 + WHITE_KEYS * unit, LAST_KEY + 1, MONITOR_KEYS - 1, ">");
	for (int i = 0; i < 3; i++)
		if (page->state->pedal[i] > 0)
			monitor_screen_format(page->screen, top + i, 4 + WHITE_KEYS * unit, MONITOR_STRONG, "%s %d",
					      pedals[i], page->state->pedal[i]);
	page->row += 3;
}

/* ---- judgements and counts ---- */

static void draw_judgement(struct page *page, int column, const char *label, const struct monitor_judgement *judgement)
{
	char bar[] = "          ";
	double share = (double)judgement->confidence;

	monitor_screen_put(page->screen, page->row, column, MONITOR_FAINT, label);
	column += LABEL_COLUMN;
	if (!judgement->known) {
		monitor_screen_put(page->screen, page->row, column, MONITOR_PLAIN, "-");
		return;
	}
	for (int i = 0; i < 10 && share >= (i + 0.5) / 10; i++)
		bar[i] = '=';
	monitor_screen_format(page->screen, page->row, column, judgement->class >= 0 ? MONITOR_STRONG : MONITOR_PLAIN,
			      "%-12.12s", judgement->name);
	monitor_screen_format(page->screen, page->row, column + 13, MONITOR_PLAIN, "%.2f [%s]", share, bar);
}

static void draw_tempo(struct page *page)
{
	static const char *const sources[] = {"grid", "fixed", "tap", "tracker", "JACK", "clock"};
	const struct monitor_state *state = page->state;
	int column = put_label(page, "tempo");

	if (!state->tempo.known)
		column = monitor_screen_put(page->screen, page->row, column, MONITOR_PLAIN, "-");
	else
		column = monitor_screen_format(
		    page->screen, page->row, column, MONITOR_PLAIN, "%.1f bpm from %s, %.2f", (double)state->tempo.bpm,
		    state->tempo.source >= 0 && state->tempo.source < 6 ? sources[state->tempo.source] : "?",
		    (double)state->tempo.confidence);
	if (state->beat.known)
		monitor_screen_format(page->screen, page->row, column + 3, MONITOR_PLAIN, "beat %d of bar %d, %.2f",
				      state->beat.beat, state->beat.bar, (double)state->beat.confidence);
	page->row++;
}

static void draw_latency(struct page *page)
{
	const struct monitor_state *state = page->state;
	int column = put_label(page, "latency");

	if (!state->latency.known)
		monitor_screen_put(page->screen, page->row, column, MONITOR_PLAIN, "-");
	else
		monitor_screen_format(page->screen, page->row, column, MONITOR_PLAIN,
				      "p50 %.2f   p95 %.2f   p99 %.2f ms   period %.2f ms", (double)state->latency.p50_ms,
				      (double)state->latency.p95_ms, (double)state->latency.p99_ms,
				      (double)state->latency.period_ms);
	page->row++;
}

static int put_count(struct page *page, int column, int64_t count, const char *what)
{
	return monitor_screen_format(page->screen, page->row, column, count > 0 ? MONITOR_BAD : MONITOR_PLAIN, "%lld %s",
				     (long long)count, what) +
	       3;
}

static void draw_counts(struct page *page)
{
	const struct monitor_state *state = page->state;
	const struct monitor_link *link = page->link;
	int column = put_label(page, "counts");

	if (state->status.known) {
		column = monitor_screen_format(page->screen, page->row, column, MONITOR_PLAIN, "%d subscribers",
					       state->status.subscribers) +
			 3;
		column = put_count(page, column, state->status.dropped, "dropped");
		column = put_count(page, column, state->status.xruns, "xruns");
		column = put_count(page, column, state->status.bad_input, "bad input");
	}
	if (is_up(page) && link->lost >= 0)
		column = put_count(page, column, link->lost, "lost on the way");
	if (link->unreadable > 0)
		put_count(page, column, (int64_t)link->unreadable, "unreadable");
	page->row++;
}

/* ---- notes ---- */

static void put_expectation(struct page *page, int column, const struct monitor_expectation *expectation)
{
	if (expectation->known)
		monitor_screen_format(page->screen, page->row, column, MONITOR_PLAIN, "%5.1f %+6.1f",
				      (double)expectation->expected, (double)expectation->difference);
	else
		monitor_screen_put(page->screen, page->row, column, MONITOR_PLAIN, "    -");
}

/* Played as a bar, expected as a mark in it. */
static void put_bar(struct page *page, const struct monitor_note *note)
{
	const struct monitor_expectation *expectation = note->causal.known ? &note->causal : &note->hidden;
	char bar[BAR_MAX + 1];
	int width = page->columns - BAR_COLUMN;

	if (width < 8)
		return;
	width = width > BAR_MAX ? BAR_MAX : width;
	for (int i = 0; i < width; i++)
		bar[i] = i * 127 < note->velocity * (width - 1) ? '=' : ' ';
	bar[width] = '\0';
	if (expectation->known && expectation->expected >= 0 && expectation->expected <= 127)
		bar[lround((double)expectation->expected / 127 * (width - 1))] = '|';
	monitor_screen_put(page->screen, page->row, BAR_COLUMN, MONITOR_PLAIN, bar);
}

static void draw_note(struct page *page, const struct monitor_note *note)
{
	static const char *const pitches[] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
	static const char *const stages[] = {"first", "revised", "final"};
	enum monitor_style style = note->melody == 0 ? MONITOR_LIT : note->held ? MONITOR_STRONG : MONITOR_PLAIN;
	char key[16];

	snprintf(key, sizeof key, "%s%d", pitches[note->pitch % 12], note->pitch / 12 - 1);
	monitor_screen_format(page->screen, page->row, 0, MONITOR_PLAIN, "%7d", note->id % 10000000);
	monitor_screen_put(page->screen, page->row, 7, MONITOR_STRONG, note->held ? "*" : " ");
	monitor_screen_format(page->screen, page->row, 8, style, "%-4s", key);
	monitor_screen_format(page->screen, page->row, 13, MONITOR_PLAIN, "%3d", note->velocity);
	put_expectation(page, 17, &note->causal);
	put_expectation(page, 30, &note->hidden);
	monitor_screen_put(page->screen, page->row, 43, style, melody_name(note->melody));
	if (note->melody != MONITOR_UNJUDGED)
		monitor_screen_format(page->screen, page->row, 51, MONITOR_PLAIN, "%.2f %s", (double)note->confidence,
				      note->stage >= 0 && note->stage < 3 ? stages[note->stage] : "?");
	put_bar(page, note);
	page->row++;
}

static void draw_notes(struct page *page, int end)
{
	const struct monitor_note *note;

	monitor_screen_put(page->screen, page->row, 0, MONITOR_FAINT,
			   "   note key  vel causal   diff hidden   diff part    conf stage   played= expect|");
	page->row++;
	for (uint64_t back = 0; page->row < end && (note = monitor_state_note(page->state, back)); back++)
		draw_note(page, note);
}

static void draw_foot(struct page *page)
{
	const struct monitor_state *state = page->state;
	int column = monitor_screen_put(page->screen, page->rows - 1, 0, MONITOR_FAINT, "q quits") + 3;

	if (page->link->state == MONITOR_LINK_GONE)
		monitor_screen_put(page->screen, page->rows - 1, column, MONITOR_BAD,
				   "the daemon does not answer any more; it is asked again and again");
	else if (state->errors > 0)
		monitor_screen_format(page->screen, page->rows - 1, column, MONITOR_BAD, "%s: %s", state->error_code,
				      state->error_text);
}

void monitor_page_draw(struct monitor_screen *screen, const struct monitor_state *state, const struct monitor_link *link,
		       const char *control)
{
	struct page page = {.screen = screen,
			    .state = state,
			    .link = link,
			    .rows = monitor_screen_rows(screen),
			    .columns = monitor_screen_columns(screen)};

	monitor_screen_clear(screen);
	draw_title(&page, control);
	draw_setup(&page);
	leave_air(&page);
	draw_keyboard(&page);
	leave_air(&page);
	draw_judgement(&page, 0, "style", &state->style);
	draw_judgement(&page, page.columns / 2, "emotion", &state->emotion);
	page.row++;
	draw_tempo(&page);
	draw_latency(&page);
	draw_counts(&page);
	leave_air(&page);
	draw_notes(&page, page.rows - 1);
	draw_foot(&page);
}
