/* Numbers on a command line, see argument.h. Main thread. */
#include "tools/argument.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static bool starts_number(const char *text)
{
	return *text && !isspace((unsigned char)*text);
}

bool argument_integer(const char *text, int low, int high, int *value)
{
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (!starts_number(text) || *end || errno || number < low || number > high)
		return false;
	*value = (int)number;
	return true;
}

bool argument_real(const char *text, double low, double high, double *value)
{
	char *end;
	double number = strtod(text, &end);
	if (!starts_number(text) || *end || !(number >= low && number <= high))
		return false;
	*value = number;
	return true;
}
