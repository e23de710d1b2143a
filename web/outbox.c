/* A ring of bytes that holds whole messages, each behind its length, see outbox.h. HTTP thread. */
#include "web/outbox.h"

#include <stdlib.h>

bool outbox_open(struct outbox *outbox)
{
	*outbox = (struct outbox){.bytes = malloc(OUTBOX_BYTES)};
	return outbox->bytes != NULL;
}

void outbox_close(struct outbox *outbox)
{
	free(outbox->bytes);
	*outbox = (struct outbox){.bytes = NULL};
}

static void put(struct outbox *outbox, unsigned char byte)
{
	outbox->bytes[(outbox->first + outbox->used++) % OUTBOX_BYTES] = byte;
}

static unsigned char get(struct outbox *outbox)
{
	unsigned char byte = outbox->bytes[outbox->first];
	outbox->first = (outbox->first + 1) % OUTBOX_BYTES;
	outbox->used--;
	return byte;
}

bool outbox_push(struct outbox *outbox, const void *message, size_t size)
{
	if (!outbox->bytes || size == 0 || size > OUTBOX_MESSAGE_MAX || OUTBOX_BYTES - outbox->used < size + 2) {
		outbox->lost++;
		return false;
	}
	put(outbox, (unsigned char)(size >> 8));
	put(outbox, (unsigned char)size);
	for (size_t i = 0; i < size; i++)
		put(outbox, ((const unsigned char *)message)[i]);
	return true;
}

size_t outbox_pop(struct outbox *outbox, unsigned char message[OUTBOX_MESSAGE_MAX])
{
	if (outbox->used == 0)
		return 0;
	size_t size = (size_t)get(outbox) << 8;
	size |= get(outbox);
	for (size_t i = 0; i < size; i++)
		message[i] = get(outbox);
	return size;
}
