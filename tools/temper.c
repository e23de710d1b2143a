/* midibert temper: makes the confidences of a weights file honest, its numbers untouched: temperatures, and what is
 * familiar to each head. Main thread; the work is train/calibrate.c's and train/familiarity.c's. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"
#include "tools/training.h"

#include "model/matrix.h"
#include "train/calibrate.h"
#include "train/familiarity.h"
#include "train/texture_fit.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFESTS_MAX 32
#define UNKNOWN_BELOW 0.5f

static const char *const name = "temper";

/* Manifests of one part, and which heads of the model each is for. */
struct part {
	const char *path[MANIFESTS_MAX], *heads[MANIFESTS_MAX];
	bool head[HEADS_MAX][MANIFESTS_MAX];
	int count;
	struct dataset data;
};

struct job {
	const char *model, *out, *backend;
	double coverage;
	struct part train, valid;
};

static void print_help(void)
{
	printf(
	    "usage: midibert temper --model FILE --out FILE [--manifest HEAD,...=TRAIN.tsv...] \\\n"
	    "                       --valid HEAD,...=VALID.tsv...\n\n"
	    "Makes the confidences of a weights file mean what they say, and lets it say unknown: a temperature a head,\n"
	    "fitted on its validation parts, and for every head that sees velocities what playing is familiar to it, "
	    "learnt\n"
	    "from its training parts. From these, too, every head for pieces (style, emotion, your own) learns to judge by\n"
	    "the texture of the playing beside the network, which is written as it was.\n\n"
	    "  --model FILE                 the weights\n"
	    "  --out FILE                   where to write them; may be the same file\n"
	    "  --manifest HEAD,...=FILE.tsv what these heads were trained on; may be given again. Without: as it was\n"
	    "  --valid HEAD,...=FILE.tsv    what they were not trained on; may be given again\n"
	    "  --coverage X                 share of the validation part that stays familiar, and of odd input that does "
	    "not (0.96)\n"
	    "  --help                       this text\n");
}

static int add_manifest(struct part *part, char *text)
{
	char *equals = strchr(text, '=');
	if (!equals)
		return tool_usage(name, "%s: which heads? HEAD,...=FILE.tsv", text);
	if (part->count == MANIFESTS_MAX)
		return tool_usage(name, "more than %d manifests", MANIFESTS_MAX);
	*equals = '\0';
	part->heads[part->count] = text;
	part->path[part->count++] = equals + 1;
	return TOOL_DONE;
}

static enum status bind_heads(struct part *part, const struct model_shape *shape, struct error *error)
{
	for (int i = 0; i < part->count; i++) {
		char list[512], *rest = list;
		if (snprintf(list, sizeof list, "%s", part->heads[i]) >= (int)sizeof list)
			return status_fail(error, STATUS_USAGE, "%.100s: list of heads too long", part->heads[i]);
		for (char *head; (head = strtok_r(rest, ",", &rest));) {
			int index = shape_find_head(shape, head);
			if (index < 0)
				return status_fail(error, STATUS_USAGE, "%.100s: the weights have no head %.40s",
						   part->path[i], head);
			part->head[index][i] = true;
		}
	}
	return dataset_read(part->path, (size_t)part->count, &part->data, error);
}

static bool is_taught(const struct part *part, int head)
{
	for (int i = 0; i < part->count; i++)
		if (part->head[head][i])
			return true;
	return false;
}

/* A network that can be written again: numbers in the file's own precision. */
struct rewrite {
	struct model_shape shape;
	struct parameters *parameters;
	float *values;
	enum tensor_type type;
	char *recipe, *licence;
};

static void rewrite_free(struct rewrite *rewrite)
{
	parameters_free(rewrite->parameters);
	free(rewrite->values);
	free(rewrite->recipe);
	free(rewrite->licence);
}

/* Takes the tensors of the file by name: those of a Gaussian that is new are not there yet. */
static enum status rewrite_take(struct rewrite *rewrite, const char *path, struct error *error)
{
	struct safetensors *file;
	enum status status = safetensors_open(path, &file, error);
	if (status != STATUS_OK)
		return status;
	const char *recipe = safetensors_metadata(file, "recipe"), *licence = safetensors_metadata(file, "licence");
	rewrite->recipe = strdup(recipe ? recipe : "not stated");
	rewrite->licence = strdup(licence ? licence : "not stated");
	rewrite->values = NULL;
	status = parameters_new(&rewrite->shape, &rewrite->parameters, error);
	if (status == STATUS_OK)
		rewrite->values = calloc(rewrite->parameters->elements, sizeof *rewrite->values);
	if (status == STATUS_OK && (!rewrite->values || !rewrite->recipe || !rewrite->licence))
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory to write it again", path);
	rewrite->type = safetensors_info(file, 0)->type == TENSOR_BF16 ? TENSOR_BF16 : TENSOR_F32;
	for (size_t i = 0; status == STATUS_OK && i < rewrite->parameters->count; i++) {
		const struct parameter *entry = &rewrite->parameters->table[i];
		int64_t index = safetensors_find(file, entry->name);
		if (index >= 0 && safetensors_info(file, (size_t)index)->elements == entry->elements)
			safetensors_get(file, (size_t)index, rewrite->values + entry->offset);
	}
	safetensors_close(file);
	return status;
}

