/* The last message of each address that was sent, as it was sent. No lock: one thread. */
#ifndef MIDIBERTD_WEB_VALUES_H
#define MIDIBERTD_WEB_VALUES_H

#include "osc/message.h"

struct values { /* all zero: nothing was sent yet */
	struct {
		size_t size; /* 0: never sent */
		unsigned char datagram[OSC_DATAGRAM_MAX];
	} last[OSC_OUT_END];
};

void values_keep(struct values *values, enum osc_address address, const void *datagram, size_t size);
/* False: that was never sent. */
bool values_get(const struct values *values, enum osc_address address, struct osc_received *message);

#endif
