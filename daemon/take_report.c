/* A child process after each take, see take_report.h. Recorder's thread. It does not read what the child writes: pages go
 * to the folder, complaints to standard error. */
#define _GNU_SOURCE
#include "daemon/take_report.h"

#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The midibert that stands beside this program, else the one in PATH. */
static void find_program(char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);
	char *slash = NULL;
	if (length > 0) {
		path[length] = '\0';
		slash = strrchr(path, '/');
	}
	if (slash && (size_t)(slash - path) + 10 < size) {
		strcpy(slash + 1, "midibert");
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, size, "midibert");
}

static void start(struct take_report *report, const char *folder)
{
	char program[4096], directory[4096];
	/* A folder that begins with a dash is no option. */
	snprintf(directory, sizeof directory, "%s%.4000s", folder[0] == '-' ? "./" : "", folder);
	char *const arguments[] = {"midibert", "report", directory, NULL};
	const struct sched_param none = {0};
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	find_program(program, sizeof program);
	report->wanted = false;
	if (posix_spawnattr_init(&attributes) != 0)
		return;
	int failed = posix_spawn_file_actions_init(&actions);
	if (failed == 0) {
		/* Standard output may be --print, whose reader waits for its end. */
		posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
		posix_spawnattr_setschedpolicy(&attributes, SCHED_IDLE);
		posix_spawnattr_setschedparam(&attributes, &none);
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSCHEDULER);
		failed = posix_spawnp(&report->child, program, &actions, &attributes, arguments, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attributes);
	if (failed != 0) {
		report->child = 0;
		fprintf(stderr, "midibertd: record: no report: %s: %s\n", program, strerror(failed));
	}
}

void take_report_want(struct take_report *report)
{
	report->wanted = true;
}

bool take_report_is_busy(const struct take_report *report)
{
	return report->child > 0 || report->wanted;
}

void take_report_turn(struct take_report *report, const char *folder)
{
	int result = 0;
	if (report->child > 0 && waitpid(report->child, &result, WNOHANG) != 0) {
		report->child = 0;
		if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
			fprintf(stderr, "midibertd: record: the report of %s failed\n", folder);
	}
	if (report->child == 0 && report->wanted)
		start(report, folder);
}

void take_report_finish(struct take_report *report, const char *folder)
{
	take_report_turn(report, folder);
	if (report->wanted)
		start(report, folder);
}
