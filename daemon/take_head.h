/* What stands at the head of a journal: everything a repetition needs beside the entries. Written by the recorder, read by
 * the repetition. Allocates. */
#ifndef MIDIBERTD_DAEMON_TAKE_HEAD_H
#define MIDIBERTD_DAEMON_TAKE_HEAD_H

#include "base/event.h"
#include "daemon/options.h"
#include "daemon/setup.h"
#include "stream/smf.h"

#define TAKE_NAME_MAX 128

struct take_head {
	int64_t start_us; /* on the monotonic clock: where OSC times count from */
	char session[64]; /* Unix time of that, seconds */
	char source[256]; /* as /midibert/status/source has it */
	char model[4096], sha256[80], backend[64], version[64];
	double bpm;	 /* when the take began; of the fixed grid */
	char *settings;	 /* options that were given, as a configuration file has them; to be written: each after "set " */
	struct smf *map; /* tempo map of a file grid; NULL: none */
	char input[INPUTS_MAX][TAKE_NAME_MAX],
	    identity[INPUTS_MAX][TAKE_NAME_MAX]; /* identity: empty where it is the name */
};

/* Main thread. From what is running. */
enum status take_head_fill(struct take_head *head, const struct options *options, const struct setup *setup,
			   int64_t start_us, struct error *error);
void take_head_set_session(struct take_head *head, const char *session, const char *source);
void take_head_free(struct take_head *head); /* an empty one is allowed */

/* Recorder's thread. */
void take_head_set_input(struct take_head *head, int input, const char *name);
void take_head_set_identity(struct take_head *head, int input, const char *identity);
/* The lines, first one included; NULL without memory. The caller frees them. */
char *take_head_text(const struct take_head *head, double bpm, size_t *length);

/* One line of a head, without its newline; untrusted. *is_head: it was one (an empty line ends the head). Start with an
 * empty head. *error gives the reason alone. */
enum status take_head_read(struct take_head *head, const char *line, bool *is_head, struct error *error);

#endif
