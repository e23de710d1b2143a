/* What the training commands share: their common options, the start from other weights, the stop by a signal. Main thread.
 */
#ifndef MIDIBERTD_TOOLS_TRAINING_H
#define MIDIBERTD_TOOLS_TRAINING_H

#include "model/parameters.h"
#include "train/trainer.h"

#include <stdio.h>

struct training {
	const char *tool; /* for messages */
	const char *out, *init, *licence;
	bool resume, force;
	struct model_shape shape;
	struct trainer_options options;
	char checkpoint[4096]; /* OUT.state */
};

/* One option: getopt and --help read a table of them. */
struct training_option {
	const char *name, *argument, *help; /* argument NULL: a flag */
	int code;
};

/* The common options; codes from 1000 on. */
extern const struct training_option training_options[];
extern const int training_option_count;
#define TRAINING_CODE 1000

/* Sizes, schedule and optimiser as weights/default.safetensors was trained. */
void training_defaults(struct training *training, const char *tool);

/* Calls set for every option of argv, the command's own and the common ones. Returns its first status that is not TOOL_DONE,
 * or TOOL_USAGE for what is no option. */
#define TRAINING_OPTIONS_MAX 64
int training_parse(const char *tool, const struct training_option *own, int own_count, int argc, char **argv,
		   int (*set)(void *context, int code, char *text), void *context);

/* Sets a common option; an exit status. */
int training_set(struct training *training, int code, char *text);

/* After the last option: TOOL_DONE, or the exit status of what is missing or would be overwritten. */
int training_check(struct training *training);

/* Whether the network that the options name can be; STATUS_USAGE otherwise. */
enum status training_check_shape(const struct training *training, struct error *error);

/* Opens FILE.log beside the weights that are to be written: where that cannot be, nothing is trained in vain. */
enum status training_open_log(const struct training *training, FILE **log, struct error *error);

void training_print_option(const struct training_option *option);
bool training_number(const char *text, double low, double high, double *value);

/* Takes the tensors that fit from training->init; says on standard error which start at random and which are left out. */
enum status training_start(const struct training *training, const struct parameters *parameters, float *values,
			   struct error *error);

/* SIGINT and SIGTERM end a run after the present step. */
void training_catch_signals(void);
bool training_should_stop(void *context);

#endif
