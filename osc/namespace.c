/* The OSC name space as data, its listing and its look-ups. No socket, no state; any thread. */
#include "osc/namespace.h"

#include <string.h>

#define INT_MAX_ARGUMENT 2147483647.0
#define ID "id", "", 1, INT_MAX_ARGUMENT
#define PITCH "pitch", "", 0, 127
#define PLAYED "velocity", "", 1, 127
#define CONFIDENCE "confidence", "", 0, 1
#define STAGE "stage", "", 0, 2
#define MS(name) name, "ms", 0, 0
#define COUNT(name) name, "", 0, 0
#define PORT "port", "", 1, 65535
#define OUT OSC_DIRECTION_OUT, true
#define ANSWER OSC_DIRECTION_OUT, false
#define IN OSC_DIRECTION_IN, false

/* clang-format off */
const struct osc_spec osc_namespace[OSC_ADDRESSES] = {
	[OSC_NOTE] = {"/midibert/note", "iiiiii",
		{{ID}, {PITCH}, {PLAYED}, {"channel", "", 1, 16}, {MS("onset")}, {"input", "", 0, 15}}, OUT, false,
		 "a key went down; sent at once, never delayed by an inference"},
	[OSC_NOTE_OFF] = {"/midibert/note/off", "iii", {{ID}, {PITCH}, {MS("duration")}}, OUT, false,
		 "the key of that note came up"},
	[OSC_PEDAL] = {"/midibert/pedal", "iiii",
		{{"controller", "", 64, 67}, {"value", "", 0, 127}, {MS("time")}, {"input", "", 0, 15}}, OUT, true,
		 "controller 64 sustain, 66 sostenuto, 67 soft"},
	[OSC_MELODY] = {"/midibert/melody", "iiifi",
		{{ID}, {PITCH}, {"class", "", -1, 2}, {CONFIDENCE}, {STAGE}}, OUT, false,
		 "0 melody, 1 bridge, 2 accompaniment, -1 unknown"},
	[OSC_MELODY_ON] = {"/midibert/melody/on", "iiif", {{ID}, {PITCH}, {PLAYED}, {CONFIDENCE}}, OUT, false,
		 "once for each note judged melody: the one decision most patches want"},
	[OSC_MELODY_OFF] = {"/midibert/melody/off", "ii", {{ID}, {PITCH}}, OUT, false,
		 "a note that got /melody/on has ended"},
	[OSC_VELOCITY] = {"/midibert/velocity", "iiiffffi",
		{{ID}, {PITCH}, {PLAYED}, {"expected", "", 0, 127}, {"spread", "", 0, 127},
		 {"played minus expected", "", -127, 127}, {CONFIDENCE}, {STAGE}}, OUT, false,
		 "played against expected from the notes before it (causal setting); stage 2 at once; confidence of "
		 "the played dynamic"},
	[OSC_VELOCITY_HIDDEN] = {"/midibert/velocity/hidden", "iiiffffi",
		{{ID}, {PITCH}, {PLAYED}, {"expected", "", 0, 127}, {"spread", "", 0, 127},
		 {"played minus expected", "", -127, 127}, {CONFIDENCE}, {STAGE}}, OUT, false,
		 "played against what pianists do here, judged without any velocity (hidden setting); with stages"},
	[OSC_STYLE] = {"/midibert/style", "if", {{"class", "", -1, 31}, {CONFIDENCE}}, OUT, true,
		 "style of the playing; -1 unknown"},
	[OSC_STYLE_NAME] = {"/midibert/style/name", "s", {{"name", "", 0, 0}}, OUT, true,
		 "the same as text; unknown for -1"},
	[OSC_STYLE_PROBS] = {"/midibert/style/probs", "f...", {{"probability of each class", "", 0, 1}}, OUT, true,
		 "in the order of /midibert/style/labels"},
	[OSC_STYLE_LABELS] = {"/midibert/style/labels", "s...", {{"name of each class", "", 0, 0}}, OUT, false,
		 "on subscription and when the model changes"},
	[OSC_EMOTION] = {"/midibert/emotion", "if", {{"class", "", -1, 31}, {CONFIDENCE}}, OUT, true,
		 "emotion of the playing; -1 unknown"},
	[OSC_EMOTION_NAME] = {"/midibert/emotion/name", "s", {{"name", "", 0, 0}}, OUT, true,
		 "the same as text; unknown for -1"},
	[OSC_EMOTION_PROBS] = {"/midibert/emotion/probs", "f...", {{"probability of each class", "", 0, 1}}, OUT, true,
		 "in the order of /midibert/emotion/labels"},
	[OSC_EMOTION_LABELS] = {"/midibert/emotion/labels", "s...", {{"name of each class", "", 0, 0}}, OUT, false,
		 "on subscription and when the model changes"},
	[OSC_TEMPO] = {"/midibert/tempo", "ffi",
		{{"tempo", "bpm", 0, 0}, {CONFIDENCE}, {"source", "", 0, 5}}, OUT, true,
		 "source: 0 grid, 1 fixed, 2 tap, 3 tracker, 4 jack, 5 clock"},
	[OSC_BEAT] = {"/midibert/beat", "iiff",
		{{"bar", "", 0, INT_MAX_ARGUMENT}, {"beat in bar", "", 0, 127}, {CONFIDENCE}, {"tempo", "bpm", 0, 0}},
		 OUT, false,
		 "a beat"},
	[OSC_LATENCY] = {"/midibert/latency", "ffff",
		{{MS("p50")}, {MS("p95")}, {MS("p99")}, {MS("period")}}, OUT, false,
		 "input to send over the last 10 s; the JACK period beside it"},
	[OSC_STATUS] = {"/midibert/status", "iiiiiii",
		{{"state", "", 0, 3}, {COUNT("last note id")}, {COUNT("dropped")},
		 {COUNT("window fill")}, {COUNT("xruns")}, {COUNT("subscribers")}, {COUNT("bad input")}}, OUT, false,
		 "once a second; state: 0 waiting, 1 playing, 2 paused, 3 input lost"},
	[OSC_STATUS_SESSION] = {"/midibert/status/session", "s", {{"start", "s", 0, 0}}, OUT, false,
		 "Unix time of the daemon's start: every time in ms counts from it"},
	[OSC_STATUS_MODEL] = {"/midibert/status/model", "s", {{"model", "", 0, 0}}, OUT, false,
		 "the weights in use"},
	[OSC_STATUS_SOURCE] = {"/midibert/status/source", "s", {{"source", "", 0, 0}}, OUT, false,
		 "where MIDI comes from"},
	[OSC_INPUT] = {"/midibert/input", "iis",
		{{"input", "", 0, 15}, {"present", "", 0, 1}, {"name", "", 0, 0}}, OUT, false,
		 "an input came (1) or went (0)"},
	[OSC_PANIC] = {"/midibert/panic", "", {{0}}, OUT, false,
		 "reset, pause or loss of input: release everything that sounds"},
	[OSC_ERROR] = {"/midibert/error", "ss", {{"code", "", 0, 0}, {"text", "", 0, 0}}, OUT, false,
		 "what went wrong, in answer to a message or by itself; at most 10 a second"},
	[OSC_SUBSCRIBED] = {"/midibert/subscribed", "ii", {{PORT}, {"seconds left", "", 0, 60}}, ANSWER, false,
		 "answer to subscribe and confirm; 0 seconds: to unsubscribe"},
	[OSC_CHALLENGE] = {"/midibert/challenge", "i", {{"number", "", 1, 16777215}}, ANSWER, false,
		 "to a port that has yet to prove that it wants the stream: return it with /midibert/confirm within "
		 "10 s"},
	[OSC_PONG] = {"/midibert/pong", "ii", {{"argument", "", 0, 0}, {MS("time")}}, ANSWER, false,
		 "answer to ping: its argument, or 0, and the daemon's time"},
	[OSC_SUBSCRIBER] = {"/midibert/subscriber", "siis",
		{{"host", "", 0, 0}, {PORT}, {"seconds left", "", -1, 60}, {"pattern", "", 0, 0}}, ANSWER, false,
		 "answer to subscribers, one each; -1 seconds: a fixed target"},
	[OSC_STATS_TOTAL] = {"/midibert/stats/total", "iiiiii",
		{{COUNT("messages")}, {COUNT("datagrams sent")}, {COUNT("datagrams failed")},
		 {COUNT("control received")}, {COUNT("malformed")}, {COUNT("refused")}}, ANSWER, false,
		 "answer to stats"},
	[OSC_STATS_RECEIVER] = {"/midibert/stats/receiver", "siiii",
		{{"host", "", 0, 0}, {PORT}, {COUNT("sent")}, {COUNT("failed")}, {COUNT("unreachable")}}, ANSWER, false,
		 "answer to stats, one for each target and subscriber: compare sent with what you counted"},
	[OSC_IN_SUBSCRIBE] = {"/midibert/subscribe", "none|i|s|is", {{PORT}, {"address pattern", "", 0, 0}}, IN, false,
		 "stream to the port (default: the sender's), addresses that match (default: all), for 60 s; send "
		 "again to renew; answer /midibert/subscribed"},
	[OSC_IN_CONFIRM] = {"/midibert/confirm", "i", {{"number", "", 1, 16777215}}, IN, false,
		 "returns the number that /midibert/challenge brought; answer /midibert/subscribed"},
	[OSC_IN_UNSUBSCRIBE] = {"/midibert/unsubscribe", "none|i", {{PORT}}, IN, false,
		 "ends the subscription of the port (default: the sender's); answer /midibert/subscribed with 0 "
		 "seconds"},
	[OSC_IN_PING] = {"/midibert/ping", "none|i", {{"argument", "", 0, 0}}, IN, false,
		 "answer /midibert/pong"},
	[OSC_IN_RESET] = {"/midibert/reset", "none", {{0}}, IN, false,
		 "finalise every open note, send /midibert/panic, forget the window"},
	[OSC_IN_PAUSE] = {"/midibert/pause", "none", {{0}}, IN, false,
		 "finalise, send /midibert/panic and label nothing until resume"},
	[OSC_IN_RESUME] = {"/midibert/resume", "none", {{0}}, IN, false,
		 "go on after pause"},
	[OSC_IN_SUBSCRIBERS] = {"/midibert/subscribers", "none", {{0}}, IN, false,
		 "answer: one /midibert/subscriber for each target and subscriber"},
	[OSC_IN_STATS] = {"/midibert/stats", "none", {{0}}, IN, false,
		 "answer /midibert/stats/total, then one /midibert/stats/receiver each"},
	[OSC_IN_TEMPO_SET] = {"/midibert/tempo/set", "f", {{"tempo", "bpm", 16, 256}}, IN, false,
		 "fix the tempo of the beat grid"},
	[OSC_IN_TAP] = {"/midibert/tap", "none", {{0}}, IN, false,
		 "a beat is now"},
	[OSC_IN_MODEL_LOAD] = {"/midibert/model/load", "s", {{"path", "", 0, 0}}, IN, false,
		 "load other weights; answer /midibert/status/model, or /midibert/error"},
};
/* clang-format on */

