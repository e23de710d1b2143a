/* The table of backends and the choice among them. Set-up threads. Knows no kernel. */
#include "model/backends.h"

#include <stdio.h>
#include <string.h>

/* Of each precision the first that runs here is its best; "auto" is the first of all that runs, and none comes after
 * OpenBLAS: the rest must be asked for. */
static const struct backend *const table[] = {
    &backend_avx512_int8, &backend_avx512_bf16, &backend_neon_int8,  &backend_avx2_int8,
    &backend_neon_fp32,	  &backend_avx2_fp32,	&backend_openblas,   &backend_onednn_bf16,
    &backend_onednn_int8, &backend_plain_fp32,	&backend_plain_int8,
};

#define BACKENDS (int)(sizeof table / sizeof *table)

const struct backend *backend_at(int index)
{
	return index >= 0 && index < BACKENDS ? table[index] : NULL;
}

const struct backend *backend_reference(void)
{
	return &backend_openblas;
}

bool backend_runs(const struct backend *backend)
{
	return !backend->missing || !backend->missing();
}

const char *backend_name(const char *name)
{
	static const char *const others[] = {"auto", "fp32", "bf16", "int8"};
	for (int i = 0; i < 4; i++)
		if (strcmp(name, others[i]) == 0)
			return others[i];
	for (int i = 0; i < BACKENDS; i++)
		if (strcmp(name, table[i]->name) == 0)
			return table[i]->name;
	return NULL;
}

void backend_tell(const struct backend *backend, char *text, size_t size)
{
	if (backend_runs(backend))
		snprintf(text, size, "%s: %s", backend->name, backend->describe());
	else
		snprintf(text, size, "%s: not here, %s", backend->name, backend->missing());
}

void backend_tell_why(const struct backend *backend, const char *name, char *text, size_t size)
{
	bool automatic = strcmp(name, "auto") == 0, exact = strcmp(name, backend->name) == 0;
	snprintf(text, size, "%s: %s, %s%.40s", backend->name, backend->describe(),
		 automatic ? "the first choice of those that run here (auto)"
		 : exact   ? "as asked for"
			   : "the best here of ",
		 automatic || exact ? "" : name);
}

void backend_list(FILE *file)
{
	char text[200];
	for (int i = 0; i < BACKENDS; i++) {
		backend_tell(table[i], text, sizeof text);
		fprintf(file, "backend %s\n", text);
	}
}

/* " openblas avx512-bf16 ...": what runs here. */
static void names(char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (int i = 0; i < BACKENDS; i++) {
		if (!backend_runs(table[i]))
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
		if (backend_runs(table[i])) {
			*backend = table[i];
			return STATUS_OK;
		}
		absent = absent ? absent : table[i];
	}
	names(here, sizeof here);
	if (absent)
		return status_fail(error, STATUS_UNSUPPORTED, "backend %s: %s; here run%s", name, absent->missing(), here);
	return status_fail(error, STATUS_USAGE,
			   "backend %.40s: not known; give auto, a precision (fp32, bf16, int8) or one that runs here:%s",
			   name, here);
}
