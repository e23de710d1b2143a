/* Pieces in the stream: figures equal what can be counted from the messages that the engine sends on the same events. */
#define _GNU_SOURCE
#include "train/evaluate_live.h"

#include "base/random.h"
#include "engine/replay.h"
#include "stream/timeline.h"
#include "tests/support/midi_bytes.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define MELODY 0
#define VELOCITY 1
#define STYLE 2
#define CAUSAL 3
#define OTHER_STYLE 4 /* in the file, but only the first style is published */
#define PIECES 3
#define NOTES_MAX 256
#define LONG_US 3600000000
#define BPM_OF_FILES 90
#define REST 90 /* ticks before their first notes */

static const struct engine_options patient = {.decide_us = LONG_US, .final_after_us = LONG_US, .style_every_us = 500000};
static const struct engine_options hurried = {.decide_us = 30000, .final_after_us = 150000, .style_every_us = 500000};

static char folder[] = "/tmp/evaluate_live.XXXXXX";
static char model_file[64], piece_file[PIECES][64];
static struct model *model;
static struct dataset dataset;

static void near(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("%.12g, not %.12g", got, wanted);
}

/* ---- pieces ---- */

/* Notes that overlap the next one of their track; keys are let go after the note-on that follows. */
static void add_track(struct midi_bytes *midi, const char *name, struct random *random, unsigned rest, int notes, int low)
{
	static char text[16384];
	size_t length = (size_t)sprintf(text, "00 ff 03 %02x ", (unsigned)strlen(name));
	for (const char *letter = name; *letter; letter++)
		length += (size_t)sprintf(text + length, "%02x ", (unsigned)*letter);
	for (int i = 0; i < notes; i++) {
		static const unsigned steps[] = {0, 60, 60, 120};
		unsigned step = i == 0 ? rest : steps[random_integer(random, 0, 3)];
		length += (size_t)sprintf(text + length, "%02x 90 %02x %02x ", step, (unsigned)(low + i % 12),
					  (unsigned)random_integer(random, 20, 120));
		if (i > 0)
			length += (size_t)sprintf(text + length, "1e 80 %02x 40 ", (unsigned)(low + (i - 1) % 12));
	}
	if (notes > 0)
		sprintf(text + length, "78 80 %02x 40", (unsigned)(low + (notes - 1) % 12));
	midi_track(midi, text);
}

/* rest: ticks before the first note, less than 128. */
static void write_piece(const char *path, uint64_t seed, int notes, int bpm, unsigned rest)
{
	struct midi_bytes midi = {.size = 0};
	struct random random = {seed, 0};
	char tempo[64];
	sprintf(tempo, "00 ff 51 03 %06x", (unsigned)(60000000 / bpm));
	midi_header(&midi, 1, 4, 480);
	midi_track(&midi, tempo);
	add_track(&midi, "MELODY", &random, rest, notes, 72);
	add_track(&midi, "PIANO", &random, rest, notes, 40);
	add_track(&midi, "HUM", &random, rest, notes / 4, 56); /* no class: heard, not judged */
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(midi.bytes, 1, midi.size, file), midi.size);
	assert_int_equal(fclose(file), 0);
}

static void read_pieces(int bpm, unsigned rest, const int *notes)
{
	struct error error;
	dataset_free(&dataset);
	dataset.pieces = calloc(PIECES, sizeof *dataset.pieces);
	assert_non_null(dataset.pieces);
	for (int i = 0; i < PIECES; i++) {
		write_piece(piece_file[i], (uint64_t)i + 1, notes[i], bpm, rest);
		assert_int_equal(dataset_read_file(piece_file[i], &dataset.pieces[i], &error), STATUS_OK);
		dataset.count++;
	}
}

static void label_piece(int index, const char *label)
{
	free(dataset.pieces[index].label);
	dataset.pieces[index].label = strdup(label);
}

/* ---- what the messages say ---- */

