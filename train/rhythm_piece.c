/* Performances and what is to be said of their onsets, see rhythm_piece.h. Offline. It trains nothing. */
#define _GNU_SOURCE
#include "train/rhythm_piece.h"

#include "train/manifest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOUDNESS_OCTAVES 0.4
#define TRANSPOSE 6
#define MISSING_MAX 0.15
#define UNEVEN_MAX_US 12000.0
#define ROUGH_MAX 8.0 /* of velocities */
#define WITHOUT_PEDAL 0.35
#define EARLY_S 0.035 /* an onset so short before a beat belongs to it */
#define ON_BEAT_S 0.06
#define PERIOD_MIN_S 0.12
#define PERIOD_MAX_S 4.0

/* ---- reading ---- */

static enum status read_piece(const char *path, struct rhythm_piece *piece, struct error *error)
{
	struct smf *file = NULL;
	enum status status = smf_read(path, &file, error);

	*piece = (struct rhythm_piece){.path = strdup(path)};
	if (status == STATUS_OK && !piece->path)
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory", path);
	if (status == STATUS_OK)
		status = timeline_new(file, false, &piece->timeline, error);
	if (status == STATUS_OK)
		status = beat_marks_read(path, &piece->beats, error);
	if (status == STATUS_OK && (piece->timeline.notes < 2 || piece->beats.count < 2))
		status = status_fail(error, STATUS_BAD_DATA, "%s: fewer than two notes or beats", path);
	smf_free(file);
	return status;
}

static void free_piece(struct rhythm_piece *piece)
{
	free(piece->path);
	timeline_free(&piece->timeline);
	beat_marks_free(&piece->beats);
}

static enum status read_manifest(const char *path, struct rhythm_pieces *pieces, struct error *error)
{
	struct manifest manifest;
	enum status status = manifest_read(path, &manifest, error);

	if (status != STATUS_OK)
		return status;
	struct rhythm_piece *grown = realloc(pieces->items, (pieces->count + manifest.count + 1) * sizeof *grown);
	if (grown)
		pieces->items = grown;
	else
		status = status_fail(error, STATUS_NO_MEMORY, "%s: no memory", path);
	for (size_t i = 0; status == STATUS_OK && i < manifest.count; i++) {
		const struct manifest_entry *entry = &manifest.entries[i];
		struct error why;

		if (entry->problem) {
			status_fail(&why, STATUS_BAD_DATA, "%s, line %zu: %s", path, entry->line, entry->problem);
		} else if (read_piece(entry->path, &pieces->items[pieces->count], &why) == STATUS_OK) {
			pieces->count++;
			continue;
		} else {
			free_piece(&pieces->items[pieces->count]);
		}
		fprintf(stderr, "midibert: %s; skipped\n", why.text);
		pieces->skipped++;
	}
	manifest_free(&manifest);
	return status;
}

enum status rhythm_pieces_read(const char *const *manifests, size_t count, struct rhythm_pieces *pieces, struct error *error)
{
	enum status status = STATUS_OK;

	*pieces = (struct rhythm_pieces){0};
	for (size_t i = 0; status == STATUS_OK && i < count; i++)
		status = read_manifest(manifests[i], pieces, error);
	if (status == STATUS_OK && pieces->count == 0)
		status = status_fail(error, STATUS_NOT_FOUND, "no file of %s has beats beside it", manifests[0]);
	if (status != STATUS_OK)
		rhythm_pieces_free(pieces);
	return status;
}

void rhythm_pieces_free(struct rhythm_pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++)
		free_piece(&pieces->items[i]);
	free(pieces->items);
	*pieces = (struct rhythm_pieces){0};
}

/* ---- disturbing ---- */

/* From a moment of the piece to one of the lesson: a stretch, and waves in the tempo. */
#define WAVES 3
static const double wave_s[WAVES][2] = {{1.5, 5}, {4, 15}, {10, 40}}; /* their lengths */

struct warp {
	double stretch;
	struct {
		double depth, length_s, phase;
	} waves[WAVES];
};

static double warp_s(const struct warp *warp, double seconds)
{
	double warped = seconds;

	for (int i = 0; i < WAVES && warp->waves[i].depth > 0; i++) {
		double rate = 2 * M_PI / warp->waves[i].length_s, phase = warp->waves[i].phase;

		warped += warp->waves[i].depth / rate * (sin(rate * seconds + phase) - sin(phase));
	}
	return warped * warp->stretch;
}

struct disturbance {
	struct warp warp;
	double loudness, missing, uneven_us, rough;
	int transpose;
	bool without_pedal;
};

static double sometimes(struct random *random, double most)
{
	bool applies = random_uniform(random) < 0.5;
	double share = random_uniform(random);

	return applies ? share * most : 0;
}

/* The waves together are never so deep that time would stand still. */
static void draw_waves(const struct rhythm_rubato *rubato, struct random *random, struct warp *warp)
{
	double depth = sometimes(random, rubato->depth);

	for (int i = 0; i < WAVES && depth > 0; i++) {
		warp->waves[i].depth = depth * random_uniform(random) / WAVES * 2;
		warp->waves[i].length_s = wave_s[i][0] + (wave_s[i][1] - wave_s[i][0]) * random_uniform(random);
		warp->waves[i].phase = 2 * M_PI * random_uniform(random);
	}
}

static struct disturbance draw(const struct rhythm_rubato *rubato, struct random *random)
{
	struct disturbance d = {.warp.stretch = exp2((2 * random_uniform(random) - 1) * rubato->stretch)};

