/* The OSC name space, version 1: the one table of addresses. What is sent is encoded from it, what arrives is looked up in
 * it, --list-osc prints it, docs/OSC.md is made from it. Constant data; any thread. */
#ifndef MIDIBERTD_OSC_NAMESPACE_H
#define MIDIBERTD_OSC_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OSC_SPEC_ARGUMENTS_MAX 8

enum osc_address {
	/* out: to every target and subscriber whose pattern matches */
	OSC_NOTE,
	OSC_NOTE_OFF,
	OSC_PEDAL,
	OSC_MELODY,
	OSC_MELODY_ON,
	OSC_MELODY_OFF,
	OSC_VELOCITY,
	OSC_VELOCITY_HIDDEN,
	OSC_STYLE,
	OSC_STYLE_NAME,
	OSC_STYLE_PROBS,
	OSC_STYLE_LABELS,
	OSC_EMOTION,
	OSC_EMOTION_NAME,
	OSC_EMOTION_PROBS,
	OSC_EMOTION_LABELS,
	OSC_TEMPO,
	OSC_BEAT,
	OSC_LATENCY,
	OSC_STATUS,
	OSC_STATUS_SESSION,
	OSC_STATUS_MODEL,
	OSC_STATUS_SOURCE,
	OSC_INPUT,
	OSC_PANIC,
	OSC_ERROR,
	/* out: answers, to the sender of a control message only (a challenge: to the port that it is about) */
	OSC_SUBSCRIBED,
	OSC_CHALLENGE,
	OSC_PONG,
	OSC_SUBSCRIBER,
	OSC_STATS_TOTAL,
	OSC_STATS_RECEIVER,
	OSC_OUT_END,
	/* in: control */
	OSC_IN_SUBSCRIBE = OSC_OUT_END,
	OSC_IN_CONFIRM,
	OSC_IN_UNSUBSCRIBE,
	OSC_IN_PING,
	OSC_IN_RESET,
	OSC_IN_PAUSE,
	OSC_IN_RESUME,
	OSC_IN_SUBSCRIBERS,
	OSC_IN_STATS,
	OSC_IN_TEMPO_SET,
	OSC_IN_TAP,
	OSC_IN_MODEL_LOAD,
	OSC_ADDRESSES
};

enum osc_direction { OSC_DIRECTION_OUT, OSC_DIRECTION_IN };

/* One argument, for people and for tools. unit "" where there is none. minimum == maximum: not bounded. */
struct osc_argument {
	const char *name, *unit;
	double minimum, maximum;
};

struct osc_spec {
	const char *address;
	/* Out: one type a character; "f..." and "s..." repeat the last one, at least once.
	 * In: the accepted forms, parted by '|', "none" for no argument: "none|i|s|is". Numbers are taken as i or f. */
	const char *types;
	struct osc_argument argument[OSC_SPEC_ARGUMENTS_MAX]; /* in the order of the longest form; unused: name NULL */
	enum osc_direction direction;
	bool stream;	 /* goes to targets and subscribers; false: answers and control */
	bool continuous; /* at most OSC_CONTINUOUS_PER_SECOND, the newest wins */
	const char *description;
};

#define OSC_CONTINUOUS_PER_SECOND 30

extern const struct osc_spec osc_namespace[OSC_ADDRESSES]; /* indexed by enum osc_address */

/* Index of an exact address in one direction, or -1. */
int osc_namespace_find(enum osc_direction direction, const char *address);

/* Type tags of `count` arguments of an out address, written into types[count + 1]; false when it cannot have so many. */
bool osc_namespace_types(enum osc_address address, size_t count, char *types);

/* Both tables, tab-separated, a line an address, no heading:
 *   out|in  address  types  arguments  description
 * types is "none" for no argument; arguments are "name [unit] [minimum..maximum]", parted by ", ", or "-".
 * Returns 0, or -1 when writing failed. */
int osc_namespace_list(FILE *file);

#endif
