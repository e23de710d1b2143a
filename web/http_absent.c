/* Stands for http.c in a build without libwebsockets. */
#include "web/web.h"

enum status web_open(const struct web_options *options, struct web **web, struct error *error)
{
	(void)options;
	*web = NULL;
	return status_fail(error, STATUS_UNSUPPORTED, "this build has no HTTP server (libwebsockets)");
}

void web_close(struct web *web)
{
	(void)web;
}

int web_port(const struct web *web)
{
	(void)web;
	return 0;
}

void web_take(void *context, enum osc_address address, const void *datagram, size_t size)
{
	(void)context;
	(void)address;
	(void)datagram;
	(void)size;
}
