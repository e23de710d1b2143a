/* Manifests and datasets: lines of every kind, files good and bad, labels by track name, order of arrival. */
#define _POSIX_C_SOURCE 200809L
#include "train/dataset.h"
#include "train/manifest.h"
#include "tests/support/midi_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/midibertd-dataset-XXXXXX";
static char path_text[8][256];

static const char *path_of(int slot, const char *name)
{
	snprintf(path_text[slot], sizeof path_text[slot], "%s/%s", folder, name);
	return path_text[slot];
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *stream = fopen(path_of(7, name), "wb");

	assert_non_null(stream);
	assert_int_equal(fwrite(bytes, 1, size, stream), size);
	assert_int_equal(fclose(stream), 0);
}

#define PIANO_FILE "it\xe2\x80\x99s a piece.mid" /* with a typographic apostrophe */

static int set_up(void **state)
{
	struct midi_bytes midi;

	(void)state;
	if (!mkdtemp(folder) || mkdir(path_of(0, "sub"), 0777))
		return -1;
	midi_header(&midi, 1, 4, 16);
	midi_track(&midi, "00 ff 03 05 50 49 41 4e 4f  00 90 30 28  20 80 30 00");
	midi_track(&midi, "00 ff 03 06 42 52 49 44 47 45  08 90 40 32  10 80 40 00");
	midi_track(&midi, "00 ff 03 06 4d 45 4c 4f 44 59  08 90 3c 3c  40 80 3c 00");
	midi_track(&midi, "00 ff 03 05 70 69 61 6e 6f  50 90 50 46");
	write_file("pop.mid", midi.bytes, midi.size);
	midi_header(&midi, 0, 1, 480);
	midi_track(&midi, "00 90 3c 40  83 60 80 3c 00  00 99 24 40  81 70 90 3e 41");
	write_file("sub/" PIANO_FILE, midi.bytes, midi.size);
	write_file("broken.mid", midi.bytes, midi.size - 1);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"pop.mid", "sub/" PIANO_FILE, "broken.mid", "one.tsv", "two.tsv", "sub", ""};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		remove(path_of(0, names[i]));
	return 0;
}

static void test_manifest_lines(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "a.mid\r\n"
				   "\r\n"
				   "  \t\n"
				   "b\xe2\x80\x99s file.mid\tQ1 \xc3\xa9\r\n"
				   "c.mid\t\n"
				   "\tlabel\n"
				   "d.mid\tx\ty\n"
				   "z\0z.mid\n"
				   "/abs/e.mid\tQ2";
	struct manifest manifest;
	struct error error = {0};

	(void)state;
	assert_int_equal(manifest_parse(text, sizeof text - 1, "dir/list.tsv", &manifest, &error), STATUS_OK);
	assert_int_equal(manifest.count, 7);
	assert_string_equal(manifest.entries[0].path, "dir/a.mid");
	assert_null(manifest.entries[0].label);
	assert_string_equal(manifest.entries[1].path, "dir/b\xe2\x80\x99s file.mid");
	assert_string_equal(manifest.entries[1].label, "Q1 \xc3\xa9");
	assert_int_equal(manifest.entries[1].line, 4);
	assert_string_equal(manifest.entries[2].path, "dir/c.mid");
	assert_null(manifest.entries[2].label);
	assert_non_null(manifest.entries[3].problem);
	assert_int_equal(manifest.entries[3].line, 6);
	assert_non_null(manifest.entries[4].problem);
	assert_null(manifest.entries[4].path);
	assert_non_null(manifest.entries[5].problem);
	assert_string_equal(manifest.entries[6].path, "/abs/e.mid");
	assert_string_equal(manifest.entries[6].label, "Q2");
	manifest_free(&manifest);
	assert_int_equal(manifest_parse("a.mid", 5, "list.tsv", &manifest, &error), STATUS_OK);
	assert_string_equal(manifest.entries[0].path, "a.mid");
	manifest_free(&manifest);
	assert_int_equal(manifest_parse("", 0, "list.tsv", &manifest, &error), STATUS_OK);
	assert_int_equal(manifest.count, 0);
	manifest_free(&manifest);
}

/* 16 ticks a quarter. By arrival: 48 of PIANO at 0; 60 of MELODY before 64 of BRIDGE at 8; 80 of "piano", no label, at 80,
 * which nothing ends: it has no length. */
static void assert_pop(const struct piece *piece)
{
	static const int expected[4][5] = {{48, 0, 32, 40, MELODY_ACCOMPANIMENT},
					   {60, 8, 64, 60, MELODY_MELODY},
					   {64, 8, 16, 50, MELODY_BRIDGE},
					   {80, 80, 0, 70, MELODY_NONE}};

	assert_int_equal(piece->count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct piece_note *note = &piece->notes[i];

		assert_int_equal(note->pitch, expected[i][0]);
		assert_int_equal(note->position, expected[i][1]);
		assert_int_equal(note->duration_positions, expected[i][2]);
		assert_int_equal(note->velocity, expected[i][3]);
		assert_int_equal(note->melody, expected[i][4]);
		assert_int_equal(note->onset_us, expected[i][1] * 31250);
		assert_int_equal(note->end_us, (expected[i][1] + expected[i][2]) * 31250);
		assert_int_equal(note->place.bar, expected[i][1] / 64);
		assert_int_equal(note->place.position, expected[i][1] % 64);
	}
}

