/* The main thread of a daemon in real time, see live.h: starts and ends the others, waits for signals, watches that they
 * live, tells the service manager. Touches no event and no label. */
#define _GNU_SOURCE
#include "daemon/live.h"

#include "base/clock.h"
#include "base/wake.h"
#include "daemon/labeller.h"
#include "daemon/loader.h"
#include "daemon/notify.h"
#include "daemon/outreach.h"
#include "daemon/publisher.h"
#include "daemon/realtime.h"
#include "daemon/setup.h"
#include "daemon/shared.h"
#include "daemon/signals.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PRIORITY_DEFAULT 5 /* where the source has none that it could stay below */
#define PRIORITY_BELOW 2
#define BEAT_US 1000000
#define TURNS_MISSED 3	     /* then it is told */
#define LAST_WORDS_US 700000 /* a terminal that takes nothing is not waited for any longer */

struct live {
	const struct options *options;
	struct setup setup;
	struct shared shared;
	struct labeller labeller;
	struct loader loader;
	struct publisher *publisher; /* large: its ring of delays */
	struct osc_server *server;
	struct outreach outreach;
	struct recorder *recorder;
	pthread_t engine_thread, osc_thread;
	bool engine_runs, osc_runs;
	int signals;
};

struct vigil {
	int64_t watchdog_us;  /* of the service manager; 0: none */
	uint64_t engine, osc; /* signs of life when both had given one */
	int missed;	      /* turns since then */
};

static enum status open_parts(struct live *live, struct error *error)
{
	const struct options *options = live->options;
	struct engine_sink sink = {labeller_emit, &live->labeller};
	live->publisher = calloc(1, sizeof *live->publisher);
	if (!live->publisher)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the osc thread");
	enum status status = keyboards_open(options->curve, &live->shared.keyboards, error);
	if (status == STATUS_OK)
		status = setup_open(options, &sink, &live->setup, error);
	int64_t start_us = clock_now_us();
	if (status == STATUS_OK)
		status = setup_open_server(options, &live->setup, start_us, publisher_told, live->publisher, &live->server,
					   error);
	if (status == STATUS_OK && options->record)
		status = recorder_open(options, &live->setup, start_us, &live->recorder, error);
	if (status != STATUS_OK)
		return status;
	struct source_output output = {live->shared.engine_events, live->shared.osc_events, live->shared.engine_wake,
				       live->shared.osc_wake};
	status = setup_open_source(options, &output, &live->shared.source, error);
	/* What is plugged in already has its curve before its first note is judged. */
	for (int i = 0; status == STATUS_OK && i < INPUTS_MAX; i++) {
		struct input_names names;
		shared_input_names(live->shared.source, i, &names);
		keyboards_appear(&live->shared.keyboards, i, names.identity, names.name);
	}
	return status == STATUS_OK ? outreach_open(options, live->server, &live->outreach, error) : status;
}

/* Without a recorder, silence means nothing unless it was asked for. */
static bool ends_takes(const struct options *options)
{
	return options->record || options_is_given(options, "take-pause");
}

static void report_weights(const struct live *live)
{
	char why[200];
	fprintf(stderr, "midibertd: weights %s, window %d notes, %.2f ms a note\n", model_path(live->setup.model),
		live->setup.window, (double)live->setup.note_us / 1000);
	const char *licence = model_metadata(live->setup.model, "licence");
	fprintf(stderr, "midibertd: licence of the weights: %s\n", licence ? licence : "not stated");
	if (live->setup.rhythm)
		fprintf(stderr, "midibertd: beat tracker %s, licence: %s\n", rhythm_path(live->setup.rhythm),
			rhythm_licence(live->setup.rhythm));
	backend_tell_why(model_backend(live->setup.model), live->options->backend, why, sizeof why);
	fprintf(stderr, "midibertd: backend %s\n", why);
}

static enum status start_threads(struct live *live, struct error *error)
{
	char text[256];
	int source = atomic_load(&source_counters(live->shared.source)->priority);
	live->labeller = (struct labeller){.shared = &live->shared,
					   .engine = live->setup.engine,
					   .grid = live->setup.grid,
					   .gather_us = live->options->gather_us,
					   .recorder = live->recorder,
					   .take_pause_us = ends_takes(live->options) ? live->options->take_pause_us : 0,
					   .take_pedal = live->options->take_pedal,
					   .priority = source > PRIORITY_BELOW ? source - PRIORITY_BELOW : PRIORITY_DEFAULT};
	live->publisher->shared = &live->shared;
	live->publisher->server = live->server;
	live->publisher->priority = live->labeller.priority - 1;
	live->publisher->grid = live->setup.file_grid ? live->setup.grid : NULL;
	live->loader = (struct loader){.shared = &live->shared, .options = live->options, .setup = &live->setup};
	live->publisher->loader = &live->loader;
	live->publisher->print = live->options->print ? stdout : NULL;
	live->publisher->recorder = live->recorder;
	publisher_start(live->publisher);
	source_describe(live->shared.source, text, sizeof text);
	recorder_set_session(live->recorder, osc_server_session(live->server), text);
	osc_server_set_source(live->server, text);
	fprintf(stderr, "midibertd: source %s\n", text);
	report_weights(live); /* before others can take their place */
	live->engine_runs = pthread_create(&live->engine_thread, NULL, labeller_run, &live->labeller) == 0;
	live->osc_runs = live->engine_runs && pthread_create(&live->osc_thread, NULL, publisher_run, live->publisher) == 0;
	return live->osc_runs ? STATUS_OK : status_fail(error, STATUS_IO, "the system gives no more threads");
}

