/* From events and predictions to the wire: encodes each message once and sends it, without blocking, to the fixed targets
 * and to every subscriber; receives control messages, answers those that concern osc itself, and hands on the others.
 *
 * How the daemon uses it:
 *	osc_server_open(&options, &server, &error);             main thread
 *	osc_server_set_labels(...); osc_server_set_model(...);  main thread, before the osc thread starts
 *	loop {                                                  osc thread, which alone uses the server from here on
 *		poll(osc_server_fd(server) and the wake, until osc_server_deadline(server));
 *		osc_server_receive(server, clock_now_us(), &sink);
 *		while (ring_pop(...)) osc_server_send_event(...), osc_server_send_prediction(...);
 *		osc_server_expire(server, clock_now_us());
 *	}
 *	osc_server_close(server);                               main thread, after the osc thread has ended
 *
 * No call blocks, but osc_server_open for two seconds at most where targets are names, and the terminal that `print` may be.
 * Names are looked up in a thread of the server's own, again and again: one that is not known yet, or moves, is found.
 *Sending allocates (inside liblo); nothing here is for a real-time thread. Times are on the monotonic clock (base/clock.h);
 *now_us is handed in, so that a virtual clock and tests can hand in their own.
 *
 * Every osc_server_send_* returns the time at which the last send(2) of the message returned (clock_now_us), or 0 when
 * nothing was sent: nobody wants it, or a continuous value waits for its turn. */
#ifndef MIDIBERTD_OSC_SERVER_H
#define MIDIBERTD_OSC_SERVER_H

#include "base/event.h"
#include "base/prediction.h"
#include "base/status.h"
#include "osc/namespace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define OSC_TARGET_DEFAULT "127.0.0.1:57120"
#define OSC_CONTROL_DEFAULT "127.0.0.1:9109"
#define OSC_TARGETS_MAX 16
#define OSC_SUBSCRIBERS_MAX 64 /* ever; options may ask for fewer */
#define OSC_SUBSCRIBERS_DEFAULT 32
#define OSC_LEASE_SECONDS 60
#define OSC_CHALLENGE_SECONDS 10

enum osc_timing {
	OSC_TIMING_IMMEDIATE, /* plain messages */
	OSC_TIMING_BUNDLE     /* each in a bundle with the NTP time of its event; answers to control stay plain */
};

struct osc_server_options {
	const char *const *targets; /* "HOST:PORT", "[V6]:PORT"; none: nobody but subscribers */
	size_t target_count;
	const char *control;	  /* "HOST:PORT"; NULL: OSC_CONTROL_DEFAULT. Port 0: any free one, see osc_server_port */
	const char *const *allow; /* networks "10.0.0.0/8", "fe80::/10", "192.168.1.7" beside loopback, which always is */
	size_t allow_count;
	bool allow_local; /* and the networks that this computer is in, as they change */
	enum osc_timing timing;
	void (*say)(const char *text); /* told when a target's name is not known, and when it is or moves; NULL: nobody */
	FILE *print;	     /* --print: one line a message that was sent; NULL: none. Flushed by osc_server_expire */
	int max_subscribers; /* 0: OSC_SUBSCRIBERS_DEFAULT */
	int64_t start_us;    /* the daemon's start: OSC times in ms count from here */
	bool unthrottled;    /* virtual clock: continuous values are all sent, so that output does not depend on speed */
	bool repeated;	     /* a recording is played again: nothing is sent that depends on when */
	/* Called in the osc thread with every message for everybody, as `print` would show it, whether or not a receiver
	 * took it; not with answers. NULL: nobody asks. */
	void (*told)(void *context, const char *line);
	void *told_context;
};

struct osc_server;

/* ---- main thread ---- */

/* Binds the control socket, makes one socket a target. *error names the address and the way out: an occupied port is
 * STATUS_IO, a control address that is not known STATUS_NOT_FOUND, a malformed address STATUS_USAGE. A target's name may be
 * unknown: it is tried again. On failure
 * nothing is left behind. */
enum status osc_server_open(const struct osc_server_options *options, struct osc_server **server, struct error *error);
void osc_server_close(struct osc_server *server); /* sends what still waits for its turn; NULL is allowed */

/* Checks without opening or resolving anything, for --check-config: "HOST:PORT" and "NET/BITS". */
enum status osc_server_check_endpoint(const char *text, struct error *error);
enum status osc_server_check_network(const char *text, struct error *error);

/* Where every message of the stream goes beside its receivers: as it is encoded for them, plain, in the osc thread, and
 * whether or not anybody else wants it. take() neither blocks nor keeps the datagram. */
struct osc_tap {
	void (*take)(void *context, enum osc_address address, const void *datagram, size_t size);
	void *context;
};
/* Before the osc thread starts. The tap gets at once what a new subscriber would. */
void osc_server_set_tap(struct osc_server *server, const struct osc_tap *tap);

/* ---- osc thread, or the main thread before the osc thread starts ---- */

/* Readable when a control message has arrived. One descriptor for the life of the server. */
int osc_server_fd(const struct osc_server *server);
/* The port that control is bound to. */
int osc_server_port(const struct osc_server *server);

enum osc_label_kind { OSC_LABELS_STYLE, OSC_LABELS_EMOTION, OSC_LABEL_KINDS };

/* Names of the classes; copied, sent to everybody, and to each new subscriber. count 0: there is no such head. A set whose
 * message would be longer than a datagram may be is refused with STATUS_UNSUPPORTED. */
enum status osc_server_set_labels(struct osc_server *server, enum osc_label_kind kind, const char *const *labels, int count,
				  struct error *error);