static void test_read_file(void **state)
{
	struct piece piece;
	struct error error = {0};

	(void)state;
	assert_int_equal(dataset_read_file(path_of(0, "pop.mid"), &piece, &error), STATUS_OK);
	assert_string_equal(piece.path, path_text[0]);
	assert_null(piece.label);
	assert_pop(&piece);
	piece_free(&piece);
	assert_int_equal(dataset_read_file(path_of(0, "broken.mid"), &piece, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "broken.mid: byte "));
	assert_null(piece.notes);
	assert_int_equal(dataset_read_file(path_of(0, "none.mid"), &piece, &error), STATUS_NOT_FOUND);
	assert_null(piece.path);
}

/* Standard error of a call, in *text. */
static void capture(char *text, size_t size, void (*call)(void *), void *context)
{
	FILE *file = tmpfile();
	int saved = dup(2);
	size_t got;

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), 2);
	call(context);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	rewind(file);
	got = fread(text, 1, size - 1, file);
	text[got] = '\0';
	fclose(file);
}

struct reading {
	const char *manifests[2];
	struct dataset dataset;
	enum status status;
};

static void read_dataset(void *context)
{
	struct reading *reading = context;
	struct error error = {0};

	reading->status = dataset_read(reading->manifests, 2, &reading->dataset, &error);
}

static void test_read_manifests(void **state)
{
	static const char one[] = "pop.mid\tpop\r\nbroken.mid\n\nsub/" PIANO_FILE "\tpiano\r\nnone.mid\n\tx\npop.mid\n";
	static const char two[] = "pop.mid";
	struct reading reading = {{path_of(0, "one.tsv"), path_of(1, "two.tsv")}, {0}, STATUS_OK};
	const struct dataset *dataset = &reading.dataset;
	char text[2048];

	(void)state;
	write_file("one.tsv", one, sizeof one - 1);
	write_file("two.tsv", two, sizeof two - 1);
	capture(text, sizeof text, read_dataset, &reading);
	assert_int_equal(reading.status, STATUS_OK);
	assert_int_equal(dataset->count, 4);
	assert_int_equal(dataset->skipped, 3);
	assert_int_equal(dataset->notes, 4 + 2 + 4 + 4);
	assert_pop(&dataset->pieces[0]);
	assert_string_equal(dataset->pieces[0].label, "pop");
	assert_string_equal(dataset->pieces[1].label, "piano");
	assert_null(dataset->pieces[2].label);
	assert_pop(&dataset->pieces[3]);
	assert_int_equal(dataset->pieces[2].set, 0);
	assert_int_equal(dataset->pieces[3].set, 1);

	/* 480 ticks a quarter: 60 lasts one quarter; 62 begins 240 ticks later, at position 24; channel 10 is left out. */
	const struct piece *piano = &dataset->pieces[1];

	assert_int_equal(piano->count, 2);
	assert_int_equal(piano->notes[0].duration_positions, 16);
	assert_int_equal(piano->notes[1].position, 24);
	assert_int_equal(piano->notes[1].onset_us, 750000);

	/* each is named once, in the order of the lines */
	const char *broken = strstr(text, "one.tsv: line 2: "), *none = strstr(text, "one.tsv: line 5: ");
	const char *pathless = strstr(text, "one.tsv: line 6 has no path");

	assert_true(broken && none && pathless && broken < none && none < pathless);
	assert_non_null(strstr(broken, "broken.mid: byte "));
	dataset_free(&reading.dataset);
	assert_null(reading.dataset.pieces);
}

static void test_unreadable_manifest(void **state)
{
	const char *manifests[] = {path_of(0, "two.tsv"), path_of(1, "none.tsv")};
	struct dataset dataset;
	struct error error = {0};

	(void)state;
	write_file("two.tsv", "pop.mid\n", 8);
	assert_int_equal(dataset_read(manifests, 2, &dataset, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "none.tsv"));
	assert_null(dataset.pieces);
	assert_int_equal(dataset.count, 0);
}

/* Many files: two threads give the order of the lines, every time. */
static void test_order_is_the_manifests(void **state)
{
	static char text[400 * 16 + 1];
	size_t size = 0;
	const char *manifests[] = {path_of(0, "one.tsv")};
	struct dataset dataset;
	struct error error = {0};

	(void)state;
	for (int i = 0; i < 400; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "pop.mid\t%d\n", i);
	write_file("one.tsv", text, size);
	assert_int_equal(dataset_read(manifests, 1, &dataset, &error), STATUS_OK);
	assert_int_equal(dataset.count, 400);
	for (int i = 0; i < 400; i++) {
		assert_int_equal(atoi(dataset.pieces[i].label), i);
		assert_pop(&dataset.pieces[i]);
	}
	dataset_free(&dataset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_manifest_lines),	   cmocka_unit_test(test_read_file),
	    cmocka_unit_test(test_read_manifests),	   cmocka_unit_test(test_unreadable_manifest),
	    cmocka_unit_test(test_order_is_the_manifests),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
