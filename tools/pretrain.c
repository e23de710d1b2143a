/* `midibert pretrain`: teaches the encoder to fill in masked notes, without labels. Main thread; the work is in train/. */
#include "tools/tools.h"
#include "tools/training.h"

#include "model/matrix.h"
#include "train/pretrainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOOL "pretrain"
#define FREEZE_EPOCHS 5 /* between two freezings, as published */
#define FINGERPRINT_MAX 3000

struct job {
	struct training training;
	const char *train[CORPORA_MAX], *valid[CORPORA_MAX];
	int train_count, valid_count;
	struct pretrainer_options options;
	double freeze_epochs;
	struct dataset train_data, valid_data;
	struct lesson lesson;
	FILE *log;
};

enum {
	OPT_MANIFEST = 256,
	OPT_VALID,
	OPT_MASKING,
	OPT_FREEZE_EPOCHS,
	OPT_FREEZE_NOTES,
	OPT_MASKER_WEIGHT,
	OPT_HIDDEN,
	OPT_PAPER_CODE,
	OPT_PAPER_FAULTS,
	OPT_HELP
};

static const struct training_option own_options[] = {
    {"manifest", "FILE.tsv", "learn from the files of this manifest; labels are not read", OPT_MANIFEST},
    {"valid", "FILE.tsv", "validate on this one; never trained on", OPT_VALID},
    {"masking", "random|bar|adversarial", "who chooses what is hidden (adversarial)", OPT_MASKING},
    {"freeze-epochs", "X", "adversarial: freeze the hardest notes every X epochs; 0: never (5)", OPT_FREEZE_EPOCHS},
    {"freeze-notes", "N", "... or every N notes", OPT_FREEZE_NOTES},
    {"masker-weight", "X", "adversarial: of the masker's loss beside the recoverer's (1)", OPT_MASKER_WEIGHT},
    {"hidden", "X", "share of sequences that show no velocity and ask for all (0.25)", OPT_HIDDEN},
    {"paper-code", NULL, "do as the published code does where it differs: all of --paper-faults", OPT_PAPER_CODE},
    {"paper-faults", "NAME,...", "some of that: sign decay few padding zero all-notes vocabulary replaced",
     OPT_PAPER_FAULTS},
    {"help", NULL, "this text", OPT_HELP},
};
#define OWN_OPTIONS ((int)(sizeof own_options / sizeof *own_options))
#define HELP (-2) /* instead of an exit status */

static const char *const attribute_name[ATTRIBUTES] = {"bar",	   "position", "instrument", "pitch",
						       "duration", "velocity", "timesig",    "tempo"};
static const char *const masking_name[] = {"random", "bar", "adversarial"};
/* In order of their bits. */
static const char *const fault_name[] = {"sign", "decay", "few", "padding", "zero", "all-notes", "vocabulary", "replaced"};
#define FAULTS ((int)(sizeof fault_name / sizeof *fault_name))
_Static_assert((1 << FAULTS) - 1 == FAULTS_ALL, "a name a fault");

static void print_help(void)
{
	printf("usage: midibert pretrain --manifest FILE.tsv... --out FILE [OPTION]...\n\n"
	       "Teaches the encoder to fill in notes that are hidden from it. `midibert finetune --init FILE` goes on from "
	       "there.\n\n");
	for (int i = 0; i < OWN_OPTIONS - 1; i++)
		training_print_option(&own_options[i]);
	for (int i = 0; i < training_option_count; i++)
		training_print_option(&training_options[i]);
	training_print_option(&own_options[OWN_OPTIONS - 1]);
}

/* Place of the first `length` bytes of text among names, or -1. */
static int find(const char *const *names, int count, const char *text, size_t length)
{
	for (int i = 0; i < count; i++)
		if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0)
			return i;
	return -1;
}

static int set_faults(struct job *job, const char *list)
{
	for (const char *at = list;; at++) {
		size_t length = strcspn(at, ",");
		int fault = find(fault_name, FAULTS, at, length);
		if (fault < 0)
			return tool_usage(TOOL,
					  "--paper-faults %s: names are sign, decay, few, padding, zero, all-notes, "
					  "vocabulary and replaced",
					  list);
		job->options.faults |= 1u << fault;
		at += length;
		if (!*at)
			return TOOL_DONE;
	}
}

