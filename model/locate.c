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
static const char *const places[] = {"/../weights/", "/../../weights/", "/../share/midibert/"};
static const char installed[] = MIDIBERTD_PREFIX "/share/midibert/";

#define PLACES (sizeof places / sizeof *places)

static enum status put(char *path, size_t size, const char *folder, const char *place, const char *name, struct error *error)
{
	if (snprintf(path, size, "%s%s%s", folder, place, name) >= (int)size)
		return status_fail(error, STATUS_USAGE, "%.200s%s%s: path is too long", folder, place, name);
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

static enum status search(const char *name, char *path, size_t size, struct error *error)
{
	char folder[PATH_MAX];
	find_program(folder, sizeof folder);
	for (size_t i = 0; *folder && i < PLACES; i++) {
		enum status status = put(path, size, folder, places[i], name, error);
		if (status != STATUS_OK || access(path, R_OK) == 0)
			return status;
	}
	enum status status = put(path, size, "", installed, name, error);
	if (status != STATUS_OK || access(path, R_OK) == 0)
		return status;
	return status_fail(error, STATUS_NOT_FOUND,
			   "no weights: neither %.180s%s%s nor %s%s can be read; give --model FILE or set MIDIBERT_MODEL",
			   folder, places[0], name, installed, name);
}

/* What was said, or NULL. */
static const char *named(const char *option)
{
	const char *variable = getenv("MIDIBERT_MODEL");
	return option ? option : variable && *variable ? variable : NULL;
}

enum status locate_shipped(char *path, size_t size, struct error *error)
{
	return search("default.safetensors", path, size, error);
}

enum status locate_model(const char *option, char *path, size_t size, struct error *error)
{
	const char *name = named(option);
	return name ? put(path, size, "", "", name, error) : locate_shipped(path, size, error);
}

enum status locate_small_model(const char *option, char *path, size_t size, struct error *error)
{
	if (named(option))
		return status_fail(error, STATUS_NOT_FOUND, "weights were named: no others are looked for");
	return search("small.safetensors", path, size, error);
}
