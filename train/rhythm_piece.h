/* A performance with its true beats, as the beat tracker is trained and judged on it: events in the order of a live stream,
 * and what is to be said of each onset. Offline; allocates. */
#ifndef MIDIBERTD_TRAIN_RHYTHM_PIECE_H
#define MIDIBERTD_TRAIN_RHYTHM_PIECE_H

#include "base/random.h"
#include "stream/rhythm.h"
#include "stream/timeline.h"
#include "train/beats.h"

struct rhythm_piece {
	char *path;
	struct timeline timeline;
	struct beat_marks beats;
};

struct rhythm_pieces {
	struct rhythm_piece *items;
	size_t count, skipped; /* skipped: files without beats or notes, each named on standard error */
};

/* Reads manifests of MIDI files; beats lie beside them (train/beats.h). */
enum status rhythm_pieces_read(const char *const *manifests, size_t count, struct rhythm_pieces *pieces,
			       struct error *error);
void rhythm_pieces_free(struct rhythm_pieces *pieces);

enum rhythm_truth_kind {
	TRUTH_UNKNOWN,
	TRUTH_BETWEEN,
	TRUTH_BEAT,
	TRUTH_DOWNBEAT
}; /* unknown: outside the annotated part */

struct rhythm_truth {
	int64_t onset_us;
	float phase; /* from the beat before, 0 to 1; -0.3 and more where the onset belongs to the next beat */
	uint8_t kind, period;
};

/* A piece heard onset by onset. */
struct rhythm_lesson {
	size_t count;
	float (*input)[RHYTHM_INPUTS];
	struct rhythm_truth *truth;
};

/* How much the time of a piece is disturbed for training; what else is disturbed does not change. */
struct rhythm_rubato {
	double stretch; /* so many octaves slower or faster, at most */
	double depth;	/* half of the pieces: the tempo swings by this share, at most, in waves of seconds */
};

/* random NULL: as it was played. False: no memory. */
bool rhythm_lesson_new(const struct rhythm_piece *piece, const struct rhythm_rubato *rubato, struct random *random,
		       struct rhythm_lesson *lesson);
void rhythm_lesson_free(struct rhythm_lesson *lesson);

#endif
