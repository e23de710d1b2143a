/* midibert beat: trains the beat tracker's network from performances with annotated beats. Main thread. The training is
 * train/rhythm_train.c's; this reads arguments, tells progress and writes the weights. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "tools/argument.h"
#include "tools/training.h"
#include "train/evaluate_beat.h"
#include "train/rhythm_train.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const name = "beat";

struct request {
	const char **manifests, **valid;
	size_t manifest_count, valid_count;
	const char *out, *licence;
	struct rhythm_train_options options;
	int steps, report_steps, seed;
};

struct progress {
	const struct request *request;
	struct rhythm_pieces valid;
	time_t start;
	struct error error;
	bool failed;
};

static void print_help(void)
{
	printf("usage: midibert beat --manifest FILE.tsv... --out FILE [OPTION]...\n\n"
	       "Trains the beat tracker's network from performances. Beats lie beside each MIDI file: NAME_annotations.txt, "
	       "or\n"
	       "beat_midi.txt in its folder. Whatever was learnt is written at each report, so that a run may be ended "
	       "early.\n\n"
	       "  --manifest FILE  performances to learn from; may be given again\n"
	       "  --valid FILE     performances to judge the tracker on at each report; may be given again\n"
	       "  --out FILE       weights to write\n"
	       "  --units N        of the recurrent layer, 1-%d (96)\n"
	       "  --batch N        sequences side by side (64)\n"
	       "  --rows N         onsets before the gradient is cut (64)\n"
	       "  --steps N        (3000)\n"
	       "  --report N       steps between two reports (500)\n"
	       "  --rate X         peak learning rate (0.003)\n"
	       "  --dropout X      of what the last layer sees (0.2)\n"
	       "  --decay X        of weights (0.05)\n"
	       "  --stretch X      pieces are so many octaves faster or slower, at most (0.3)\n"
	       "  --rubato X       half of the pieces: their tempo swings in waves by such a share, at most (0)\n"
	       "  --seed N         (1)\n"
	       "  --licence TEXT   for the file's metadata: what it was trained on decides it\n"
	       "  --help           this text\n",
	       RHYTHM_UNITS_MAX);
}

static enum status write_weights(const struct request *request, const float *values, struct error *error)
{
	char recipe[240];
	const struct rhythm_train_options *o = &request->options;
	snprintf(recipe, sizeof recipe,
		 "steps %llu, batch %d, rows %d, rate %g, dropout %g, decay %g, stretch %g, rubato %g, seed %llu",
		 (unsigned long long)o->steps, o->batch, o->rows, o->rate, o->dropout, o->decay, o->rubato.stretch,
		 o->rubato.depth, (unsigned long long)o->seed);
	const struct safetensors_text texts[] = {{"recipe", recipe}, {"licence", request->licence}};
	return rhythm_write(request->out, o->units, values, texts, 2, error);
}

static void report(void *context, const struct rhythm_train_progress *now)
{
	struct progress *progress = context;
	struct beat_evaluation evaluation;
	fprintf(stderr, "step %llu, %lld s: phase %.4f, period %.4f, downbeat %.4f", (unsigned long long)now->step,
		(long long)(time(NULL) - progress->start), now->phase, now->period, now->downbeat);
	struct rhythm *rhythm = rhythm_new(progress->request->options.units, now->values);
	if (rhythm && progress->valid.count > 0 &&
	    evaluate_beat(&progress->valid, rhythm_network(rhythm), &evaluation, NULL) == STATUS_OK)
		fprintf(stderr, "; beat F1 %.4f, downbeat %.4f", evaluation.tracker.f1, evaluation.tracker.downbeat_f1);
	fputc('\n', stderr);
	rhythm_free(rhythm);
	if (write_weights(progress->request, now->values, &progress->error) != STATUS_OK)
		progress->failed = true;
}

static bool should_stop(void *context)
{
	const struct progress *progress = context;
	return progress->failed || training_should_stop(NULL);
}

static enum status train(const struct request *request, struct error *error)
{
	struct progress progress = {.request = request, .start = time(NULL)};
	struct rhythm_pieces pieces = {0};
	struct parameter table[RHYTHM_TENSORS];
	float *values = malloc(rhythm_layout(request->options.units, table) * sizeof *values);
	enum status status = values ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory");
	if (status == STATUS_OK)
		status = rhythm_pieces_read(request->manifests, request->manifest_count, &pieces, error);
	if (status == STATUS_OK && request->valid_count > 0)
		status = rhythm_pieces_read(request->valid, request->valid_count, &progress.valid, error);
	if (status == STATUS_OK) {
		fprintf(stderr, "%zu performances\n", pieces.count);
		training_catch_signals();
		status = rhythm_train(pieces.items, pieces.count, &request->options, values, report, should_stop, &progress,
				      error);
	}
	if (progress.failed) {
		*error = progress.error;
		status = progress.error.status;
	}
	rhythm_pieces_free(&pieces);
	rhythm_pieces_free(&progress.valid);
	free(values);
	return status;
}

static const struct option options[] = {{"manifest", required_argument, NULL, 'm'},
					{"valid", required_argument, NULL, 'v'},
					{"out", required_argument, NULL, 'o'},
					{"units", required_argument, NULL, 'u'},
					{"batch", required_argument, NULL, 'b'},
					{"rows", required_argument, NULL, 'r'},
					{"steps", required_argument, NULL, 's'},
					{"report", required_argument, NULL, 'p'},
					{"rate", required_argument, NULL, 'a'},
					{"dropout", required_argument, NULL, 'd'},
					{"decay", required_argument, NULL, 'y'},
					{"stretch", required_argument, NULL, 't'},
					{"rubato", required_argument, NULL, 'w'},
					{"seed", required_argument, NULL, 'e'},
					{"licence", required_argument, NULL, 'l'},
					{"help", no_argument, NULL, 'h'},
					{0}};

/* The value of an option that is a number; false: it is none. */
static bool set_number(struct request *request, int option, const char *text)
{
	struct rhythm_train_options *o = &request->options;
	switch (option) {
	case 'u': return argument_integer(text, 1, RHYTHM_UNITS_MAX, &o->units);
	case 'b': return argument_integer(text, 1, 1024, &o->batch);
	case 'r': return argument_integer(text, 1, 4096, &o->rows);
	case 's': return argument_integer(text, 1, 100000000, &request->steps);
	case 'p': return argument_integer(text, 1, 100000000, &request->report_steps);
	case 'e': return argument_integer(text, 0, 1000000000, &request->seed);
	case 'a': return argument_real(text, 1e-9, 1, &o->rate);
	case 'd': return argument_real(text, 0, 0.9, &o->dropout);
	case 't': return argument_real(text, 0, 2, &o->rubato.stretch);
	case 'w': return argument_real(text, 0, 0.45, &o->rubato.depth);
	default: return argument_real(text, 0, 1, &o->decay);
	}
}

