/* `midibert finetune`: trains encoder and heads together from labelled manifests. Main thread; the work is in train/. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "model/matrix.h"
#include "train/calibrate.h"
#include "train/trainer.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOOL "finetune"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* HEAD,HEAD=FILE.tsv as given on the command line. */
struct manifest_argument {
	char *heads, *path;
};

struct job {
	struct manifest_argument train[CORPORA_MAX], valid[CORPORA_MAX];
	int train_count, valid_count;
	const char *out, *init, *mix, *licence;
	bool resume, force;
	struct model_shape shape;
	struct trainer_options options;
	char checkpoint[4096];
	struct dataset train_data, valid_data;
	struct corpus train_corpora[CORPORA_MAX], valid_corpora[CORPORA_MAX];
	FILE *log;
	bool tty;
};

enum {
	OPT_MANIFEST = 256,
	OPT_VALID,
	OPT_OUT,
	OPT_INIT,
	OPT_RESUME,
	OPT_FORCE,
	OPT_LAYERS,
	OPT_WIDTH,
	OPT_INNER,
	OPT_HEADS,
	OPT_SPAN,
	OPT_LOOKAHEAD,
	OPT_FREEZE,
	OPT_ROWS,
	OPT_BATCH,
	OPT_STEPS,
	OPT_STOP_AFTER,
	OPT_WARMUP,
	OPT_RATE,
	OPT_DECAY,
	OPT_CLIP,
	OPT_DROPOUT,
	OPT_MASK,
	OPT_LIVE,
	OPT_REGRID,
	OPT_DISORDER,
	OPT_TRANSPOSE,
	OPT_CURVES,
	OPT_STRETCH,
	OPT_JITTER,
	OPT_MISSING,
	OPT_DOUBLED,
	OPT_MIX,
	OPT_SEED,
	OPT_THREADS,
	OPT_SHARDS,
	OPT_PRECISION,
	OPT_VALIDATE,
	OPT_CHECKPOINT,
	OPT_LICENCE,
	OPT_HELP
};

/* The one table of options: getopt and --help read it. */
static const struct {
	const char *name, *argument, *help;
	int code;
} options[] = {
    {"manifest", "[HEAD,...=]FILE.tsv", "train on this manifest; heads that learn from it (default: melody,velocity_hidden)",
     OPT_MANIFEST},
    {"valid", "[HEAD,...=]FILE.tsv", "validate on this one; never trained on", OPT_VALID},
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
    {"freeze", "N", "later notes after which a duration is frozen (8)", OPT_FREEZE},
    {"rows", "N", "longest training sequence (512)", OPT_ROWS},
    {"batch", "N", "sequences a step (16)", OPT_BATCH},
    {"steps", "N", "steps to train (1000)", OPT_STEPS},
    {"stop-after", "N", "end after this step, with the schedule of --steps; --resume can go on", OPT_STOP_AFTER},
    {"warmup", "N", "steps of rising learning rate (200)", OPT_WARMUP},
    {"rate", "X", "peak learning rate (0.0006)", OPT_RATE},
    {"decay", "X", "weight decay (0.01)", OPT_DECAY},
    {"clip", "X", "largest gradient norm (1)", OPT_CLIP},
    {"dropout", "X", "dropout (0.1)", OPT_DROPOUT},
    {"mask", "X", "mean share of notes hidden (0.12)", OPT_MASK},
    {"live", "X", "share of sequences as a stream knows them (0.5)", OPT_LIVE},
    {"regrid", "X", "share of sequences on a grid that ignores the beat (0.25)", OPT_REGRID},
    {"disorder", "X", "share of sequences with notes permuted within 50 ms (0.5)", OPT_DISORDER},
    {"transpose", "0|1", "transpose by -11..11 (1)", OPT_TRANSPOSE},
    {"curves", "X", "share of sequences as another keyboard's velocities, where they are seen (0)", OPT_CURVES},
    {"stretch", "X", "faster or slower by a factor of up to 1 + X (0)", OPT_STRETCH},
    {"jitter", "MS", "largest deviation of onsets and releases (0)", OPT_JITTER},
    {"missing", "X", "mean share of notes left out (0)", OPT_MISSING},
    {"doubled", "X", "mean share of notes that come twice (0)", OPT_DOUBLED},
    {"mix", "HEAD=X[*W],...", "share of sequences drawn for each head, and weight of its loss (1*1)", OPT_MIX},
    {"seed", "N", "seed of everything random (1)", OPT_SEED},
    {"threads", "N", "threads (2)", OPT_THREADS},
    {"shards", "N", "parts of a batch that threads share out (2)", OPT_SHARDS},
    {"precision", "bf16|fp32", "of matrix products (bf16 where the CPU has it)", OPT_PRECISION},
    {"validate-steps", "N", "validate every N steps (500)", OPT_VALIDATE},
    {"checkpoint-s", "N", "seconds between checkpoints (180)", OPT_CHECKPOINT},
    {"licence", "TEXT", "licence of the weights, written into the file", OPT_LICENCE},
    {"help", NULL, "this text", OPT_HELP},
};
#define OPTIONS (sizeof options / sizeof *options)

