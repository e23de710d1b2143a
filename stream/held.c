/* Held notes in a fixed pool of nodes on two kinds of list: one queue a key, which pairs note-offs, and one list of all
 * notes by age, which finds the oldest and walks an input. Whichever thread pushes a source's events owns it. Knows
 * nothing of rings, filters or counters. */
#include "stream/held.h"

#include "base/event.h"

#include <stdlib.h>

#define CHANNELS 16
#define PITCHES 128
#define NONE (-1)

struct node {
	struct held_note note;
	int16_t older, newer;	/* by age; newer also links the free nodes */
	int16_t next, previous; /* in the queue of the key */
};

struct queue {
	int16_t first, last;
};

struct held {
	struct queue keys[INPUTS_MAX][CHANNELS][PITCHES];
	struct queue ages;
	int16_t unused;
	size_t count;
	struct node nodes[];
};

struct held *held_new(size_t notes)
{
	if (notes == 0 || notes > HELD_MAX)
		return NULL;
	struct held *held = malloc(sizeof *held + notes * sizeof held->nodes[0]);
	if (!held)
		return NULL;
	for (int input = 0; input < INPUTS_MAX; input++)
		for (int channel = 0; channel < CHANNELS; channel++)
			for (int pitch = 0; pitch < PITCHES; pitch++)
				held->keys[input][channel][pitch] = (struct queue){NONE, NONE};
	held->ages = (struct queue){NONE, NONE};
	held->count = 0;
	held->unused = 0;
	for (size_t i = 0; i < notes; i++)
		held->nodes[i].newer = i + 1 < notes ? (int16_t)(i + 1) : NONE;
	return held;
}

void held_free(struct held *held)
{
	free(held);
}

bool held_push(struct held *held, const struct held_note *note)
{
	int16_t index = held->unused;
	if (index == NONE)
		return false;
	struct node *node = &held->nodes[index];
	struct queue *key = &held->keys[note->input][note->channel][note->pitch];
	held->unused = node->newer;
	*node = (struct node){.note = *note, .older = held->ages.last, .newer = NONE, .next = NONE, .previous = key->last};
	*(node->older == NONE ? &held->ages.first : &held->nodes[node->older].newer) = index;
	held->ages.last = index;
	*(node->previous == NONE ? &key->first : &held->nodes[node->previous].next) = index;
	key->last = index;
	held->count++;
	return true;
}

static void take(struct held *held, int16_t index, struct held_note *note)
{
	struct node *node = &held->nodes[index];
	struct queue *key = &held->keys[node->note.input][node->note.channel][node->note.pitch];
	*note = node->note;
	*(node->older == NONE ? &held->ages.first : &held->nodes[node->older].newer) = node->newer;
	*(node->newer == NONE ? &held->ages.last : &held->nodes[node->newer].older) = node->older;
	*(node->previous == NONE ? &key->first : &held->nodes[node->previous].next) = node->next;
	*(node->next == NONE ? &key->last : &held->nodes[node->next].previous) = node->previous;
	node->newer = held->unused;
	held->unused = index;
	held->count--;
}

bool held_pop(struct held *held, int input, int channel, int pitch, struct held_note *note)
{
	int16_t index = held->keys[input][channel][pitch].first;
	if (index == NONE)
		return false;
	take(held, index, note);
	return true;
}

const struct held_note *held_newest(const struct held *held, int input, int channel, int pitch)
{
	int16_t index = held->keys[input][channel][pitch].last;
	return index == NONE ? NULL : &held->nodes[index].note;
}

const struct held_note *held_oldest(const struct held *held)
{
	return held->ages.first == NONE ? NULL : &held->nodes[held->ages.first].note;
}

bool held_pop_oldest(struct held *held, struct held_note *note)
{
	if (held->ages.first == NONE)
		return false;
	take(held, held->ages.first, note);
	return true;
}

void held_release(struct held *held, int input, int channel, void (*each)(void *context, const struct held_note *note),
		  void *context)
{
	int16_t newer;
	for (int16_t index = held->ages.first; index != NONE; index = newer) {
		const struct node *node = &held->nodes[index];
		newer = node->newer;
		if ((input >= 0 && node->note.input != input) || (channel >= 0 && node->note.channel != channel))
			continue;
		struct held_note note;
		take(held, index, &note);
		each(context, &note);
	}
}

size_t held_count(const struct held *held)
{
	return held->count;
}
