/* `midibert finetune`: trains encoder and heads together from labelled manifests. Main thread; the work is in train/. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"
#include "tools/training.h"

#include "engine/rhythm_file.h"
#include "model/matrix.h"
#include "train/calibrate.h"
#include "train/teacher.h"
#include "train/tracked.h"
#include "train/trainer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOOL "finetune"

/* HEAD,HEAD=FILE.tsv as given on the command line. */
struct manifest_argument {
	char *heads, *path; /* heads NULL: the tasks of --task, or melody and velocity_hidden */
};

#define TASKS_MAX HEADS_MAX

/* --task NAME --level LEVEL */
struct own_task {
	const char *name;
	enum head_level level;
};

struct job {
	struct manifest_argument train[CORPORA_MAX], valid[CORPORA_MAX];
	int train_count, valid_count;
	struct own_task task[TASKS_MAX];
	int tasks;
	char default_heads[TASKS_MAX * (HEAD_NAME_MAX + 1)];
	const char *mix, *beat;
	struct rhythm *rhythm; /* NULL: no --tracked */
	const char *teacher_path[TEACHERS_MAX];
	int teachers;
	struct teacher *teacher;	       /* NULL: no --teacher */
	char teacher_names[TEACHERS_MAX * 66]; /* the SHA-256 of each, a space before it */
	struct training training;
	struct dataset train_data, valid_data;
	struct corpus train_corpora[CORPORA_MAX], valid_corpora[CORPORA_MAX];
	FILE *log;
};

enum {
	OPT_MANIFEST = 256,
	OPT_VALID,
	OPT_TASK,
	OPT_LEVEL,
	OPT_MASK,
	OPT_MIX,
	OPT_PATIENCE,
	OPT_AVERAGE,
	OPT_TRACKED,
	OPT_VOICES,
	OPT_BEAT,
	OPT_TEACHER,
	OPT_TAUGHT,
	OPT_HELP
};

static const struct training_option own_options[] = {
    {"manifest", "[HEAD,...=]FILE.tsv",
     "train on this manifest; heads that learn from it (default: those of --task, else melody,velocity_hidden)",
     OPT_MANIFEST},
    {"valid", "[HEAD,...=]FILE.tsv", "validate on this one; never trained on", OPT_VALID},
    {"task", "NAME", "a task of your own: a head of this name (a-z, 0-9, _), published as /midibert/NAME", OPT_TASK},
    {"level", "note|sequence",
     "of the --task before it: labels of notes in FILE.labels.tsv beside FILE.mid, or of whole pieces "
     "in the manifest (sequence)",
     OPT_LEVEL},
    {"mask", "X", "mean share of notes hidden (0.12)", OPT_MASK},
    {"voices", "X", "share of melody's sequences with melody and bridge left out or moved by octaves (0)", OPT_VOICES},
    {"tracked", "X", "share of sequences on the grid that the beat tracker makes (0)", OPT_TRACKED},
    {"beat", "FILE", "network of the beat tracker (the .beat beside --init, else beside the default weights)", OPT_BEAT},
    {"teacher", "FILE",
     "also learn what these weights say of each note of the finished piece; several times: what they say on average",
     OPT_TEACHER},
    {"taught", "X", "share that teachers have in what note heads learn, the labels keep the rest (0.5)", OPT_TAUGHT},
    {"mix", "HEAD=X[*W],...", "share of sequences drawn for each head, and weight of its loss (1*1)", OPT_MIX},
    {"patience", "N", "end after N validations that are no better, with the best weights (0: train to the end)",
     OPT_PATIENCE},
    {"average", "N", "end with the mean of the weights at the last N validations (0: the last weights)", OPT_AVERAGE},
    {"help", NULL, "this text", OPT_HELP},
};
#define OWN_OPTIONS ((int)(sizeof own_options / sizeof *own_options))
#define HELP (-2) /* instead of an exit status */

#define TAUGHT 0.5f   /* --taught where it is not said */
#define NOT_SAID (-1) /* no share yet */

static void print_help(void)
{
	printf(
	    "usage: midibert finetune --manifest [HEAD,...=]FILE.tsv... --out FILE [OPTION]...\n\n"
	    "Heads: melody (tracks MELODY, BRIDGE, PIANO), velocity_hidden, velocity_causal, and any other name for a class "
	    "of the\n"
	    "whole piece, whose labels are the manifest's second column: style_pianist8, emotion. A task of your own for "
	    "notes\n"
	    "takes its labels from FILE.labels.tsv beside FILE.mid, lines of note number<TAB>label; notes are numbered from "
	    "1 as\n"
	    "midibert predict does.\n\n");
	for (int i = 0; i < OWN_OPTIONS - 1; i++)
		training_print_option(&own_options[i]);
	for (int i = 0; i < training_option_count; i++)
		training_print_option(&training_options[i]);
	training_print_option(&own_options[OWN_OPTIONS - 1]);
}

