/* A network's dimensions and heads as texts in the metadata of a weights file. Set-up threads; allocates nothing.
 * Does not look at the tensors, except that the file must be large enough for what the dimensions promise. */
#define _POSIX_C_SOURCE 200809L
#include "model/shape.h"

#include "model/predictors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_VERSION "1"
#define WIDTH_MAX 4096
#define INNER_MAX 16384
#define ATTENTION_HEADS_MAX 64
#define SPAN_MAX 4096
#define TEMPERATURE_MIN 0.01f
#define TEMPERATURE_MAX 100.0f
#define UNFAMILIAR_MIN 1e-6f
#define UNFAMILIAR_MAX 1e6f

struct metadata {
	const struct safetensors *file;
	const char *path;
	struct error *error;
};

int shape_lookahead(const struct model_shape *shape, bool file)
{
	if (shape->lookahead == LOOKAHEAD_UNLIMITED)
		return shape->span - 1;
	return file && shape->file_lookahead ? shape->file_lookahead : shape->lookahead;
}

int shape_settle(const struct model_shape *shape)
{
	return shape->lookahead == LOOKAHEAD_UNLIMITED ? shape->span : shape->layers * shape->lookahead + shape->freeze;
}

int shape_head_input(const struct model_shape *shape, int head)
{
	const struct head_spec *spec = &shape->head[head];
	if (spec->level == HEAD_SEQUENCE)
		return POOL_ROWS * shape->width;
	return shape->width + (spec->setting == SETTING_CAUSAL ? CAUSAL_PREDICTORS : 0);
}

bool shape_is_own_task(const struct head_spec *head)
{
	static const char *const known[] = {"velocity_", "style", "emotion"};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strncmp(head->name, known[i], strlen(known[i])) == 0)
			return false;
	return strcmp(head->name, "melody") != 0;
}

bool shape_knows_familiar(const struct head_spec *head)
{
	return head->unfamiliar[0] > 0;
}

bool shape_reads_texture(const struct head_spec *head)
{
	return head->strange_texture > 0;
}

int shape_find_head(const struct model_shape *shape, const char *name)
{
	for (int i = 0; i < shape->heads; i++)
		if (strcmp(shape->head[i].name, name) == 0)
			return i;
	return -1;
}

static enum status get_text(const struct metadata *m, const char *key, const char **text)
{
	*text = safetensors_metadata(m->file, key);
	if (!*text)
		return status_fail(m->error, STATUS_BAD_DATA,
				   "%s: metadata %s is missing; is this a weights file of midibert?", m->path, key);
	return STATUS_OK;
}

static enum status get_integer(const struct metadata *m, const char *key, int *value)
{
	const char *text;
	char *end;
	enum status status = get_text(m, key, &text);
	if (status != STATUS_OK)
		return status;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno || number < 0 || number > 1000000)
		return status_fail(m->error, STATUS_BAD_DATA, "%s: metadata %s is %.40s, not a number in range", m->path,
				   key, text);
	*value = (int)number;
	return STATUS_OK;
}

static enum status get_float(const struct metadata *m, const char *key, float *value)
{
	const char *text;
	char *end;
	enum status status = get_text(m, key, &text);
	if (status != STATUS_OK)
		return status;
	*value = strtof(text, &end);
	if (*text == '\0' || *end != '\0' || !isfinite(*value))
		return status_fail(m->error, STATUS_BAD_DATA, "%s: metadata %s is %.40s, not a number", m->path, key, text);
	return STATUS_OK;
}

/* The place of the text of a key in names[], a list that ends with NULL. */
static enum status get_choice(const struct metadata *m, const char *key, const char *const *names, int *value)
{
	const char *text;
	enum status status = get_text(m, key, &text);
	if (status != STATUS_OK)
		return status;
	for (*value = 0; names[*value]; ++*value)
		if (strcmp(text, names[*value]) == 0)
			return STATUS_OK;
	return status_fail(m->error, STATUS_BAD_DATA, "%s: metadata %s is %.40s; expected %s%s%s or %s", m->path, key, text,
			   names[0], *value > 2 ? ", " : "", *value > 2 ? names[1] : "", names[*value - 1]);
}

/* Cuts the next item of a comma list into out; false when it does not fit. *list moves past it, to NULL after the last. */
static bool next_item(const char **list, char *out, size_t room)
{
	size_t length = strcspn(*list, ",");
	if (length >= room)
		return false;
	memcpy(out, *list, length);
	out[length] = '\0';
	*list = (*list)[length] == ',' ? *list + length + 1 : NULL;
	return true;
}

