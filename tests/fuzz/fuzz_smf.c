/* libFuzzer: any bytes as a MIDI file, then everything that is made of one. What comes out must keep its promises. */
#include "stream/grid.h"
#include "stream/octuple.h"
#include "stream/smf.h"
#include "stream/timeline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                                                  \
	do {                                                                                                                \
		if (!(condition))                                                                                           \
			abort();                                                                                            \
	} while (0)

static void check_file(const struct smf *file, size_t size)
{
	REQUIRE(file->ticks_per_quarter > 0);
	REQUIRE(file->end_tick >= 0 && file->end_tick <= SMF_TICK_MAX);
	REQUIRE(file->note_count <= size && file->tempo_count <= size && file->control_count <= size);
	for (size_t i = 0; i < file->note_count; i++) {
		const struct smf_note *note = &file->notes[i];

		REQUIRE(note->start_tick >= 0 && note->end_tick >= note->start_tick && note->end_tick <= file->end_tick);
		REQUIRE(i == 0 || note->start_tick >= note[-1].start_tick);
		REQUIRE(note->track < file->tracks && note->channel < 16 && note->pitch < 128 && note->velocity > 0);
	}
	for (size_t i = 0; i < file->tracks; i++)
		REQUIRE(memchr(file->track_names[i], '\0', sizeof file->track_names[i]));
	REQUIRE(smf_tick_to_us(file, file->end_tick) >= 0);
}

static void check_tokens(const struct smf *file)
{
	struct octuple_tokens tokens;

	if (octuple_tokenize(file, true, &tokens, NULL))
		return;
	REQUIRE(tokens.count == file->note_count);
	for (size_t i = 0; i < tokens.count; i++) {
		REQUIRE(tokens.note[i] < file->note_count);
		for (int a = 0; a < ATTRIBUTES; a++) /* regular ids only; percussion is one of them */
			REQUIRE(tokens.tokens[i].id[a] < token_vocabulary[a] - SPECIALS);
	}
	for (size_t i = 0; i < tokens.cuts; i++)
		REQUIRE(tokens.cut_start[i] < tokens.count && (i == 0 || tokens.cut_start[i] > tokens.cut_start[i - 1]));
	octuple_tokens_free(&tokens);
}

static void check_timeline(const struct smf *file)
{
	struct timeline timeline;
	struct grid *grid = grid_new_file(file, NULL);
	size_t sounding = 0;
	int32_t notes = 0;

	if (grid && timeline_new(file, true, &timeline, NULL) == STATUS_OK) {
		REQUIRE(timeline.notes == file->note_count);
		for (size_t i = 0; i < timeline.count; i++) {
			const struct event *event = &timeline.events[i];

			REQUIRE(i == 0 || event->event_us >= event[-1].event_us);
			REQUIRE(grid_place(grid, grid_position(grid, event)).position < 128);
			REQUIRE((event->kind == EVENT_END) == (i == timeline.count - 1));
			if (event->kind == EVENT_NOTE_ON) {
				REQUIRE(event->note_id == ++notes);
				sounding++;
			} else if (event->kind == EVENT_NOTE_OFF) {
				REQUIRE(sounding-- > 0 && event->note_id <= notes && event->duration_us >= 0);
			}
		}
		REQUIRE(sounding == 0);
		timeline_free(&timeline);
	}
	grid_free(grid);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct smf *file;
	struct error error;

	if (smf_parse(bytes, size, "fuzz", &file, &error)) {
		REQUIRE(!file && error.text[0]);
		return 0;
	}
	check_file(file, size);
	check_tokens(file);
	check_timeline(file);
	smf_free(file);
	return 0;
}
