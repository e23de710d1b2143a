/* The table of backends and the choice among them. Set-up threads. Knows no kernel. */
#include "model/backends.h"

#include <stdio.h>
#include <string.h>

/* By precision and preference: of each precision the first that runs here is its best; "auto" is the first of all. */
static const struct backend *const table[] = {&backend_avx512_bf16, &backend_openblas};

#define BACKENDS (int)(sizeof table / sizeof *table)

const struct backend *backend_at(int index)
{
	return index >= 0 && index < BACKENDS ? table[index] : NULL;
}

const struct backend *backend_reference(void)
{
	return &backend_openblas;
}

static bool runs(const struct backend *backend)
{
	return !backend->missing || !backend->missing();
}

/* " openblas avx512-bf16 ...": what runs here. */
static void list(char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (int i = 0; i < BACKENDS; i++) {
		if (!runs(table[i]))
			continue;
		int length = snprintf(text + used, size - used, " %s", table[i]->name);
		if (length < 0 || (size_t)length >= size - used)
			return;
		used += (size_t)length;
	}
}

enum status backend_find(const char *name, const struct backend **backend, struct error *error)
{
	char here[256];
	const struct backend *absent = NULL;
	bool automatic = strcmp(name, "auto") == 0;
	for (int i = 0; i < BACKENDS; i++) {
		if (!automatic && strcmp(name, table[i]->name) != 0 && strcmp(name, table[i]->precision) != 0)
			continue;
		if (runs(table[i])) {
			*backend = table[i];
			return STATUS_OK;
		}
		absent = absent ? absent : table[i];
	}
	list(here, sizeof here);
	if (absent)
		return status_fail(error, STATUS_UNSUPPORTED, "backend %s: %s; here run%s", name, absent->missing(), here);
	return status_fail(error, STATUS_USAGE,
			   "backend %.40s: not known; give auto, a precision (fp32, bf16, int8) or one that runs here:%s",
			   name, here);
}
