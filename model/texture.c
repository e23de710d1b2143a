/* Histograms of how notes are played, see texture.h. Any thread; no allocation. */
#include "model/texture.h"

#include "model/network.h"

#include <math.h>
#include <string.h>

#define CHORD_US 30000 /* an onset that comes no later after the last one is of the same chord */
#define GAP_MIN_US 20000
#define HELD_REACH 40  /* notes before a chord whose keys may still be down */
#define CHORD_REACH 16 /* notes after one that may be of its chord */
#define HALF_BELIEVED 32
#define REGISTERS 6
#define PITCHES 128
#define CLASSES 12 /* of pitches */
#define KEYS 24
#define MODES 2 /* major, minor */
#define SOUND_MIN_US 50000
#define SOUND_MAX_US 2000000 /* a key held longer sounds no longer */
#define HARMONY_US 500000    /* in so long there is one triad */
#define KEY_SHARPNESS 8
#define LAGS 2
#define LEAPS 9 /* kinds of leaps: see kind_of_leap */
#define LEAP_PAIRS (LEAPS * LEAPS)

/* Every histogram with its bins, in the order of a weights file; docs/MODEL.md describes them. */
#define HISTOGRAMS(X)                                                                                                       \
	X(VELOCITY, 32)                                                                                                     \
	X(LENGTH, 30)                                                                                                       \
	X(PITCH, 22)                                                                                                        \
	X(VELOCITY_REGISTER, 16 * REGISTERS)                                                                                \
	X(LENGTH_REGISTER, 12 * REGISTERS)                                                                                  \
	X(VELOCITY_LENGTH, 8 * 10)                                                                                          \
	X(VELOCITY_STEP, 31)                                                                                                \
	X(LEAP, 37)                                                                                                         \
	X(INTERVAL_1, CLASSES)                                                                                              \
	X(INTERVAL_4, CLASSES)                                                                                              \
	X(SPREAD, 15)                                                                                                       \
	X(SIZE, 8)                                                                                                          \
	X(SPAN, 17)                                                                                                         \
	X(TOP_LEAP, 25)                                                                                                     \
	X(BOTTOM_LEAP, 37)                                                                                                  \
	X(TOP_VELOCITY, 16)                                                                                                 \
	X(INNER_VELOCITY, 16)                                                                                               \
	X(TOP_LOUDER, 16)                                                                                                   \
	X(TOP_LENGTH, 15)                                                                                                   \
	X(BOTTOM_LENGTH, 15)                                                                                                \
	X(ARTICULATION, 27)                                                                                                 \
	X(HELD, 13)                                                                                                         \
	X(GAP, 30)                                                                                                          \
	X(GAP_RATIO, 32)                                                                                                    \
	X(GAP_PAIR, 8 * 8)                                                                                                  \
	X(DEGREE, KEYS)                                                                                                     \
	X(CLASS_RANK, CLASSES)                                                                                              \
	X(LEAP_PAIR, LEAP_PAIRS)                                                                                            \
	X(TOP_PAIR, LEAP_PAIRS)                                                                                             \
	X(BOTTOM_PAIR, LEAP_PAIRS)                                                                                          \
	X(VELOCITY_PAIR, 9 * 9)                                                                                             \
	X(ABOVE_BOTTOM, 24)                                                                                                 \
	X(GAP_TOP, 8 * LEAPS)                                                                                               \
	X(GAP_SIZE, 8 * 6)                                                                                                  \
	X(GAP_VELOCITY, 8 * 8)                                                                                              \
	X(SCALE, CLASSES)                                                                                                   \
	X(SCALE_BY_KEY, KEYS)                                                                                               \
	X(TOP_SCALE, CLASSES)                                                                                               \
	X(BOTTOM_SCALE, CLASSES)                                                                                            \
	X(TRIAD, KEYS)                                                                                                      \
	X(BASS, 3 * CLASSES)                                                                                                \
	X(TRIAD_CHANGE, 4 * CLASSES)

#define PLACE(name, bins) name, name##_LAST = name + (bins)-1,
enum { HISTOGRAMS(PLACE) SIZE_OF_ALL };
_Static_assert(SIZE_OF_ALL == TEXTURE_SIZE, "the size that weights files are read with");

#define RANGE(name, bins) {name, bins},
static const struct {
	int first, bins;
} histogram[] = {HISTOGRAMS(RANGE)};

/* Bin of a value in `bins` equal ones from low to high; what lies outside counts with the outermost. */
static int bin(float value, float low, float high, int bins)
{
	float at = (value - low) * (float)bins / (high - low);
	return at < 0 ? 0 : at >= (float)bins ? bins - 1 : (int)at;
}

