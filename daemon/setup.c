/* From options to the parts that answer, see setup.h. Main thread. Starts no thread itself (a source has its own). */
#include "daemon/setup.h"

#include "base/clock.h"
#include "model/locate.h"
#include "osc/networks.h"
#include "stream/smf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BPM_DEFAULT 120
#define STYLE_EVERY_US 1000000
#define WARM_BURST 32	/* notes between two inferences while memory is touched */
#define WARM_SINGLES 31 /* notes answered one by one, and measured */

static void pass_on(void *context, const struct prediction *prediction)
{
	struct setup *setup = context;
	if (!setup->warming)
		setup->sink.emit(setup->sink.context, prediction);
}

/* The tracker's network. Without it everything but the tracker works: only who asked for the tracker is refused. */
static enum status load_rhythm(const struct options *options, struct setup *setup, struct error *error)
{
	char path[4096];
	struct error why;
	enum status status = rhythm_locate(options->model, path, sizeof path, &why);
	if (status == STATUS_OK)
		status = rhythm_load(path, &setup->rhythm, &why);
	if (status == STATUS_OK)
		return STATUS_OK;
	if (options->grid == GRID_KIND_TRACKER)
		return status_fail(error, status, "grid tracker: %.440s", why.text);
	fprintf(stderr, "midibertd: the notes alone give no beat: %s\n", why.text);
	return STATUS_OK;
}

/* Which sources of the beat may be believed. Auto: all; a fixed tempo only if one was given. */
static unsigned beat_sources(const struct options *options)
{
	switch (options->grid) {
	case GRID_KIND_AUTO: return BEAT_ALL;
	case GRID_KIND_CLOCK: return BEAT_BIT(BEAT_CLOCK);
	case GRID_KIND_JACK: return BEAT_BIT(BEAT_JACK);
	case GRID_KIND_TAP: return BEAT_BIT(BEAT_TAP);
	case GRID_KIND_TRACKER: return BEAT_BIT(BEAT_TRACKER);
	case GRID_KIND_FILE:
	case GRID_KIND_FIXED: break;
	}
	return BEAT_BIT(BEAT_FIXED);
}

static enum status open_live_grid(const struct options *options, struct setup *setup, struct error *error)
{
	struct beat_options beat = {.sources = beat_sources(options), .bpm = options->tempo};
	if (options->grid == GRID_KIND_FIXED)
		beat.bpm = setup->bpm;
	if (beat.sources & BEAT_BIT(BEAT_TRACKER)) {
		enum status status = load_rhythm(options, setup, error);
		if (status != STATUS_OK)
			return status;
		beat.network = setup->rhythm ? rhythm_network(setup->rhythm) : NULL;
	}
	setup->grid = grid_new_live(&beat);
	return STATUS_OK;
}

