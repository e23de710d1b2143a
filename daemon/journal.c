/* Entries of a journal to lines and back, see journal.h. Any thread; neither opens nor allocates anything. */
#include "daemon/journal.h"

#include "stream/beat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const event_names[] = {[EVENT_NOTE_ON] = "on",	   [EVENT_NOTE_OFF] = "off",
					  [EVENT_PEDAL] = "pedal",	   [EVENT_INPUT_PRESENT] = "present",
					  [EVENT_INPUT_GONE] = "gone",	   [EVENT_CLOCK] = "clock",
					  [EVENT_TRANSPORT] = "transport", [EVENT_END] = "end"};
#define EVENT_NAMES (sizeof event_names / sizeof event_names[0])

static const char *const reasons[] = {"pause", "pedal", "reset", "input"};

bool journal_is_passing(const char *message)
{
	static const char *const addresses[] = {"/midibert/status", "/midibert/latency", "/midibert/error",
						"/midibert/style/labels", "/midibert/emotion/labels"};
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
		if (strncmp(message, addresses[i], strlen(addresses[i])) == 0)
			return true;
	return false;
}

static size_t write_event(const struct journal_entry *entry, char *line, size_t room)
{
	const struct event *e = &entry->as.event;
	char fine[16] = "";
	if (e->fine || entry->fine)
		snprintf(fine, sizeof fine, " %d %d", e->fine, entry->fine);
	return (size_t)snprintf(
	    line, room, "%c %" PRId64 " %s %" PRId32 " %d %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d%s\n",
	    entry->kind, entry->now_us, e->kind < EVENT_NAMES ? event_names[e->kind] : "?", e->note_id, e->input, e->channel,
	    e->pitch, e->velocity, e->event_us, e->arrival_us, e->position, e->duration_us, entry->number, fine);
}

size_t journal_write(const struct journal_entry *entry, const char *text, char line[JOURNAL_LINE_MAX])
{
	const struct journal_state *state = &entry->as.state;
	const struct beat_tempo *tempo = &entry->as.tempo;
	const struct told_beat *beat = &entry->as.beat;
	const size_t room = JOURNAL_LINE_MAX;
	switch ((enum journal_kind)entry->kind) {
	case JOURNAL_ACCEPT:
	case JOURNAL_EVENT: return write_event(entry, line, room);
	case JOURNAL_INFER:
	case JOURNAL_EXPIRE:
	case JOURNAL_FINALISE:
	case JOURNAL_PREDICTION:
	case JOURNAL_RELEASE: return (size_t)snprintf(line, room, "%c %" PRId64 "\n", entry->kind, entry->now_us);
	case JOURNAL_RESET:
		return (size_t)snprintf(line, room, "%c %" PRId64 " %s\n", entry->kind, entry->now_us,
					reasons[entry->number]);
	case JOURNAL_TEMPO:
		return (size_t)snprintf(line, room, "%c %" PRId64 " %.17g\n", entry->kind, entry->now_us, entry->as.bpm);
	case JOURNAL_COMMAND:
		return (size_t)snprintf(line, room, "%c %" PRId64 " %d %.17g\n", entry->kind, entry->now_us, entry->number,
					entry->as.bpm);
	case JOURNAL_STATE:
		return (size_t)snprintf(line, room, "%c %" PRId64 " %.17g %" PRId32 " %" PRId32 " %d\n", entry->kind,
					entry->now_us, state->bpm, state->skipped_first, state->skipped_last, state->paused);
	case JOURNAL_TOLD_TEMPO:
		return (size_t)snprintf(line, room, "%c %" PRId64 " %.17g %.17g %d\n", entry->kind, entry->now_us,
					tempo->bpm, tempo->confidence, tempo->source);
	case JOURNAL_TOLD_BEAT:
		return (size_t)snprintf(line, room, "%c %" PRId64 " %d %d %.17g %.17g %" PRId64 "\n", entry->kind,
					entry->now_us, beat->bar, beat->beat, beat->confidence, beat->bpm, beat->event_us);
	case JOURNAL_IDENTITY:
	case JOURNAL_INPUT: return (size_t)snprintf(line, room, "%c %d %.200s\n", entry->kind, entry->number, text);
	case JOURNAL_MESSAGE: return (size_t)snprintf(line, room, "%c %.2200s\n", entry->kind, text);
	}
	line[0] = '\0';
	return 0;
}

/* ---- reading ---- */

/* Times and positions that no arithmetic on them can make overflow. */
static bool is_sane(int64_t value)
{
	return value >= -((int64_t)1 << 52) && value <= (int64_t)1 << 52;
}