/* -1: help was asked for. */
static int read_options(int argc, char **argv, struct request *request)
{
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'm': request->manifests[request->manifest_count++] = optarg; break;
		case 'v': request->valid[request->valid_count++] = optarg; break;
		case 'o': request->out = optarg; break;
		case 'l': request->licence = optarg; break;
		case 'h': return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		case '?': return tool_usage(name, "unknown option %s", argv[optind - 1]);
		default:
			if (!set_number(request, option, optarg))
				return tool_usage(name, "%s: not a number that fits here", optarg);
		}
	}
	if (optind < argc)
		return tool_usage(name, "what is %s?", argv[optind]);
	if (request->manifest_count == 0 || !request->out)
		return tool_usage(name, "give --manifest and --out");
	request->options.steps = (uint64_t)request->steps;
	request->options.report_steps = (uint64_t)request->report_steps;
	request->options.seed = (uint64_t)request->seed;
	return TOOL_DONE;
}

int tool_beat(int argc, char **argv)
{
	struct request request = {.manifests = calloc((size_t)argc, sizeof(char *)),
				  .valid = calloc((size_t)argc, sizeof(char *)),
				  .licence = "not said",
				  .steps = 3000,
				  .report_steps = 500,
				  .seed = 1,
				  .options = {.units = 96,
					      .batch = 64,
					      .rows = 64,
					      .rate = 3e-3,
					      .dropout = 0.2,
					      .decay = 0.05,
					      .rubato = {.stretch = 0.3}}};
	struct error error;
	int status = TOOL_FAILED;
	if (!request.manifests || !request.valid) {
		status_fail(&error, STATUS_NO_MEMORY, "no memory");
		tool_fail(name, &error);
	} else if ((status = read_options(argc, argv, &request)) < 0) {
		print_help();
		status = tool_finish(name, TOOL_DONE);
	} else if (status == TOOL_DONE) {
		status = train(&request, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
	}
	free(request.manifests);
	free(request.valid);
	return status;
}
