/* Figures by bar or second, see curve.h. Offline. */
#include "rehearsal/curve.h"

#include "rehearsal/statistics.h"

#include <math.h>
#include <stdlib.h>

#define CHORD_US 35000

struct sums {
	struct mean velocity, expected, spread, deviation;
};

struct unit_sums {
	struct sums part[PARTS];
	struct mean lead, overlap;
	int onsets;
};

bool curve_is_in(enum part part, const struct take_note *note)
{
	switch (part) {
	case PART_ALL: return true;
	case PART_MELODY: return note->voice == VOICE_MELODY;
	case PART_ACCOMPANIMENT: return take_accompanies(note);
	case PART_LEFT: return note->hand == HAND_LEFT;
	case PART_RIGHT: return note->hand == HAND_RIGHT;
	case PARTS: break;
	}
	return false;
}

static void add_note(const struct take *take, const struct take_note *note, struct unit_sums *sums)
{
	for (enum part part = 0; part < PARTS; part++) {
		if (!curve_is_in(part, note))
			continue;
		mean_add(&sums->part[part].velocity, take_played(note));
		if (!take_is_judged(note))
			continue;
		mean_add(&sums->part[part].expected, note->expected);
		mean_add(&sums->part[part].spread, note->spread);
		mean_add(&sums->part[part].deviation, take_deviation(take, note));
	}
	mean_add(&sums->lead, note->lead_ms);
	mean_add(&sums->overlap, note->overlap_ms);
}

static struct curve_part part_of(const struct sums *sums)
{
	return (struct curve_part){.notes = sums->velocity.count,
				   .judged = sums->expected.count,
				   .velocity = mean_value(&sums->velocity),
				   .expected = mean_value(&sums->expected),
				   .spread = mean_value(&sums->spread),
				   .deviation = mean_value(&sums->deviation)};
}

static void add_pedal(const struct take *take, struct curve *curve)
{
	for (size_t i = 0; i < curve->count; i++)
		curve->units[i].pedal_share = take->pedal_recorded ? 0 : (double)NAN;
	for (size_t i = 0; i < take->pedal_count; i++) {
		const struct take_pedal *pedal = &take->pedals[i];
		size_t first = take_unit_at(take, pedal->start_us);
		curve->units[first].pedal_presses++;
		for (size_t u = first; u < curve->count && take->units[u].start_us < pedal->end_us; u++) {
			const struct take_unit *unit = &take->units[u];
			int64_t from = pedal->start_us > unit->start_us ? pedal->start_us : unit->start_us;
			int64_t to = pedal->end_us < unit->end_us ? pedal->end_us : unit->end_us;
			if (to > from)
				curve->units[u].pedal_share += (double)(to - from) / (double)(unit->end_us - unit->start_us);
		}
	}
}

enum status curve_draw(const struct take *take, struct curve *curve, struct error *error)
{
	struct unit_sums *sums = calloc(take->unit_count + 1, sizeof *sums), *whole = &sums[take->unit_count];
	*curve = (struct curve){.units = calloc(take->unit_count + 1, sizeof *curve->units), .count = take->unit_count};
	if (!sums || !curve->units) {
		free(sums);
		curve_free(curve);
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the figures of %zu bars", take->unit_count);
	}
	int64_t last_us = INT64_MIN / 2;
	for (size_t i = 0; i < take->count; i++) {
		const struct take_note *note = &take->notes[i];
		add_note(take, note, &sums[note->unit]);
		add_note(take, note, whole);
		if (note->onset_us - last_us > CHORD_US) {
			sums[note->unit].onsets++;
			last_us = note->onset_us;
		}
	}
	for (size_t u = 0; u < curve->count; u++) {
		struct curve_unit *unit = &curve->units[u];
		for (enum part part = 0; part < PARTS; part++)
			unit->part[part] = part_of(&sums[u].part[part]);
		unit->gap = unit->part[PART_MELODY].velocity - unit->part[PART_ACCOMPANIMENT].velocity;
		unit->expected_gap = unit->part[PART_MELODY].expected - unit->part[PART_ACCOMPANIMENT].expected;
		unit->lead_ms = mean_value(&sums[u].lead);
		unit->overlap_ms = mean_value(&sums[u].overlap);
		double seconds = (double)(take->units[u].end_us - take->units[u].start_us) / 1e6;
		unit->onsets_per_s = seconds > 0 ? sums[u].onsets / seconds : (double)NAN;
	}
	for (enum part part = 0; part < PARTS; part++)
		curve->whole[part] = part_of(&whole->part[part]);
	curve->gap = curve->whole[PART_MELODY].velocity - curve->whole[PART_ACCOMPANIMENT].velocity;
	curve->expected_gap = curve->whole[PART_MELODY].expected - curve->whole[PART_ACCOMPANIMENT].expected;
	curve->lead_ms = mean_value(&whole->lead);
	curve->overlap_ms = mean_value(&whole->overlap);
	add_pedal(take, curve);
	free(sums);
	return STATUS_OK;
}

void curve_free(struct curve *curve)
{
	free(curve->units);
	*curve = (struct curve){0};
}

struct curve_part curve_stretch(const struct curve *curve, size_t first, size_t end, enum part part)
{
	struct sums sums = {0};
	for (size_t u = first; u < end; u++) {
		const struct curve_part *of_unit = &curve->units[u].part[part];
		sums.velocity.sum += of_unit->notes ? of_unit->velocity * (double)of_unit->notes : 0;
		sums.velocity.count += of_unit->notes;
		if (!of_unit->judged)
			continue;
		sums.expected.sum += of_unit->expected * (double)of_unit->judged;
		sums.spread.sum += of_unit->spread * (double)of_unit->judged;
		sums.deviation.sum += of_unit->deviation * (double)of_unit->judged;
		sums.expected.count += of_unit->judged;
		sums.spread.count += of_unit->judged;
		sums.deviation.count += of_unit->judged;
	}
	return part_of(&sums);
}
