/* Where weights are looked for: what was said first, then the tree around the program. */
#define _GNU_SOURCE
#include "model/locate.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[PATH_MAX];
static struct error error;

static void takes_what_it_is_told(void **state)
{
	(void)state;
	setenv("MIDIBERT_MODEL", "/from/the/environment", 1);
	assert_int_equal(locate_model("/said", path, sizeof path, &error), STATUS_OK);
	assert_string_equal(path, "/said");
	assert_int_equal(locate_model(NULL, path, sizeof path, &error), STATUS_OK);
	assert_string_equal(path, "/from/the/environment");
	char tiny[8];
	assert_int_equal(locate_model("/said/at/length", tiny, sizeof tiny, &error), STATUS_USAGE);
}

/* Runs this program again from a copy in `folder`/`program`, to see what it finds there. */
static void copy_finds(const char *root, const char *program, const char *weights, const char *wanted)
{
	char command[4 * PATH_MAX];
	int length = snprintf(command, sizeof command,
			      "mkdir -p $(dirname %s/%s) $(dirname %s/%s) && cp /proc/%d/exe %s/%s && : >%s/%s && "
			      "cd / && env -u MIDIBERT_MODEL %s/%s find %s >%s/out && test \"$(cat %s/out)\" = \"%s/%s\"",
			      root, program, root, weights, (int)getpid(), root, program, root, weights, root, program, root,
			      root, root, root, wanted);
	assert_in_range(length, 1, sizeof command - 1);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "rm -r %s/*", root);
	assert_int_equal(system(command), 0);
}

static void looks_around_the_program(void **state)
{
	(void)state;
	char root[] = "/tmp/locate.XXXXXX";
	assert_non_null(mkdtemp(root));
	copy_finds(root, "build/p", "weights/default.safetensors", "build/../weights/default.safetensors");
	copy_finds(root, "build/address/p", "weights/default.safetensors",
		   "build/address/../../weights/default.safetensors");
	copy_finds(root, "bin/p", "share/midibert/default.safetensors", "bin/../share/midibert/default.safetensors");
	copy_finds(root, "bin/p", "elsewhere", "none");
	assert_int_equal(rmdir(root), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_what_it_is_told),
	    cmocka_unit_test(looks_around_the_program),
	};
	if (argc == 3 && strcmp(argv[1], "find") == 0) {
		/* weights that are installed on this machine may be found, too: they are none of this test's */
		enum status status = locate_model(NULL, path, sizeof path, &error);
		bool ours = status == STATUS_OK && strncmp(path, argv[2], strlen(argv[2])) == 0;
		if (status != STATUS_OK && !strstr(error.text, "give --model FILE or set MIDIBERT_MODEL"))
			return 1;
		printf("%s%s\n", ours ? path : argv[2], ours ? "" : "/none");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
