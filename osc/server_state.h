/* What the files of the server share: its state, and the calls between server.c (life, settings), broadcast.c (to the wire),
 * publish.c (which message an event or prediction becomes), roster.c (who receives), targets.c (receivers that the options
 * name) and control.c (what arrives).
 * Nothing outside osc/ includes this but the tests and the fuzzer. */
#ifndef MIDIBERTD_OSC_SERVER_STATE_H
#define MIDIBERTD_OSC_SERVER_STATE_H

#include "osc/challenge.h"
#include "osc/endpoint.h"
#include "osc/message.h"
#include "osc/networks.h"
#include "osc/rate.h"
#include "osc/receiver.h"
#include "osc/resolver.h"
#include "osc/server.h"

#define ROSTER_MAX (OSC_TARGETS_MAX + OSC_SUBSCRIBERS_MAX)
#define LABEL_MAX 64
#define TEXT_MAX 256
#define PEDALS 3
#define INDEX_CONTROL ROSTER_MAX /* in epoll, behind the receivers */
#define INDEX_NAMES (ROSTER_MAX + 1)
#define WANTS_ALL (~UINT64_C(0))
#define CONTINUOUS_INTERVAL_US (1000000 / OSC_CONTINUOUS_PER_SECOND + 1)

/* A continuous value: when the next may go out, and whether one waits for that. */
struct pace {
	int64_t next_us;
	bool waiting;
};

struct osc_server {
	int epoll, control;    /* control, every subscriber's socket and the resolver's news are in epoll */
	struct endpoint local; /* that control is bound to */
	struct networks networks;
	enum osc_timing timing;
	FILE *print;
	void (*say)(const char *text);
	struct osc_tap tap;
	void (*told)(void *context, const char *line);
	void *told_context;
	bool unthrottled, repeated;
	int max_subscribers;
	int64_t start_us;
	int64_t unix_offset_us; /* Unix time minus monotonic time */
	int64_t clock_check_us; /* when to measure it again */
	int64_t reconnect_us;	/* when to look after troubled receivers again */

	struct receiver receiver[ROSTER_MAX];
	struct resolver *resolver; /* of targets that were given as names; NULL: none was */
	struct challenge_table challenges;
	struct rate error_rate, answer_rate, challenge_rate, brief_rate; /* answer: errors to who sent something wrong */

	/* remembered for new subscribers */
	char session[TEXT_MAX], model[TEXT_MAX], source[TEXT_MAX];
	char label[OSC_LABEL_KINDS][CLASSES_MAX][LABEL_MAX];
	int labels[OSC_LABEL_KINDS];
	bool input_present[INPUTS_MAX];
	char input_name[INPUTS_MAX][TEXT_MAX];
	bool tempo_known, status_known;
	union osc_value tempo[3], status[7];

	/* continuous values */
	struct pace prediction_pace[OSC_LABEL_KINDS], pedal_pace[PEDALS][INPUTS_MAX], tempo_pace;
	struct prediction waiting_prediction[OSC_LABEL_KINDS];
	struct event waiting_pedal[PEDALS][INPUTS_MAX];
	int64_t earliest_us; /* when the first value that waits may go out; INT64_MAX: none waits */

	struct osc_server_statistics count;
};

/* ---- broadcast.c ---- */

/* Sends to every receiver that wants the address. time_us is for time tags. Returns as osc_server_send_* do. */
int64_t broadcast_send(struct osc_server *server, enum osc_address address, const union osc_value *values, size_t count,
		       int64_t time_us);
/* Sends to one receiver, if it wants the address; NULL: to the tap alone. */
void broadcast_send_one(struct osc_server *server, struct receiver *receiver, enum osc_address address,
			const union osc_value *values, size_t count);
/* Answers from the control socket, plain; to NULL: to the tap alone. */
void broadcast_answer(struct osc_server *server, const struct endpoint *to, enum osc_address address,
		      const union osc_value *values, size_t count);
void broadcast_measure_clock(struct osc_server *server);

/* ---- publish.c ---- */

/* Tells a new subscriber, or the tap (NULL), what others already know. */
void publish_brief(struct osc_server *server, struct receiver *receiver);
int64_t publish_labels(struct osc_server *server, enum osc_label_kind kind);
/* Sends continuous values whose turn has come by now_us; INT64_MAX: all. */
void publish_waiting(struct osc_server *server, int64_t now_us);

/* ---- roster.c ---- */

/* name: its number in the resolver, from 1, and then peer's size is 0 until the resolver knows; 0: none. */
enum status roster_add_fixed(struct osc_server *server, const struct endpoint *peer, int name, struct error *error);
void roster_move_fixed(struct osc_server *server, struct receiver *target, const struct endpoint *peer);
struct receiver *roster_find(struct osc_server *server, const struct endpoint *peer);
/* Begins or renews a lease; NULL, with a reason: the table is full or there is no socket. */
struct receiver *roster_subscribe(struct osc_server *server, const struct endpoint *peer, const char *pattern,
				  int64_t now_us, const char **reason);
void roster_unsubscribe(struct osc_server *server, struct receiver *receiver);
int roster_subscribers(const struct osc_server *server);
void roster_expire(struct osc_server *server, int64_t now_us);
int64_t roster_deadline(const struct osc_server *server);
/* Addresses that a pattern (checked) matches, one bit each. */
uint64_t roster_wanted(const char *pattern);

/* ---- targets.c ---- */

enum status targets_add(struct osc_server *server, const char *const *texts, size_t count, struct error *error);
/* Takes in what the resolver has learnt. */
void targets_follow(struct osc_server *server, int64_t now_us);

/* ---- control.c ---- */

/* One datagram from the network. */
void control_take(struct osc_server *server, const void *datagram, size_t size, const struct endpoint *sender,
		  int64_t now_us, const struct osc_command_sink *sink);
bool control_allows(const struct osc_server *server, const struct endpoint *host);

#endif
