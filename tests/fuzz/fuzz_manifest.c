/* libFuzzer: any bytes as a manifest, and as labels of a piece's notes. Every entry is either usable or says why it is not;
 * labels are of notes that are there, and no longer than a head's. */
#include "train/manifest.h"
#include "train/note_labels.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                                                  \
	do {                                                                                                                \
		if (!(condition))                                                                                           \
			abort();                                                                                            \
	} while (0)

static void fuzz_labels(const uint8_t *bytes, size_t size)
{
	struct piece piece = {.count = 20, .notes = calloc(20, sizeof *piece.notes)};
	struct error error;
	for (int i = 0; piece.notes && i < 20; i++)
		piece.notes[i].label = NOTE_LABEL_NONE;
	if (piece.notes)
		note_labels_parse((const char *)bytes, size, "folder/take.labels.tsv", &piece, &error);
	for (int i = 0; i < piece.name_count; i++)
		REQUIRE(piece.names[i][0] && strlen(piece.names[i]) < LABEL_NAME_MAX && !strpbrk(piece.names[i], ",\t\n"));
	for (int i = 0; piece.notes && i < 20; i++)
		REQUIRE(piece.notes[i].label >= NOTE_LABEL_NONE && piece.notes[i].label < piece.name_count);
	piece_free(&piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct manifest manifest;
	struct error error;
	size_t line = 0, total = 0;

	fuzz_labels(bytes, size);
	if (manifest_parse((const char *)bytes, size, "folder/list.tsv", &manifest, &error))
		return 0;
	for (size_t i = 0; i < manifest.count; i++) {
		const struct manifest_entry *entry = &manifest.entries[i];

		REQUIRE(entry->line > line);
		line = entry->line;
		REQUIRE(!entry->path == !!entry->problem);
		REQUIRE(!entry->label || (entry->label[0] && !strpbrk(entry->label, "\t\n")));
		if (!entry->path)
			continue;
		REQUIRE(entry->path[0] == '/' || (strncmp(entry->path, "folder/", 7) == 0 && entry->path[7]));
		REQUIRE(!strpbrk(entry->path, "\t\n"));
		total += strlen(entry->path) + (entry->label ? strlen(entry->label) : 0);
	}
	REQUIRE(total <= size + manifest.count * strlen("folder/"));
	manifest_free(&manifest);
	return 0;
}
