/* The option table and what reads it, see options.h. Main thread. Opens nothing: values are checked for form, not for
 * what they name. */
#define _GNU_SOURCE
#include "daemon/options.h"

#include "engine/engine.h"
#include "model/backend.h"
#include "osc/server.h"
#include "web/web.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static enum status parse_number(const char *what, const char *value, double low, double high, double *number,
				struct error *error)
{
	char *end;
	errno = 0;
	*number = strtod(value, &end);
	if (end == value || *end != '\0' || errno || isspace((unsigned char)*value) || !(*number >= low && *number <= high))
		return status_fail(error, STATUS_USAGE, "%s %.60s: give a number from %g to %g", what, value, low, high);
	return STATUS_OK;
}

static enum status parse_integer(const char *what, const char *value, int low, int high, int *number, struct error *error)
{
	char *end;
	errno = 0;
	long parsed = strtol(value, &end, 10);
	if (end == value || *end != '\0' || errno || isspace((unsigned char)*value) || parsed < low || parsed > high)
		return status_fail(error, STATUS_USAGE, "%s %.60s: give a whole number from %d to %d", what, value, low,
				   high);
	*number = (int)parsed;
	return STATUS_OK;
}

static enum status parse_ms(const char *what, const char *value, double high_ms, int64_t *us, struct error *error)
{
	double ms;
	enum status status = parse_number(what, value, 0, high_ms, &ms, error);
	if (status == STATUS_OK)
		*us = (int64_t)llrint(ms * 1000);
	return status;
}

static enum status set_text(char **text, const char *value, struct error *error)
{
	char *copy = strdup(value);
	if (!copy)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for options");
	free(*text);
	*text = copy;
	return STATUS_OK;
}

static enum status add_text(struct option_list *list, const char *what, const char *value, int layer, struct error *error)
{
	if (value[0] == '\0')
		return status_fail(error, STATUS_USAGE, "%s: the value is empty", what);
	if (list->layer != layer) {
		for (size_t i = 0; i < list->count; i++)
			free(list->text[i]);
		memset(list, 0, sizeof *list);
		list->layer = layer;
	}
	if (list->count == OPTION_LIST_MAX)
		return status_fail(error, STATUS_USAGE, "%s: more than %d of them", what, OPTION_LIST_MAX);
	enum status status = set_text(&list->text[list->count], value, error);
	list->count += status == STATUS_OK;
	return status;
}

/* ---- one function an option ---- */

#define SETTER(name)                                                                                                        \
	static enum status set_##name(struct options *options, const char *value, int layer, struct error *error)

SETTER(source)
{
	static const char *const kinds[] = {"auto", "alsa", "jack"};
	(void)layer;
	for (int i = 0; i < 3; i++) {
		if (strcmp(value, kinds[i]) == 0) {
			options->source = (enum option_source)i;
			return STATUS_OK;
		}
	}
	if (strncmp(value, "file:", 5) != 0 || value[5] == '\0')
		return status_fail(error, STATUS_USAGE, "source %.200s: give alsa, jack, auto or file:PATH", value);
	options->source = SOURCE_KIND_FILE;
	return set_text(&options->path, value + 5, error);
}

SETTER(connect)
{
	return add_text(&options->connect, "connect", value, layer, error);
}

SETTER(ignore)
{
	return add_text(&options->ignore, "ignore", value, layer, error);
}

SETTER(channel)
{
	(void)layer;
	if (strcmp(value, "all") == 0) {
		options->channel = 0;
		return STATUS_OK;
	}
	return parse_integer("channel", value, 1, 16, &options->channel, error);
}

SETTER(keys)
{
	char low[8];
	const char *dash = strchr(value, '-');
	int from = 0, to = 0;
	(void)layer;
	if (dash && dash > value && (size_t)(dash - value) < sizeof low) {
		snprintf(low, sizeof low, "%.*s", (int)(dash - value), value);
		if (parse_integer("keys", low, 0, 127, &from, NULL) == STATUS_OK &&
		    parse_integer("keys", dash + 1, from, 127, &to, NULL) == STATUS_OK) {
			options->key_low = from;
			options->key_high = to;
			return STATUS_OK;
		}
	}
	return status_fail(error, STATUS_USAGE, "keys %.60s: give LO-HI, two MIDI keys within 0-127", value);
}