static int add_manifest(const char **list, int *count, const char *path)
{
	if (*count == CORPORA_MAX)
		return tool_usage(TOOL, "more than %d manifests", CORPORA_MAX);
	list[(*count)++] = path;
	return TOOL_DONE;
}

static int set_option(void *context, int code, char *text)
{
	struct job *job = context;
	double high = code == OPT_FREEZE_NOTES ? 1e15 : code == OPT_HIDDEN ? 1 : 1e6, value;
	int masking;
	if (code >= TRAINING_CODE)
		return training_set(&job->training, code, text);
	switch (code) {
	case OPT_HELP: return HELP;
	case OPT_MANIFEST: return add_manifest(job->train, &job->train_count, text);
	case OPT_VALID: return add_manifest(job->valid, &job->valid_count, text);
	case OPT_PAPER_CODE: job->options.faults = FAULTS_ALL; return TOOL_DONE;
	case OPT_PAPER_FAULTS: return set_faults(job, text);
	case OPT_MASKING:
		if ((masking = find(masking_name, 3, text, strlen(text))) < 0)
			return tool_usage(TOOL, "--masking %s: random, bar or adversarial", text);
		job->options.masking = (enum masking)masking;
		return TOOL_DONE;
	default: break;
	}
	if (!training_number(text, 0, high, &value))
		return tool_usage(TOOL, "--%s %s: a number from 0 to %g", own_options[code - OPT_MANIFEST].name, text, high);
	if (code == OPT_FREEZE_EPOCHS)
		job->freeze_epochs = value;
	else if (code == OPT_FREEZE_NOTES)
		job->options.freeze_notes = (uint64_t)value;
	else if (code == OPT_MASKER_WEIGHT)
		job->options.masker_weight = (float)value;
	else
		job->training.options.sampler.hidden = (float)value;
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
	job->training.options.network.rows = job->training.options.sampler.rows;
	status = training_check(&job->training);
	return status == TOOL_DONE ? -1 : status;
}

/* Everything the result depends on, but for the sizes of tensors. */
static void write_fingerprint(const struct job *job, char *text)
{
	const struct trainer_options *t = &job->training.options;
	const struct sampler_options *s = &t->sampler;
	const struct optimiser_options *o = &t->optimiser;
	int used = snprintf(
	    text, FINGERPRINT_MAX,
	    "pretrain masking=%s faults=%u freeze_notes=%llu masker_weight=%g hidden=%g lookahead=%d file_lookahead=%d "
	    "freeze=%d "
	    "attention_heads=%d curves=%g stretch=%g jitter=%g missing=%g doubled=%g seed=%llu rows=%d batch=%d shards=%d "
	    "live=%g regrid=%g disorder=%g transpose=%d steps=%llu "
	    "warmup=%llu rate=%g muon=%g decay=%g clip=%g dropout=%g precision=%s validate_steps=%d",
	    masking_name[job->options.masking], job->options.faults, (unsigned long long)job->options.freeze_notes,
	    (double)job->options.masker_weight, (double)s->hidden, job->training.shape.lookahead,
	    job->training.shape.file_lookahead, job->training.shape.freeze, job->training.shape.attention_heads,
	    (double)s->curves, (double)s->stretch, (double)s->jitter_ms, (double)s->missing, (double)s->doubled,
	    (unsigned long long)s->seed, s->rows, s->batch, t->shards, (double)s->live, (double)s->regrid,
	    (double)s->disorder, s->transpose, (unsigned long long)o->steps, (unsigned long long)o->warmup, o->rate, o->muon,
	    o->decay, o->clip, (double)t->network.dropout,
	    t->network.precision == PRECISION_BF16 && product_has_bf16() ? "bf16" : "fp32", t->validate_steps);
	for (int i = 0; i < job->train_count && used < FINGERPRINT_MAX; i++)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " %s", job->train[i]);
	for (int i = 0; i < job->valid_count && used < FINGERPRINT_MAX; i++)
		used += snprintf(text + used, (size_t)(FINGERPRINT_MAX - used), " valid=%s", job->valid[i]);
}

