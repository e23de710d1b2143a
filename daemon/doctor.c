/* Checks of --doctor and the answer to --version, see doctor.h. Main thread. Every check is the real thing: the port is
 * bound, the server is opened, a note is labelled. */
#define _GNU_SOURCE
#include "daemon/doctor.h"

#include "base/clock.h"
#include "daemon/realtime.h"
#include "daemon/setup.h"
#include "daemon/shared.h"
#include "web/web.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct doctor {
	FILE *file;
	int failed;
};

enum finding { FINDING_OK, FINDING_NOTE, FINDING_FAIL };

static void report(struct doctor *doctor, enum finding finding, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void report(struct doctor *doctor, enum finding finding, const char *what, const char *format, ...)
{
	static const char *const word[] = {"ok", "note", "FAIL"};
	va_list arguments;
	fprintf(doctor->file, "%-5s %-16s ", word[finding], what);
	va_start(arguments, format);
	vfprintf(doctor->file, format, arguments);
	va_end(arguments);
	fputc('\n', doctor->file);
	doctor->failed += finding == FINDING_FAIL;
}

static void check_limits(struct doctor *doctor)
{
	char text[200];
	struct rlimit limit;
	int priority = realtime_priority_limit(text, sizeof text);
	report(doctor, priority > 0 ? FINDING_OK : FINDING_NOTE, "priority", "%s", text);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		report(doctor, FINDING_NOTE, "locked memory", "%s", strerror(errno));
	else if (limit.rlim_cur == RLIM_INFINITY)
		report(doctor, FINDING_OK, "locked memory", "no limit");
	else
		report(doctor, limit.rlim_cur >= 256u * 1048576 ? FINDING_OK : FINDING_NOTE, "locked memory",
		       "limit %.1f MiB; raise memlock in /etc/security/limits.d to lock everything",
		       (double)limit.rlim_cur / 1048576);
}

static void check_kernel(struct doctor *doctor)
{
	static const struct {
		const char *path, *what;
	} parts[] = {{"/dev/snd/seq", "module snd-seq, the ALSA sequencer"}, {"/dev/snd", "sound devices"}};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (access(parts[i].path, F_OK) != 0)
			report(doctor, FINDING_NOTE, "kernel", "no %s (%s): modprobe snd-seq", parts[i].path, parts[i].what);
		else if (access(parts[i].path, R_OK | (i == 0 ? W_OK : X_OK)) != 0)
			report(doctor, FINDING_NOTE, "kernel", "%s: %s; add the user to the group audio", parts[i].path,
			       strerror(errno));
		else
			report(doctor, FINDING_OK, "kernel", "%s (%s)", parts[i].path, parts[i].what);
	}
}

/* Opens one kind of source and closes it. True: it is there. */
static bool try_source(struct doctor *doctor, const struct options *options, enum option_source kind, const char *what)
{
	struct shared shared;
	struct error error;
	char text[128];
	struct options trial = *options; /* its texts are borrowed */
	trial.source = kind;
	if (shared_open(&shared, &error) != STATUS_OK) {
		report(doctor, FINDING_FAIL, what, "%s", error.text);
		return false;
	}
	struct source_output output = {shared.engine_events, shared.osc_events, shared.engine_wake, shared.osc_wake};
	enum status status = setup_open_source(&trial, &output, &shared.source, &error);
	if (status == STATUS_OK) {
		source_describe(shared.source, text, sizeof text);
		source_close(shared.source);
	}
	shared_close(&shared);
	bool wanted = options->source == kind;
	if (status == STATUS_OK)
		report(doctor, FINDING_OK, what, "%s", text);
	else
		report(doctor, wanted ? FINDING_FAIL : FINDING_NOTE, what, "%s", error.text);
	return status == STATUS_OK;
}

static void check_sources(struct doctor *doctor, const struct options *options)
{
	bool jack = try_source(doctor, options, SOURCE_KIND_JACK, "JACK");
	bool alsa = try_source(doctor, options, SOURCE_KIND_ALSA, "ALSA sequencer");
	if (options->source == SOURCE_KIND_FILE)
		try_source(doctor, options, SOURCE_KIND_FILE, "file");
	else if (!jack && !alsa)
		report(doctor, FINDING_FAIL, "MIDI input",
		       "none: start JACK or PipeWire, or modprobe snd-seq; or play a file with --source file:PATH");
}

