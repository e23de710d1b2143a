/* Odd inputs, see oddity.h. Each kind says when the next note comes, which key, how loud and how long. */
#include "train/oddity.h"

#include "base/random.h"
#include "train/augment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const char *const names[ODDITIES] = {"drums", "random", "repeated", "chromatic", "cat", "sparse"};

/* What one input keeps to, and where it stands. */
struct player {
	struct random random;
	double step_s;	     /* between notes */
	double uneven;	     /* deviation of onsets, a part of the step */
	double held;	     /* length of a note, a part of the step */
	int velocity, touch; /* loudness and how much it varies */
	int low, high;	     /* keys */
	int pattern;
};

const char *oddity_name(enum oddity oddity)
{
	return names[oddity];
}

static double uniform(struct random *random, double low, double high)
{
	return low + (high - low) * random_uniform(random);
}

static void put(struct player *player, double at_s, double length_s, int key, struct piece_note *note)
{
	int velocity = player->velocity + (int)lrint(player->touch * random_normal(&player->random));
	*note = (struct piece_note){.onset_us = llrint(1e6 * (at_s > 0 ? at_s : 0)),
				    .pitch = (uint8_t)(key < 0	   ? 0
						       : key > 127 ? 127
								   : key),
				    .velocity = (uint8_t)(velocity < 1	   ? 1
							  : velocity > 127 ? 127
									   : velocity),
				    .melody = MELODY_NONE,
				    .label = NOTE_LABEL_NONE};
	note->end_us = note->onset_us + llrint(1e6 * (length_s > 0.02 ? length_s : 0.02));
}

static double wavering(struct player *player, double at_s)
{
	return at_s + player->uneven * player->step_s * random_normal(&player->random);
}

/* Sixteenths of one bar, of three voices: a bit each where it is struck. */
static int drums(struct player *player, int count, struct piece_note *notes)
{
	static const struct {
		uint16_t kick, snare, hat;
	} patterns[] = {{0x0101, 0x1010, 0x5555},
			{0x0441, 0x1010, 0xffff},
			{0x1111, 0x4444, 0x4444},
			{0x0a49, 0x1010, 0x5555},
			{0x8421, 0x0810, 0x9249}};
	const uint16_t lines[3] = {patterns[player->pattern % 5].kick, patterns[player->pattern % 5].snare,
				   patterns[player->pattern % 5].hat};
	static const int keys[3] = {36, 38, 42};
	int made = 0;
	for (int step = 0; made < count; step++) {
		bool fill = step / 16 % 4 == 3 && step % 16 >= 12;
		for (int voice = 0; voice < 3 && made < count; voice++) {
			int key = fill ? 50 - 2 * (step % 4) - (voice == 2)
				       : keys[voice] + (voice == 2 && step % 16 == 14 ? 4 : 0);
			if (!(lines[voice] >> step % 16 & 1) && !(fill && voice == 1))
				continue;
			put(player, wavering(player, step * player->step_s), 0.06, key, &notes[made++]);
		}
	}
	return made;
}

/* Bunches of neighbouring keys, then a pause or a step to the side. */
static int cat(struct player *player, int count, struct piece_note *notes)
{
	double at_s = 0;
	int paw = (int)random_integer(&player->random, player->low, player->high), made = 0;
	while (made < count) {
		int keys = (int)random_integer(&player->random, 1, 6);
		for (int i = 0; i < keys && made < count; i++)
			put(player, at_s + uniform(&player->random, 0, 0.09), uniform(&player->random, 0.05, 0.6),
			    paw + (int)random_integer(&player->random, 0, 7), &notes[made++]);
		paw += (int)random_integer(&player->random, -9, 9);
		paw = paw < player->low ? player->low + 12 : paw > player->high ? player->high - 12 : paw;
		at_s += random_uniform(&player->random) < 0.1 ? uniform(&player->random, 1, 4)
							      : uniform(&player->random, 0.12, 0.7);
	}
	return made;
}

static int run(enum oddity oddity, struct player *player, int count, struct piece_note *notes)
{
	double at_s = 0;
	int key = (int)random_integer(&player->random, player->low, player->high), way = 1;
	for (int i = 0; i < count; i++) {
		double held_s = player->held * player->step_s;
		switch (oddity) {
		case ODDITY_RANDOM:
			key = (int)random_integer(&player->random, 21, 108);
			player->velocity = (int)random_integer(&player->random, 5, 125);
			held_s = -log(1 - random_uniform(&player->random)) * 4 * player->step_s;
			at_s += -log(1 - random_uniform(&player->random)) * player->step_s;
			break;
		case ODDITY_SPARSE:
			key = (int)random_integer(&player->random, 36, 84);
			held_s = uniform(&player->random, 0.1, 1.5);
			at_s += uniform(&player->random, 2, 9);
			break;
		case ODDITY_CHROMATIC:
			key += way;
			if (key >= player->high || key <= player->low)
				way = key >= player->high ? -1 : 1;
			at_s += player->step_s;
			break;
		default: at_s += player->step_s;
		}
		put(player, wavering(player, at_s), held_s, key, &notes[i]);
	}
	return count;
}

static int by_time(const void *left, const void *right)
{
	const struct piece_note *a = left, *b = right;
	if (a->onset_us != b->onset_us)
		return a->onset_us < b->onset_us ? -1 : 1;
	return (a->pitch > b->pitch) - (a->pitch < b->pitch);
}

void oddity_make(enum oddity oddity, uint64_t seed, int count, struct piece_note *notes)
{
	struct player player = {.random = {random_hash(seed, (uint64_t)oddity), 0}};
	struct random *random = &player.random;
	player.step_s = 1 / uniform(random, 3, 12);
	player.uneven = uniform(random, 0, 0.12);
	player.held = uniform(random, 0.3, 1.1);
	player.velocity = (int)random_integer(random, 35, 105);
	player.touch = (int)random_integer(random, 1, 12);
	player.low = (int)random_integer(random, 28, 60);
	player.high = player.low + (int)random_integer(random, 18, 48);
	player.pattern = (int)random_integer(random, 0, 4);
	if (oddity == ODDITY_DRUMS)
		drums(&player, count, notes);
	else if (oddity == ODDITY_CAT)
		cat(&player, count, notes);
	else
		run(oddity, &player, count, notes);
	qsort(notes, (size_t)count, sizeof *notes, by_time);
	augment_regrid(0, count, notes);
}
