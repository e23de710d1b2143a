/* What the network computes, written down for a program that computes it again (tests/parity/). Main thread; fp32 unless
 * `train` is told otherwise, no dropout. Sequences are text, as many as wanted one after the other: T, lines of predictors
 * (0 but in a causal sequence of two rows a note), a loss weight a head, a class a head (-1: not asked, or a note head),
 * then T lines of eight ids, the last row that this one sees, a label a head (-1: not asked, or a sequence head), then the
 * predictors. parity_dump states WEIGHTS SEQUENCES OUT      hidden states and logits, "INDEX.network.hidden" and
 * "INDEX.network.HEAD", by the training network; where each row sees all that the look-ahead allows, also by the daemon's
 * encoder, "INDEX.encoder.hidden" and so on parity_dump gradients WEIGHTS SEQUENCES OUT gradient of the weighted sum of all
 * losses; a line of losses a head parity_dump sample WEIGHTS MANIFEST           the sequences that `train` draws, four a
 * step parity_dump train WEIGHTS MANIFEST OUT        trains; a line a step of losses a head and the gradient's norm */
#include "model/encoder.h"
#include "model/matrix.h"
#include "model/predictors.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 200
#define BATCH 4
#define ROWS 48
#define LENGTH_MAX 4096
#define TENSORS_MAX 256

struct net {
	struct model_shape shape;
	struct parameters *parameters;
	float *values;
};

struct question {
	struct sequence sequence; /* points into the arrays below */
	struct token *tokens;
	int *limit;
	int8_t *label; /* [heads][T] */
	float *predictors;
};

struct output {
	struct safetensors_tensor tensor[TENSORS_MAX];
	size_t count;
};

static _Noreturn void die(const char *text)
{
	fprintf(stderr, "parity_dump: %s\n", text);
	exit(1);
}

static void demand(enum status status, const struct error *error)
{
	if (status != STATUS_OK)
		die(error->text);
}

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (!memory)
		die("no memory");
	return memory;
}

static void net_read(struct net *net, const char *path)
{
	struct error error;
	struct safetensors *file;
	demand(safetensors_open(path, &file, &error), &error);
	demand(shape_read(file, path, &net->shape, &error), &error);
	demand(parameters_new(&net->shape, &net->parameters, &error), &error);
	net->values = room(net->parameters->elements, sizeof(float));
	demand(parameters_read(net->parameters, file, path, net->values, &error), &error);
	safetensors_close(file);
}

static void net_free(struct net *net)
{
	parameters_free(net->parameters);
	free(net->values);
}

static int integer(FILE *file, int low, int high)
{
	int value;
	if (fscanf(file, "%d", &value) != 1 || value < low || value > high)
		die("sequences: a number is missing or out of range");
	return value;
}

/* False: there is no other. */
static bool question_read(struct question *question, FILE *file, const struct model_shape *shape)
{
	struct sequence *sequence = &question->sequence;
	int T, more, got = fscanf(file, "%d", &T);
	if (got == EOF)
		return false;
	if (got != 1 || T < 1 || T > LENGTH_MAX || fscanf(file, "%d", &more) != 1 || (more && 2 * more != T))
		die("sequences: a length is out of range");
	memset(sequence, 0, sizeof *sequence);
	question->tokens = room((size_t)T, sizeof *question->tokens);
	question->limit = room((size_t)T, sizeof *question->limit);
	question->label = room((size_t)(T * HEADS_MAX), 1);
	for (int h = 0; h < shape->heads; h++)
		if (fscanf(file, "%f", &sequence->weight[h]) != 1)
			die("sequences: a weight is missing");
	for (int h = 0; h < shape->heads; h++) {
		sequence->sequence_label[h] = integer(file, LABEL_NONE, shape->head[h].classes - 1);
		sequence->note_label[h] = shape->head[h].level == HEAD_NOTE ? question->label + h * T : NULL;
	}
	for (int t = 0; t < T; t++) {
		for (int i = 0; i < ATTRIBUTES; i++)
			question->tokens[t].id[i] = (uint16_t)integer(file, 0, token_vocabulary[i] - 1);
		question->limit[t] = integer(file, t, T - 1);
		for (int h = 0; h < shape->heads; h++)
			question->label[h * T + t] = (int8_t)integer(file, LABEL_NONE, shape->head[h].classes - 1);
	}
	question->predictors = more ? room((size_t)(more * CAUSAL_PREDICTORS), sizeof(float)) : NULL;
	for (int i = 0; i < more * CAUSAL_PREDICTORS; i++)
		if (fscanf(file, "%f", &question->predictors[i]) != 1)
			die("sequences: a predictor is missing");
	sequence->predictors = question->predictors;
	sequence->length = T;
	sequence->tokens = question->tokens;
	sequence->limit = question->limit;
	return true;
}

