/* The journal of a take: everything that was done to the engine, and everything that was sent, in order and with its times,
 * so that it can be done again (docs/RECORD.md). Entries go through rings to the recorder; lines go to a file. No thread, no
 * file of its own. */
#ifndef MIDIBERTD_DAEMON_JOURNAL_H
#define MIDIBERTD_DAEMON_JOURNAL_H

#include "base/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_MAGIC "midibertd take 2"
#define JOURNAL_SUFFIX ".take"
#define JOURNAL_LINE_MAX 2304 /* bytes of a line, terminator included */
#define JOURNAL_TEXT 104

/* Kinds of entry: the letter that begins the line. Small letters: the engine thread; capitals: the osc thread. */
enum journal_kind {
	JOURNAL_ACCEPT = 'a',	  /* event: the engine took it in */
	JOURNAL_INFER = 'i',	  /* now_us */
	JOURNAL_EXPIRE = 'x',	  /* now_us: a time-out or decision was due */
	JOURNAL_FINALISE = 'f',	  /* now_us */
	JOURNAL_RESET = 'r',	  /* now_us, reason: the take is over */
	JOURNAL_TEMPO = 't',	  /* now_us, bpm: of the fixed grid */
	JOURNAL_EVENT = 'E',	  /* now_us, event: its message was sent */
	JOURNAL_PREDICTION = 'P', /* now_us: the next label was sent */
	JOURNAL_RELEASE = 'X',	  /* now_us: continuous values whose turn had come were sent */
	JOURNAL_COMMAND = 'C',	  /* now_us, command, bpm */
	JOURNAL_STATE = 'S',	  /* state: of the osc thread when the take began */
	JOURNAL_IDENTITY = 'D',	  /* input, text: what it is known by, before its name and where that is something else */
	JOURNAL_INPUT = 'N',	  /* input, text: its name */
	JOURNAL_TOLD_TEMPO = 'T', /* now_us, tempo: it was sent */
	JOURNAL_TOLD_BEAT = 'B',  /* now_us, beat: it was sent */
	JOURNAL_MESSAGE = 'M'	  /* text: a message as --print shows it; what the entry before it has sent */
};

enum journal_reason { REASON_PAUSE, REASON_PEDAL, REASON_RESET, REASON_INPUT };

struct journal_state {
	double bpm; /* last told */
	int32_t skipped_first, skipped_last;
	bool paused;
};

struct beat_tempo {
	double bpm, confidence;
	int source; /* enum osc_tempo_source */
};

struct told_beat {
	int bar, beat;
	double confidence, bpm;
	int64_t event_us;
};

struct journal_entry {
	int64_t now_us;
	uint32_t take;	/* counted by resets, from 0: one counter in each of the two threads */
	uint8_t kind;	/* enum journal_kind */
	uint8_t number; /* reason, command or input; of ACCEPT: the velocity that the engine was told */
	uint8_t fine;	/* of ACCEPT: further seven bits of that velocity */
	bool more;	/* the text goes on in the next entry */
	union {
		struct event event;
		double bpm;
		struct journal_state state;
		struct beat_tempo tempo;
		struct told_beat beat;
		char text[JOURNAL_TEXT];
	} as;
};

/* Writes an entry as a line with its newline; text stands in for the entry's own (which may be one of several pieces).
 * Returns its length. */
size_t journal_write(const struct journal_entry *entry, const char *text, char line[JOURNAL_LINE_MAX]);

/* Reads a line without its newline; untrusted. *text points into it, or is NULL. False: not a line of a journal. */
bool journal_read(const char *line, struct journal_entry *entry, const char **text);

/* Whether a message, as --print shows it, is one that a repetition does not send again: how the daemon fares, and what it
 * is. */
bool journal_is_passing(const char *message);

#endif
