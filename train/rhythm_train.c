/* Forward and backward of the beat tracker's network over many sequences, and the loop around it, see rhythm_train.h.
 * Letters: T rows, B batch, I inputs, H units, O outputs; arrays are [T][B][.]. One thread. The forward pass is that of
 * stream/rhythm.c; a test holds the two together and checks the gradient. */
#include "train/rhythm_train.h"

#include "train/product.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(RHYTHM_INPUTS > RHYTHM_OUTPUTS, "the scratch of products is as wide as the widest matrix");

#define PERIOD_SHARE 0.3f /* of its loss in the sum: the phase is what matters */
#define UPDATE_BIAS 1.0f  /* at the start the state changes slowly */
#define WARMUP 50
#define AVERAGE_STEPS 300.0 /* about so many of the last steps are averaged in what is handed out */

struct sequence {
	struct rhythm_lesson lesson;
	size_t at;
};

struct rhythm_trainer {
	int units, batch, rows;
	struct parameter table[RHYTHM_TENSORS];
	size_t elements;
	float *values;	 /* borrowed */
	float *gradient; /* [elements] */
	struct product_weight input, recurrent, output;
	struct product_scratch scratch;
	float *x, *from_input, *from_state, *reset, *update, *new; /* [T][B][I], [T][B][3 H] twice, [T][B][H] thrice */
	float *state;						   /* [T + 1][B][H] */
	float *dropped, *keep;					   /* [T][B][H]: states as the output sees them; factors */
	float *logits;						   /* [T][B][O]; then their gradient */
	float *d_state, *d_input, *d_recurrent;			   /* [T][B][H], [T][B][3 H] twice */
	float *carry;						   /* [B][H] */
	struct sequence *sequences;				   /* [B] */
	double loss[3];
	uint64_t counted[2]; /* onsets with a phase; beats */
};

static const float *tensor(const struct rhythm_trainer *trainer, enum rhythm_tensor which)
{
	return trainer->values + trainer->table[which].offset;
}

static float *slope(struct rhythm_trainer *trainer, enum rhythm_tensor which)
{
	return trainer->gradient + trainer->table[which].offset;
}

/* ---- memory ---- */

static void free_trainer(struct rhythm_trainer *trainer)
{
	float **arrays[] = {&trainer->gradient, &trainer->x,	       &trainer->from_input, &trainer->from_state,
			    &trainer->reset,	&trainer->update,      &trainer->new,	     &trainer->state,
			    &trainer->dropped,	&trainer->keep,	       &trainer->logits,     &trainer->d_state,
			    &trainer->d_input,	&trainer->d_recurrent, &trainer->carry};

	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
		free(*arrays[i]);
	for (int i = 0; trainer->sequences && i < trainer->batch; i++)
		rhythm_lesson_free(&trainer->sequences[i].lesson);
	free(trainer->sequences);
	product_weight_free(&trainer->input);
	product_weight_free(&trainer->recurrent);
	product_weight_free(&trainer->output);
	product_scratch_free(&trainer->scratch);
}

