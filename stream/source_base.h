/* What the three sources share: the slots of the inputs, the numbering and pairing of notes, filters, counters, and the
 * pushing into both rings. Private to stream/source*.c and their tests.
 *
 * Each source begins with a struct source. One thread at a time owns the pushing (a JACK cycle while its connection is
 * alive, otherwise the source's own thread); one thread, which may be the same, owns the slots. */
#ifndef MIDIBERTD_STREAM_SOURCE_BASE_H
#define MIDIBERTD_STREAM_SOURCE_BASE_H

#include "stream/held.h"
#include "stream/midi_parser.h"
#include "stream/source.h"

#include <stddef.h>

#define SOURCE_NAME_MAX 128
#define SOURCE_PLACE_MAX 32
#define SOURCE_RING_MIN 128 /* messages that either ring must have room for */

struct source_slot {
	char name[SOURCE_NAME_MAX];	/* neither changes once `named` is set */
	char identity[SOURCE_NAME_MAX]; /* what the device is known by when it returns */
	char place[SOURCE_PLACE_MAX];	/* slots' thread: the USB port that the device is or was plugged into, or empty */
	_Atomic bool named;
	bool taken;		   /* slots' thread: a device has it now */
	_Atomic bool hardware;	   /* slots' thread sets it: a key can go down once only before it comes up */
	bool present;		   /* pushing thread: announced, not yet gone */
	struct midi_parser parser; /* pushing thread, as the next */
	int64_t heard_us;	   /* arrival of its last byte */
	bool sensing;		   /* it has sent active sensing */
	uint8_t fine[16];	   /* by channel: controller 88, for the next note message */
};

struct source {
	void (*close)(struct source *source); /* ends held notes, stops the threads, frees; see source_close */
	char description[SOURCE_NAME_MAX];
	struct source_output output;
	struct source_counters counters;
	_Atomic int state;						  /* enum source_state */
	char *connect[SOURCE_PATTERNS_MAX], *ignore[SOURCE_PATTERNS_MAX]; /* own copies; NULL ends */
	int channel, key_low, key_high;
	int64_t layers_us;
	struct source_slot slots[INPUTS_MAX];
	/* pushing thread only */
	struct held *held;
	int32_t last_id;
	bool pushed; /* something the readers have not been woken for */
	int64_t ticked_us;
};

/* Set-up thread; allocate. Init fails with STATUS_USAGE for options or rings out of range, and leaves nothing behind. */
enum status source_init(struct source *source, const struct source_options *options, const struct source_output *output,
			void (*close)(struct source *source), struct error *error);
void source_uninit(struct source *source);

/* Slots' thread; no allocation. A device that returns, by identity, gets its old slot, among several of one identity the one
 * that was plugged in at the same place, or else the first; -1 and counted when all are taken. place: empty if there is
 * none. hardware: it is a keyboard, not a program. */
int source_take_slot(struct source *source, const char *name, const char *identity, const char *place, bool hardware);
void source_give_slot(struct source *source, int input);

/* Slots' thread. Whether an input is to be connected: hardware unless ignored, others when a --connect pattern names it.
 * Patterns are compared with the whole name, the part before the colon and the identity, literally or as shell patterns;
 * usb:VENDOR:PRODUCT also with the beginning of an identity. */
bool source_wants(const struct source *source, const char *name, const char *identity, bool hardware);

/* Pushing thread; real-time safe. Times on the monotonic clock; an event_us that is nowhere near arrival_us is replaced
 * by it and counted. */
void source_bytes(struct source *source, int input, const uint8_t *bytes, size_t size, int64_t event_us, int64_t arrival_us);
void source_message(struct source *source, int input, const struct midi_message *message, int64_t event_us,
		    int64_t arrival_us);
/* Anything that is no message for source_message: the input lives. */
void source_heard(struct source *source, int input, int64_t arrival_us);
/* After what has arrived was pushed, each cycle or read: ends stuck notes, and inputs whose active sensing has stopped.
 * True: an input sends active sensing; to be called again within SOURCE_TICK_US. A call that comes late loses nobody. */
bool source_tick(struct source *source, int64_t now_us);
#define SOURCE_TICK_US 100000
void source_input_present(struct source *source, int input, int64_t now_us);
void source_input_gone(struct source *source, int input, int64_t now_us); /* ends its held notes first */
void source_all_gone(struct source *source, int64_t now_us);

/* Pushing thread; real-time safe. Pushes into both rings, into each that has room for more than `reserve` messages; false
 * when neither had. The reserve keeps room for the note-offs of held notes, so that these are never lost. */
bool source_push(struct source *source, const struct event *event, size_t reserve);
#define SOURCE_RESERVE (2 * INPUTS_MAX + 2) /* beyond the held notes: comings and goings, the end */

/* Pushing thread, outside its real-time part: a system call. Wakes both readers if anything was pushed. */
void source_wake(struct source *source);

/* CLOCK_MONOTONIC minus another clock in microseconds, for a clock that `read` returns: the tightest of a few tries. A
 * change below the jitter of the measurement keeps the previous offset. Makes system calls. */
int64_t source_clock_offset(int64_t previous_us, int64_t (*read)(void *context), void *context);

#endif
