/* midibert monitor: the stream of a running midibertd in a terminal, as a page that is drawn at most 15 times a second or
 * as one line a message. Main thread; a signal handler only leaves a note for it. */
#define _GNU_SOURCE
#include "tools/tools.h"

#include "base/clock.h"
#include "base/wake.h"
#include "osc/server.h"
#include "tools/monitor_link.h"
#include "tools/monitor_page.h"
#include "tools/monitor_screen.h"
#include "tools/monitor_state.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_US (1000000 / 15 + 1)
#define PATIENCE_US 2000000 /* for the first answer */
#define FAREWELL_US 300000  /* for the answer to unsubscribe, so that what is under way is still taken */

static const char *const name = "monitor";

struct monitor {
	const char *control;
	bool plain;
	struct monitor_link link;
	struct monitor_screen *screen; /* NULL: --plain */
	struct monitor_state state;
	bool typing; /* standard input is worth reading */
	bool dirty;  /* the page is older than what is known */
	bool quit;
	int64_t start_us, drawn_us;
};

/* ---- signals: any thread may get them, a library has some ---- */

static atomic_int stopped, resized, suspended, continued;
static int wake = -1;

static void take_signal(int number)
{
	int saved = errno;

	if (number == SIGWINCH)
		resized = 1;
	else if (number == SIGTSTP)
		suspended = 1;
	else if (number == SIGCONT)
		continued = 1;
	else
		stopped = 1;
	wake_post(wake);
	errno = saved;
}

static enum status catch_signals(bool page, struct error *error)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
	struct sigaction action = {.sa_handler = take_signal, .sa_flags = SA_RESTART};

	wake = wake_open();
	if (wake < 0)
		return status_fail(error, STATUS_IO, "no eventfd: %s", strerror(errno));
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < (page ? sizeof numbers / sizeof *numbers : 4); i++)
		sigaction(numbers[i], &action, NULL);
	action.sa_handler = SIG_IGN; /* a reader that is gone shows when writing */
	sigaction(SIGPIPE, &action, NULL);
	return STATUS_OK;
}

/* ---- what comes ---- */

static void take_message(void *context, enum osc_address address, const struct osc_received *message)
{
	struct monitor *monitor = context;
	char line[OSC_LINE_MAX];

	if (!monitor->plain) {
		monitor_state_take(&monitor->state, address, message);
		monitor->dirty = true;
	} else if (osc_message_print_received(message, line, sizeof line) > 0) {
		puts(line);
	}
}

static void note_change(struct monitor *monitor, enum monitor_link_state before)
{
	enum monitor_link_state now = monitor->link.state;

	if (now == before)
		return;
	monitor->dirty = true;
	if (now == MONITOR_LINK_GONE)
		monitor_state_lose(&monitor->state);
	if (monitor->plain && now == MONITOR_LINK_GONE)
		fprintf(stderr, "midibert %s: %s does not answer any more; asking again\n", name, monitor->control);
	else if (monitor->plain && before == MONITOR_LINK_GONE)
		fprintf(stderr, "midibert %s: %s is back\n", name, monitor->control);
}

/* True: the daemon has said goodbye. */
static bool receive(struct monitor *monitor)
{
	enum monitor_link_state before = monitor->link.state;
	int64_t lost = monitor->link.lost;
	bool ended = monitor_link_receive(&monitor->link, clock_now_us(), take_message, monitor);

	note_change(monitor, before);
	monitor->dirty |= lost != monitor->link.lost;
	if (monitor->plain)
		fflush(stdout);
	return ended;
}

static void read_keys(struct monitor *monitor)
{
	char keys[64];
	ssize_t count = read(STDIN_FILENO, keys, sizeof keys);

	if (count <= 0)
		monitor->typing = count < 0 && errno == EINTR;
	for (ssize_t i = 0; i < count; i++)
		monitor->quit |= keys[i] == 'q' || keys[i] == 'Q';
}

/* ---- the loop ---- */

static enum status obey_signals(struct monitor *monitor, struct error *error)
{
	enum status status = STATUS_OK;

	wake_clear(wake);
	monitor->quit |= atomic_exchange(&stopped, 0) != 0;
	if (!monitor->screen)
		return STATUS_OK;
	if (atomic_exchange(&suspended, 0) && !monitor->quit) {
		monitor_screen_leave(monitor->screen);
		raise(SIGSTOP);
		atomic_store(&continued, 1);
	}
	if (atomic_exchange(&continued, 0)) {
		status = monitor_screen_enter(monitor->screen, error);
		monitor->dirty = true;
	}
	if (status == STATUS_OK && atomic_exchange(&resized, 0)) {
		status = monitor_screen_resize(monitor->screen, error);
		monitor->dirty = true;
	}
	return status;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Waits for something to do and does it, but for drawing. True in *ended: the daemon has ended the subscription. */
static enum status wait_and_take(struct monitor *monitor, int64_t until_us, bool *ended, struct error *error)
{
	struct pollfd ready[] = {{.fd = monitor->link.fd, .events = POLLIN},
				 {.fd = wake, .events = POLLIN},
				 {.fd = monitor->typing ? STDIN_FILENO : -1, .events = POLLIN}};
	int64_t left_us = until_us - clock_now_us();