static enum status new_trainer(int units, int batch, int rows, enum precision precision, float *values,
			       struct rhythm_trainer *trainer, struct error *error)
{
	*trainer = (struct rhythm_trainer){.units = units, .batch = batch, .rows = rows, .values = values};
	if (units < 1 || units > RHYTHM_UNITS_MAX || batch < 1 || rows < 1)
		return status_fail(error, STATUS_USAGE, "%d units, %d sequences, %d rows: give 1 to %d units and at least 1",
				   units, batch, rows, RHYTHM_UNITS_MAX);
	trainer->elements = rhythm_layout(units, trainer->table);
	size_t n = (size_t)batch * (size_t)rows, h = (size_t)units;
	struct {
		float **array;
		size_t floats;
	} wanted[] = {{&trainer->gradient, trainer->elements},
		      {&trainer->x, n * RHYTHM_INPUTS},
		      {&trainer->from_input, n * 3 * h},
		      {&trainer->from_state, n * 3 * h},
		      {&trainer->reset, n * h},
		      {&trainer->update, n * h},
		      {&trainer->new, n *h},
		      {&trainer->state, (n + (size_t)batch) * h},
		      {&trainer->dropped, n * h},
		      {&trainer->keep, n * h},
		      {&trainer->logits, n * RHYTHM_OUTPUTS},
		      {&trainer->d_state, n * h},
		      {&trainer->d_input, n * 3 * h},
		      {&trainer->d_recurrent, n * 3 * h},
		      {&trainer->carry, (size_t)batch * h}};
	bool good = true;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		*wanted[i].array = calloc(wanted[i].floats, sizeof(float));
		good = good && *wanted[i].array;
	}
	trainer->sequences = calloc((size_t)batch, sizeof *trainer->sequences);
	int widest = 3 * units > RHYTHM_INPUTS ? 3 * units : RHYTHM_INPUTS;
	good = good && trainer->sequences &&
	       product_weight_new(&trainer->input, precision, 3 * units, RHYTHM_INPUTS, tensor(trainer, RHYTHM_INPUT)) &&
	       product_weight_new(&trainer->recurrent, precision, 3 * units, units, tensor(trainer, RHYTHM_RECURRENT)) &&
	       product_weight_new(&trainer->output, precision, RHYTHM_OUTPUTS, units, tensor(trainer, RHYTHM_OUTPUT)) &&
	       product_scratch_new(&trainer->scratch, (int)n, widest);
	if (good)
		return STATUS_OK;
	free_trainer(trainer);
	return status_fail(error, STATUS_NO_MEMORY, "no memory for %d sequences of %d onsets", batch, rows);
}

static void initialise(struct rhythm_trainer *trainer, uint64_t seed)
{
	struct random random = {.key = random_hash(seed, 1), .index = 0};

	memset(trainer->values, 0, trainer->elements * sizeof *trainer->values);
	for (int i = 0; i < RHYTHM_TENSORS; i++) {
		const struct parameter *p = &trainer->table[i];
		double bound = p->dimensions == 2 ? 1 / sqrt((double)p->shape[1]) : 0;

		for (size_t k = 0; k < p->elements; k++)
			trainer->values[p->offset + k] = (float)((2 * random_uniform(&random) - 1) * bound);
	}
	for (int i = 0; i < trainer->units; i++)
		trainer->values[trainer->table[RHYTHM_INPUT_BIAS].offset + (size_t)(trainer->units + i)] = UPDATE_BIAS;
}

/* ---- forward ---- */

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

static void forward_row(struct rhythm_trainer *trainer, int row)
{
	int batch = trainer->batch, units = trainer->units;
	size_t at = (size_t)row * (size_t)batch * (size_t)units;
	const float *before = trainer->state + at;
	float *after = trainer->state + at + batch * units;
	const float *bias = tensor(trainer, RHYTHM_INPUT_BIAS), *own_bias = tensor(trainer, RHYTHM_RECURRENT_BIAS);

	product_forward(&trainer->recurrent, &trainer->scratch, batch, before, trainer->from_state + 3 * at);
	for (int b = 0; b < batch; b++) {
		const float *in = trainer->from_input + 3 * at + b * 3 * units;
		const float *own = trainer->from_state + 3 * at + b * 3 * units;

		for (int j = 0; j < units; j++) {
			size_t i = at + (size_t)(b * units + j);
			float reset = sigmoid(in[j] + own[j] + bias[j]);
			float update = sigmoid(in[units + j] + own[units + j] + bias[units + j]);
			float new =
			    tanhf(in[2 * units + j] + bias[2 * units + j] + reset * (own[2 * units + j] + own_bias[j]));

			trainer->reset[i] = reset;
			trainer->update[i] = update;
			trainer->new[i] = new;
			after[b * units + j] = (1 - update) * new + update *before[b * units + j];
		}
	}
}

