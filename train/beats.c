/* Annotated beats, see beats.h. Lines are bounded; a line that is none of the two forms is an error with its number. */
#include "train/beats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASAP_SUFFIX "_annotations.txt"
#define POP909_NAME "beat_midi.txt"
#define PATH_SIZE 4096
#define LINE_MAX_BYTES 512
#define SECONDS_MAX 1e6
#define APART_S 0.05

static bool add(struct beat_marks *marks, size_t *room, double seconds, bool downbeat)
{
	struct beat_mark *last = marks->count > 0 ? &marks->marks[marks->count - 1] : NULL;

	if (last && seconds < last->seconds + APART_S) {
		last->downbeat |= downbeat;
		return true;
	}
	if (marks->count == *room) {
		size_t more = *room ? *room * 2 : 256;
		struct beat_mark *grown = realloc(marks->marks, more * sizeof *grown);

		if (!grown)
			return false;
		marks->marks = grown;
		*room = more;
	}
	marks->marks[marks->count++] = (struct beat_mark){seconds, downbeat};
	return true;
}

static bool parse(const char *line, bool asap, double *seconds, bool *downbeat)
{
	double second, third;
	char kind[8];

	if (asap ? sscanf(line, "%lf %lf %7s", seconds, &second, kind) != 3
		 : sscanf(line, "%lf %lf %lf", seconds, &second, &third) != 3)
		return false;
	*downbeat = asap ? strncmp(kind, "db", 2) == 0 : third > 0.5;
	return isfinite(*seconds) && fabs(*seconds) < SECONDS_MAX;
}

static enum status read_lines(FILE *file, const char *path, bool asap, struct beat_marks *marks, struct error *error)
{
	char line[LINE_MAX_BYTES];
	size_t room = 0, number = 0;

	while (fgets(line, sizeof line, file)) {
		double seconds;
		bool downbeat;

		number++;
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		if (!parse(line, asap, &seconds, &downbeat))
			return status_fail(error, STATUS_BAD_DATA, "%.300s, line %zu: not a beat: %.60s", path, number,
					   line);
		if (!add(marks, &room, seconds, downbeat))
			return status_fail(error, STATUS_NO_MEMORY, "%.300s: no memory", path);
	}
	return ferror(file) ? status_fail(error, STATUS_IO, "%.300s: cannot be read", path) : STATUS_OK;
}

enum status beat_marks_read(const char *midi_path, struct beat_marks *marks, struct error *error)
{
	char path[PATH_SIZE];
	const char *slash = strrchr(midi_path, '/'), *dot = strrchr(midi_path, '.');
	int folder = slash ? (int)(slash - midi_path) + 1 : 0;
	int stem = dot && dot > midi_path + folder ? (int)(dot - midi_path) : (int)strlen(midi_path);
	FILE *file = NULL;
	bool asap = true;

	*marks = (struct beat_marks){0};
	if (snprintf(path, sizeof path, "%.*s%s", stem, midi_path, ASAP_SUFFIX) < (int)sizeof path)
		file = fopen(path, "r");
	if (!file && snprintf(path, sizeof path, "%.*s%s", folder, midi_path, POP909_NAME) < (int)sizeof path) {
		file = fopen(path, "r");
		asap = false;
	}
	if (!file)
		return status_fail(error, STATUS_NOT_FOUND,
				   "%.300s: no beats lie beside it (NAME" ASAP_SUFFIX ", " POP909_NAME ")", midi_path);
	enum status status = read_lines(file, path, asap, marks, error);
	fclose(file);
	if (status != STATUS_OK)
		beat_marks_free(marks);
	return status;
}

void beat_marks_free(struct beat_marks *marks)
{
	free(marks->marks);
	*marks = (struct beat_marks){0};
}