SETTER(layers)
{
	(void)layer;
	return parse_ms("layers", value, 100, &options->layers_us, error);
}

SETTER(osc)
{
	enum status status = osc_server_check_endpoint(value, error);
	return status == STATUS_OK ? add_text(&options->osc, "osc", value, layer, error) : status;
}

SETTER(control)
{
	(void)layer;
	/* Port 0, any free one, is for tests: the check of targets refuses it. */
	enum status status = osc_server_check_endpoint(value, error);
	const char *colon = strrchr(value, ':');
	if (status != STATUS_OK && (!colon || strcmp(colon, ":0") != 0))
		return status;
	return set_text(&options->control, value, error);
}

SETTER(http)
{
	(void)layer;
	const char *colon = strrchr(value, ':');
	enum status status = strcmp(value, "off") == 0 ? STATUS_OK : osc_server_check_endpoint(value, error);
	if (status != STATUS_OK && (!colon || strcmp(colon, ":0") != 0)) /* port 0: as for control */
		return status;
	return set_text(&options->http, value, error);
}

SETTER(allow)
{
	enum status status = osc_server_check_network(value, error);
	return status == STATUS_OK ? add_text(&options->allow, "allow", value, layer, error) : status;
}

SETTER(model)
{
	(void)layer;
	if (value[0] == '\0')
		return status_fail(error, STATUS_USAGE, "model: the path is empty");
	return set_text(&options->model, value, error);
}

SETTER(window)
{
	(void)layer;
	return parse_integer("window", value, 16, 4096, &options->window, error);
}

SETTER(budget)
{
	(void)layer;
	return parse_ms("budget", value, 1000, &options->budget_us, error);
}

SETTER(gather)
{
	(void)layer;
	return parse_ms("gather", value, 1000, &options->gather_us, error);
}

SETTER(decide)
{
	(void)layer;
	return parse_ms("decide", value, ENGINE_WAIT_MAX_MS, &options->decide_us, error);
}

SETTER(final_after)
{
	(void)layer;
	return parse_ms("final-after", value, ENGINE_WAIT_MAX_MS, &options->final_after_us, error);
}

SETTER(tempo)
{
	(void)layer;
	return parse_number("tempo", value, 16, 256, &options->tempo, error);
}

const char *const option_grids[] = {"auto", "file", "clock", "jack", "tap", "fixed", "tracker"};
_Static_assert(sizeof option_grids / sizeof *option_grids == OPTION_GRIDS, "every kind of grid has a name");

SETTER(grid)
{
	(void)layer;
	for (int i = 0; i < OPTION_GRIDS; i++) {
		if (strcmp(value, option_grids[i]) == 0) {
			options->grid = (enum option_grid)i;
			return STATUS_OK;
		}
	}
	return status_fail(error, STATUS_USAGE, "grid %.60s: give file, clock, jack, tap, fixed, tracker or auto", value);
}

SETTER(backend)
{
	(void)layer;
	options->backend = backend_name(value);
	if (options->backend)
		return STATUS_OK;
	return status_fail(error, STATUS_USAGE, "backend %.60s: give auto, fp32, bf16, int8 or a name that --version lists",
			   value);
}

SETTER(speed)
{
	(void)layer;
	return parse_number("speed", value, 0, 1000, &options->speed, error);
}

SETTER(curve)
{
	(void)layer;
	if (value[0] == '\0')
		return status_fail(error, STATUS_USAGE, "curve: give a file, auto or none");
	return set_text(&options->curve, value, error);
}

SETTER(record)
{
	(void)layer;
	if (value[0] == '\0')
		return status_fail(error, STATUS_USAGE, "record: the value is empty; give a folder");
	return set_text(&options->record, value, error);
}

SETTER(record_limit)
{
	(void)layer;
	return parse_integer("record-limit", value, 1, 1000000000, &options->record_limit_mb, error);
}

