/* Pieces from MIDI files, in order of arrival. Offline. Threads take files in turn; each result lands at the place of
 * its line, so that the outcome does not depend on who was faster. It masks, cuts and shuffles nothing. */
#include "train/dataset.h"
#include "train/manifest.h"
#include "train/note_labels.h"

#include "base/parallel.h"
#include "stream/grid.h"
#include "stream/smf.h"
#include "stream/timeline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int8_t melody_of_track(const char *name)
{
	static const char *const names[] = {
	    [MELODY_MELODY] = "MELODY", [MELODY_BRIDGE] = "BRIDGE", [MELODY_ACCOMPANIMENT] = "PIANO"};

	for (int i = MELODY_MELODY; i <= MELODY_ACCOMPANIMENT; i++)
		if (strcmp(name, names[i]) == 0)
			return (int8_t)i;
	return MELODY_NONE;
}

static struct piece_note make_note(const struct smf *file, const struct grid *grid, const struct smf_note *note)
{
	int64_t start = octuple_position(note->start_tick, file->ticks_per_quarter);
	int64_t duration = octuple_position(note->end_tick, file->ticks_per_quarter) - start;

	return (struct piece_note){.place = grid_place(grid, start),
				   .onset_us = smf_tick_to_us(file, note->start_tick),
				   .end_us = smf_tick_to_us(file, note->end_tick),
				   .position = start,
				   .duration_positions = duration > INT32_MAX ? INT32_MAX : (int32_t)duration,
				   .pitch = note->pitch,
				   .velocity = note->velocity,
				   .melody = melody_of_track(file->track_names[note->track]),
				   .label = NOTE_LABEL_NONE};
}

enum status dataset_read_file(const char *path, struct piece *piece, struct error *error)
{
	struct smf *file;
	struct grid *grid = NULL;
	struct timeline timeline = {0};
	enum status status;

	*piece = (struct piece){0};
	status = smf_read(path, &file, error);
	if (!status)
		status = timeline_new(file, false, &timeline, error);
	if (!status) {
		grid = grid_new_file(file, NULL);
		piece->path = malloc(strlen(path) + 1);
		piece->notes = malloc((timeline.notes + 1) * sizeof *piece->notes);
		if (!grid || !piece->path || !piece->notes)
			status = status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
	}
	if (!status) {
		strcpy(piece->path, path);
		piece->count = timeline.notes;
		for (size_t i = 0; i < timeline.notes; i++)
			piece->notes[i] = make_note(file, grid, &file->notes[timeline.note[i]]);
	} else {
		piece_free(piece);
	}
	grid_free(grid);
	timeline_free(&timeline);
	smf_free(file);
	return status;
}

void piece_free(struct piece *piece)
{
	free(piece->path);
	free(piece->label);
	free(piece->notes);
	free(piece->tracked);
	free(piece->names);
	*piece = (struct piece){0};
}

/* The files of one manifest while they are read. */
struct reading {
	struct manifest manifest;
	struct piece *pieces; /* one an entry */
	struct error *errors; /* one an entry */
	struct parallel_items turn;
};

static void read_files(void *context)
{
	struct reading *reading = context;
	size_t i;

	while (parallel_take(&reading->turn, &i)) {
		struct manifest_entry *entry = &reading->manifest.entries[i];

		if (entry->problem || dataset_read_file(entry->path, &reading->pieces[i], &reading->errors[i]))
			continue;
		if (note_labels_read(entry->path, &reading->pieces[i], &reading->errors[i])) {
			piece_free(&reading->pieces[i]);
			continue;
		}
		reading->pieces[i].label = entry->label;
		entry->label = NULL;
	}
}

/* Moves what was read to the end of the dataset and names what was not. */
static void collect(struct reading *reading, const char *manifest_path, int set, struct dataset *dataset)
{
	for (size_t i = 0; i < reading->manifest.count; i++) {
		const struct manifest_entry *entry = &reading->manifest.entries[i];
		struct piece *piece = &reading->pieces[i];

		if (piece->path) {
			piece->set = set;
			dataset->notes += piece->count;
			dataset->pieces[dataset->count++] = *piece;
			continue;
		}
		dataset->skipped++;
		if (entry->problem)
			fprintf(stderr, "%s: line %zu %s; skipped\n", manifest_path, entry->line, entry->problem);
		else
			fprintf(stderr, "%s: line %zu: %s; skipped\n", manifest_path, entry->line, reading->errors[i].text);
	}
}

static enum status read_manifest(const char *path, int set, struct dataset *dataset, struct error *error)
{
	struct reading reading = {0};
	struct piece *larger;
	enum status status = manifest_read(path, &reading.manifest, error);
	size_t count = reading.manifest.count;

	if (status)
		return status;
	larger = realloc(dataset->pieces, (dataset->count + count + 1) * sizeof *larger);
	if (larger)
		dataset->pieces = larger;
	reading.pieces = calloc(count + 1, sizeof *reading.pieces);
	reading.errors = calloc(count + 1, sizeof *reading.errors);
	if (!larger || !reading.pieces || !reading.errors) {
		status = status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
	} else {
		reading.turn.count = count;
		parallel_run(0, read_files, &reading);
		collect(&reading, path, set, dataset);
	}
	free(reading.pieces);
	free(reading.errors);
	manifest_free(&reading.manifest);
	return status;
}

enum status dataset_read(const char *const *manifests, size_t count, struct dataset *dataset, struct error *error)
{
	*dataset = (struct dataset){0};
	for (size_t i = 0; i < count; i++) {
		enum status status = read_manifest(manifests[i], (int)i, dataset, error);

		if (status) {
			dataset_free(dataset);
			return status;
		}
	}
	return STATUS_OK;
}

void dataset_free(struct dataset *dataset)
{
	for (size_t i = 0; i < dataset->count; i++)
		piece_free(&dataset->pieces[i]);
	free(dataset->pieces);
	*dataset = (struct dataset){0};
}
