/* How far playing lies from what was trained on, see familiar.h. Any thread; no allocation. */
#include "model/familiar.h"

#include "model/kernels.h"
#include "model/network.h"

#include <math.h>
#include <string.h>

#define PITCH_CLASSES 12
#define GAP_MAX_US 2000000 /* a longer silence is no stranger than this: pieces end, pages are turned */

/* Mean and deviation of what is added one by one. */
struct moments {
	float sum, square;
};

static void add(struct moments *moments, float value)
{
	moments->sum += value;
	moments->square += value * value;
}

static float mean_of(const struct moments *moments, int count)
{
	return moments->sum / (float)count;
}

static float deviation_of(const struct moments *moments, int count)
{
	float mean = mean_of(moments, count), variance = moments->square / (float)count - mean * mean;
	return variance > 0 ? sqrtf(variance) : 0;
}

/* The largest share of the notes that one major scale holds, and the entropy of their pitch classes. */
static void keys(const int classes[PITCH_CLASSES], int count, float *scale, float *entropy)
{
	static const int steps[] = {0, 2, 4, 5, 7, 9, 11};
	*scale = *entropy = 0;
	for (int root = 0; root < PITCH_CLASSES; root++) {
		int held = 0;
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
			held += classes[(root + steps[i]) % PITCH_CLASSES];
		float share = (float)held / (float)count, p = (float)classes[root] / (float)count;
		*scale = share > *scale ? share : *scale;
		*entropy -= p > 0 ? p * logf(p) : 0;
	}
}

static void statistics(const struct familiar_note *notes, int count, float *out)
{
	struct moments gap = {0, 0}, leap = {0, 0}, pitch = {0, 0}, velocity = {0, 0};
	int classes[PITCH_CLASSES] = {0}, steps = 0;
	int64_t whole_us = 0;
	for (int i = 0; i < count; i++) {
		classes[notes[i].pitch % PITCH_CLASSES]++;
		add(&pitch, (float)notes[i].pitch);
		add(&velocity, (float)notes[i].velocity);
		if (i == 0)
			continue;
		int64_t gap_us = notes[i].onset_us - notes[i - 1].onset_us;
		gap_us = gap_us < 0 ? 0 : gap_us > GAP_MAX_US ? GAP_MAX_US : gap_us;
		whole_us += gap_us;
		int semitones = notes[i].pitch - notes[i - 1].pitch;
		semitones = semitones < 0 ? -semitones : semitones;
		steps += semitones <= 1;
		add(&gap, logf((float)gap_us / 1e6f + 0.01f));
		add(&leap, logf(1 + (float)semitones));
	}
	*out++ = logf((float)whole_us / 1e6f / (float)count + 0.01f);
	*out++ = mean_of(&gap, count - 1);
	*out++ = deviation_of(&gap, count - 1);
	*out++ = mean_of(&leap, count - 1);
	*out++ = deviation_of(&leap, count - 1);
	*out++ = mean_of(&pitch, count) / 12;
	*out++ = logf(1 + deviation_of(&pitch, count));
	*out++ = mean_of(&velocity, count) / 32;
	*out++ = logf(1 + deviation_of(&velocity, count));
	keys(classes, count, &out[0], &out[1]);
	out[2] = (float)steps / (float)(count - 1);
}

void familiar_features(const float *hidden, int d, const struct familiar_note *notes, int count, float *features)
{
	memset(features, 0, (size_t)d * sizeof *features);
	for (int i = 0; i < count; i++)
		kernel_axpy(d, 1 / (float)count, hidden + (size_t)i * (size_t)d, features);
	statistics(notes, count, features + d);
}

float familiar_distance(const struct model *model, int head, const float *features, float *scratch)
{
	const struct head_offsets *offsets = &model->parameters->head[head];
	const float *mean = model->values + offsets->familiar_mean, *column = model->values + offsets->familiar_whiten;
	int size = model->shape.width + FAMILIAR_STATISTICS;
	float square = 0;
	memset(scratch, 0, (size_t)size * sizeof *scratch);
	for (int i = 0; i < size; i++, column += size) /* column i: what feature i adds to whitened ones from i on */
		kernel_axpy(size - i, features[i] - mean[i], column + i, scratch + i);
	for (int i = 0; i < size; i++)
		square += scratch[i] * scratch[i];
	return square / (float)size;
}

float familiar_strangeness(const struct head_spec *head, float distance, int count)
{
	const float *limit = head->unfamiliar;
	if (!shape_knows_familiar(head) || count < FAMILIAR_NOTES_MIN)
		return 0;
	/* Thresholds are for 16, 32 and 64 notes; between them by the logarithm. */
	float step = log2f((float)count / FAMILIAR_NOTES_MIN);
	int low = step >= FAMILIAR_THRESHOLDS - 1 ? FAMILIAR_THRESHOLDS - 2 : (int)step;
	float part = step - (float)low;
	part = part > 1 ? 1 : part;
	return distance / (limit[low] + part * (limit[low + 1] - limit[low]));
}

void familiar_doubt(const struct head_spec *head, float strangeness, float *probability)
{
	if (strangeness <= 1)
		return;
	float sure = 1 / (strangeness * strangeness), equal = 1 / (float)head->classes;
	for (int c = 0; c < head->classes; c++)
		probability[c] = equal + sure * (probability[c] - equal);
}