static void forward(struct rhythm_trainer *trainer, double dropout, struct random *random)
{
	int n = trainer->batch * trainer->rows;
	size_t states = (size_t)n * (size_t)trainer->units;
	const float *states_after = trainer->state + trainer->batch * trainer->units;
	const float *bias = tensor(trainer, RHYTHM_OUTPUT_BIAS);

	product_forward(&trainer->input, &trainer->scratch, n, trainer->x, trainer->from_input);
	for (int row = 0; row < trainer->rows; row++)
		forward_row(trainer, row);
	for (size_t i = 0; i < states; i++) {
		trainer->keep[i] = 1;
		if (random)
			trainer->keep[i] = random_uniform(random) < dropout ? 0 : (float)(1 / (1 - dropout));
		trainer->dropped[i] = states_after[i] * trainer->keep[i];
	}
	product_forward(&trainer->output, &trainer->scratch, n, trainer->dropped, trainer->logits);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < RHYTHM_OUTPUTS; k++)
			trainer->logits[i * RHYTHM_OUTPUTS + k] += bias[k];
}

/* ---- loss ---- */

static double soften(float *logits, int count)
{
	float most = logits[0], sum = 0;

	for (int i = 1; i < count; i++)
		most = logits[i] > most ? logits[i] : most;
	for (int i = 0; i < count; i++)
		sum += logits[i] = expf(logits[i] - most);
	for (int i = 0; i < count; i++)
		logits[i] /= sum;
	return sum;
}

static double cost(float probability)
{
	return -log((double)probability + 1e-9);
}

/* Turns the logits of one onset into the gradient of its loss, times share; returns the loss. */
static double lose(struct rhythm_trainer *trainer, const struct rhythm_truth *truth, float share, float *logits)
{
	float *downbeat = logits + RHYTHM_PHASES, *period = downbeat + 1;
	float place = truth->phase * RHYTHM_PHASES;
	float part = place - floorf(place);
	int lower = ((int)floorf(place) + RHYTHM_PHASES) % RHYTHM_PHASES, upper = (lower + 1) % RHYTHM_PHASES;
	double loss, losses[3] = {0};

	soften(logits, RHYTHM_PHASES);
	soften(period, RHYTHM_PERIODS);
	*downbeat = sigmoid(*downbeat);
	losses[0] = (1 - (double)part) * cost(logits[lower]) + (double)part * cost(logits[upper]);
	losses[1] = cost(period[truth->period]);
	loss = losses[0] + (double)PERIOD_SHARE * losses[1];
	logits[lower] -= 1 - part;
	logits[upper] -= part;
	period[truth->period] -= 1;
	for (int i = 0; i < RHYTHM_PHASES; i++)
		logits[i] *= share;
	for (int i = 0; i < RHYTHM_PERIODS; i++)
		period[i] *= PERIOD_SHARE * share;
	if (truth->kind == TRUTH_BETWEEN) {
		*downbeat = 0;
	} else {
		bool is_downbeat = truth->kind == TRUTH_DOWNBEAT;

		losses[2] = cost(is_downbeat ? *downbeat : 1 - *downbeat);
		*downbeat = (*downbeat - (float)is_downbeat) * share;
		trainer->counted[1]++;
	}
	trainer->counted[0]++;
	for (int i = 0; i < 3; i++)
		trainer->loss[i] += losses[i];
	return loss + losses[2];
}

static const struct rhythm_truth *truth_of(const struct rhythm_trainer *trainer, int row, int b)
{
	const struct sequence *sequence = &trainer->sequences[b];
	size_t at = sequence->at + (size_t)row;

	if (at >= sequence->lesson.count || sequence->lesson.truth[at].kind == TRUTH_UNKNOWN)
		return NULL;
	return &sequence->lesson.truth[at];
}

static double lose_all(struct rhythm_trainer *trainer)
{
	size_t known = 0;
	double loss = 0;

	for (int row = 0; row < trainer->rows; row++)
		for (int b = 0; b < trainer->batch; b++)
			known += truth_of(trainer, row, b) != NULL;
	float share = known > 0 ? 1 / (float)known : 0;
	for (int row = 0; row < trainer->rows; row++) {
		for (int b = 0; b < trainer->batch; b++) {
			const struct rhythm_truth *truth = truth_of(trainer, row, b);
			float *logits = trainer->logits + (size_t)(row * trainer->batch + b) * RHYTHM_OUTPUTS;

			if (truth)
				loss += lose(trainer, truth, share, logits) * (double)share;
			else
				memset(logits, 0, RHYTHM_OUTPUTS * sizeof *logits);
		}
	}
	return loss;
}

