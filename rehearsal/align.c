/* The alignment of two takes, see align.h. Offline. Affine-gap dynamic programming over chords within a band, then single
 * notes of chords that were broken otherwise find each other by time. It knows nothing of bars. */
#include "rehearsal/align.h"

#include "rehearsal/align_units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHORD_US 35000
#define BAND_MIN 600   /* chords that one take may be ahead of the other beyond what their lengths say */
#define SHARED 2.0f    /* a pitch in common */
#define UNSHARED -1.2f /* a pitch that only one of two matched chords has */
#define OPEN -1.5f     /* a stretch without a partner begins */
#define LONELY -0.4f   /* a note without a partner */
#define NEVER -1e9f
#define CELLS_MAX ((size_t)1 << 29)
#define FIND_US 250000 /* how far from its place a note of a broken chord is looked for */

enum state { BOTH, ONLY_NEWER, ONLY_OLDER, STATES };

struct chord {
	size_t first, count; /* notes */
	uint64_t keys[2];    /* bit set of pitches */
};

struct side {
	const struct take *take;
	struct chord *chords;
	size_t count;
};

struct table {
	struct side newer, older;
	size_t band;   /* half its width */
	size_t width;  /* cells a row */
	uint8_t *from; /* [newer.count + 1][width]: where each of the three states came from, two bits each */
	float *score;  /* [2][width][STATES] */
};

static bool side_init(struct side *side, const struct take *take)
{
	*side = (struct side){.take = take, .chords = calloc(take->count + 1, sizeof *side->chords)};
	for (size_t i = 0; side->chords && i < take->count; i++) {
		const struct take_note *note = &take->notes[i];
		if (side->count == 0 ||
		    note->onset_us - take->notes[side->chords[side->count - 1].first].onset_us > CHORD_US)
			side->chords[side->count++].first = i;
		struct chord *chord = &side->chords[side->count - 1];
		chord->count++;
		chord->keys[note->pitch / 64 % 2] |= (uint64_t)1 << note->pitch % 64;
	}
	return side->chords;
}

static int bits(uint64_t value)
{
	int count = 0;
	for (; value; value &= value - 1)
		count++;
	return count;
}

static float likeness(const struct chord *a, const struct chord *b)
{
	int shared = bits(a->keys[0] & b->keys[0]) + bits(a->keys[1] & b->keys[1]);
	int unshared = bits(a->keys[0] ^ b->keys[0]) + bits(a->keys[1] ^ b->keys[1]);
	return shared ? SHARED * (float)shared + UNSHARED * (float)unshared : NEVER;
}

/* First column (chords of the older take that are used up) of a row's band. */
static size_t band_start(const struct table *table, size_t row)
{
	size_t middle = table->newer.count ? row * table->older.count / table->newer.count : 0;
	return middle > table->band ? middle - table->band : 0;
}

static float *cell(const struct table *table, size_t row, size_t column)
{
	size_t start = band_start(table, row);
	if (column < start || column - start >= table->width)
		return NULL;
	return table->score + ((row % 2) * table->width + (column - start)) * STATES;
}

static uint8_t best_state(const float *scores, float *score)
{
	uint8_t best = BOTH;
	*score = NEVER;
	for (uint8_t s = 0; s < STATES; s++)
		if (scores[s] > *score) {
			*score = scores[s];
			best = s;
		}
	return best;
}

/* A gap goes on, or opens after anything else. */
static uint8_t best_gap(const float *scores, enum state gap, size_t notes, float *score)
{
	float opened[STATES];
	for (int s = 0; s < STATES; s++)
		opened[s] = scores[s] + (s == (int)gap ? 0 : OPEN);
	uint8_t best = best_state(opened, score);
	*score += LONELY * (float)notes;
	return best;
}

static void fill(struct table *table)
{
	for (size_t row = 0; row <= table->newer.count; row++) {
		size_t start = band_start(table, row);
		for (size_t k = 0; k < table->width; k++) {
			size_t column = start + k;
			float *here = table->score + ((row % 2) * table->width + k) * STATES;
			uint8_t from[STATES] = {0};
			here[BOTH] = here[ONLY_NEWER] = here[ONLY_OLDER] = NEVER;
			if (column > table->older.count)
				continue;
			if (row == 0 && column == 0)
				here[BOTH] = 0;
			const float *up = row > 0 ? cell(table, row - 1, column) : NULL;
			const float *left = column > 0 ? cell(table, row, column - 1) : NULL;
			const float *across = row > 0 && column > 0 ? cell(table, row - 1, column - 1) : NULL;
			if (across) {
				from[BOTH] = best_state(across, &here[BOTH]);
				here[BOTH] += likeness(&table->newer.chords[row - 1], &table->older.chords[column - 1]);
			}
			if (up)
				from[ONLY_NEWER] =
				    best_gap(up, ONLY_NEWER, table->newer.chords[row - 1].count, &here[ONLY_NEWER]);
			if (left)
				from[ONLY_OLDER] =
				    best_gap(left, ONLY_OLDER, table->older.chords[column - 1].count, &here[ONLY_OLDER]);
			table->from[row * table->width + k] = (uint8_t)(from[0] | from[1] << 2 | from[2] << 4);
		}
	}
}

static void pair(struct alignment *alignment, size_t newer, size_t older)
{
	alignment->older_of[newer] = older;
	alignment->newer_of[older] = newer;
	alignment->matched++;
}

