/* A journal to a MIDI file, see take_file.h. Recorder's thread, or main at the start. It reads only what the engine took in:
 * labels and messages stay in the journal. */
#define _GNU_SOURCE
#include "daemon/take_file.h"

#include "daemon/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIVISION 10000 /* ticks a quarter: 50 us at 120 bpm */
#define NAME_MAX_BYTES 128
#define US_PER_MINUTE 60e6

struct bytes {
	unsigned char *data;
	size_t count, room;
	bool failed; /* no memory */
};

struct track {
	struct bytes bytes;
	int64_t tick;	 /* of the last event */
	int64_t last_us; /* and its time; -1: nothing yet */
	double rest;	 /* part of a tick that is owed */
	uint32_t us_per_quarter;
	size_t notes;
};

static void put(struct bytes *bytes, const void *data, size_t count)
{
	if (bytes->count + count > bytes->room) {
		size_t room = 2 * bytes->room + count + 256;
		unsigned char *grown = realloc(bytes->data, room);
		if (!grown) {
			bytes->failed = true;
			return;
		}
		bytes->data = grown;
		bytes->room = room;
	}
	memcpy(bytes->data + bytes->count, data, count);
	bytes->count += count;
}

static void put_length(struct bytes *bytes, uint64_t value)
{
	unsigned char digits[10];
	int at = 10;
	digits[--at] = value & 0x7f;
	while (value >>= 7)
		digits[--at] = (unsigned char)((value & 0x7f) | 0x80);
	put(bytes, digits + at, (size_t)(10 - at));
}

/* Time up to an event, as ticks since the one before. */
static void put_time(struct track *track, int64_t us)
{
	if (track->last_us < 0)
		track->last_us = us;
	double ticks = track->rest;
	if (us > track->last_us) {
		ticks += (double)(us - track->last_us) * DIVISION / track->us_per_quarter;
		track->last_us = us;
	}
	int64_t whole = (int64_t)(ticks + 0.5);
	track->rest = ticks - (double)whole;
	put_length(&track->bytes, (uint64_t)whole);
	track->tick += whole;
}

static void put_meta(struct track *track, unsigned char kind, const void *data, size_t count)
{
	const unsigned char head[2] = {0xff, kind};
	put(&track->bytes, head, 2);
	put_length(&track->bytes, count);
	put(&track->bytes, data, count);
}

static void put_tempo(struct track *track, double bpm)
{
	double us = US_PER_MINUTE / (bpm >= 4 ? bpm : 120);
	track->us_per_quarter = (uint32_t)(us + 0.5);
	const unsigned char data[3] = {(unsigned char)(track->us_per_quarter >> 16),
				       (unsigned char)(track->us_per_quarter >> 8), (unsigned char)track->us_per_quarter};
	put_meta(track, 0x51, data, 3);
}

static void put_event(struct track *track, const struct event *event)
{
	unsigned char message[3] = {0, event->pitch, event->velocity};
	switch ((enum event_kind)event->kind) {
	case EVENT_NOTE_ON:
		message[0] = (unsigned char)(0x90 | event->channel);
		track->notes++;
		break;
	case EVENT_NOTE_OFF:
		if (track->notes == 0) /* of a note that the take before has */
			return;
		message[0] = (unsigned char)(0x80 | event->channel);
		message[2] = 64;
		break;
	case EVENT_PEDAL: message[0] = (unsigned char)(0xb0 | event->channel); break;
	default: return;
	}
	/* The first note is where the take's time begins, with the pedals that are down by then. */
	if (track->notes == 0 && event->kind == EVENT_PEDAL)
		put_length(&track->bytes, 0);
	else
		put_time(track, event->event_us);
	if (event->kind == EVENT_NOTE_ON && event->fine > 0) {
		const unsigned char fine[3] = {(unsigned char)(0xb0 | event->channel), 88, event->fine};
		put(&track->bytes, fine, 3);
		put_length(&track->bytes, 0);
	}
	put(&track->bytes, message, 3);
}

