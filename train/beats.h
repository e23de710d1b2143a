/* True beats of a MIDI file, as its corpus annotates them: NAME_annotations.txt beside NAME.mid (ASAP: time, time, kind,
 * where db begins a bar), or beat_midi.txt in its folder (POP909: time, half bar, bar). Offline; allocates. The bytes are
 * untrusted. */
#ifndef MIDIBERTD_TRAIN_BEATS_H
#define MIDIBERTD_TRAIN_BEATS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct beat_mark {
	double seconds; /* from the start of the file; each is later than the one before */
	bool downbeat;
};

struct beat_marks {
	struct beat_mark *marks;
	size_t count;
};

/* STATUS_NOT_FOUND: no annotations lie beside this file. Two marks within 50 ms are one. On failure *marks is empty. */
enum status beat_marks_read(const char *midi_path, struct beat_marks *marks, struct error *error);
void beat_marks_free(struct beat_marks *marks); /* leaves *marks empty */

#endif
