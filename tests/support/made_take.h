/* Takes made note by note, whose truth is known: what rehearsal/ is tested on. Bars last two seconds. */
#ifndef MIDIBERTD_TESTS_MADE_TAKE_H
#define MIDIBERTD_TESTS_MADE_TAKE_H

#include "rehearsal/expect.h"
#include "rehearsal/take.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MADE_NOTES 4096
#define MADE_BAR_US 2000000
#define MADE_SPREAD 10

static inline struct take made_take(size_t bars)
{
	struct take take = {.has_beat = true, .level = (double)NAN, .hand_tracks = {-1, -1}, .unit_count = bars};
	take.path = calloc(1, sizeof "made.mid");
	take.notes = calloc(MADE_NOTES, sizeof *take.notes);
	take.units = calloc(bars, sizeof *take.units);
	take.pedals = calloc(MADE_NOTES, sizeof *take.pedals);
	if (!take.path || !take.notes || !take.units || !take.pedals)
		abort();
	strcpy(take.path, "made.mid");
	for (size_t u = 0; u < bars; u++)
		take.units[u] = (struct take_unit){(int64_t)u * MADE_BAR_US, ((int64_t)u + 1) * MADE_BAR_US, 120};
	return take;
}

/* Adds a note; the caller adds them in order of time. expected may be NAN. */
static inline struct take_note *made_note(struct take *take, int64_t onset_us, int64_t duration_us, int pitch, int velocity,
					  enum take_voice voice, double expected)
{
	struct take_note *note = &take->notes[take->count++];
	if (take->count > MADE_NOTES)
		abort();
	*note = (struct take_note){.onset_us = onset_us,
				   .end_us = onset_us + duration_us,
				   .pitch = (uint8_t)pitch,
				   .velocity = (uint8_t)velocity,
				   .unit = (size_t)(onset_us / MADE_BAR_US),
				   .beat = 1,
				   .voice = voice,
				   .voice_confidence = 1,
				   .expected = expected,
				   .spread = MADE_SPREAD,
				   .hand = voice == VOICE_MELODY ? HAND_RIGHT : HAND_LEFT,
				   .hand_confidence = 1,
				   .lead_ms = (double)NAN,
				   .overlap_ms = (double)NAN,
				   .run = -1};
	return note;
}

static inline void made_level(struct take *take)
{
	struct error error;
	if (expect_level(take, &error) != STATUS_OK)
		abort();
	take->has_expected = take->has_voices = true;
}

/* A piece: in every bar four melody notes in the right hand and eight of a broken chord in the left one, played as expected
 * (melody 70, accompaniment 50) but for a little that repeats every few notes. shift_us, stretch: where and how fast. */
static inline void made_bar(struct take *take, size_t bar, size_t of_piece, double stretch)
{
	static const int melody[] = {72, 74, 76, 79, 77, 76, 74, 71}, chord[] = {48, 55, 52, 55};
	int64_t start = (int64_t)bar * MADE_BAR_US;
	for (size_t i = 0; i < 8; i++) {
		int64_t at = start + (int64_t)(stretch * (double)i * 250000);
		int wave = (int)((of_piece * 8 + i) * 7 % 5) - 2;
		if (i % 2 == 0)
			made_note(take, at, 450000, melody[(of_piece * 4 + i / 2) % 8] + (int)(of_piece % 3), 70 + wave,
				  VOICE_MELODY, 70);
		made_note(take, at + 10000, 240000, chord[i % 4] + (int)(of_piece % 5), 50 + wave, VOICE_ACCOMPANIMENT, 50);
	}
}

#endif
