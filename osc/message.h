/* One OSC message: values, datagram, printed line. Encoding takes types from the name-space table alone, so that a message
 * that is not in the table cannot be sent. Allocates inside liblo; not for real-time threads. No state; any thread. */
#ifndef MIDIBERTD_OSC_MESSAGE_H
#define MIDIBERTD_OSC_MESSAGE_H

#include "osc/namespace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OSC_DATAGRAM_MAX 1000  /* bytes of any datagram that is sent; longer ones that arrive are refused */
#define OSC_ARGUMENTS_MAX 32   /* of any message, sent or received */
#define OSC_LINE_MAX 2048      /* bytes of any printed line, terminator included */
#define OSC_BUNDLE_HEADER 20   /* bytes a bundle puts before its only message */
#define OSC_BUNDLE_MESSAGES 16 /* messages taken from a bundle that arrives */

union osc_value {
	int32_t i;
	float f;
	const char *s; /* borrowed; sent with control characters replaced by spaces */
};

/* Encodes an out address with its arguments into datagram[size]. Returns the number of bytes; 0: the count does not fit
 * the table, the result is longer than size, or there is no memory. */
size_t osc_message_encode(enum osc_address address, const union osc_value *values, size_t count, void *datagram,
			  size_t size);

/* The same message as one line, without a newline: address TAB types TAB value TAB value... Floats are written with nine
 * digits, so that they read back as the same float. line[size] is always terminated. Returns its length; 0: does not fit. */
size_t osc_message_print(enum osc_address address, const union osc_value *values, size_t count, char *line, size_t size);

/* Puts a bundle around datagram[0 .. length - 1], in place, with an NTP time tag; needs OSC_BUNDLE_HEADER bytes more room.
 * Returns the new length. */
size_t osc_message_wrap(void *datagram, size_t length, uint64_t ntp);

/* A message that has arrived: untrusted. Numbers are kept as double, whatever of i, f, h, d they came as. */
struct osc_received {
	char address[256];
	char types[OSC_ARGUMENTS_MAX + 1]; /* as they came, without the comma */
	size_t count;
	double number[OSC_ARGUMENTS_MAX];
	char text[2][256]; /* the first two strings */
	size_t texts;
	char all_texts[OSC_DATAGRAM_MAX];    /* every string, one behind the other, terminated */
	uint16_t text_at[OSC_ARGUMENTS_MAX]; /* where in all_texts an argument of type s begins; 0 for others */
};

/* Takes one datagram apart and calls take() for each message in it: the message itself, or those of a bundle, one level
 * deep and at most OSC_BUNDLE_MESSAGES. Returns NULL, or why the datagram (or the rest of it) was refused. */
const char *osc_message_decode(const void *datagram, size_t size,
			       void (*take)(void *context, const struct osc_received *message), void *context);

/* The line that osc_message_print makes of this message. Returns its length; 0: not an out address of the table, types that
 * are not its own, or it does not fit. */
size_t osc_message_print_received(const struct osc_received *message, char *line, size_t size);

/* OSC pattern matching, of a pattern that osc_message_pattern_check has accepted. '*' crosses slashes. */
bool osc_message_pattern_match(const char *address, const char *pattern);
/* NULL, or why a pattern is refused: bounded length and number of stars, brackets that close. */
const char *osc_message_pattern_check(const char *pattern);

#endif
