/* The terminal of the monitor, see monitor_screen.h. Main thread. Knows cells and styles, not what they mean. */
#define _GNU_SOURCE
#include "tools/monitor_screen.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define ROWS_MAX 300
#define COLUMNS_MAX 500
#define CELL_BYTES 7 /* of one character with its terminator */
#define TEXT_MAX 1024

/* Another page, no cursor, no wrapping at the right edge. A terminal without pages is cleared instead. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[0m\033[2J"
#define LEAVE "\033[0m\033[2J\033[H\033[?7h\033[?25h\033[?1049l"
/* Terminals that know it show the frame at once; others ignore it. */
#define FRAME_BEGIN "\033[?2026h"
#define FRAME_END "\033[0m\033[?2026l"

struct cell {
	char text[CELL_BYTES]; /* "": the right half of the character before */
	unsigned char style;
};

struct monitor_screen {
	int rows, columns;
	bool colours, entered;
	struct termios before; /* of standard input, if it is a terminal */
	bool before_known;
	struct cell *back, *front; /* [rows][columns]: what is to be shown, what is shown */
	char *out;
	size_t out_size, out_room;
	bool failed; /* a frame did not fit the memory */
};

static const char *const sgr[MONITOR_STYLES][2] = {
    /* without colours, with them */
    [MONITOR_PLAIN] = {"\033[0m", "\033[0m"},	     [MONITOR_FAINT] = {"\033[0m", "\033[0;36m"},
    [MONITOR_STRONG] = {"\033[0;1m", "\033[0;1m"},   [MONITOR_GOOD] = {"\033[0m", "\033[0;32m"},
    [MONITOR_BAD] = {"\033[0;1m", "\033[0;1;31m"},   [MONITOR_LIT] = {"\033[0;1;7m", "\033[0;1;30;43m"},
    [MONITOR_HELD] = {"\033[0;7m", "\033[0;30;46m"},
};

/* ---- writing ---- */

static enum status write_all(const char *bytes, size_t size, struct error *error)
{
	while (size > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return status_fail(error, STATUS_IO, "the terminal: %s", strerror(errno));
		bytes += written;
		size -= (size_t)written;
	}
	return STATUS_OK;
}

static void add(struct monitor_screen *screen, const char *text)
{
	size_t length = strlen(text);

	if (length > screen->out_room - screen->out_size) {
		size_t room = screen->out_room * 2 + length;
		char *out = realloc(screen->out, room);
		if (!out) {
			screen->failed = true;
			return;
		}
		screen->out = out;
		screen->out_room = room;
	}
	memcpy(screen->out + screen->out_size, text, length);
	screen->out_size += length;
}

static void add_row(struct monitor_screen *screen, int row)
{
	const struct cell *cells = screen->back + (size_t)row * (size_t)screen->columns;
	char place[24];
	int style = -1;

	snprintf(place, sizeof place, "\033[%d;1H", row + 1);
	add(screen, place);
	for (int i = 0; i < screen->columns; i++) {
		if (cells[i].style != style) {
			style = cells[i].style;
			add(screen, sgr[style][screen->colours]);
		}
		add(screen, cells[i].text);
	}
}

enum status monitor_screen_show(struct monitor_screen *screen, struct error *error)
{
	size_t width = (size_t)screen->columns * sizeof *screen->back;
	bool any = false;

	screen->out_size = 0;
	screen->failed = false;
	for (int row = 0; row < screen->rows; row++) {
		size_t at = (size_t)row * (size_t)screen->columns;

		if (memcmp(screen->back + at, screen->front + at, width) == 0)
			continue;
		if (!any)
			add(screen, FRAME_BEGIN);
		any = true;
		add_row(screen, row);
		memcpy(screen->front + at, screen->back + at, width);
	}
	if (!any)
		return STATUS_OK;
	add(screen, FRAME_END);
	if (screen->failed)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a page");
	return write_all(screen->out, screen->out_size, error);
}

/* ---- cells ---- */

void monitor_screen_clear(struct monitor_screen *screen)
{
	size_t count = (size_t)screen->rows * (size_t)screen->columns;

	memset(screen->back, 0, count * sizeof *screen->back); /* cells are compared byte by byte */
	for (size_t i = 0; i < count; i++)
		screen->back[i].text[0] = ' ';
}

/* The next character of an untrusted text, how many bytes it has and how many columns it takes. */
static int next_character(const char *text, size_t *bytes)
{
	wchar_t character;
	mbstate_t state = {0};
	size_t length = mbrtowc(&character, text, CELL_BYTES - 1, &state);

	*bytes = 1;
	if (length == 0 || length > CELL_BYTES - 1)
		return -1;
	*bytes = length;
	return wcwidth(character);
}

