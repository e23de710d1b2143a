/* What was sent last, see values.h. Takes datagrams apart when somebody asks, not when they come. */
#include "web/values.h"

#include <string.h>

void values_keep(struct values *values, enum osc_address address, const void *datagram, size_t size)
{
	if ((int)address < 0 || address >= OSC_OUT_END || size > OSC_DATAGRAM_MAX)
		return;
	memcpy(values->last[address].datagram, datagram, size);
	values->last[address].size = size;
}

static void take(void *context, const struct osc_received *message)
{
	memcpy(context, message, sizeof *message);
}

bool values_get(const struct values *values, enum osc_address address, struct osc_received *message)
{
	if ((int)address < 0 || address >= OSC_OUT_END || values->last[address].size == 0)
		return false;
	return osc_message_decode(values->last[address].datagram, values->last[address].size, take, message) == NULL;
}
