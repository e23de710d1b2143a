/* Velocity curves: fitted, written, read, found; see touch.h. Offline and set-up threads. It plays nothing and asks nobody:
 * tools/calibrate.c does. */
#define _GNU_SOURCE
#include "stream/touch.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "midibert velocity curve 1"
#define NAME_BYTES 100 /* of a device's name in its file's name */

static const char *const level_names[DYNAMICS] = {"pp", "p", "mp", "mf", "f", "ff"};

int touch_reference(enum dynamic level)
{
	return 24 + 16 * (int)level;
}

/* ---- fitting ---- */

/* Averages neighbours until none falls: the nearest order in the sense of least squares. */
static void put_in_order(double value[DYNAMICS])
{
	double mean[DYNAMICS];
	int weight[DYNAMICS], blocks = 0;
	for (int i = 0; i < DYNAMICS; i++) {
		mean[blocks] = value[i];
		weight[blocks++] = 1;
		while (blocks > 1 && mean[blocks - 2] > mean[blocks - 1]) {
			int together = weight[blocks - 2] + weight[blocks - 1];
			mean[blocks - 2] =
			    (mean[blocks - 2] * weight[blocks - 2] + mean[blocks - 1] * weight[blocks - 1]) / together;
			weight[blocks-- - 2] = together;
		}
	}
	for (int block = 0, i = 0; block < blocks; block++)
		for (int end = i + weight[block]; i < end; i++)
			value[i] = mean[block];
}

/* Value at x of the line through two points. */
static double between(double x, double x0, double y0, double x1, double y1)
{
	return x1 > x0 ? y0 + (x - x0) * (y1 - y0) / (x1 - x0) : (y0 + y1) / 2;
}

static double translate(double x, const double ordered[DYNAMICS])
{
	if (x < ordered[0])
		return between(x, 1, 1, ordered[0], touch_reference(DYNAMIC_PP));
	/* Of levels that came out alike their middle. */
	int first = 0, last = DYNAMICS - 1;
	while (first < DYNAMICS && ordered[first] < x)
		first++;
	while (last >= 0 && ordered[last] > x)
		last--;
	if (first <= last)
		return (touch_reference((enum dynamic)first) + touch_reference((enum dynamic)last)) / 2.0;
	if (first == DYNAMICS)
		return between(x, ordered[last], touch_reference(DYNAMIC_FF), 127, 127);
	return between(x, ordered[last], touch_reference((enum dynamic)last), ordered[first],
		       touch_reference((enum dynamic)first));
}

enum status touch_fit(const double sent[DYNAMICS], struct touch *touch, struct error *error)
{
	double ordered[DYNAMICS];
	memcpy(ordered, sent, sizeof ordered);
	put_in_order(ordered);
	if (ordered[DYNAMIC_FF] - ordered[DYNAMIC_PP] < TOUCH_RANGE_MIN)
		return status_fail(
		    error, STATUS_BAD_DATA,
		    "from pp to ff the keyboard sent velocities from %.0f to %.0f: too little to calibrate by; "
		    "is it set to a fixed touch?",
		    ordered[DYNAMIC_PP], ordered[DYNAMIC_FF]);
	touch->velocity[0] = 0;
	for (int x = 1; x < 128; x++) {
		double y = translate(x, ordered);
		int velocity = (int)lrint(y < 1 ? 1 : y > 127 ? 127 : y);
		if (x > 1 && velocity < touch->velocity[x - 1])
			velocity = touch->velocity[x - 1];
		touch->velocity[x] = (uint8_t)velocity;
	}
	return STATUS_OK;
}

/* ---- files ---- */

static enum status bad_line(const char *path, int line, const char *why, struct error *error)
{
	return status_fail(error, STATUS_BAD_DATA, "%s, line %d: %s; make it anew with midibert calibrate", path, line, why);
}

static enum status read_pair(char *text, int expected, const char *path, int line, struct touch *touch, struct error *error)
{
	int sent, velocity, used = 0;
	if (sscanf(text, "velocity %d %d%n", &sent, &velocity, &used) != 2 || text[used] != '\0' || sent != expected)
		return bad_line(path, line, "not \"velocity SENT MEANT\" in order from 1 to 127", error);
	if (velocity < 1 || velocity > 127 || velocity < touch->velocity[sent - 1])
		return bad_line(path, line, "a velocity from 1 to 127 that does not fall", error);
	touch->velocity[sent] = (uint8_t)velocity;
	return STATUS_OK;
}

