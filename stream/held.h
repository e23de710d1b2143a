/* The notes whose keys are down: per input, channel and pitch a first-in first-out queue, all in one fixed pool.
 * One thread at a time; only held_new and held_free allocate; everything else is real-time safe and takes constant time,
 * but for held_release. */
#ifndef MIDIBERTD_STREAM_HELD_H
#define MIDIBERTD_STREAM_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELD_MAX 32767 /* notes a pool can have */

struct held_note {
	int64_t event_us; /* of the note-on */
	int32_t id;	  /* 0: the note was dropped; kept so that its note-off does not end another one */
	uint8_t input, channel, pitch;
};

struct held;

/* Set-up thread. Room for `notes` (1 to HELD_MAX) held notes; NULL without memory. held_free(NULL) is allowed. */
struct held *held_new(size_t notes);
void held_free(struct held *held);

/* False: the pool is full and nothing has changed. input < INPUTS_MAX, channel < 16, pitch < 128 are the caller's duty. */
bool held_push(struct held *held, const struct held_note *note);
/* The note of this key that has been down longest. False: the key is not down. */
bool held_pop(struct held *held, int input, int channel, int pitch, struct held_note *note);
/* The note of this key that went down last; NULL: the key is not down. Valid until the pool changes. */
const struct held_note *held_newest(const struct held *held, int input, int channel, int pitch);
/* The note that has been down longest of all; NULL: nothing is held. Valid until the pool changes. */
const struct held_note *held_oldest(const struct held *held);
/* Takes that one out. False: nothing is held. */
bool held_pop_oldest(struct held *held, struct held_note *note);
/* Takes every note of an input and channel (-1: any) out, oldest first, and hands each to `each`, which must not touch
 * the pool. One walk over what is held. */
void held_release(struct held *held, int input, int channel, void (*each)(void *context, const struct held_note *note),
		  void *context);

size_t held_count(const struct held *held);

#endif
