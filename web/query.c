/* The name space as OSCQuery describes it, see query.h: containers come from the slashes in the table's addresses, all
 * else from its rows. HTTP thread. Sends nothing. */
#include "web/query.h"

#include <stdint.h>
#include <string.h>

#define PATH_MAX_BYTES 128
#define DEPTH_MAX 8

enum attribute {
	QUERY_ALL,
	QUERY_FULL_PATH,
	QUERY_CONTENTS,
	QUERY_DESCRIPTION,
	QUERY_TYPE,
	QUERY_ACCESS,
	QUERY_VALUE,
	QUERY_RANGE,
	QUERY_UNIT,
	QUERY_OVERLOADS,
	QUERY_HOST_INFO,
	QUERY_ATTRIBUTES,
	QUERY_KNOWN, /* to OSCQuery; no node has it here */
	QUERY_UNKNOWN
};

static const char *const attribute_name[QUERY_ATTRIBUTES] = {
    "", "FULL_PATH", "CONTENTS", "DESCRIPTION", "TYPE", "ACCESS", "VALUE", "RANGE", "UNIT", "OVERLOADS", "HOST_INFO"};

struct node {
	char path[PATH_MAX_BYTES];   /* "/" or "/midibert/..." without a slash at its end */
	const struct osc_spec *spec; /* NULL: a container only */
	bool contains;
};

struct tree {
	const struct values *values;
	struct writer *writer;
};

static enum attribute find_attribute(const char *name)
{
	static const char *const others[] = {"TAGS", "EXTENDED_TYPE", "CLIPMODE", "CRITICAL"};
	for (int i = 0; i < QUERY_ATTRIBUTES; i++)
		if (strcmp(attribute_name[i], name) == 0)
			return (enum attribute)i;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcmp(others[i], name) == 0)
			return QUERY_KNOWN;
	return QUERY_UNKNOWN;
}

/* ---- nodes ---- */

/* The rest of address below path, or NULL: "melody/on" of "/midibert/melody/on" below "/midibert". */
static const char *below(const char *address, const char *path)
{
	size_t length = strlen(path);
	if (strcmp(path, "/") == 0)
		return address + 1;
	return strncmp(address, path, length) == 0 && address[length] == '/' ? address + length + 1 : NULL;
}

static bool find_node(const char *path, struct node *node)
{
	size_t length = strlen(path);
	memset(node, 0, sizeof *node);
	if (path[0] != '/' || length >= sizeof node->path)
		return false;
	memcpy(node->path, path, length);
	if (length > 1 && node->path[length - 1] == '/')
		node->path[length - 1] = '\0';
	for (int i = 0; i < OSC_ADDRESSES; i++) {
		if (strcmp(osc_namespace[i].address, node->path) == 0)
			node->spec = &osc_namespace[i];
		node->contains |= below(osc_namespace[i].address, node->path) != NULL;
	}
	return node->spec || node->contains;
}

uint64_t query_addresses(const char *path)
{
	uint64_t found = 0;
	for (int i = 0; i < OSC_OUT_END; i++) {
		if (strcmp(osc_namespace[i].address, path) == 0)
			return UINT64_C(1) << i;
		if (path[0] == '/' && below(osc_namespace[i].address, path))
			found |= UINT64_C(1) << i;
	}
	return found;
}

/* ---- attributes of a method ---- */

/* Types of one form of the table ("iiif", "f...", "none") with `repeated` of the last one where it repeats. "N" is OSC's
 * nil: an address without arguments. */
static void write_types(struct writer *writer, const char *form, size_t length, size_t repeated)
{
	char types[OSC_ARGUMENTS_MAX + 1] = "N";
	size_t count = strcspn(form, ".|");
	if (count > length)
		count = length;
	if (count > 0 && !(count == 4 && strncmp(form, "none", 4) == 0)) {
		size_t total = count < length && form[count] == '.' && repeated > count ? repeated : count;
		for (size_t i = 0; i < total && i < OSC_ARGUMENTS_MAX; i++) {
			types[i] = form[i < count ? i : count - 1];
			types[i + 1] = '\0';
		}
	}
	writer_quote(writer, types);
}