static bool read_event(const char *line, struct journal_entry *entry)
{
	struct event *e = &entry->as.event;
	char name[16];
	int input, channel, pitch, velocity, heard, fine = 0, heard_fine = 0, used = 0, more = 0;
	if (sscanf(line, "%*c %" SCNd64 " %15s %" SCNd32 " %d %d %d %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %d%n",
		   &entry->now_us, name, &e->note_id, &input, &channel, &pitch, &velocity, &e->event_us, &e->arrival_us,
		   &e->position, &e->duration_us, &heard, &used) != 12)
		return false;
	if (line[used] != '\0' &&
	    (sscanf(line + used, " %d %d%n", &fine, &heard_fine, &more) != 2 || line[used + more] != '\0'))
		return false;
	size_t kind = 0;
	while (kind < EVENT_NAMES && strcmp(event_names[kind], name) != 0)
		kind++;
	if (kind == EVENT_NAMES || input < 0 || input >= INPUTS_MAX || channel < 0 || channel > 15 || pitch < 0 ||
	    pitch > 127 || velocity < 0 || velocity > 127 || heard < 0 || heard > 127 || fine < 0 || fine > 127 ||
	    heard_fine < 0 || heard_fine > 127 || e->note_id < 0 || !is_sane(e->event_us) || !is_sane(e->arrival_us) ||
	    !is_sane(e->duration_us) || e->position < -1 || e->position > (int64_t)1 << 40)
		return false;
	e->kind = (uint8_t)kind;
	e->input = (uint8_t)input;
	e->channel = (uint8_t)channel;
	e->pitch = (uint8_t)pitch;
	e->velocity = (uint8_t)velocity;
	e->fine = (uint8_t)fine;
	entry->number = (uint8_t)heard;
	entry->fine = (uint8_t)heard_fine;
	return true;
}

static bool read_reset(const char *line, struct journal_entry *entry)
{
	char name[16];
	if (sscanf(line, "%*c %" SCNd64 " %15s", &entry->now_us, name) != 2)
		return false;
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		entry->number = (uint8_t)i;
		if (strcmp(reasons[i], name) == 0)
			return true;
	}
	return false;
}

static bool read_state(const char *line, struct journal_entry *entry)
{
	struct journal_state *state = &entry->as.state;
	int paused;
	if (sscanf(line, "%*c %" SCNd64 " %lf %" SCNd32 " %" SCNd32 " %d", &entry->now_us, &state->bpm,
		   &state->skipped_first, &state->skipped_last, &paused) != 5)
		return false;
	state->paused = paused != 0;
	return state->bpm >= 0 && state->bpm < 1e6;
}

static bool read_bpm(const char *line, struct journal_entry *entry)
{
	int command = 0;
	bool read = entry->kind == JOURNAL_TEMPO
			? sscanf(line, "%*c %" SCNd64 " %lf", &entry->now_us, &entry->as.bpm) == 2
			: sscanf(line, "%*c %" SCNd64 " %d %lf", &entry->now_us, &command, &entry->as.bpm) == 3;
	entry->number = (uint8_t)command;
	return read && command >= 0 && command < 256 && entry->as.bpm >= 0 && entry->as.bpm < 1e6;
}

static bool read_tempo(const char *line, struct journal_entry *entry)
{
	struct beat_tempo *tempo = &entry->as.tempo;
	return sscanf(line, "%*c %" SCNd64 " %lf %lf %d", &entry->now_us, &tempo->bpm, &tempo->confidence, &tempo->source) ==
		   4 &&
	       tempo->bpm >= 0 && tempo->bpm < 1e6 && tempo->confidence >= 0 && tempo->confidence <= 1 &&
	       tempo->source >= 0 && tempo->source < BEAT_SOURCES;
}

static bool read_beat(const char *line, struct journal_entry *entry)
{
	struct told_beat *beat = &entry->as.beat;
	return sscanf(line, "%*c %" SCNd64 " %d %d %lf %lf %" SCNd64, &entry->now_us, &beat->bar, &beat->beat,
		      &beat->confidence, &beat->bpm, &beat->event_us) == 6 &&
	       beat->bar >= 0 && beat->beat >= 0 && beat->bpm >= 0 && beat->bpm < 1e6 && beat->confidence >= 0 &&
	       beat->confidence <= 1 && is_sane(beat->event_us);
}

static bool read_entry(const char *line, struct journal_entry *entry, const char **text)
{
	int used = 0, input;
	*text = NULL;
	*entry = (struct journal_entry){.kind = (uint8_t)line[0]};
	if (line[0] == '\0' || line[1] != ' ')
		return false;
	switch ((enum journal_kind)entry->kind) {
	case JOURNAL_ACCEPT:
	case JOURNAL_EVENT: return read_event(line, entry);
	case JOURNAL_INFER:
	case JOURNAL_EXPIRE:
	case JOURNAL_FINALISE:
	case JOURNAL_PREDICTION:
	case JOURNAL_RELEASE: return sscanf(line, "%*c %" SCNd64 "%n", &entry->now_us, &used) == 1 && line[used] == '\0';
	case JOURNAL_RESET: return read_reset(line, entry);
	case JOURNAL_TEMPO:
	case JOURNAL_COMMAND: return read_bpm(line, entry);
	case JOURNAL_STATE: return read_state(line, entry);
	case JOURNAL_TOLD_TEMPO: return read_tempo(line, entry);
	case JOURNAL_TOLD_BEAT: return read_beat(line, entry);
	case JOURNAL_IDENTITY:
	case JOURNAL_INPUT:
		if (sscanf(line, "%*c %d %n", &input, &used) != 1 || input < 0 || input >= INPUTS_MAX)
			return false;
		entry->number = (uint8_t)input;
		*text = line + used;
		return true;
	case JOURNAL_MESSAGE: *text = line + 2; return true;
	}
	return false;
}

bool journal_read(const char *line, struct journal_entry *entry, const char **text)
{
	return read_entry(line, entry, text) && is_sane(entry->now_us);
}
