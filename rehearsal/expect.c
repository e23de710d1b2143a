/* A model's answers laid beside the notes of a take, see expect.h. Offline. The answers are train/listener.c's. */
#include "rehearsal/expect.h"

#include "engine/label.h"
#include "rehearsal/statistics.h"
#include "train/listener.h"

#include <math.h>
#include <stdlib.h>

#define VOICES_SHARE 20 /* one melody note in so many at least, or the model's word is not taken */

static void take_voices(const struct head_spec *head, const float *probability, struct take *take)
{
	for (size_t i = 0; i < take->count; i++) {
		struct answer answer;
		answer_of_classes(head, probability + i * (size_t)head->classes, false, &answer);
		take->notes[i].voice = answer.label >= 0 && answer.label < VOICES ? answer.label : VOICE_UNKNOWN;
		take->melody_notes += take->notes[i].voice == VOICE_MELODY;
		take->notes[i].voice_confidence = (double)answer.confidence;
	}
	/* music that the model does not know comes out as all accompaniment, at high confidence */
	take->has_voices = take->melody_notes >= take->count / VOICES_SHARE && take->melody_notes < take->count;
	for (size_t i = 0; !take->has_voices && i < take->count; i++)
		take->notes[i].voice = VOICE_UNKNOWN;
}

static void take_velocities(const struct head_spec *head, const float *probability, struct take *take)
{
	for (size_t i = 0; i < take->count; i++) {
		const float *of_note = probability + i * (size_t)head->classes;
		struct answer answer;
		answer_of_velocities(head, of_note, take->notes[i].velocity, &answer);
		take->notes[i].expected = (double)answer.expected;
		take->notes[i].spread = (double)answer.spread;
		for (int c = 0; c < head->classes; c++) {
			int level = head->classes == DYNAMICS ? c : (int)dynamic_of_velocity(octuple_velocity_of_id(c));
			take->expected_in[level] += (double)of_note[c];
		}
	}
	take->has_expected = true;
}

enum status expect_level(struct take *take, struct error *error)
{
	double *apart = malloc((take->count + 1) * sizeof *apart);
	size_t count = 0;
	if (!apart)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for %zu notes", take->count);
	for (size_t i = 0; i < take->count; i++)
		if (take_is_judged(&take->notes[i]))
			apart[count++] = take_played(&take->notes[i]) - take->notes[i].expected;
	take->level = statistics_median(apart, count);
	free(apart);
	return STATUS_OK;
}

enum status expect_take(const struct model *model, struct take *take, struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	int melody = shape_find_head(shape, "melody"), velocity = shape_find_head(shape, "velocity_hidden");
	struct listener *listener = listener_new(model, shape->span, shape->span);
	float *probability = malloc((take->count + 1) * CLASSES_MAX * sizeof *probability);
	bool good = listener && probability;
	if (good && melody >= 0 && (good = listener_notes(listener, &take->piece, melody, probability)))
		take_voices(&shape->head[melody], probability, take);
	if (good && velocity >= 0 && (good = listener_notes(listener, &take->piece, velocity, probability)))
		take_velocities(&shape->head[velocity], probability, take);
	free(probability);
	listener_free(listener);
	if (!good)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for %zu notes", take->count);
	return expect_level(take, error);
}
