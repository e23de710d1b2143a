/* The files of one take: its journal, grown line by line, and the MIDI file that is made from it. Recorder's thread or main;
 * allocates and blocks. */
#ifndef MIDIBERTD_DAEMON_TAKE_FILE_H
#define MIDIBERTD_DAEMON_TAKE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

#define TAKE_PATH_MAX 4096

/* Makes PATH.mid from PATH.take: every note and pedal that the engine took in, by the times at which they happened, at the
 * tempo in force when the take began, so that a bar line is where the daemon had one. Written beside its place and renamed:
 * there is never half of it. STATUS_NOT_FOUND: the take has no notes, and no file was made. */
enum status take_file_make_midi(const char *journal_path, struct error *error);

/* Looks through a folder after a power cut: journals that nobody writes and that have no MIDI file get one; those without
 * a note are removed. Says on standard error what it did. */
void take_file_recover(const char *folder);

/* Bytes of all files in a folder. */
size_t take_file_folder_bytes(const char *folder);

#endif