static void report_start(struct live *live)
{
	char text[256];
	while (!atomic_load_explicit(&live->shared.engine_ready, memory_order_acquire))
		wake_wait(live->shared.main_wake, -1);
	int priority = atomic_load(&live->shared.priority);
	int source = atomic_load(&source_counters(live->shared.source)->priority);
	realtime_lock_memory(text, sizeof text);
	fprintf(stderr, "midibertd: priority: source %s%d, engine %s%d; %s\n", source ? "real-time " : "normal ", source,
		priority ? "real-time " : "normal ", priority, text);
	fprintf(stderr, "midibertd: control on port %d\n", osc_server_port(live->server));
	snprintf(text, sizeof text, "labelling notes; control on port %d", osc_server_port(live->server));
	notify_ready(text);
}

/* Main's turn: asks both threads for a sign of life, and vouches for them when both gave one since the last turn. */
static void watch(struct live *live, struct vigil *vigil)
{
	uint64_t engine = atomic_load_explicit(&live->shared.engine_beats, memory_order_relaxed);
	uint64_t osc = atomic_load_explicit(&live->shared.osc_beats, memory_order_relaxed);
	bool engine_lives = engine != vigil->engine, osc_lives = osc != vigil->osc;
	vigil->missed = engine_lives && osc_lives ? 0 : vigil->missed + 1;
	if (vigil->missed == 0 && vigil->watchdog_us > 0)
		notify_alive();
	if (vigil->missed >= TURNS_MISSED)
		fprintf(stderr, "midibertd: the %s thread does not answer\n", engine_lives ? "osc" : "engine");
	/* Both have to move on from here: one that moves alone says nothing about the other. */
	if (vigil->missed == 0) {
		vigil->engine = engine;
		vigil->osc = osc;
	}
	wake_post(live->shared.engine_wake);
	wake_post(live->shared.osc_wake);
}

/* Until a signal, the end of a file, or a terminal that is gone. */
static void wait_for_end(struct live *live)
{
	struct vigil vigil = {.watchdog_us = notify_watchdog_us()};
	int64_t turn_us = vigil.watchdog_us > 0 && vigil.watchdog_us / 4 < BEAT_US ? vigil.watchdog_us / 4 : BEAT_US;
	int64_t next_us = clock_now_us();
	struct pollfd waiting[2] = {{.fd = live->signals, .events = POLLIN},
				    {.fd = live->shared.main_wake, .events = POLLIN}};
	while (!atomic_load_explicit(&live->shared.osc_done, memory_order_acquire) &&
	       !atomic_load(&live->shared.osc_failed)) {
		int64_t ahead_us = next_us - clock_now_us();
		if (ahead_us <= 0) {
			watch(live, &vigil);
			next_us = clock_now_us() + turn_us;
			ahead_us = turn_us;
		}
		struct timespec timeout = {.tv_sec = ahead_us / 1000000, .tv_nsec = ahead_us % 1000000 * 1000};
		if (ppoll(waiting, 2, &timeout, NULL) > 0) {
			wake_clear(live->shared.main_wake);
			if (signals_take(live->signals))
				break;
		}
	}
}

/* --print may write to a pipe that nobody reads, and then the thread never ends. */
static void join_osc(struct live *live)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	int64_t ns = until.tv_nsec + LAST_WORDS_US * INT64_C(1000);
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	if (pthread_timedjoin_np(live->osc_thread, NULL, &until) == 0)
		return;
	fprintf(stderr, "midibertd: what is left cannot be sent or printed; giving up\n");
	syscall(SYS_exit_group, 1); /* _exit, past a sanitizer that would wait to flush standard output */
}

/* Source first, then the engine, which finalises, then osc, which sends what is left. */
static void stop(struct live *live)
{
	struct source *source = shared_take_source(&live->shared);
	unsigned long long doubled = source ? atomic_load(&source_counters(source)->doubled) : 0;
	if (doubled > 0)
		fprintf(stderr, "midibertd: %llu notes of further layers were not counted\n", doubled);
	source_close(source);
	atomic_store_explicit(&live->shared.stop, true, memory_order_release);
	wake_post(live->shared.engine_wake);
	if (live->engine_runs)
		pthread_join(live->engine_thread, NULL);
	wake_post(live->shared.osc_wake);
	if (live->osc_runs)
		join_osc(live);
	loader_close(&live->loader);
}

enum status live_run(const struct options *options, struct error *error)
{
	struct live live = {.options = options, .signals = -1};
	enum status status = signals_open(&live.signals, error);
	if (status == STATUS_OK)
		status = shared_open(&live.shared, error);
	if (status != STATUS_OK) {
		signals_close(live.signals);
		return status;
	}
	status = open_parts(&live, error);
	if (status == STATUS_OK)
		status = start_threads(&live, error);
	if (status == STATUS_OK) {
		report_start(&live);
		wait_for_end(&live);
		notify_stopping();
		outreach_hush(&live.outreach);
		if (atomic_load(&live.shared.osc_failed))
			status = status_fail(error, STATUS_IO, "standard output cannot be written any more");
	}
	stop(&live);
	osc_server_close(live.server); /* sends what still waits for its turn, to HTTP and the recorder as well */
	recorder_close(live.recorder);
	outreach_close(&live.outreach);
	setup_close(&live.setup);
	free(live.publisher);
	shared_close(&live.shared);
	signals_close(live.signals);
	return status;
}