int monitor_screen_put(struct monitor_screen *screen, int row, int column, enum monitor_style style, const char *text)
{
	if (row < 0 || row >= screen->rows || column < 0)
		return column;
	struct cell *cells = screen->back + (size_t)row * (size_t)screen->columns;
	while (*text != '\0') {
		size_t bytes;
		int width = next_character(text, &bytes);
		const char *shown = width < 1 ? "?" : text;
		size_t shown_bytes = width < 1 ? 1 : bytes;

		text += bytes;
		if (width == 0)
			continue; /* an accent of its own: the letter must do */
		if (width < 1)
			width = 1;
		if (column + width > screen->columns)
			return screen->columns;
		for (int i = 0; i < width; i++)
			cells[column + i] = (struct cell){.style = (unsigned char)style};
		memcpy(cells[column].text, shown, shown_bytes);
		column += width;
	}
	return column;
}

int monitor_screen_format(struct monitor_screen *screen, int row, int column, enum monitor_style style, const char *format,
			  ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return length < 0 ? column : monitor_screen_put(screen, row, column, style, text);
}

/* ---- the terminal ---- */

int monitor_screen_rows(const struct monitor_screen *screen)
{
	return screen->rows;
}

int monitor_screen_columns(const struct monitor_screen *screen)
{
	return screen->columns;
}

enum status monitor_screen_resize(struct monitor_screen *screen, struct error *error)
{
	struct winsize size = {0};
	int rows = 24, columns = 80; /* a serial line does not tell */

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
		rows = size.ws_row < ROWS_MAX ? size.ws_row : ROWS_MAX;
		columns = size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
	}
	struct cell *back = calloc((size_t)rows * (size_t)columns, sizeof *back);
	struct cell *front = calloc((size_t)rows * (size_t)columns, sizeof *front);
	if (!back || !front) {
		free(back);
		free(front);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a page");
	}
	free(screen->back);
	free(screen->front);
	screen->back = back;
	screen->front = front; /* all zero: no row is like what will be shown */
	screen->rows = rows;
	screen->columns = columns;
	monitor_screen_clear(screen);
	return write_all("\033[0m\033[2J", strlen("\033[0m\033[2J"), error);
}

void monitor_screen_leave(struct monitor_screen *screen)
{
	if (!screen->entered)
		return;
	screen->entered = false;
	write_all(LEAVE, strlen(LEAVE), NULL); /* a terminal that is gone needs no putting back */
	if (screen->before_known)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen->before);
}

enum status monitor_screen_enter(struct monitor_screen *screen, struct error *error)
{
	struct termios typing;

	if (screen->before_known) {
		typing = screen->before;
		typing.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		typing.c_cc[VMIN] = 1;
		typing.c_cc[VTIME] = 0;
		if (tcsetattr(STDIN_FILENO, TCSANOW, &typing) != 0)
			return status_fail(error, STATUS_IO, "the terminal: %s", strerror(errno));
	}
	screen->entered = true;
	enum status status = write_all(ENTER, strlen(ENTER), error);
	return status == STATUS_OK ? monitor_screen_resize(screen, error) : status;
}

enum status monitor_screen_open(bool colours, struct monitor_screen **opened, struct error *error)
{
	const char *terminal = getenv("TERM");

	*opened = NULL;
	if (!isatty(STDOUT_FILENO))
		return status_fail(error, STATUS_USAGE, "standard output is not a terminal: give --plain");
	if (!terminal || terminal[0] == '\0' || strcmp(terminal, "dumb") == 0)
		return status_fail(error, STATUS_USAGE, "this terminal (TERM=%.40s) can only print lines: give --plain",
				   terminal ? terminal : "");
	struct monitor_screen *screen = calloc(1, sizeof *screen);
	if (!screen)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a page");
	screen->colours = colours;
	screen->before_known = tcgetattr(STDIN_FILENO, &screen->before) == 0;
	enum status status = monitor_screen_enter(screen, error);
	if (status != STATUS_OK) {
		monitor_screen_close(screen);
		return status;
	}
	*opened = screen;
	return STATUS_OK;
}

void monitor_screen_close(struct monitor_screen *screen)
{
	if (!screen)
		return;
	monitor_screen_leave(screen);
	free(screen->back);
	free(screen->front);
	free(screen->out);
	free(screen);
}
