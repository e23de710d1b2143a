/* Training pieces on the beat tracker's grid: every note lies where the engine had it when it heard the piece, on any number
 * of threads, and sequences take their share of it. */
#define _GNU_SOURCE
#include "train/tracked.h"

#include "base/random.h"
#include "engine/replay.h"
#include "engine/rhythm_file.h"
#include "stream/grid.h"
#include "stream/timeline.h"
#include "tests/support/midi_bytes.h"
#include "tests/support/tiny_model.h"
#include "train/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 3
#define NOTES 160
#define ROWS 32

static char folder[] = "/tmp/tracked.XXXXXX";
static char model_file[64], piece_file[PIECES][64];
static struct model *model;
static struct rhythm *rhythm;
static struct dataset dataset;

/* Steady eighths of 100 bpm, give or take; a file that calls them 60 bpm, so that its own grid lies elsewhere. */
static void write_piece(const char *path, uint64_t seed)
{
	static char text[16384];
	struct midi_bytes midi = {.size = 0};
	struct random random = {seed, 0};
	size_t length = (size_t)sprintf(text, "00 ff 51 03 0f4240 ");
	unsigned late = 0;
	for (int i = 0; i < NOTES; i++) {
		unsigned next = (unsigned)random_integer(&random, 0, 8), step = 72 - late + next - 60;
		unsigned key = (unsigned)(i % 4 == 0 ? 36 : 60 + random_integer(&random, 0, 12));
		length += (size_t)sprintf(text + length, "%02x 90 %02x %02x 3c 80 %02x 40 ", i == 0 ? 50 : step, key,
					  (unsigned)(i % 4 == 0 ? 90 : 60), key);
		late = next;
	}
	midi_header(&midi, 0, 1, 240);
	midi_track(&midi, text);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(midi.bytes, 1, midi.size, file), midi.size);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	struct model_shape shape = tiny_shape(2, 3);
	assert_non_null(mkdtemp(folder));
	snprintf(model_file, sizeof model_file, "%s/tiny.safetensors", folder);
	assert_int_equal(tiny_model_write(&shape, 1, model_file, NULL), STATUS_OK);
	assert_int_equal(model_load(model_file, &model, NULL), STATUS_OK);
	assert_int_equal(rhythm_load("weights/default.beat.safetensors", &rhythm, NULL), STATUS_OK);
	dataset.pieces = calloc(PIECES, sizeof *dataset.pieces);
	assert_non_null(dataset.pieces);
	for (int i = 0; i < PIECES; i++) {
		snprintf(piece_file[i], sizeof piece_file[i], "%s/%d.mid", folder, i);
		write_piece(piece_file[i], (uint64_t)i + 1);
		assert_int_equal(dataset_read_file(piece_file[i], &dataset.pieces[i], NULL), STATUS_OK);
		dataset.count++;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dataset_free(&dataset);
	rhythm_free(rhythm);
	model_free(model);
	unlink(model_file);
	for (int i = 0; i < PIECES; i++)
		unlink(piece_file[i]);
	rmdir(folder);
	return 0;
}

/* By fields: what lies between them may differ. */
static bool is_same(const struct piece_note *a, const struct piece_note *b)
{
	return a->position == b->position && a->duration_positions == b->duration_positions &&
	       a->place.bar == b->place.bar && a->place.position == b->place.position &&
	       a->place.time_signature == b->place.time_signature && a->place.tempo == b->place.tempo &&
	       a->onset_us == b->onset_us && a->end_us == b->end_us && a->pitch == b->pitch && a->velocity == b->velocity &&
	       a->melody == b->melody;
}

static void forget(void)
{
	for (size_t i = 0; i < dataset.count; i++) {
		free(dataset.pieces[i].tracked);
		dataset.pieces[i].tracked = NULL;
	}
}

static void nobody(void *context, const struct prediction *prediction)
{
	(void)context;
	(void)prediction;
}

/* Where the engine had each note: its grid asked after each event that the engine has taken. */
static void hear(const char *path, struct piece_note *notes)
{
	struct smf *file;
	struct timeline timeline;
	struct grid *grid =
	    grid_new_live(&(struct beat_options){.sources = BEAT_BIT(BEAT_TRACKER), .network = rhythm_network(rhythm)});
	const struct engine_options options = {.decide_us = 80000, .final_after_us = 2000000, .style_every_us = 500000};
	const struct engine_sink sink = {nobody, NULL};
	struct engine *engine;
	struct replay replay;
	assert_non_null(grid);
	assert_int_equal(smf_read(path, &file, NULL), STATUS_OK);
	assert_int_equal(timeline_new(file, false, &timeline, NULL), STATUS_OK);
	assert_int_equal(engine_new(model, grid, &options, &sink, &engine, NULL), STATUS_OK);
	replay_start(&replay, engine);
	for (size_t i = 0; i < timeline.count; i++) {
		const struct event *event = &timeline.events[i];
		replay_accept(&replay, event);
		struct piece_note *note = event->note_id > 0 ? &notes[event->note_id - 1] : NULL;
		int64_t position = grid_position(grid, event);
		if (event->kind == EVENT_NOTE_ON) {
			note->position = position;
			note->place = grid_place(grid, position);
		} else if (event->kind == EVENT_NOTE_OFF) {
			note->duration_positions = (int32_t)(position - note->position);
		}
	}
	engine_free(engine);
	grid_free(grid);
	timeline_free(&timeline);
	smf_free(file);
}