struct listened {
	struct replay replay;
	enum prediction_kind kind;
	int label[NOTES_MAX]; /* of the newest message, -2: none yet */
	int64_t changed_us[NOTES_MAX];
	int flips[NOTES_MAX], finals;
	float expected[NOTES_MAX];
	int at[NOTES_MAX][LIVE_LOOKAHEADS];
	struct prediction verdict[NOTES_MAX];
	int64_t verdict_us[NOTES_MAX];
	int verdicts;
};

static void hear(void *context, const struct prediction *prediction)
{
	struct listened *listened = context;
	int note = prediction->note_id - 1;
	if ((enum prediction_kind)prediction->kind != listened->kind)
		return;
	if (listened->kind == PREDICT_STYLE) {
		assert_true(listened->verdicts < NOTES_MAX);
		listened->verdict_us[listened->verdicts] = listened->replay.now_us;
		listened->verdict[listened->verdicts++] = *prediction;
		return;
	}
	assert_in_range(note, 0, NOTES_MAX - 1);
	assert_true(prediction->label >= 0);
	if (listened->label[note] != prediction->label) {
		listened->flips[note] += listened->label[note] >= 0;
		listened->changed_us[note] = listened->replay.now_us;
	}
	listened->label[note] = prediction->label;
	listened->expected[note] = prediction->expected;
	listened->finals += prediction->stage == STAGE_FINAL;
}

/* Fills what has had its later notes when the newest note is number `count`. */
static void look(struct listened *listened, int count, int *passed)
{
	for (int k = 0; k < LIVE_LOOKAHEADS; k++)
		for (; passed[k] + live_lookaheads[k] < count; passed[k]++)
			listened->at[passed[k]][k] = listened->label[passed[k]];
}