static void print_help(void)
{
	printf(
	    "usage: midibert finetune --manifest [HEAD,...=]FILE.tsv... --out FILE [OPTION]...\n\n"
	    "Heads: melody (tracks MELODY, BRIDGE, PIANO), velocity_hidden, velocity_causal, and any other name for a class "
	    "of the\n"
	    "whole piece, whose labels are the manifest's second column: style_pianist8, emotion.\n\n");
	for (size_t i = 0; i < OPTIONS; i++) {
		char left[64];
		snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].argument ? " " : "",
			 options[i].argument ? options[i].argument : "");
		printf("  %-32s %s\n", left, options[i].help);
	}
}

static bool parse_number(const char *text, double low, double high, double *value)
{
	char *end;
	errno = 0;
	double parsed = strtod(text, &end);
	if (errno || end == text || *end || !(parsed >= low && parsed <= high))
		return false;
	*value = parsed;
	return true;
}

static int add_manifest(struct manifest_argument *list, int *count, char *text)
{
	if (*count == CORPORA_MAX)
		return tool_usage(TOOL, "more than %d manifests", CORPORA_MAX);
	char *equals = strchr(text, '=');
	if (equals)
		*equals = 0;
	list[(*count)++] = (struct manifest_argument){.heads = equals ? text : "melody,velocity_hidden",
						      .path = equals ? equals + 1 : text};
	return TOOL_DONE;
}

static int set_text_option(struct job *job, int code, char *text)
{
	switch (code) {
	case OPT_MANIFEST: return add_manifest(job->train, &job->train_count, text);
	case OPT_VALID: return add_manifest(job->valid, &job->valid_count, text);
	case OPT_OUT: job->out = text; return TOOL_DONE;
	case OPT_INIT: job->init = text; return TOOL_DONE;
	case OPT_RESUME: job->resume = true; return TOOL_DONE;
	case OPT_FORCE: job->force = true; return TOOL_DONE;
	case OPT_MIX: job->mix = text; return TOOL_DONE;
	case OPT_LICENCE: job->licence = text; return TOOL_DONE;
	case OPT_PRECISION:
		if (strcmp(text, "bf16") != 0 && strcmp(text, "fp32") != 0)
			return tool_usage(TOOL, "--precision %s: bf16 or fp32", text);
		job->options.network.precision = text[0] == 'b' ? PRECISION_BF16 : PRECISION_FP32;
		return TOOL_DONE;
	default: return -1;
	}
}

