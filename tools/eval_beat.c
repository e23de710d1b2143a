/* Beat tracking against annotations, as a table or as JSON, beside what others have published. Main thread. The figures are
 * train/evaluate_beat.c's. */
#include "tools/eval_beat.h"

#include "engine/rhythm_file.h"
#include "tools/emit.h"
#include "train/evaluate_beat.h"

#include <limits.h>
#include <stdio.h>

struct published {
	const char *name, *how;
	double low, high; /* beat F1 */
};

/* docs/BEAT.md says where these come from. Other splits and rules: beside ours, not against them. */
static const struct published published[] = {
    {"PM2S", "whole files, later notes seen", 0.83, 0.86},
    {"transformer", "whole files, later notes seen", 0.78, 0.78},
    {"hidden Markov model", "whole files", 0.48, 0.48},
    {"met-align", "as it is played, live performances", 0.56, 0.56},
    {"met-align", "as it is played, metronomic performances", 0.80, 0.80},
};
#define PUBLISHED (sizeof published / sizeof *published)

struct row {
	const char *name;
	const struct beat_score *score;
};

static void json_score(struct emit *json, const struct beat_score *score)
{
	emit_real(json, "beat_f1", score->f1);
	emit_real(json, "downbeat_f1", score->downbeat_f1);
	emit_open(json, "interval", '[');
	emit_real(json, NULL, score->interval[0]);
	emit_real(json, NULL, score->interval[1]);
	emit_close(json, ']');
	emit_real(json, "precision", score->precision);
	emit_real(json, "recall", score->recall);
	emit_real(json, "level_tolerant_f1", score->tolerant_f1);
	emit_real(json, "after_5_s_f1", score->later_f1);
}

static void print_json(const struct beat_evaluation *evaluation, const struct rhythm_pieces *pieces, const char *path,
		       const struct rhythm *rhythm)
{
	const struct row baselines[] = {{"fixed_120", &evaluation->steady}, {"note_interval", &evaluation->interval}};
	struct emit json;
	emit_start(&json, stdout);
	emit_text(&json, "task", "beat");
	emit_text(&json, "setting", "causal");
	emit_text(&json, "grid", "tracker");
	emit_text(&json, "model", path);
	emit_text(&json, "model_sha256", rhythm_sha256(rhythm));
	emit_integer(&json, "files", (long long)evaluation->files);
	emit_integer(&json, "count", (long long)evaluation->beats);
	emit_integer(&json, "skipped", (long long)pieces->skipped);
	emit_real(&json, "tolerance_s", BEAT_TOLERANCE_S);
	json_score(&json, &evaluation->tracker);
	emit_real(&json, "music_s", evaluation->music_s);
	emit_real(&json, "times_real_time", evaluation->music_s / (evaluation->processor_s + 1e-9));
	emit_open(&json, "baselines", '{');
	for (int i = 0; i < 2; i++) {
		emit_open(&json, baselines[i].name, '{');
		json_score(&json, baselines[i].score);
		emit_close(&json, '}');
	}
	emit_close(&json, '}');
	emit_open(&json, "published", '[');
	for (size_t i = 0; i < PUBLISHED; i++) {
		emit_open(&json, NULL, '{');
		emit_text(&json, "name", published[i].name);
		emit_text(&json, "how", published[i].how);
		emit_real(&json, "low", published[i].low);
		emit_real(&json, "high", published[i].high);
		emit_close(&json, '}');
	}
	emit_close(&json, ']');
	emit_finish(&json);
}

static void print_table(const struct beat_evaluation *evaluation, const struct rhythm_pieces *pieces, const char *path)
{
	const struct row rows[] = {{"tracker", &evaluation->tracker},
				   {"fixed 120 bpm", &evaluation->steady},
				   {"note interval", &evaluation->interval}};
	printf(
	    "beat by %s, from the notes alone, each beat when it was announced\n%zu files, %zu beats, %zu files skipped\n\n",
	    path, evaluation->files, evaluation->beats, pieces->skipped);
	printf("%-16s %7s   %-11s %9s %7s %9s %8s %8s\n", "% (mean of files)", "beat F1", "95 %", "precision", "recall",
	       "downbeat", "any level", "after 5 s");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct beat_score *score = rows[i].score;
		printf("%-16s  %7.2f   %5.2f-%-5.2f %9.2f %7.2f %9.2f %9.2f %9.2f\n", rows[i].name, 100 * score->f1,
		       100 * score->interval[0], 100 * score->interval[1], 100 * score->precision, 100 * score->recall,
		       100 * score->downbeat_f1, 100 * score->tolerant_f1, 100 * score->later_f1);
	}
	printf("\n%.0f times as fast as the music\n\npublished on ASAP, by other rules:\n",
	       evaluation->music_s / (evaluation->processor_s + 1e-9));
	for (size_t i = 0; i < PUBLISHED; i++) {
		printf("%-20s %3.0f", published[i].name, 100 * published[i].low);
		if (published[i].high > published[i].low)
			printf("-%.0f", 100 * published[i].high);
		printf(" %%, %s\n", published[i].how);
	}
}

enum status eval_beat(const char *const *manifests, size_t count, const char *model, bool json, struct error *error)
{
	char path[PATH_MAX];
	struct rhythm *rhythm = NULL;
	struct rhythm_pieces pieces = {0};
	struct beat_evaluation evaluation;
	enum status status = model ? rhythm_load(model, &rhythm, error) : STATUS_UNSUPPORTED;
	if (status == STATUS_UNSUPPORTED) { /* an encoder's weights: the tracker's beside them */
		status = rhythm_locate(model, path, sizeof path, error);
		if (status == STATUS_OK)
			status = rhythm_load(path, &rhythm, error);
	}
	if (status == STATUS_OK)
		status = rhythm_pieces_read(manifests, count, &pieces, error);
	if (status == STATUS_OK)
		status = evaluate_beat(&pieces, rhythm_network(rhythm), &evaluation, error);
	if (status == STATUS_OK) {
		if (json)
			print_json(&evaluation, &pieces, rhythm_path(rhythm), rhythm);
		else
			print_table(&evaluation, &pieces, rhythm_path(rhythm));
	}
	rhythm_pieces_free(&pieces);
	rhythm_free(rhythm);
	return status;
}