static void listen(const struct piece *piece, enum prediction_kind kind, const struct engine_options *options, double bpm,
		   struct listened *listened)
{
	const struct engine_sink sink = {hear, listened};
	struct error error;
	struct smf *file;
	struct timeline timeline;
	struct engine *engine;
	int heard = 0, passed[LIVE_LOOKAHEADS] = {0};
	memset(listened, 0, sizeof *listened);
	listened->kind = kind;
	for (int i = 0; i < NOTES_MAX; i++) {
		listened->label[i] = -2;
		for (int k = 0; k < LIVE_LOOKAHEADS; k++)
			listened->at[i][k] = -2;
	}
	assert_int_equal(smf_read(piece->path, &file, &error), STATUS_OK);
	assert_int_equal(timeline_new(file, false, &timeline, &error), STATUS_OK);
	struct grid *grid = bpm > 0 ? grid_new_fixed(bpm) : grid_new_file(file, NULL);
	assert_int_equal(engine_new(model, grid, options, &sink, &engine, &error), STATUS_OK);
	replay_start(&listened->replay, engine);
	for (size_t i = 0; i < timeline.count; i++) {
		const struct event *event = &timeline.events[i];
		int before = heard;
		bool later = event->arrival_us > listened->replay.now_us;
		replay_accept(&listened->replay, event);
		heard += event->kind == EVENT_NOTE_ON;
		if (later || event->kind == EVENT_END)
			look(listened, before, passed);
	}
	engine_free(engine);
	grid_free(grid);
	timeline_free(&timeline);
	smf_free(file);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* Everything that evaluate_live says of a note head, counted from messages. */
static void count_notes(int head, const struct engine_options *options, double bpm, bool looks,
			const struct live_evaluation *got)
{
	static struct listened listened;
	static const enum prediction_kind kinds[] = {
	    [MELODY] = PREDICT_MELODY, [VELOCITY] = PREDICT_VELOCITY_HIDDEN, [CAUSAL] = PREDICT_VELOCITY_CAUSAL};
	static double stable[PIECES * NOTES_MAX];
	double miss = 0;
	size_t notes = 0, right = 0, flips = 0, at[LIVE_LOOKAHEADS] = {0}, at_right[LIVE_LOOKAHEADS] = {0};
	struct task task;
	assert_int_equal(task_of_head(&model_shape(model)->head[head], &task, NULL), STATUS_OK);
	for (size_t p = 0; p < dataset.count; p++) {
		const struct piece *piece = &dataset.pieces[p];
		listen(piece, kinds[head], options, bpm, &listened);
		assert_int_equal(listened.finals, piece->count);
		for (size_t i = 0; i < piece->count; i++) {
			int truth = task_note_class(&task, piece, &piece->notes[i]);
			if (truth == TASK_NO_CLASS)
				continue;
			stable[notes++] = (double)(listened.changed_us[i] - piece->notes[i].onset_us) / 1e3;
			right += listened.label[i] == truth;
			flips += (size_t)listened.flips[i];
			miss += (double)fabsf(listened.expected[i] - (float)piece->notes[i].velocity); /* as it is counted */
			for (int k = 0; k < LIVE_LOOKAHEADS; k++) {
				at[k] += listened.at[i][k] != -2;
				at_right[k] += listened.at[i][k] == truth;
			}
		}
	}
	assert_true(right > 0 && right < notes && notes > 100);
	assert_int_equal(got->metrics.count, notes);
	near(got->metrics.accuracy, (double)right / (double)notes, 1e-12);
	near(got->coverage, 1, 0); /* this model is sure of everything */
	near(got->selective_accuracy, got->metrics.accuracy, 1e-12);
	if (head != MELODY)
		near(got->metrics.mae, miss / (double)notes, 1e-6);
	if (!looks)
		return;
	bool differs = false;
	for (int k = 0; k < LIVE_LOOKAHEADS; k++) {
		assert_int_equal(got->by_lookahead[k].count, at[k]);
		near(got->by_lookahead[k].accuracy, (double)at_right[k] / (double)at[k], 1e-12);
		differs = differs || at_right[k] != right;
	}
	assert_true(differs || head == CAUSAL); /* or nothing was shown */
	assert_int_equal(flips > 0, head != CAUSAL);
	near(got->flips_per_100_notes, 100.0 * (double)flips / (double)notes, 1e-9);
	qsort(stable, notes, sizeof *stable, by_size);
	near(got->stable_median_ms, stable[(notes + 1) / 2 - 1], 0);
	near(got->stable_p90_ms, stable[(notes * 9 + 9) / 10 - 1], 0);
	assert_int_equal(got->stable_p90_ms > 0, head != CAUSAL);
}

/* ---- tests ---- */

static void evaluate(int head, const struct engine_options *engine, double bpm, int threads, struct live_evaluation *got)
{
	const struct evaluate_live_options options = {
	    .engine = *engine, .bpm = bpm, .threads = threads, .set = EVALUATE_ALL_SETS};
	struct error error = {0};
	if (evaluate_live(model, head, &dataset, &options, got, &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

static void notes_equal_the_messages(void **state)
{
	static const int notes[PIECES] = {60, 45, 3};
	static const double bpms[] = {0, 120, 97};
	struct live_evaluation got;
	(void)state;
	read_pieces(BPM_OF_FILES, REST, notes);
	for (size_t i = 0; i < sizeof bpms / sizeof *bpms; i++)
		for (int k = 0; k < 3; k++) {
			static const int heads[] = {MELODY, VELOCITY, CAUSAL};
			int head = heads[k];
			evaluate(head, &patient, bpms[i], 0, &got);
			assert_int_equal(got.files, PIECES);
			/* Of the hidden velocity's class, which is not on the wire, a message comes only beside other news.
			 */
			count_notes(head, &patient, bpms[i], head != VELOCITY, &got);
			/* Time-outs finalise before all has been heard; the messages do not tell when the label changed. */
			evaluate(head, &hurried, bpms[i], 0, &got);
			count_notes(head, &hurried, bpms[i], false, &got);
		}
}

/* By hand: a chord of two, then a single note, then the end. */
static void counts_later_notes(void **state)
{
	static const int nothing[PIECES] = {60, 0, 0};
	struct midi_bytes midi;
	struct live_evaluation got;
	struct error error;
	(void)state;
	read_pieces(BPM_OF_FILES, REST, nothing);
	midi_header(&midi, 0, 1, 480);
	midi_track(&midi,
		   "00 ff 03 06 4d 45 4c 4f 44 59 00 90 40 40 00 90 44 40 60 90 48 40 60 80 40 00 00 80 44 00 00 80 48 00");
	FILE *file = fopen(piece_file[0], "wb");
	assert_true(file && fwrite(midi.bytes, midi.size, 1, file) == 1 && fclose(file) == 0);
	piece_free(&dataset.pieces[0]);
	assert_int_equal(dataset_read_file(piece_file[0], &dataset.pieces[0], &error), STATUS_OK);
	evaluate(MELODY, &patient, 120, 0, &got);
	assert_int_equal(got.files, 1);
	assert_int_equal(got.skipped, 2);
	assert_int_equal(got.metrics.count, 3);
	for (int k = 0; k < LIVE_LOOKAHEADS; k++)
		assert_int_equal(got.by_lookahead[k].count, live_lookaheads[k] < 3 ? 3 - live_lookaheads[k] : 0);
}

static void hears_the_grid(void **state)
{
	static const int notes[PIECES] = {60, 45, 30};
	struct live_evaluation file, fixed, other;
	(void)state;
	/* Files at 120 bpm from tick 0: their own grid is the steady one. */
	read_pieces(120, 0, notes);
	evaluate(VELOCITY, &patient, 0, 0, &file);
	evaluate(VELOCITY, &patient, 120, 0, &fixed);
	evaluate(VELOCITY, &patient, 97, 0, &other);
	assert_memory_equal(&file, &fixed, sizeof file);
	assert_true(fabs(other.metrics.mae - fixed.metrics.mae) > 1e-6);
	read_pieces(BPM_OF_FILES, REST, notes);
	evaluate(VELOCITY, &patient, 0, 0, &file);
	evaluate(VELOCITY, &patient, 120, 0, &fixed);
	assert_true(fabs(file.metrics.mae - fixed.metrics.mae) > 1e-6);
}

static void threads_change_nothing(void **state)
{
	static const int notes[PIECES] = {60, 45, 30};
	struct live_evaluation one, more;
	(void)state;
	read_pieces(BPM_OF_FILES, REST, notes);
	label_piece(1, "ada");
	label_piece(2, "bob");
	for (int head = MELODY; head <= STYLE; head++)
		for (int threads = 2; threads <= 5; threads++) {
			evaluate(head, &hurried, 120, 1, &one);
			evaluate(head, &hurried, 120, threads, &more);
			assert_memory_equal(&one, &more, sizeof one);
		}
}

static int most_probable(const struct prediction *verdict)
{
	int best = 0;
	for (int c = 1; c < verdict->classes; c++)
		if (verdict->probability[c] > verdict->probability[best])
			best = c;
	return best;
}

static void style_equals_the_messages(void **state)
{
	static const int notes[PIECES] = {90, 5, 0};
	static struct listened listened;
	const struct head_spec *spec = &model_shape(model)->head[STYLE];
	size_t said[CLASSES_MAX] = {0};
	bool came_late = false, was_lost = false;
	struct live_evaluation got;
	(void)state;
	read_pieces(BPM_OF_FILES, REST, notes);
	listen(&dataset.pieces[0], PREDICT_STYLE, &patient, 120, &listened);
	assert_in_range(listened.verdicts, 5, NOTES_MAX);
	int last = most_probable(&listened.verdict[listened.verdicts - 1]);
	for (int i = 0; i < listened.verdicts; i++)
		said[most_probable(&listened.verdict[i])]++;
	label_piece(1, spec->label[0]); /* too short to be judged */
	for (int truth = 0; truth < spec->classes; truth++) {
		double first = INFINITY, stays = INFINITY;
		label_piece(0, spec->label[truth]);
		evaluate(STYLE, &patient, 120, 0, &got);
		for (int i = 0; i < listened.verdicts; i++) {
			bool right = most_probable(&listened.verdict[i]) == truth;
			double seconds = (double)(listened.verdict_us[i] - dataset.pieces[0].notes[0].onset_us) / 1e6;
			first = right && seconds < first ? seconds : first;
			stays = !right ? (double)INFINITY : isinf(stays) ? seconds : stays;
		}
		came_late = came_late || (stays > first && !isinf(stays));
		was_lost = was_lost || (!isinf(first) && isinf(stays));
		assert_int_equal(got.files, 2);
		assert_int_equal(got.skipped, 1);
		assert_int_equal(got.unanswered, 1);
		assert_int_equal(got.metrics.count, 1);
		near(got.metrics.accuracy, truth == last, 0);
		assert_int_equal(got.answers.count, listened.verdicts);
		near(got.answers.accuracy, (double)said[truth] / listened.verdicts, 1e-12);
		/* Of two pieces the earlier one is the median; the short one is never right. */
		assert_int_equal(got.first_right.never, 1 + isinf(first));
		assert_int_equal(got.stays_right.never, 1 + isinf(stays));
		assert_true(got.first_right.median_s == first);
		assert_true(got.stays_right.median_s == stays);
	}
	assert_true(came_late || was_lost); /* or first and stays are the same thing here */
}

static void expect(enum status wanted, const char *text, int head, const struct evaluate_live_options *options)
{
	struct live_evaluation got;
	struct error error = {0};
	assert_int_equal(evaluate_live(model, head, &dataset, options, &got, &error), wanted);
	if (!strstr(error.text, text))
		fail_msg("%s: no %s", error.text, text);
}

static void refuses(void **state)
{
	static const int notes[PIECES] = {20, 20, 20};
	struct evaluate_live_options options = {.engine = patient, .bpm = 120, .set = EVALUATE_ALL_SETS};
	(void)state;
	read_pieces(BPM_OF_FILES, REST, notes);
	label_piece(0, "ada");
	expect(STATUS_UNSUPPORTED, "style_other is not among", OTHER_STYLE, &options);
	label_piece(0, "nobody");
	expect(STATUS_NOT_FOUND, "no piece has a label", STYLE, &options);
	options.engine.window = 65;
	expect(STATUS_USAGE, "allows 1 to 64", MELODY, &options);
	options.engine.window = 0;
	options.bpm = 15;
	expect(STATUS_USAGE, "15 bpm", MELODY, &options);
	options.bpm = 120;
	options.set = 1;
	expect(STATUS_NOT_FOUND, "no piece", MELODY, &options);
	options.set = EVALUATE_ALL_SETS;
	write_piece(piece_file[1], 1, 21, BPM_OF_FILES, 0);
	expect(STATUS_BAD_DATA, "has changed", MELODY, &options);
	assert_int_equal(unlink(piece_file[1]), 0);
	expect(STATUS_NOT_FOUND, piece_file[1], MELODY, &options);
}

static int set_up(void **state)
{
	static const char *const others[] = {"x", "ada"};
	struct model_shape shape = tiny_shape(4, 4);
	struct error error;
	(void)state;
	/* Sure of everything, so that messages tell the most probable class. */
	shape.head[MELODY].unknown_below = 0;
	shape.head[STYLE].unknown_below = 0;
	tiny_head(&shape, "style_other", HEAD_SEQUENCE, SETTING_PLAYED, 2, others, 0);
	if (!mkdtemp(folder))
		return -1;
	snprintf(model_file, sizeof model_file, "%s/model", folder);
	for (int i = 0; i < PIECES; i++)
		snprintf(piece_file[i], sizeof piece_file[i], "%s/%d.mid", folder, i);
	return tiny_model_write(&shape, 3, model_file, &error) || model_load(model_file, &model, &error) ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	dataset_free(&dataset);
	model_free(model);
	for (int i = 0; i < PIECES; i++)
		unlink(piece_file[i]);
	unlink(model_file);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(notes_equal_the_messages),
	    cmocka_unit_test(counts_later_notes),
	    cmocka_unit_test(hears_the_grid),
	    cmocka_unit_test(threads_change_nothing),
	    cmocka_unit_test(style_equals_the_messages),
	    cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