/* Name and identity of the input that the first note came from; they may stand behind it: two threads write. */
static void find_names(FILE *file, char name[NAME_MAX_BYTES], char identity[NAME_MAX_BYTES])
{
	char names[INPUTS_MAX][NAME_MAX_BYTES] = {{0}}, identities[INPUTS_MAX][NAME_MAX_BYTES] = {{0}};
	char *line = NULL;
	size_t room = 0;
	int input = -1;
	while ((input < 0 || names[input][0] == '\0') && getline(&line, &room, file) > 0) {
		struct journal_entry entry;
		const char *text;
		line[strcspn(line, "\n")] = '\0';
		if (!journal_read(line, &entry, &text))
			continue;
		if (entry.kind == JOURNAL_INPUT)
			snprintf(names[entry.number], NAME_MAX_BYTES, "%s", text);
		else if (entry.kind == JOURNAL_IDENTITY)
			snprintf(identities[entry.number], NAME_MAX_BYTES, "%s", text);
		else if (input < 0 && entry.kind == JOURNAL_ACCEPT && entry.as.event.kind == EVENT_NOTE_ON)
			input = entry.as.event.input;
	}
	memcpy(name, names[input < 0 ? 0 : input], NAME_MAX_BYTES);
	memcpy(identity, identities[input < 0 ? 0 : input], NAME_MAX_BYTES);
	free(line);
	rewind(file);
}

/* Reads the journal into a track. The bpm of its head comes before any entry. */
static enum status read_journal(FILE *file, const char *path, struct track *track, struct error *error)
{
	char *line = NULL, name[NAME_MAX_BYTES], identity[NAME_MAX_BYTES];
	size_t room = 0;
	double bpm = 0;
	bool begun = false;
	ssize_t length;
	*track = (struct track){.last_us = -1};
	find_names(file, name, identity);
	if (getline(&line, &room, file) <= 0 || strncmp(line, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC)) != 0) {
		free(line);
		return status_fail(error, STATUS_BAD_DATA, "%s: not a recording: its first line is not \"%s\"", path,
				   JOURNAL_MAGIC);
	}
	while ((length = getline(&line, &room, file)) > 0) {
		struct journal_entry entry;
		const char *text;
		if (line[length - 1] != '\n')
			break; /* cut off in the middle of a line */
		line[length - 1] = '\0';
		if (!begun && strncmp(line, "bpm ", 4) == 0)
			bpm = atof(line + 4);
		if (!journal_read(line, &entry, &text))
			continue;
		if (entry.kind != JOURNAL_ACCEPT && entry.kind != JOURNAL_TEMPO)
			continue;
		if (!begun) {
			put_length(&track->bytes, 0);
			put_meta(track, 3, name, strnlen(name, 63));
			if (identity[0] != '\0') {
				put_length(&track->bytes, 0);
				put_meta(track, 9, identity, strnlen(identity, NAME_MAX_BYTES - 1));
			}
			put_length(&track->bytes, 0);
			put_tempo(track, bpm);
			begun = true;
		}
		if (entry.kind == JOURNAL_ACCEPT) {
			put_event(track, &entry.as.event);
		} else if (track->last_us >= 0) {
			put_time(track, entry.now_us);
			put_tempo(track, entry.as.bpm);
		}
	}
	free(line);
	return ferror(file) ? status_fail(error, STATUS_IO, "%s: cannot be read: %s", path, strerror(errno)) : STATUS_OK;
}

static bool write_all(int descriptor, const void *data, size_t count)
{
	const char *at = data;
	while (count > 0) {
		ssize_t done = write(descriptor, at, count);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		count -= (size_t)done;
	}
	return true;
}

