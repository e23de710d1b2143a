/* The forward step of the rhythm network, see rhythm.h: about 65 thousand products an onset at 96 units.
 * train/rhythm_train.c has the same step over many sequences, and its gradient. */
#include "stream/rhythm.h"

#include <math.h>
#include <string.h>

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

/* y[columns] += x[rows] matrix[rows][columns]. */
static void add_product(const float *x, const float *matrix, int rows, int columns, float *restrict y)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < columns; j++)
			y[j] += x[i] * matrix[i * columns + j];
}

static void softmax(const float *logits, int count, float *probability)
{
	float most = logits[0], sum = 0;

	for (int i = 1; i < count; i++)
		most = logits[i] > most ? logits[i] : most;
	for (int i = 0; i < count; i++)
		sum += probability[i] = expf(logits[i] - most);
	for (int i = 0; i < count; i++)
		probability[i] /= sum;
}

void rhythm_step(const struct rhythm_network *network, const float input[RHYTHM_INPUTS], float *state,
		 struct rhythm_answer *answer)
{
	float from_input[3 * RHYTHM_UNITS_MAX], from_state[3 * RHYTHM_UNITS_MAX] = {0}, logits[RHYTHM_OUTPUTS];
	int units = network->units;

	memcpy(from_input, network->input_bias, 3 * (size_t)units * sizeof *from_input);
	memcpy(from_state + 2 * units, network->recurrent_bias, (size_t)units * sizeof *from_state);
	memcpy(logits, network->output_bias, sizeof logits);
	add_product(input, network->input, RHYTHM_INPUTS, 3 * units, from_input);
	add_product(state, network->recurrent, units, 3 * units, from_state);
	for (int i = 0; i < units; i++) {
		float reset = sigmoid(from_input[i] + from_state[i]);
		float update = sigmoid(from_input[units + i] + from_state[units + i]);
		float new = tanhf(from_input[2 * units + i] + reset * from_state[2 * units + i]);

		state[i] = (1 - update) * new + update *state[i];
	}
	add_product(state, network->output, units, RHYTHM_OUTPUTS, logits);
	softmax(logits, RHYTHM_PHASES, answer->phase);
	answer->downbeat = sigmoid(logits[RHYTHM_PHASES]);
	softmax(logits + RHYTHM_PHASES + 1, RHYTHM_PERIODS, answer->period);
}
