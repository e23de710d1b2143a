/* What the training commands share. Main thread. */
#define _POSIX_C_SOURCE 200809L
#include "tools/training.h"

#include "tools/tools.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OPT_OUT = TRAINING_CODE,
	OPT_INIT,
	OPT_RESUME,
	OPT_FORCE,
	OPT_LAYERS,
	OPT_WIDTH,
	OPT_INNER,
	OPT_HEADS,
	OPT_SPAN,
	OPT_LOOKAHEAD,
	OPT_FILE_LOOKAHEAD,
	OPT_FREEZE,
	OPT_ROWS,
	OPT_BATCH,
	OPT_STEPS,
	OPT_STOP_AFTER,
	OPT_WARMUP,
	OPT_RATE,
	OPT_MUON,
	OPT_DECAY,
	OPT_CLIP,
	OPT_DROPOUT,
	OPT_LIVE,
	OPT_REGRID,
	OPT_DISORDER,
	OPT_TRANSPOSE,
	OPT_CURVES,
	OPT_STRETCH,
	OPT_JITTER,
	OPT_MISSING,
	OPT_DOUBLED,
	OPT_SEED,
	OPT_THREADS,
	OPT_SHARDS,
	OPT_PRECISION,
	OPT_VALIDATE,
	OPT_CHECKPOINT,
	OPT_LICENCE
};

const struct training_option training_options[] = {
    {"out", "FILE", "weights to write; FILE.state keeps the checkpoint, FILE.log the figures", OPT_OUT},
    {"init", "FILE", "start from these weights: tensors of the same name and shape", OPT_INIT},
    {"resume", NULL, "go on from FILE.state, bit for bit", OPT_RESUME},
    {"force", NULL, "overwrite FILE if it exists", OPT_FORCE},
    {"layers", "N", "encoder layers (4)", OPT_LAYERS},
    {"width", "N", "width of the encoder (256)", OPT_WIDTH},
    {"inner", "N", "inner width of its feed-forward (1024)", OPT_INNER},
    {"attention-heads", "N", "attention heads (4)", OPT_HEADS},
    {"span", "N", "notes a row looks back on (256)", OPT_SPAN},
    {"lookahead", "N|unlimited", "notes a row looks ahead, per layer (4)", OPT_LOOKAHEAD},
    {"file-lookahead", "N", "the same of sequences that are not as a stream knows them; 0: --lookahead (0)",
     OPT_FILE_LOOKAHEAD},
    {"freeze", "N", "later notes after which a duration is frozen (8)", OPT_FREEZE},
    {"rows", "N", "longest training sequence (512)", OPT_ROWS},
    {"batch", "N", "sequences a step (16)", OPT_BATCH},
    {"steps", "N", "steps to train (1000)", OPT_STEPS},
    {"stop-after", "N", "end after this step, with the schedule of --steps; --resume can go on", OPT_STOP_AFTER},
    {"warmup", "N", "steps of rising learning rate (200)", OPT_WARMUP},
    {"rate", "X", "peak learning rate (0.0006)", OPT_RATE},
    {"muon", "X", "peak rate of the encoder's matrices by Muon; 0: AdamW (0)", OPT_MUON},
    {"decay", "X", "weight decay (0.01)", OPT_DECAY},
    {"clip", "X", "largest gradient norm (1)", OPT_CLIP},
    {"dropout", "X", "dropout (0.1)", OPT_DROPOUT},
    {"live", "X", "share of sequences as a stream knows them (0.5)", OPT_LIVE},
    {"regrid", "X", "share of sequences on a grid that ignores the beat (0.25)", OPT_REGRID},
    {"disorder", "X", "share of sequences with notes permuted within 50 ms (0.5)", OPT_DISORDER},
    {"transpose", "N", "transpose by up to N semitones either way, 0 to 11 (11)", OPT_TRANSPOSE},
    {"curves", "X", "share of sequences as another keyboard's velocities, where they are seen (0)", OPT_CURVES},
    {"stretch", "X", "faster or slower by a factor of up to 1 + X (0)", OPT_STRETCH},
    {"jitter", "MS", "largest deviation of onsets and releases (0)", OPT_JITTER},
    {"missing", "X", "mean share of notes left out (0)", OPT_MISSING},
    {"doubled", "X", "mean share of notes that come twice (0)", OPT_DOUBLED},
    {"seed", "N", "seed of everything random (1)", OPT_SEED},
    {"threads", "N", "threads (2)", OPT_THREADS},
    {"shards", "N", "parts of a batch that threads share out (2)", OPT_SHARDS},
    {"precision", "bf16|fp32", "of matrix products (bf16 where the CPU has it)", OPT_PRECISION},
    {"validate-steps", "N", "validate every N steps (500)", OPT_VALIDATE},
    {"checkpoint-s", "N", "seconds between checkpoints (180)", OPT_CHECKPOINT},
    {"licence", "TEXT", "licence of the weights, written into the file", OPT_LICENCE},
};
const int training_option_count = sizeof training_options / sizeof *training_options;