static size_t form_arguments(const char *form, size_t length)
{
	size_t count = strcspn(form, ".|");
	if (count > length)
		count = length;
	return count == 4 && strncmp(form, "none", 4) == 0 ? 0 : count;
}

/* Control addresses take several forms; the longest is the node's own, the others are its overloads. */
static const char *longest_form(const struct osc_spec *spec, size_t *length)
{
	const char *best = spec->types;
	size_t most = 0;
	*length = strcspn(best, "|");
	for (const char *form = spec->types; *form != '\0'; form += *form == '|') {
		size_t size = strcspn(form, "|");
		if (form_arguments(form, size) > most) {
			most = form_arguments(form, size);
			best = form;
			*length = size;
		}
		form += size;
	}
	return best;
}

static const struct osc_argument *argument_of(const struct osc_spec *spec, size_t i)
{
	const struct osc_argument *last = NULL;
	for (size_t k = 0; k <= i && k < OSC_SPEC_ARGUMENTS_MAX && spec->argument[k].name; k++)
		last = &spec->argument[k];
	return last;
}

/* Of form "s" the argument is the second one of "is". */
static const struct osc_argument *argument_in_form(const struct osc_spec *spec, const char *form, size_t i)
{
	size_t length;
	const char *longest = longest_form(spec, &length);
	if (form == longest)
		return argument_of(spec, i);
	for (size_t k = 0; k < length; k++)
		if (longest[k] == form[i] && i-- == 0)
			return argument_of(spec, k);
	return argument_of(spec, i);
}

static void write_range(struct writer *writer, const struct osc_spec *spec, const char *form, size_t count)
{
	writer_add(writer, "[");
	for (size_t i = 0; i < count; i++) {
		const struct osc_argument *argument = argument_in_form(spec, form, i);
		writer_add(writer, i > 0 ? ",{" : "{");
		if (argument && argument->minimum < argument->maximum) {
			writer_add(writer, "\"MIN\":");
			writer_format(writer, "%.10g", argument->minimum);
			writer_add(writer, ",\"MAX\":");
			writer_format(writer, "%.10g", argument->maximum);
		}
		writer_add(writer, "}");
	}
	writer_add(writer, "]");
}

static const char *unit_name(const char *unit)
{
	if (strcmp(unit, "ms") == 0)
		return "time.ms";
	if (strcmp(unit, "bpm") == 0)
		return "time.bpm";
	return strcmp(unit, "s") == 0 ? "time.second" : NULL;
}

static bool has_unit(const struct osc_spec *spec)
{
	for (size_t i = 0; i < OSC_SPEC_ARGUMENTS_MAX && spec->argument[i].name; i++)
		if (unit_name(spec->argument[i].unit))
			return true;
	return false;
}

static void write_units(struct writer *writer, const struct osc_spec *spec, size_t count)
{
	writer_add(writer, "[");
	for (size_t i = 0; i < count; i++) {
		const struct osc_argument *argument = argument_of(spec, i);
		const char *unit = argument ? unit_name(argument->unit) : NULL;
		writer_add(writer, i > 0 ? "," : "");
		if (unit)
			writer_quote(writer, unit);
		else
			writer_add(writer, "null");
	}
	writer_add(writer, "]");
}

static void write_overloads(struct writer *writer, const struct osc_spec *spec)
{
	size_t own_length;
	const char *own = longest_form(spec, &own_length), *comma = "";
	writer_add(writer, "[");
	for (const char *form = spec->types; *form != '\0'; form += *form == '|') {
		size_t length = strcspn(form, "|");
		if (form != own) {
			writer_format(writer, "%s{\"TYPE\":", comma);
			write_types(writer, form, length, 0);
			writer_add(writer, ",\"RANGE\":");
			write_range(writer, spec, form, form_arguments(form, length));
			writer_add(writer, "}");
			comma = ",";
		}
		form += length;
	}
	writer_add(writer, "]");
}

