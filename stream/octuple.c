/* The Octuple rules: ids of attributes, and whole files as sorted tokens. Any thread; only octuple_tokenize allocates.
 * Where bars begin is the grid's business (stream/grid.c). */
#include "stream/octuple.h"
#include "stream/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRUM_CHANNEL 9
#define INSTRUMENT_DRUMS 128
#define DENOMINATOR_MAX 64

int64_t octuple_position(int64_t tick, int32_t ticks_per_quarter)
{
	int64_t scaled = tick * OCTUPLE_GRID;
	int64_t position = scaled / ticks_per_quarter;
	int64_t twice = scaled % ticks_per_quarter * 2;

	if (twice > ticks_per_quarter || (twice == ticks_per_quarter && position % 2 != 0))
		position++;
	return position;
}

bool octuple_reduce_signature(uint16_t *numerator, uint16_t *denominator)
{
	unsigned above = *numerator, below = *denominator;
	bool fits = above > 0 && below > 0;

	if (above == 0)
		above = 1;
	if (below == 0)
		below = 1;
	while (below > DENOMINATOR_MAX && above % 2 == 0) {
		above /= 2;
		below /= 2;
	}
	if (below > DENOMINATOR_MAX) {
		below = DENOMINATOR_MAX;
		fits = false;
	}
	while (above > 2 * below) {
		unsigned divisor = 2;

		while (above % divisor != 0)
			divisor++;
		above /= divisor;
	}
	*numerator = (uint16_t)above;
	*denominator = (uint16_t)below;
	return fits;
}

uint8_t octuple_signature_id(uint16_t numerator, uint16_t denominator)
{
	/* denominator 2^i: the smaller ones take 2 + 4 + ... + 2^i = 2^(i+1) - 2 ids */
	return (uint8_t)(2 * denominator - 2 + numerator - 1);
}

int64_t octuple_bar_length(uint16_t numerator, uint16_t denominator)
{
	int64_t length = (int64_t)numerator * (4 * OCTUPLE_GRID) / denominator;

	return length > 0 ? length : 1;
}

uint8_t octuple_duration_id(int64_t positions)
{
	int octave = 0;

	if (positions < 0)
		return 0;
	if (positions >= 4080)
		return 127;
	while (positions + 16 >= (int64_t)32 << octave)
		octave++;
	return (uint8_t)(16 * octave + ((positions - 16 * ((1 << octave) - 1)) >> octave));
}

uint8_t octuple_velocity_id(int velocity)
{
	if (velocity < 0)
		return 0;
	return (uint8_t)(velocity > 127 ? 31 : velocity / 4);
}

uint8_t octuple_tempo_id(double bpm)
{
	if (!(bpm > 16))
		bpm = 16;
	if (bpm > 256)
		bpm = 256;
	return (uint8_t)lrint(12 * log2(bpm / 16));
}

int octuple_velocity_of_id(int id)
{
	return 4 * id + 2;
}

struct token octuple_token(const struct place *place, int pitch, int64_t duration_positions, int velocity, int bar_offset)
{
	struct token token;
	int64_t bar = (place->bar + bar_offset) % TOKEN_BARS;

	token.id[ATTRIBUTE_BAR] = (uint16_t)(bar < 0 ? bar + TOKEN_BARS : bar);
	token.id[ATTRIBUTE_POSITION] = place->position;
	token.id[ATTRIBUTE_INSTRUMENT] = 0;
	token.id[ATTRIBUTE_PITCH] = (uint16_t)pitch;
	token.id[ATTRIBUTE_DURATION] = duration_positions < 0 ? token_special(ATTRIBUTE_DURATION, SPECIAL_MASK)
							      : octuple_duration_id(duration_positions);
	token.id[ATTRIBUTE_VELOCITY] =
	    velocity < 0 ? token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK) : octuple_velocity_id(velocity);
	token.id[ATTRIBUTE_TIME_SIGNATURE] = place->time_signature;
	token.id[ATTRIBUTE_TEMPO] = place->tempo;
	return token;
}

int octuple_sort_order(const void *left, const void *right)
{
	const struct octuple_sorted *a = left, *b = right;

	if (a->cut != b->cut)
		return a->cut < b->cut ? -1 : 1;
	for (int i = 0; i < ATTRIBUTES; i++)
		if (a->token.id[i] != b->token.id[i])
			return a->token.id[i] < b->token.id[i] ? -1 : 1;
	return a->note < b->note ? -1 : a->note > b->note;
}

static struct octuple_sorted tokenize_note(const struct smf *file, const struct grid *grid, size_t index)
{
	const struct smf_note *note = &file->notes[index];
	int64_t start = octuple_position(note->start_tick, file->ticks_per_quarter);
	int64_t end = octuple_position(note->end_tick, file->ticks_per_quarter);
	struct place place = grid_place(grid, start);
	struct octuple_sorted sorted = {.cut = place.bar / TOKEN_BARS, .note = index};

	sorted.token = octuple_token(&place, note->pitch, end - start, note->velocity, 0);
	if (note->channel == DRUM_CHANNEL) {
		sorted.token.id[ATTRIBUTE_INSTRUMENT] = INSTRUMENT_DRUMS;
		sorted.token.id[ATTRIBUTE_PITCH] = (uint16_t)(note->pitch + 128);
	}
	return sorted;
}

/* Copies sorted tokens out and notes where each cut begins. Cuts without a note do not appear. */
static bool lay_out(const struct octuple_sorted *sorted, size_t count, struct octuple_tokens *tokens)
{
	size_t cuts = 0;

	for (size_t i = 0; i < count; i++)
		cuts += i == 0 || sorted[i].cut != sorted[i - 1].cut;
	tokens->tokens = malloc((count + 1) * sizeof *tokens->tokens);
	tokens->note = malloc((count + 1) * sizeof *tokens->note);
	tokens->cut_start = malloc((cuts + 1) * sizeof *tokens->cut_start);
	if (!tokens->tokens || !tokens->note || !tokens->cut_start)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || sorted[i].cut != sorted[i - 1].cut)
			tokens->cut_start[tokens->cuts++] = i;
		tokens->tokens[i] = sorted[i].token;
		tokens->note[i] = sorted[i].note;
	}
	tokens->count = count;
	return true;
}

enum status octuple_tokenize(const struct smf *file, bool drums, struct octuple_tokens *tokens, struct error *error)
{
	struct octuple_sorted *sorted = malloc((file->note_count + 1) * sizeof *sorted);
	struct grid *grid;
	size_t count = 0;
	bool done = false;

	*tokens = (struct octuple_tokens){0};
	grid = grid_new_file(file, &tokens->clamped_signatures);
	if (sorted && grid) {
		for (size_t i = 0; i < file->note_count; i++)
			if (drums || file->notes[i].channel != DRUM_CHANNEL)
				sorted[count++] = tokenize_note(file, grid, i);
		qsort(sorted, count, sizeof *sorted, octuple_sort_order);
		done = lay_out(sorted, count, tokens);
	}
	free(sorted);
	grid_free(grid);
	if (done)
		return STATUS_OK;
	octuple_tokens_free(tokens);
	return status_fail(error, STATUS_NO_MEMORY, "not enough memory for %zu tokens", file->note_count);
}

void octuple_tokens_free(struct octuple_tokens *tokens)
{
	free(tokens->tokens);
	free(tokens->note);
	free(tokens->cut_start);
	*tokens = (struct octuple_tokens){0};
}