static void ignore_prediction(void *context, const struct prediction *prediction)
{
	(void)context;
	(void)prediction;
}

static void check_weights_and_ports(struct doctor *doctor, const struct options *options)
{
	struct setup setup = {0};
	struct error error;
	struct osc_server *server;
	const struct engine_sink sink = {ignore_prediction, NULL};
	realtime_flush_denormals();
	if (setup_open(options, &sink, &setup, &error) != STATUS_OK) {
		report(doctor, FINDING_FAIL, "weights", "%s", error.text);
		return;
	}
	const struct model_shape *shape = model_shape(setup.model);
	report(doctor, FINDING_OK, "weights", "%s: %d layers of %d, %d heads, window %d", model_path(setup.model),
	       shape->layers, shape->width, shape->heads, setup.window);
	char why[200];
	const char *licence = model_metadata(setup.model, "licence");
	report(doctor, FINDING_OK, "licence", "of the weights: %s", licence ? licence : "not stated");
	if (setup.rhythm)
		report(doctor, FINDING_OK, "beat", "tracker %s, licence: %s", rhythm_path(setup.rhythm),
		       rhythm_licence(setup.rhythm));
	backend_tell_why(model_backend(setup.model), options->backend, why, sizeof why);
	report(doctor, FINDING_OK, "backend", "%s", why);
	report(doctor, FINDING_OK, "one note", "%.2f ms, lower quartile of those measured now",
	       (double)setup.note_us / 1000);
	double budget_ms = (double)setup_budget_us(options) / 1000;
	if (budget_ms > 0)
		report(doctor, setup.note_us <= setup_budget_us(options) ? FINDING_OK : FINDING_NOTE, "budget",
		       "%g ms a note: %s", budget_ms,
		       setup.note_us > setup_budget_us(options) ? "not kept, even with the weights and the window above"
								: "kept with the weights and the window above");
	struct options quiet = *options; /* nobody is sent anything */
	quiet.osc.count = 0;
	quiet.print = false;
	if (setup_open_server(&quiet, &setup, clock_now_us(), NULL, NULL, &server, &error) != STATUS_OK) {
		report(doctor, FINDING_FAIL, "control port", "%s", error.text);
	} else {
		report(doctor, FINDING_OK, "control port", "%s is free", options->control);
		osc_server_close(server);
	}
	setup_close(&setup);
}

static void say_nothing(const char *line)
{
	(void)line;
}

static void check_http(struct doctor *doctor, const struct options *options)
{
	char place[SETUP_PLACE_MAX];
	struct error error;
	struct web *web;
	setup_place(options, "http", options->http, place);
	const struct web_options web_options = {.http = place, .name = "", .say = say_nothing};
	if (strcmp(options->http, "off") == 0) {
		report(doctor, FINDING_OK, "HTTP", "off");
	} else if (web_open(&web_options, &web, &error) == STATUS_OK) {
		report(doctor, FINDING_OK, "HTTP", "%s is free", place);
		web_close(web);
	} else {
		report(doctor, options_is_given(options, "http") ? FINDING_FAIL : FINDING_NOTE, "HTTP", "%s", error.text);
	}
}

int doctor_run(const struct options *options, FILE *file)
{
	struct doctor doctor = {file, 0};
	check_limits(&doctor);
	check_kernel(&doctor);
	check_sources(&doctor, options);
	check_weights_and_ports(&doctor, options);
	check_http(&doctor, options);
	return doctor.failed;
}

void doctor_version(FILE *file)
{
	static const char *const libraries[] = {
	    "libasound.",  "libjack.",	 "libjackserver.", "libopenblas",      "liblo.",       "libinih.", "libsystemd.",
	    "libjansson.", "libnettle.", "libwebsockets.", "libavahi-client.", "libqrencode.", "libc."};
	char line[512], path[256], shown[4096] = "";
	fprintf(file, "midibertd %s\n", MIDIBERTD_VERSION);
	backend_list(file);
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %255s", path) != 1 || path[0] != '/')
			continue;
		const char *name = strrchr(path, '/') + 1;
		for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
			if (strncmp(name, libraries[i], strlen(libraries[i])) != 0 || strstr(shown, name) ||
			    strlen(shown) + strlen(name) + 2 > sizeof shown)
				continue;
			fprintf(file, "library %s\n", path);
			strcat(strcat(shown, name), "\n");
		}
	}
	if (maps)
		fclose(maps);
}
