/* A lock-free ring of fixed-size messages for one writer thread and one reader thread. No call blocks; only ring_new
 * and ring_free allocate. A full ring refuses the newest message and counts it. */
#ifndef MIDIBERTD_BASE_RING_H
#define MIDIBERTD_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/* Set-up thread. Room for at least `count` messages of `size` bytes; NULL without memory. ring_free(NULL) is allowed. */
struct ring *ring_new(size_t size, size_t count);
void ring_free(struct ring *ring);

/* Writer thread only; real-time safe. False: the ring was full, the message is dropped and counted. */
bool ring_push(struct ring *ring, const void *message);
/* Writer thread only; real-time safe. Messages that a push could still take. */
size_t ring_space(const struct ring *ring);

/* Reader thread only; real-time safe. False: empty. */
bool ring_pop(struct ring *ring, void *message);
bool ring_is_empty(const struct ring *ring);

/* Any thread; real-time safe. */
uint64_t ring_dropped(const struct ring *ring);

#endif