static int add_manifest(struct manifest_argument *list, int *count, char *text)
{
	if (*count == CORPORA_MAX)
		return tool_usage(TOOL, "more than %d manifests", CORPORA_MAX);
	char *equals = strchr(text, '=');
	if (equals)
		*equals = 0;
	list[(*count)++] = (struct manifest_argument){.heads = equals ? text : NULL, .path = equals ? equals + 1 : text};
	return TOOL_DONE;
}

static int add_task(struct job *job, const char *name)
{
	if (job->tasks == TASKS_MAX)
		return tool_usage(TOOL, "more than %d tasks", TASKS_MAX);
	if (strcmp(name, "melody") == 0 || strncmp(name, "velocity", 8) == 0)
		return tool_usage(TOOL, "--task %s: that head has labels of its own; give it to --manifest", name);
	job->task[job->tasks++] = (struct own_task){.name = name, .level = HEAD_SEQUENCE};
	return TOOL_DONE;
}

static int set_level(struct job *job, const char *level)
{
	if (job->tasks == 0)
		return tool_usage(TOOL, "--level %s: of which --task?", level);
	if (strcmp(level, "note") != 0 && strcmp(level, "sequence") != 0)
		return tool_usage(TOOL, "--level %s: note or sequence", level);
	job->task[job->tasks - 1].level = level[0] == 'n' ? HEAD_NOTE : HEAD_SEQUENCE;
	return TOOL_DONE;
}

static int add_teacher(struct job *job, const char *path)
{
	if (job->teachers == TEACHERS_MAX)
		return tool_usage(TOOL, "more than %d teachers", TEACHERS_MAX);
	job->teacher_path[job->teachers++] = path;
	return TOOL_DONE;
}

static int set_option(void *context, int code, char *text)
{
	struct job *job = context;
	struct trainer_options *options = &job->training.options;
	bool count = code == OPT_PATIENCE || code == OPT_AVERAGE;
	double number;
	if (code >= TRAINING_CODE)
		return training_set(&job->training, code, text);
	switch (code) {
	case OPT_MANIFEST: return add_manifest(job->train, &job->train_count, text);
	case OPT_VALID: return add_manifest(job->valid, &job->valid_count, text);
	case OPT_TASK: return add_task(job, text);
	case OPT_LEVEL: return set_level(job, text);
	case OPT_MIX: job->mix = text; return TOOL_DONE;
	case OPT_BEAT: job->beat = text; return TOOL_DONE;
	case OPT_TEACHER: return add_teacher(job, text);
	case OPT_HELP: return HELP;
	default: break;
	}
	double most = count ? 1000 : code == OPT_TRACKED || code == OPT_VOICES || code == OPT_TAUGHT ? 1 : 0.5;
	if (!training_number(text, 0, most, &number))
		return tool_usage(TOOL, "%s: a number from 0 to %g", text, most);
	switch (code) {
	case OPT_PATIENCE: options->patience = (int)number; break;
	case OPT_AVERAGE: options->average = (int)number; break;
	case OPT_VOICES: options->sampler.voices = (float)number; break;
	case OPT_TAUGHT: options->sampler.taught = (float)number; break;
	case OPT_TRACKED: options->sampler.tracked = (float)number; break;
	default: options->sampler.mask = (float)number;
	}
	return TOOL_DONE;
}

/* Manifests that name no head teach the tasks of one's own, or the usual two. */
static int name_heads(struct job *job)
{
	size_t used = 0;
	for (int i = 0; i < job->tasks; i++) {
		if (strlen(job->task[i].name) >= HEAD_NAME_MAX || strchr(job->task[i].name, ','))
			return tool_usage(TOOL, "--task %s: a name of at most %d bytes", job->task[i].name,
					  HEAD_NAME_MAX - 1);
		used += (size_t)snprintf(job->default_heads + used, sizeof job->default_heads - used, "%s%s", i ? "," : "",
					 job->task[i].name);
	}
	if (job->tasks == 0)
		snprintf(job->default_heads, sizeof job->default_heads, "melody,velocity_hidden");
	for (int i = 0; i < CORPORA_MAX; i++) {
		struct manifest_argument *train = &job->train[i], *valid = &job->valid[i];
		train->heads = train->heads ? train->heads : job->default_heads;
		valid->heads = valid->heads ? valid->heads : job->default_heads;
	}
	return TOOL_DONE;
}

