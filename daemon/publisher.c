/* The osc thread, see publisher.h. It may allocate and wait for the terminal; nobody waits for it. A note's own
 * message always goes before its labels. */
#define _GNU_SOURCE
#include "daemon/publisher.h"

#include "base/clock.h"
#include "base/wake.h"
#include "daemon/realtime.h"

#include <poll.h>
#include <string.h>

#define SECOND_US 1000000

/* ---- events and predictions ---- */

static void follow_tempo(struct publisher *publisher, const struct event *event, int64_t now_us)
{
	if (!publisher->grid || event->position < 0)
		return;
	double bpm = grid_bpm(publisher->grid, event->position);
	if (bpm == publisher->bpm)
		return;
	publisher->bpm = bpm;
	osc_server_send_tempo(publisher->server, bpm, 1, OSC_TEMPO_GRID, now_us);
}

static struct input_names input_names(struct publisher *publisher, int input)
{
	struct input_names names = {"", ""};
	pthread_mutex_lock(&publisher->shared->source_mutex);
	if (publisher->shared->source)
		shared_input_names(publisher->shared->source, input, &names);
	else
		names = publisher->shared->names[input];
	pthread_mutex_unlock(&publisher->shared->source_mutex);
	return names;
}

static void tell_input(struct publisher *publisher, const struct event *event)
{
	if (event->kind == EVENT_INPUT_GONE) { /* the source may be closed by now: it keeps the name that was told */
		osc_server_send_input(publisher->server, event->input, false, NULL);
		return;
	}
	struct input_names names = input_names(publisher, event->input);
	keyboards_appear(&publisher->shared->keyboards, event->input, names.identity, names.name);
	osc_server_send_input(publisher->server, event->input, true, names.name);
}

/* Notes that begin while paused are not told, and neither are their ends nor what the engine said before it heard of the
 * pause. */
static bool is_of_pause(const struct publisher *publisher, int32_t note_id)
{
	return publisher->skipped_first && note_id >= publisher->skipped_first &&
	       (publisher->paused || note_id <= publisher->skipped_last);
}

static bool is_skipped(struct publisher *publisher, const struct event *event)
{
	if (event->kind == EVENT_NOTE_ON && publisher->paused) {
		if (publisher->skipped_first == 0)
			publisher->skipped_first = event->note_id;
		publisher->skipped_last = event->note_id;
	}
	if (event->kind == EVENT_NOTE_OFF)
		return is_of_pause(publisher, event->note_id);
	return publisher->paused;
}

void publisher_send_event(struct publisher *publisher, const struct event *event, int64_t now_us)
{
	switch ((enum event_kind)event->kind) {
	case EVENT_INPUT_PRESENT:
	case EVENT_INPUT_GONE: tell_input(publisher, event); break;
	case EVENT_NOTE_ON:
		if (!is_skipped(publisher, event)) {
			follow_tempo(publisher, event, now_us);
			osc_server_send_event(publisher->server, event, now_us);
		}
		break;
	case EVENT_NOTE_OFF:
	case EVENT_PEDAL:
		if (!is_skipped(publisher, event))
			osc_server_send_event(publisher->server, event, now_us);
		break;
	case EVENT_CLOCK:
	case EVENT_TRANSPORT:
	case EVENT_END: break;
	}
}

/* In the log: who came, who went and why. */
static void log_input(struct publisher *publisher, const struct event *event)
{
	struct input_names names = input_names(publisher, event->input);
	const char *what = event->kind == EVENT_INPUT_PRESENT ? "is here"
			   : event->pitch == INPUT_SILENT     ? "is gone: its active sensing stopped"
							      : "is gone";
	if (event->kind == EVENT_INPUT_PRESENT || event->kind == EVENT_INPUT_GONE)
		fprintf(stderr, "midibertd: input %d, %s, %s%s%s\n", event->input, names.name, what,
			strcmp(names.name, names.identity) != 0 ? "; identity: " : "",
			strcmp(names.name, names.identity) != 0 ? names.identity : "");
	bool usb = strncmp(names.identity, "usb:", 4) == 0;
	for (int i = 0; i < event->input && event->kind == EVENT_INPUT_PRESENT; i++)
		if (strcmp(input_names(publisher, i).identity, names.identity) == 0)
			fprintf(stderr, "midibertd: inputs %d and %d cannot be told apart%s\n", i, event->input,
				usb ? " but by their USB ports: plug each into the same one again"
				    : ": whichever comes first has the lower number");
}