static int set_number_option(struct job *job, int code, const char *name, const char *text)
{
	struct {
		int code;
		double low, high;
		int *integer;
		float *real;
		double *exact;
		uint64_t *large;
	} table[] = {
	    {OPT_LAYERS, 1, LAYERS_MAX, &job->shape.layers, NULL, NULL, NULL},
	    {OPT_WIDTH, 16, 4096, &job->shape.width, NULL, NULL, NULL},
	    {OPT_INNER, 16, 16384, &job->shape.inner, NULL, NULL, NULL},
	    {OPT_HEADS, 1, 64, &job->shape.attention_heads, NULL, NULL, NULL},
	    {OPT_SPAN, 2, 4096, &job->shape.span, NULL, NULL, NULL},
	    {OPT_LOOKAHEAD, 0, 1024, &job->shape.lookahead, NULL, NULL, NULL},
	    {OPT_FREEZE, 0, 1024, &job->shape.freeze, NULL, NULL, NULL},
	    {OPT_ROWS, 8, 4096, &job->options.sampler.rows, NULL, NULL, NULL},
	    {OPT_BATCH, 1, 4096, &job->options.sampler.batch, NULL, NULL, NULL},
	    {OPT_STEPS, 1, 1e9, NULL, NULL, NULL, &job->options.optimiser.steps},
	    {OPT_STOP_AFTER, 0, 1e9, NULL, NULL, NULL, &job->options.stop_after},
	    {OPT_WARMUP, 0, 1e9, NULL, NULL, NULL, &job->options.optimiser.warmup},
	    {OPT_RATE, 0, 1, NULL, NULL, &job->options.optimiser.rate, NULL},
	    {OPT_DECAY, 0, 1, NULL, NULL, &job->options.optimiser.decay, NULL},
	    {OPT_CLIP, 1e-6, 1e6, NULL, NULL, &job->options.optimiser.clip, NULL},
	    {OPT_DROPOUT, 0, 0.9, NULL, &job->options.network.dropout, NULL, NULL},
	    {OPT_MASK, 0, 0.5, NULL, &job->options.sampler.mask, NULL, NULL},
	    {OPT_LIVE, 0, 1, NULL, &job->options.sampler.live, NULL, NULL},
	    {OPT_REGRID, 0, 1, NULL, &job->options.sampler.regrid, NULL, NULL},
	    {OPT_DISORDER, 0, 1, NULL, &job->options.sampler.disorder, NULL, NULL},
	    {OPT_CURVES, 0, 1, NULL, &job->options.sampler.curves, NULL, NULL},
	    {OPT_STRETCH, 0, 1, NULL, &job->options.sampler.stretch, NULL, NULL},
	    {OPT_JITTER, 0, 1000, NULL, &job->options.sampler.jitter_ms, NULL, NULL},
	    {OPT_MISSING, 0, 0.5, NULL, &job->options.sampler.missing, NULL, NULL},
	    {OPT_DOUBLED, 0, 0.5, NULL, &job->options.sampler.doubled, NULL, NULL},
	    {OPT_SEED, 0, 9e15, NULL, NULL, NULL, &job->options.sampler.seed},
	    {OPT_THREADS, 1, 64, &job->options.threads, NULL, NULL, NULL},
	    {OPT_SHARDS, 1, 64, &job->options.shards, NULL, NULL, NULL},
	    {OPT_VALIDATE, 0, 1e9, &job->options.validate_steps, NULL, NULL, NULL},
	    {OPT_CHECKPOINT, 1, 86400, &job->options.checkpoint_s, NULL, NULL, NULL},
	};
	double value;
	if (code == OPT_LOOKAHEAD && strcmp(text, "unlimited") == 0) {
		job->shape.lookahead = LOOKAHEAD_UNLIMITED;
		return TOOL_DONE;
	}
	if (code == OPT_TRANSPOSE) {
		job->options.sampler.transpose = strcmp(text, "0") != 0;
		return TOOL_DONE;
	}
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (table[i].code != code)
			continue;
		if (!parse_number(text, table[i].low, table[i].high, &value))
			return tool_usage(TOOL, "--%s %s: a number from %g to %g", name, text, table[i].low, table[i].high);
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
	return tool_usage(TOOL, "--%s is not known here", name);
}