/* Notes of the same pitch in two chords, in order. */
static void pair_chords(const struct table *table, const struct chord *a, const struct chord *b, struct alignment *alignment)
{
	for (size_t i = a->first; i < a->first + a->count; i++)
		for (size_t k = b->first; k < b->first + b->count; k++)
			if (alignment->newer_of[k] == ALIGN_NONE &&
			    table->newer.take->notes[i].pitch == table->older.take->notes[k].pitch) {
				pair(alignment, i, k);
				break;
			}
}

static void trace(const struct table *table, struct alignment *alignment)
{
	size_t row = table->newer.count, column = table->older.count;
	float ignored;
	enum state state = best_state(cell(table, row, column), &ignored);
	while (row > 0 || column > 0) {
		uint8_t from = table->from[row * table->width + (column - band_start(table, row))];
		enum state before = (from >> 2 * state) & 3;
		if (state == BOTH && row > 0 && column > 0)
			pair_chords(table, &table->newer.chords[--row], &table->older.chords[--column], alignment);
		else if (state == ONLY_NEWER && row > 0)
			row--;
		else if (state == ONLY_OLDER && column > 0)
			column--;
		else
			break; /* cannot be: every cell that is reached was filled from its neighbour */
		state = before;
	}
}

/* Where the older take is when the newer one is at note i, by the nearest pair before or after; INT64_MIN: none is near. */
static int64_t place_of(const struct table *table, const struct alignment *alignment, size_t i)
{
	const struct take_note *notes = table->newer.take->notes, *older = table->older.take->notes;
	for (size_t step = 1; step < 8; step++) {
		if (i >= step && alignment->older_of[i - step] != ALIGN_NONE)
			return older[alignment->older_of[i - step]].onset_us + notes[i].onset_us - notes[i - step].onset_us;
		if (i + step < table->newer.take->count && alignment->older_of[i + step] != ALIGN_NONE)
			return older[alignment->older_of[i + step]].onset_us - notes[i + step].onset_us + notes[i].onset_us;
	}
	return INT64_MIN;
}

/* Chords are broken differently in every take: a note may have its partner in the chord beside the matched one. */
static void find_strays(const struct table *table, struct alignment *alignment)
{
	const struct take *older = table->older.take;
	for (size_t i = 0; i < table->newer.take->count; i++) {
		if (alignment->older_of[i] != ALIGN_NONE)
			continue;
		int64_t place = place_of(table, alignment, i), nearest = FIND_US;
		size_t low = 0, high = older->count, found = ALIGN_NONE;
		if (place == INT64_MIN)
			continue;
		while (low < high) {
			size_t middle = low + (high - low) / 2;
			if (older->notes[middle].onset_us < place - FIND_US)
				low = middle + 1;
			else
				high = middle;
		}
		for (size_t k = low; k < older->count && older->notes[k].onset_us <= place + FIND_US; k++) {
			int64_t apart = llabs(older->notes[k].onset_us - place);
			if (alignment->newer_of[k] == ALIGN_NONE && apart < nearest &&
			    older->notes[k].pitch == table->newer.take->notes[i].pitch) {
				nearest = apart;
				found = k;
			}
			if (k - low > 4 * TAKE_NEIGHBOURS)
				break;
		}
		if (found != ALIGN_NONE)
			pair(alignment, i, found);
	}
}

static bool table_init(struct table *table, const struct take *newer, const struct take *older)
{
	*table = (struct table){0};
	if (!side_init(&table->newer, newer) || !side_init(&table->older, older))
		return false;
	size_t longer = table->newer.count > table->older.count ? table->newer.count : table->older.count;
	size_t shorter = table->newer.count + table->older.count - longer;
	table->band = BAND_MIN + longer / 10 + (longer - shorter);
	table->width = 2 * table->band + 1;
	if (table->width > table->older.count + 1)
		table->width = table->band = table->older.count + 1;
	if ((table->newer.count + 1) > CELLS_MAX / table->width)
		return false;
	table->from = calloc((table->newer.count + 1) * table->width, sizeof *table->from);
	table->score = calloc(2 * table->width * STATES, sizeof *table->score);
	return table->from && table->score;
}

static void table_free(struct table *table)
{
	free(table->newer.chords);
	free(table->older.chords);
	free(table->from);
	free(table->score);
}

enum status align_takes(const struct take *newer, const struct take *older, struct alignment *alignment, struct error *error)
{
	struct table table;
	*alignment = (struct alignment){0};
	bool good = table_init(&table, newer, older);
	if (good) {
		alignment->older_of = malloc((newer->count + 1) * sizeof *alignment->older_of);
		alignment->newer_of = malloc((older->count + 1) * sizeof *alignment->newer_of);
		good = alignment->older_of && alignment->newer_of;
	}
	if (good) {
		for (size_t i = 0; i < newer->count; i++)
			alignment->older_of[i] = ALIGN_NONE;
		for (size_t i = 0; i < older->count; i++)
			alignment->newer_of[i] = ALIGN_NONE;
		fill(&table);
		trace(&table, alignment);
		find_strays(&table, alignment);
		good = align_units(newer, older, alignment);
	}
	table_free(&table);
	if (good)
		return STATUS_OK;
	alignment_free(alignment);
	return status_fail(error, STATUS_NO_MEMORY, "no memory to lay %s beside %s", newer->path, older->path);
}

void alignment_free(struct alignment *alignment)
{
	free(alignment->older_of);
	free(alignment->newer_of);
	free(alignment->units);
	free(alignment->gaps);
	*alignment = (struct alignment){0};
}
