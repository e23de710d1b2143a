/* midibert tokenize: MIDI files as Octuple tokens in text, or only how many there are. Main thread. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "base/clock.h"
#include "stream/octuple.h"
#include "stream/smf.h"
#include "train/manifest.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

static const char *const name = "tokenize";

struct job {
	bool drums, count_only;
	size_t files, notes, bad;
};

static void print_help(void)
{
	printf("usage: midibert tokenize [--drums] [--count] FILE.mid...\n"
	       "       midibert tokenize [--drums] [--count] --manifest FILE.tsv...\n\n"
	       "Writes one note a line: bar, position, instrument, pitch, duration, velocity, time signature, tempo;\n"
	       "an empty line between cuts of 256 bars, and between files.\n\n"
	       "  --drums          take channel 10 as well, as percussion\n"
	       "  --manifest FILE  take the files that a manifest lists; may be given again\n"
	       "  --count          write no token; say on standard error how many files and notes there were, and how fast\n"
	       "  --quiet          the same as --count\n"
	       "  --help           this text\n");
}

static void print_tokens(const struct octuple_tokens *tokens)
{
	size_t cut = 1; /* the first one begins at the first token */

	for (size_t i = 0; i < tokens->count; i++) {
		const uint16_t *id = tokens->tokens[i].id;

		if (cut < tokens->cuts && tokens->cut_start[cut] == i) {
			putchar('\n');
			cut++;
		}
		printf("%d %d %d %d %d %d %d %d\n", id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]);
	}
}

static void tokenize_file(struct job *job, const char *path)
{
	struct smf *file;
	struct octuple_tokens tokens = {0};
	struct error error;
	enum status status = smf_read(path, &file, &error);

	if (!status)
		status = octuple_tokenize(file, job->drums, &tokens, &error);
	if (status) {
		tool_fail(name, &error);
		job->bad++;
	} else {
		if (!job->count_only) {
			if (job->files > 0)
				putchar('\n');
			print_tokens(&tokens);
		}
		if (tokens.clamped_signatures)
			fprintf(stderr, "midibert %s: %s: %zu time signatures that no token can hold were clamped\n", name,
				path, tokens.clamped_signatures);
		job->files++;
		job->notes += tokens.count;
	}
	octuple_tokens_free(&tokens);
	smf_free(file);
}

static void tokenize_manifest(struct job *job, const char *path)
{
	struct manifest manifest;
	struct error error;

	if (manifest_read(path, &manifest, &error)) {
		tool_fail(name, &error);
		job->bad++;
		return;
	}
	for (size_t i = 0; i < manifest.count; i++) {
		const struct manifest_entry *entry = &manifest.entries[i];

		if (!entry->problem) {
			tokenize_file(job, entry->path);
			continue;
		}
		fprintf(stderr, "midibert %s: %s: line %zu %s\n", name, path, entry->line, entry->problem);
		job->bad++;
	}
	manifest_free(&manifest);
}

static const struct option options[] = {{"drums", no_argument, NULL, 'd'}, {"manifest", required_argument, NULL, 'm'},
					{"count", no_argument, NULL, 'c'}, {"quiet", no_argument, NULL, 'c'},
					{"help", no_argument, NULL, 'h'},  {0}};

/* Reads the options alone; manifests are taken in a second pass, when all options are known. */
static int read_options(int argc, char **argv, struct job *job, int *manifests)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'd': job->drums = true; break;
		case 'c': job->count_only = true; break;
		case 'm': ++*manifests; break;
		case 'h': print_help(); return -1;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	if (*manifests == 0 && optind == argc)
		return tool_usage(name, "which file?");
	return TOOL_DONE;
}

int tool_tokenize(int argc, char **argv)
{
	struct job job = {0};
	int64_t start_us = clock_now_us();
	int option, manifests = 0, status = read_options(argc, argv, &job, &manifests);
	double seconds;

	if (status)
		return status < 0 ? tool_finish(name, TOOL_DONE) : status;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		if (option == 'm')
			tokenize_manifest(&job, optarg);
	for (int i = optind; i < argc; i++)
		tokenize_file(&job, argv[i]);
	seconds = (double)(clock_now_us() - start_us) / 1e6;
	if (job.count_only)
		fprintf(stderr, "%zu files, %zu notes, %.2f s, %.0f notes a second\n", job.files, job.notes, seconds,
			seconds > 0 ? (double)job.notes / seconds : 0.0);
	return tool_finish(name, job.bad ? TOOL_FAILED : TOOL_DONE);
}
