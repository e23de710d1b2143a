/* Reads labels of notes, see note_labels.h. Offline. It does not know heads: which names count is theirs to say. */
#include "train/note_labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)16 << 20)
#define ENDING ".labels.tsv"

/* Index of a name among the piece's, which gets it if it is new; -1 without room, -2 without memory. */
static int find_name(struct piece *piece, const char *name, size_t length)
{
	for (int i = 0; i < piece->name_count; i++)
		if (strlen(piece->names[i]) == length && memcmp(piece->names[i], name, length) == 0)
			return i;
	if (piece->name_count == NOTE_LABELS_MAX)
		return -1;
	char(*larger)[LABEL_NAME_MAX] = realloc(piece->names, (size_t)(piece->name_count + 1) * sizeof *larger);
	if (!larger)
		return -2;
	piece->names = larger;
	memcpy(piece->names[piece->name_count], name, length);
	piece->names[piece->name_count][length] = '\0';
	return piece->name_count++;
}

static enum status parse_line(const char *line, size_t length, size_t number, const char *path, struct piece *piece,
			      struct error *error)
{
	const char *tab = memchr(line, '\t', length);
	size_t digits = tab ? (size_t)(tab - line) : length, left = tab ? length - digits - 1 : 0, index = 0;
	for (size_t i = 0; i < digits; i++) {
		if (line[i] < '0' || line[i] > '9' || index > piece->count)
			return status_fail(error, STATUS_BAD_DATA, "%s: line %zu: no note number of 1 to %zu before the tab",
					   path, number, piece->count);
		index = index * 10 + (size_t)(line[i] - '0');
	}
	if (index < 1 || index > piece->count)
		return status_fail(error, STATUS_BAD_DATA, "%s: line %zu: note %zu of a piece of %zu notes", path, number,
				   index, piece->count);
	if (left < 1 || left >= LABEL_NAME_MAX || memchr(tab + 1, '\t', left) || memchr(tab + 1, ',', left) ||
	    memchr(tab + 1, '\0', left))
		return status_fail(error, STATUS_BAD_DATA,
				   "%s: line %zu: after the tab goes a label of 1 to %d bytes without tab and comma", path,
				   number, LABEL_NAME_MAX - 1);
	if (piece->notes[index - 1].label != NOTE_LABEL_NONE)
		return status_fail(error, STATUS_BAD_DATA, "%s: line %zu: note %zu has a label already", path, number,
				   index);
	int name = find_name(piece, tab + 1, left);
	if (name < -1)
		return status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
	if (name < 0)
		return status_fail(error, STATUS_BAD_DATA, "%s: line %zu: more than %d different labels", path, number,
				   NOTE_LABELS_MAX);
	piece->notes[index - 1].label = (int8_t)name;
	return STATUS_OK;
}

enum status note_labels_parse(const char *bytes, size_t size, const char *path, struct piece *piece, struct error *error)
{
	size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	enum status status = STATUS_OK;
	for (size_t number = 1; at < size && status == STATUS_OK; number++) {
		const char *start = bytes + at, *newline = memchr(start, '\n', size - at);
		size_t length = newline ? (size_t)(newline - start) : size - at;
		at += length + (newline != NULL);
		if (length > 0 && start[length - 1] == '\r')
			length--;
		if (length > 0)
			status = parse_line(start, length, number, path, piece, error);
	}
	return status;
}

/* path without its .mid or .midi, with the ending of labels; the caller frees it. */
static char *labels_path(const char *midi_path)
{
	const char *slash = strrchr(midi_path, '/'), *dot = strrchr(slash ? slash : midi_path, '.');
	size_t length = dot ? (size_t)(dot - midi_path) : strlen(midi_path);
	char *path = malloc(length + sizeof ENDING);
	if (path) {
		memcpy(path, midi_path, length);
		memcpy(path + length, ENDING, sizeof ENDING);
	}
	return path;
}

static enum status read_all(FILE *file, const char *path, char **bytes, size_t *size, struct error *error)
{
	size_t room = 0;
	*bytes = NULL;
	*size = 0;
	while (*size == room) {
		if (*size > BYTES_MAX)
			return status_fail(error, STATUS_BAD_DATA, "%s: more than %zu bytes of labels", path, BYTES_MAX);
		room = room ? 2 * room : 4096;
		char *larger = realloc(*bytes, room);
		if (!larger)
			return status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
		*bytes = larger;
		*size += fread(*bytes + *size, 1, room - *size, file);
		if (ferror(file))
			return status_fail(error, STATUS_IO, "%s: cannot be read", path);
	}
	return STATUS_OK;
}

enum status note_labels_read(const char *midi_path, struct piece *piece, struct error *error)
{
	char *path = labels_path(midi_path), *bytes = NULL;
	size_t size;
	enum status status = STATUS_OK;
	if (!path)
		return status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", midi_path);
	FILE *file = fopen(path, "rb");
	if (file) {
		status = read_all(file, path, &bytes, &size, error);
		if (status == STATUS_OK)
			status = note_labels_parse(bytes, size, path, piece, error);
		fclose(file);
	} else if (errno != ENOENT) {
		status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	}
	free(bytes);
	free(path);
	return status;
}