/* Whether osc_server_set_labels would take them. Any thread. */
enum status osc_server_check_labels(enum osc_label_kind kind, const char *const *labels, int count, struct error *error);
/* /midibert/status/model and /status/source, sent to everybody and to each new subscriber; copied, cut at 255 bytes.
 * /midibert/status/session is the server's own: the start's Unix time in seconds, with microseconds, as text. */
int64_t osc_server_set_model(struct osc_server *server, const char *text);
int64_t osc_server_set_source(struct osc_server *server, const char *text);
const char *osc_server_session(const struct osc_server *server);

/* /note, /note/off, /pedal. Other kinds of event send nothing: see osc_server_send_input. Pedals are continuous. */
int64_t osc_server_send_event(struct osc_server *server, const struct event *event, int64_t now_us);
/* /input, from EVENT_INPUT_PRESENT and EVENT_INPUT_GONE; remembered for new subscribers. name NULL: the one it had. */
int64_t osc_server_send_input(struct osc_server *server, int input, bool present, const char *name);
/* /melody, /melody/on, /melody/off, /velocity, /velocity/hidden; /style and /emotion with /name and /probs (continuous);
 * PREDICT_RESET is /panic. */
int64_t osc_server_send_prediction(struct osc_server *server, const struct prediction *prediction, int64_t now_us);
int64_t osc_server_send_panic(struct osc_server *server);

enum osc_tempo_source { OSC_TEMPO_GRID, OSC_TEMPO_FIXED, OSC_TEMPO_TAP, OSC_TEMPO_TRACKER, OSC_TEMPO_JACK, OSC_TEMPO_CLOCK };
/* Remembered for new subscribers; continuous. */
int64_t osc_server_send_tempo(struct osc_server *server, double bpm, double confidence, enum osc_tempo_source source,
			      int64_t now_us);
int64_t osc_server_send_beat(struct osc_server *server, int bar, int beat, double confidence, double bpm, int64_t event_us);

struct osc_latency {
	float p50_ms, p95_ms, p99_ms, period_ms;
};
int64_t osc_server_send_latency(struct osc_server *server, const struct osc_latency *latency);

enum osc_state { OSC_STATE_WAITING, OSC_STATE_PLAYING, OSC_STATE_PAUSED, OSC_STATE_INPUT_LOST };
struct osc_status {
	enum osc_state state;
	int32_t last_note_id;
	uint64_t dropped;
	int window_fill;
	uint64_t xruns, bad_input; /* counts saturate at 2^31 - 1 on the wire; subscribers are counted by the server */
};
/* Remembered for new subscribers. Once a second, and at once when the state changes. */
int64_t osc_server_send_status(struct osc_server *server, const struct osc_status *status);

/* /midibert/error to everybody: something went wrong that no control message asked for. At a bounded rate. */
int64_t osc_server_send_error(struct osc_server *server, const char *code, const char *text, int64_t now_us);

/* ---- control ---- */

enum osc_command_kind {
	OSC_COMMAND_RESET,
	OSC_COMMAND_PAUSE,
	OSC_COMMAND_RESUME,
	OSC_COMMAND_TEMPO_SET, /* bpm, 16-256 */
	OSC_COMMAND_TAP,       /* arrival_us is the tap */
	OSC_COMMAND_MODEL_LOAD /* path */
};

struct osc_command {
	enum osc_command_kind kind;
	int64_t arrival_us; /* now_us of the osc_server_receive that read it */
	double bpm;
	char path[256];
	struct sockaddr_storage sender; /* for osc_server_answer_error */
	socklen_t sender_size;
};

/* Called from osc_server_receive, in its thread. The command is borrowed. */
struct osc_command_sink {
	void (*take)(void *context, const struct osc_command *command);
	void *context;
};

/* Reads what has arrived, at most 16 datagrams a call (the descriptor stays readable for the rest). Subscribe, confirm,
 * unsubscribe, ping, subscribers and stats are answered here; malformed and unknown messages get /midibert/error, at a
 * bounded rate. Commands from a network that is not allowed are refused. */
void osc_server_receive(struct osc_server *server, int64_t now_us, const struct osc_command_sink *sink);

/* Tells the sender of a command why it was not done. At a bounded rate. */
void osc_server_answer_error(struct osc_server *server, const struct osc_command *command, const char *code,
			     const char *text, int64_t now_us);

/* /midibert/status/model to the sender of a command, unless the stream has brought it there. */
void osc_server_answer_model(struct osc_server *server, const struct osc_command *command);

/* Ends leases and challenges that have run out, sends continuous values whose turn has come, flushes `print`. */
void osc_server_expire(struct osc_server *server, int64_t now_us);
/* The continuous values alone: those whose turn has come (INT64_MAX: all), and when the next one's will (INT64_MAX: none
 * waits). */
void osc_server_release(struct osc_server *server, int64_t now_us);
int64_t osc_server_release_due(const struct osc_server *server);
/* When osc_server_expire has something to do next; INT64_MAX: nothing. */
int64_t osc_server_deadline(const struct osc_server *server);

/* ---- counts ---- */

struct osc_server_statistics {
	int subscribers, targets;
	uint64_t messages;	    /* encoded and sent to at least one receiver */
	uint64_t sent, failed;	    /* datagrams, all receivers; failed: the system refused (full buffer, unreachable) */
	uint64_t refused_by_target; /* ICMP said that nobody listens at a port; the message may be lost */
	uint64_t received, malformed, refused; /* control datagrams; refused: not allowed, table full, rate */
	uint64_t too_long; /* messages that did not fit a datagram and were not sent: a programming error */
	uint64_t replaced; /* continuous values overtaken by a newer one before their turn */
};
void osc_server_statistics(const struct osc_server *server, struct osc_server_statistics *statistics);
/* Gives the tap what /midibert/stats is answered with. */
void osc_server_tap_statistics(struct osc_server *server);

#endif