void training_defaults(struct training *training, const char *tool)
{
	*training = (struct training){.tool = tool};
	training->shape = (struct model_shape){
	    .layers = 4, .width = 256, .inner = 1024, .attention_heads = 4, .span = 256, .lookahead = 4, .freeze = 8};
	training->options = (struct trainer_options){
	    .sampler =
		{.seed = 1, .rows = 512, .batch = 16, .live = 0.5f, .regrid = 0.25f, .disorder = 0.5f, .transpose = 11},
	    .optimiser = {.rate = 6e-4,
			  .warmup = 200,
			  .steps = 1000,
			  .decay = 0.01,
			  .clip = 1,
			  .beta1 = 0.9,
			  .beta2 = 0.99,
			  .epsilon = 1e-8},
	    .network = {.precision = PRECISION_BF16, .dropout = 0.1f},
	    .threads = 2,
	    .shards = 2,
	    .checkpoint_s = 180,
	    .validate_steps = 500,
	    .validate_notes = 40000,
	};
}

int training_parse(const char *tool, const struct training_option *own, int own_count, int argc, char **argv,
		   int (*set)(void *context, int code, char *text), void *context)
{
	struct option table[TRAINING_OPTIONS_MAX + 1] = {{0}};
	int code;
	for (int i = 0; i < own_count + training_option_count && i < TRAINING_OPTIONS_MAX; i++) {
		const struct training_option *o = i < own_count ? &own[i] : &training_options[i - own_count];
		table[i] = (struct option){o->name, o->argument ? required_argument : no_argument, NULL, o->code};
	}
	optind = 1;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (code == '?' || code == ':')
			return tool_usage(tool, "%s: %s", argv[optind - 1],
					  code == '?' ? "no such option" : "needs a value");
		int status = set(context, code, optarg);
		if (status != TOOL_DONE)
			return status;
	}
	if (optind < argc)
		return tool_usage(tool, "%s: not an option; manifests go with --manifest", argv[optind]);
	return TOOL_DONE;
}

void training_print_option(const struct training_option *option)
{
	char left[64];
	snprintf(left, sizeof left, "--%s%s%s", option->name, option->argument ? " " : "",
		 option->argument ? option->argument : "");
	printf("  %-32s %s\n", left, option->help);
}

bool training_number(const char *text, double low, double high, double *value)
{
	char *end;
	errno = 0;
	double parsed = strtod(text, &end);
	if (errno || end == text || *end || !(parsed >= low && parsed <= high))
		return false;
	*value = parsed;
	return true;
}

