/* Outcome of every fallible call. Any thread but a real-time one for status_fail. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *status_name(enum status status)
{
	switch (status) {
	case STATUS_OK: return "ok";
	case STATUS_USAGE: return "usage";
	case STATUS_NO_MEMORY: return "no-memory";
	case STATUS_NOT_FOUND: return "not-found";
	case STATUS_IO: return "io";
	case STATUS_BAD_DATA: return "bad-data";
	case STATUS_UNSUPPORTED: return "unsupported";
	case STATUS_FULL: return "full";
	case STATUS_INTERRUPTED: return "interrupted";
	}
	return "unknown";
}

enum status status_fail(struct error *error, enum status status, const char *format, ...)
{
	if (error) {
		va_list arguments;
		error->status = status;
		va_start(arguments, format);
		vsnprintf(error->text, sizeof error->text, format, arguments);
		va_end(arguments);
	}
	return status;
}