static enum status open_grid(const struct options *options, struct setup *setup, struct error *error)
{
	struct smf *file = NULL;
	enum status status = STATUS_OK;
	bool tempo_map = options->grid == GRID_KIND_FILE || (options->grid == GRID_KIND_AUTO && options->tempo == 0);
	setup->file_grid = options->source == SOURCE_KIND_FILE && tempo_map;
	setup->bpm = options->tempo > 0 ? options->tempo : BPM_DEFAULT;
	if (options->map) {
		setup->file_grid = true;
		setup->grid = grid_new_file(options->map, NULL);
	} else if (options->source == SOURCE_KIND_TAKE) {
		setup->grid = grid_new_recorded();
	} else if (setup->file_grid) {
		size_t clamped = 0;
		status = smf_read(options->path, &file, error);
		if (status != STATUS_OK)
			return status;
		setup->grid = grid_new_file(file, &clamped);
		if (clamped > 0)
			fprintf(stderr, "midibertd: %s: %zu time signatures are not representable and were shortened\n",
				options->path, clamped);
	} else {
		status = open_live_grid(options, setup, error);
	}
	if (status == STATUS_OK && !setup->grid)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory for the beat grid");
	smf_free(file);
	return status;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

/* Touches every page that later inferences use and lets the libraries take their buffers; then measures. */
static void warm_up(struct setup *setup)
{
	int64_t time_us[WARM_SINGLES] = {0};
	int bursts = 2 * setup->window + 2 * WARM_BURST;
	setup->warming = true;
	for (int i = 0; i < bursts + WARM_SINGLES; i++) {
		struct event event = {.event_us = (int64_t)i * 100000,
				      .arrival_us = (int64_t)i * 100000,
				      .position = (int64_t)i * 4,
				      .note_id = i + 1,
				      .kind = EVENT_NOTE_ON,
				      .pitch = (uint8_t)(48 + i * 5 % 37),
				      .velocity = (uint8_t)(40 + i * 7 % 60)};
		engine_accept(setup->engine, &event);
		if (i < bursts && i % WARM_BURST != 0)
			continue;
		int64_t start_us = clock_now_us();
		engine_infer(setup->engine, event.arrival_us);
		if (i >= bursts)
			time_us[i - bursts] = clock_now_us() - start_us;
	}
	engine_reset(setup->engine, 0);
	if (grid_beat(setup->grid))
		beat_clear(grid_beat(setup->grid));
	setup->warming = false;
	qsort(time_us, WARM_SINGLES, sizeof time_us[0], compare);
	setup->note_us = time_us[WARM_SINGLES / 4]; /* what else runs while a daemon starts is not the machine's speed */
}

/* The label set that the engine publishes: the first head of that kind. Returns how many; 0: there is no such head. */
static int labels_of(const struct model *model, enum osc_label_kind kind, const char *labels[CLASSES_MAX])
{
	static const char *const start[OSC_LABEL_KINDS] = {"style", "emotion"};
	const struct model_shape *shape = model_shape(model);
	for (int i = 0; i < shape->heads; i++) {
		const struct head_spec *head = &shape->head[i];
		if (head->level != HEAD_SEQUENCE || strncmp(head->name, start[kind], strlen(start[kind])) != 0)
			continue;
		for (int c = 0; c < head->classes; c++)
			labels[c] = head->label[c];
		return head->classes;
	}
	return 0;
}

static enum status check_labels(const struct setup *setup, struct error *error)
{
	const char *labels[CLASSES_MAX];
	enum status status = STATUS_OK;
	for (int kind = 0; kind < OSC_LABEL_KINDS && status == STATUS_OK; kind++)
		status = osc_server_check_labels((enum osc_label_kind)kind, labels,
						 labels_of(setup->model, (enum osc_label_kind)kind, labels), error);
	return status;
}

enum status setup_tell_model(const struct model *model, int window, struct osc_server *server, struct error *error)
{
	const char *labels[CLASSES_MAX];
	char text[256];
	enum status status = STATUS_OK;
	for (int kind = 0; kind < OSC_LABEL_KINDS && status == STATUS_OK; kind++)
		status = osc_server_set_labels(server, (enum osc_label_kind)kind, labels,
					       labels_of(model, (enum osc_label_kind)kind, labels), error);
	if (status != STATUS_OK)
		return status;
	snprintf(text, sizeof text, "%.180s window %d sha256:%.12s", model_path(model), window, model_sha256(model));
	osc_server_set_model(server, text);
	return STATUS_OK;
}

static enum status load_model(const char *path, const char *backend, struct setup *setup, struct error *error)
{
	enum status status = model_load(path, &setup->model, error);
	return status == STATUS_OK ? model_use_backend(setup->model, backend, error) : status;
}

static enum status open_engine(const struct options *options, int window, int64_t records, struct setup *setup,
			       struct error *error)
{
	struct engine_sink own = {pass_on, setup};
	struct engine_options engine = {.window = window,
					.decide_us = options->decide_us,
					.final_after_us = options->final_after_us,
					.style_every_us = STYLE_EVERY_US,
					.records = records};
	int span = model_shape(setup->model)->span;
	if (!options_is_given(options, "window") && engine.window > span)
		engine.window = span; /* the preset is for weights that allow it */
	setup->window = engine.window;
	return engine_new(setup->model, setup->grid, &engine, &own, &setup->engine, error);
}

/* ---- the budget ---- */

int64_t setup_budget_us(const struct options *options)
{
	bool live = options->source != SOURCE_KIND_FILE && options->source != SOURCE_KIND_TAKE;
	bool timed = options->source == SOURCE_KIND_FILE && options->speed > 0;
	return live || (timed && options_is_given(options, "budget")) ? options->budget_us : 0;
}

static enum status measure(const struct options *options, int window, struct setup *setup, struct error *error)
{
	engine_free(setup->engine);
	setup->engine = NULL;
	enum status status = open_engine(options, window, 0, setup, error);
	if (status == STATUS_OK)
		warm_up(setup);
	return status;
}

/* Half the window until a note is fast enough, or none is left. */
static enum status narrow(const struct options *options, int64_t budget_us, struct setup *setup, struct error *error)
{
	enum status status = STATUS_OK;
	while (status == STATUS_OK && setup->note_us > budget_us && !options_is_given(options, "window") &&
	       setup->window / 2 >= SETUP_WINDOW_MIN) {
		setup->narrowed = true;
		status = measure(options, setup->window / 2, setup, error);
	}
	return status;
}

/* Small weights in the place of those that are too slow; none to be had is no error, broken ones are. */
static enum status take_small(const struct options *options, struct setup *setup, struct error *error)
{
	char path[4096];
	if (locate_small_model(options->model, path, sizeof path, NULL) != STATUS_OK)
		return STATUS_OK;
	engine_free(setup->engine);
	setup->engine = NULL;
	model_free(setup->model);
	setup->model = NULL;
	setup->narrowed = false;
	enum status status = load_model(path, options->backend, setup, error);
	return status == STATUS_OK ? measure(options, options->window, setup, error) : status;
}

static enum status fit(const struct options *options, struct setup *setup, struct error *error)
{
	int64_t budget_us = setup_budget_us(options), wanted_us = setup->note_us;
	int wanted = setup->window;
	if (budget_us == 0 || wanted_us <= budget_us)
		return STATUS_OK;
	enum status status = narrow(options, budget_us, setup, error);
	if (status == STATUS_OK && setup->note_us > budget_us)
		status = take_small(options, setup, error);
	if (status == STATUS_OK)
		status = narrow(options, budget_us, setup, error);
	if (status != STATUS_OK)
		return status;
	fprintf(stderr, "midibertd: a note took %.2f ms with window %d, more than the budget of %g ms; ",
		(double)wanted_us / 1000, wanted, (double)budget_us / 1000);
	fprintf(stderr, "%s %s, window %d: %.2f ms\n",
		setup->note_us > budget_us ? "the fastest here is still over it:" : "taken:", model_path(setup->model),
		setup->window, (double)setup->note_us / 1000);
	return STATUS_OK;
}

enum status setup_open(const struct options *options, const struct engine_sink *sink, struct setup *setup,
		       struct error *error)
{
	char path[4096];
	struct error why;
	memset(setup, 0, sizeof *setup);
	setup->sink = *sink;
	model_use_threads(1);
	enum status status = locate_model(options->model, path, sizeof path, error);
	if (status == STATUS_OK) {
		status = load_model(path, options->backend, setup, &why);
		if (status != STATUS_OK)
			status_fail(error, status, "weights %.400s; give others with --model FILE", why.text);
	}
	if (status == STATUS_OK)
		status = open_grid(options, setup, error);
	if (status == STATUS_OK)
		status = measure(options, options->window, setup, error);
	if (status == STATUS_OK)
		status = fit(options, setup, error);
	if (status != STATUS_OK)
		setup_close(setup);
	return status;
}

enum status setup_open_beside(const struct options *options, const char *path, const struct setup *used, struct setup *setup,
			      struct error *error)
{
	memset(setup, 0, sizeof *setup);
	enum status status = load_model(path, options->backend, setup, error);
	if (status == STATUS_OK)
		status = check_labels(setup, error);
	if (status == STATUS_OK) {
		setup->grid = grid_new_fixed(BPM_DEFAULT); /* until it takes over the other's */
		if (!setup->grid)
			status = status_fail(error, STATUS_NO_MEMORY, "no memory for another model");
	}
	if (status == STATUS_OK)
		status = open_engine(options, used->narrowed ? used->window : options->window, engine_records(used->engine),
				     setup, error);
	if (status != STATUS_OK) {
		setup_close(setup);
		return status;
	}
	setup->narrowed = used->narrowed;
	warm_up(setup);
	setup->warming = true;
	return STATUS_OK;
}

void setup_exchange(struct setup *setup, struct setup *other)
{
	struct setup old = *setup;
	setup->model = other->model;
	setup->engine = other->engine;
	setup->window = other->window;
	setup->note_us = other->note_us;
	setup->narrowed = other->narrowed;
	other->model = old.model;
	other->engine = old.engine;
}

void setup_close(struct setup *setup)
{
	engine_free(setup->engine);
	grid_free(setup->grid);
	rhythm_free(setup->rhythm);
	model_free(setup->model);
	memset(setup, 0, sizeof *setup);
}

static void say(const char *text)
{
	fprintf(stderr, "midibertd: %s\n", text);
}

void setup_place(const struct options *options, const char *name, const char *value, char place[SETUP_PLACE_MAX])
{
	const char *port = strrchr(value, ':');
	if (options->lan && port && !options_is_given(options, name))
		snprintf(place, SETUP_PLACE_MAX, "%s%s", networks_everywhere(), port);
	else
		snprintf(place, SETUP_PLACE_MAX, "%s", value);
}

enum status setup_open_server(const struct options *options, const struct setup *setup, int64_t start_us,
			      void (*told)(void *context, const char *line), void *context, struct osc_server **server,
			      struct error *error)
{
	bool is_virtual = options->source == SOURCE_KIND_FILE && options->speed == 0;
	char control[SETUP_PLACE_MAX];
	setup_place(options, "control", options->control, control);
	struct osc_server_options server_options = {.targets = (const char *const *)options->osc.text,
						    .target_count = options->osc.count,
						    .control = control,
						    .allow = (const char *const *)options->allow.text,
						    .allow_count = options->allow.count,
						    .allow_local = options->lan && options->allow.count == 0,
						    .timing = options->bundle ? OSC_TIMING_BUNDLE : OSC_TIMING_IMMEDIATE,
						    .print = options->print ? stdout : NULL,
						    .say = say,
						    .start_us = start_us,
						    .unthrottled = is_virtual,
						    .repeated = options->source == SOURCE_KIND_TAKE,
						    .told = told,
						    .told_context = context};
	enum status status = osc_server_open(&server_options, server, error);
	if (status != STATUS_OK)
		return status;
	status = setup_tell_model(setup->model, setup->window, *server, error);
	if (status != STATUS_OK) {
		osc_server_close(*server);
		*server = NULL;
		return status;
	}
	return STATUS_OK;
}

static void copy_patterns(const char *to[SOURCE_PATTERNS_MAX], const struct option_list *list)
{
	for (size_t i = 0; i < list->count && i < SOURCE_PATTERNS_MAX; i++)
		to[i] = list->text[i];
}

enum status setup_open_source(const struct options *options, const struct source_output *output, struct source **source,
			      struct error *error)
{
	struct source_options source_options = {.client_name = "midibertd",
						.channel = options->channel,
						.key_low = options->key_low,
						.key_high = options->key_high,
						.layers_us = options->layers_us,
						.server_required = true, /* a server that is lost later is waited for */
						.path = options->path,
						.speed = options->speed,
						.loop = options->loop};
	copy_patterns(source_options.connect, &options->connect);
	copy_patterns(source_options.ignore, &options->ignore);
	switch (options->source) {
	case SOURCE_KIND_ALSA: return source_open_alsa(&source_options, output, source, error);
	case SOURCE_KIND_JACK: return source_open_jack(&source_options, output, source, error);
	case SOURCE_KIND_FILE: return source_open_file(&source_options, output, source, error);
	case SOURCE_KIND_TAKE:
	case SOURCE_KIND_AUTO: break;
	}
	return source_open_auto(&source_options, output, source, error);
}