/* Returns an exit status, or -1 to go on. */
static int parse_arguments(struct job *job, int argc, char **argv)
{
	struct option table[OPTIONS + 1] = {{0}};
	int code;
	for (size_t i = 0; i < OPTIONS; i++)
		table[i] = (struct option){options[i].name, options[i].argument ? required_argument : no_argument, NULL,
					   options[i].code};
	optind = 1;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (code == '?' || code == ':')
			return tool_usage(TOOL, "%s: %s", argv[optind - 1],
					  code == '?' ? "no such option" : "needs a value");
		if (code == OPT_HELP) {
			print_help();
			return tool_finish(TOOL, TOOL_DONE);
		}
		int status = set_text_option(job, code, optarg);
		if (status < 0)
			status = set_number_option(job, code, options[code - OPT_MANIFEST].name, optarg);
		if (status != TOOL_DONE)
			return status;
	}
	if (optind < argc)
		return tool_usage(TOOL, "%s: not an option; manifests go with --manifest", argv[optind]);
	if (!job->train_count || !job->out)
		return tool_usage(TOOL, "--manifest and --out are needed");
	if (job->options.threads > job->options.shards)
		job->options.threads = job->options.shards;
	snprintf(job->checkpoint, sizeof job->checkpoint, "%s.state", job->out);
	job->options.checkpoint = job->checkpoint;
	if (!job->force && !job->resume && (access(job->out, F_OK) == 0 || access(job->checkpoint, F_OK) == 0))
		return tool_usage(TOOL, "%s or its .state exists: --resume goes on, --force overwrites", job->out);
	return -1;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A sequence head's labels: every one its manifests have, sorted. */
static enum status collect_labels(struct job *job, int head, struct error *error)
{
	struct head_spec *spec = &job->shape.head[head];
	const char *found[CLASSES_MAX + 1];
	for (size_t i = 0; i < job->train_data.count; i++) {
		const struct piece *piece = &job->train_data.pieces[i];
		if (!piece->label || !job->train_corpora[piece->set].head[head])
			continue;
		int at = 0;
		while (at < spec->classes && strcmp(found[at], piece->label) != 0)
			at++;
		if (at < spec->classes)
			continue;
		if (spec->classes == CLASSES_MAX || strlen(piece->label) >= LABEL_NAME_MAX)
			return status_fail(error, STATUS_UNSUPPORTED,
					   "head %s: more than %d labels, or one longer than %d bytes", spec->name,
					   CLASSES_MAX, LABEL_NAME_MAX - 1);
		found[spec->classes++] = piece->label;
	}
	qsort(found, (size_t)spec->classes, sizeof *found, compare_labels);
	for (int c = 0; c < spec->classes; c++)
		snprintf(spec->label[c], LABEL_NAME_MAX, "%s", found[c]);
	return STATUS_OK;
}

static void add_head(struct model_shape *shape, const char *name)
{
	static const char *const melody[] = {"melody", "bridge", "accompaniment"};
	struct head_spec *spec = &shape->head[shape->heads++];
	*spec = (struct head_spec){.level = HEAD_SEQUENCE, .setting = SETTING_PLAYED, .temperature = 1};
	snprintf(spec->name, sizeof spec->name, "%s", name);
	if (strcmp(name, "melody") == 0) {
		spec->level = HEAD_NOTE;
		spec->classes = 3;
		for (int c = 0; c < 3; c++)
			snprintf(spec->label[c], LABEL_NAME_MAX, "%s", melody[c]);
	} else if (strcmp(name, "velocity_hidden") == 0 || strcmp(name, "velocity_causal") == 0) {
		spec->level = HEAD_NOTE;
		spec->setting = strcmp(name, "velocity_hidden") == 0 ? SETTING_HIDDEN : SETTING_CAUSAL;
		spec->classes = TOKEN_VELOCITIES;
		for (int c = 0; c < TOKEN_VELOCITIES; c++)
			snprintf(spec->label[c], LABEL_NAME_MAX, "%d", octuple_velocity_of_id(c));
	}
}

