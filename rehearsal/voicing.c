/* Melody lead and key overlap, see voicing.h. Which notes are melody is the model's word. */
#include "rehearsal/voicing.h"

#include "rehearsal/statistics.h"

#include <math.h>
#include <stdlib.h>

static double between_ms(int64_t from_us, int64_t to_us)
{
	return (double)(to_us - from_us) / 1e3;
}

/* An accompaniment note goes with the nearest melody onset only. */
static bool belongs(const struct take *take, size_t melody, size_t other)
{
	double apart = fabs(between_ms(take->notes[melody].onset_us, take->notes[other].onset_us));
	size_t low = other > TAKE_NEIGHBOURS ? other - TAKE_NEIGHBOURS : 0;
	size_t high = other + TAKE_NEIGHBOURS < take->count ? other + TAKE_NEIGHBOURS : take->count;
	for (size_t i = other; i-- > low;) {
		double gap = between_ms(take->notes[i].onset_us, take->notes[other].onset_us);
		if (gap >= apart)
			break;
		if (take->notes[i].voice == VOICE_MELODY && i != melody)
			return false;
	}
	for (size_t i = other + 1; i < high; i++) {
		double gap = between_ms(take->notes[other].onset_us, take->notes[i].onset_us);
		if (gap >= apart)
			break;
		if (take->notes[i].voice == VOICE_MELODY && i != melody)
			return false;
	}
	return true;
}

static double lead(const struct take *take, size_t melody)
{
	struct mean later = {0};
	int64_t onset = take->notes[melody].onset_us;
	size_t low = melody > TAKE_NEIGHBOURS ? melody - TAKE_NEIGHBOURS : 0;
	size_t high = melody + TAKE_NEIGHBOURS < take->count ? melody + TAKE_NEIGHBOURS : take->count;
	for (size_t i = melody; i-- > low && between_ms(take->notes[i].onset_us, onset) <= VOICING_TOGETHER_MS;)
		if (take_accompanies(&take->notes[i]) && belongs(take, melody, i))
			mean_add(&later, between_ms(onset, take->notes[i].onset_us));
	for (size_t i = melody + 1; i < high && between_ms(onset, take->notes[i].onset_us) <= VOICING_TOGETHER_MS; i++)
		if (take_accompanies(&take->notes[i]) && belongs(take, melody, i))
			mean_add(&later, between_ms(onset, take->notes[i].onset_us));
	return mean_value(&later);
}

static double overlap(const struct take *take, size_t melody)
{
	const struct take_note *note = &take->notes[melody];
	size_t high = melody + 4 * TAKE_NEIGHBOURS < take->count ? melody + 4 * TAKE_NEIGHBOURS : take->count;
	for (size_t i = melody + 1; i < high; i++) {
		double gap = between_ms(note->onset_us, take->notes[i].onset_us);
		if (gap > VOICING_NEXT_MS)
			break;
		if (take->notes[i].voice == VOICE_MELODY && gap > VOICING_TOGETHER_MS)
			return between_ms(take->notes[i].onset_us, note->end_us);
	}
	return (double)NAN;
}

void voicing_measure(struct take *take)
{
	for (size_t i = 0; i < take->count; i++)
		if (take->notes[i].voice == VOICE_MELODY) {
			take->notes[i].lead_ms = lead(take, i);
			take->notes[i].overlap_ms = overlap(take, i);
		}
}
