/* midibert embed: the encoder's last states of a file's notes as a NumPy array, for whoever goes on in Python. Main thread.
 * The states are train/listener.c's. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "model/locate.h"
#include "tools/argument.h"
#include "train/dataset.h"
#include "train/listener.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NPY_HEAD 128 /* bytes before the numbers: a multiple of 64, as the format wants */

static const char *const name = "embed";

struct request {
	const char *path, *out, *model, *backend;
	enum head_setting setting;
	int window; /* 0: the model's span */
};

static void print_help(void)
{
	fputs("usage: midibert embed FILE.mid --out FILE.npy [OPTION]...\n"
	      "\n"
	      "Writes what the heads for notes read: the last layer's state of each note, 32-bit floats, one row a note in "
	      "the\n"
	      "order of midibert predict (row 0 is note 1). numpy.load() reads it.\n"
	      "\n"
	      "  --out FILE.npy  the array\n"
	      "  --setting NAME  what the encoder may see: played (default), hidden (no velocity) or causal (earlier notes "
	      "alone)\n"
	      "  --model FILE    weights; default $MIDIBERT_MODEL, then weights/default.safetensors\n"
	      "  --window N      notes that a note looks back on; default: the model's span\n"
	      "  --backend NAME  auto, fp32, bf16, int8, or a name that midibert --version lists (fp32)\n"
	      "  --help          this text\n",
	      stdout);
}

/* Format 1.0 of NumPy's arrays: magic, version, length of the text, a Python dictionary padded with blanks to a line. */
static bool write_head(FILE *file, size_t rows, int columns)
{
	char head[NPY_HEAD + 1], text[NPY_HEAD - 10];
	snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %d), }", rows, columns);
	memcpy(head, "\x93NUMPY\x01", 8); /* and the 0 of 1.0 */
	head[8] = NPY_HEAD - 10;
	head[9] = 0;
	snprintf(head + 10, sizeof head - 10, "%-*s\n", NPY_HEAD - 11, text);
	return fwrite(head, 1, NPY_HEAD, file) == NPY_HEAD;
}

static bool write_states(FILE *file, const float *state, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t bits;
		memcpy(&bits, &state[i], sizeof bits);
		const unsigned char bytes[] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
					       (unsigned char)(bits >> 24)};
		if (fwrite(bytes, 1, sizeof bytes, file) != sizeof bytes)
			return false;
	}
	return true;
}

static enum status write_array(const char *path, const float *state, size_t rows, int columns, struct error *error)
{
	FILE *file = fopen(path, "wb");
	if (!file)
		return status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	bool good = write_head(file, rows, columns) && write_states(file, state, rows * (size_t)columns);
	int reason = errno;
	if (fclose(file) != 0 && good) {
		good = false;
		reason = errno;
	}
	return good ? STATUS_OK : status_fail(error, STATUS_IO, "%s: %s", path, strerror(reason));
}

static enum status hear(const struct request *request, const struct model *model, const struct piece *piece,
			struct error *error)
{
	static const char *const settings[SETTINGS] = {
	    [SETTING_PLAYED] = "played", [SETTING_HIDDEN] = "hidden", [SETTING_CAUSAL] = "causal"};
	const struct model_shape *shape = model_shape(model);
	int window = request->window ? request->window : shape->span;
	bool there = request->setting == SETTING_PLAYED;
	for (int h = 0; h < shape->heads; h++)
		there = there || shape->head[h].setting == request->setting;
	if (!there)
		return status_fail(error, STATUS_NOT_FOUND, "%s has no head that hears in setting %s", model_path(model),
				   settings[request->setting]);
	if (window > shape->span)
		return status_fail(error, STATUS_USAGE, "a window of %d notes: %s allows 1 to %d", window, model_path(model),
				   shape->span);
	struct listener *listener = listener_new(model, window, 1);
	float *state = malloc((piece->count + 1) * (size_t)shape->width * sizeof *state);
	enum status status = STATUS_OK;
	if (!listener || !state || !listener_states(listener, piece, request->setting, state))
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory for %zu notes", request->path, piece->count);
	if (status == STATUS_OK)
		status = write_array(request->out, state, piece->count, shape->width, error);
	free(state);
	listener_free(listener);
	return status;
}

static enum status embed(const struct request *request, struct error *error)
{
	char path[PATH_MAX];
	struct model *model = NULL;
	struct piece piece = {0};
	enum status status = dataset_read_file(request->path, &piece, error);
	if (status == STATUS_OK)
		status = locate_model(request->model, path, sizeof path, error);
	if (status == STATUS_OK)
		status = model_load(path, &model, error);
	if (status == STATUS_OK)
		status = model_use_backend(model, request->backend, error);
	if (status == STATUS_OK) {
		model_use_threads(1);
		status = hear(request, model, &piece, error);
	}
	model_free(model);
	piece_free(&piece);
	return status;
}

static const struct option options[] = {{"out", required_argument, NULL, 'o'},
					{"setting", required_argument, NULL, 's'},
					{"model", required_argument, NULL, 'w'},
					{"window", required_argument, NULL, 'n'},
					{"backend", required_argument, NULL, 'b'},
					{"help", no_argument, NULL, 'h'},
					{0}};

static bool read_setting(const char *text, enum head_setting *setting)
{
	*setting = strcmp(text, "hidden") == 0	 ? SETTING_HIDDEN
		   : strcmp(text, "causal") == 0 ? SETTING_CAUSAL
						 : SETTING_PLAYED;
	return *setting != SETTING_PLAYED || strcmp(text, "played") == 0;
}

/* -1: help was asked for. */
static int read_options(int argc, char **argv, struct request *request)
{
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
		switch (option) {
		case 'o': request->out = optarg; break;
		case 's':
			if (!read_setting(optarg, &request->setting))
				return tool_usage(name, "--setting %s: played, hidden or causal", optarg);
			break;
		case 'w': request->model = optarg; break;
		case 'n':
			if (!argument_integer(optarg, 1, 1000000, &request->window))
				return tool_usage(name, "--window %s is not a number of notes", optarg);
			break;
		case 'b': request->backend = optarg; break;
		case 'h': return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return tool_usage(name, optind == argc ? "which file?" : "one file at a time, not %s too", argv[argc - 1]);
	request->path = argv[optind];
	return request->out ? TOOL_DONE : tool_usage(name, "where to? --out FILE.npy");
}

int tool_embed(int argc, char **argv)
{
	struct request request = {.backend = "fp32", .setting = SETTING_PLAYED};
	struct error error;
	int status = read_options(argc, argv, &request);
	if (status < 0) {
		print_help();
		return tool_finish(name, TOOL_DONE);
	}
	if (status == TOOL_DONE)
		status = embed(&request, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
	return status;
}