SETTER(take_pause)
{
	double seconds;
	(void)layer;
	enum status status = parse_number("take-pause", value, 0, 3600, &seconds, error);
	if (status == STATUS_OK)
		options->take_pause_us = (int64_t)llrint(seconds * 1e6);
	return status;
}

SETTER(take_pedal)
{
	(void)layer;
	if (strcmp(value, "none") == 0)
		options->take_pedal = 0;
	else if (strcmp(value, "sostenuto") == 0)
		options->take_pedal = 66;
	else if (strcmp(value, "soft") == 0)
		options->take_pedal = 67;
	else
		return status_fail(error, STATUS_USAGE, "take-pedal %.60s: give sostenuto, soft or none", value);
	return STATUS_OK;
}

SETTER(osc_timing)
{
	(void)layer;
	options->bundle = strcmp(value, "bundle") == 0;
	if (options->bundle || strcmp(value, "immediate") == 0)
		return STATUS_OK;
	return status_fail(error, STATUS_USAGE, "osc-timing %.60s: give immediate or bundle", value);
}

SETTER(config)
{
	(void)layer;
	return set_text(&options->config, value, error);
}

/* Switches: "yes" and "no" come from files. */
#define SWITCH(name, field)                                                                                                 \
	SETTER(name)                                                                                                        \
	{                                                                                                                   \
		(void)layer;                                                                                                \
		(void)error;                                                                                                \
		options->field = !value || strcmp(value, "no") != 0;                                                        \
		return STATUS_OK;                                                                                           \
	}
SWITCH(loop, loop)
SWITCH(print, print)
SWITCH(lan, lan)
SWITCH(record_report, record_report)

#define ACTION(name, wanted)                                                                                                \
	SETTER(name)                                                                                                        \
	{                                                                                                                   \
		(void)value;                                                                                                \
		(void)layer;                                                                                                \
		(void)error;                                                                                                \
		if (options->action == ACTION_RUN)                                                                          \
			options->action = wanted;                                                                           \
		return STATUS_OK;                                                                                           \
	}
ACTION(check_config, ACTION_CHECK_CONFIG)
ACTION(list_osc, ACTION_LIST_OSC)
ACTION(doctor, ACTION_DOCTOR)
ACTION(version, ACTION_VERSION)
ACTION(help, ACTION_HELP)

