/* Which messages an event, a prediction or a state becomes, and when: continuous values wait for their turn. osc thread.
 * Knows no socket and no receiver. */
#include "osc/server_state.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static const enum osc_address label_name[OSC_LABEL_KINDS] = {OSC_STYLE_NAME, OSC_EMOTION_NAME};
static const enum osc_address label_class[OSC_LABEL_KINDS] = {OSC_STYLE, OSC_EMOTION};
static const enum osc_address label_probs[OSC_LABEL_KINDS] = {OSC_STYLE_PROBS, OSC_EMOTION_PROBS};
static const enum osc_address label_labels[OSC_LABEL_KINDS] = {OSC_STYLE_LABELS, OSC_EMOTION_LABELS};

/* Milliseconds since the daemon's start, wrapping. */
static int32_t wire_ms(const struct osc_server *server, int64_t time_us)
{
	int64_t us = time_us - server->start_us;
	int64_t ms = us / 1000 - (us % 1000 < 0);

	return (int32_t)(uint32_t)ms;
}

static int32_t saturate(uint64_t count)
{
	return count > INT32_MAX ? INT32_MAX : (int32_t)count;
}

/* ---- pace ---- */

static bool is_due(const struct pace *pace, int64_t now_us)
{
	/* A time far ahead is one from before the clock was set back. */
	return now_us >= pace->next_us || pace->next_us - now_us > CONTINUOUS_INTERVAL_US;
}

/* True: send the new value now. False: it takes the place of what waits. */
static bool pace_pass(struct osc_server *server, struct pace *pace, int64_t now_us)
{
	if (server->unthrottled)
		return true;
	server->count.replaced += pace->waiting;
	pace->waiting = !is_due(pace, now_us);
	if (!pace->waiting)
		pace->next_us = now_us + CONTINUOUS_INTERVAL_US;
	else if (pace->next_us < server->earliest_us)
		server->earliest_us = pace->next_us;
	return !pace->waiting;
}

/* True: what waits is to be sent now. */
static bool pace_release(struct osc_server *server, struct pace *pace, int64_t now_us)
{
	if (!pace->waiting)
		return false;
	if (now_us == INT64_MAX || is_due(pace, now_us)) {
		pace->waiting = false;
		if (now_us != INT64_MAX)
			pace->next_us = now_us + CONTINUOUS_INTERVAL_US;
		return true;
	}
	if (pace->next_us < server->earliest_us)
		server->earliest_us = pace->next_us;
	return false;
}

/* ---- events ---- */

static int64_t send_note(struct osc_server *server, const struct event *event)
{
	const union osc_value on[] = {{.i = event->note_id},
				      {.i = event->pitch},
				      {.i = event->velocity},
				      {.i = event->channel + 1},
				      {.i = wire_ms(server, event->event_us)},
				      {.i = event->input}};
	const union osc_value off[] = {
	    {.i = event->note_id}, {.i = event->pitch}, {.i = (int32_t)((event->duration_us + 500) / 1000)}};

	if (event->kind == EVENT_NOTE_ON)
		return broadcast_send(server, OSC_NOTE, on, 6, event->event_us);
	return broadcast_send(server, OSC_NOTE_OFF, off, 3, event->event_us);
}

static int64_t send_pedal(struct osc_server *server, const struct event *event)
{
	const union osc_value values[] = {
	    {.i = event->pitch}, {.i = event->velocity}, {.i = wire_ms(server, event->event_us)}, {.i = event->input}};

	return broadcast_send(server, OSC_PEDAL, values, 4, event->event_us);
}

static int pedal_index(int controller)
{
	switch (controller) {
	case 64: return 0;
	case 66: return 1;
	case 67: return 2;
	default: return -1;
	}
}