static void question_free(struct question *question)
{
	free(question->tokens);
	free(question->limit);
	free(question->label);
	free(question->predictors);
}

static void question_print(const struct sequence *sequence, const struct model_shape *shape)
{
	int notes = sequence_notes(sequence), more = sequence->predictors ? notes : 0;
	printf("%d %d", sequence->length, more);
	for (int h = 0; h < shape->heads; h++)
		printf(" %.9g", (double)sequence->weight[h]);
	for (int h = 0; h < shape->heads; h++)
		printf(" %d", sequence->sequence_label[h]);
	printf("\n");
	for (int t = 0; t < sequence->length; t++) {
		for (int i = 0; i < ATTRIBUTES; i++)
			printf("%d ", sequence->tokens[t].id[i]);
		printf("%d", sequence->limit[t]);
		for (int h = 0; h < shape->heads; h++)
			printf(" %d", sequence->note_label[h] && t < notes ? sequence->note_label[h][t] : LABEL_NONE);
		printf("\n");
	}
	for (int i = 0; i < more * CAUSAL_PREDICTORS; i++)
		printf("%.9g%c", (double)sequence->predictors[i], (i + 1) % CAUSAL_PREDICTORS ? ' ' : '\n');
}

/* ---- states ---- */

/* Takes data over. */
static void put(struct output *output, int index, const char *who, const char *what, int rows, int columns, float *data)
{
	char name[TENSOR_NAME_MAX];
	snprintf(name, sizeof name, "%d.%s.%s", index, who, what);
	if (output->count == TENSORS_MAX)
		die("too many sequences");
	char *copy = room(1, sizeof name);
	memcpy(copy, name, sizeof name);
	output->tensor[output->count++] =
	    (struct safetensors_tensor){.name = copy, .dimensions = 2, .shape = {rows, columns}, .data = data};
}

/* What note heads read: hidden states, in a causal sequence those of its queries with the predictors beside them. */
static float *head_inputs(const struct sequence *sequence, int d, const float *hidden)
{
	int notes = sequence_notes(sequence), more = sequence->predictors ? CAUSAL_PREDICTORS : 0;
	float *inputs = room((size_t)(notes * (d + more)), sizeof *inputs);
	hidden += (sequence->length - notes) * d;
	for (int i = 0; i < notes; i++) {
		memcpy(inputs + i * (d + more), hidden + i * d, (size_t)d * sizeof *inputs);
		if (more)
			memcpy(inputs + i * (d + more) + d, sequence->predictors + i * more, (size_t)more * sizeof *inputs);
	}
	return inputs;
}

/* Takes hidden[T][d] over; heads that the sequence asks, by the code that the daemon runs. */
static void put_all(struct output *output, int index, const char *who, const struct model *model,
		    const struct sequence *sequence, float *hidden)
{
	const struct model_shape *shape = model_shape(model);
	int T = sequence->length;
	put(output, index, who, "hidden", T, shape->width, hidden);
	for (int h = 0; h < shape->heads; h++) {
		const struct head_spec *head = &shape->head[h];
		if ((head->setting == SETTING_CAUSAL) != (sequence->predictors != NULL))
			continue;
		int rows = head->level == HEAD_NOTE ? sequence_notes(sequence) : 1;
		float *logits = room((size_t)(rows * head->classes), sizeof *logits);
		if (head->level == HEAD_NOTE) {
			float *inputs = head_inputs(sequence, shape->width, hidden);
			model_note_logits(model, h, inputs, rows, logits);
			free(inputs);
		} else {
			float *scratch = room(model_sequence_scratch(model, T), sizeof *scratch);
			model_sequence_logits(model, h, hidden, T, scratch, logits);
			free(scratch);
		}
		put(output, index, who, head->name, rows, head->classes, logits);
	}
}

static bool is_whole(const struct model_shape *shape, const struct sequence *sequence)
{
	int T = sequence->length, n = shape->lookahead == LOOKAHEAD_UNLIMITED ? T : shape->lookahead;
	for (int t = 0; t < T; t++)
		if (sequence->limit[t] != (t + n < T ? t + n : T - 1))
			return false;
	return true;
}