/* clang-format off */
const struct option_spec option_table[] = {
	{"source", "alsa|jack|auto|file:PATH", "auto",
	 "where notes come from; auto: JACK if a server runs, else the ALSA sequencer", true, set_source},
	{"connect", "NAME", NULL,
	 "also connect this software port or client (a name or shell pattern; repeat it for more)", true, set_connect},
	{"ignore", "NAME", NULL, "leave this hardware input alone (as above)", true, set_ignore},
	{"channel", "N", "all", "listen to one MIDI channel, 1-16, only", true, set_channel},
	{"keys", "LO-HI", "0-127", "listen to these MIDI keys only", true, set_keys},
	{"layers", "MS", "0", "count a key that one input sends on several channels within so long once; 0: each by itself", true,
	 set_layers},
	{"osc", "HOST:PORT", OSC_TARGET_DEFAULT, "send to this receiver (repeat it for more)", true, set_osc},
	{"control", "HOST:PORT", OSC_CONTROL_DEFAULT, "take OSC control messages here", true, set_control},
	{"http", "HOST:PORT|off", WEB_DEFAULT, "serve OSCQuery and a page to look at here", true, set_http},
	{"lan", NULL, NULL, "let the local network in: control and HTTP on every address, announced by mDNS", true, set_lan},
	{"allow", "NET", NULL, "let this network in, too, such as 192.168.1.0/24; with --lan: instead of the local ones (repeat it for more)",
	 true, set_allow},
	{"model", "FILE", NULL, "weights; otherwise $MIDIBERT_MODEL, then those that came with the program", true, set_model},
	{"window", "NOTES", "256", "notes that a label looks back on, at most what the weights allow", true, set_window},
	{"budget", "MS", "10", "where one note takes longer to judge, use a smaller window, then the small weights; 0: do not (a file, unless given: 0)",
	 true, set_budget},
	{"gather", "MS", "0", "wait so long after a note for the rest of its chord before judging it", true, set_gather},
	{"decide", "MS", "80", "send melody/on at the latest so long after a note's onset", true, set_decide},
	{"final-after", "MS", "2000", "a label is final at the latest so long after its note's onset", true, set_final_after},
	{"tempo", "BPM", NULL, "count bars at this fixed tempo, 16-256, unless a clock, a transport or taps say more", true,
	 set_tempo},
	{"grid", "file|clock|jack|tap|fixed|tracker|auto", "auto",
	 "where beat and bars come from: a file's tempo map, MIDI clock, JACK's transport, taps, a fixed tempo, the notes "
	 "themselves, or whichever of these can be trusted most", true, set_grid},
	{"backend", "auto|fp32|bf16|int8|NAME", "auto", "what multiplies matrices: a precision, or a NAME of --version", true,
	 set_backend},
	{"speed", "X", "1", "play a file so many times as fast; 0: as fast as it can be followed, always the same answer", true,
	 set_speed},
	{"loop", NULL, NULL, "play a file again and again", true, set_loop},
	{"curve", "auto|none|FILE", "auto", "velocity curve of midibert calibrate: found by the input's identity, or this for all", true,
	 set_curve},
	{"record", "DIR", NULL, "record every take into this folder: a MIDI file and a journal that --source file: repeats", true,
	 set_record},
	{"record-limit", "MB", "4000", "record nothing more when the folder holds so much", true, set_record_limit},
	{"record-report", NULL, NULL, "after each take have midibert report bring the pages of the folder up to date", true,
	 set_record_report},
	{"take-pause", "S", "10", "so many seconds of silence end a take, and the piece; 0: none do (without --record: 0)", true,
	 set_take_pause},
	{"take-pedal", "sostenuto|soft|none", "none", "this pedal, pressed while no key is down, ends a take", true, set_take_pedal},
	{"osc-timing", "immediate|bundle", "immediate", "send plain messages, or each in a bundle with its event's time", true,
	 set_osc_timing},
	{"print", NULL, NULL, "write every message that is sent to standard output", true, set_print},
	{"config", "FILE", NULL, "read this configuration file and no other", false, set_config},
	{"check-config", NULL, NULL, "check options and configuration files, show the settings in force, and end", false,
	 set_check_config},
	{"list-osc", NULL, NULL, "list every OSC message, tab-separated, and end", false, set_list_osc},
	{"doctor", NULL, NULL, "check ports, limits, sound system and weights, measure one note, and end", false, set_doctor},
	{"version", NULL, NULL, "show version, libraries and code path, and end", false, set_version},
	{"help", NULL, NULL, "show this, and end", false, set_help},
};
/* clang-format on */
const size_t option_count = sizeof option_table / sizeof option_table[0];
_Static_assert(sizeof option_table / sizeof option_table[0] <= 64, "struct options.given has a bit a row");

/* ---- reading ---- */

static int find(const char *name)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(option_table[i].name, name) == 0)
			return (int)i;
	return -1;
}

enum status options_init(struct options *options, struct error *error)
{
	memset(options, 0, sizeof *options);
	for (size_t i = 0; i < option_count; i++) {
		const struct option_spec *spec = &option_table[i];
		if (!spec->preset)
			continue;
		enum status status = spec->set(options, spec->preset, 0, error);
		if (status != STATUS_OK) {
			options_free(options);
			return status;
		}
	}
	options->osc.layer = -1; /* the preset is replaced, not added to */
	return STATUS_OK;
}

static void free_list(struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->text[i]);
}

void options_free(struct options *options)
{
	free_list(&options->connect);
	free_list(&options->ignore);
	free_list(&options->osc);
	free_list(&options->allow);
	free(options->path);
	free(options->control);
	free(options->http);
	free(options->model);
	free(options->config);
	free(options->record);
	free(options->curve);
	memset(options, 0, sizeof *options);
}

