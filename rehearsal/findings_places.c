/* Findings about stretches of bars: loudness, balance, hands, shape, change. Offline. */
#include "rehearsal/findings_places.h"

#include <math.h>
#include <stdlib.h>

#define NOTES_MIN 4	  /* of a part in a stretch */
#define SHAPE_STRETCHES 4 /* a rise or fall is looked for over so many */

struct stretch {
	size_t first, end; /* units */
	struct curve_part part[PARTS];
};

struct places {
	const struct findings_input *input;
	struct stretch *list;
	size_t count;
	double hands; /* left minus right deviation, median over stretches */
};

static double apart_in_hands(const struct stretch *stretch)
{
	const struct curve_part *left = &stretch->part[PART_LEFT], *right = &stretch->part[PART_RIGHT];
	return left->judged >= NOTES_MIN && right->judged >= NOTES_MIN ? left->deviation - right->deviation : (double)NAN;
}

static double apart_in_gap(const struct stretch *stretch)
{
	const struct curve_part *melody = &stretch->part[PART_MELODY], *other = &stretch->part[PART_ACCOMPANIMENT];
	return melody->judged >= 2 && other->judged >= NOTES_MIN ? melody->deviation - other->deviation : (double)NAN;
}

static bool make_stretches(struct places *places)
{
	const struct take *take = places->input->take;
	places->list = calloc(take->unit_count + 1, sizeof *places->list);
	for (size_t first = 0; places->list && first < take->unit_count;) {
		size_t end = first + 1;
		while (end < take->unit_count &&
		       take->units[end].start_us - take->units[first].start_us < FINDING_STRETCH_US)
			end++;
		struct stretch *stretch = &places->list[places->count++];
		*stretch = (struct stretch){.first = first, .end = end};
		for (enum part part = 0; part < PARTS; part++)
			stretch->part[part] = curve_stretch(places->input->curve, first, end, part);
		first = end;
	}
	return places->list;
}

static double median_of(const struct places *places, double (*value)(const struct stretch *))
{
	double *values = malloc((places->count + 1) * sizeof *values), median = (double)NAN;
	size_t count = 0;
	for (size_t i = 0; values && i < places->count; i++) {
		double one = value(&places->list[i]);
		if (!isnan(one))
			values[count++] = one;
	}
	if (values)
		median = statistics_median(values, count);
	free(values);
	return median;
}

static struct finding finding_at(const struct places *places, size_t first, size_t end, enum finding_kind kind)
{
	const struct stretch *from = &places->list[first], *to = &places->list[end - 1];
	return (struct finding){.kind = kind,
				.part = PART_ALL,
				.first_unit = from->first,
				.last_unit = to->end - 1,
				.start_us = places->input->take->units[from->first].start_us,
				.value = (double)NAN,
				.reference = (double)NAN,
				.spread = (double)NAN,
				.note = SIZE_MAX,
				.older = SIZE_MAX};
}

/* How many times what is worth a word, and at least twice what a mean of so few notes may be off by chance. */
static double weigh(double apart, double least, const struct curve_part *a, const struct curve_part *b)
{
	double error = a->spread * a->spread / (double)a->judged;
	if (b)
		error += b->spread * b->spread / (double)b->judged;
	return fabs(apart) / fmax(least, 2 * sqrt(error));
}

static void weigh_level(const struct places *places, size_t i, enum part part, struct candidates *candidates)
{
	const struct curve_part *of_part = &places->list[i].part[part];
	if (of_part->judged < NOTES_MIN || 2 * of_part->judged < of_part->notes)
		return;
	struct finding finding = finding_at(places, i, i + 1, of_part->deviation > 0 ? FINDING_LOUD : FINDING_SOFT);
	finding.part = part;
	finding.value = of_part->deviation;
	finding.reference = of_part->expected + places->input->take->level;
	finding.spread = of_part->spread;
	finding.notes = of_part->judged;
	/* what holds for everything is said of everything, unless a part is far beyond it */
	finding.weight = weigh(of_part->deviation, FINDING_LEVEL_MIN, of_part, NULL) * (part == PART_ALL ? 1 : 0.8) *
			 (of_part->deviation < 0 ? 0.8 : 1);
	candidates_add(candidates, &finding);
}

static void weigh_balance(const struct places *places, size_t i, struct candidates *candidates)
{
	const struct stretch *stretch = &places->list[i];
	double gap = apart_in_gap(stretch), hands = apart_in_hands(stretch);
	if (gap < 0) {
		struct finding finding = finding_at(places, i, i + 1, FINDING_COVERED);
		const struct curve_part *melody = &stretch->part[PART_MELODY], *other = &stretch->part[PART_ACCOMPANIMENT];
		finding.reference = melody->expected - other->expected;
		finding.value = finding.reference + gap;
		finding.spread = melody->spread;
		finding.notes = melody->judged + other->judged;
		finding.weight = weigh(gap, FINDING_GAP_MIN, melody, other);
		candidates_add(candidates, &finding);
	}
	if (!isnan(hands) && !isnan(places->hands)) {
		const struct curve_part *left = &stretch->part[PART_LEFT], *right = &stretch->part[PART_RIGHT];
		struct finding finding = finding_at(places, i, i + 1, FINDING_HANDS);
		finding.part = hands > places->hands ? PART_LEFT : PART_RIGHT;
		finding.value = hands - places->hands;
		finding.reference = places->hands;
		finding.spread = left->spread;
		finding.notes = left->judged + right->judged;
		finding.weight = weigh(finding.value, FINDING_GAP_MIN, left, right);
		candidates_add(candidates, &finding);
	}
}