static const char *const order_names[] = {"arrival", "sorted", NULL};
static const char *const level_names[] = {"note", "sequence", NULL};
static const char *const setting_names[] = {"played", "hidden", "causal", NULL};

static enum status read_head(const struct metadata *m, struct head_spec *head)
{
	char key[HEAD_NAME_MAX + 32];
	const char *list;
	int choice;
	enum status status;
#define KEY(suffix) (snprintf(key, sizeof key, "head.%s." suffix, head->name), key)
	if ((status = get_choice(m, KEY("level"), level_names, &choice)) != STATUS_OK)
		return status;
	head->level = (enum head_level)choice;
	if ((status = get_choice(m, KEY("setting"), setting_names, &choice)) != STATUS_OK)
		return status;
	head->setting = (enum head_setting)choice;
	if (head->setting == SETTING_CAUSAL) {
		/* other numbers in these columns would be taken for ours without a sign of it */
		if ((status = get_text(m, KEY("predictors"), &list)) != STATUS_OK)
			return status;
		if (strcmp(list, PREDICTORS_NAMES) != 0)
			return status_fail(m->error, STATUS_UNSUPPORTED,
					   "%s: metadata %s is %.100s: not the predictors that this program computes",
					   m->path, key, list);
	}
	if ((status = get_float(m, KEY("temperature"), &head->temperature)) != STATUS_OK ||
	    (status = get_float(m, KEY("unknown_below"), &head->unknown_below)) != STATUS_OK ||
	    (status = get_text(m, KEY("labels"), &list)) != STATUS_OK)
		return status;
#undef KEY
	while (list) {
		if (head->classes == CLASSES_MAX || !next_item(&list, head->label[head->classes], LABEL_NAME_MAX))
			return status_fail(m->error, STATUS_BAD_DATA,
					   "%s: metadata %s: more than %d labels, or one of over %d bytes", m->path, key,
					   CLASSES_MAX, LABEL_NAME_MAX - 1);
		head->classes++;
	}
	return STATUS_OK;
}

/* Of a piece's answer; a file without it has 1. */
static enum status read_piece_temperature(const struct metadata *m, struct head_spec *head)
{
	char key[HEAD_NAME_MAX + 32];
	snprintf(key, sizeof key, "head.%s.piece_temperature", head->name);
	if (!safetensors_metadata(m->file, key))
		return STATUS_OK;
	enum status status = get_float(m, key, &head->piece_temperature);
	if (status != STATUS_OK)
		return status;
	if (!(head->piece_temperature >= TEMPERATURE_MIN && head->piece_temperature <= TEMPERATURE_MAX))
		return status_fail(m->error, STATUS_BAD_DATA, "%s: metadata %s is outside 0.01-100", m->path, key);
	return STATUS_OK;
}

/* Thresholds of familiarity, three numbers; a file without them has none. */
static enum status read_unfamiliar(const struct metadata *m, struct head_spec *head)
{
	char key[HEAD_NAME_MAX + 32];
	snprintf(key, sizeof key, "head.%s.unfamiliar_above", head->name);
	const char *text = safetensors_metadata(m->file, key);
	if (!text)
		return STATUS_OK;
	const char *rest = text;
	for (int i = 0; i < FAMILIAR_THRESHOLDS; i++) {
		char *end;
		head->unfamiliar[i] = strtof(rest, &end);
		bool last = i == FAMILIAR_THRESHOLDS - 1;
		if (end == rest || *end != (last ? '\0' : ',') ||
		    !(head->unfamiliar[i] >= UNFAMILIAR_MIN && head->unfamiliar[i] <= UNFAMILIAR_MAX))
			return status_fail(m->error, STATUS_BAD_DATA,
					   "%s: metadata %s is %.40s, not %d numbers of 1e-6 to 1e6", m->path, key, text,
					   FAMILIAR_THRESHOLDS);
		rest = end + 1;
	}
	return STATUS_OK;
}