enum status options_set(struct options *options, const char *name, const char *value, int layer, struct error *error)
{
	int i = find(name);
	if (i < 0)
		return status_fail(error, STATUS_USAGE, "unknown key %.60s; midibertd --help lists them", name);
	const struct option_spec *spec = &option_table[i];
	if (!spec->setting)
		return status_fail(error, STATUS_USAGE, "%s belongs on the command line, not into a configuration file",
				   name);
	if (!spec->argument && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return status_fail(error, STATUS_USAGE, "%s %.60s: give yes or no", name, value);
	options->given |= UINT64_C(1) << i;
	return spec->set(options, value, layer, error);
}

const char *options_find_config(int argc, char *const *argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strncmp(argv[i], "--config=", 9) == 0)
			return argv[i] + 9;
		if (strcmp(argv[i], "--config") == 0)
			return i + 1 < argc ? argv[i + 1] : NULL;
		/* The argument of another option is not an option. */
		int spec = strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], '=') ? find(argv[i] + 2) : -1;
		if (spec >= 0 && option_table[spec].argument)
			i++;
	}
	return NULL;
}

static enum status bad_option(const char *word, int missing, struct error *error)
{
	if (missing)
		return status_fail(error, STATUS_USAGE, "option %.60s needs a value; midibertd --help says which", word);
	return status_fail(error, STATUS_USAGE, "unknown option %.60s; midibertd --help lists them", word);
}

enum status options_parse(struct options *options, int argc, char **argv, int layer, struct error *error)
{
	struct option longs[sizeof option_table / sizeof option_table[0] + 1] = {0};
	for (size_t i = 0; i < option_count; i++)
		longs[i] = (struct option){option_table[i].name, option_table[i].argument ? required_argument : no_argument,
					   NULL, (int)i + 256};
	opterr = 0;
	optind = 0; /* glibc: start afresh, so that tests may parse twice */
	for (;;) {
		/* A switch with "=value" and an abbreviation that fits several are told like an unknown option. */
		int word = optind ? optind : 1;
		int got = getopt_long(argc, argv, "+:h", longs, NULL);
		if (got == -1)
			break;
		if (got == '?' || got == ':')
			return bad_option(argv[word], got == ':', error);
		const struct option_spec *spec = &option_table[got == 'h' ? find("help") : got - 256];
		const char *typed = argv[word];
		size_t typed_length = strcspn(typed, "=");
		if (got != 'h' &&
		    (typed_length != strlen(spec->name) + 2 || strncmp(typed + 2, spec->name, typed_length - 2) != 0))
			return bad_option(typed, 0,
					  error); /* abbreviations would change their meaning with every new option */
		options->given |= UINT64_C(1) << (spec - option_table);
		enum status status = spec->set(options, optarg, layer, error);
		if (status != STATUS_OK)
			return status;
	}
	if (optind < argc)
		return status_fail(error, STATUS_USAGE, "what is %.100s? midibertd takes options only; --help lists them",
				   argv[optind]);
	return STATUS_OK;
}

bool options_is_given(const struct options *options, const char *name)
{
	int i = find(name);
	return i >= 0 && (options->given >> i & 1);
}

enum status options_check(const struct options *options, struct error *error)
{
	bool file = options->source == SOURCE_KIND_FILE;
	if (!file && (options->loop || (options_is_given(options, "speed") && options->speed != 1)))
		return status_fail(error, STATUS_USAGE, "%s is for files: give --source file:PATH, too",
				   options->loop ? "loop" : "speed");
	if (!file && options->grid == GRID_KIND_FILE)
		return status_fail(error, STATUS_USAGE,
				   "grid file: only a file has a tempo map; give --source file:PATH, too");
	if (file && options->grid == GRID_KIND_CLOCK)
		return status_fail(error, STATUS_USAGE, "grid clock: a file sends no MIDI clock; give another grid");
	if (options->grid == GRID_KIND_JACK && options->source != SOURCE_KIND_JACK && options->source != SOURCE_KIND_AUTO)
		return status_fail(error, STATUS_USAGE,
				   "grid jack: only --source jack hears JACK's transport; give it, or another grid");
	if (options->grid == GRID_KIND_FILE && options_is_given(options, "tempo"))
		return status_fail(error, STATUS_USAGE,
				   "tempo: the grid is the file's; leave out one of --grid file and --tempo");
	if (file && options->speed == 0 && options->record)
		return status_fail(error, STATUS_USAGE,
				   "record: a file at --speed 0 says the same whenever it is played; leave out one of them");
	if (!options->record && options->record_report)
		return status_fail(error, STATUS_USAGE, "record-report: give --record DIR, too");
	if (file && options->speed == 0 && options->gather_us > 0)
		return status_fail(error, STATUS_USAGE,
				   "gather: at --speed 0 every moment is answered by itself; leave out one of them");
	return STATUS_OK;
}

