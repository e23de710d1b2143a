/* The beat grid: from an event to bar, position, signature and tempo. Two kinds so far: a file's own tempo map, and a
 * fixed tempo counted from the last reset. Made by the set-up thread, then used by the engine thread alone. */
#ifndef MIDIBERTD_STREAM_GRID_H
#define MIDIBERTD_STREAM_GRID_H

#include "base/event.h"
#include "stream/octuple.h"
#include "stream/smf.h"

struct grid;

/* Allocate; NULL without memory. The file is read now and not kept. */
struct grid *grid_new_file(const struct smf *file, size_t *clamped_signatures);
struct grid *grid_new_fixed(double bpm); /* 16-256 */
void grid_free(struct grid *grid);

/* Engine thread; real-time safe. Fixed grid: position 0 of bar 0 is at event_us. File grid: no effect. */
void grid_reset(struct grid *grid, int64_t event_us);

/* Engine thread; real-time safe. Fixed grid: another tempo from now_us on, 16-256; positions go on from where they are.
 * File grid: no effect. */
void grid_set_bpm(struct grid *grid, double bpm, int64_t now_us);

/* Engine thread; real-time safe. The event's position on the grid, 16 per quarter, never negative: from event->position
 * for a file grid, from event->event_us for a fixed one. A duration is the difference of two of them. */
int64_t grid_position(const struct grid *grid, const struct event *event);

/* Engine thread; real-time safe. Where a note that begins at this grid position stands. Positions may come in any order. */
struct place grid_place(const struct grid *grid, int64_t position);

/* bpm in force at a position. */
double grid_bpm(const struct grid *grid, int64_t position);

#endif