/* ---- backward ---- */

static void backward_row(struct rhythm_trainer *trainer, int row)
{
	int batch = trainer->batch, units = trainer->units;
	size_t at = (size_t)row * (size_t)batch * (size_t)units;
	const float *own_bias = tensor(trainer, RHYTHM_RECURRENT_BIAS);
	float *d_own_bias = slope(trainer, RHYTHM_RECURRENT_BIAS);

	for (int b = 0; b < batch; b++) {
		float *d_in = trainer->d_input + 3 * at + b * 3 * units,
		      *d_own = trainer->d_recurrent + 3 * at + b * 3 * units;
		const float *own = trainer->from_state + 3 * at + b * 3 * units;

		for (int j = 0; j < units; j++) {
			size_t i = at + (size_t)(b * units + j);
			float *carry = &trainer->carry[b * units + j];
			float d = trainer->d_state[i] + *carry;
			float reset = trainer->reset[i], update = trainer->update[i], new = trainer->new[i];
			float d_new = d * (1 - update) * (1 - new *new);
			float d_update = d * (trainer->state[i] - new) * update * (1 - update);
			float d_reset = d_new * (own[2 * units + j] + own_bias[j]) * reset * (1 - reset);

			d_in[j] = d_own[j] = d_reset;
			d_in[units + j] = d_own[units + j] = d_update;
			d_in[2 * units + j] = d_new;
			d_own[2 * units + j] = d_new * reset;
			d_own_bias[j] += d_new * reset;
			*carry = d * update;
		}
	}
	product_input_gradient(&trainer->recurrent, &trainer->scratch, batch, trainer->d_recurrent + 3 * at, true,
			       trainer->carry);
}

static void add_columns(const float *rows, int count, int width, float *sum)
{
	for (int i = 0; i < count; i++)
		for (int k = 0; k < width; k++)
			sum[k] += rows[i * width + k];
}

static void backward(struct rhythm_trainer *trainer)
{
	int n = trainer->batch * trainer->rows, units = trainer->units;

	memset(trainer->gradient, 0, trainer->elements * sizeof *trainer->gradient);
	memset(trainer->carry, 0, (size_t)(trainer->batch * units) * sizeof *trainer->carry);
	product_weight_gradient(&trainer->output, &trainer->scratch, n, trainer->logits, trainer->dropped,
				slope(trainer, RHYTHM_OUTPUT));
	add_columns(trainer->logits, n, RHYTHM_OUTPUTS, slope(trainer, RHYTHM_OUTPUT_BIAS));
	product_input_gradient(&trainer->output, &trainer->scratch, n, trainer->logits, false, trainer->d_state);
	for (int i = 0; i < n * units; i++)
		trainer->d_state[i] *= trainer->keep[i];
	for (int row = trainer->rows - 1; row >= 0; row--)
		backward_row(trainer, row);
	product_weight_gradient(&trainer->input, &trainer->scratch, n, trainer->d_input, trainer->x,
				slope(trainer, RHYTHM_INPUT));
	product_weight_gradient(&trainer->recurrent, &trainer->scratch, n, trainer->d_recurrent, trainer->state,
				slope(trainer, RHYTHM_RECURRENT));
	add_columns(trainer->d_input, n, 3 * units, slope(trainer, RHYTHM_INPUT_BIAS));
}

static void pack(struct rhythm_trainer *trainer)
{
	product_weight_pack(&trainer->input);
	product_weight_pack(&trainer->recurrent);
	product_weight_pack(&trainer->output);
}

