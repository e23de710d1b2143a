/* Where the weights are, for a program that was not told. */
#ifndef MIDIBERTD_MODEL_LOCATE_H
#define MIDIBERTD_MODEL_LOCATE_H

#include "base/status.h"

#include <stddef.h>

/* Set-up thread. Writes a path: `option` (--model) if not NULL, else $MIDIBERT_MODEL, else the first that can be read of
 * weights/default.safetensors of the tree the program was built in, ../share/midibert/default.safetensors beside it, and the
 * same below the PREFIX it was built for. A path that was given is not looked at: model_load says what is wrong with it.
 * STATUS_NOT_FOUND: *error lists the places and the way out. */
enum status locate_model(const char *option, char *path, size_t size, struct error *error);
/* The same without option and variable: what came with the program. */
enum status locate_shipped(char *path, size_t size, struct error *error);

/* The same search for small.safetensors, for machines where the default ones are too slow. STATUS_NOT_FOUND, too, where
 * weights were named. */
enum status locate_small_model(const char *option, char *path, size_t size, struct error *error);

#endif