	d.loudness = exp2((2 * random_uniform(random) - 1) * LOUDNESS_OCTAVES);
	d.transpose = (int)random_integer(random, -TRANSPOSE, TRANSPOSE);
	d.missing = sometimes(random, MISSING_MAX);
	d.uneven_us = sometimes(random, UNEVEN_MAX_US);
	d.rough = sometimes(random, ROUGH_MAX);
	d.without_pedal = random_uniform(random) < WITHOUT_PEDAL;
	if (rubato->depth > 0)
		draw_waves(rubato, random, &d.warp);
	return d;
}

static int compare_times(const void *left, const void *right)
{
	const struct event *a = left, *b = right;

	if (a->event_us != b->event_us)
		return a->event_us < b->event_us ? -1 : 1;
	/* Ends first, so that a repeated key is not held twice; then by number, which keeps the order of arrival. */
	if (a->kind != b->kind)
		return a->kind == EVENT_NOTE_OFF ? -1 : b->kind == EVENT_NOTE_OFF ? 1 : a->kind < b->kind ? -1 : 1;
	return a->note_id < b->note_id ? -1 : a->note_id > b->note_id;
}

static int bound(double value, int low, int high)
{
	return value < low ? low : value > high ? high : (int)lrint(value);
}

/* Whether a note is missing, and how late it is, must be the same at its beginning and its end. */
static size_t disturb(const struct timeline *timeline, const struct rhythm_rubato *rubato, struct random *random,
		      struct event *events, struct warp *warp)
{
	struct disturbance d = draw(rubato, random);
	uint64_t key = random_next(random);
	size_t count = 0;

	*warp = d.warp;
	for (size_t i = 0; i < timeline->count; i++) {
		struct event event = timeline->events[i];
		struct random own = {.key = random_hash(key, (uint64_t)event.note_id), .index = 0};
		bool note = event.kind == EVENT_NOTE_ON || event.kind == EVENT_NOTE_OFF;

		if ((note && random_uniform(&own) < d.missing) || (event.kind == EVENT_PEDAL && d.without_pedal))
			continue;
		event.event_us = (int64_t)llrint(1e6 * warp_s(warp, (double)event.event_us / 1e6));
		if (note) {
			event.event_us += (int64_t)llrint(d.uneven_us * random_normal(&own));
			event.pitch = (uint8_t)bound(event.pitch + d.transpose, 0, 127);
			event.velocity = (uint8_t)bound(event.velocity * d.loudness + d.rough * random_normal(&own), 1, 127);
		}
		events[count++] = event;
	}
	qsort(events, count, sizeof *events, compare_times);
	return count;
}

/* ---- what is to be said ---- */

static void judge(const struct beat_marks *beats, const struct warp *warp, struct rhythm_truth *truth, size_t *beat)
{
	const struct beat_mark *marks = beats->marks;
	double now_s = (double)truth->onset_us / 1e6;

	truth->kind = TRUTH_UNKNOWN;
	while (*beat + 1 < beats->count && warp_s(warp, marks[*beat + 1].seconds) <= now_s + EARLY_S)
		(*beat)++;
	double beat_s = warp_s(warp, marks[*beat].seconds), since_s = now_s - beat_s;
	if (since_s < -EARLY_S || *beat + 1 >= beats->count)
		return;
	double period_s = warp_s(warp, marks[*beat + 1].seconds) - beat_s;
	if (period_s < PERIOD_MIN_S || period_s > PERIOD_MAX_S)
		return;
	truth->phase = (float)(since_s / period_s);
	truth->period = (uint8_t)rhythm_lag_of((float)period_s);
	truth->kind = TRUTH_BETWEEN;
	if (fabs(since_s) <= ON_BEAT_S)
		truth->kind = marks[*beat].downbeat ? TRUTH_DOWNBEAT : TRUTH_BEAT;
}

static void hear(const struct event *events, size_t count, const struct beat_marks *beats, const struct warp *warp,
		 struct rhythm_lesson *lesson)
{
	struct rhythm_ear ear = {0};
	size_t beat = 0;

	for (size_t i = 0; i <= count; i++) {
		if (i == count || events[i].event_us >= rhythm_ear_deadline(&ear)) {
			if (rhythm_ear_deadline(&ear) == INT64_MAX) {
				if (i == count)
					break;
			} else {
				struct rhythm_truth *truth = &lesson->truth[lesson->count];

				truth->onset_us = rhythm_ear_close(&ear, lesson->input[lesson->count]);
				judge(beats, warp, truth, &beat);
				lesson->count++;
			}
		}
		if (i < count)
			rhythm_ear_take(&ear, &events[i]);
	}
}

bool rhythm_lesson_new(const struct rhythm_piece *piece, const struct rhythm_rubato *rubato, struct random *random,
		       struct rhythm_lesson *lesson)
{
	const struct timeline *timeline = &piece->timeline;
	struct event *events = NULL;
	size_t count = timeline->count;
	struct warp warp = {.stretch = 1};

	*lesson = (struct rhythm_lesson){.input = malloc((timeline->notes + 1) * sizeof *lesson->input),
					 .truth = calloc(timeline->notes + 1, sizeof *lesson->truth)};
	if (random)
		events = malloc((count + 1) * sizeof *events);
	if (!lesson->input || !lesson->truth || (random && !events)) {
		free(events);
		rhythm_lesson_free(lesson);
		return false;
	}
	if (random)
		count = disturb(timeline, rubato, random, events, &warp);
	hear(events ? events : timeline->events, count, &piece->beats, &warp, lesson);
	free(events);
	return true;
}

void rhythm_lesson_free(struct rhythm_lesson *lesson)
{
	free(lesson->input);
	free(lesson->truth);
	*lesson = (struct rhythm_lesson){0};
}
