/* The head of a journal as lines and back, see take_head.h. Main and recorder's thread; opens nothing but the MIDI file
 * whose tempo map it copies. */
#define _GNU_SOURCE
#include "daemon/take_head.h"

#include "daemon/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAP_MAX 100000 /* tempo changes or signatures of a head that is read */

/* ---- from what is running ---- */

/* The lines of options_print whose option was given: presets may be limited by the weights, what was given may not. And the
 * window, where this machine could not hold the budget with the preset one. */
static char *given_settings(const struct options *options, const struct setup *setup)
{
	char *all = NULL, *given = NULL;
	size_t size = 0, given_size = 0;
	FILE *out = open_memstream(&all, &size), *chosen = open_memstream(&given, &given_size);
	if (out)
		options_print(options, out);
	if (out && fclose(out) != 0)
		size = 0;
	for (char *line = size > 0 ? strtok(all, "\n") : NULL; line && chosen; line = strtok(NULL, "\n")) {
		char name[64];
		if (sscanf(line, "%63s", name) == 1 && options_is_given(options, name))
			fprintf(chosen, "set %s\n", line);
	}
	if (chosen && setup->narrowed)
		fprintf(chosen, "set window = %d\n", setup->window);
	free(all);
	if (!out || !chosen || fclose(chosen) != 0) {
		free(given);
		return NULL;
	}
	return given;
}

enum status take_head_fill(struct take_head *head, const struct options *options, const struct setup *setup,
			   int64_t start_us, struct error *error)
{
	*head = (struct take_head){.start_us = start_us, .bpm = setup->bpm};
	snprintf(head->model, sizeof head->model, "%s", model_path(setup->model));
	snprintf(head->sha256, sizeof head->sha256, "%s", model_sha256(setup->model));
	snprintf(head->backend, sizeof head->backend, "%s", model_backend(setup->model)->name);
	snprintf(head->version, sizeof head->version, "%s", MIDIBERTD_VERSION);
	head->settings = given_settings(options, setup);
	if (!head->settings)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the recorder");
	return setup->file_grid ? smf_read(options->path, &head->map, error) : STATUS_OK;
}

void take_head_set_session(struct take_head *head, const char *session, const char *source)
{
	snprintf(head->session, sizeof head->session, "%s", session);
	snprintf(head->source, sizeof head->source, "%s", source);
}

void take_head_set_input(struct take_head *head, int input, const char *name)
{
	if (input >= 0 && input < INPUTS_MAX)
		snprintf(head->input[input], sizeof head->input[input], "%s", name);
}

void take_head_set_identity(struct take_head *head, int input, const char *identity)
{
	if (input >= 0 && input < INPUTS_MAX)
		snprintf(head->identity[input], sizeof head->identity[input], "%s", identity);
}

void take_head_free(struct take_head *head)
{
	free(head->settings);
	smf_free(head->map);
	*head = (struct take_head){0};
}

/* ---- writing ---- */

static void write_map(FILE *out, const struct smf *map)
{
	fprintf(out, "division %" PRId32 "\n", map->ticks_per_quarter);
	for (size_t i = 0; i < map->tempo_count; i++)
		fprintf(out, "tempo %" PRId64 " %" PRIu32 "\n", map->tempos[i].tick, map->tempos[i].us_per_quarter);
	for (size_t i = 0; i < map->signature_count; i++)
		fprintf(out, "signature %" PRId64 " %u %u\n", map->signatures[i].tick, map->signatures[i].numerator,
			map->signatures[i].denominator);
}

