/* midibert convert: finds scripts/convert.py, in the tree or where it was installed, and becomes it. Main thread. A state
 * dictionary is a pickle of PyTorch's, which only PyTorch reads safely. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MIDIBERTD_PREFIX
#define MIDIBERTD_PREFIX "/usr/local"
#endif

static const char *const name = "convert";

/* From the program's folder, as model/locate.c looks for weights; then where `make install` puts it. */
static const char *const places[] = {"/../scripts/convert.py", "/../../scripts/convert.py", "/../share/midibert/convert.py"};
static const char installed[] = MIDIBERTD_PREFIX "/share/midibert/convert.py";

static void print_help(void)
{
	fputs("usage: midibert convert to-weights CHECKPOINT OUT.safetensors [OPTION]...\n"
	      "       midibert convert to-pytorch WEIGHTS.safetensors OUT.pt [--head NAME]\n"
	      "\n"
	      "Turns a PyTorch state dictionary of the published code, of the encoder or of a fine-tuned network, into a "
	      "weights\n"
	      "file, and back. Tensors that are not used are dropped and named. Wants python3-torch.\n"
	      "\n"
	      "  --head NAME       what the fine-tuned head is called; without: the encoder alone\n"
	      "  --level LEVEL     what it judges: note or sequence\n"
	      "  --labels A,B,...  names of its classes\n"
	      "  --rows I,J,...    the outputs that these labels name, counted from 0 (all)\n"
	      "  --setting NAME    played, or hidden: it must not see velocities (played)\n"
	      "  --licence TEXT    licence of the weights, written into the file\n"
	      "  --bf16            store half as many bytes, rounded\n"
	      "  --help            this text\n",
	      stdout);
}

static bool find(char *path, size_t size)
{
	char folder[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
	folder[length > 0 ? length : 0] = '\0';
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++)
		if (snprintf(path, size, "%s%s", folder, places[i]) < (int)size && access(path, R_OK) == 0)
			return true;
	return snprintf(path, size, "%s", installed) < (int)size && access(path, R_OK) == 0;
}

int tool_convert(int argc, char **argv)
{
	char path[PATH_MAX + 32], python[] = "python3", *arguments[64] = {python, path};
	struct error error;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			print_help();
			return tool_finish(name, TOOL_DONE);
		}
	if (argc < 2)
		return tool_usage(name, "to-weights or to-pytorch?");
	if ((size_t)argc + 2 > sizeof arguments / sizeof *arguments)
		return tool_usage(name, "too many arguments");
	if (!find(path, sizeof path)) {
		status_fail(&error, STATUS_NOT_FOUND, "convert.py lies neither in the tree nor at %s", installed);
		return tool_fail(name, &error);
	}
	memcpy(arguments + 2, argv + 1, (size_t)argc * sizeof *arguments); /* and the NULL behind the last */
	/* Debian's own Python is the one that python3-torch is for. */
	execv("/usr/bin/python3", arguments);
	if (errno == ENOENT)
		execvp(python, arguments);
	status_fail(&error, STATUS_IO, "python3: %s", strerror(errno));
	return tool_fail(name, &error);
}