int64_t osc_server_send_event(struct osc_server *server, const struct event *event, int64_t now_us)
{
	if (event->kind == EVENT_NOTE_ON || event->kind == EVENT_NOTE_OFF)
		return send_note(server, event);
	if (event->kind != EVENT_PEDAL)
		return 0;
	int pedal = pedal_index(event->pitch);
	if (pedal < 0 || event->input >= INPUTS_MAX)
		return 0;
	if (pace_pass(server, &server->pedal_pace[pedal][event->input], now_us))
		return send_pedal(server, event);
	server->waiting_pedal[pedal][event->input] = *event;
	return 0;
}

static int64_t send_input_to(struct osc_server *server, struct receiver *receiver, int input)
{
	const union osc_value values[] = {
	    {.i = input}, {.i = server->input_present[input]}, {.s = server->input_name[input]}};

	if (!receiver)
		return broadcast_send(server, OSC_INPUT, values, 3, clock_now_us());
	broadcast_send_one(server, receiver, OSC_INPUT, values, 3);
	return 0;
}

int64_t osc_server_send_input(struct osc_server *server, int input, bool present, const char *name)
{
	if (input < 0 || input >= INPUTS_MAX)
		return 0;
	server->input_present[input] = present;
	if (name)
		snprintf(server->input_name[input], TEXT_MAX, "%s", name);
	return send_input_to(server, NULL, input);
}

/* ---- predictions ---- */

static int64_t send_velocity(struct osc_server *server, enum osc_address address, const struct prediction *p)
{
	const float played = (float)p->velocity + (float)p->fine / 128;
	const union osc_value values[] = {{.i = p->note_id},	{.i = p->pitch},  {.i = p->velocity},
					  {.f = p->expected},	{.f = p->spread}, {.f = played - p->expected},
					  {.f = p->confidence}, {.i = p->stage}};

	return broadcast_send(server, address, values, 8, p->event_us);
}

static int64_t send_class(struct osc_server *server, enum osc_label_kind kind, const struct prediction *p)
{
	union osc_value values[CLASSES_MAX] = {{.i = p->label}, {.f = p->confidence}};
	bool named = p->label >= 0 && p->label < server->labels[kind];
	size_t classes = p->classes < CLASSES_MAX ? p->classes : CLASSES_MAX;

	int64_t sent_us = broadcast_send(server, label_class[kind], values, 2, p->event_us);
	values[0].s = named ? server->label[kind][p->label] : "unknown";
	int64_t named_us = broadcast_send(server, label_name[kind], values, 1, p->event_us);
	for (size_t i = 0; i < classes; i++)
		values[i].f = p->probability[i];
	int64_t probs_us = classes > 0 ? broadcast_send(server, label_probs[kind], values, classes, p->event_us) : 0;
	if (probs_us > 0)
		return probs_us;
	return named_us > 0 ? named_us : sent_us;
}

static int64_t take_class(struct osc_server *server, enum osc_label_kind kind, const struct prediction *p, int64_t now_us)
{
	if (pace_pass(server, &server->prediction_pace[kind], now_us))
		return send_class(server, kind, p);
	server->waiting_prediction[kind] = *p;
	return 0;
}

int64_t osc_server_send_prediction(struct osc_server *server, const struct prediction *p, int64_t now_us)
{
	const union osc_value melody[] = {
	    {.i = p->note_id}, {.i = p->pitch}, {.i = p->label}, {.f = p->confidence}, {.i = p->stage}};
	const union osc_value on[] = {{.i = p->note_id}, {.i = p->pitch}, {.i = p->velocity}, {.f = p->confidence}};

	switch ((enum prediction_kind)p->kind) {
	case PREDICT_MELODY: return broadcast_send(server, OSC_MELODY, melody, 5, p->event_us);
	case PREDICT_MELODY_ON: return broadcast_send(server, OSC_MELODY_ON, on, 4, p->event_us);
	case PREDICT_MELODY_OFF: return broadcast_send(server, OSC_MELODY_OFF, on, 2, p->event_us);
	case PREDICT_VELOCITY_CAUSAL: return send_velocity(server, OSC_VELOCITY, p);
	case PREDICT_VELOCITY_HIDDEN: return send_velocity(server, OSC_VELOCITY_HIDDEN, p);
	case PREDICT_STYLE: return take_class(server, OSC_LABELS_STYLE, p, now_us);
	case PREDICT_EMOTION: return take_class(server, OSC_LABELS_EMOTION, p, now_us);
	case PREDICT_RESET: return osc_server_send_panic(server);
	case PREDICT_MODEL: return 0; /* who has them tells: osc_server_set_labels, osc_server_set_model */
	}
	return 0;
}