/* Marks the heads a manifest names; train adds those that are new. */
static enum status bind_heads(struct job *job, const struct manifest_argument *argument, struct corpus *corpus, bool train,
			      struct error *error)
{
	char list[512], *rest = list;
	*corpus = (struct corpus){.path = argument->path};
	if (snprintf(list, sizeof list, "%s", argument->heads) >= (int)sizeof list)
		return status_fail(error, STATUS_USAGE, "%s: list of heads too long", argument->heads);
	for (char *name; (name = strtok_r(rest, ",", &rest));) {
		int head = shape_find_head(&job->shape, name);
		if (head < 0 && train) {
			if (job->shape.heads == HEADS_MAX || strlen(name) >= HEAD_NAME_MAX)
				return status_fail(error, STATUS_USAGE, "%s: more than %d heads, or a name too long", name,
						   HEADS_MAX);
			add_head(&job->shape, name);
			head = job->shape.heads - 1;
		}
		if (head < 0)
			return status_fail(error, STATUS_USAGE, "--valid %s: no --manifest trains head %s", argument->path,
					   name);
		corpus->head[head] = true;
	}
	return STATUS_OK;
}

/* --mix HEAD=SHARE[*WEIGHT],... */
static enum status parse_mix(struct job *job, struct error *error)
{
	char list[512], *rest = list;
	for (int h = 0; h < job->shape.heads; h++)
		job->options.sampler.mix[h] = job->options.sampler.weight[h] = 1;
	if (!job->mix)
		return STATUS_OK;
	if (snprintf(list, sizeof list, "%s", job->mix) >= (int)sizeof list)
		return status_fail(error, STATUS_USAGE, "--mix %s: too long", job->mix);
	for (char *item; (item = strtok_r(rest, ",", &rest));) {
		char name[HEAD_NAME_MAX];
		float share, weight = 1;
		int fields = sscanf(item, "%31[^=]=%f*%f", name, &share, &weight);
		int head = fields >= 2 ? shape_find_head(&job->shape, name) : -1;
		if (head < 0 || !(share >= 0) || !(weight >= 0))
			return status_fail(error, STATUS_USAGE,
					   "--mix %s: HEAD=SHARE or HEAD=SHARE*WEIGHT of a trained head", item);
		job->options.sampler.mix[head] = share;
		job->options.sampler.weight[head] = weight;
	}
	return STATUS_OK;
}

static enum status read_data(struct job *job, struct error *error)
{
	const char *train[CORPORA_MAX], *valid[CORPORA_MAX];
	enum status status = STATUS_OK;
	for (int i = 0; i < job->train_count && status == STATUS_OK; i++) {
		train[i] = job->train[i].path;
		status = bind_heads(job, &job->train[i], &job->train_corpora[i], true, error);
	}
	for (int i = 0; i < job->valid_count && status == STATUS_OK; i++) {
		valid[i] = job->valid[i].path;
		status = bind_heads(job, &job->valid[i], &job->valid_corpora[i], false, error);
	}
	if (status == STATUS_OK)
		status = dataset_read(train, (size_t)job->train_count, &job->train_data, error);
	if (status == STATUS_OK)
		status = dataset_read(valid, (size_t)job->valid_count, &job->valid_data, error);
	for (int h = 0; h < job->shape.heads && status == STATUS_OK; h++)
		if (job->shape.head[h].level == HEAD_SEQUENCE)
			status = collect_labels(job, h, error);
	if (status == STATUS_OK)
		status = parse_mix(job, error);
	if (status == STATUS_OK)
		status = shape_check(&job->shape, "the command line", error);
	if (status == STATUS_OK)
		fprintf(stderr, "train: %zu pieces, %zu notes (%zu skipped); valid: %zu pieces, %zu notes (%zu skipped)\n",
			job->train_data.count, job->train_data.notes, job->train_data.skipped, job->valid_data.count,
			job->valid_data.notes, job->valid_data.skipped);
	return status;
}