static void send_events(struct publisher *publisher)
{
	struct event event;
	while (ring_pop(publisher->shared->osc_events, &event)) {
		int64_t now_us = clock_now_us();
		publisher->events++;
		if (event.kind == EVENT_CLOCK || event.kind == EVENT_TRANSPORT)
			continue; /* the engine's alone */
		bool present = event.kind == EVENT_INPUT_PRESENT;
		struct input_names names =
		    publisher->recorder && present ? input_names(publisher, event.input) : (struct input_names){"", ""};
		recorder_event(publisher->recorder, publisher->take, &event, present ? &names : NULL, now_us);
		publisher_send_event(publisher, &event, now_us);
		log_input(publisher, &event);
	}
}

/* A reset has been sent: what follows belongs to the next take. */
static void begin_take(struct publisher *publisher, const struct prediction *prediction, int64_t now_us)
{
	const struct journal_state state = {publisher->bpm, publisher->skipped_first, publisher->skipped_last,
					    publisher->paused};
	publisher->take = (uint32_t)prediction->trigger_us;
	recorder_state(publisher->recorder, publisher->take, &state, now_us);
}

void publisher_told(void *context, const char *line)
{
	struct publisher *publisher = context;
	recorder_message(publisher->recorder, publisher->take, line);
}

int64_t publisher_send_prediction(struct publisher *publisher, const struct prediction *prediction, int64_t now_us)
{
	if (prediction->kind <= PREDICT_VELOCITY_HIDDEN && is_of_pause(publisher, prediction->note_id))
		return 0;
	return osc_server_send_prediction(publisher->server, prediction, now_us);
}

static void send_predictions(struct publisher *publisher)
{
	struct prediction prediction;
	while (ring_pop(publisher->shared->predictions, &prediction)) {
		if (prediction.kind == PREDICT_MODEL) {
			loader_tell(publisher->loader, publisher->server);
			continue;
		}
		send_events(publisher); /* whatever the label has seen is in that ring by now */
		int64_t now_us = clock_now_us();
		recorder_osc(publisher->recorder, publisher->take, JOURNAL_PREDICTION, now_us, 0, 0);
		int64_t sent_us = publisher_send_prediction(publisher, &prediction, now_us);
		if (prediction.kind == PREDICT_RESET)
			begin_take(publisher, &prediction, now_us);
		if (sent_us > 0 && prediction.kind == PREDICT_MELODY && prediction.stage == STAGE_PROVISIONAL)
			latency_add(&publisher->latency, sent_us, sent_us - prediction.trigger_us);
	}
}

static void send_cues(struct publisher *publisher)
{
	struct beat_cue cue;
	while (ring_pop(publisher->shared->cues, &cue))
		announcer_take(&publisher->announcer, &cue, publisher->take, clock_now_us());
	announcer_expire(&publisher->announcer, publisher->take, clock_now_us());
}

/* ---- control ---- */

void publisher_apply(struct publisher *publisher, enum order_kind kind)
{
	switch (kind) {
	case ORDER_RESET: break;
	case ORDER_PAUSE:
		if (!publisher->paused)
			publisher->skipped_first = publisher->skipped_last = 0;
		publisher->paused = true;
		break;
	case ORDER_RESUME: publisher->paused = false; break;
	case ORDER_TEMPO:
	case ORDER_TAP: break; /* the engine says what follows from it */
	}
}