static void write_value(struct writer *writer, const struct osc_received *message)
{
	writer_add(writer, "[");
	for (size_t i = 0; i < message->count; i++) {
		writer_add(writer, i > 0 ? "," : "");
		if (message->types[i] == 's')
			writer_quote(writer, message->all_texts + message->text_at[i]);
		else
			writer_number(writer, message->number[i]);
	}
	writer_add(writer, "]");
}

static void write_description(struct writer *writer, const struct osc_spec *spec)
{
	struct writer text = {0};
	writer_add(&text, spec->description);
	for (size_t i = 0; i < OSC_SPEC_ARGUMENTS_MAX && spec->argument[i].name; i++) {
		const struct osc_argument *argument = &spec->argument[i];
		writer_format(&text, "%s%s%s%s", i > 0 ? ", " : " (", argument->name, argument->unit[0] ? " " : "",
			      argument->unit);
	}
	if (spec->argument[0].name)
		writer_add(&text, ")");
	writer_quote(writer, text.text ? text.text : "");
	writer->failed |= text.failed;
	writer_free(&text);
}

/* ---- nodes as JSON ---- */

static bool sent(const struct tree *tree, const struct osc_spec *spec, struct osc_received *message)
{
	return tree->values && spec->direction == OSC_DIRECTION_OUT &&
	       values_get(tree->values, (enum osc_address)(spec - osc_namespace), message);
}

static void write_node(const struct tree *tree, const struct node *node, int depth);

/* Every child once: the first address that begins with it writes it. */
static void write_contents(const struct tree *tree, const struct node *node, int depth)
{
	const char *comma = "";
	writer_add(tree->writer, "{");
	for (int i = 0; i < OSC_ADDRESSES && depth < DEPTH_MAX; i++) {
		const char *rest = below(osc_namespace[i].address, node->path);
		size_t length = rest ? strcspn(rest, "/") : 0;
		struct node child;
		char path[PATH_MAX_BYTES];
		bool seen = false;
		for (int k = 0; k < i && rest; k++) {
			const char *other = below(osc_namespace[k].address, node->path);
			seen |=
			    other && strncmp(other, rest, length) == 0 && (other[length] == '/' || other[length] == '\0');
		}
		size_t start = rest ? (size_t)(rest - osc_namespace[i].address) : 0;
		if (!rest || seen || start + length >= sizeof path)
			continue;
		memcpy(path, osc_namespace[i].address, start + length);
		path[start + length] = '\0';
		if (!find_node(path, &child))
			continue;
		writer_add(tree->writer, comma);
		writer_quote(tree->writer, path + start);
		writer_add(tree->writer, ":");
		write_node(tree, &child, depth + 1);
		comma = ",";
	}
	writer_add(tree->writer, "}");
}