/* Takes what fits from other weights. */
static enum status initialise_from(const struct job *job, const struct parameters *parameters, float *values,
				   struct error *error)
{
	struct safetensors *file;
	enum status status = safetensors_open(job->init, &file, error);
	if (status != STATUS_OK)
		return status;
	size_t taken = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *entry = &parameters->table[i];
		int64_t index = safetensors_find(file, entry->name);
		const struct tensor_info *info = index < 0 ? NULL : safetensors_info(file, (size_t)index);
		if (!info || info->dimensions != entry->dimensions || info->shape[0] != entry->shape[0] ||
		    (entry->dimensions == 2 && info->shape[1] != entry->shape[1])) {
			fprintf(stderr, "%s: no %s of this shape there: it starts at random\n", job->init, entry->name);
			continue;
		}
		safetensors_get(file, (size_t)index, values + entry->offset);
		taken++;
	}
	safetensors_close(file);
	if (taken == 0)
		return status_fail(error, STATUS_BAD_DATA, "%s: nothing in it fits this network", job->init);
	return STATUS_OK;
}

static bool should_stop(void *context)
{
	(void)context;
	return interrupted != 0;
}

static int print_scores(const struct job *job, FILE *out, const char *title, const struct score *score)
{
	int used = fprintf(out, "  %s", title);
	for (int h = 0; h < job->shape.heads; h++)
		if (score->asked[h])
			used += fprintf(out, " %s %.4f (loss %.4f)", job->shape.head[h].name,
					(double)score->right[h] / (double)score->asked[h],
					score->loss[h] / (double)score->asked[h]);
	return used;
}

static void report(void *context, const struct trainer_progress *p)
{
	struct job *job = context;
	FILE *out[2] = {stderr, job->log};
	long left = (long)p->left_s;
	for (int i = 0; i < 2; i++) {
		if (!out[i])
			continue;
		fprintf(out[i], "step %llu/%llu  %.0f notes/s  left %ld:%02ld:%02ld  rate %.2e  norm %.2f ",
			(unsigned long long)p->step, (unsigned long long)p->steps, p->notes_per_s, left / 3600,
			left / 60 % 60, left % 60, p->rate, p->norm);
		print_scores(job, out[i], "train", &p->score);
		if (p->validation)
			print_scores(job, out[i], "VALID", &p->validation->score);
		fputc('\n', out[i]);
		fflush(out[i]);
	}
}

/* Confidence under which an answer is more likely wrong than right, once calibrated: then it is unknown. */
#define UNKNOWN_BELOW 0.5f

static enum status write_weights(const struct job *job, const struct parameters *parameters, const float *values,
				 struct error *error)
{
	char recipe[2048];
	int used = snprintf(recipe, sizeof recipe, "finetune");
	for (int i = 0; i < job->train_count && used < (int)sizeof recipe; i++)
		used +=
		    snprintf(recipe + used, sizeof recipe - (size_t)used, " %s=%s", job->train[i].heads,
			     strrchr(job->train[i].path, '/') ? strrchr(job->train[i].path, '/') + 1 : job->train[i].path);
	if (used < (int)sizeof recipe)
		snprintf(recipe + used, sizeof recipe - (size_t)used, " steps=%llu seed=%llu",
			 (unsigned long long)job->options.optimiser.steps, (unsigned long long)job->options.sampler.seed);
	struct safetensors_text texts[] = {{"recipe", recipe}, {"licence", job->licence ? job->licence : "not stated"}};
	return parameters_write(parameters, &job->shape, values, job->out, TENSOR_BF16, texts, 2, error);
}