static void encode(struct output *output, int index, const struct model *model, const struct sequence *sequence)
{
	const struct model_shape *shape = model_shape(model);
	int T = sequence->length, window = T < shape->span ? T : shape->span;
	if (shape->lookahead == LOOKAHEAD_UNLIMITED && T > shape->span)
		die("sequences: longer than the span");
	struct encoder *encoder = encoder_new(model, ENCODER_SETTING(SETTING_PLAYED), window, T, 0);
	float *hidden = room((size_t)(T * shape->width), sizeof *hidden);
	if (!encoder)
		die("no memory");
	memcpy(hidden, encoder_hear(encoder, SETTING_PLAYED, 0, T, sequence->tokens),
	       (size_t)(T * shape->width) * sizeof *hidden);
	encoder_free(encoder);
	put_all(output, index, "encoder", model, sequence, hidden);
}

static void states(const char *weights, FILE *file, const char *out)
{
	struct net net;
	struct model *model;
	struct error error;
	struct question question;
	struct output output = {.count = 0};
	net_read(&net, weights);
	demand(model_load(weights, &model, &error), &error);
	for (int index = 0; question_read(&question, file, &net.shape); index++) {
		const struct sequence *sequence = &question.sequence;
		struct network_options options = {.rows = sequence->length, .precision = PRECISION_FP32};
		struct network *network;
		struct score score = {0};
		demand(network_new(&net.shape, net.parameters, net.values, &options, &network, &error), &error);
		struct workspace *workspace = workspace_new(network);
		size_t size = (size_t)(sequence->length * net.shape.width);
		float *hidden = room(size, sizeof *hidden);
		if (!workspace)
			die("no memory");
		network_pass(network, workspace, sequence, NULL, &score);
		memcpy(hidden, workspace_hidden(workspace), size * sizeof *hidden);
		workspace_free(workspace);
		network_free(network);
		put_all(&output, index, "network", model, sequence, hidden);
		if (!sequence->predictors && is_whole(&net.shape, sequence))
			encode(&output, index, model, sequence);
		question_free(&question);
	}
	demand(safetensors_write(out, TENSOR_F32, output.tensor, output.count, NULL, 0, &error), &error);
	for (size_t i = 0; i < output.count; i++) {
		free((char *)output.tensor[i].name);
		free((float *)output.tensor[i].data);
	}
	model_free(model);
	net_free(&net);
}

/* ---- gradients ---- */

static void gradients(const char *weights, FILE *file, const char *out)
{
	struct net net;
	struct network *network;
	struct error error;
	struct question question;
	struct score score = {0};
	struct network_options options = {.rows = 1, .precision = PRECISION_FP32};
	net_read(&net, weights);
	while (question_read(&question, file, &net.shape)) {
		options.rows = question.sequence.length > options.rows ? question.sequence.length : options.rows;
		question_free(&question);
	}
	rewind(file);
	demand(network_new(&net.shape, net.parameters, net.values, &options, &network, &error), &error);
	struct workspace *workspace = workspace_new(network);
	float *gradient = room(network_gradient_size(network), sizeof *gradient);
	if (!workspace)
		die("no memory");
	while (question_read(&question, file, &net.shape)) {
		network_pass(network, workspace, &question.sequence, gradient, &score);
		question_free(&question);
	}
	for (int i = 0; i < ATTRIBUTES; i++)
		network_finish_gradient(network, (enum attribute)i, gradient);
	demand(parameters_write(net.parameters, &net.shape, gradient, out, TENSOR_F32, NULL, 0, &error), &error);
	for (int h = 0; h < net.shape.heads; h++)
		printf("%.9g%c", score.loss[h], h + 1 < net.shape.heads ? ' ' : '\n');
	free(gradient);
	workspace_free(workspace);
	network_free(network);
	net_free(&net);
}

/* ---- training ---- */

struct course {
	struct dataset dataset;
	struct corpus corpus;
	struct trainer_options options;
};