char *take_head_text(const struct take_head *head, double bpm, size_t *length)
{
	char *text = NULL, stamp[40];
	time_t now = time(NULL);
	struct tm utc;
	FILE *out = open_memstream(&text, length);
	if (!out)
		return NULL;
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	fprintf(out, JOURNAL_MAGIC "\nwritten %s\nversion %s\nstart_us %" PRId64 "\nsession %s\nsource %s\n", stamp,
		head->version, head->start_us, head->session, head->source);
	fprintf(out, "model %s\nsha256 %s\nbackend %s\nbpm %.17g\n%s", head->model, head->sha256, head->backend, bpm,
		head->settings);
	if (head->map)
		write_map(out, head->map);
	for (int i = 0; i < INPUTS_MAX; i++) {
		if (head->identity[i][0] != '\0')
			fprintf(out, "D %d %s\n", i, head->identity[i]);
		if (head->input[i][0] != '\0')
			fprintf(out, "N %d %s\n", i, head->input[i]);
	}
	fputc('\n', out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- reading ---- */

static enum status copy(char *to, size_t size, const char *text, struct error *error)
{
	if (strlen(text) >= size)
		return status_fail(error, STATUS_BAD_DATA, "a value is too long");
	snprintf(to, size, "%s", text);
	return STATUS_OK;
}

static enum status add_setting(struct take_head *head, const char *text, struct error *error)
{
	char *grown = NULL;
	if (asprintf(&grown, "%s%s\n", head->settings ? head->settings : "", text) < 0)
		return status_fail(error, STATUS_NO_MEMORY, "no memory");
	free(head->settings);
	head->settings = grown;
	return STATUS_OK;
}

static enum status read_number(double *number, const char *text, double low, double high, struct error *error)
{
	char *end;
	*number = strtod(text, &end);
	if (end == text || *end != '\0' || !(*number >= low && *number <= high))
		return status_fail(error, STATUS_BAD_DATA, "%.40s is no number from %g to %g", text, low, high);
	return STATUS_OK;
}

/* One more item at the end of an array of a map; NULL without memory or beyond all bounds. */
static void *grow(void *items, size_t *count, size_t size, void **item)
{
	void *grown = *count < MAP_MAX ? realloc(items, (*count + 1) * size) : NULL;
	if (!grown) {
		*item = NULL;
		return items;
	}
	*item = (char *)grown + *count * size;
	memset(*item, 0, size);
	++*count;
	return grown;
}

static enum status read_map(struct take_head *head, const char *key, const char *value, struct error *error)
{
	int64_t tick = 0;
	unsigned a = 0, b = 0;
	void *item;
	if (!head->map)
		head->map = calloc(1, sizeof *head->map);
	if (!head->map)
		return status_fail(error, STATUS_NO_MEMORY, "no memory");
	struct smf *map = head->map;
	if (strcmp(key, "division") == 0) {
		double division;
		enum status status = read_number(&division, value, 1, 1e9, error);
		map->ticks_per_quarter = status == STATUS_OK ? (int32_t)division : 0;
		return status;
	}
	int values = sscanf(value, "%" SCNd64 " %u %u", &tick, &a, &b);
	bool tempo = strcmp(key, "tempo") == 0;
	if (map->ticks_per_quarter == 0 || values != (tempo ? 2 : 3) || tick < 0 || tick > SMF_TICK_MAX ||
	    a > (tempo ? 0xffffff : 65535) || b > 65535)
		return status_fail(error, STATUS_BAD_DATA, "no %s of a tempo map", key);
	if (tempo) {
		map->tempos = grow(map->tempos, &map->tempo_count, sizeof *map->tempos, &item);
		if (item)
			*(struct smf_tempo *)item = (struct smf_tempo){.tick = tick, .us_per_quarter = a};
	} else {
		map->signatures = grow(map->signatures, &map->signature_count, sizeof *map->signatures, &item);
		if (item)
			*(struct smf_signature *)item =
			    (struct smf_signature){.tick = tick, .numerator = (uint16_t)a, .denominator = (uint16_t)b};
	}
	return item ? STATUS_OK : status_fail(error, STATUS_NO_MEMORY, "no memory for its tempo map");
}

enum status take_head_read(struct take_head *head, const char *line, bool *is_head, struct error *error)
{
	char key[16];
	int used = 0;
	double number;
	*is_head = line[0] != '\0';
	if (!*is_head || sscanf(line, "%15s %n", key, &used) != 1)
		return STATUS_OK;
	const char *value = line + used;
	if (strcmp(key, "model") == 0)
		return copy(head->model, sizeof head->model, value, error);
	if (strcmp(key, "sha256") == 0)
		return copy(head->sha256, sizeof head->sha256, value, error);
	if (strcmp(key, "backend") == 0)
		return copy(head->backend, sizeof head->backend, value, error);
	if (strcmp(key, "session") == 0)
		return copy(head->session, sizeof head->session, value, error);
	if (strcmp(key, "source") == 0)
		return copy(head->source, sizeof head->source, value, error);
	if (strcmp(key, "set") == 0)
		return add_setting(head, value, error);
	if (strcmp(key, "bpm") == 0)
		return read_number(&head->bpm, value, 1, 1000, error);
	if (strcmp(key, "start_us") == 0) {
		enum status status = read_number(&number, value, 0, 9e15, error);
		head->start_us = status == STATUS_OK ? (int64_t)number : 0;
		return status;
	}
	if (strcmp(key, "division") == 0 || strcmp(key, "tempo") == 0 || strcmp(key, "signature") == 0)
		return read_map(head, key, value, error);
	if (strcmp(key, "N") == 0) {
		struct journal_entry entry;
		const char *name;
		if (!journal_read(line, &entry, &name))
			return status_fail(error, STATUS_BAD_DATA, "no name of an input");
		take_head_set_input(head, entry.number, name);
	}
	return STATUS_OK; /* magic, version, and what later versions add */
}
