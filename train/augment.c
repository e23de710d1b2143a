/* Other deliveries of the same notes, see augment.h. Training threads. Does not know sequences, labels or heads. */
#include "train/augment.h"

#include <math.h>
#include <stdbool.h>

#define FIXED_BPM 120.0
#define DOUBLE_US 30000
#define DOUBLE_VELOCITY 10
#define TEMPO_ID_MAX 48
#define VOICE_VELOCITY 12

static uint8_t as_velocity(double velocity)
{
	return (uint8_t)(velocity < 1 ? 1 : velocity > 127 ? 127 : lrint(velocity));
}

void augment_curve(struct random *random, int count, struct piece_note *notes)
{
	double exponent = exp((2 * random_uniform(random) - 1) * log(1.5));
	double range = 0.6 + 0.6 * random_uniform(random), offset = 28 * random_uniform(random) - 14;
	for (int i = 0; i < count; i++) {
		double curved = 127 * pow(notes[i].velocity / 127.0, exponent);
		notes[i].velocity = as_velocity(64 + range * (curved - 64) + offset);
	}
}

void augment_stretch(struct random *random, double most, int count, struct piece_note *notes)
{
	double factor = exp((2 * random_uniform(random) - 1) * log(1 + most));
	int steps = (int)lrint(-12 * log2(factor));
	for (int i = 0; i < count; i++) {
		int tempo = notes[i].place.tempo + steps;
		notes[i].onset_us = llrint((double)notes[i].onset_us * factor);
		notes[i].end_us = llrint((double)notes[i].end_us * factor);
		notes[i].place.tempo = (uint8_t)(tempo < 0 ? 0 : tempo > TEMPO_ID_MAX ? TEMPO_ID_MAX : tempo);
	}
}

/* Grid positions a bar lasts under a signature id: the inverse of the rule that numbers them. */
static int64_t bar_of_signature(int id)
{
	int power = 0, first = 0;
	for (; id >= first + (2 << power); power++)
		first += 2 << power;
	return octuple_bar_length((uint16_t)(id - first + 1), (uint16_t)(1 << power));
}

/* Moves a place by some positions, over bar lines if need be; bars beside it are as long as its own. */
static void move_place(struct place *place, int64_t positions)
{
	int64_t bar = bar_of_signature(place->time_signature), at = place->position + positions;
	while (at < 0 && place->bar > 0) {
		at += bar;
		place->bar--;
	}
	while (at >= bar) {
		at -= bar;
		place->bar++;
	}
	place->position = (uint8_t)(at < 0 ? 0 : at > 127 ? 127 : at);
}

void augment_jitter(struct random *random, double deviation_us, int count, struct piece_note *notes)
{
	for (int i = 0; i < count; i++) {
		struct piece_note *note = &notes[i];
		double bpm = 16 * exp2(note->place.tempo / 12.0), per_us = bpm * OCTUPLE_GRID / 60e6;
		double start = deviation_us * random_normal(random), end = deviation_us * random_normal(random);
		if (start < -(double)note->onset_us)
			start = -(double)note->onset_us;
		if ((double)note->end_us + end < (double)note->onset_us + start)
			end = start; /* a note does not end before it begins */
		int64_t positions = llrint(start * per_us);
		int64_t longer = llrint(end * per_us) - positions;
		note->onset_us += llrint(start);
		note->end_us += llrint(end);
		note->position += positions;
		note->duration_positions =
		    (int32_t)(note->duration_positions + longer > 0 ? note->duration_positions + longer : 0);
		move_place(&note->place, positions);
	}
}

int augment_copy(struct random *random, double missing, double doubled, const struct piece_note *notes, int count, int room,
		 struct piece_note *copies, int *source)
{
	int made = 0;
	for (int i = 0; i < count && made < room; i++) {
		bool left_out = random_uniform(random) < missing, twice = random_uniform(random) < doubled;
		if (left_out && (made > 0 || i + 1 < count))
			continue;
		copies[made] = notes[i];
		source[made++] = i;
		if (!twice || made == room)
			continue;
		struct piece_note *again = &copies[made];
		*again = notes[i];
		again->onset_us += random_integer(random, 0, DOUBLE_US);
		again->end_us = again->end_us > again->onset_us ? again->end_us : again->onset_us;
		again->velocity =
		    as_velocity(again->velocity + (double)random_integer(random, -DOUBLE_VELOCITY, DOUBLE_VELOCITY));
		source[made++] = i;
	}
	return made;
}

/* What becomes of one voice. */
struct voice {
	bool out;
	int octave, louder;
};

static struct voice draw_voice(struct random *random)
{
	double fate = random_uniform(random);
	int octave = fate < 0.2 || fate >= 0.5 ? 0 : fate < 0.35 ? -12 : 12;
	return (struct voice){fate < 0.2, octave, (int)random_integer(random, -VOICE_VELOCITY, VOICE_VELOCITY)};
}

int augment_voices(struct random *random, int count, struct piece_note *notes, int *source)
{
	struct voice voices[] = {[MELODY_MELODY] = draw_voice(random), [MELODY_BRIDGE] = draw_voice(random)};
	int left = 0;
	for (int i = 0; i < count; i++) {
		struct piece_note note = notes[i];
		if (note.melody == MELODY_MELODY || note.melody == MELODY_BRIDGE) {
			const struct voice *voice = &voices[note.melody];
			int pitch = note.pitch + voice->octave;
			if (voice->out && (left > 0 || i + 1 < count))
				continue;
			note.pitch = (uint8_t)(pitch < 0 || pitch > 127 ? note.pitch : pitch);
			note.velocity = as_velocity(note.velocity + voice->louder);
		}
		notes[left] = note;
		source[left++] = source[i];
	}
	return left;
}

void augment_regrid(int64_t phase_us, int count, struct piece_note *notes)
{
	const double per_us = FIXED_BPM * OCTUPLE_GRID / 60e6;
	for (int i = 0; i < count; i++) {
		struct piece_note *note = &notes[i];
		int64_t start = (int64_t)((double)(note->onset_us + phase_us) * per_us + 0.5);
		int64_t end = (int64_t)((double)(note->end_us + phase_us) * per_us + 0.5);
		int64_t bar = octuple_bar_length(4, 4);
		note->place.bar = start / bar;
		note->place.position = (uint8_t)(start % bar);
		note->place.time_signature = octuple_signature_id(4, 4);
		note->place.tempo = octuple_tempo_id(FIXED_BPM);
		note->position = start;
		note->duration_positions = (int32_t)(end - start);
	}
}