static enum status rewrite_write(const struct rewrite *rewrite, const char *path, struct error *error)
{
	struct safetensors_text texts[] = {{"recipe", rewrite->recipe}, {"licence", rewrite->licence}};
	return parameters_write(rewrite->parameters, &rewrite->shape, rewrite->values, path, rewrite->type, texts, 2, error);
}

static enum status learn_familiar(struct job *job, const struct model *model, struct rewrite *rewrite, struct error *error)
{
	for (int h = 0; h < rewrite->shape.heads; h++) {
		const struct head_offsets *offsets = &rewrite->parameters->head[h];
		if (!shape_knows_familiar(&rewrite->shape.head[h]) || !is_taught(&job->train, h))
			continue;
		enum status status =
		    familiarity_fit(model, h, &job->train.data, job->train.head[h], rewrite->values + offsets->familiar_mean,
				    rewrite->values + offsets->familiar_whiten, error);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static enum status learn_texture(struct job *job, const struct model *model, struct rewrite *rewrite, struct error *error)
{
	for (int h = 0; h < rewrite->shape.heads; h++) {
		struct head_spec *spec = &rewrite->shape.head[h];
		const struct head_offsets *offsets = &rewrite->parameters->head[h];
		struct texture_part train = {&job->train.data, job->train.head[h]},
				    valid = {&job->valid.data, job->valid.head[h]};
		struct texture_found found;
		if (!shape_reads_texture(spec) || !is_taught(&job->train, h) || !is_taught(&job->valid, h))
			continue;
		const struct texture_layer layer = {
		    rewrite->values + offsets->texture_mean, rewrite->values + offsets->texture_deviation,
		    rewrite->values + offsets->texture.weight, rewrite->values + offsets->texture.bias};
		enum status status = texture_fit(model, h, &train, &valid, job->coverage, &layer, &found, error);
		if (status != STATUS_OK)
			return status;
		spec->temperature = (float)found.temperature;
		spec->strange_texture = found.strange;
		fprintf(stderr,
			"%s: texture of %zu passages, decay %g, share %.2f: cross-entropy %.3f (network alone %.3f, texture "
			"alone %.3f); strange above %.3f\n",
			spec->name, found.passages, found.decay, found.share, found.both, found.network, found.texture,
			(double)found.strange);
	}
	return STATUS_OK;
}

/* By the file as it was written: rounded numbers are what will be heard. */
static enum status fit_confidences(struct job *job, const struct model *model, struct rewrite *rewrite, struct error *error)
{
	enum status status = STATUS_OK;
	for (int h = 0; h < rewrite->shape.heads && status == STATUS_OK; h++) {
		struct head_spec *spec = &rewrite->shape.head[h];
		if (!is_taught(&job->valid, h))
			continue;
		status = calibrate_head(model, h, &job->valid.data, job->valid.head[h], &spec->temperature, error);
		if (spec->setting == SETTING_PLAYED)
			spec->unknown_below = UNKNOWN_BELOW;
		if (status == STATUS_OK && shape_knows_familiar(spec))
			status = familiarity_thresholds(model, h, &job->valid.data, job->valid.head[h], job->coverage,
							spec->unfamiliar, error);
		fprintf(stderr, "%s: temperature %.3f", spec->name, (double)spec->temperature);
		if (shape_knows_familiar(spec))
			fprintf(stderr, ", unfamiliar above %.3f, %.3f, %.3f", (double)spec->unfamiliar[0],
				(double)spec->unfamiliar[1], (double)spec->unfamiliar[2]);
		fputc('\n', stderr);
	}
	return status;
}

/* Of whole pieces, with the temperatures of passages as they are now. */
static enum status fit_pieces(struct job *job, const struct model *model, struct rewrite *rewrite, struct error *error)
{
	enum status status = STATUS_OK;
	for (int h = 0; h < rewrite->shape.heads && status == STATUS_OK; h++) {
		struct head_spec *spec = &rewrite->shape.head[h];
		if (spec->level != HEAD_SEQUENCE || !is_taught(&job->valid, h))
			continue;
		status = calibrate_pieces(model, h, &job->valid.data, job->valid.head[h], &spec->piece_temperature, error);
		fprintf(stderr, "%s: temperature of pieces %.3f\n", spec->name, (double)spec->piece_temperature);
	}
	return status;
}

static enum status load(const char *path, const char *backend, struct model **model, struct error *error)
{
	enum status status = model_load(path, model, error);
	return status == STATUS_OK ? model_use_backend(*model, backend, error) : status;
}

static enum status calibrate(struct job *job, struct error *error)
{
	struct rewrite rewrite = {0};
	struct model *model = NULL;
	enum status status = load(job->model, job->backend, &model, error);
	if (status == STATUS_OK)
		status = bind_heads(&job->train, model_shape(model), error);
	if (status == STATUS_OK)
		status = bind_heads(&job->valid, model_shape(model), error);
	if (status == STATUS_OK) {
		rewrite.shape = *model_shape(model);
		for (int h = 0; h < rewrite.shape.heads; h++) {
			struct head_spec *spec = &rewrite.shape.head[h];
			bool knows =
			    spec->setting == SETTING_PLAYED && is_taught(&job->train, h) && is_taught(&job->valid, h);
			for (int i = 0; i < FAMILIAR_THRESHOLDS && knows; i++)
				spec->unfamiliar[i] = 1;
			if (knows && spec->level == HEAD_SEQUENCE)
				spec->strange_texture = 1;
		}
		status = rewrite_take(&rewrite, job->model, error);
	}
	if (status == STATUS_OK)
		status = learn_familiar(job, model, &rewrite, error);
	if (status == STATUS_OK)
		status = learn_texture(job, model, &rewrite, error);
	if (status == STATUS_OK)
		status = rewrite_write(&rewrite, job->out, error);
	model_free(model);
	model = NULL;
	if (status == STATUS_OK)
		status = load(job->out, job->backend, &model, error);
	if (status == STATUS_OK)
		status = fit_confidences(job, model, &rewrite, error);
	if (status == STATUS_OK)
		status = rewrite_write(&rewrite, job->out, error);
	model_free(model);
	model = NULL;
	if (status == STATUS_OK)
		status = load(job->out, job->backend, &model, error);
	if (status == STATUS_OK)
		status = fit_pieces(job, model, &rewrite, error);
	if (status == STATUS_OK)
		status = rewrite_write(&rewrite, job->out, error);
	model_free(model);
	rewrite_free(&rewrite);
	return status;
}

static const struct option options[] = {{"model", required_argument, NULL, 'w'},
					{"out", required_argument, NULL, 'o'},
					{"manifest", required_argument, NULL, 'm'},
					{"valid", required_argument, NULL, 'v'},
					{"coverage", required_argument, NULL, 'c'},
					{"help", no_argument, NULL, 'h'},
					{0}};

/* -1: help was asked for. */
static int read_options(int argc, char **argv, struct job *job)
{
	int option, status = TOOL_DONE;
	opterr = 0;
	while (status == TOOL_DONE && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'w': job->model = optarg; break;
		case 'o': job->out = optarg; break;
		case 'm': status = add_manifest(&job->train, optarg); break;
		case 'v': status = add_manifest(&job->valid, optarg); break;
		case 'c':
			if (!training_number(optarg, 0.5, 1, &job->coverage))
				return tool_usage(name, "--coverage %s: a number from 0.5 to 1", optarg);
			break;
		case 'h': return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	if (status != TOOL_DONE)
		return status;
	if (optind < argc)
		return tool_usage(name, "%s: not an option; manifests go with --manifest", argv[optind]);
	if (!job->model || !job->out || !job->valid.count)
		return tool_usage(name, "--model, --out and --valid are needed");
	return TOOL_DONE;
}

int tool_temper(int argc, char **argv)
{
	struct error error = {0};
	struct job *job = calloc(1, sizeof *job);
	if (!job)
		return tool_fail(name, &(struct error){.status = STATUS_NO_MEMORY, .text = "no memory"});
	job->coverage = 0.96;
	job->backend = "auto";
	int status = read_options(argc, argv, job);
	if (status < 0) {
		print_help();
		status = tool_finish(name, TOOL_DONE);
	} else if (status == TOOL_DONE) {
		matrix_use_threads(1);
		status = calibrate(job, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
	}
	dataset_free(&job->train.data);
	dataset_free(&job->valid.data);
	free(job);
	return status;
}