int osc_namespace_find(enum osc_direction direction, const char *address)
{
	int first = direction == OSC_DIRECTION_OUT ? 0 : OSC_OUT_END;
	int end = direction == OSC_DIRECTION_OUT ? OSC_OUT_END : OSC_ADDRESSES;

	for (int i = first; i < end; i++)
		if (strcmp(osc_namespace[i].address, address) == 0)
			return i;
	return -1;
}

bool osc_namespace_types(enum osc_address address, size_t count, char *types)
{
	const char *spec = osc_namespace[address].types;
	size_t length = strcspn(spec, ".");

	if (osc_namespace[address].direction != OSC_DIRECTION_OUT)
		return false;
	if (spec[length] == '\0' ? count != length : count < length)
		return false;
	for (size_t i = 0; i < count; i++)
		types[i] = spec[i < length ? i : length - 1];
	types[count] = '\0';
	return true;
}

static void list_arguments(FILE *file, const struct osc_spec *spec)
{
	if (!spec->argument[0].name)
		fputs("-", file);
	for (size_t i = 0; i < OSC_SPEC_ARGUMENTS_MAX && spec->argument[i].name; i++) {
		const struct osc_argument *argument = &spec->argument[i];

		fprintf(file, "%s%s", i > 0 ? ", " : "", argument->name);
		if (argument->unit[0] != '\0')
			fprintf(file, " %s", argument->unit);
		if (argument->minimum < argument->maximum)
			fprintf(file, " %.10g..%.10g", argument->minimum, argument->maximum);
	}
}

int osc_namespace_list(FILE *file)
{
	for (size_t i = 0; i < OSC_ADDRESSES; i++) {
		const struct osc_spec *spec = &osc_namespace[i];

		fprintf(file, "%s\t%s\t%s\t", spec->direction == OSC_DIRECTION_OUT ? "out" : "in", spec->address,
			spec->types[0] != '\0' ? spec->types : "none");
		list_arguments(file, spec);
		fprintf(file, "\t%s\n", spec->description);
	}
	return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
