/* Configuration files: "key = value" lines, keys as the options of the command line are called (docs/midibertd.1). Main
 * thread; allocates. The bytes are untrusted. */
#ifndef MIDIBERTD_DAEMON_CONFIG_H
#define MIDIBERTD_DAEMON_CONFIG_H

#include "daemon/options.h"

#include <stddef.h>

/* Reads one file over what is set. *error names file, line, key and reason. */
enum status config_read(const char *path, struct options *options, int layer, struct error *error);
/* The same from memory; name is for messages. */
enum status config_parse(const char *bytes, size_t size, const char *name, struct options *options, int layer,
			 struct error *error);

/* Reads `only` if it is not NULL, else whatever of these exists, a later one over an earlier one:
 * /etc/midibertd/midibertd.conf, /etc/midibertd/conf.d/NAME.conf by name, then the same two in $XDG_CONFIG_HOME/midibertd
 * (~/.config). *layer grows by one a file. */
enum status config_read_all(const char *only, struct options *options, int *layer, struct error *error);

#endif