	*ended = false;
	if (poll(ready, 3, left_us > 0 ? (int)((left_us + 999) / 1000) : 0) < 0 && errno != EINTR)
		return status_fail(error, STATUS_IO, "poll: %s", strerror(errno));
	if (ready[0].revents)
		*ended = receive(monitor);
	if (ready[2].revents)
		read_keys(monitor);
	if (ferror(stdout))
		return status_fail(error, STATUS_IO, "standard output: %s", strerror(errno));
	return ready[1].revents ? obey_signals(monitor, error) : STATUS_OK;
}

static enum status fail_unanswered(const struct monitor *monitor, struct error *error)
{
	if (monitor->link.refusal[0] != '\0')
		return status_fail(error, STATUS_IO, "the daemon at %s refuses: %.255s", monitor->control,
				   monitor->link.refusal);
	return status_fail(
	    error, STATUS_NOT_FOUND,
	    "nobody answers at %.100s: start the daemon with `midibertd` or `systemctl --user start midibertd`, "
	    "or say with --control HOST:PORT where it takes control",
	    monitor->control);
}

static enum status draw(struct monitor *monitor, int64_t now_us, struct error *error)
{
	if (!monitor->screen || !monitor->dirty || now_us < monitor->drawn_us + FRAME_US)
		return STATUS_OK;
	monitor->dirty = false;
	monitor->drawn_us = now_us;
	monitor_page_draw(monitor->screen, &monitor->state, &monitor->link, monitor->control);
	return monitor_screen_show(monitor->screen, error);
}

static enum status run(struct monitor *monitor, struct error *error)
{
	enum status status = STATUS_OK;
	bool ended;

	monitor->start_us = clock_now_us();
	monitor->drawn_us = monitor->start_us - FRAME_US;
	monitor->dirty = true;
	while (status == STATUS_OK && !monitor->quit) {
		enum monitor_link_state before = monitor->link.state;
		int64_t now_us = clock_now_us();

		monitor_link_tick(&monitor->link, now_us);
		note_change(monitor, before);
		status = draw(monitor, now_us, error);
		if (status != STATUS_OK)
			break;
		int64_t until_us = monitor_link_deadline(&monitor->link);
		if (monitor->screen && monitor->dirty)
			until_us = earlier(until_us, monitor->drawn_us + FRAME_US);
		if (monitor->link.state == MONITOR_LINK_ASKING && now_us >= monitor->start_us + PATIENCE_US)
			return fail_unanswered(monitor, error);
		status = wait_and_take(monitor, until_us, &ended, error);
	}
	if (status != STATUS_OK || monitor->link.state != MONITOR_LINK_UP)
		return status;
	monitor_link_unsubscribe(&monitor->link);
	ended = false;
	for (int64_t end_us = clock_now_us() + FAREWELL_US; !ended && status == STATUS_OK && clock_now_us() < end_us;)
		status = wait_and_take(monitor, end_us, &ended, error);
	return status;
}

static void print_help(void)
{
	printf("usage: midibert monitor [--control HOST:PORT] [--plain]\n\n"
	       "Shows what a running midibertd sends: the keyboard and the last notes with the melody lit, played against\n"
	       "expected velocity, style and emotion with their confidence, tempo, latency, subscribers and losses.\n"
	       "Ends on q, Ctrl-C or SIGTERM. A daemon that goes away is waited for.\n\n"
	       "  --control HOST:PORT  where the daemon takes control messages (%s)\n"
	       "  --plain              print each message of the stream as a line, as midibertd --print does\n"
	       "  --help               this text\n\n"
	       "NO_COLOR in the environment: without colours.\n",
	       OSC_CONTROL_DEFAULT);
}

static const struct option options[] = {
    {"control", required_argument, NULL, 'c'}, {"plain", no_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'}, {0}};

static enum status open_all(struct monitor *monitor, struct error *error)
{
	const char *no_colour = getenv("NO_COLOR");
	enum status status = monitor_link_open(&monitor->link, monitor->control, !monitor->plain, error);

	if (status == STATUS_OK)
		status = catch_signals(!monitor->plain, error);
	if (status != STATUS_OK || monitor->plain)
		return status;
	monitor->typing = isatty(STDIN_FILENO) == 1;
	setlocale(LC_CTYPE, ""); /* which bytes are characters */
	return monitor_screen_open(!no_colour || no_colour[0] == '\0', &monitor->screen, error);
}

int tool_monitor(int argc, char **argv)
{
	static struct monitor monitor = {.control = OSC_CONTROL_DEFAULT, .link.fd = -1};
	struct error error;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'c': monitor.control = optarg; break;
		case 'p': monitor.plain = true; break;
		case 'h': print_help(); return tool_finish(name, TOOL_DONE);
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return tool_usage(name, "what is %s?", argv[optind]);
	enum status status = open_all(&monitor, &error);
	if (status == STATUS_OK)
		status = run(&monitor, &error);
	monitor_screen_close(monitor.screen);
	monitor_link_close(&monitor.link);
	return tool_finish(name, status == STATUS_OK ? TOOL_DONE : tool_fail(name, &error));
}
