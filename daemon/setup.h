/* The parts that answer: weights, beat grid, engine; made from the options, warmed up, measured. Main thread; allocates. */
#ifndef MIDIBERTD_DAEMON_SETUP_H
#define MIDIBERTD_DAEMON_SETUP_H

#include "daemon/options.h"
#include "engine/engine.h"
#include "engine/rhythm_file.h"
#include "model/model.h"
#include "osc/server.h"
#include "stream/grid.h"
#include "stream/source.h"

#define SETUP_WINDOW_MIN 64 /* notes; the budget takes no smaller one */

struct setup {
	struct model *model;
	struct grid *grid;
	struct rhythm *rhythm; /* of the grid's tracker; NULL: it has none */
	struct engine *engine;
	bool file_grid; /* tempo and bars are a file's; otherwise live */
	double bpm;	/* of a fixed grid */
	int window;
	bool warming;	 /* what the engine says meanwhile is thrown away */
	int64_t note_us; /* time of one inference for one new note, lower quartile, measured while warming up */
	bool narrowed;	 /* the window is smaller than what was asked for: the budget */
	struct engine_sink sink;
};

/* Loads, checks, allocates, warms up. Predictions go to `sink`, except while warming up. On failure nothing is left.
 * Where a note takes longer than the budget: half the window, down to SETUP_WINDOW_MIN, unless it was given; then, unless
 * weights were named, the small ones, with the whole window and again down. What is taken, or that nothing is fast enough,
 * is said on standard error. */
enum status setup_open(const struct options *options, const struct engine_sink *sink, struct setup *setup,
		       struct error *error);
void setup_close(struct setup *setup); /* an empty one is allowed */

/* The budget that is in force, us; 0: none. A file at its own speed has one if it was given; on the virtual clock and for a
 * recording, where nothing may depend on the machine, there is none. */
int64_t setup_budget_us(const struct options *options);

/* Loader thread: other weights, to take the place of `used`: an engine that remembers as many notes, of the same window
 * where that was narrowed; warmed up, mute, with a grid of its own until engine_adopt. *error names the file. On failure
 * nothing is left. */
enum status setup_open_beside(const struct options *options, const char *path, const struct setup *used, struct setup *setup,
			      struct error *error);
/* Loader thread, when the engine thread has changed over: models and engines change places. */
void setup_exchange(struct setup *setup, struct setup *other);
/* osc thread, or main before it starts: /midibert/style/labels, /emotion/labels, /status/model. */
enum status setup_tell_model(const struct model *model, int window, struct osc_server *server, struct error *error);

#define SETUP_PLACE_MAX 272

/* Where to listen: the value of the option `name`, or with --lan, unless it was given, every address at its port. */
void setup_place(const struct options *options, const char *name, const char *value, char place[SETUP_PLACE_MAX]);

/* Opens the OSC server and tells it the model's labels. start_us: where OSC times count from. told: see osc/server.h. */
enum status setup_open_server(const struct options *options, const struct setup *setup, int64_t start_us,
			      void (*told)(void *context, const char *line), void *context, struct osc_server **server,
			      struct error *error);

/* Opens the source that the options name. */
enum status setup_open_source(const struct options *options, const struct source_output *output, struct source **source,
			      struct error *error);

#endif
