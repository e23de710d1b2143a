/* Pieces heard through the beat tracker, see tracked.h. Offline. Threads take pieces in turn, each with a grid of its own.
 * What a note is told is what the grid knows when the note arrives, in the engine's order (engine/engine.c, events): nothing
 * is put right afterwards. It finds no beat itself: stream/beat.c does. */
#include "train/tracked.h"

#include "base/parallel.h"
#include "stream/grid.h"
#include "stream/timeline.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void hear_note(struct grid *grid, const struct event *event, struct piece_note *note)
{
	if (event->kind == EVENT_NOTE_ON) {
		note->position = grid_position(grid, event);
		note->place = grid_place(grid, note->position);
		return;
	}
	int64_t duration = grid_position(grid, event) - note->position;
	note->duration_positions = (int32_t)(duration < 0 ? 0 : duration > INT32_MAX ? INT32_MAX : duration);
}

static void hear(struct grid *grid, const struct timeline *timeline, struct piece_note *notes)
{
	for (size_t i = 0; i < timeline->count; i++) {
		const struct event *event = &timeline->events[i];
		bool on = event->kind == EVENT_NOTE_ON;
		if (on && event->note_id == 1)
			grid_reset(grid, event->event_us);
		grid_take(grid, event);
		if (on || event->kind == EVENT_NOTE_OFF)
			hear_note(grid, event, &notes[event->note_id - 1]);
	}
}

enum status tracked_piece(struct piece *piece, const struct rhythm_network *network, struct error *error)
{
	const struct beat_options options = {.sources = BEAT_BIT(BEAT_TRACKER), .network = network};
	struct smf *file = NULL;
	struct timeline timeline = {0};
	struct grid *grid = NULL;
	struct piece_note *notes = NULL;
	enum status status = smf_read(piece->path, &file, error);
	if (status == STATUS_OK)
		status = timeline_new(file, false, &timeline, error);
	if (status == STATUS_OK && timeline.notes != piece->count)
		status = status_fail(error, STATUS_BAD_DATA, "%s has changed while it was read: %zu notes, then %zu",
				     piece->path, piece->count, timeline.notes);
	if (status == STATUS_OK) {
		grid = grid_new_live(&options);
		notes = malloc((piece->count + 1) * sizeof *notes);
		if (!grid || !notes)
			status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory for its beat", piece->path);
	}
	if (status == STATUS_OK) {
		memcpy(notes, piece->notes, piece->count * sizeof *notes);
		hear(grid, &timeline, notes);
		free(piece->tracked);
		piece->tracked = notes;
		notes = NULL;
	}
	free(notes);
	grid_free(grid);
	timeline_free(&timeline);
	smf_free(file);
	return status;
}

struct tracking {
	struct dataset *dataset;
	const struct rhythm_network *network;
	void (*progress)(void *context, size_t done, size_t count);
	void *context;
	struct parallel_items turn; /* one a piece */
	pthread_mutex_t lock;
	size_t done;	    /* under the lock, as the rest */
	size_t failed;	    /* first piece that failed, or dataset->count */
	struct error error; /* its */
};

static void work(void *context)
{
	struct tracking *tracking = context;
	const struct dataset *dataset = tracking->dataset;
	size_t i;
	while (parallel_take(&tracking->turn, &i)) {
		struct error error = {0};
		enum status status = tracked_piece(&dataset->pieces[i], tracking->network, &error);
		pthread_mutex_lock(&tracking->lock);
		if (status != STATUS_OK && i < tracking->failed) {
			tracking->failed = i;
			tracking->error = error;
			parallel_stop(&tracking->turn);
		}
		if (tracking->progress)
			tracking->progress(tracking->context, ++tracking->done, dataset->count);
		pthread_mutex_unlock(&tracking->lock);
	}
}

enum status tracked_dataset(struct dataset *dataset, const struct rhythm_network *network, int threads,
			    void (*progress)(void *context, size_t done, size_t count), void *context, struct error *error)
{
	struct tracking tracking = {.dataset = dataset,
				    .network = network,
				    .progress = progress,
				    .context = context,
				    .turn = {.count = dataset->count},
				    .failed = dataset->count};
	if (pthread_mutex_init(&tracking.lock, NULL) != 0)
		return status_fail(error, STATUS_NO_MEMORY, "no memory to track the beat");
	parallel_run(threads, work, &tracking);
	pthread_mutex_destroy(&tracking.lock);
	if (tracking.failed == dataset->count)
		return STATUS_OK;
	if (error)
		*error = tracking.error;
	return tracking.error.status;
}