/* Returns an exit status, or -1 to go on. */
static int parse_arguments(struct job *job, int argc, char **argv)
{
	int status = training_parse(TOOL, own_options, OWN_OPTIONS, argc, argv, set_option, job);
	if (status == HELP) {
		print_help();
		return tool_finish(TOOL, TOOL_DONE);
	}
	if (status != TOOL_DONE)
		return status;
	if (!job->train_count)
		return tool_usage(TOOL, "--manifest is needed");
	struct trainer_options *options = &job->training.options;
	if (options->patience && options->average)
		return tool_usage(TOOL, "--patience keeps the best weights, --average the mean of the last: one of them");
	if ((options->patience || options->average) && (!job->valid_count || !options->validate_steps))
		return tool_usage(TOOL,
				  "--patience and --average go by validations: they need --valid and --validate-steps");
	if (options->sampler.tracked + options->sampler.regrid > 1)
		return tool_usage(TOOL, "--tracked %g and --regrid %g: shares of one whole, together at most 1",
				  (double)options->sampler.tracked, (double)options->sampler.regrid);
	if (job->beat && options->sampler.tracked == 0)
		return tool_usage(TOOL, "--beat is for --tracked");
	if (options->sampler.taught >= 0 && !job->teachers)
		return tool_usage(TOOL, "--taught is for --teacher");
	if (options->sampler.taught < 0)
		options->sampler.taught = TAUGHT;
	status = name_heads(job);
	if (status == TOOL_DONE)
		status = training_check(&job->training);
	return status == TOOL_DONE ? -1 : status;
}