/* One hand through the whole take: the median hides it from the single bars. */
static void weigh_hands(const struct places *places, struct candidates *candidates)
{
	const struct curve *curve = places->input->curve;
	const struct curve_part *left = &curve->whole[PART_LEFT], *right = &curve->whole[PART_RIGHT];
	if (isnan(places->hands) || left->judged < 4 * NOTES_MIN || right->judged < 4 * NOTES_MIN)
		return;
	struct finding finding = finding_at(places, 0, places->count, FINDING_HANDS);
	finding.throughout = true;
	finding.part = places->hands > 0 ? PART_LEFT : PART_RIGHT;
	finding.value = places->hands;
	finding.spread = left->spread;
	finding.notes = left->judged + right->judged;
	finding.weight = fabs(places->hands) / FINDING_GAP_MIN * 1.5;
	candidates_add(candidates, &finding);
}

/* Change along some stretches by a straight line through their means: last minus first. */
static double change(const double *values)
{
	double along = 0, across = 0, middle = (SHAPE_STRETCHES - 1) / 2.0;
	for (int i = 0; i < SHAPE_STRETCHES; i++) {
		across += (i - middle) * values[i];
		along += (i - middle) * (i - middle);
	}
	return across / along * (SHAPE_STRETCHES - 1);
}

/* A crescendo or decrescendo that is expected and goes the other way, or does not come at all. */
static void weigh_shape(const struct places *places, size_t first, struct candidates *candidates)
{
	double expected[SHAPE_STRETCHES], played[SHAPE_STRETCHES], steady = 0;
	struct finding finding = finding_at(places, first, first + SHAPE_STRETCHES, FINDING_SHAPE);
	for (size_t i = 0; i < SHAPE_STRETCHES; i++) {
		const struct curve_part *part = &places->list[first + i].part[PART_ALL];
		if (part->judged < NOTES_MIN)
			return;
		expected[i] = part->expected;
		played[i] = part->expected + part->deviation;
		finding.notes += part->judged;
		finding.spread = isnan(finding.spread) ? part->spread : fmax(finding.spread, part->spread);
	}
	for (int i = 1; i < SHAPE_STRETCHES; i++)
		steady += (expected[i] > expected[i - 1]) - (expected[i] < expected[i - 1]);
	finding.reference = change(expected);
	finding.value = change(played);
	if (fabs(steady) < SHAPE_STRETCHES - 1 || fabs(finding.reference) < FINDING_SHAPE_MIN ||
	    finding.value / finding.reference > 0.25)
		return;
	finding.weight = fabs(finding.reference - finding.value) / FINDING_SHAPE_MIN;
	candidates_add(candidates, &finding);
}

static void weigh_change(const struct places *places, size_t i, struct candidates *candidates)
{
	const struct stretch *stretch = &places->list[i];
	for (size_t o = 0; o < places->input->older_count; o++) {
		struct finding finding = finding_at(places, i, i + 1, FINDING_CHANGED);
		double sum = 0;
		for (size_t u = stretch->first; u < stretch->end; u++) {
			const struct align_unit *unit = &places->input->older[o].units[u];
			sum += unit->matched ? unit->velocity * (double)unit->matched : 0;
			finding.notes += unit->matched;
		}
		if (finding.notes < NOTES_MIN)
			continue;
		finding.value = sum / (double)finding.notes;
		finding.older = o;
		finding.weight = 0.7 * fabs(finding.value) / FINDING_LEVEL_MIN * fmin(1, sqrt((double)finding.notes / 8));
		candidates_add(candidates, &finding);
	}
}

void findings_weigh_places(const struct findings_input *input, struct candidates *candidates)
{
	struct places places = {.input = input};
	if (!make_stretches(&places)) {
		candidates->failed = true;
		return;
	}
	places.hands = median_of(&places, apart_in_hands);
	weigh_hands(&places, candidates);
	for (size_t i = 0; i < places.count; i++) {
		weigh_level(&places, i, PART_ALL, candidates);
		weigh_level(&places, i, PART_MELODY, candidates);
		weigh_level(&places, i, PART_ACCOMPANIMENT, candidates);
		weigh_balance(&places, i, candidates);
		weigh_change(&places, i, candidates);
		if (i + SHAPE_STRETCHES <= places.count)
			weigh_shape(&places, i, candidates);
	}
	free(places.list);
}
