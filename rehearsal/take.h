/* One take: the notes of a recording with everything that is found out about them, and the stretches of time ("units":
 * bars, or seconds where no beat is known) that figures are given by. Offline; allocates; one thread. The file's bytes are
 * untrusted. */
#ifndef MIDIBERTD_REHEARSAL_TAKE_H
#define MIDIBERTD_REHEARSAL_TAKE_H

#include "base/prediction.h"
#include "base/status.h"
#include "stream/touch.h"
#include "train/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAKE_HOURS_MAX 6 /* longer recordings are refused: a report is of one take */
#define TAKE_NEIGHBOURS                                                                                                     \
	64 /* most notes that are looked at on either side of one: a bound on files of nothing but chords                   \
	    */
#define TAKE_SPREAD_WIDE 16.0 /* the width of a dynamic level: an expectation less sure than that is not spoken of */

enum take_voice { VOICE_MELODY, VOICE_BRIDGE, VOICE_ACCOMPANIMENT, VOICES, VOICE_UNKNOWN = -1 };
enum take_hand { HAND_LEFT, HAND_RIGHT, HANDS, HAND_UNKNOWN = -1 };
enum take_grid { TAKE_GRID_AUTO, TAKE_GRID_BAR, TAKE_GRID_SECOND };

struct take_note {
	int64_t onset_us, end_us;  /* from the start of the file; end: key release */
	uint8_t pitch, velocity;   /* velocity: by the keyboard's curve, where there is one */
	uint8_t keyboard_velocity; /* as it was sent */
	uint8_t fine;		   /* further 128ths of velocity (controller 88) */
	uint16_t track;
	size_t unit; /* index into units */
	double beat; /* within its bar, from 1; 0 where no beat is known */
	/* expect.h */
	int voice;		 /* enum take_voice */
	double voice_confidence; /* 0-1 */
	double expected, spread; /* MIDI velocity; NAN without a model that says */
	/* hands.h */
	int hand; /* enum take_hand */
	double hand_confidence;
	/* voicing.h; NAN where there is nothing to measure */
	double lead_ms;	   /* melody notes: how much earlier than what sounds with it */
	double overlap_ms; /* melody notes: release after the next melody onset; negative: a gap */
	/* runs.h */
	int run; /* index into runs, or -1 */
};

struct take_unit {
	int64_t start_us, end_us;
	double bpm; /* quarter notes a minute, a mean over the bar; NAN where no beat is known */
};

struct take_pedal { /* sustain pedal down */
	int64_t start_us, end_us;
};

struct take {
	char *path;
	char device[TOUCH_DEVICE_MAX];	 /* name of the first track that has one: the daemon's recordings name the input */
	char identity[TOUCH_DEVICE_MAX]; /* its device's name: recordings have there what the input is known by */
	char *curve;		 /* file of the velocity curve that was used; NULL: velocities are the keyboard's own */
	struct take_note *notes; /* in order of arrival */
	size_t count;
	struct take_unit *units;
	size_t unit_count;
	bool has_beat;	     /* units are bars */
	bool quantised;	     /* onsets lie on the file's grid: a score, or a player straightened out; times tell nothing */
	double beat_support; /* how closely onsets follow the file's beats, 0-1: what has_beat was decided by */
	struct take_pedal *pedals;
	size_t pedal_count;
	bool pedal_recorded;	/* any sustain pedal event is in the file */
	int hand_tracks[HANDS]; /* tracks that hold one hand each, or -1 */
	struct piece piece;	/* the same notes, as a model hears them */
	/* expect.h */
	bool has_voices; /* melody and accompaniment are told apart, and believably */
	bool has_expected;
	size_t melody_notes; /* that the model heard, believable or not */
	double level;	     /* played minus expected, median over notes whose expectation is not wide; NAN without */
	double expected_in[DYNAMICS]; /* notes expected in each dynamic level: sums of probabilities */
	int played_in[DYNAMICS];
};

/* On failure *take is empty. A file without notes is refused (STATUS_UNSUPPORTED): there is nothing to report. */
enum status take_read(const char *path, enum take_grid grid, struct take *take, struct error *error);
/* After take_read: translates velocities by the keyboard's curve. curve: a file; "none"; or "auto": the one that is kept for
 * the take's device, if there is one. */
enum status take_calibrate(struct take *take, const char *curve, struct error *error);
void take_free(struct take *take); /* leaves *take empty */

/* Whether the expectation of a note is narrow enough to be spoken of. */
bool take_is_judged(const struct take_note *note);
/* Its velocity with what a finer one adds. */
static inline double take_played(const struct take_note *note)
{
	return (double)note->velocity + (double)note->fine / 128;
}
/* Played minus expected, less the take's own level: what is left when a pianist plays, or a keyboard is, louder on the
 * whole. NAN where the note is not judged. */
double take_deviation(const struct take *take, const struct take_note *note);

/* Everything that is known and not melody. */
static inline bool take_accompanies(const struct take_note *note)
{
	return note->voice == VOICE_BRIDGE || note->voice == VOICE_ACCOMPANIMENT;
}

/* Unit that holds a time; times outside go to the first or last. */
size_t take_unit_at(const struct take *take, int64_t us);

#endif
