/* Tells tempo and beats: from what the live beat says (struct beat_cue) to /midibert/tempo and /midibert/beat, each beat at
 * its time, however busy the engine is. One thread, the osc thread; in virtual time whoever plays. */
#ifndef MIDIBERTD_DAEMON_ANNOUNCER_H
#define MIDIBERTD_DAEMON_ANNOUNCER_H

#include "daemon/recorder.h"
#include "osc/server.h"
#include "stream/beat.h"

struct announcer {
	struct osc_server *server;
	struct recorder *recorder; /* NULL: nothing is recorded */
	/* private */
	struct beat_cue cue;
	bool cued, told;
	double due_us;		 /* of the next beat: cue.next_us and whole beats after it */
	struct beat_tempo tempo; /* last told */
	bool told_beat;
	uint32_t session; /* of the beat that was told last */
	int64_t bar;
	int beat;
};

/* A new cue. Beats of the one before that were due until now go first. take: for the recorder. */
void announcer_take(struct announcer *announcer, const struct beat_cue *cue, uint32_t take, int64_t now_us);
/* Sends beats that are due at now_us. */
void announcer_expire(struct announcer *announcer, uint32_t take, int64_t now_us);
int64_t announcer_deadline(const struct announcer *announcer); /* of announcer_expire; INT64_MAX: nothing is known */

#endif
