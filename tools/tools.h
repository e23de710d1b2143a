/* The subcommands of `midibert`, one file each, and what they share. Main thread. A subcommand gets its own name as argv[0]
 * and returns the exit status. To add one: its prototype here, its line in the table of main.c. */
#ifndef MIDIBERTD_TOOLS_TOOLS_H
#define MIDIBERTD_TOOLS_TOOLS_H

#include "base/status.h"

enum tool_exit { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

struct tool {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* one line */
};

int tool_tokenize(int argc, char **argv);
int tool_pretrain(int argc, char **argv);
int tool_finetune(int argc, char **argv);
int tool_beat(int argc, char **argv);
int tool_eval(int argc, char **argv);
int tool_predict(int argc, char **argv);
int tool_embed(int argc, char **argv);
int tool_convert(int argc, char **argv);
int tool_bench(int argc, char **argv);
int tool_report(int argc, char **argv);
int tool_calibrate(int argc, char **argv);
int tool_temper(int argc, char **argv);
int tool_monitor(int argc, char **argv);

/* Says on standard error what is wrong with the arguments and where help is; returns TOOL_USAGE. */
int tool_usage(const char *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says on standard error what failed; returns TOOL_USAGE for STATUS_USAGE, else TOOL_FAILED. */
int tool_fail(const char *tool, const struct error *error);

/* Flushes standard output. A result that could not be written (a full disk) makes TOOL_FAILED of TOOL_DONE. */
int tool_finish(const char *tool, int status);

#endif
