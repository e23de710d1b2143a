/* --doctor: what this machine grants and lacks, in words, with the way out. Main thread. */
#ifndef MIDIBERTD_DAEMON_DOCTOR_H
#define MIDIBERTD_DAEMON_DOCTOR_H

#include "daemon/options.h"

#include <stdio.h>

/* Writes one line a check: ok, note or FAIL, what, and how it is. Returns how many failed. */
int doctor_run(const struct options *options, FILE *file);

/* --version: the program, its code path, and each library as it was really loaded. */
void doctor_version(FILE *file);

#endif