static int set_number(struct training *t, int code, const char *text)
{
	struct trainer_options *o = &t->options;
	const struct {
		int code;
		double low, high;
		int *integer;
		float *real;
		double *exact;
		uint64_t *large;
	} table[] = {
	    {OPT_LAYERS, 1, LAYERS_MAX, &t->shape.layers, NULL, NULL, NULL},
	    {OPT_WIDTH, 16, 4096, &t->shape.width, NULL, NULL, NULL},
	    {OPT_INNER, 16, 16384, &t->shape.inner, NULL, NULL, NULL},
	    {OPT_HEADS, 1, 64, &t->shape.attention_heads, NULL, NULL, NULL},
	    {OPT_SPAN, 2, 4096, &t->shape.span, NULL, NULL, NULL},
	    {OPT_LOOKAHEAD, 0, 1024, &t->shape.lookahead, NULL, NULL, NULL},
	    {OPT_FILE_LOOKAHEAD, 0, 1024, &t->shape.file_lookahead, NULL, NULL, NULL},
	    {OPT_FREEZE, 0, 1024, &t->shape.freeze, NULL, NULL, NULL},
	    {OPT_ROWS, 8, 4096, &o->sampler.rows, NULL, NULL, NULL},
	    {OPT_BATCH, 1, 4096, &o->sampler.batch, NULL, NULL, NULL},
	    {OPT_STEPS, 1, 1e9, NULL, NULL, NULL, &o->optimiser.steps},
	    {OPT_STOP_AFTER, 0, 1e9, NULL, NULL, NULL, &o->stop_after},
	    {OPT_WARMUP, 0, 1e9, NULL, NULL, NULL, &o->optimiser.warmup},
	    {OPT_RATE, 0, 1, NULL, NULL, &o->optimiser.rate, NULL},
	    {OPT_MUON, 0, 1, NULL, NULL, &o->optimiser.muon, NULL},
	    {OPT_DECAY, 0, 1, NULL, NULL, &o->optimiser.decay, NULL},
	    {OPT_CLIP, 1e-6, 1e6, NULL, NULL, &o->optimiser.clip, NULL},
	    {OPT_DROPOUT, 0, 0.9, NULL, &o->network.dropout, NULL, NULL},
	    {OPT_LIVE, 0, 1, NULL, &o->sampler.live, NULL, NULL},
	    {OPT_REGRID, 0, 1, NULL, &o->sampler.regrid, NULL, NULL},
	    {OPT_DISORDER, 0, 1, NULL, &o->sampler.disorder, NULL, NULL},
	    {OPT_TRANSPOSE, 0, 11, &o->sampler.transpose, NULL, NULL, NULL},
	    {OPT_CURVES, 0, 1, NULL, &o->sampler.curves, NULL, NULL},
	    {OPT_STRETCH, 0, 1, NULL, &o->sampler.stretch, NULL, NULL},
	    {OPT_JITTER, 0, 1000, NULL, &o->sampler.jitter_ms, NULL, NULL},
	    {OPT_MISSING, 0, 0.5, NULL, &o->sampler.missing, NULL, NULL},
	    {OPT_DOUBLED, 0, 0.5, NULL, &o->sampler.doubled, NULL, NULL},
	    {OPT_SEED, 0, 9e15, NULL, NULL, NULL, &o->sampler.seed},
	    {OPT_THREADS, 1, 64, &o->threads, NULL, NULL, NULL},
	    {OPT_SHARDS, 1, 64, &o->shards, NULL, NULL, NULL},
	    {OPT_VALIDATE, 0, 1e9, &o->validate_steps, NULL, NULL, NULL},
	    {OPT_CHECKPOINT, 1, 86400, &o->checkpoint_s, NULL, NULL, NULL},
	};
	const char *name = training_options[code - TRAINING_CODE].name;
	double value;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (table[i].code != code)
			continue;
		if (!training_number(text, table[i].low, table[i].high, &value))
			return tool_usage(t->tool, "--%s %s: a number from %g to %g", name, text, table[i].low,
					  table[i].high);
		if (table[i].integer)
			*table[i].integer = (int)value;
		if (table[i].real)
			*table[i].real = (float)value;
		if (table[i].exact)
			*table[i].exact = value;
		if (table[i].large)
			*table[i].large = (uint64_t)value;
		return TOOL_DONE;
	}
	return tool_usage(t->tool, "--%s is not known here", name);
}

