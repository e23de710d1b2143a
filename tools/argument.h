/* Numbers on a command line. Main thread; no state. */
#ifndef MIDIBERTD_TOOLS_ARGUMENT_H
#define MIDIBERTD_TOOLS_ARGUMENT_H

#include <stdbool.h>

/* The whole text must be one number within low..high. */
bool argument_integer(const char *text, int low, int high, int *value);
bool argument_real(const char *text, double low, double high, double *value);

#endif
