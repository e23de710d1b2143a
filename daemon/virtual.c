/* The virtual clock, see virtual.h. Main thread, beside the file source's own. Event times are the file's; nothing here
 * depends on how fast it runs. Control messages are answered by the osc part; those that change labels are refused. */
#define _GNU_SOURCE
#include "daemon/virtual.h"

#include "base/clock.h"
#include "base/wake.h"
#include "daemon/notify.h"
#include "daemon/publisher.h"
#include "daemon/realtime.h"
#include "daemon/setup.h"
#include "daemon/shared.h"
#include "daemon/signals.h"
#include "engine/replay.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNS_EVERY 64 /* events between two looks at signals, control and the watchdog */
#define WAIT_US 100000

struct virtual_clock {
	struct setup setup;
	struct shared shared; /* its rings from the source; no other thread runs */
	struct replay replay;
	struct publisher *publisher;
	struct osc_server *server;
	int signals;
};

static void emit(void *context, const struct prediction *prediction)
{
	struct virtual_clock *clock = context;
	osc_server_send_prediction(clock->server, prediction, clock->replay.now_us);
}

static void say(void *context, const struct beat_cue *cue)
{
	struct virtual_clock *clock = context;
	announcer_take(&clock->publisher->announcer, cue, 0, cue->at_us);
}

/* Beats up to a moment. */
static void keep_time(struct virtual_clock *clock, int64_t now_us)
{
	struct beat *beat = grid_beat(clock->setup.grid);
	if (!beat)
		return;
	beat_advance(beat, now_us);
	announcer_expire(&clock->publisher->announcer, 0, now_us);
}

static void refuse(void *context, const struct osc_command *command)
{
	struct virtual_clock *clock = context;
	osc_server_answer_error(clock->server, command, "unsupported", "at --speed 0 the file alone decides what is sent",
				command->arrival_us);
}

/* False: asked to stop. */
static bool look_around(struct virtual_clock *clock)
{
	const struct osc_command_sink sink = {refuse, clock};
	osc_server_receive(clock->server, clock_now_us(), &sink);
	notify_alive();
	if (clock->publisher->print && ferror(clock->publisher->print))
		return false;
	return !signals_take(clock->signals);
}

/* Labels of earlier moments go out first, then the event itself, then what it brings about: the end of a melody note. */
static void play(struct virtual_clock *clock)
{
	struct event event, same;
	bool ended = false;
	for (unsigned long i = 0; !ended; i++) {
		if (i % SIGNS_EVERY == 0 && !look_around(clock))
			break;
		while (!ring_pop(clock->shared.engine_events, &event)) {
			wake_wait(clock->shared.engine_wake, WAIT_US);
			if (!look_around(clock)) {
				replay_finish(&clock->replay);
				return;
			}
		}
		keyboards_translate(&clock->shared.keyboards, &event);
		keep_time(clock, event.arrival_us);
		replay_reach(&clock->replay, event.arrival_us);
		/* The source gives both rings the same events. */
		while (!ring_pop(clock->shared.osc_events, &same))
			wake_wait(clock->shared.osc_wake, WAIT_US);
		publisher_send_event(clock->publisher, &same, same.arrival_us);
		replay_accept(&clock->replay, &event);
		ended = event.kind == EVENT_END;
	}
	if (!ended)
		replay_finish(&clock->replay);
}

static enum status open_parts(struct virtual_clock *clock, const struct options *options, struct error *error)
{
	struct engine_sink sink = {emit, clock};
	clock->publisher = calloc(1, sizeof *clock->publisher);
	if (!clock->publisher)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the osc part");
	enum status status = keyboards_open(options->curve, &clock->shared.keyboards, error);
	if (status == STATUS_OK)
		status = setup_open(options, &sink, &clock->setup, error);
	if (status == STATUS_OK)
		status = setup_open_server(options, &clock->setup, 0, NULL, NULL, &clock->server, error);
	if (status != STATUS_OK)
		return status;
	clock->publisher->shared = &clock->shared;
	clock->publisher->server = clock->server;
	clock->publisher->grid = clock->setup.file_grid ? clock->setup.grid : NULL;
	clock->publisher->print = options->print ? stdout : NULL;
	publisher_start(clock->publisher);
	if (grid_beat(clock->setup.grid))
		beat_listen(grid_beat(clock->setup.grid), say, clock, 0);
	replay_start(&clock->replay, clock->setup.engine);
	struct source_output output = {clock->shared.engine_events, clock->shared.osc_events, clock->shared.engine_wake,
				       clock->shared.osc_wake};
	return setup_open_source(options, &output, &clock->shared.source, error);
}

enum status virtual_run(const struct options *options, struct error *error)
{
	struct virtual_clock clock = {.signals = -1};
	char text[256];
	enum status status = signals_open(&clock.signals, error);
	if (status == STATUS_OK)
		status = shared_open(&clock.shared, error);
	if (status != STATUS_OK) {
		signals_close(clock.signals);
		return status;
	}
	realtime_flush_denormals();
	status = open_parts(&clock, options, error);
	if (status == STATUS_OK) {
		source_describe(clock.shared.source, text, sizeof text);
		osc_server_set_source(clock.server, text);
		notify_ready("playing a file on the virtual clock");
		play(&clock);
		osc_server_expire(clock.server, clock_now_us());
		if (options->print && ferror(stdout))
			status = status_fail(error, STATUS_IO, "standard output cannot be written any more");
	}
	source_close(clock.shared.source);
	osc_server_close(clock.server);
	setup_close(&clock.setup);
	free(clock.publisher);
	shared_close(&clock.shared);
	signals_close(clock.signals);
	return status;
}