/* Fits a temperature a head on the validation part, with the weights as they were written, and writes them again with it. */
static enum status calibrate(struct job *job, const struct parameters *parameters, const float *values, struct error *error)
{
	struct model *model;
	enum status status = model_load(job->out, &model, error);
	if (status != STATUS_OK)
		return status;
	for (int h = 0; h < job->shape.heads && status == STATUS_OK; h++) {
		struct head_spec *spec = &job->shape.head[h];
		if (spec->setting == SETTING_CAUSAL)
			continue;
		bool teaches[CORPORA_MAX] = {false};
		for (int i = 0; i < job->valid_count; i++)
			teaches[i] = job->valid_corpora[i].head[h];
		status = calibrate_head(model, h, &job->valid_data, teaches, &spec->temperature, error);
		if (spec->setting == SETTING_PLAYED)
			spec->unknown_below = UNKNOWN_BELOW;
		fprintf(stderr, "%s: temperature %.3f\n", spec->name, (double)spec->temperature);
	}
	model_free(model);
	return status == STATUS_OK ? write_weights(job, parameters, values, error) : status;
}

static enum status train(struct job *job, struct error *error)
{
	struct parameters *parameters = NULL;
	struct trainer *trainer = NULL;
	float *values = NULL;
	enum status status = parameters_new(&job->shape, &parameters, error);
	if (status != STATUS_OK)
		return status;
	if (!(values = malloc(parameters->elements * sizeof *values))) {
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for %zu parameters", parameters->elements);
		goto out;
	}
	job->options.network.rows = sampler_rows(&job->shape, &job->options.sampler);
	parameters_initialise(parameters, &job->shape, job->options.sampler.seed, values);
	if (job->init && (status = initialise_from(job, parameters, values, error)) != STATUS_OK)
		goto out;
	status = trainer_new(&job->shape, parameters, values, &job->train_data, job->train_corpora, job->train_count,
			     &job->valid_data, job->valid_corpora, job->valid_count, &job->options, &trainer, error);
	if (status == STATUS_OK && job->resume)
		status = trainer_resume(trainer, error);
	if (status != STATUS_OK)
		goto out;
	fprintf(stderr, "%zu parameters, %s, %d threads\n", parameters->elements,
		job->options.network.precision == PRECISION_BF16 && product_has_bf16() ? "bf16 products" : matrix_backend(),
		job->options.threads);
	status = trainer_run(trainer, report, should_stop, job, error);
	if (status == STATUS_OK || status == STATUS_INTERRUPTED) {
		enum status written = write_weights(job, parameters, values, status == STATUS_OK ? error : NULL);
		if (status == STATUS_OK)
			status = written;
		if (status == STATUS_OK && job->valid_count)
			status = calibrate(job, parameters, values, error);
	}
out:
	trainer_free(trainer);
	parameters_free(parameters);
	free(values);
	return status;
}

int tool_finetune(int argc, char **argv)
{
	struct error error = {0};
	struct sigaction action = {.sa_handler = on_signal};
	struct job *job = calloc(1, sizeof *job);
	if (!job)
		return tool_fail(TOOL, &(struct error){.status = STATUS_NO_MEMORY, .text = "no memory"});
	job->shape = (struct model_shape){
	    .layers = 4, .width = 256, .inner = 1024, .attention_heads = 4, .span = 256, .lookahead = 4, .freeze = 8};
	job->options = (struct trainer_options){
	    .sampler = {.seed = 1,
			.rows = 512,
			.batch = 16,
			.mask = 0.12f,
			.live = 0.5f,
			.regrid = 0.25f,
			.disorder = 0.5f,
			.transpose = true},
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
	int status = parse_arguments(job, argc, argv);
	if (status < 0) {
		char log[4200];
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		matrix_use_threads(1);
		snprintf(log, sizeof log, "%s.log", job->out);
		job->log = fopen(log, job->resume ? "a" : "w");
		enum status result = read_data(job, &error);
		if (result == STATUS_OK)
			result = train(job, &error);
		status = result == STATUS_OK ? TOOL_DONE : tool_fail(TOOL, &error);
		if (job->log)
			fclose(job->log);
	}
	dataset_free(&job->train_data);
	dataset_free(&job->valid_data);
	free(job);
	return status;
}