static double ratio(double part, uint64_t whole)
{
	return whole ? part / (double)whole : 0;
}

static void print_scores(FILE *out, const char *title, const struct score *score)
{
	fprintf(out, "  %s", title);
	for (int a = 0; a < ATTRIBUTES; a++)
		fprintf(out, " %s %.4f", attribute_name[a], ratio((double)score->right[a], score->asked[a]));
	if (score->asked[ATTRIBUTES])
		fprintf(out, " masker %.4f", ratio((double)score->right[ATTRIBUTES], score->asked[ATTRIBUTES]));
}

/* {"bar": {"accuracy": ..., "loss": ..., "asked": ...}, ...}, the masker last if it was asked */
static void log_scores(FILE *log, const char *key, const struct score *score)
{
	fprintf(log, ", \"%s\": {", key);
	for (int a = 0; a <= ATTRIBUTES; a++)
		if (a < ATTRIBUTES || score->asked[a])
			fprintf(log, "%s\"%s\": {\"accuracy\": %.5f, \"loss\": %.5f, \"asked\": %llu}", a ? ", " : "",
				a < ATTRIBUTES ? attribute_name[a] : "masker",
				ratio((double)score->right[a], score->asked[a]), ratio(score->loss[a], score->asked[a]),
				(unsigned long long)score->asked[a]);
	fputc('}', log);
}

/* One line a report for people, and one JSON object for plots. */
static void report(void *context, const struct trainer_progress *p)
{
	const struct job *job = context;
	struct pretrainer_state state = pretrainer_state(&job->lesson);
	long left = (long)p->left_s;
	fprintf(stderr, "step %llu/%llu  %.0f notes/s  left %ld:%02ld:%02ld  rate %.2e  norm %.2f  frozen %.3f",
		(unsigned long long)p->step, (unsigned long long)p->steps, p->notes_per_s, left / 3600, left / 60 % 60,
		left % 60, p->rate, p->norm, state.frozen);
	print_scores(stderr, "train", &p->score);
	if (p->validation)
		print_scores(stderr, "VALID", &p->validation->score);
	fputc('\n', stderr);
	if (!job->log)
		return;
	fprintf(job->log,
		"{\"step\": %llu, \"steps\": %llu, \"notes_per_s\": %.1f, \"left_s\": %.0f, \"rate\": %.4e, \"norm\": %.4f, "
		"\"frozen\": %.5f, \"freezings\": %llu, \"weights\": [",
		(unsigned long long)p->step, (unsigned long long)p->steps, p->notes_per_s, p->left_s, p->rate, p->norm,
		state.frozen, (unsigned long long)state.freezings);
	for (int a = 0; a < ATTRIBUTES; a++)
		fprintf(job->log, "%s%.4f", a ? ", " : "", (double)state.weight[a]);
	fputc(']', job->log);
	log_scores(job->log, "train", &p->score);
	if (p->validation)
		log_scores(job->log, "valid", &p->validation->score);
	fputs("}\n", job->log);
	fflush(job->log);
}

static enum status write_weights(const struct job *job, const struct parameters *parameters, const float *values,
				 struct error *error)
{
	const struct training *t = &job->training;
	char recipe[2048];
	int used = snprintf(recipe, sizeof recipe, "pretrain masking=%s%s", masking_name[job->options.masking],
			    job->options.faults == FAULTS_ALL ? " paper-code"
			    : job->options.faults	      ? " paper-faults"
							      : "");
	for (int i = 0; i < job->train_count && used < (int)sizeof recipe; i++) {
		const char *name = strrchr(job->train[i], '/');
		used += snprintf(recipe + used, sizeof recipe - (size_t)used, " %s", name ? name + 1 : job->train[i]);
	}
	if (used < (int)sizeof recipe)
		snprintf(recipe + used, sizeof recipe - (size_t)used, " steps=%llu seed=%llu",
			 (unsigned long long)t->options.optimiser.steps, (unsigned long long)t->options.sampler.seed);
	struct safetensors_text texts[] = {{"recipe", recipe}, {"licence", t->licence ? t->licence : "not stated"}};
	return parameters_write(parameters, &t->shape, values, t->out, TENSOR_BF16, texts, 2, error);
}

