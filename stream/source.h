/* Where live events come from: one interface, three sources (JACK, the ALSA sequencer, a file). A source stamps, parses,
 * numbers and pairs notes in a thread of its own and pushes every event into two rings: engine and osc. Its real-time part
 * never allocates, locks, logs or makes a system call; ALSA's reads and the wake-ups after a JACK cycle are the exceptions.
 */
#ifndef MIDIBERTD_STREAM_SOURCE_H
#define MIDIBERTD_STREAM_SOURCE_H

#include "base/event.h"
#include "base/ring.h"
#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SOURCE_PATTERNS_MAX 16

/* What the source pushes to; owned by the daemon, outlives the source. */
struct source_output {
	struct ring *engine, *osc; /* of struct event */
	int engine_wake, osc_wake; /* base/wake.h */
};

struct source_options {
	const char *client_name;		  /* "midibertd" */
	const char *connect[SOURCE_PATTERNS_MAX]; /* port or client names (exact, or shell patterns) to connect; NULL ends */
	const char *ignore[SOURCE_PATTERNS_MAX];  /* hardware inputs to leave alone */
	int channel;				  /* 1-16, or 0 for all */
	int key_low, key_high;			  /* 0-127 */
	int64_t layers_us; /* live: a key of one input on several channels within so long counts once; 0: each by itself */
	const char *jack_server; /* NULL: default */
	bool server_required;	 /* JACK: fail with STATUS_NOT_FOUND instead of waiting for a server */
	/* file source only */
	const char *path;
	double speed; /* 1 = as written; 0 = virtual clock: as fast as the rings are emptied, nothing is dropped */
	bool loop;
};

/* Counters any thread may read at any time. */
struct source_counters {
	_Atomic uint64_t events;  /* pushed */
	_Atomic uint64_t dropped; /* a ring was full; an event that both rings refuse counts twice */
	_Atomic uint64_t xruns;
	_Atomic uint64_t
	    bad_input; /* stray bytes, unpaired note-offs, refused messages and inputs, stuck keys, broken stamps */
	_Atomic uint64_t doubled;	 /* notes of further layers, not counted as notes */
	_Atomic uint64_t lost_by_server; /* jack_midi_get_lost_event_count, ALSA overruns */
	_Atomic bool waiting;		 /* JACK: its server is away, and tried again and again */
	_Atomic int32_t period_us;	 /* JACK period; 0 where there is none */
	_Atomic int32_t inputs_present;
	_Atomic int32_t last_note_id;
	_Atomic int priority; /* real-time priority that was granted; 0 none */
};

enum source_state {
	SOURCE_WAITING, /* no input has been there yet */
	SOURCE_RUNNING, /* at least one input is there */
	SOURCE_LOST,	/* the last input has gone */
	SOURCE_ENDED	/* a file is over */
};

#define SOURCE_SENSE_US 300000	 /* MIDI 1.0: an input that has sent active sensing and nothing for longer is lost */
#define SOURCE_STUCK_US 60000000 /* a key that is down for longer is stuck: its note ends */

/* A full ring never loses the note-off of a note-on that it took: room for it is kept back. A note-on that only one ring
 * took is numbered, and its note-off goes to both: readers ignore the end of a note that they do not know.
 *
 * Inputs are numbered in order of appearance; a device that returns gets its old number. It is known by its identity:
 * "usb:VENDOR:PRODUCT:SERIAL NAME" where ALSA knows of a USB device (no ":SERIAL" where it has none), else what of its name
 * lasts (docs/INPUTS.md). JACK: one port in_N for each source
 * that is connected by itself or by `connect`, and midi_in for connections made by hand, which share one number. */
struct source; /* source_base.h; each source_*.c has its own struct that begins with it */

/* Main thread. Open connects (or, for live sources whose server is away, keeps trying) and starts the thread.
 * The rings are empty. On failure nothing is left behind and *source is NULL. */
enum status source_open_jack(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error);
enum status source_open_alsa(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error);
enum status source_open_file(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error);

/* JACK if a server runs, else ALSA if the kernel has a sequencer, else an error that names both. */
enum status source_open_auto(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error);

/* Main thread. Ends held notes, stops the thread, closes; returns within a second even if a server hangs. NULL is allowed.
 */
void source_close(struct source *source);

/* Any thread but a real-time one. */
enum source_state source_state(const struct source *source);
const struct source_counters *source_counters(const struct source *source);
/* "jack:default", "alsa:128", "file:piece.mid": written into text, always terminated. */
void source_describe(const struct source *source, char *text, size_t size);
/* Name of an input that was present once; empty if there is none with this number. Written into text, terminated. */
void source_input_name(const struct source *source, int input, char *text, size_t size);
void source_input_identity(const struct source *source, int input, char *text, size_t size); /* likewise */

#endif
