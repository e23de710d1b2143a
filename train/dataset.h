/* Pieces to train and evaluate on: a manifest of MIDI files, read through the same timeline and grid as a live file source.
 * Offline; allocates; reading is parallel over files and its result does not depend on the number of threads. */
#ifndef MIDIBERTD_TRAIN_DATASET_H
#define MIDIBERTD_TRAIN_DATASET_H

#include "base/status.h"
#include "model/shape.h"
#include "stream/octuple.h"

#include <stddef.h>
#include <stdint.h>

enum melody_class { MELODY_MELODY, MELODY_BRIDGE, MELODY_ACCOMPANIMENT, MELODY_NONE = -1 };

#define NOTE_LABELS_MAX 127 /* different labels of notes in one file */
#define NOTE_LABEL_NONE (-1)

struct piece_note {
	struct place place;
	int64_t onset_us, end_us;   /* of the file's time; end: key release */
	int64_t position;	    /* grid position of the onset */
	int32_t duration_positions; /* 0 and up */
	uint8_t pitch, velocity;
	int8_t melody; /* enum melody_class, from the track's name (MELODY, BRIDGE, PIANO), or MELODY_NONE */
	int8_t label;  /* of a task of one's own (train/note_labels.h): index into piece.names, or NOTE_LABEL_NONE */
};

struct piece {
	char *path;
	char *label;		    /* second column of the manifest, or NULL */
	struct piece_note *notes;   /* in order of arrival (stream/timeline.h) */
	struct piece_note *tracked; /* the same on the beat tracker's grid (train/tracked.h), or NULL */
	size_t count;
	char (*names)[LABEL_NAME_MAX]; /* of note labels; NULL if there are none */
	int name_count;
	int set; /* index of the manifest it came from */
};

struct dataset {
	struct piece *pieces;
	size_t count;
	size_t notes;	/* of all pieces */
	size_t skipped; /* files that could not be read; each was named on standard error */
};

/* Reads manifests (path or path<TAB>label, relative to the manifest's folder). A bad line or file is named with its reason
 * on standard error, skipped and counted; an unreadable manifest fails. */
enum status dataset_read(const char *const *manifests, size_t count, struct dataset *dataset, struct error *error);
/* One file, no manifest, no labels of notes. */
enum status dataset_read_file(const char *path, struct piece *piece, struct error *error);
void dataset_free(struct dataset *dataset);
void piece_free(struct piece *piece);

#endif