/* Of a head with a texture layer, the kind of its features; a file without it has none. */
static enum status read_texture(const struct metadata *m, struct head_spec *head)
{
	char key[HEAD_NAME_MAX + 32];
	snprintf(key, sizeof key, "head.%s.texture", head->name);
	const char *text = safetensors_metadata(m->file, key);
	if (!text)
		return STATUS_OK;
	if (strcmp(text, TEXTURE_NAME) != 0)
		return status_fail(
		    m->error, STATUS_UNSUPPORTED,
		    "%s: metadata %s is %.40s: not the histograms that this program counts (%s); fit them with "
		    "midibert temper to what midibert finetune wrote",
		    m->path, key, text, TEXTURE_NAME);
	if (head->level != HEAD_SEQUENCE || head->setting != SETTING_PLAYED)
		return status_fail(m->error, STATUS_BAD_DATA,
				   "%s: metadata %s: only a sequence head that sees velocities reads them", m->path, key);
	snprintf(key, sizeof key, "head.%s.strange_texture", head->name);
	enum status status = get_float(m, key, &head->strange_texture);
	if (status == STATUS_OK && !(head->strange_texture >= UNFAMILIAR_MIN && head->strange_texture <= UNFAMILIAR_MAX))
		return status_fail(m->error, STATUS_BAD_DATA, "%s: metadata %s is outside 1e-6-1e6", m->path, key);
	return status;
}

static enum status read_heads(const struct metadata *m, struct model_shape *shape)
{
	const char *list;
	enum status status = get_text(m, "heads", &list);
	if (status != STATUS_OK)
		return status;
	if (*list == '\0')
		list = NULL;
	while (list) {
		if (shape->heads == HEADS_MAX || !next_item(&list, shape->head[shape->heads].name, HEAD_NAME_MAX))
			return status_fail(m->error, STATUS_BAD_DATA,
					   "%s: metadata heads: more than %d heads, or a name of over %d bytes", m->path,
					   HEADS_MAX, HEAD_NAME_MAX - 1);
		if ((status = read_head(m, &shape->head[shape->heads])) != STATUS_OK ||
		    (status = read_piece_temperature(m, &shape->head[shape->heads])) != STATUS_OK ||
		    (status = read_unfamiliar(m, &shape->head[shape->heads])) != STATUS_OK ||
		    (status = read_texture(m, &shape->head[shape->heads])) != STATUS_OK)
			return status;
		shape->heads++;
	}
	return STATUS_OK;
}

/* Dimensions are believed only as far as the file has numbers for them, before anyone allocates by them. */
static enum status check_size(const struct metadata *m, const struct model_shape *shape)
{
	uint64_t d = (uint64_t)shape->width, f = (uint64_t)shape->inner, held = 0;
	uint64_t promised =
	    (uint64_t)shape->layers *
	    (4 * d * d + 2 * d * f + (2 * (uint64_t)shape->span - 1) * (d / (uint64_t)shape->attention_heads));
	for (size_t i = 0; i < safetensors_count(m->file); i++)
		held += safetensors_info(m->file, i)->elements;
	if (promised > held)
		return status_fail(m->error, STATUS_BAD_DATA,
				   "%s: metadata promises a network of over %llu numbers, the file holds %llu", m->path,
				   (unsigned long long)promised, (unsigned long long)held);
	return STATUS_OK;
}

enum status shape_read(const struct safetensors *file, const char *path, struct model_shape *shape, struct error *error)
{
	const struct metadata m = {file, path, error};
	const char *text;
	int choice;
	enum status status;
	memset(shape, 0, sizeof *shape);
	if ((status = get_text(&m, "format_version", &text)) != STATUS_OK)
		return status;
	if (strcmp(text, FORMAT_VERSION) != 0)
		return status_fail(error, STATUS_UNSUPPORTED, "%s: format_version %.20s; this program reads " FORMAT_VERSION,
				   path, text);
	if ((status = get_integer(&m, "layers", &shape->layers)) != STATUS_OK ||
	    (status = get_integer(&m, "width", &shape->width)) != STATUS_OK ||
	    (status = get_integer(&m, "inner", &shape->inner)) != STATUS_OK ||
	    (status = get_integer(&m, "attention_heads", &shape->attention_heads)) != STATUS_OK ||
	    (status = get_integer(&m, "span", &shape->span)) != STATUS_OK ||
	    (status = get_integer(&m, "freeze", &shape->freeze)) != STATUS_OK ||
	    (status = get_choice(&m, "order", order_names, &choice)) != STATUS_OK ||
	    (status = get_text(&m, "lookahead", &text)) != STATUS_OK)
		return status;
	shape->order = (enum token_order)choice;
	if (strcmp(text, "unlimited") == 0)
		shape->lookahead = LOOKAHEAD_UNLIMITED;
	else if ((status = get_integer(&m, "lookahead", &shape->lookahead)) != STATUS_OK)
		return status;
	if (safetensors_metadata(file, "file_lookahead") &&
	    (status = get_integer(&m, "file_lookahead", &shape->file_lookahead)) != STATUS_OK)
		return status;
	text = safetensors_metadata(file, "pretraining");
	shape->pretraining = text && strcmp(text, "yes") == 0;
	if ((status = read_heads(&m, shape)) != STATUS_OK || (status = shape_check(shape, path, error)) != STATUS_OK)
		return status;
	return check_size(&m, shape);
}