static void take_command(void *context, const struct osc_command *command)
{
	struct publisher *publisher = context;
	struct order order = {.kind = ORDER_RESET};
	const char *refusal = NULL;
	switch (command->kind) {
	case OSC_COMMAND_RESET: break;
	case OSC_COMMAND_PAUSE: order.kind = ORDER_PAUSE; break;
	case OSC_COMMAND_RESUME: order.kind = ORDER_RESUME; break;
	case OSC_COMMAND_TEMPO_SET:
		order = (struct order){.kind = ORDER_TEMPO, .bpm = command->bpm};
		if (publisher->grid)
			refusal = "/midibert/tempo/set: the tempo is the file's; start with --tempo BPM or --grid fixed";
		break;
	case OSC_COMMAND_TAP:
		order = (struct order){.kind = ORDER_TAP, .arrival_us = command->arrival_us};
		if (publisher->grid)
			refusal = "/midibert/tap: the beat is the file's; start with --grid tap, fixed or tracker";
		break;
	case OSC_COMMAND_MODEL_LOAD:
		if (publisher->recorder) {
			refusal =
			    "/midibert/model/load: takes are being recorded, and each belongs to the weights at its head";
			break;
		}
		if (!loader_start(publisher->loader, command))
			osc_server_answer_error(publisher->server, command, "busy",
						"/midibert/model/load: others are being loaded, and more wait",
						command->arrival_us);
		return;
	}
	if (refusal) {
		osc_server_answer_error(publisher->server, command, "unsupported", refusal, command->arrival_us);
		return;
	}
	order.events = publisher->events;
	if (!ring_push(publisher->shared->orders, &order)) {
		osc_server_answer_error(publisher->server, command, "busy", "too many commands wait", command->arrival_us);
		return;
	}
	wake_post(publisher->shared->engine_wake);
	recorder_osc(publisher->recorder, publisher->take, JOURNAL_COMMAND, command->arrival_us, (int)order.kind, order.bpm);
	publisher_apply(publisher, order.kind);
}

/* ---- how things are ---- */

static enum osc_state state_of(const struct publisher *publisher, enum source_state source)
{
	if (publisher->paused)
		return OSC_STATE_PAUSED;
	switch (source) {
	case SOURCE_RUNNING: return OSC_STATE_PLAYING;
	case SOURCE_LOST: return OSC_STATE_INPUT_LOST;
	case SOURCE_WAITING:
	case SOURCE_ENDED: break;
	}
	return OSC_STATE_WAITING;
}

static void gather_status(struct publisher *publisher)
{
	struct osc_status *status = &publisher->status;
	struct shared *shared = publisher->shared;
	pthread_mutex_lock(&shared->source_mutex);
	if (shared->source) {
		const struct source_counters *counters = source_counters(shared->source);
		status->state = state_of(publisher, source_state(shared->source));
		status->last_note_id = atomic_load_explicit(&counters->last_note_id, memory_order_relaxed);
		status->dropped = atomic_load_explicit(&counters->dropped, memory_order_relaxed) +
				  atomic_load_explicit(&counters->lost_by_server, memory_order_relaxed) +
				  ring_dropped(shared->predictions);
		status->xruns = atomic_load_explicit(&counters->xruns, memory_order_relaxed);
		status->bad_input = atomic_load_explicit(&counters->bad_input, memory_order_relaxed);
		publisher->waiting = atomic_load(&counters->waiting);
		publisher->period_us = atomic_load_explicit(&counters->period_us, memory_order_relaxed);
	}
	pthread_mutex_unlock(&shared->source_mutex);
	status->window_fill = atomic_load_explicit(&shared->fill, memory_order_relaxed);
}

static void tell_losses(struct publisher *publisher, uint64_t before, int64_t now_us)
{
	char text[96];
	if (publisher->status.dropped <= before)
		return;
	snprintf(text, sizeof text, "%llu events or labels were dropped: a ring was full",
		 (unsigned long long)(publisher->status.dropped - before));
	osc_server_send_error(publisher->server, "dropped", text, now_us);
}

/* The server of the source has gone, or is back. */
static void tell_source(struct publisher *publisher, bool before, int64_t now_us)
{
	char text[256], place[128] = "";
	if (publisher->waiting == before)
		return;
	pthread_mutex_lock(&publisher->shared->source_mutex);
	if (publisher->shared->source)
		source_describe(publisher->shared->source, place, sizeof place);
	pthread_mutex_unlock(&publisher->shared->source_mutex);
	if (place[0] == '\0')
		return;
	snprintf(text, sizeof text, "%s: the server %s", place, publisher->waiting ? "is gone, and waited for" : "is back");
	fprintf(stderr, "midibertd: source %s\n", text);
	if (publisher->waiting)
		osc_server_send_error(publisher->server, "source", text, now_us);
	else
		osc_server_set_source(publisher->server, place);
}

