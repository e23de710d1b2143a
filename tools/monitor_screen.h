/* A terminal as rows of cells: what has changed since the last frame is written, in ECMA-48 sequences that every terminal
 * since the VT220 knows. Main thread; writing waits for the terminal. One at a time, on standard input and output. */
#ifndef MIDIBERTD_TOOLS_MONITOR_SCREEN_H
#define MIDIBERTD_TOOLS_MONITOR_SCREEN_H

#include "base/status.h"

#include <stdbool.h>

/* Each differs from the others without colours, too, or what it says is also said in characters. */
enum monitor_style {
	MONITOR_PLAIN,
	MONITOR_FAINT,
	MONITOR_STRONG,
	MONITOR_GOOD,
	MONITOR_BAD,
	MONITOR_LIT,  /* melody */
	MONITOR_HELD, /* a key that is down */
	MONITOR_STYLES
};

struct monitor_screen;

/* Standard output must be a terminal that can do more than print lines; then it shows an empty page. Typed characters are
 * not echoed and come at once. colours: whether to use them. */
enum status monitor_screen_open(bool colours, struct monitor_screen **screen, struct error *error);
/* Puts the terminal back as it was. NULL is allowed. */
void monitor_screen_close(struct monitor_screen *screen);

/* Before the process is stopped (Ctrl-Z), and when it goes on. */
void monitor_screen_leave(struct monitor_screen *screen);
enum status monitor_screen_enter(struct monitor_screen *screen, struct error *error);

/* The size may have changed: asks for it, and draws everything anew. */
enum status monitor_screen_resize(struct monitor_screen *screen, struct error *error);
int monitor_screen_rows(const struct monitor_screen *screen);
int monitor_screen_columns(const struct monitor_screen *screen);

/* One frame: clear, put, show. What does not fit is cut. Text is UTF-8, untrusted: what is not printable becomes '?'. */
void monitor_screen_clear(struct monitor_screen *screen);
/* Returns the column behind the text. */
int monitor_screen_put(struct monitor_screen *screen, int row, int column, enum monitor_style style, const char *text);
int monitor_screen_format(struct monitor_screen *screen, int row, int column, enum monitor_style style, const char *format,
			  ...) __attribute__((format(printf, 5, 6)));
/* STATUS_IO: the terminal is gone. */
enum status monitor_screen_show(struct monitor_screen *screen, struct error *error);

#endif
