/* Stands for announce.c in a build without Avahi. */
#include "web/announce.h"

#include <stddef.h>

enum status announce_open(const struct announce_options *options, struct announce **announce, struct error *error)
{
	(void)error;
	*announce = NULL;
	options->say("midibertd: not announced: this build has no Avahi");
	return STATUS_OK;
}

void announce_close(struct announce *announce)
{
	(void)announce;
}