static void tell_recorder(struct publisher *publisher, int64_t now_us)
{
	char text[512];
	if (recorder_trouble(publisher->recorder, text, sizeof text))
		osc_server_send_error(publisher->server, "record", text, now_us);
}

/* Once a second, and at once when the state changes. */
static void tell_status(struct publisher *publisher, int64_t now_us)
{
	enum osc_state state = publisher->status.state;
	uint64_t dropped = publisher->status.dropped;
	int32_t percentile_us[3];
	bool waiting = publisher->waiting;
	gather_status(publisher);
	tell_source(publisher, waiting, now_us);
	if (now_us < publisher->second_us && publisher->status.state == state)
		return;
	tell_losses(publisher, dropped, now_us);
	tell_recorder(publisher, now_us);
	osc_server_send_status(publisher->server, &publisher->status);
	if (now_us < publisher->second_us)
		return;
	osc_server_tap_statistics(publisher->server);
	publisher->second_us += SECOND_US;
	if (publisher->second_us <= now_us)
		publisher->second_us = now_us + SECOND_US;
	if (latency_percentiles(&publisher->latency, now_us, percentile_us)) {
		struct osc_latency latency = {(float)percentile_us[0] / 1000, (float)percentile_us[1] / 1000,
					      (float)percentile_us[2] / 1000, (float)publisher->period_us / 1000};
		osc_server_send_latency(publisher->server, &latency);
	}
}

/* ---- the thread ---- */

static void wait(struct publisher *publisher)
{
	struct pollfd waiting[2] = {{.fd = osc_server_fd(publisher->server), .events = POLLIN},
				    {.fd = publisher->shared->osc_wake, .events = POLLIN}};
	int64_t until_us = osc_server_deadline(publisher->server);
	if (publisher->second_us < until_us)
		until_us = publisher->second_us;
	if (announcer_deadline(&publisher->announcer) < until_us)
		until_us = announcer_deadline(&publisher->announcer);
	int64_t ahead_us = until_us - clock_now_us();
	if (ahead_us < 0)
		ahead_us = 0;
	struct timespec timeout = {.tv_sec = ahead_us / SECOND_US, .tv_nsec = ahead_us % SECOND_US * 1000};
	ppoll(waiting, 2, &timeout, NULL);
	wake_clear(publisher->shared->osc_wake);
}

void publisher_start(struct publisher *publisher)
{
	publisher->announcer = (struct announcer){.server = publisher->server, .recorder = publisher->recorder};
}

void *publisher_run(void *context)
{
	struct publisher *publisher = context;
	struct shared *shared = publisher->shared;
	const struct osc_command_sink sink = {take_command, publisher};
	bool done = false;
	pthread_setname_np(pthread_self(), "osc");
	realtime_set_priority(publisher->priority);
	publisher->second_us = clock_now_us() + SECOND_US;
	/* The first message takes the libraries' first steps before there is a note to delay. */
	gather_status(publisher);
	osc_server_send_status(publisher->server, &publisher->status);
	while (!done) {
		atomic_fetch_add_explicit(&shared->osc_beats, 1, memory_order_relaxed);
		osc_server_receive(publisher->server, clock_now_us(), &sink);
		/* Read before the rings: once the engine is done, what they hold is all there is. */
		done = atomic_load_explicit(&shared->engine_done, memory_order_acquire);
		send_events(publisher);
		send_cues(publisher);
		send_predictions(publisher);
		int64_t now_us = clock_now_us();
		tell_status(publisher, now_us);
		if (publisher->recorder && now_us >= osc_server_release_due(publisher->server))
			recorder_osc(publisher->recorder, publisher->take, JOURNAL_RELEASE, now_us, 0, 0);
		loader_answer(publisher->loader, publisher->server, now_us);
		osc_server_expire(publisher->server, now_us);
		recorder_wake(publisher->recorder);
		if (publisher->print && ferror(publisher->print) && !atomic_load(&shared->osc_failed)) {
			atomic_store(&shared->osc_failed, true);
			wake_post(shared->main_wake);
		}
		if (!done)
			wait(publisher);
	}
	atomic_store_explicit(&shared->osc_done, true, memory_order_release);
	wake_post(shared->main_wake);
	return NULL;
}
