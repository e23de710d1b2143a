/* Reads manifests. Offline. It does not look whether the files are there. */
#include "train/manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_BYTES_MAX ((size_t)64 << 20)

static char *copy(const char *text, size_t length)
{
	char *made = malloc(length + 1);

	if (made) {
		memcpy(made, text, length);
		made[length] = '\0';
	}
	return made;
}

static char *join(const char *manifest_path, const char *text, size_t length)
{
	const char *slash = strrchr(manifest_path, '/');
	size_t folder = slash && text[0] != '/' ? (size_t)(slash - manifest_path) + 1 : 0;
	char *path = malloc(folder + length + 1);

	if (path) {
		memcpy(path, manifest_path, folder);
		memcpy(path + folder, text, length);
		path[folder + length] = '\0';
	}
	return path;
}

static bool is_blank(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (line[i] != ' ' && line[i] != '\t')
			return false;
	return true;
}

/* Fills the entry from one line that is not blank. False: no memory. */
static bool parse_line(const char *line, size_t length, const char *manifest_path, struct manifest_entry *entry)
{
	const char *tab = memchr(line, '\t', length);
	size_t path_length = tab ? (size_t)(tab - line) : length;
	size_t label_length = tab ? length - path_length - 1 : 0;

	if (memchr(line, '\0', length))
		entry->problem = "holds a zero byte";
	else if (path_length == 0)
		entry->problem = "has no path";
	else if (label_length && memchr(tab + 1, '\t', label_length))
		entry->problem = "has more than two columns";
	if (entry->problem)
		return true;
	entry->path = join(manifest_path, line, path_length);
	if (label_length)
		entry->label = copy(tab + 1, label_length);
	return entry->path && (entry->label || !label_length);
}

enum status manifest_parse(const char *bytes, size_t size, const char *path, struct manifest *manifest, struct error *error)
{
	size_t at = 0, room = 0, line = 0;

	*manifest = (struct manifest){0};
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < size) {
		const char *start = bytes + at, *newline = memchr(start, '\n', size - at);
		size_t length = newline ? (size_t)(newline - start) : size - at;

		at += length + (newline != NULL);
		line++;
		if (length > 0 && start[length - 1] == '\r')
			length--;
		if (is_blank(start, length))
			continue;
		if (manifest->count == room) {
			size_t wanted = room ? room * 2 : 64;
			struct manifest_entry *larger = realloc(manifest->entries, wanted * sizeof *larger);

			if (!larger)
				goto no_memory;
			manifest->entries = larger;
			room = wanted;
		}
		manifest->entries[manifest->count] = (struct manifest_entry){.line = line};
		if (!parse_line(start, length, path, &manifest->entries[manifest->count++]))
			goto no_memory;
	}
	return STATUS_OK;
no_memory:
	manifest_free(manifest);
	return status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
}

enum status manifest_read(const char *path, struct manifest *manifest, struct error *error)
{
	FILE *stream = fopen(path, "rb");
	char *bytes = NULL;
	size_t size = 0, room = 0;
	enum status status = STATUS_OK;

	*manifest = (struct manifest){0};
	if (!stream)
		return status_fail(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
	while (!status && size == room) {
		char *larger;

		if (size > MANIFEST_BYTES_MAX) {
			status = status_fail(error, STATUS_BAD_DATA, "%s: a manifest of more than %zu bytes", path,
					     MANIFEST_BYTES_MAX);
			break;
		}
		room = room ? room * 2 : 65536;
		larger = realloc(bytes, room);
		if (!larger) {
			status = status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
			break;
		}
		bytes = larger;
		size += fread(bytes + size, 1, room - size, stream);
		if (ferror(stream))
			status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	}
	if (!status)
		status = manifest_parse(bytes, size, path, manifest, error);
	free(bytes);
	fclose(stream);
	return status;
}

void manifest_free(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->count; i++) {
		free(manifest->entries[i].path);
		free(manifest->entries[i].label);
	}
	free(manifest->entries);
	*manifest = (struct manifest){0};
}
