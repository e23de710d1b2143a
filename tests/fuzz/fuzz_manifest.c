/* libFuzzer: any bytes as a manifest. Every entry is either usable or says why it is not. */
#include "train/manifest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                                                  \
	do {                                                                                                                \
		if (!(condition))                                                                                           \
			abort();                                                                                            \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct manifest manifest;
	struct error error;
	size_t line = 0, total = 0;

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
