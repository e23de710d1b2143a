/* Records takes (--record): a journal that can be repeated message by message, and a MIDI file, for each stretch of playing
 * between two resets. Entries come through two rings from the engine and osc threads; a thread of its own writes them, so
 * that no disk ever delays a note. What does not fit a ring, or the disk, is counted and told (docs/RECORD.md). */
#ifndef MIDIBERTD_DAEMON_RECORDER_H
#define MIDIBERTD_DAEMON_RECORDER_H

#include "base/prediction.h"
#include "daemon/journal.h"
#include "daemon/options.h"
#include "daemon/setup.h"
#include "daemon/shared.h"
#include "osc/server.h"

struct recorder;

/* ---- main thread ---- */

/* Makes the folder if there is none, finishes what a power cut left there, starts the thread. start_us: where OSC times
 * count from. On failure nothing is left and *recorder is NULL. */
enum status recorder_open(const struct options *options, const struct setup *setup, int64_t start_us,
			  struct recorder **recorder, struct error *error);
/* After the osc server is open: what a repetition has to know of it. */
void recorder_set_session(struct recorder *recorder, const char *session, const char *source);
/* After the engine and osc threads have ended: writes what is left and closes the last take. NULL is allowed. */
void recorder_close(struct recorder *recorder);

/* ---- engine thread; real-time safe. NULL is allowed: nothing is recorded ---- */

/* heard: the event with the velocity that the engine was told. */
void recorder_accept(struct recorder *recorder, uint32_t take, const struct event *event, const struct event *heard);
/* INFER, EXPIRE, FINALISE; RESET with its reason; TEMPO with its bpm. */
void recorder_engine(struct recorder *recorder, uint32_t take, enum journal_kind kind, int64_t now_us, int number,
		     double bpm);

/* A label that could not be handed to the osc thread. */
void recorder_refused(struct recorder *recorder);

/* ---- osc thread; no system call but one write to an eventfd. NULL is allowed ---- */

void recorder_event(struct recorder *recorder, uint32_t take, const struct event *event, const struct input_names *names,
		    int64_t now_us);
/* PREDICTION, RELEASE; COMMAND with its number and bpm. */
void recorder_osc(struct recorder *recorder, uint32_t take, enum journal_kind kind, int64_t now_us, int number, double bpm);
void recorder_state(struct recorder *recorder, uint32_t take, const struct journal_state *state, int64_t now_us);
/* Tempo and beat messages, as they are sent. */
void recorder_tempo(struct recorder *recorder, uint32_t take, const struct beat_tempo *tempo, int64_t now_us);
void recorder_beat(struct recorder *recorder, uint32_t take, const struct told_beat *beat, int64_t now_us);
void recorder_message(struct recorder *recorder, uint32_t take, const char *line);
void recorder_wake(struct recorder *recorder);

/* Any thread but a real-time one. What has gone wrong since the last call, in words; false: nothing. */
bool recorder_trouble(struct recorder *recorder, char *text, size_t size);

#endif
