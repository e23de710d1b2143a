/* midibertd: reads options and configuration, then runs live, on the virtual clock, or answers a question. Main thread.
 * The only place that turns a status into an exit status. */
#include "daemon/config.h"
#include "daemon/doctor.h"
#include "daemon/live.h"
#include "daemon/options.h"
#include "daemon/repeat.h"
#include "daemon/virtual.h"
#include "osc/namespace.h"

#include <stdio.h>

static enum status read_options(struct options *options, int argc, char **argv, struct error *error)
{
	int layer = 0;
	enum status status = options_init(options, error);
	if (status != STATUS_OK)
		return status;
	/* The command line is read twice: help, version and wrong options must not depend on files. */
	status = options_parse(options, argc, argv, 1, error);
	if (status != STATUS_OK || options->action == ACTION_HELP || options->action == ACTION_VERSION ||
	    options->action == ACTION_LIST_OSC)
		return status;
	options_free(options);
	status = options_init(options, error);
	if (status == STATUS_OK)
		status = config_read_all(options_find_config(argc, argv), options, &layer, error);
	if (status == STATUS_OK)
		status = options_parse(options, argc, argv, layer + 1, error);
	return status == STATUS_OK ? options_check(options, error) : status;
}

static enum status act(const struct options *options, struct error *error)
{
	int failed;
	switch (options->action) {
	case ACTION_HELP: options_help(stdout); break;
	case ACTION_VERSION: doctor_version(stdout); break;
	case ACTION_LIST_OSC:
		if (osc_namespace_list(stdout) != 0)
			return status_fail(error, STATUS_IO, "standard output cannot be written");
		break;
	case ACTION_CHECK_CONFIG: options_print(options, stdout); break;
	case ACTION_DOCTOR:
		failed = doctor_run(options, stdout);
		if (failed > 0)
			return status_fail(error, STATUS_NOT_FOUND, "%d of the checks failed", failed);
		break;
	case ACTION_RUN:
		if (options->source == SOURCE_KIND_FILE && repeat_is_recording(options->path))
			return repeat_run(options, error);
		if (options->source == SOURCE_KIND_FILE && options->speed == 0)
			return virtual_run(options, error);
		return live_run(options, error);
	}
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct error error = {STATUS_OK, ""};
	enum status status = read_options(&options, argc, argv, &error);
	if (status == STATUS_OK)
		status = act(&options, &error);
	options_free(&options);
	if (status == STATUS_OK && (fflush(stdout) != 0 || ferror(stdout)))
		status = status_fail(&error, STATUS_IO, "standard output cannot be written");
	if (status == STATUS_OK)
		return 0;
	fprintf(stderr, "midibertd: %s\n", error.text);
	return status == STATUS_USAGE ? 2 : 1;
}