/* The next rows of every sequence. */
static void gather(struct rhythm_trainer *trainer)
{
	memset(trainer->x, 0, (size_t)(trainer->batch * trainer->rows) * RHYTHM_INPUTS * sizeof *trainer->x);
	for (int b = 0; b < trainer->batch; b++) {
		const struct sequence *sequence = &trainer->sequences[b];

		for (int row = 0; row < trainer->rows && sequence->at + (size_t)row < sequence->lesson.count; row++)
			memcpy(trainer->x + (size_t)(row * trainer->batch + b) * RHYTHM_INPUTS,
			       sequence->lesson.input[sequence->at + (size_t)row], sizeof sequence->lesson.input[0]);
	}
}

/* ---- the loop ---- */

struct order { /* of pieces: another permutation each round */
	size_t *index, count, next;
	uint64_t round, drawn, seed;
	struct rhythm_rubato rubato;
};

static void shuffle(struct order *order)
{
	struct random random = {.key = random_hash(order->seed, 100 + order->round++), .index = 0};

	for (size_t i = order->count - 1; i > 0; i--) {
		size_t k = (size_t)random_integer(&random, 0, (int64_t)i), swap = order->index[i];

		order->index[i] = order->index[k];
		order->index[k] = swap;
	}
	order->next = 0;
}

/* Ended sequences begin another piece. At the start they begin anywhere, so that their ends are spread. */
static bool renew(struct rhythm_trainer *trainer, const struct rhythm_piece *pieces, struct order *order, bool first)
{
	for (int b = 0; b < trainer->batch; b++) {
		struct sequence *sequence = &trainer->sequences[b];

		if (sequence->at < sequence->lesson.count)
			continue;
		if (order->next == order->count)
			shuffle(order);
		struct random random = {.key = random_hash(order->seed, 1000000 + order->drawn++), .index = 0};
		rhythm_lesson_free(&sequence->lesson);
		if (!rhythm_lesson_new(&pieces[order->index[order->next++]], &order->rubato, &random, &sequence->lesson))
			return false;
		sequence->at = first ? (size_t)(random_uniform(&random) * (double)sequence->lesson.count) : 0;
		memset(trainer->state + b * trainer->units, 0, (size_t)trainer->units * sizeof *trainer->state);
	}
	return true;
}

static void improve(struct rhythm_trainer *trainer, const struct optimiser_options *options, uint64_t step, float *first,
		    float *second)
{
	double squares = 0;

	for (int i = 0; i < RHYTHM_TENSORS; i++)
		squares += optimiser_squares(&trainer->table[i], trainer->gradient);
	for (int i = 0; i < RHYTHM_TENSORS; i++)
		optimiser_step(options, &trainer->table[i], step, sqrt(squares), trainer->gradient, trainer->values, first,
			       second, NULL);
	pack(trainer);
}

/* Weights averaged over the last steps generalise better than those of any one step. */
static void add_to_average(const struct rhythm_trainer *trainer, uint64_t step, float *average)
{
	float share = (float)(1 / ((double)step + 1 < AVERAGE_STEPS ? (double)step + 1 : AVERAGE_STEPS));

	for (size_t i = 0; i < trainer->elements; i++)
		average[i] += (trainer->values[i] - average[i]) * share;
}

static void tell(struct rhythm_trainer *trainer, uint64_t step, const float *average,
		 void (*report)(void *context, const struct rhythm_train_progress *progress), void *context)
{
	double onsets = (double)(trainer->counted[0] + 1), beats = (double)(trainer->counted[1] + 1);
	struct rhythm_train_progress progress = {.step = step,
						 .phase = trainer->loss[0] / onsets,
						 .period = trainer->loss[1] / onsets,
						 .downbeat = trainer->loss[2] / beats,
						 .values = average};

	memset(trainer->loss, 0, sizeof trainer->loss);
	memset(trainer->counted, 0, sizeof trainer->counted);
	if (report)
		report(context, &progress);
}

