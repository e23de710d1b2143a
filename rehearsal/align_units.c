/* Differences between two aligned takes, see align_units.h. Offline. */
#include "rehearsal/align_units.h"

#include "rehearsal/statistics.h"

#include <math.h>
#include <stdlib.h>

#define APART_US 35000 /* onsets that tell something about tempo */
#define JUMP 8	       /* notes that one take may have more between two pairs before the time between them says nothing */

struct span {
	int64_t newer_us, older_us;
};

static double ratio(const struct span *span)
{
	return span->newer_us > 0 ? (double)span->older_us / (double)span->newer_us : (double)NAN;
}

static bool compare_velocities(const struct take *newer, const struct take *older, struct alignment *alignment)
{
	double *apart = malloc((newer->count + 1) * sizeof *apart);
	struct mean *means = calloc(newer->unit_count + 1, sizeof *means);
	size_t count = 0;
	if (apart && means) {
		for (size_t i = 0; i < newer->count; i++) {
			size_t partner = alignment->older_of[i];
			if (partner == ALIGN_NONE)
				continue;
			apart[count] = take_played(&newer->notes[i]) - take_played(&older->notes[partner]);
			mean_add(&means[newer->notes[i].unit], apart[count++]);
		}
		alignment->level = statistics_median(apart, count);
		for (size_t u = 0; u < newer->unit_count; u++)
			alignment->units[u].velocity = mean_value(&means[u]) - alignment->level;
	}
	bool good = apart && means;
	free(apart);
	free(means);
	return good;
}

static bool compare_tempi(const struct take *newer, const struct take *older, struct alignment *alignment)
{
	struct span *spans = calloc(newer->unit_count + 1, sizeof *spans), *whole = &spans[newer->unit_count];
	size_t last = ALIGN_NONE;
	if (!spans)
		return false;
	for (size_t i = 0; i < newer->count; i++) {
		size_t partner = alignment->older_of[i];
		if (partner == ALIGN_NONE)
			continue;
		if (last != ALIGN_NONE) {
			size_t before = alignment->older_of[last];
			int64_t newer_us = newer->notes[i].onset_us - newer->notes[last].onset_us;
			int64_t older_us = older->notes[partner].onset_us - older->notes[before].onset_us;
			if (newer_us < APART_US)
				continue;
			if (older_us >= APART_US && partner > before && i - last <= JUMP && partner - before <= JUMP) {
				struct span *of_unit = &spans[newer->notes[last].unit];
				of_unit->newer_us += newer_us;
				of_unit->older_us += older_us;
				whole->newer_us += newer_us;
				whole->older_us += older_us;
			}
		}
		last = i;
	}
	for (size_t u = 0; u < newer->unit_count; u++)
		alignment->units[u].tempo = ratio(&spans[u]);
	alignment->tempo = ratio(whole);
	free(spans);
	return true;
}

/* Unmatched notes in a row become gaps; left out ones are counted where the newer take stands when they are due. */
static void find_gaps(const struct take *with, const size_t *partner_of, const struct take *other, bool left_out,
		      struct alignment *alignment)
{
	size_t run = 0, before = ALIGN_NONE;
	for (size_t i = 0; i <= with->count; i++) {
		bool alone = i < with->count && partner_of[i] == ALIGN_NONE;
		if (alone) {
			size_t unit = !left_out ? with->notes[i].unit : before == ALIGN_NONE ? 0 : other->notes[before].unit;
			if (left_out) {
				alignment->left_out++;
				alignment->units[unit].left_out++;
			} else {
				alignment->added++;
				alignment->units[unit].added++;
			}
			run++;
			continue;
		}
		if (run >= ALIGN_GAP_NOTES) {
			const struct take_note *first = &with->notes[i - run];
			size_t other_unit = before == ALIGN_NONE ? 0 : other->notes[before].unit;
			int64_t other_us = before == ALIGN_NONE ? 0 : other->notes[before].onset_us;
			alignment->gaps[alignment->gap_count++] =
			    (struct align_gap){.left_out = left_out,
					       .notes = run,
					       .unit = left_out ? other_unit : first->unit,
					       .older_unit = left_out ? first->unit : other_unit,
					       .onset_us = first->onset_us,
					       .newer_us = left_out ? other_us : first->onset_us};
		}
		run = 0;
		before = i < with->count ? partner_of[i] : ALIGN_NONE;
	}
}

static int compare_gaps(const void *left, const void *right)
{
	const struct align_gap *a = left, *b = right;
	if (a->newer_us != b->newer_us)
		return a->newer_us < b->newer_us ? -1 : 1;
	return (int)a->left_out - (int)b->left_out;
}

bool align_units(const struct take *newer, const struct take *older, struct alignment *alignment)
{
	alignment->units = calloc(newer->unit_count + 1, sizeof *alignment->units);
	alignment->gaps = calloc((newer->count + older->count) / ALIGN_GAP_NOTES + 1, sizeof *alignment->gaps);
	if (!alignment->units || !alignment->gaps)
		return false;
	for (size_t i = 0; i < newer->count; i++)
		if (alignment->older_of[i] != ALIGN_NONE)
			alignment->units[newer->notes[i].unit].matched++;
	find_gaps(newer, alignment->older_of, older, false, alignment);
	find_gaps(older, alignment->newer_of, newer, true, alignment);
	qsort(alignment->gaps, alignment->gap_count, sizeof *alignment->gaps, compare_gaps);
	return compare_velocities(newer, older, alignment) && compare_tempi(newer, older, alignment);
}