/* ---- showing ---- */

void options_help(FILE *file)
{
	fputs("usage: midibertd [OPTION]...\n"
	      "Listens to a pianist over MIDI and says on OSC which notes are the melody, how loud each could be expected,\n"
	      "and what the playing sounds like.\n\n",
	      file);
	for (size_t i = 0; i < option_count; i++) {
		const struct option_spec *spec = &option_table[i];
		char left[64];
		if (!spec->help)
			continue;
		snprintf(left, sizeof left, "--%s%s%s", spec->name, spec->argument ? " " : "",
			 spec->argument ? spec->argument : "");
		fprintf(file, "  %-32s%s%s%s", left, strlen(left) > 31 ? "\n                                  " : "",
			spec->help, spec->preset ? " [" : "\n");
		if (spec->preset)
			fprintf(file, "%s]\n", spec->preset);
	}
	fputs("\nConfiguration files hold the same names, as in: decide = 60. They are /etc/midibertd/midibertd.conf and\n"
	      "/etc/midibertd/conf.d/*.conf, then the same in ~/.config/midibertd; options here override them.\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	      file);
}

static void print_list(FILE *file, const char *name, const struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(file, "%s = %s\n", name, list->text[i]);
}

void options_print(const struct options *options, FILE *file)
{
	static const char *const sources[] = {"auto", "alsa", "jack", "file:", "file:"};
	fprintf(file, "source = %s%s\n", sources[options->source], options->source == SOURCE_KIND_FILE ? options->path : "");
	print_list(file, "connect", &options->connect);
	print_list(file, "ignore", &options->ignore);
	if (options->channel)
		fprintf(file, "channel = %d\n", options->channel);
	fprintf(file, "keys = %d-%d\n", options->key_low, options->key_high);
	if (options->layers_us > 0)
		fprintf(file, "layers = %g\n", (double)options->layers_us / 1000);
	print_list(file, "osc", &options->osc);
	fprintf(file, "control = %s\nhttp = %s\nlan = %s\n", options->control, options->http, options->lan ? "yes" : "no");
	print_list(file, "allow", &options->allow);
	if (options->model)
		fprintf(file, "model = %s\n", options->model);
	fprintf(file, "window = %d\nbudget = %g\ngather = %g\ndecide = %g\nfinal-after = %g\n", options->window,
		(double)options->budget_us / 1000, (double)options->gather_us / 1000, (double)options->decide_us / 1000,
		(double)options->final_after_us / 1000);
	if (options->tempo > 0)
		fprintf(file, "tempo = %g\n", options->tempo);
	fprintf(file, "curve = %s\n", options->curve);
	if (options->record)
		fprintf(file, "record = %s\nrecord-limit = %d\nrecord-report = %s\n", options->record,
			options->record_limit_mb, options->record_report ? "yes" : "no");
	if (options->record || options_is_given(options, "take-pause"))
		fprintf(file, "take-pause = %g\n", (double)options->take_pause_us / 1e6);
	if (options->take_pedal)
		fprintf(file, "take-pedal = %s\n", options->take_pedal == 66 ? "sostenuto" : "soft");
	fprintf(file, "grid = %s\nbackend = %s\nspeed = %g\nloop = %s\nosc-timing = %s\nprint = %s\n",
		option_grids[options->grid], options->backend, options->speed, options->loop ? "yes" : "no",
		options->bundle ? "bundle" : "immediate", options->print ? "yes" : "no");
}