int training_set(struct training *training, int code, char *text)
{
	switch (code) {
	case OPT_OUT: training->out = text; return TOOL_DONE;
	case OPT_INIT: training->init = text; return TOOL_DONE;
	case OPT_RESUME: training->resume = true; return TOOL_DONE;
	case OPT_FORCE: training->force = true; return TOOL_DONE;
	case OPT_LICENCE: training->licence = text; return TOOL_DONE;
	case OPT_PRECISION:
		if (strcmp(text, "bf16") != 0 && strcmp(text, "fp32") != 0)
			return tool_usage(training->tool, "--precision %s: bf16 or fp32", text);
		training->options.network.precision = text[0] == 'b' ? PRECISION_BF16 : PRECISION_FP32;
		return TOOL_DONE;
	case OPT_LOOKAHEAD:
		if (strcmp(text, "unlimited") != 0)
			return set_number(training, code, text);
		training->shape.lookahead = LOOKAHEAD_UNLIMITED;
		return TOOL_DONE;
	default: return set_number(training, code, text);
	}
}

int training_check(struct training *training)
{
	if (!training->out)
		return tool_usage(training->tool, "--out is needed");
	if (training->options.threads > training->options.shards)
		training->options.threads = training->options.shards;
	snprintf(training->checkpoint, sizeof training->checkpoint, "%s.state", training->out);
	training->options.checkpoint = training->checkpoint;
	if (!training->force && !training->resume &&
	    (access(training->out, F_OK) == 0 || access(training->checkpoint, F_OK) == 0))
		return tool_usage(training->tool, "%s or its .state exists: --resume goes on, --force overwrites",
				  training->out);
	return TOOL_DONE;
}

enum status training_check_shape(const struct training *training, struct error *error)
{
	enum status status = shape_check(&training->shape, "the command line", error);
	return status == STATUS_OK ? status : (error->status = STATUS_USAGE);
}

enum status training_open_log(const struct training *training, FILE **log, struct error *error)
{
	char path[4200];
	struct stat about;
	if (stat(training->out, &about) == 0 && !S_ISREG(about.st_mode))
		return status_fail(error, STATUS_IO, "%s: is not a regular file", training->out);
	snprintf(path, sizeof path, "%s.log", training->out);
	*log = fopen(path, training->resume ? "a" : "w");
	return *log ? STATUS_OK : status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

static bool fits(const struct tensor_info *info, const struct parameter *entry)
{
	return info->dimensions == entry->dimensions && info->shape[0] == entry->shape[0] &&
	       (entry->dimensions != 2 || info->shape[1] == entry->shape[1]);
}

enum status training_start(const struct training *training, const struct parameters *parameters, float *values,
			   struct error *error)
{
	struct safetensors *file;
	enum status status = safetensors_open(training->init, &file, error);
	if (status != STATUS_OK)
		return status;
	size_t taken = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *entry = &parameters->table[i];
		int64_t index = safetensors_find(file, entry->name);
		if (index < 0 || !fits(safetensors_info(file, (size_t)index), entry)) {
			fprintf(stderr, "%s: no %s of this shape there: it starts at random\n", training->init, entry->name);
			continue;
		}
		safetensors_get(file, (size_t)index, values + entry->offset);
		taken++;
	}
	for (size_t i = 0; i < safetensors_count(file); i++) {
		const char *name = safetensors_info(file, i)->name;
		size_t known = 0;
		while (known < parameters->count && strcmp(parameters->table[known].name, name) != 0)
			known++;
		if (known == parameters->count)
			fprintf(stderr, "%s: %s is left out: this network has no such tensor\n", training->init, name);
	}
	safetensors_close(file);
	if (taken == 0)
		return status_fail(error, STATUS_BAD_DATA, "%s: nothing in it fits this network", training->init);
	return STATUS_OK;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void training_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool training_should_stop(void *context)
{
	(void)context;
	return interrupted != 0;
}
