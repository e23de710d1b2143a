/* Labels of single notes for a task of one's own: a text FILE.labels.tsv beside FILE.mid, of lines `index<TAB>label`. The
 * index is the note's number in order of arrival from 1: the id that `midibert predict` and the daemon give it. Notes that
 * are not listed have no label. Blank lines, CRLF and a UTF-8 byte-order mark are taken. Offline; allocates. The bytes are
 * untrusted. */
#ifndef MIDIBERTD_TRAIN_NOTE_LABELS_H
#define MIDIBERTD_TRAIN_NOTE_LABELS_H

#include "train/dataset.h"

/* Fills piece->names and the notes' `label`. No file: STATUS_OK, nothing labelled. midi_path: of the MIDI file. */
enum status note_labels_read(const char *midi_path, struct piece *piece, struct error *error);
/* The same from memory; path is for messages. */
enum status note_labels_parse(const char *bytes, size_t size, const char *path, struct piece *piece, struct error *error);

#endif