int64_t osc_server_send_panic(struct osc_server *server)
{
	publish_waiting(server, INT64_MAX);
	/* What comes next owes nothing to what came before: a take says the same whatever was played before it. */
	memset(server->pedal_pace, 0, sizeof server->pedal_pace);
	memset(server->prediction_pace, 0, sizeof server->prediction_pace);
	server->tempo_pace = (struct pace){0};
	return broadcast_send(server, OSC_PANIC, NULL, 0, clock_now_us());
}

/* ---- states ---- */

int64_t osc_server_send_tempo(struct osc_server *server, double bpm, double confidence, enum osc_tempo_source source,
			      int64_t now_us)
{
	server->tempo[0].f = (float)bpm;
	server->tempo[1].f = (float)confidence;
	server->tempo[2].i = (int32_t)source;
	server->tempo_known = true;
	if (!pace_pass(server, &server->tempo_pace, now_us))
		return 0;
	return broadcast_send(server, OSC_TEMPO, server->tempo, 3, now_us);
}

int64_t osc_server_send_beat(struct osc_server *server, int bar, int beat, double confidence, double bpm, int64_t event_us)
{
	const union osc_value values[] = {{.i = bar}, {.i = beat}, {.f = (float)confidence}, {.f = (float)bpm}};

	return broadcast_send(server, OSC_BEAT, values, 4, event_us);
}

int64_t osc_server_send_latency(struct osc_server *server, const struct osc_latency *latency)
{
	const union osc_value values[] = {
	    {.f = latency->p50_ms}, {.f = latency->p95_ms}, {.f = latency->p99_ms}, {.f = latency->period_ms}};

	return broadcast_send(server, OSC_LATENCY, values, 4, clock_now_us());
}

int64_t osc_server_send_status(struct osc_server *server, const struct osc_status *status)
{
	server->status[0].i = (int32_t)status->state;
	server->status[1].i = status->last_note_id;
	server->status[2].i = saturate(status->dropped);
	server->status[3].i = status->window_fill;
	server->status[4].i = saturate(status->xruns);
	server->status[5].i = roster_subscribers(server);
	server->status[6].i = saturate(status->bad_input);
	server->status_known = true;
	return broadcast_send(server, OSC_STATUS, server->status, 7, clock_now_us());
}

static int64_t send_text(struct osc_server *server, struct receiver *receiver, enum osc_address address, const char *text)
{
	const union osc_value value = {.s = text};

	if (text[0] == '\0')
		return 0;
	if (!receiver)
		return broadcast_send(server, address, &value, 1, clock_now_us());
	broadcast_send_one(server, receiver, address, &value, 1);
	return 0;
}

int64_t osc_server_set_model(struct osc_server *server, const char *text)
{
	snprintf(server->model, sizeof server->model, "%s", text);
	return send_text(server, NULL, OSC_STATUS_MODEL, server->model);
}

int64_t osc_server_set_source(struct osc_server *server, const char *text)
{
	snprintf(server->source, sizeof server->source, "%s", text);
	return send_text(server, NULL, OSC_STATUS_SOURCE, server->source);
}

int64_t osc_server_send_error(struct osc_server *server, const char *code, const char *text, int64_t now_us)
{
	const union osc_value values[] = {{.s = code}, {.s = text}};

	if (!rate_take(&server->error_rate, now_us))
		return 0;
	return broadcast_send(server, OSC_ERROR, values, 2, clock_now_us());
}

static size_t label_values(const struct osc_server *server, enum osc_label_kind kind, union osc_value values[CLASSES_MAX])
{
	for (int i = 0; i < server->labels[kind]; i++)
		values[i].s = server->label[kind][i];
	return (size_t)server->labels[kind];
}