/* Writes the attribute's value. False: this node has none. */
static bool write_attribute(const struct tree *tree, const struct node *node, enum attribute attribute, int depth)
{
	struct writer *writer = tree->writer;
	const struct osc_spec *spec = node->spec;
	struct osc_received message = {.count = 0};
	size_t length = 0;
	const char *form = spec ? longest_form(spec, &length) : "";
	size_t count = form_arguments(form, length);
	switch (attribute) {
	case QUERY_FULL_PATH: writer_quote(writer, node->path); return true;
	case QUERY_CONTENTS:
		if (node->contains)
			write_contents(tree, node, depth);
		return node->contains;
	case QUERY_DESCRIPTION:
		if (spec)
			write_description(writer, spec);
		else
			writer_quote(writer, strcmp(node->path, "/") == 0 ? "midibertd" : "a container");
		return true;
	case QUERY_ACCESS: writer_add(writer, !spec ? "0" : spec->direction == OSC_DIRECTION_OUT ? "1" : "2"); return true;
	default: break;
	}
	if (!spec)
		return false;
	bool known = sent(tree, spec, &message);
	size_t repeated = known ? message.count : 0;
	size_t total = count < length && form[count] == '.' && repeated > count ? repeated : count;
	switch (attribute) {
	case QUERY_TYPE: write_types(writer, form, length, repeated); return true;
	case QUERY_VALUE:
		if (known && message.count > 0)
			write_value(writer, &message);
		return known && message.count > 0;
	case QUERY_RANGE:
		if (total > 0)
			write_range(writer, spec, form, total);
		return total > 0;
	case QUERY_UNIT:
		if (has_unit(spec))
			write_units(writer, spec, total);
		return has_unit(spec);
	case QUERY_OVERLOADS:
		if (strchr(spec->types, '|'))
			write_overloads(writer, spec);
		return strchr(spec->types, '|') != NULL;
	default: return false;
	}
}

static void write_node(const struct tree *tree, const struct node *node, int depth)
{
	struct writer *writer = tree->writer;
	const char *comma = "";
	writer_add(writer, "{");
	for (int i = QUERY_ALL + 1; i < QUERY_HOST_INFO; i++) {
		size_t before = writer->length;
		writer_format(writer, "%s\"%s\":", comma, attribute_name[i]);
		if (write_attribute(tree, node, (enum attribute)i, depth)) {
			comma = ",";
		} else if (!writer->failed) {
			writer->length = before; /* it has none */
			writer->text[before] = '\0';
		}
	}
	writer_add(writer, "}");
}

static void write_host_info(const struct query_host *host, struct writer *writer)
{
	writer_add(writer, "{\"NAME\":");
	writer_quote(writer, host->name);
	writer_format(writer, ",\"OSC_PORT\":%d,\"OSC_TRANSPORT\":\"UDP\"", host->osc_port);
	if (host->ws_port)
		writer_format(writer, ",\"WS_PORT\":%d", host->ws_port);
	writer_format(writer,
		      ",\"EXTENSIONS\":{\"ACCESS\":true,\"VALUE\":%s,\"RANGE\":true,\"DESCRIPTION\":true,\"UNIT\":true,"
		      "\"OVERLOADS\":true,\"LISTEN\":%s,\"HTML\":true,\"TAGS\":false,\"EXTENDED_TYPE\":false,"
		      "\"CRITICAL\":false,\"CLIPMODE\":false,\"ECHO\":false,\"PATH_CHANGED\":false,\"PATH_ADDED\":false,"
		      "\"PATH_REMOVED\":false,\"PATH_RENAMED\":false}}",
		      host->ws_port ? "true" : "false", host->ws_port ? "true" : "false");
}

int query_answer(const struct values *values, const struct query_host *host, const char *path, const char *attribute,
		 struct writer *writer)
{
	const struct tree tree = {values, writer};
	enum attribute wanted = attribute ? find_attribute(attribute) : QUERY_ALL;
	struct node node;
	if (wanted == QUERY_UNKNOWN)
		return 400;
	if (wanted == QUERY_HOST_INFO) {
		write_host_info(host, writer);
		return writer->failed ? 500 : 200;
	}
	if (!find_node(path, &node))
		return 404;
	if (wanted == QUERY_KNOWN)
		return 204;
	if (wanted == QUERY_ALL) {
		write_node(&tree, &node, 0);
		return writer->failed ? 500 : 200;
	}
	writer_format(writer, "{\"%s\":", attribute_name[wanted]);
	if (!write_attribute(&tree, &node, wanted, 0))
		return writer->failed ? 500 : 204;
	writer_add(writer, "}");
	return writer->failed ? 500 : 200;
}