static enum status run(struct rhythm_trainer *trainer, const struct rhythm_piece *pieces, struct order *order,
		       const struct rhythm_train_options *options, float *moments,
		       void (*report)(void *context, const struct rhythm_train_progress *progress),
		       bool (*stop)(void *context), void *context, struct error *error)
{
	const struct optimiser_options optimiser = {.rate = options->rate,
						    .warmup = WARMUP,
						    .steps = options->steps,
						    .decay = options->decay,
						    .clip = 1,
						    .beta1 = 0.9,
						    .beta2 = 0.999,
						    .epsilon = 1e-8};
	size_t carried = (size_t)(trainer->batch * trainer->units);
	float *average = moments + 2 * trainer->elements;

	for (uint64_t step = 0; step < options->steps; step++) {
		struct random random = {.key = random_hash(options->seed, 1000000000 + step), .index = 0};

		if (stop && stop(context))
			return status_fail(error, STATUS_INTERRUPTED, "stopped after %llu steps", (unsigned long long)step);
		if (!renew(trainer, pieces, order, step == 0))
			return status_fail(error, STATUS_NO_MEMORY, "no memory for a piece");
		gather(trainer);
		forward(trainer, options->dropout, &random);
		lose_all(trainer);
		backward(trainer);
		improve(trainer, &optimiser, step, moments, moments + trainer->elements);
		add_to_average(trainer, step, average);
		memcpy(trainer->state, trainer->state + (size_t)trainer->rows * carried, carried * sizeof *trainer->state);
		for (int b = 0; b < trainer->batch; b++)
			trainer->sequences[b].at += (size_t)trainer->rows;
		if ((step + 1) % options->report_steps == 0 || step + 1 == options->steps)
			tell(trainer, step + 1, average, report, context);
	}
	return STATUS_OK;
}

enum status rhythm_train(const struct rhythm_piece *pieces, size_t count, const struct rhythm_train_options *options,
			 float *values, void (*report)(void *context, const struct rhythm_train_progress *progress),
			 bool (*stop)(void *context), void *context, struct error *error)
{
	struct rhythm_trainer trainer;
	enum precision precision = product_has_bf16() ? PRECISION_BF16 : PRECISION_FP32;
	enum status status = new_trainer(options->units, options->batch, options->rows, precision, values, &trainer, error);
	struct order order = {.index = malloc((count + 1) * sizeof *order.index),
			      .count = count,
			      .seed = options->seed,
			      .rubato = options->rubato};

	if (status != STATUS_OK) {
		free(order.index);
		return status;
	}
	float *moments = calloc(3 * trainer.elements, sizeof *moments); /* both moments, and the average */
	if (count == 0 || !order.index || !moments) {
		status = status_fail(error, STATUS_NO_MEMORY, "no pieces, or no memory for their order");
	} else {
		for (size_t i = 0; i < count; i++)
			order.index[i] = i;
		shuffle(&order);
		initialise(&trainer, options->seed);
		pack(&trainer);
		status = run(&trainer, pieces, &order, options, moments, report, stop, context, error);
		memcpy(values, moments + 2 * trainer.elements, trainer.elements * sizeof *values);
	}
	free(order.index);
	free(moments);
	free_trainer(&trainer);
	return status;
}

enum status rhythm_train_gradient(const struct rhythm_piece *piece, int units, int rows, const float *values,
				  float *gradient, double *loss, struct error *error)
{
	struct rhythm_trainer trainer;
	struct parameter table[RHYTHM_TENSORS];
	float *own = malloc(rhythm_layout(units, table) * sizeof *own);
	enum status status = own ? new_trainer(units, 1, rows, PRECISION_FP32, own, &trainer, error)
				 : status_fail(error, STATUS_NO_MEMORY, "no memory");

	if (status != STATUS_OK) {
		free(own);
		return status;
	}
	memcpy(own, values, trainer.elements * sizeof *own);
	pack(&trainer);
	if (rhythm_lesson_new(piece, NULL, NULL, &trainer.sequences[0].lesson)) {
		gather(&trainer);
		forward(&trainer, 0, NULL);
		*loss = lose_all(&trainer);
		backward(&trainer);
		memcpy(gradient, trainer.gradient, trainer.elements * sizeof *gradient);
	} else {
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for a piece");
	}
	free(own);
	free_trainer(&trainer);
	return status;
}