int64_t publish_labels(struct osc_server *server, enum osc_label_kind kind)
{
	union osc_value values[CLASSES_MAX];
	size_t count = label_values(server, kind, values);

	return count > 0 ? broadcast_send(server, label_labels[kind], values, count, clock_now_us()) : 0;
}

enum status osc_server_check_labels(enum osc_label_kind kind, const char *const *labels, int count, struct error *error)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];
	union osc_value values[CLASSES_MAX];
	const char *address = osc_namespace[label_labels[kind]].address;

	if (count < 0 || count > CLASSES_MAX)
		return status_fail(error, STATUS_UNSUPPORTED, "%s: %d classes, at most %d can be named", address, count,
				   CLASSES_MAX);
	for (int i = 0; i < count; i++) {
		if (strlen(labels[i]) >= LABEL_MAX)
			return status_fail(error, STATUS_UNSUPPORTED, "%s: class name '%.80s' has more than %d bytes",
					   address, labels[i], LABEL_MAX - 1);
		values[i].s = labels[i];
	}
	if (count > 0 && osc_message_encode(label_labels[kind], values, (size_t)count, datagram,
					    sizeof datagram - OSC_BUNDLE_HEADER) == 0)
		return status_fail(error, STATUS_UNSUPPORTED, "%s: the class names do not fit a datagram of %d bytes",
				   address, OSC_DATAGRAM_MAX);
	return STATUS_OK;
}

enum status osc_server_set_labels(struct osc_server *server, enum osc_label_kind kind, const char *const *labels, int count,
				  struct error *error)
{
	enum status status = osc_server_check_labels(kind, labels, count, error);

	if (status != STATUS_OK)
		return status;
	publish_waiting(server, INT64_MAX); /* what waits means the old names */
	for (int i = 0; i < count; i++)
		snprintf(server->label[kind][i], LABEL_MAX, "%s", labels[i]);
	server->labels[kind] = count;
	publish_labels(server, kind);
	return STATUS_OK;
}

/* ---- later ---- */

void publish_brief(struct osc_server *server, struct receiver *receiver)
{
	union osc_value values[CLASSES_MAX];

	send_text(server, receiver, OSC_STATUS_SESSION, server->session);
	send_text(server, receiver, OSC_STATUS_MODEL, server->model);
	send_text(server, receiver, OSC_STATUS_SOURCE, server->source);
	for (int kind = 0; kind < OSC_LABEL_KINDS; kind++) {
		size_t count = label_values(server, (enum osc_label_kind)kind, values);
		if (count > 0)
			broadcast_send_one(server, receiver, label_labels[kind], values, count);
	}
	for (int input = 0; input < INPUTS_MAX; input++)
		if (server->input_present[input])
			send_input_to(server, receiver, input);
	if (server->tempo_known)
		broadcast_send_one(server, receiver, OSC_TEMPO, server->tempo, 3);
	server->status[5].i = roster_subscribers(server);
	if (server->status_known)
		broadcast_send_one(server, receiver, OSC_STATUS, server->status, 7);
}

void publish_waiting(struct osc_server *server, int64_t now_us)
{
	if (server->earliest_us == INT64_MAX)
		return;
	server->earliest_us = INT64_MAX; /* pace_release finds the next one */
	for (int pedal = 0; pedal < PEDALS; pedal++)
		for (int input = 0; input < INPUTS_MAX; input++)
			if (pace_release(server, &server->pedal_pace[pedal][input], now_us))
				send_pedal(server, &server->waiting_pedal[pedal][input]);
	for (int kind = 0; kind < OSC_LABEL_KINDS; kind++)
		if (pace_release(server, &server->prediction_pace[kind], now_us))
			send_class(server, (enum osc_label_kind)kind, &server->waiting_prediction[kind]);
	if (pace_release(server, &server->tempo_pace, now_us))
		broadcast_send(server, OSC_TEMPO, server->tempo, 3, clock_now_us());
}