enum status touch_read(const char *path, struct touch *touch, struct error *error)
{
	char text[512];
	int line = 0, next = 1;
	enum status status = STATUS_OK;
	*touch = (struct touch){.device = ""};
	FILE *file = fopen(path, "re");
	if (!file)
		return status_fail(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
	while (status == STATUS_OK && fgets(text, sizeof text, file)) {
		size_t length = strlen(text);
		line++;
		if (length == 0 || text[length - 1] != '\n') {
			status = bad_line(path, line, "too long, or cut off", error);
			break;
		}
		text[length - 1] = '\0';
		if (line == 1 && strcmp(text, MAGIC) != 0)
			status = bad_line(path, line, "not \"" MAGIC "\"", error);
		else if (strncmp(text, "device ", 7) == 0)
			snprintf(touch->device, sizeof touch->device, "%.*s", TOUCH_DEVICE_MAX - 1, text + 7);
		else if (strncmp(text, "velocity ", 9) == 0)
			status = next < 128 ? read_pair(text, next++, path, line, touch, error)
					    : bad_line(path, line, "more than 127 velocities", error);
		else if (line > 1 && text[0] != '#' && text[0] != '\0')
			status = bad_line(path, line, "neither device, velocity nor a comment", error);
	}
	if (status == STATUS_OK && ferror(file))
		status = status_fail(error, STATUS_IO, "%s: cannot be read", path);
	if (status == STATUS_OK && next != 128)
		status = bad_line(path, line, "the file ends before the 127th velocity", error);
	fclose(file);
	return status;
}

static void write_text(FILE *file, const struct touch *touch, const double sent[DYNAMICS])
{
	fprintf(file, MAGIC "\ndevice %s\n# level: sent (median), meant\n", touch->device);
	for (int level = 0; level < DYNAMICS; level++)
		fprintf(file, "# %s %.1f %d\n", level_names[level], sent[level], touch_reference((enum dynamic)level));
	for (int i = 1; i < 128; i++)
		fprintf(file, "velocity %d %d\n", i, touch->velocity[i]);
}

enum status touch_write(const char *path, const struct touch *touch, const double sent[DYNAMICS], struct error *error)
{
	char fresh[4096];
	if (snprintf(fresh, sizeof fresh, "%s.part", path) >= (int)sizeof fresh)
		return status_fail(error, STATUS_USAGE, "%.200s...: the path is too long", path);
	FILE *file = fopen(fresh, "we");
	if (!file)
		return status_fail(error, STATUS_IO, "%s: %s", fresh, strerror(errno));
	write_text(file, touch, sent);
	bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
	good = fclose(file) == 0 && good;
	if (good && rename(fresh, path) == 0)
		return STATUS_OK;
	enum status status = status_fail(error, STATUS_IO, "%s: cannot be written: %s", path, strerror(errno));
	unlink(fresh);
	return status;
}

/* ---- places ---- */

static bool config_folder(char *path, size_t size)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (config && config[0] == '/')
		return snprintf(path, size, "%s/midibert", config) < (int)size;
	return home && home[0] == '/' && snprintf(path, size, "%s/.config/midibert", home) < (int)size;
}

/* A device's name as a file's: letters, digits and a few signs stay. */
static void file_name(const char *device, char name[NAME_BYTES + 1])
{
	size_t i = 0;
	for (; i < NAME_BYTES && device[i]; i++)
		name[i] = isalnum((unsigned char)device[i]) || strchr("-_", device[i]) ? device[i] : '_';
	name[i] = '\0';
}

enum status touch_place(const char *device, char *path, size_t size, struct error *error)
{
	char folder[3800], name[NAME_BYTES + 1];
	file_name(device, name);
	if (!config_folder(folder, sizeof folder) || snprintf(path, size, "%s/%s.curve", folder, name) >= (int)size)
		return status_fail(error, STATUS_NOT_FOUND, "neither XDG_CONFIG_HOME nor HOME says where curves are kept");
	return STATUS_OK;
}

enum status touch_find(const char *device, struct touch *touch, char *path, size_t size, struct error *error)
{
	enum status status = touch_place(device, path, size, error);
	if (status != STATUS_OK || device[0] == '\0')
		return STATUS_NOT_FOUND;
	status = touch_read(path, touch, error);
	if (status == STATUS_OK && strcmp(touch->device, device) != 0)
		return status_fail(error, STATUS_NOT_FOUND, "%s is the curve of another device, %s", path, touch->device);
	return status;
}
