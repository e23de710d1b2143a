/* Every option of midibertd, in one table: it feeds the command line, --help, the configuration files and the check of the
 * man page. Main thread; allocates only copies of texts. */
#ifndef MIDIBERTD_DAEMON_OPTIONS_H
#define MIDIBERTD_DAEMON_OPTIONS_H

#include "base/status.h"
#include "stream/smf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPTION_LIST_MAX 16 /* entries of --osc, --connect, --ignore, --allow */

enum option_action { ACTION_RUN, ACTION_HELP, ACTION_VERSION, ACTION_LIST_OSC, ACTION_CHECK_CONFIG, ACTION_DOCTOR };
enum option_source {
	SOURCE_KIND_AUTO,
	SOURCE_KIND_ALSA,
	SOURCE_KIND_JACK,
	SOURCE_KIND_FILE,
	SOURCE_KIND_TAKE /* not from an option: a recording is repeated (daemon/repeat.h) */
};
enum option_grid {
	GRID_KIND_AUTO,
	GRID_KIND_FILE,
	GRID_KIND_CLOCK,
	GRID_KIND_JACK,
	GRID_KIND_TAP,
	GRID_KIND_FIXED,
	GRID_KIND_TRACKER
};
extern const char *const option_grids[]; /* their names */
#define OPTION_GRIDS 7

/* A list: what a later layer (a configuration file, the command line) gives replaces what an earlier one gave. */
struct option_list {
	char *text[OPTION_LIST_MAX + 1]; /* NULL ends */
	size_t count;
	int layer;
};

struct options {
	enum option_action action;
	enum option_source source;
	char *path; /* of a file source */
	struct option_list connect, ignore, osc, allow;
	int channel; /* 0: all */
	int key_low, key_high;
	int64_t layers_us; /* 0: every channel's notes count by themselves */
	char *control;
	char *http; /* "off" or HOST:PORT */
	bool lan;
	char *model;	     /* NULL: model/locate.h decides */
	const char *backend; /* of backend_name: a literal */
	int window;	     /* notes */
	int64_t budget_us;   /* that judging one note may take; 0: no matter how long (daemon/setup.h) */
	int64_t gather_us, decide_us, final_after_us;
	double tempo; /* bpm; 0: not given */
	enum option_grid grid;
	double speed;
	bool loop, print, bundle;
	char *curve;  /* "auto", "none" or a file: velocity curves of the inputs */
	char *record; /* folder of takes; NULL: nothing is recorded */
	int record_limit_mb;
	bool record_report;
	int64_t take_pause_us; /* silence that ends a take; 0: none does */
	int take_pedal;	       /* controller whose press ends a take, 66 or 67; 0: none */
	const struct smf *map; /* of a recording that is repeated: its tempo map, borrowed; NULL: none, or no recording */
	char *config;	       /* --config: only this file is read */
	uint64_t given;	       /* bit per table row: set by a file or the command line */
};

struct option_spec {
	const char *name;
	const char *argument; /* as --help shows it; NULL: a switch */
	const char *preset;   /* value before anything is read; NULL: none */
	const char *help;     /* NULL: known, but refused by this version; not shown */
	bool setting;	      /* may stand in a configuration file */
	/* value is NULL for a switch. */
	enum status (*set)(struct options *options, const char *value, int layer, struct error *error);
};

extern const struct option_spec option_table[];
extern const size_t option_count;

/* Presets. */
enum status options_init(struct options *options, struct error *error);
void options_free(struct options *options);

/* One setting by name, as a configuration file gives it; switches take yes or no. *error says what is wrong with the name
 * or the value, without naming the file. Layers grow: see struct option_list. */
enum status options_set(struct options *options, const char *name, const char *value, int layer, struct error *error);

/* --config alone, before the configuration files are read; NULL if it is not given. Leaves everything else alone. */
const char *options_find_config(int argc, char *const *argv);
/* The command line, over what files have set. */
enum status options_parse(struct options *options, int argc, char **argv, int layer, struct error *error);

/* Set by a file or the command line, not only preset. */
bool options_is_given(const struct options *options, const char *name);

/* What only makes sense together. Called after everything is read. */
enum status options_check(const struct options *options, struct error *error);

void options_help(FILE *file);
/* The settings in force, as a configuration file. */
void options_print(const struct options *options, FILE *file);

#endif
