/* Outcome of every fallible call, and the text that explains a failure.
 * Any thread; nothing here blocks. status_fail formats and must not be called from a real-time thread. */
#ifndef MIDIBERTD_BASE_STATUS_H
#define MIDIBERTD_BASE_STATUS_H

enum status {
	STATUS_OK = 0,
	STATUS_USAGE, /* wrong arguments or configuration: exit status 2 */
	STATUS_NO_MEMORY,
	STATUS_NOT_FOUND,   /* a file, port, server, tensor or name that is not there */
	STATUS_IO,	    /* the system refused to read, write, bind or send */
	STATUS_BAD_DATA,    /* untrusted bytes that break their format */
	STATUS_UNSUPPORTED, /* well-formed, but not something this program does */
	STATUS_FULL,	    /* a bounded table or ring has no room */
	STATUS_INTERRUPTED, /* the user asked to stop */
};

/* What went wrong, for a person: names the file, the byte offset and the way out. Owned by the caller. */
struct error {
	enum status status;
	char text[480];
};

const char *status_name(enum status status);

/* Fills *error (may be NULL) and returns status, so that callers can write `return status_fail(...)`. */
enum status status_fail(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
