/* The TCP socket on which HTTP listens. */
#ifndef MIDIBERTD_WEB_LISTENER_H
#define MIDIBERTD_WEB_LISTENER_H

#include "osc/endpoint.h"

/* Main thread; may block for a name. Non-blocking, at exactly this address; "[::]" takes IPv4, too. *fd is -1 on failure. */
enum status listener_open(const char *text, int *fd, int *port, struct error *error);
/* Never blocks. The next connection, or -1. */
int listener_accept(int fd, struct endpoint *peer);

#endif
