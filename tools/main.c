/* The `midibert` command: finds the subcommand and hands over. Main thread. The work is in the other files. */
#include "tools/tools.h"

#include "model/backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef MIDIBERTD_VERSION
#define MIDIBERTD_VERSION "unknown"
#endif

static const struct tool tools[] = {
    {"tokenize", tool_tokenize, "write a MIDI file as Octuple tokens"},
    {"pretrain", tool_pretrain, "train an encoder to fill in hidden notes, without labels"},
    {"finetune", tool_finetune, "train encoder and heads from labelled manifests"},
    {"beat", tool_beat, "train the beat tracker from annotated performances"},
    {"eval", tool_eval, "compare a model's answers with labels, baselines beside it"},
    {"predict", tool_predict, "label the notes of a MIDI file, at once or as if it were played"},
    {"monitor", tool_monitor, "show in the terminal what a running midibertd sends"},
    {"report", tool_report, "write what a rehearsal can use of a take, and of takes compared"},
    {"calibrate", tool_calibrate, "learn a keyboard's velocity curve from two minutes of playing"},
    {"temper", tool_temper, "fit confidences of a weights file, and what is unknown to it"},
    {"embed", tool_embed, "write the encoder's states of a file's notes for NumPy"},
    {"convert", tool_convert, "published PyTorch checkpoints to weights files, and back"},
    {"bench", tool_bench, "measure a forward pass, a note and training beside the machine's peak"},
};

#define TOOLS (sizeof tools / sizeof *tools)

static void print_help(void)
{
	printf("usage: midibert COMMAND [ARGUMENT]...\n\n");
	for (size_t i = 0; i < TOOLS; i++)
		printf("  %-10s %s\n", tools[i].name, tools[i].help);
	printf("\nmidibert COMMAND --help tells a command's arguments; midibert --version tells the version.\n");
}

int tool_usage(const char *tool, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "midibert %s: ", tool);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "; midibert %s --help tells more\n", tool);
	return TOOL_USAGE;
}

int tool_fail(const char *tool, const struct error *error)
{
	fprintf(stderr, "midibert %s: %s\n", tool, error->text);
	return error->status == STATUS_USAGE ? TOOL_USAGE : TOOL_FAILED;
}

int tool_finish(const char *tool, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "midibert %s: standard output: %s\n", tool, strerror(errno));
	return status == TOOL_DONE ? TOOL_FAILED : status;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < TOOLS; i++)
		if (strcmp(name, tools[i].name) == 0)
			return tools[i].run(argc - 1, argv + 1);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help();
		return tool_finish(name, TOOL_DONE);
	}
	if (strcmp(name, "--version") == 0) {
		printf("midibert %s\n", MIDIBERTD_VERSION);
		backend_list(stdout);
		return tool_finish(name, TOOL_DONE);
	}
	if (name[0])
		fprintf(stderr, "midibert: no command is called '%s'; midibert --help lists them\n", name);
	else
		fprintf(stderr, "midibert: which command? midibert --help lists them\n");
	return TOOL_USAGE;
}
