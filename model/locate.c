/* The search for weights, see locate.h. Set-up thread; opens nothing. */
#define _POSIX_C_SOURCE 200809L
#include "model/locate.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MIDIBERTD_PREFIX
#define MIDIBERTD_PREFIX "/usr/local"
#endif

/* build/midibertd, build/address/midibertd, PREFIX/bin/midibertd: from the program's folder. */
static const char *const places[] = {"/../weights/default.safetensors", "/../../weights/default.safetensors",
				     "/../share/midibert/default.safetensors"};
static const char installed[] = MIDIBERTD_PREFIX "/share/midibert/default.safetensors";

#define PLACES (sizeof places / sizeof *places)

static enum status put(char *path, size_t size, const char *folder, const char *name, struct error *error)
{
	if (snprintf(path, size, "%s%s", folder, name) >= (int)size)
		return status_fail(error, STATUS_USAGE, "%.200s%s: path is too long", folder, name);
	return STATUS_OK;
}

/* The folder of the running program, or empty. */
static void find_program(char *folder, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", folder, size - 1);
	folder[length > 0 ? length : 0] = '\0';
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
}

enum status locate_model(const char *option, char *path, size_t size, struct error *error)
{
	char folder[PATH_MAX];
	const char *variable = getenv("MIDIBERT_MODEL");
	if (option || (variable && *variable))
		return put(path, size, "", option ? option : variable, error);
	find_program(folder, sizeof folder);
	for (size_t i = 0; *folder && i < PLACES; i++) {
		enum status status = put(path, size, folder, places[i], error);
		if (status != STATUS_OK || access(path, R_OK) == 0)
			return status;
	}
	if (access(installed, R_OK) == 0)
		return put(path, size, "", installed, error);
	return status_fail(error, STATUS_NOT_FOUND,
			   "no weights: neither %.180s%s nor %s can be read; give --model FILE or set MIDIBERT_MODEL",
			   folder, places[0], installed);
}
