/* What the monitor knows, see monitor_state.h. Main thread. Keeps what came; judges and draws nothing. */
#define _POSIX_C_SOURCE 200809L
#include "tools/monitor_state.h"

#include <string.h>

#define COPY(target, text) copy_text(target, sizeof(target), text)

static void copy_text(char *target, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);

	memcpy(target, text, length);
	target[length] = '\0';
}

static int whole(const struct osc_received *message, size_t i)
{
	return (int)message->number[i]; /* of type i, so it fits */
}

static float real(const struct osc_received *message, size_t i)
{
	return (float)message->number[i];
}

/* A number that is an index or a MIDI value: -1 if it is none. */
static int within(const struct osc_received *message, size_t i, int end)
{
	int number = whole(message, i);

	return number >= 0 && number < end ? number : -1;
}

const struct monitor_note *monitor_state_note(const struct monitor_state *state, uint64_t back)
{
	if (back >= state->notes || back >= MONITOR_NOTES)
		return NULL;
	return &state->note[(state->notes - 1 - back) % MONITOR_NOTES];
}

static struct monitor_note *find_note(struct monitor_state *state, int32_t id)
{
	for (uint64_t back = 0; back < state->notes && back < MONITOR_NOTES; back++) {
		struct monitor_note *note = &state->note[(state->notes - 1 - back) % MONITOR_NOTES];
		if (note->id == id)
			return note;
	}
	return NULL;
}

static void begin_note(struct monitor_state *state, const struct osc_received *message)
{
	int pitch = within(message, 1, MONITOR_KEYS), velocity = within(message, 2, 128);

	if (pitch < 0 || velocity < 0)
		return;
	state->note[state->notes++ % MONITOR_NOTES] = (struct monitor_note){
	    .id = whole(message, 0), .pitch = pitch, .velocity = velocity, .held = true, .melody = MONITOR_UNJUDGED};
	state->key[pitch] = whole(message, 0);
	state->key_melody[pitch] = MONITOR_UNJUDGED;
}

static void end_note(struct monitor_state *state, const struct osc_received *message)
{
	int32_t id = whole(message, 0);
	int pitch = within(message, 1, MONITOR_KEYS);
	struct monitor_note *note = find_note(state, id);

	if (pitch >= 0 && state->key[pitch] == id)
		state->key[pitch] = 0;
	if (!note)
		return;
	note->held = false;
	note->duration_ms = whole(message, 2);
}

static void judge_note(struct monitor_state *state, const struct osc_received *message, int melody, float confidence,
		       int stage)
{
	int32_t id = whole(message, 0);
	int pitch = within(message, 1, MONITOR_KEYS);
	struct monitor_note *note = find_note(state, id);

	if (pitch >= 0 && state->key[pitch] == id)
		state->key_melody[pitch] = melody;
	if (!note)
		return;
	note->melody = melody;
	note->confidence = confidence;
	note->stage = stage;
}

static void expect_note(struct monitor_state *state, const struct osc_received *message, bool hidden)
{
	struct monitor_note *note = find_note(state, whole(message, 0));

	if (note)
		*(hidden ? &note->hidden : &note->causal) = (struct monitor_expectation){
		    .known = true, .expected = real(message, 3), .spread = real(message, 4), .difference = real(message, 5)};
}

static void take_pedal(struct monitor_state *state, const struct osc_received *message)
{
	static const int controllers[3] = {64, 66, 67};

	for (int i = 0; i < 3; i++)
		if (whole(message, 0) == controllers[i])
			state->pedal[i] = whole(message, 1);
}

static void judge(struct monitor_judgement *judgement, const struct osc_received *message)
{
	judgement->known = true;
	judgement->class = whole(message, 0);
	judgement->confidence = real(message, 1);
}

static void release(struct monitor_state *state)
{
	memset(state->key, 0, sizeof state->key);
	for (size_t i = 0; i < MONITOR_NOTES; i++)
		state->note[i].held = false;
}

/* Note ids and times of another daemon have nothing to do with what came before. */
static void take_session(struct monitor_state *state, const char *session)
{
	if (strncmp(state->session, session, sizeof state->session - 1) == 0)
		return;
	memset(state, 0, sizeof *state);
	COPY(state->session, session);
}

static void take_status(struct monitor_state *state, const struct osc_received *m)
{
	state->status.known = true;
	state->status.state = whole(m, 0);
	state->status.last_note = whole(m, 1);
	state->status.dropped = whole(m, 2);
	state->status.window = whole(m, 3);
	state->status.xruns = whole(m, 4);
	state->status.subscribers = whole(m, 5);
	state->status.bad_input = whole(m, 6);
}

static void take_input(struct monitor_state *state, const struct osc_received *message)
{
	int input = within(message, 0, MONITOR_INPUTS);

	if (input < 0)
		return;
	state->input[input].present = whole(message, 1) != 0;
	COPY(state->input[input].name, message->text[0]);
}

void monitor_state_take(struct monitor_state *state, enum osc_address address, const struct osc_received *m)
{
	switch (address) {
	case OSC_NOTE: begin_note(state, m); break;
	case OSC_NOTE_OFF: end_note(state, m); break;
	case OSC_PEDAL: take_pedal(state, m); break;
	case OSC_MELODY: judge_note(state, m, whole(m, 2), real(m, 3), whole(m, 4)); break;
	case OSC_VELOCITY: expect_note(state, m, false); break;
	case OSC_VELOCITY_HIDDEN: expect_note(state, m, true); break;
	case OSC_STYLE: judge(&state->style, m); break;
	case OSC_STYLE_NAME: COPY(state->style.name, m->text[0]); break;
	case OSC_EMOTION: judge(&state->emotion, m); break;
	case OSC_EMOTION_NAME: COPY(state->emotion.name, m->text[0]); break;
	case OSC_TEMPO:
		state->tempo.known = true;
		state->tempo.bpm = real(m, 0);
		state->tempo.confidence = real(m, 1);
		state->tempo.source = whole(m, 2);
		break;
	case OSC_BEAT:
		state->beat.known = true;
		state->beat.bar = whole(m, 0);
		state->beat.beat = whole(m, 1);
		state->beat.confidence = real(m, 2);
		break;
	case OSC_LATENCY:
		state->latency.known = true;
		state->latency.p50_ms = real(m, 0);
		state->latency.p95_ms = real(m, 1);
		state->latency.p99_ms = real(m, 2);
		state->latency.period_ms = real(m, 3);
		break;
	case OSC_STATUS: take_status(state, m); break;
	case OSC_STATUS_SESSION: take_session(state, m->text[0]); break;
	case OSC_STATUS_MODEL: COPY(state->model, m->text[0]); break;
	case OSC_STATUS_SOURCE: COPY(state->source, m->text[0]); break;
	case OSC_INPUT: take_input(state, m); break;
	case OSC_PANIC: release(state); break;
	case OSC_ERROR:
		state->errors++;
		COPY(state->error_code, m->text[0]);
		COPY(state->error_text, m->text[1]);
		break;
	default: break; /* melody/on and /off, probabilities and labels say nothing more than the above */
	}
}

void monitor_state_lose(struct monitor_state *state)
{
	release(state);
	memset(state->pedal, 0, sizeof state->pedal);
	state->status.known = state->latency.known = state->beat.known = state->tempo.known = false;
	state->style.known = state->emotion.known = false;
}
