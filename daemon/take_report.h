/* Lets `midibert report` look at a folder of takes after a new one has come, at the lowest priority, one at a time.
 * Recorder's thread. */
#ifndef MIDIBERTD_DAEMON_TAKE_REPORT_H
#define MIDIBERTD_DAEMON_TAKE_REPORT_H

#include <stdbool.h>
#include <sys/types.h>

struct take_report {
	pid_t child; /* 0: none runs */
	bool wanted;
};

void take_report_want(struct take_report *report);
bool take_report_is_busy(const struct take_report *report);
/* Looks after the one that runs; starts one if it is wanted and none runs. */
void take_report_turn(struct take_report *report, const char *folder);
/* At the end: the last one is started, and left to end by itself. */
void take_report_finish(struct take_report *report, const char *folder);

#endif
