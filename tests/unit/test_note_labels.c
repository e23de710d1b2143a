/* Labels of single notes: what is taken, what is refused and where, and the file beside its MIDI file. */
#define _GNU_SOURCE
#include "train/note_labels.h"
#include "train/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTES 12

static struct piece made_piece(void)
{
	struct piece piece = {.count = NOTES, .notes = calloc(NOTES, sizeof *piece.notes)};
	assert_non_null(piece.notes);
	for (int i = 0; i < NOTES; i++)
		piece.notes[i].label = NOTE_LABEL_NONE;
	return piece;
}

static enum status parse(const char *text, struct piece *piece, struct error *error)
{
	*piece = made_piece();
	return note_labels_parse(text, strlen(text), "x.labels.tsv", piece, error);
}

static void test_takes(void **state)
{
	(void)state;
	struct piece piece;
	struct error error = {0};
	const struct task task = {.kind = TASK_NOTE, .classes = 2, .label = {"legato", "staccato"}};
	if (parse("\xef\xbb\xbf"
		  "2\tstaccato\r\n\n12\tlegato\n1\tstaccato\n3\tsforzato",
		  &piece, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	static const int expected[NOTES] = {1, 1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0};
	for (int i = 0; i < NOTES; i++) /* sforzato is no class of the task */
		assert_int_equal(task_note_class(&task, &piece, &piece.notes[i]), expected[i]);
	assert_true(task_has_truth(&task, &piece));
	assert_int_equal(piece.name_count, 3);
	piece_free(&piece);
	assert_int_equal(parse("", &piece, &error), STATUS_OK);
	assert_false(task_has_truth(&task, &piece));
	piece_free(&piece);
}

static void refuses(const char *text, const char *said)
{
	struct piece piece;
	struct error error = {0};
	assert_int_equal(parse(text, &piece, &error), STATUS_BAD_DATA);
	if (!strstr(error.text, said))
		fail_msg("%s: said \"%s\", not \"%s\"", text, error.text, said);
	piece_free(&piece);
}

static void test_refuses(void **state)
{
	(void)state;
	refuses("1\ta\n13\tb\n", "x.labels.tsv: line 2: note 13 of a piece of 12 notes");
	refuses("0\ta\n", "line 1: note 0 of a piece of 12 notes");
	refuses("\ta\n", "line 1: note 0 of");
	refuses("one\ta\n", "line 1: no note number of 1 to 12");
	refuses("99999999999999999999999\ta\n", "line 1: no note number of 1 to 12");
	refuses("-1\ta\n", "line 1: no note number");
	refuses("1\n", "line 1: after the tab goes a label");
	refuses("1\t\n", "line 1: after the tab goes a label");
	refuses("1\ta\tb\n", "line 1: after the tab goes a label");
	refuses("1\ta,b\n", "line 1: after the tab goes a label");
	refuses("1\ta-label-of-more-than-thirty-one-bytes\n", "line 1: after the tab goes a label");
	refuses("1\ta\n\n1\tb\n", "line 3: note 1 has a label already");
}

static void test_too_many(void **state)
{
	(void)state;
	struct piece piece = {.count = NOTE_LABELS_MAX + 1, .notes = calloc(NOTE_LABELS_MAX + 1, sizeof *piece.notes)};
	struct error error = {0};
	char text[16 * (NOTE_LABELS_MAX + 1)] = "";
	size_t used = 0;
	for (size_t i = 0; i < piece.count; i++) {
		piece.notes[i].label = NOTE_LABEL_NONE;
		used += (size_t)snprintf(text + used, sizeof text - used, "%zu\tl%zu\n", i + 1, i);
	}
	assert_int_equal(note_labels_parse(text, used, "x.labels.tsv", &piece, &error), STATUS_BAD_DATA);
	assert_non_null(strstr(error.text, "line 128: more than 127 different labels"));
	piece_free(&piece);
}

static void test_beside_the_file(void **state)
{
	(void)state;
	char folder[] = "/tmp/midibertd-test-labels.d-XXXXXX", path[128];
	struct piece piece = made_piece();
	struct error error = {0};
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/take.labels.tsv", folder);
	FILE *file = fopen(path, "w");
	assert_true(file && fputs("4\tx\n", file) >= 0 && fclose(file) == 0);
	snprintf(path, sizeof path, "%s/other.mid", folder);
	assert_int_equal(note_labels_read(path, &piece, &error), STATUS_OK);
	assert_int_equal(piece.name_count, 0);
	snprintf(path, sizeof path, "%s/take.mid", folder);
	assert_int_equal(note_labels_read(path, &piece, &error), STATUS_OK);
	assert_string_equal(piece.names[piece.notes[3].label], "x");
	piece_free(&piece);
	snprintf(path, sizeof path, "%s/take.labels.tsv", folder);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_takes),
	    cmocka_unit_test(test_refuses),
	    cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_beside_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
