/* What is worth hearing again, see findings.h. Offline. Candidates of every kind are weighed in the same unit (how many
 * times what is worth a word), and the heaviest that do not repeat each other are kept. */
#include "rehearsal/findings.h"

#include "rehearsal/findings_places.h"

#include <math.h>
#include <stdlib.h>

#define OF_A_KIND 4 /* so that one habit does not hide everything else */

void candidates_add(struct candidates *candidates, const struct finding *finding)
{
	if (!(finding->weight >= 1) || candidates->failed)
		return;
	if (candidates->count == candidates->room) {
		size_t room = candidates->room ? 2 * candidates->room : 64;
		struct finding *larger = realloc(candidates->list, room * sizeof *larger);
		if (!larger) {
			candidates->failed = true;
			return;
		}
		candidates->list = larger;
		candidates->room = room;
	}
	candidates->list[candidates->count++] = *finding;
}

/* ---- runs and single notes ---- */

static void weigh_runs(const struct findings_input *input, struct candidates *candidates)
{
	const struct take *take = input->take;
	for (size_t r = 0; r < input->runs->count; r++) {
		const struct run *run = &input->runs->runs[r];
		const struct take_note *first = &take->notes[run->notes[0]],
				       *last = &take->notes[run->notes[run->count - 1]];
		struct finding finding = {.part = PART_ALL,
					  .first_unit = first->unit,
					  .last_unit = last->unit,
					  .start_us = first->onset_us,
					  .spread = (double)NAN,
					  .notes = run->count,
					  .older = SIZE_MAX};
		double expected = isnan(run->expected_unevenness) ? 0 : run->expected_unevenness;
		finding.kind = FINDING_RUN_VELOCITY;
		finding.value = run->velocity_unevenness;
		finding.reference = run->expected_unevenness;
		finding.note = run->notes[run->loudest_step];
		finding.weight = (run->velocity_unevenness - 1.5 * expected) / FINDING_RUN_VELOCITY_MIN;
		candidates_add(candidates, &finding);
		if (take->quantised)
			continue;
		finding.kind = FINDING_RUN_TIMING;
		finding.value = run->timing_unevenness_ms;
		finding.reference = run->interval_ms;
		finding.note = run->notes[run->latest_step];
		finding.weight = fmin(run->timing_unevenness_ms / FINDING_RUN_TIMING_MIN_MS,
				      run->timing_unevenness_ms / run->interval_ms / FINDING_RUN_TIMING_SHARE);
		candidates_add(candidates, &finding);
	}
}

#define AROUND_US 1500000

/* What a note parts from its expectation by, less the same of its neighbours in the same part. */
static double stands_out(const struct take *take, size_t index, double *around, size_t *neighbours)
{
	const struct take_note *note = &take->notes[index];
	struct mean mean = {0};
	for (size_t i = index; i-- > 0 && index - i <= TAKE_NEIGHBOURS;)
		if (note->onset_us - take->notes[i].onset_us > AROUND_US)
			break;
		else if (take->notes[i].voice == note->voice)
			mean_add(&mean, take_deviation(take, &take->notes[i]));
	for (size_t i = index + 1; i < take->count && i - index <= TAKE_NEIGHBOURS; i++)
		if (take->notes[i].onset_us - note->onset_us > AROUND_US)
			break;
		else if (take->notes[i].voice == note->voice)
			mean_add(&mean, take_deviation(take, &take->notes[i]));
	*around = mean_value(&mean);
	*neighbours = mean.count;
	return take_deviation(take, note) - *around;
}

static void weigh_notes(const struct findings_input *input, struct candidates *candidates)
{
	const struct take *take = input->take;
	for (size_t i = 0; i < take->count; i++) {
		const struct take_note *note = &take->notes[i];
		double around, apart;
		size_t neighbours;
		if (!take_is_judged(note) || fabs(take_deviation(take, note)) < FINDING_NOTE_MIN)
			continue;
		apart = stands_out(take, i, &around, &neighbours);
		if (neighbours < 4)
			continue;
		/* a soft single note is hardly heard: louder ones count in full */
		struct finding finding = {.kind = FINDING_NOTE,
					  .part = PART_ALL,
					  .first_unit = note->unit,
					  .last_unit = note->unit,
					  .start_us = note->onset_us,
					  .value = apart,
					  .reference = note->expected + take->level,
					  .spread = note->spread,
					  .notes = neighbours + 1,
					  .note = i,
					  .older = SIZE_MAX,
					  .weight = fmin(fabs(apart) / FINDING_NOTE_MIN, fabs(apart) / (2 * note->spread)) *
						    (apart < 0 ? 0.7 : 1)};
		candidates_add(candidates, &finding);
	}
}

/* ---- older takes ---- */

static void weigh_gaps(const struct findings_input *input, struct candidates *candidates)
{
	for (size_t o = 0; o < input->older_count; o++)
		for (size_t g = 0; g < input->older[o].gap_count; g++) {
			const struct align_gap *gap = &input->older[o].gaps[g];
			struct finding finding = {.kind = gap->left_out ? FINDING_LEFT_OUT : FINDING_ADDED,
						  .part = PART_ALL,
						  .first_unit = gap->unit,
						  .last_unit = gap->unit,
						  .start_us = gap->newer_us,
						  .value = (double)NAN,
						  .reference = gap->left_out ? (double)gap->older_unit : (double)NAN,
						  .spread = (double)NAN,
						  .notes = gap->notes,
						  .note = SIZE_MAX,
						  .older = o,
						  .weight = fmin(1 + (double)gap->notes / 8, 5)};
			candidates_add(candidates, &finding);
		}
}

/* ---- choice ---- */

static int compare(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	if (a->weight > b->weight || a->weight < b->weight)
		return a->weight > b->weight ? -1 : 1;
	if (a->start_us != b->start_us)
		return a->start_us < b->start_us ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

/* Says what another one says already: the same kind where both meet, or a third about the same place. */
static bool repeats(const struct finding *finding, const struct findings *findings)
{
	size_t same_kind = 0, same_place = 0;
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *other = &findings->list[i];
		bool meets = finding->throughout == other->throughout && finding->first_unit <= other->last_unit + 1 &&
			     other->first_unit <= finding->last_unit + 1;
		if (finding->kind == other->kind)
			same_kind++;
		if (meets)
			same_place++;
		if (meets && finding->kind == other->kind && finding->older == other->older)
			return true;
	}
	return same_kind >= OF_A_KIND || same_place >= 2;
}

enum status findings_make(const struct findings_input *input, struct findings *findings, struct error *error)
{
	struct candidates candidates = {0};
	*findings = (struct findings){0};
	findings_weigh_places(input, &candidates);
	weigh_runs(input, &candidates);
	weigh_notes(input, &candidates);
	weigh_gaps(input, &candidates);
	if (!candidates.failed && candidates.count > 0) {
		qsort(candidates.list, candidates.count, sizeof *candidates.list, compare);
		findings->considered = candidates.count;
		for (size_t i = 0; i < candidates.count && findings->count < FINDINGS_MAX; i++)
			if (!repeats(&candidates.list[i], findings))
				findings->list[findings->count++] = candidates.list[i];
	}
	free(candidates.list);
	return candidates.failed ? status_fail(error, STATUS_NO_MEMORY, "no memory for findings") : STATUS_OK;
}
