/* What `midibert monitor` knows of the playing: the stream's messages, gathered. Main thread. No clock, no socket, no
 * terminal. */
#ifndef MIDIBERTD_TOOLS_MONITOR_STATE_H
#define MIDIBERTD_TOOLS_MONITOR_STATE_H

#include "osc/message.h"

#include <stdbool.h>
#include <stdint.h>

#define MONITOR_NOTES 512
#define MONITOR_KEYS 128
#define MONITOR_INPUTS 16
#define MONITOR_UNJUDGED (-2) /* of a melody class: no label has come yet */

struct monitor_expectation {
	bool known;
	float expected, spread, difference; /* MIDI velocity; played minus expected */
};

struct monitor_note {
	int32_t id;
	int pitch, velocity;
	bool held;
	int32_t duration_ms; /* once it is not held */
	int melody;	     /* class, -1 unknown, MONITOR_UNJUDGED */
	float confidence;
	int stage;
	struct monitor_expectation causal, hidden;
};

struct monitor_judgement { /* style or emotion */
	bool known;
	int class;
	float confidence;
	char name[64];
};

struct monitor_state {
	struct monitor_note note[MONITOR_NOTES];
	uint64_t notes;		   /* so many have come; the newest is note[(notes - 1) % MONITOR_NOTES] */
	int32_t key[MONITOR_KEYS]; /* id of the note that holds it; 0: up */
	int key_melody[MONITOR_KEYS];
	int pedal[3]; /* sustain, sostenuto, soft */
	struct monitor_judgement style, emotion;
	struct {
		bool known;
		float bpm, confidence;
		int source;
	} tempo;
	struct {
		bool known;
		int32_t bar, beat;
		float confidence;
	} beat;
	struct {
		bool known;
		float p50_ms, p95_ms, p99_ms, period_ms;
	} latency;
	struct {
		bool known;
		int state;
		int32_t last_note, dropped, window, xruns, subscribers, bad_input;
	} status;
	char session[64], model[256], source[256];
	struct {
		bool present;
		char name[256];
	} input[MONITOR_INPUTS];
	char error_code[64], error_text[256]; /* the last one */
	uint64_t errors;
};

/* A message of the stream whose types are those of its address; its numbers and texts are untrusted all the same. */
void monitor_state_take(struct monitor_state *state, enum osc_address address, const struct osc_received *message);

/* The daemon is gone: nothing is held, and nothing that it told of this moment is true any more. Notes stay. */
void monitor_state_lose(struct monitor_state *state);

/* back = 0: the newest; NULL: not so many have come. */
const struct monitor_note *monitor_state_note(const struct monitor_state *state, uint64_t back);

#endif