/* Adds a label to a head's; they are sorted afterwards. */
static enum status add_label(struct head_spec *spec, const char *label, struct error *error)
{
	for (int c = 0; c < spec->classes; c++)
		if (strcmp(spec->label[c], label) == 0)
			return STATUS_OK;
	if (spec->classes == CLASSES_MAX || strlen(label) >= LABEL_NAME_MAX)
		return status_fail(error, STATUS_UNSUPPORTED, "head %s: more than %d labels, or one longer than %d bytes",
				   spec->name, CLASSES_MAX, LABEL_NAME_MAX - 1);
	snprintf(spec->label[spec->classes++], LABEL_NAME_MAX, "%s", label);
	return STATUS_OK;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The labels of a head that are not fixed: every one its manifests have, or the files beside their pieces; sorted. */
static enum status collect_labels(struct job *job, int head, struct error *error)
{
	struct head_spec *spec = &job->training.shape.head[head];
	enum status status = STATUS_OK;
	for (size_t i = 0; i < job->train_data.count && status == STATUS_OK; i++) {
		const struct piece *piece = &job->train_data.pieces[i];
		if (!job->train_corpora[piece->set].head[head])
			continue;
		if (spec->level == HEAD_SEQUENCE && piece->label)
			status = add_label(spec, piece->label, error);
		for (int k = 0; spec->level == HEAD_NOTE && k < piece->name_count && status == STATUS_OK; k++)
			status = add_label(spec, piece->names[k], error);
	}
	qsort(spec->label, (size_t)spec->classes, sizeof *spec->label, compare_labels);
	if (status == STATUS_OK && spec->classes < 2)
		return status_fail(error, STATUS_BAD_DATA, "head %s: %s have %s; two labels are the least", spec->name,
				   spec->level == HEAD_NOTE ? "the files FILE.labels.tsv"
							    : "the second columns of its manifests",
				   spec->classes ? "one label alone" : "no label");
	return status;
}

static void add_head(struct job *job, const char *name)
{
	struct model_shape *shape = &job->training.shape;
	static const char *const melody[] = {"melody", "bridge", "accompaniment"};
	struct head_spec *spec = &shape->head[shape->heads++];
	*spec = (struct head_spec){.level = HEAD_SEQUENCE, .setting = SETTING_PLAYED, .temperature = 1};
	snprintf(spec->name, sizeof spec->name, "%s", name);
	if (strcmp(name, "melody") == 0) {
		spec->level = HEAD_NOTE;
		spec->classes = 3;
		for (int c = 0; c < 3; c++)
			snprintf(spec->label[c], LABEL_NAME_MAX, "%s", melody[c]);
		return;
	}
	for (int i = 0; i < job->tasks; i++)
		if (strcmp(job->task[i].name, name) == 0)
			spec->level = job->task[i].level;
	if (strcmp(name, "velocity_hidden") == 0 || strcmp(name, "velocity_causal") == 0) {
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
		int head = shape_find_head(&job->training.shape, name);
		if (head < 0 && train) {
			if (job->training.shape.heads == HEADS_MAX || strlen(name) >= HEAD_NAME_MAX)
				return status_fail(error, STATUS_USAGE, "%s: more than %d heads, or a name too long", name,
						   HEADS_MAX);
			add_head(job, name);
			head = job->training.shape.heads - 1;
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
	for (int h = 0; h < job->training.shape.heads; h++)
		job->training.options.sampler.mix[h] = job->training.options.sampler.weight[h] = 1;
	if (!job->mix)
		return STATUS_OK;
	if (snprintf(list, sizeof list, "%s", job->mix) >= (int)sizeof list)
		return status_fail(error, STATUS_USAGE, "--mix %s: too long", job->mix);
	for (char *item; (item = strtok_r(rest, ",", &rest));) {
		char name[HEAD_NAME_MAX];
		float share, weight = 1;
		int fields = sscanf(item, "%31[^=]=%f*%f", name, &share, &weight);
		int head = fields >= 2 ? shape_find_head(&job->training.shape, name) : -1;
		if (head < 0 || !(share >= 0) || !(weight >= 0))
			return status_fail(error, STATUS_USAGE,
					   "--mix %s: HEAD=SHARE or HEAD=SHARE*WEIGHT of a trained head", item);
		job->training.options.sampler.mix[head] = share;
		job->training.options.sampler.weight[head] = weight;
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
	for (int h = 0; h < job->training.shape.heads && status == STATUS_OK; h++)
		if (job->training.shape.head[h].classes == 0)
			status = collect_labels(job, h, error);
	if (status == STATUS_OK)
		status = parse_mix(job, error);
	if (status == STATUS_OK)
		status = training_check_shape(&job->training, error);
	if (status == STATUS_OK)
		fprintf(stderr, "train: %zu pieces, %zu notes (%zu skipped); valid: %zu pieces, %zu notes (%zu skipped)\n",
			job->train_data.count, job->train_data.notes, job->train_data.skipped, job->valid_data.count,
			job->valid_data.notes, job->valid_data.skipped);
	return status;
}

static void say_tracked(void *context, size_t done, size_t count)
{
	bool *shown = context;
	if (*shown || done == count)
		fprintf(stderr, "%sbeat of %zu of %zu pieces%s", *shown ? "\r" : "", done, count, done == count ? "\n" : "");
}

/* Hears the training pieces through the beat tracker, if any sequence is to lie on its grid. */
static enum status track(struct job *job, struct error *error)
{
	struct sampler_options *sampler = &job->training.options.sampler;
	char path[PATH_MAX];
	bool shown = isatty(STDERR_FILENO);
	enum status status = STATUS_OK;
	if (sampler->tracked == 0)
		return STATUS_OK;
	if (!job->beat)
		status = rhythm_locate(job->training.init, path, sizeof path, error);
	if (status == STATUS_OK)
		status = rhythm_load(job->beat ? job->beat : path, &job->rhythm, error);
	if (status != STATUS_OK)
		return status;
	sampler->beat = rhythm_sha256(job->rhythm);
	return tracked_dataset(&job->train_data, rhythm_network(job->rhythm), job->training.options.threads, say_tracked,
			       &shown, error);
}

static void say_taught(void *context, size_t done, size_t count)
{
	bool *shown = context;
	if (*shown || done == count)
		fprintf(stderr, "%steachers heard %zu of %zu pieces%s", *shown ? "\r" : "", done, count,
			done == count ? "\n" : "");
}

/* Lets the teachers, if there are any, hear the training pieces. */
static enum status be_taught(struct job *job, struct error *error)
{
	struct model *models[TEACHERS_MAX] = {NULL};
	struct sampler_options *sampler = &job->training.options.sampler;
	bool shown = isatty(STDERR_FILENO);
	size_t used = 0;
	enum status status = STATUS_OK;
	for (int i = 0; i < job->teachers && status == STATUS_OK; i++) {
		status = model_load(job->teacher_path[i], &models[i], error);
		if (status == STATUS_OK)
			status = model_use_backend(models[i], "auto", error);
		if (status == STATUS_OK)
			used += (size_t)snprintf(job->teacher_names + used, sizeof job->teacher_names - used, " %s",
						 model_sha256(models[i]));
	}
	if (status == STATUS_OK && job->teachers)
		status = teacher_new(&job->training.shape, &job->train_data, job->train_corpora, models, job->teachers,
				     job->training.options.threads, say_taught, &shown, &job->teacher, error);
	for (int i = 0; i < job->teachers; i++)
		model_free(models[i]);
	sampler->teacher = job->teacher;
	sampler->teachers = job->teacher_names;
	return status;
}

static int print_scores(const struct job *job, FILE *out, const char *title, const struct score *score)
{
	int used = fprintf(out, "  %s", title);
	for (int h = 0; h < job->training.shape.heads; h++)
		if (score->asked[h])
			used += fprintf(out, " %s %.4f (loss %.4f)", job->training.shape.head[h].name,
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
			 (unsigned long long)job->training.options.optimiser.steps,
			 (unsigned long long)job->training.options.sampler.seed);
	struct safetensors_text texts[] = {{"recipe", recipe},
					   {"licence", job->training.licence ? job->training.licence : "not stated"}};
	return parameters_write(parameters, &job->training.shape, values, job->training.out, TENSOR_BF16, texts, 2, error);
}

/* Fits a temperature a head on the validation part, with the weights as they were written, and writes them again with it. */
static enum status calibrate(struct job *job, const struct parameters *parameters, const float *values, struct error *error)
{
	struct model *model;
	enum status status = model_load(job->training.out, &model, error);
	if (status != STATUS_OK)
		return status;
	for (int h = 0; h < job->training.shape.heads && status == STATUS_OK; h++) {
		struct head_spec *spec = &job->training.shape.head[h];
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
	double figure;
	uint64_t step;
	enum status status = parameters_new(&job->training.shape, &parameters, error);
	if (status != STATUS_OK)
		return status;
	if (!(values = malloc(parameters->elements * sizeof *values))) {
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for %zu parameters", parameters->elements);
		goto out;
	}
	job->training.options.network.rows = sampler_rows(&job->training.shape, &job->training.options.sampler);
	parameters_initialise(parameters, &job->training.shape, job->training.options.sampler.seed, values);
	if (job->training.init && (status = training_start(&job->training, parameters, values, error)) != STATUS_OK)
		goto out;
	status =
	    trainer_new(&job->training.shape, parameters, values, &job->train_data, job->train_corpora, job->train_count,
			&job->valid_data, job->valid_corpora, job->valid_count, &job->training.options, &trainer, error);
	if (status == STATUS_OK && job->training.resume)
		status = trainer_resume(trainer, error);
	if (status != STATUS_OK)
		goto out;
	fprintf(stderr, "%zu parameters, %s, %d threads\n", parameters->elements,
		job->training.options.network.precision == PRECISION_BF16 && product_has_bf16() ? "bf16 products"
												: matrix_backend(),
		job->training.options.threads);
	status = trainer_run(trainer, report, training_should_stop, job, error);
	if (trainer_kept(trainer, &step, &figure))
		fprintf(stderr, "kept: weights of step %llu, mean loss on valid %.4f\n", (unsigned long long)step, figure);
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
	struct job *job = calloc(1, sizeof *job);
	if (!job)
		return tool_fail(TOOL, &(struct error){.status = STATUS_NO_MEMORY, .text = "no memory"});
	training_defaults(&job->training, TOOL);
	job->training.options.sampler.mask = 0.12f;
	job->training.options.sampler.taught = NOT_SAID;
	int status = parse_arguments(job, argc, argv);
	if (status < 0) {
		training_catch_signals();
		matrix_use_threads(1);
		enum status result = training_open_log(&job->training, &job->log, &error);
		if (result == STATUS_OK)
			result = read_data(job, &error);
		if (result == STATUS_OK)
			result = track(job, &error);
		if (result == STATUS_OK)
			result = be_taught(job, &error);
		if (result == STATUS_OK)
			result = train(job, &error);
		status = result == STATUS_OK ? TOOL_DONE : tool_fail(TOOL, &error);
		if (job->log)
			fclose(job->log);
	}
	dataset_free(&job->train_data);
	dataset_free(&job->valid_data);
	rhythm_free(job->rhythm);
	teacher_free(job->teacher);
	free(job);
	return status;
}
