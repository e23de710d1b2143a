/* Configuration files, read by inih line by line, see config.h. Main thread. What a key means is the option table's. */
#define _GNU_SOURCE
#include "daemon/config.h"

#include <ini.h>

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256 * 1024)
#define PATH_SIZE 4096

struct reading {
	const char *next, *end; /* bytes not yet handed to inih */
	const char *name;
	struct options *options;
	int layer, line;
	enum status status;
	struct error *error;
};

static void fail_line(struct reading *reading, const char *why)
{
	if (reading->status == STATUS_OK)
		reading->status =
		    status_fail(reading->error, STATUS_USAGE, "%s, line %d: %s", reading->name, reading->line, why);
}

/* fgets for inih, out of memory. It counts lines, which inih tells nobody, and refuses what inih would cut silently. */
static char *read_line(char *line, int size, void *context)
{
	struct reading *reading = context;
	if (reading->next == reading->end || reading->status != STATUS_OK || size < 2)
		return NULL;
	size_t left = (size_t)(reading->end - reading->next);
	const char *newline = memchr(reading->next, '\n', left);
	size_t length = newline ? (size_t)(newline - reading->next) + 1 : left;
	reading->line++;
	if (length > (size_t)size - 1 || memchr(reading->next, '\0', length)) {
		fail_line(reading, length > (size_t)size - 1 ? "the line is too long" : "a zero byte: not a text file");
		return NULL;
	}
	memcpy(line, reading->next, length);
	line[length] = '\0';
	reading->next += length;
	return line;
}

static int take(void *context, const char *section, const char *key, const char *value)
{
	struct reading *reading = context;
	struct error error;
	if (reading->status != STATUS_OK)
		return 0;
	if (section[0] != '\0' && strcmp(section, "midibertd") != 0) {
		fail_line(reading, "the only section is [midibertd]");
		return 0;
	}
	enum status status = options_set(reading->options, key, value, reading->layer, &error);
	if (status == STATUS_OK)
		return 1;
	reading->status = status_fail(reading->error, status, "%s, line %d: %s", reading->name, reading->line, error.text);
	return 0;
}

enum status config_parse(const char *bytes, size_t size, const char *name, struct options *options, int layer,
			 struct error *error)
{
	struct reading reading = {
	    .next = bytes, .end = bytes + size, .name = name, .options = options, .layer = layer, .error = error};
	int line = ini_parse_stream(read_line, &reading, take, &reading);
	if (reading.status != STATUS_OK)
		return reading.status;
	if (line != 0)
		return status_fail(error, STATUS_USAGE, "%s, line %d: not \"key = value\"", name, line);
	return STATUS_OK;
}

enum status config_read(const char *path, struct options *options, int layer, struct error *error)
{
	enum status status;
	FILE *file = fopen(path, "re");
	if (!file)
		return status_fail(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
	char *bytes = malloc(FILE_MAX + 1);
	size_t size = bytes ? fread(bytes, 1, FILE_MAX + 1, file) : 0;
	if (!bytes)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory to read %s", path);
	else if (ferror(file))
		status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	else if (size > FILE_MAX)
		status =
		    status_fail(error, STATUS_USAGE, "%s: longer than %d bytes: not a configuration file", path, FILE_MAX);
	else
		status = config_parse(bytes, size, path, options, layer, error);
	free(bytes);
	fclose(file);
	return status;
}

/* FOLDER/midibertd.conf and FOLDER/conf.d/NAME.conf, those that are there. */
static enum status read_folder(const char *folder, struct options *options, int *layer, struct error *error)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/midibertd.conf", folder);
	enum status status = config_read(path, options, *layer + 1, error);
	if (status == STATUS_OK)
		++*layer;
	else if (status != STATUS_NOT_FOUND)
		return status;
	glob_t found;
	snprintf(path, sizeof path, "%s/conf.d/*.conf", folder);
	if (glob(path, 0, NULL, &found) != 0)
		return STATUS_OK;
	status = STATUS_OK;
	for (size_t i = 0; i < found.gl_pathc && status == STATUS_OK; i++)
		status = config_read(found.gl_pathv[i], options, ++*layer, error);
	globfree(&found);
	return status;
}

enum status config_read_all(const char *only, struct options *options, int *layer, struct error *error)
{
	char folder[PATH_SIZE];
	if (only)
		return config_read(only, options, ++*layer, error);
	enum status status = read_folder("/etc/midibertd", options, layer, error);
	if (status != STATUS_OK)
		return status;
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (config && config[0] == '/')
		snprintf(folder, sizeof folder, "%s/midibertd", config);
	else if (home && home[0] == '/')
		snprintf(folder, sizeof folder, "%s/.config/midibertd", home);
	else
		return STATUS_OK;
	return read_folder(folder, options, layer, error);
}
