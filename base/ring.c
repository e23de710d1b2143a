/* A lock-free single-producer single-consumer ring. The writer owns `head`, the reader owns `tail`; each publishes its
 * own index with release and reads the other's with acquire. Does not wake anybody: that is the owner's business. */
#include "base/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

struct ring {
	_Alignas(CACHE_LINE) _Atomic size_t head; /* messages ever pushed */
	_Atomic uint64_t dropped;
	_Alignas(CACHE_LINE) _Atomic size_t tail; /* messages ever popped */
	_Alignas(CACHE_LINE) size_t mask;
	size_t size;
	unsigned char *slots;
};

struct ring *ring_new(size_t size, size_t count)
{
	size_t slots = 2;
	while (slots < count && slots <= SIZE_MAX / 4)
		slots *= 2;
	if (size == 0 || slots < count || slots > SIZE_MAX / size)
		return NULL;
	struct ring *ring = aligned_alloc(CACHE_LINE, sizeof *ring);
	if (!ring)
		return NULL;
	memset(ring, 0, sizeof *ring);
	ring->slots = calloc(slots, size);
	if (!ring->slots) {
		free(ring);
		return NULL;
	}
	ring->mask = slots - 1;
	ring->size = size;
	return ring;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	free(ring->slots);
	free(ring);
}

size_t ring_space(const struct ring *ring)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	return ring->mask + 1 - (head - tail);
}

bool ring_push(struct ring *ring, const void *message)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (ring_space(ring) == 0) {
		atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
		return false;
	}
	memcpy(ring->slots + (head & ring->mask) * ring->size, message, ring->size);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

bool ring_pop(struct ring *ring, void *message)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	if (head == tail)
		return false;
	memcpy(message, ring->slots + (tail & ring->mask) * ring->size, ring->size);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

bool ring_is_empty(const struct ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	return atomic_load_explicit(&ring->head, memory_order_acquire) == tail;
}

uint64_t ring_dropped(const struct ring *ring)
{
	return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}