static enum status check_range(const char *origin, const char *key, int value, int low, int high, struct error *error)
{
	if (value >= low && value <= high)
		return STATUS_OK;
	return status_fail(error, STATUS_BAD_DATA, "%s: %s is %d, outside %d-%d", origin, key, value, low, high);
}

static bool is_name(const char *text)
{
	return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static enum status check_head(const struct model_shape *shape, int index, const char *origin, struct error *error)
{
	const struct head_spec *head = &shape->head[index];
	if (!is_name(head->name))
		return status_fail(error, STATUS_BAD_DATA, "%s: head name \"%s\" is not of a-z, 0-9 and _", origin,
				   head->name);
	if (shape_find_head(shape, head->name) != index)
		return status_fail(error, STATUS_BAD_DATA, "%s: head %s is there twice", origin, head->name);
	enum status status = check_range(origin, "a head's number of labels", head->classes, 2, CLASSES_MAX, error);
	if (status != STATUS_OK)
		return status;
	for (int i = 0; i < head->classes; i++) {
		if (head->label[i][0] == '\0' || strchr(head->label[i], ','))
			return status_fail(error, STATUS_BAD_DATA, "%s: head %s: label %d is empty or has a comma", origin,
					   head->name, i);
		for (int k = 0; k < i; k++)
			if (strcmp(head->label[i], head->label[k]) == 0)
				return status_fail(error, STATUS_BAD_DATA, "%s: head %s: label %s is there twice", origin,
						   head->name, head->label[i]);
	}
	if ((int)head->setting < 0 || (int)head->setting >= SETTINGS)
		return status_fail(error, STATUS_BAD_DATA, "%s: head %s: no such setting", origin, head->name);
	if (head->setting == SETTING_CAUSAL && head->level != HEAD_NOTE)
		return status_fail(error, STATUS_BAD_DATA, "%s: head %s: a causal head is one of notes", origin, head->name);
	if (!(head->temperature >= TEMPERATURE_MIN && head->temperature <= TEMPERATURE_MAX))
		return status_fail(error, STATUS_BAD_DATA, "%s: head %s: temperature is outside 0.01-100", origin,
				   head->name);
	if (!(head->unknown_below >= 0 && head->unknown_below <= 1))
		return status_fail(error, STATUS_BAD_DATA, "%s: head %s: unknown_below is outside 0-1", origin, head->name);
	return STATUS_OK;
}

enum status shape_check(const struct model_shape *shape, const char *origin, struct error *error)
{
	enum status status;
	if ((status = check_range(origin, "layers", shape->layers, 1, LAYERS_MAX, error)) != STATUS_OK ||
	    (status = check_range(origin, "width", shape->width, 1, WIDTH_MAX, error)) != STATUS_OK ||
	    (status = check_range(origin, "inner", shape->inner, 1, INNER_MAX, error)) != STATUS_OK ||
	    (status = check_range(origin, "attention_heads", shape->attention_heads, 1, ATTENTION_HEADS_MAX, error)) !=
		STATUS_OK ||
	    (status = check_range(origin, "span", shape->span, 1, SPAN_MAX, error)) != STATUS_OK ||
	    (status = check_range(origin, "freeze", shape->freeze, 0, SPAN_MAX, error)) != STATUS_OK ||
	    (status = check_range(origin, "heads", shape->heads, 0, HEADS_MAX, error)) != STATUS_OK)
		return status;
	if (shape->width % shape->attention_heads != 0)
		return status_fail(error, STATUS_BAD_DATA, "%s: width %d is not a multiple of attention_heads %d", origin,
				   shape->width, shape->attention_heads);
	if (shape->lookahead != LOOKAHEAD_UNLIMITED &&
	    (status = check_range(origin, "lookahead", shape->lookahead, 0, shape->span - 1, error)) != STATUS_OK)
		return status;
	if (shape->file_lookahead && shape->lookahead == LOOKAHEAD_UNLIMITED)
		return status_fail(error, STATUS_BAD_DATA, "%s: file_lookahead beside an unlimited lookahead", origin);
	if (shape->file_lookahead && (status = check_range(origin, "file_lookahead", shape->file_lookahead, shape->lookahead,
							   shape->span - 1, error)) != STATUS_OK)
		return status;
	if ((int)shape->order < ORDER_ARRIVAL || (int)shape->order > ORDER_SORTED)
		return status_fail(error, STATUS_BAD_DATA, "%s: order is neither arrival nor sorted", origin);
	for (int i = 0; i < shape->heads; i++)
		if ((status = check_head(shape, i, origin, error)) != STATUS_OK)
			return status;
	return STATUS_OK;
}

struct writing {
	void (*add)(void *context, const char *key, const char *value);
	void *context;
};

static void put_integer(const struct writing *w, const char *key, int value)
{
	char text[16];
	snprintf(text, sizeof text, "%d", value);
	w->add(w->context, key, text);
}

static void put_head(const struct writing *w, const struct head_spec *head)
{
	char key[HEAD_NAME_MAX + 32], number[32], labels[CLASSES_MAX * LABEL_NAME_MAX] = "";
	size_t length = 0;
	for (int i = 0; i < head->classes && length < sizeof labels; i++)
		length += (size_t)snprintf(labels + length, sizeof labels - length, "%s%s", i ? "," : "", head->label[i]);
#define KEY(suffix) (snprintf(key, sizeof key, "head.%s." suffix, head->name), key)
	w->add(w->context, KEY("level"), level_names[head->level]);
	w->add(w->context, KEY("setting"), setting_names[head->setting]);
	w->add(w->context, KEY("labels"), labels);
	if (head->setting == SETTING_CAUSAL)
		w->add(w->context, KEY("predictors"), PREDICTORS_NAMES);
	snprintf(number, sizeof number, "%.9g", (double)head->temperature);
	w->add(w->context, KEY("temperature"), number);
	snprintf(number, sizeof number, "%.9g", (double)head->unknown_below);
	w->add(w->context, KEY("unknown_below"), number);
	if (head->piece_temperature > 0) {
		snprintf(number, sizeof number, "%.9g", (double)head->piece_temperature);
		w->add(w->context, KEY("piece_temperature"), number);
	}
	if (shape_reads_texture(head)) {
		w->add(w->context, KEY("texture"), TEXTURE_NAME);
		snprintf(number, sizeof number, "%.9g", (double)head->strange_texture);
		w->add(w->context, KEY("strange_texture"), number);
	}
	if (shape_knows_familiar(head)) {
		char three[FAMILIAR_THRESHOLDS * 32];
		snprintf(three, sizeof three, "%.6g,%.6g,%.6g", (double)head->unfamiliar[0], (double)head->unfamiliar[1],
			 (double)head->unfamiliar[2]);
		w->add(w->context, KEY("unfamiliar_above"), three);
	}
#undef KEY
}

void shape_write(const struct model_shape *shape, void (*add)(void *context, const char *key, const char *value),
		 void *context)
{
	const struct writing w = {add, context};
	char names[HEADS_MAX * HEAD_NAME_MAX] = "";
	size_t length = 0;
	add(context, "format_version", FORMAT_VERSION);
	put_integer(&w, "layers", shape->layers);
	put_integer(&w, "width", shape->width);
	put_integer(&w, "inner", shape->inner);
	put_integer(&w, "attention_heads", shape->attention_heads);
	put_integer(&w, "span", shape->span);
	if (shape->lookahead == LOOKAHEAD_UNLIMITED)
		add(context, "lookahead", "unlimited");
	else
		put_integer(&w, "lookahead", shape->lookahead);
	if (shape->file_lookahead)
		put_integer(&w, "file_lookahead", shape->file_lookahead);
	put_integer(&w, "freeze", shape->freeze);
	add(context, "order", order_names[shape->order]);
	for (int i = 0; i < shape->heads && length < sizeof names; i++)
		length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? "," : "", shape->head[i].name);
	add(context, "heads", names);
	if (shape->pretraining)
		add(context, "pretraining", "yes");
	for (int i = 0; i < shape->heads; i++)
		put_head(&w, &shape->head[i]);
}
