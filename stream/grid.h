/* The beat grid: from an event to bar, position, signature and tempo. A file's own tempo map, or the live beat
 * (stream/beat.h), of which a fixed tempo is the simplest, or what a recording says. Made by the set-up thread, then used by
 * the engine thread alone. */
#ifndef MIDIBERTD_STREAM_GRID_H
#define MIDIBERTD_STREAM_GRID_H

#include "base/event.h"
#include "stream/beat.h"
#include "stream/octuple.h"
#include "stream/smf.h"

struct grid;

/* Allocate; NULL without memory. The file is read now and not kept. */
struct grid *grid_new_file(const struct smf *file, size_t *clamped_signatures);
struct grid *grid_new_fixed(double bpm);			/* 16-256 */
struct grid *grid_new_live(const struct beat_options *options); /* the network is borrowed */
void grid_free(struct grid *grid);

/* The live beat behind the grid; NULL for the others. */
struct beat *grid_beat(const struct grid *grid);

/* A recording's: each event says itself where it lies, as grid_stamp has written it. */
struct grid *grid_new_recorded(void);

/* Engine thread; real-time safe. Every event goes here before it is asked for a position: the live beat listens. */
void grid_take(struct grid *grid, const struct event *event);

/* Engine thread; real-time safe. Live grid: beat_reset. File grid: no effect. */
void grid_reset(struct grid *grid, int64_t event_us);

/* Engine thread; real-time safe. Live grid: beat_set_bpm, 16-256. File grid: no effect. */
void grid_set_bpm(struct grid *grid, double bpm, int64_t now_us);

/* Engine thread; real-time safe. The event's position on the grid, 16 per quarter, never negative: from event->position
 * for a file grid, from event->event_us for a live one. A duration is the difference of two of them. */
int64_t grid_position(const struct grid *grid, const struct event *event);

/* Engine thread; real-time safe. Where a note that begins at this grid position stands. Positions may come in any order, but
 * for a live grid, which knows the newest one only. */
struct place grid_place(const struct grid *grid, int64_t position);

/* Engine thread; real-time safe. Writes into a note's event, which the grid has taken, where it lies: position, and for a
 * note-on its place in duration_us, so that a recording repeats it. File grid: no effect. */
void grid_stamp(const struct grid *grid, struct event *event);

/* bpm in force at a position; of a live grid: now. */
double grid_bpm(const struct grid *grid, int64_t position);

#endif