static enum status read_data(struct job *job, struct error *error)
{
	enum status status = dataset_read(job->train, (size_t)job->train_count, &job->train_data, error);
	if (status == STATUS_OK)
		status = dataset_read(job->valid, (size_t)job->valid_count, &job->valid_data, error);
	if (status == STATUS_OK)
		status = training_check_shape(&job->training, error);
	if (status != STATUS_OK)
		return status;
	fprintf(stderr, "train: %zu pieces, %zu notes (%zu skipped); valid: %zu pieces, %zu notes (%zu skipped)\n",
		job->train_data.count, job->train_data.notes, job->train_data.skipped, job->valid_data.count,
		job->valid_data.notes, job->valid_data.skipped);
	job->options.sampler = job->training.options.sampler;
	job->options.validate_notes = job->training.options.validate_notes;
	if (!job->options.freeze_notes)
		job->options.freeze_notes = (uint64_t)(job->freeze_epochs * (double)job->train_data.notes);
	return STATUS_OK;
}

/* Trains over values from their start to their end, whichever way it came. */
static enum status run(struct job *job, const struct parameters *parameters, struct network *network, float *values,
		       struct error *error)
{
	struct training *t = &job->training;
	struct trainer *trainer = NULL;
	char fingerprint[FINGERPRINT_MAX];
	write_fingerprint(job, fingerprint);
	enum status status = pretrainer_new(network, &t->shape, &job->train_data, &job->valid_data, &job->options,
					    t->options.threads, &job->lesson, error);
	if (status == STATUS_OK)
		status =
		    trainer_new_lesson(network, parameters, values, &job->lesson, fingerprint, &t->options, &trainer, error);
	if (status == STATUS_OK && t->resume)
		status = trainer_resume(trainer, error);
	if (status == STATUS_OK) {
		fprintf(stderr, "%zu parameters, %s, %d threads, %s masking\n", parameters->elements,
			t->options.network.precision == PRECISION_BF16 && product_has_bf16() ? "bf16 products"
											     : matrix_backend(),
			t->options.threads, masking_name[job->options.masking]);
		status = trainer_run(trainer, report, training_should_stop, job, error);
		if (status == STATUS_OK || status == STATUS_INTERRUPTED) {
			enum status written = write_weights(job, parameters, values, status == STATUS_OK ? error : NULL);
			if (status == STATUS_OK)
				status = written;
		}
	}
	trainer_free(trainer);
	return status;
}

static enum status train(struct job *job, struct error *error)
{
	const struct training *t = &job->training;
	struct parameters *parameters = NULL;
	struct network *network = NULL;
	float *values = NULL;
	enum status status = parameters_new(&t->shape, &parameters, error);
	if (status == STATUS_OK && !(values = malloc(parameters->elements * sizeof *values)))
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for %zu parameters", parameters->elements);
	if (status == STATUS_OK)
		parameters_initialise(parameters, &t->shape, t->options.sampler.seed, values);
	if (status == STATUS_OK && t->init)
		status = training_start(t, parameters, values, error);
	if (status == STATUS_OK)
		status = network_new(&t->shape, parameters, values, &t->options.network, &network, error);
	if (status == STATUS_OK)
		status = run(job, parameters, network, values, error);
	network_free(network);
	parameters_free(parameters);
	free(values);
	return status;
}

int tool_pretrain(int argc, char **argv)
{
	struct error error = {0};
	struct job *job = calloc(1, sizeof *job);
	if (!job)
		return tool_fail(TOOL, &(struct error){.status = STATUS_NO_MEMORY, .text = "no memory"});
	training_defaults(&job->training, TOOL);
	job->training.shape.pretraining = true;
	job->training.options.sampler.hidden = 0.25f;
	job->freeze_epochs = FREEZE_EPOCHS;
	job->options = (struct pretrainer_options){.masking = MASKING_ADVERSARIAL, .masker_weight = 1};
	int status = parse_arguments(job, argc, argv);
	if (status < 0) {
		training_catch_signals();
		matrix_use_threads(1);
		enum status result = training_open_log(&job->training, &job->log, &error);
		if (result == STATUS_OK)
			result = read_data(job, &error);
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