static int bound(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

static int register_of(int pitch)
{
	return bin((float)pitch, 20, 108, REGISTERS);
}

/* log2 of seconds; a hundredth more, so that 0 has one. */
static float log_time(int64_t us)
{
	return log2f((float)(us < 0 ? 0 : us) / 1e6f + 0.01f);
}

/* None, a step, a third, a fourth or fifth, or more; up or down: 0 to LEAPS - 1. */
static int kind_of_leap(int semitones)
{
	static const int from[LEAPS / 2] = {1, 3, 5, 8};
	int size = semitones < 0 ? -semitones : semitones, kind = 0;
	while (kind < LEAPS / 2 && size >= from[kind])
		kind++;
	return LEAPS / 2 + (semitones < 0 ? -kind : kind);
}

/* ---- single notes ---- */

static void count_note(const struct texture_note *note, float *f)
{
	int area = register_of(note->pitch);
	f[VELOCITY + note->velocity / 4]++;
	f[PITCH + bin(note->pitch, 20, 108, 22)]++;
	f[VELOCITY_REGISTER + note->velocity / 8 * REGISTERS + area]++;
	if (note->length_us == TEXTURE_DOWN)
		return;
	float length = log_time(note->length_us);
	f[LENGTH + bin(length, -6, 4, 30)]++;
	f[LENGTH_REGISTER + bin(length, -6, 4, 12) * REGISTERS + area]++;
	f[VELOCITY_LENGTH + note->velocity / 16 * 10 + bin(length, -6, 4, 10)]++;
}

static void count_steps(const struct texture_note *notes, int i, float *f)
{
	static const int lag[LAGS] = {1, 4}, into[LAGS] = {INTERVAL_1, INTERVAL_4};
	for (int k = 0; k < LAGS; k++)
		if (i >= lag[k])
			f[into[k] + (notes[i].pitch - notes[i - lag[k]].pitch + 10 * CLASSES) % CLASSES]++;
	if (i == 0)
		return;
	int leap = notes[i].pitch - notes[i - 1].pitch;
	f[LEAP + bound(leap < 0 ? -leap : leap, 0, 36)]++;
	int louder = notes[i].velocity - notes[i - 1].velocity;
	f[VELOCITY_STEP + bin((float)louder, -62, 62, 31)]++;
	if (i == 1)
		return;
	int leap_before = notes[i - 1].pitch - notes[i - 2].pitch,
	    louder_before = notes[i - 1].velocity - notes[i - 2].velocity;
	f[LEAP_PAIR + kind_of_leap(leap) * LEAPS + kind_of_leap(leap_before)]++;
	f[VELOCITY_PAIR + bin((float)louder, -45, 45, 9) * 9 + bin((float)louder_before, -45, 45, 9)]++;
}

/* ---- chords ---- */

struct chord {
	int first, end; /* notes[first..end - 1] */
	const struct texture_note *top, *bottom;
	float gap;		   /* log2 of the time from the chord before; NAN: there is none */
	int top_leap, bottom_leap; /* from its notes */
};

static int held_keys(const struct texture_note *notes, int first)
{
	int held = 0;
	for (int i = first > HELD_REACH ? first - HELD_REACH : 0; i < first; i++)
		held += notes[i].length_us > notes[first].onset_us - notes[i].onset_us;
	return held;
}

static void count_voices(const struct texture_note *notes, const struct chord *chord, float *f)
{
	int size = chord->end - chord->first, velocities = 0;
	for (int i = chord->first; i < chord->end; i++) {
		velocities += notes[i].velocity;
		if (size > 1 && notes[i].pitch > chord->bottom->pitch)
			f[ABOVE_BOTTOM + bound(notes[i].pitch - chord->bottom->pitch, 1, 24) - 1]++;
		f[(&notes[i] == chord->top ? TOP_VELOCITY : INNER_VELOCITY) + notes[i].velocity / 8]++;
	}
	if (size > 1)
		f[TOP_LOUDER + bin((float)chord->top->velocity - (float)velocities / (float)size, -32, 32, 16)]++;
	if (chord->top->length_us != TEXTURE_DOWN)
		f[TOP_LENGTH + bin(log_time(chord->top->length_us), -6, 4, 15)]++;
	if (chord->bottom->length_us != TEXTURE_DOWN)
		f[BOTTOM_LENGTH + bin(log_time(chord->bottom->length_us), -6, 4, 15)]++;
}

/* How a chord follows the one before. */
static void count_succession(const struct texture_note *notes, const struct chord *before, struct chord *chord, float *f)
{
	int64_t gap_us = notes[chord->first].onset_us - notes[before->first].onset_us;
	int size = chord->end - chord->first;
	chord->gap = log_time(gap_us);
	chord->top_leap = chord->top->pitch - before->top->pitch;
	chord->bottom_leap = chord->bottom->pitch - before->bottom->pitch;
	int gap = bin(chord->gap, -4, 2, 8);
	f[GAP + bin(chord->gap, -5, 3, 30)]++;
	f[GAP_TOP + gap * LEAPS + kind_of_leap(chord->top_leap)]++;
	f[GAP_SIZE + gap * 6 + bound(size, 1, 6) - 1]++;
	f[GAP_VELOCITY + gap * 8 + notes[chord->first].velocity / 16]++;
	f[TOP_LEAP + bound(chord->top_leap, -12, 12) + 12]++;
	f[BOTTOM_LEAP + bound(chord->bottom_leap, -18, 18) + 18]++;
	if (before->top->length_us != TEXTURE_DOWN) {
		float part = (float)before->top->length_us / (float)(gap_us < GAP_MIN_US ? GAP_MIN_US : gap_us);
		f[ARTICULATION + bin(log2f((part < 0 ? 0 : part) + 0.01f), -4, 5, 27)]++;
	}
	if (isnan(before->gap))
		return;
	f[GAP_RATIO + bin(chord->gap - before->gap, -4, 4, 32)]++;
	f[GAP_PAIR + gap * 8 + bin(before->gap, -4, 2, 8)]++;
	f[TOP_PAIR + kind_of_leap(chord->top_leap) * LEAPS + kind_of_leap(before->top_leap)]++;
	f[BOTTOM_PAIR + kind_of_leap(chord->bottom_leap) * LEAPS + kind_of_leap(before->bottom_leap)]++;
}

static void count_chord(const struct texture_note *notes, struct chord *chord, float *f)
{
	chord->top = chord->bottom = &notes[chord->first];
	chord->gap = NAN;
	for (int i = chord->first + 1; i < chord->end; i++) {
		chord->top = notes[i].pitch > chord->top->pitch ? &notes[i] : chord->top;
		chord->bottom = notes[i].pitch < chord->bottom->pitch ? &notes[i] : chord->bottom;
	}
	f[SIZE + bound(chord->end - chord->first, 1, 8) - 1]++;
	f[SPAN + bin((float)(chord->top->pitch - chord->bottom->pitch), 0, 51, 17)]++;
	f[HELD + bound(held_keys(notes, chord->first), 0, 12)]++;
	count_voices(notes, chord, f);
}

static void count_chords(const struct texture_note *notes, int count, float *f)
{
	struct chord chord[2];
	int which = 0;
	for (int first = 0, end; first < count; first = end, which = !which) {
		for (end = first + 1; end < count && notes[end].onset_us - notes[end - 1].onset_us <= CHORD_US; end++)
			f[SPREAD + bin((float)(notes[end].onset_us - notes[end - 1].onset_us), 0, CHORD_US, 15)]++;
		chord[which].first = first;
		chord[which].end = end;
		count_chord(notes, &chord[which], f);
		if (first > 0)
			count_succession(notes, &chord[!which], &chord[which], f);
	}
}

/* ---- keys ---- */

/* How well the shares of pitch classes fit a key: their covariance with its profile, over the profile's deviation. Profiles
 * as listeners rated them: Krumhansl and Kessler, 1982. */
static float fit_of(const float share[CLASSES], int key)
{
	static const float profile[2][CLASSES] = {
	    {6.35f, 2.23f, 3.48f, 2.33f, 4.38f, 4.09f, 2.52f, 5.19f, 2.39f, 3.66f, 2.29f, 2.88f},
	    {6.33f, 2.68f, 3.52f, 5.38f, 2.60f, 3.53f, 2.54f, 4.75f, 3.98f, 2.69f, 3.34f, 3.17f}};
	const float *p = profile[key / CLASSES];
	float mean = 0, covariance = 0, square = 0;
	for (int c = 0; c < CLASSES; c++)
		mean += p[c] / CLASSES;
	for (int c = 0; c < CLASSES; c++) {
		covariance += (p[c] - mean) * share[(c + key) % CLASSES];
		square += (p[c] - mean) * (p[c] - mean);
	}
	return covariance / sqrtf(square);
}

static void count_keys(const struct texture_note *notes, int count, float *f)
{
	float share[CLASSES] = {0}, best = -INFINITY;
	int key = 0;
	for (int i = 0; i < count; i++)
		share[notes[i].pitch % CLASSES] += 1 / (float)count;
	for (int k = 0; k < KEYS; k++) {
		float fit = fit_of(share, k);
		if (fit > best) {
			best = fit;
			key = k;
		}
	}
	for (int c = 0; c < CLASSES; c++)
		f[DEGREE + key / CLASSES * CLASSES + c] = share[(c + key) % CLASSES];
	for (int c = 0; c < CLASSES; c++) { /* from the most frequent class down: an insertion */
		int at = c;
		for (; at > 0 && f[CLASS_RANK + at - 1] < share[c]; at--)
			f[CLASS_RANK + at] = f[CLASS_RANK + at - 1];
		f[CLASS_RANK + at] = share[c];
	}
}

/* ---- harmony ---- */

static int64_t sound_us(const struct texture_note *note)
{
	return note->length_us < SOUND_MIN_US	? SOUND_MIN_US
	       : note->length_us > SOUND_MAX_US ? SOUND_MAX_US
						: note->length_us;
}

static int degree_of(int class, int tonic)
{
	return (class - tonic + CLASSES) % CLASSES;
}

/* Which pitch classes sound how long, above the tonic of the major key whose scale the best key has: returned. A second time
 * above the tonics of all keys, each as much as it fits. */
static int count_scale(const struct texture_note *notes, int count, float *f)
{
	float share[CLASSES] = {0}, fit[KEYS], total = 0, square = 0;
	int key = 0;
	for (int i = 0; i < count; i++) {
		float s = (float)sound_us(&notes[i]) / 1e6f;
		share[notes[i].pitch % CLASSES] += s;
		total += s;
	}
	for (int c = 0; c < CLASSES; c++) {
		share[c] /= total;
		square += (share[c] - 1.0f / CLASSES) * (share[c] - 1.0f / CLASSES);
	}
	for (int k = 0; k < KEYS; k++) {
		fit[k] = square > 0 ? fit_of(share, k) / sqrtf(square) : 0; /* a correlation */
		key = fit[k] > fit[key] ? k : key;
	}
	int tonic = key < CLASSES ? key : (key + 3) % CLASSES;
	for (int c = 0; c < CLASSES; c++)
		f[SCALE + c] = share[(c + tonic) % CLASSES];
	for (int k = 0; k < KEYS; k++) {
		float weight = expf(KEY_SHARPNESS * (fit[k] - fit[key]));
		for (int c = 0; c < CLASSES; c++)
			f[SCALE_BY_KEY + k / CLASSES * CLASSES + c] += weight * share[(c + k) % CLASSES];
	}
	return tonic;
}

/* Notes above, or below, which nothing sounds when they begin. */
static void count_outer_scale(const struct texture_note *notes, int count, int tonic, float *f)
{
	for (int i = 0; i < count; i++) {
		int64_t at_us = notes[i].onset_us + CHORD_US;
		bool top = true, bottom = true;
		for (int k = i > HELD_REACH ? i - HELD_REACH : 0; k < count && k < i + CHORD_REACH; k++) {
			if (notes[k].onset_us > at_us || notes[k].onset_us + sound_us(&notes[k]) <= at_us)
				continue;
			top = top && notes[k].pitch <= notes[i].pitch;
			bottom = bottom && notes[k].pitch >= notes[i].pitch;
		}
		int degree = degree_of(notes[i].pitch % CLASSES, tonic);
		float s = (float)sound_us(&notes[i]) / 1e6f;
		f[TOP_SCALE + degree] += top ? s : 0;
		f[BOTTOM_SCALE + degree] += bottom ? s : 0;
	}
}

/* How long each pitch class sounds from begin_us to end_us, in shares; returns the lowest key's, or -1: silence. */
static int sounding(const struct texture_note *notes, int count, int64_t begin_us, int64_t end_us, float share[CLASSES])
{
	int lowest = PITCHES;
	float total = 0;
	memset(share, 0, CLASSES * sizeof *share);
	for (int i = 0; i < count; i++) {
		int64_t from = notes[i].onset_us, to = from + sound_us(&notes[i]);
		if (from >= end_us || to <= begin_us)
			continue;
		float s = (float)((to < end_us ? to : end_us) - (from > begin_us ? from : begin_us)) / 1e6f;
		share[notes[i].pitch % CLASSES] += s;
		total += s;
		lowest = notes[i].pitch < lowest ? notes[i].pitch : lowest;
	}
	if (lowest == PITCHES)
		return -1;
	for (int c = 0; c < CLASSES; c++)
		share[c] /= total;
	return lowest % CLASSES;
}

struct triad {
	int root, mode;
};

/* Of equals, as where one key sounds alone, the one that stands on the bass, or is least far above it. */
static struct triad best_triad(const float share[CLASSES], int bass, float *covered)
{
	struct triad best = {bass, 0};
	*covered = -1;
	for (int above = 0; above < CLASSES; above++) {
		int root = (bass + above) % CLASSES;
		for (int mode = 0; mode < MODES; mode++) {
			float sum = share[root] + share[(root + 4 - mode) % CLASSES] + share[(root + 7) % CLASSES];
			if (sum > *covered) {
				*covered = sum;
				best = (struct triad){root, mode};
			}
		}
	}
	return best;
}

/* The triad of each half second in which anything sounds, what third stands over its bass, and which triad follows which. */
static void count_triads(const struct texture_note *notes, int count, int tonic, float *f)
{
	struct triad last = {-1, 0};
	float share[CLASSES], covered;
	for (int64_t begin_us = notes[0].onset_us;; begin_us += HARMONY_US) {
		int bass = sounding(notes, count, begin_us, begin_us + HARMONY_US, share);
		if (bass < 0) {
			int64_t next_us = INT64_MAX;
			for (int i = 0; i < count; i++)
				if (notes[i].onset_us >= begin_us + HARMONY_US && notes[i].onset_us < next_us)
					next_us = notes[i].onset_us;
			if (next_us == INT64_MAX)
				return;
			begin_us += ((next_us - begin_us) / HARMONY_US - 1) * HARMONY_US;
			continue;
		}
		struct triad triad = best_triad(share, bass, &covered);
		float major = share[(bass + 4) % CLASSES], minor = share[(bass + 3) % CLASSES];
		int third = major > minor ? 0 : minor > 0 ? 1 : 2;
		f[TRIAD + triad.mode * CLASSES + degree_of(triad.root, tonic)] += covered;
		f[BASS + third * CLASSES + degree_of(bass, tonic)]++;
		if (last.root >= 0 && (last.root != triad.root || last.mode != triad.mode))
			f[TRIAD_CHANGE + (last.mode * MODES + triad.mode) * CLASSES + degree_of(triad.root, last.root)]++;
		last = triad;
	}
}

static void count_harmony(const struct texture_note *notes, int count, float *f)
{
	int tonic = count_scale(notes, count, f);
	count_outer_scale(notes, count, tonic, f);
	count_triads(notes, count, tonic, f);
}

void texture_features(const struct texture_note *notes, int count, float *features)
{
	memset(features, 0, TEXTURE_SIZE * sizeof *features);
	for (int i = 0; i < count; i++) {
		count_note(&notes[i], features);
		count_steps(notes, i, features);
	}
	count_chords(notes, count, features);
	count_keys(notes, count, features);
	count_harmony(notes, count, features);
	for (size_t h = 0; h < sizeof histogram / sizeof *histogram; h++) {
		float *bins = features + histogram[h].first, sum = 0;
		for (int i = 0; i < histogram[h].bins; i++)
			sum += bins[i];
		for (int i = 0; i < histogram[h].bins && sum > 0; i++)
			bins[i] = sqrtf(bins[i] / sum);
	}
}

void texture_standardise(const float *mean, const float *deviation, int count, float *features)
{
	float belief = (float)count / (float)(count + HALF_BELIEVED);
	for (int i = 0; i < TEXTURE_SIZE; i++)
		features[i] = belief * (features[i] - mean[i]) / deviation[i];
}

float texture_distance(const float *features)
{
	float square = 0;
	for (int i = 0; i < TEXTURE_SIZE; i++)
		square += features[i] * features[i];
	return square / TEXTURE_SIZE;
}

float texture_judge(const struct model *model, int head, float *features, int count, float *logits)
{
	const struct head_spec *spec = &model->shape.head[head];
	const struct head_offsets *offsets = &model->parameters->head[head];
	if (!shape_reads_texture(spec))
		return 0;
	const float *weight = model->values + offsets->texture.weight, *bias = model->values + offsets->texture.bias;
	texture_standardise(model->values + offsets->texture_mean, model->values + offsets->texture_deviation, count,
			    features);
	for (int c = 0; c < spec->classes; c++, weight += TEXTURE_SIZE) {
		float sum = bias[c];
		for (int i = 0; i < TEXTURE_SIZE; i++)
			sum += weight[i] * features[i];
		logits[c] += sum;
	}
	return count < TEXTURE_NOTES_MIN ? 0 : texture_distance(features) / spec->strange_texture;
}