static void test_as_the_engine_hears(void **state)
{
	(void)state;
	for (size_t p = 0; p < dataset.count; p++) {
		struct piece *piece = &dataset.pieces[p];
		struct piece_note heard[NOTES];
		int moved = 0, found = 0;
		memcpy(heard, piece->notes, sizeof heard);
		hear(piece->path, heard);
		assert_int_equal(tracked_piece(piece, rhythm_network(rhythm), NULL), STATUS_OK);
		for (int i = 0; i < NOTES; i++) {
			const struct piece_note *file = &piece->notes[i], *here = &heard[i];
			assert_true(is_same(&piece->tracked[i], here));
			moved += here->place.position != file->place.position;
			found +=
			    here->place.tempo != file->place.tempo && here->place.tempo != octuple_tempo_id(BEAT_PLAIN_BPM);
		}
		assert_true(moved > NOTES / 2);
		assert_true(found > NOTES / 2); /* a beat: neither the file's tempo nor the plain grid's */
	}
	forget();
}

static void count_pieces(void *context, size_t done, size_t count)
{
	size_t *last = context;
	assert_int_equal(done, *last + 1);
	assert_int_equal(count, PIECES);
	*last = done;
}

static void test_threads(void **state)
{
	(void)state;
	struct piece_note *one[PIECES];
	size_t done = 0;
	assert_int_equal(tracked_dataset(&dataset, rhythm_network(rhythm), 1, count_pieces, &done, NULL), STATUS_OK);
	assert_int_equal(done, PIECES);
	for (int i = 0; i < PIECES; i++) {
		one[i] = dataset.pieces[i].tracked;
		dataset.pieces[i].tracked = NULL;
	}
	assert_int_equal(tracked_dataset(&dataset, rhythm_network(rhythm), 8, NULL, NULL, NULL), STATUS_OK);
	for (int i = 0; i < PIECES; i++) {
		for (int k = 0; k < NOTES; k++)
			assert_true(is_same(&dataset.pieces[i].tracked[k], &one[i][k]));
		free(one[i]);
	}
	forget();
}

static void test_missing_file(void **state)
{
	(void)state;
	struct error error = {0};
	char away[80];
	snprintf(away, sizeof away, "%s.away", piece_file[1]);
	assert_int_equal(rename(piece_file[1], away), 0);
	assert_int_equal(tracked_dataset(&dataset, rhythm_network(rhythm), 2, NULL, NULL, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, piece_file[1]));
	assert_null(dataset.pieces[1].tracked);
	assert_int_equal(rename(away, piece_file[1]), 0);
	forget();
}

/* Notes of a sequence that lie as in `notes`, of all. */
static bool lies(const struct sample *sample, const struct piece_note *notes)
{
	for (int i = 0; i < sample->sequence.length; i++) {
		if (!is_same(&sample->notes[i], &notes[sample->first + (size_t)sample->order[i]]))
			return false;
	}
	return true;
}

/* How many of 400 sequences lie on the tracker's grid, and on the file's. */
static void share(float tracked, float regrid, int *on_tracked, int *on_file)
{
	static const struct corpus corpus = {.path = "made-up", .head = {true, true}};
	struct model_shape shape = tiny_shape(2, 3);
	struct sampler_options options = {
	    .seed = 3, .rows = ROWS, .batch = 1, .mix = {1, 1}, .weight = {1, 1}, .tracked = tracked, .regrid = regrid};
	struct sampler *sampler;
	struct sample sample;
	shape.heads = 2;
	for (size_t p = 0; p < dataset.count; p++)
		for (size_t i = 0; i < dataset.pieces[p].count; i++)
			dataset.pieces[p].notes[i].melody = MELODY_MELODY;
	assert_int_equal(tracked_dataset(&dataset, rhythm_network(rhythm), 2, NULL, NULL, NULL), STATUS_OK);
	assert_int_equal(sampler_new(&shape, &dataset, &corpus, 1, &options, &sampler, NULL), STATUS_OK);
	assert_true(sample_new(&sample, ROWS));
	*on_tracked = *on_file = 0;
	for (uint64_t step = 0; step < 400; step++) {
		sampler_draw(sampler, step, 0, &sample);
		const struct piece *piece = &dataset.pieces[sample.piece];
		*on_tracked += lies(&sample, piece->tracked);
		*on_file += lies(&sample, piece->notes);
	}
	sample_free(&sample);
	sampler_free(sampler);
	forget();
}

static void test_share(void **state)
{
	(void)state;
	int tracked, file;
	share(1, 0, &tracked, &file);
	assert_int_equal(tracked, 400);
	assert_int_equal(file, 0);
	share(0.5f, 0.5f, &tracked, &file);
	assert_in_range(tracked, 160, 240);
	assert_int_equal(file, 0); /* the others ignore the beat */
	share(0.5f, 0.25f, &tracked, &file);
	assert_in_range(tracked, 160, 240);
	assert_in_range(file, 70, 130);
	share(0, 0, &tracked, &file);
	assert_int_equal(tracked, 0);
	assert_int_equal(file, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_as_the_engine_hears),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_missing_file),
	    cmocka_unit_test(test_share),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