static enum status write_midi(const struct track *track, const char *path, struct error *error)
{
	char fresh[TAKE_PATH_MAX + 8];
	const size_t count = track->bytes.count;
	const unsigned char head[22] = {'M',
					'T',
					'h',
					'd',
					0,
					0,
					0,
					6,
					0,
					0,
					0,
					1,
					DIVISION >> 8,
					DIVISION & 0xff,
					'M',
					'T',
					'r',
					'k',
					(unsigned char)(count >> 24),
					(unsigned char)(count >> 16),
					(unsigned char)(count >> 8),
					(unsigned char)count};
	snprintf(fresh, sizeof fresh, "%s.part", path);
	int descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (descriptor < 0)
		return status_fail(error, STATUS_IO, "%s: cannot be written: %s", fresh, strerror(errno));
	bool good = write_all(descriptor, head, sizeof head) && write_all(descriptor, track->bytes.data, count) &&
		    fsync(descriptor) == 0;
	good = close(descriptor) == 0 && good;
	if (good && rename(fresh, path) == 0)
		return STATUS_OK;
	int reason = errno;
	unlink(fresh);
	return status_fail(error, STATUS_IO, "%s: cannot be written: %s", path, strerror(reason));
}

enum status take_file_make_midi(const char *journal_path, struct error *error)
{
	char path[TAKE_PATH_MAX];
	struct track track;
	size_t stem = strlen(journal_path) - strlen(JOURNAL_SUFFIX);
	if (stem + 5 > sizeof path)
		return status_fail(error, STATUS_USAGE, "%.200s...: the name is too long", journal_path);
	snprintf(path, sizeof path, "%.*s.mid", (int)stem, journal_path);
	FILE *file = fopen(journal_path, "re");
	if (!file)
		return status_fail(error, STATUS_IO, "%s: %s", journal_path, strerror(errno));
	enum status status = read_journal(file, journal_path, &track, error);
	fclose(file);
	const unsigned char end[4] = {0, 0xff, 0x2f, 0};
	put(&track.bytes, end, 4);
	if (status == STATUS_OK && track.bytes.failed)
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory for its MIDI file", journal_path);
	if (status == STATUS_OK && track.notes == 0)
		status = status_fail(error, STATUS_NOT_FOUND, "%s: no notes", journal_path);
	if (status == STATUS_OK)
		status = write_midi(&track, path, error);
	free(track.bytes.data);
	return status;
}

/* ---- folders ---- */

static void recover_one(const char *path)
{
	char midi[TAKE_PATH_MAX + 8];
	struct error error;
	snprintf(midi, sizeof midi, "%.*s.mid", (int)(strlen(path) - strlen(JOURNAL_SUFFIX)), path);
	if (access(midi, F_OK) == 0)
		return;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0 || flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
		if (descriptor >= 0)
			close(descriptor); /* another daemon records into it */
		return;
	}
	enum status status = take_file_make_midi(path, &error);
	close(descriptor);
	if (status == STATUS_OK)
		fprintf(stderr, "midibertd: record: %s was cut off; its MIDI file is made from what there is\n", path);
	else if (status == STATUS_NOT_FOUND)
		unlink(path);
	else
		fprintf(stderr, "midibertd: record: %s\n", error.text);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);
	return length > end && strcmp(name + length - end, suffix) == 0;
}

void take_file_recover(const char *folder)
{
	char path[TAKE_PATH_MAX];
	DIR *entries = opendir(folder);
	for (struct dirent *entry; entries && (entry = readdir(entries));)
		if (has_suffix(entry->d_name, JOURNAL_SUFFIX) &&
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
			recover_one(path);
	if (entries)
		closedir(entries);
}

size_t take_file_folder_bytes(const char *folder)
{
	size_t total = 0;
	struct stat about;
	DIR *entries = opendir(folder);
	for (struct dirent *entry; entries && (entry = readdir(entries));)
		if (fstatat(dirfd(entries), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode))
			total += (size_t)about.st_size;
	if (entries)
		closedir(entries);
	return total;
}
