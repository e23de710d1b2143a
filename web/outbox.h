/* What waits for one WebSocket client: whole messages in a bounded queue. Who reads too slowly loses the newest. One
 * thread. */
#ifndef MIDIBERTD_WEB_OUTBOX_H
#define MIDIBERTD_WEB_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_BYTES 65536
#define OUTBOX_MESSAGE_MAX 1000

struct outbox {
	unsigned char *bytes; /* OUTBOX_BYTES */
	size_t first, used;
	uint64_t lost;
};

/* False: no memory. */
bool outbox_open(struct outbox *outbox);
void outbox_close(struct outbox *outbox);

/* False: no room; counted. */
bool outbox_push(struct outbox *outbox, const void *message, size_t size);
/* Size of the message that was taken; 0: nothing waits. */
size_t outbox_pop(struct outbox *outbox, unsigned char message[OUTBOX_MESSAGE_MAX]);

#endif