/* Everything that a batch can be is drawn: segments that end, hidden notes, other orders and grids. */
static void course_open(struct course *course, const struct model_shape *shape, const char *manifest)
{
	struct error error;
	*course = (struct course){.corpus = {.path = manifest},
				  .options = {.sampler = {.seed = 5,
							  .rows = ROWS,
							  .batch = BATCH,
							  .mask = 0.1f,
							  .live = 0.5f,
							  .regrid = 0.3f,
							  .disorder = 0.5f,
							  .transpose = 11},
					      .optimiser = {.rate = 1e-4,
							    .warmup = STEPS / 10,
							    .steps = STEPS,
							    .decay = 2,
							    .clip = 8,
							    .beta1 = 0.9,
							    .beta2 = 0.99,
							    .epsilon = 1e-8},
					      .network = {.rows = 2 * ROWS, .precision = PRECISION_FP32},
					      .shards = 2,
					      .threads = 2,
					      .checkpoint_s = 100000,
					      .validate_steps = 1}};
	for (int h = 0; h < shape->heads; h++) {
		course->corpus.head[h] = true;
		course->options.sampler.mix[h] = 1;
		course->options.sampler.weight[h] = h ? 0.5f : 1;
	}
	demand(dataset_read(&manifest, 1, &course->dataset, &error), &error);
	if (course->dataset.skipped)
		die("a file of the manifest was skipped");
}

static void sample(const char *weights, const char *manifest)
{
	struct net net;
	struct course course;
	struct sampler *sampler;
	struct sample drawn;
	struct error error;
	net_read(&net, weights);
	course_open(&course, &net.shape, manifest);
	demand(sampler_new(&net.shape, &course.dataset, &course.corpus, 1, &course.options.sampler, &sampler, &error),
	       &error);
	if (!sample_new(&drawn, ROWS))
		die("no memory");
	for (uint64_t step = 0; step < STEPS; step++) {
		for (int i = 0; i < BATCH; i++) {
			sampler_draw(sampler, step, i, &drawn);
			question_print(&drawn.sequence, &net.shape);
		}
	}
	sample_free(&drawn);
	sampler_free(sampler);
	dataset_free(&course.dataset);
	net_free(&net);
}

/* Every step is followed by a validation of nothing, so each is reported. */
static void report(void *context, const struct trainer_progress *progress)
{
	const struct model_shape *shape = context;
	for (int h = 0; h < shape->heads; h++)
		printf("%.9g ", progress->score.loss[h]);
	printf("%.9g\n", progress->norm);
}

static bool never(void *context)
{
	(void)context;
	return false;
}

static void train(const char *weights, const char *manifest, const char *out, const char *precision, const char *seed)
{
	struct net net;
	struct course course;
	struct trainer *trainer;
	struct dataset nothing = {0};
	struct error error;
	char checkpoint[4096];
	if (snprintf(checkpoint, sizeof checkpoint, "%s.checkpoint", out) >= (int)sizeof checkpoint)
		die("a path is too long");
	net_read(&net, weights);
	course_open(&course, &net.shape, manifest);
	course.options.checkpoint = checkpoint;
	if (strcmp(precision, "bf16") == 0)
		course.options.network.precision = PRECISION_BF16;
	course.options.sampler.seed = strtoull(seed, NULL, 10);
	demand(trainer_new(&net.shape, net.parameters, net.values, &course.dataset, &course.corpus, 1, &nothing, NULL, 0,
			   &course.options, &trainer, &error),
	       &error);
	demand(trainer_run(trainer, report, never, &net.shape, &error), &error);
	demand(parameters_write(net.parameters, &net.shape, net.values, out, TENSOR_F32, NULL, 0, &error), &error);
	trainer_free(trainer);
	dataset_free(&course.dataset);
	net_free(&net);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	bool by_file = strcmp(what, "states") == 0 || strcmp(what, "gradients") == 0;
	FILE *file = by_file && argc == 5 ? fopen(argv[3], "r") : NULL;
	matrix_use_threads(1);
	if (by_file && argc == 5 && !file)
		die("the sequences cannot be opened");
	if (file)
		(strcmp(what, "states") == 0 ? states : gradients)(argv[2], file, argv[4]);
	else if (strcmp(what, "sample") == 0 && argc == 4)
		sample(argv[2], argv[3]);
	else if (strcmp(what, "train") == 0 && (argc == 5 || argc == 7))
		train(argv[2], argv[3], argv[4], argc == 7 ? argv[5] : "fp32", argc == 7 ? argv[6] : "5");
	else
		die("states|gradients WEIGHTS SEQUENCES OUT | sample WEIGHTS MANIFEST | train WEIGHTS MANIFEST OUT "
		    "[fp32|bf16 SEED]");
	if (file)
		fclose(file);
	if (fflush(stdout) != 0 || ferror(stdout))
		die("standard output cannot be written");
	return 0;
}
