/* midibert eval: one head of a model against the labels of a manifest, baselines beside it. Main thread. The figures are
 * train/evaluate.c's; this reads arguments, finds the head and prints. */
#define _POSIX_C_SOURCE 200809L
#include "tools/tools.h"

#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/rhythm_file.h"
#include "model/locate.h"
#include "tools/argument.h"
#include "tools/emit.h"
#include "tools/eval_beat.h"
#include "tools/eval_unknown.h"
#include "train/baselines.h"
#include "train/evaluate.h"
#include "train/evaluate_live.h"
#include "train/unknown.h"

#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BPM 120

static const char *const name = "eval";
static const char *const setting_names[SETTINGS] = {
    [SETTING_PLAYED] = "played", [SETTING_HIDDEN] = "hidden", [SETTING_CAUSAL] = "causal"};

struct request {
	const char *task, *setting, *model, *backend;
	const char **manifests, **train;
	size_t manifest_count, train_count;
	const char *grid;
	int window, threads, decide_ms, final_after_ms;
	double bpm; /* 0: not given */
	bool live, json;
};

/* Everything that is printed. */
struct report {
	const struct request *request;
	const struct model *model;
	const struct head_spec *head;
	struct task task;
	struct evaluation evaluation; /* with --live: what it has in common with `stream` */
	struct live_evaluation stream;
	size_t skipped;
	int window;
	struct baseline baselines[BASELINES_MAX];
	int baseline_count;
};

static void print_help(void)
{
	printf(
	    "usage: midibert eval --task TASK --manifest FILE.tsv... [OPTION]...\n\n"
	    "Runs a model over whole pieces and compares its answers with the labels of the files.\n\n"
	    "  --task TASK      melody, velocity, style, emotion, the name of a head, or beat: the beat tracker, against\n"
	    "                   NAME_annotations.txt beside NAME.mid (or beat_midi.txt in its folder); or unknown: what\n"
	    "                   heads make of drums, random notes and the like beside these pieces, by %d notes or "
	    "--window;\n"
	    "                   AUROC where some of the pieces are familiar: have labels of the head\n"
	    "  --manifest FILE  the files: path, or path<TAB>label, relative to the manifest; may be given again\n"
	    "  --train FILE     fit baselines on these files instead of the evaluated ones; may be given again\n"
	    "  --setting NAME   what a velocity head may see: hidden (default) or causal\n"
	    "  --model FILE     weights; default $MIDIBERT_MODEL, then weights/default.safetensors\n"
	    "  --window N       notes that a note looks back on, or notes of a window to judge; default: the model's span,\n"
	    "                   with --live at most %d\n"
	    "  --backend NAME   auto, fp32, bf16, int8, or a name that midibert --version lists\n"
	    "  --threads N      pieces that are heard at once, 1-%d; default: one a core. The figures do not depend on it; "
	    "beat\n"
	    "                   and unknown use one thread\n"
	    "  --json           one JSON object instead of a table\n"
	    "  --live           play the files through the engine on a virtual clock and judge each label when it stood\n"
	    "  --grid GRID      with --live: bars and beats from a steady tempo (fixed, default), from the beat tracker\n"
	    "                   (tracker) or from the file's tempo map (file)\n"
	    "  --tempo BPM      with --live: the steady tempo, 16-256 (%d)\n"
	    "  --decide MS      with --live: as the daemon's (%d): when a note is heard again even if nothing follows\n"
	    "  --final-after MS with --live: a label is final at the latest so long after the onset (%d)\n"
	    "  --help           this text\n",
	    UNKNOWN_NOTES, ENGINE_WINDOW, PARALLEL_MAX, DEFAULT_BPM, ENGINE_DECIDE_MS, ENGINE_FINAL_AFTER_MS);
}

/* ---- the head ---- */

static bool names_task(const struct head_spec *head, const char *task, const char *setting)
{
	char wanted[2 * HEAD_NAME_MAX];
	size_t length = strlen(task);
	if (strcmp(task, "velocity") == 0) {
		snprintf(wanted, sizeof wanted, "velocity_%.30s", setting ? setting : "hidden");
		return strcmp(head->name, wanted) == 0;
	}
	if (setting && strcmp(setting, setting_names[head->setting]) != 0)
		return false;
	/* style is asked of style_pianist8, too, and by its labels it is decided which one is meant */
	return strncmp(head->name, task, length) == 0 && (head->name[length] == '\0' || head->name[length] == '_');
}

static size_t known_labels(const struct head_spec *head, const struct dataset *dataset)
{
	struct task task;
	size_t known = 0;
	if (task_of_head(head, &task, NULL) != STATUS_OK)
		return 0;
	for (size_t i = 0; i < dataset->count; i++)
		known += task_has_truth(&task, &dataset->pieces[i]);
	return known;
}

static enum status find_head(const struct request *request, const struct model *model, const struct dataset *dataset,
			     int *head, struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	char there[HEADS_MAX * (HEAD_NAME_MAX + 16)] = "";
	size_t best = 0, length = 0;
	*head = -1;
	for (int i = 0; i < shape->heads; i++) {
		const struct head_spec *spec = &shape->head[i];
		length += (size_t)snprintf(there + length, sizeof there - length, "%s%s (%s)", i ? ", " : "", spec->name,
					   setting_names[spec->setting]);
		if (!names_task(spec, request->task, request->setting))
			continue;
		size_t known = known_labels(spec, dataset);
		if (*head < 0 || known > best) {
			*head = i;
			best = known;
		}
	}
	if (*head >= 0)
		return STATUS_OK;
	return status_fail(error, STATUS_NOT_FOUND, "%.150s has no head for task %.40s%s%.20s; its heads: %.200s",
			   model_path(model), request->task, request->setting ? " in setting " : "",
			   request->setting ? request->setting : "", shape->heads ? there : "none");
}

static size_t count_label(const struct dataset *dataset, const char *label, size_t end)
{
	size_t count = 0;
	for (size_t i = 0; i < end; i++) {
		const char *other = dataset->pieces[i].label;
		count += label && other ? strcmp(label, other) == 0 : label == other;
	}
	return count;
}

/* Says once for each label that the head does not know how many files carry it. */
static void name_unknown_labels(const struct task *task, const struct dataset *dataset)
{
	for (size_t i = 0; i < dataset->count; i++) {
		const char *label = dataset->pieces[i].label;
		if (task_piece_class(task, &dataset->pieces[i]) != TASK_NO_CLASS || count_label(dataset, label, i) > 0)
			continue;
		fprintf(stderr, "midibert %s: label %s is not one of the head's: %zu files skipped\n", name,
			label ? label : "(none)", count_label(dataset, label, dataset->count));
	}
}

/* ---- output ---- */

static void json_figures(struct emit *json, const struct metrics *metrics)
{
	emit_real(json, "accuracy", metrics->accuracy);
	emit_real(json, "macro_f1", metrics->macro_f1);
	emit_open(json, "interval", '[');
	emit_real(json, NULL, metrics->interval[0]);
	emit_real(json, NULL, metrics->interval[1]);
	emit_close(json, ']');
}

static void json_calibration(struct emit *json, const struct metrics *metrics)
{
	emit_real(json, "ece", metrics->ece);
	emit_real(json, "ece_adaptive", metrics->ece_adaptive);
	emit_real(json, "ece_chance", metrics->ece_chance);
	emit_real(json, "ece_chance_95", metrics->ece_chance_95);
}

static void json_level(struct emit *json, const char *key, const struct metrics *metrics)
{
	emit_open(json, key, '{');
	emit_integer(json, "count", (long long)metrics->count);
	json_figures(json, metrics);
	json_calibration(json, metrics);
	emit_close(json, '}');
}

static void json_delay(struct emit *json, const char *key, const struct live_delay *delay)
{
	emit_open(json, key, '{');
	emit_real(json, "median", delay->median_s);
	emit_integer(json, "never", (long long)delay->never);
	emit_close(json, '}');
}

static void json_lookahead(struct emit *json, const struct report *report)
{
	const struct live_evaluation *stream = &report->stream;
	char key[16];
	emit_open(json, "by_lookahead", '{');
	for (int i = 0; i < LIVE_LOOKAHEADS; i++) {
		snprintf(key, sizeof key, "%d", live_lookaheads[i]);
		emit_real(json, key, stream->by_lookahead[i].count > 0 ? stream->by_lookahead[i].accuracy : (double)NAN);
	}
	emit_real(json, "final", stream->metrics.accuracy);
	emit_close(json, '}');
	emit_open(json, "by_lookahead_count", '{');
	for (int i = 0; i < LIVE_LOOKAHEADS; i++) {
		snprintf(key, sizeof key, "%d", live_lookaheads[i]);
		emit_integer(json, key, (long long)stream->by_lookahead[i].count);
	}
	emit_integer(json, "final", (long long)stream->metrics.count);
	emit_close(json, '}');
	emit_real(json, "flips_per_100_notes", stream->flips_per_100_notes);
	emit_open(json, "stable_after_ms", '{');
	emit_real(json, "median", stream->stable_median_ms);
	emit_real(json, "p90", stream->stable_p90_ms);
	emit_close(json, '}');
}

/* What only --live knows. */
static void json_stream(struct emit *json, const struct report *report)
{
	const struct live_evaluation *stream = &report->stream;
	emit_real(json, "coverage", stream->coverage);
	emit_real(json, "selective_accuracy", stream->selective_accuracy);
	if (report->task.kind != TASK_SEQUENCE) {
		json_lookahead(json, report);
		return;
	}
	emit_integer(json, "unanswered", (long long)stream->unanswered);
	json_delay(json, "first_right_s", &stream->first_right);
	json_delay(json, "stays_right_s", &stream->stays_right);
}

static void json_baselines(struct emit *json, const struct report *report)
{
	emit_open(json, "baselines", '{');
	for (int i = 0; i < report->baseline_count; i++) {
		const struct baseline *baseline = &report->baselines[i];
		emit_open(json, baseline->name, '{');
		emit_real(json, "accuracy", baseline->metrics.accuracy);
		emit_real(json, "macro_f1", baseline->metrics.macro_f1);
		if (report->task.kind == TASK_VELOCITY && !baseline->fitted)
			emit_real(json, "mae", baseline->metrics.mae);
		if (baseline->fitted)
			emit_text(json, "fitted_on", baseline->fitted);
		emit_close(json, '}');
	}
	emit_close(json, '}');
}

static void print_json(const struct report *report)
{
	const struct evaluation *evaluation = &report->evaluation;
	const struct metrics *metrics = &evaluation->metrics;
	struct emit json;
	emit_start(&json, stdout);
	emit_text(&json, "task", report->request->task);
	emit_text(&json, "setting",
		  report->task.kind == TASK_VELOCITY ? report->head->name + strlen("velocity_")
						     : setting_names[report->head->setting]);
	emit_text(&json, "grid", report->request->grid);
	if (report->request->live) {
		emit_text(&json, "mode", "live");
		if (report->request->bpm > 0)
			emit_real(&json, "tempo", report->request->bpm);
		emit_integer(&json, "decide_ms", report->request->decide_ms);
		emit_integer(&json, "final_after_ms", report->request->final_after_ms);
	}
	emit_text(&json, "head", report->head->name);
	emit_text(&json, "model", model_path(report->model));
	emit_text(&json, "model_sha256", model_sha256(report->model));
	emit_integer(&json, "window_notes", report->window);
	emit_integer(&json, "files", (long long)evaluation->files);
	emit_integer(&json, "count", (long long)metrics->count);
	emit_integer(&json, "skipped", (long long)report->skipped);
	json_figures(&json, metrics);
	emit_open(&json, "labels", '[');
	for (int i = 0; i < report->task.classes; i++)
		emit_text(&json, NULL, report->task.label[i]);
	emit_close(&json, ']');
	emit_open(&json, "confusion", '[');
	for (int i = 0; i < report->task.classes; i++) {
		emit_open(&json, NULL, '[');
		for (int k = 0; k < report->task.classes; k++)
			emit_integer(&json, NULL, (long long)metrics->confusion[i][k]);
		emit_close(&json, ']');
	}
	emit_close(&json, ']');
	json_calibration(&json, metrics);
	json_baselines(&json, report);
	if (report->task.kind == TASK_VELOCITY)
		emit_real(&json, "mae", metrics->mae);
	if (report->task.kind == TASK_SEQUENCE) {
		json_level(&json, "window", &evaluation->passages); /* live: each answer, on the window it stood on */
		json_level(&json, "piece", metrics);
	}
	if (report->task.kind == TASK_MELODY) {
		struct metrics_class melody = metrics_of_class(metrics, MELODY_MELODY);
		emit_real(&json, "precision", melody.precision);
		emit_real(&json, "recall", melody.recall);
		emit_real(&json, "f1", melody.f1);
	}
	if (report->request->live)
		json_stream(&json, report);
	emit_finish(&json);
}

static void print_row(const char *what, const struct metrics *metrics, bool mae, const char *fitted)
{
	printf("%-20s %8.2f %9.2f   %5.2f-%-5.2f", what, 100 * metrics->accuracy, 100 * metrics->macro_f1,
	       100 * metrics->interval[0], 100 * metrics->interval[1]);
	if (mae)
		printf(" %8.2f", metrics->mae);
	printf("%s%s\n", fitted ? "   fitted on " : "",
	       !fitted			      ? ""
	       : strcmp(fitted, "train") == 0 ? "--train"
					      : "the evaluated files");
}

static void print_calibration(const char *what, const struct metrics *metrics)
{
	printf("expected calibration error%s %.2f %%; with bins of equal count %.2f %%, by chance alone %.2f %%, up to %.2f "
	       "%%\n",
	       what, 100 * metrics->ece, 100 * metrics->ece_adaptive, 100 * metrics->ece_chance,
	       100 * metrics->ece_chance_95);
}

static void print_confusion(const struct task *task, const struct metrics *metrics)
{
	printf("\n%-16s", "true \\ predicted");
	for (int k = 0; k < task->classes; k++)
		printf(" %10.10s", task->label[k]);
	putchar('\n');
	for (int i = 0; i < task->classes; i++) {
		printf("%-16.16s", task->label[i]);
		for (int k = 0; k < task->classes; k++)
			printf(" %10llu", (unsigned long long)metrics->confusion[i][k]);
		putchar('\n');
	}
}

static void print_delay(const char *what, const struct live_delay *delay)
{
	printf("%s: median %.1f s, never in %zu pieces\n", what, delay->median_s, delay->never);
}

static void print_stream(const struct report *report)
{
	const struct live_evaluation *stream = &report->stream;
	printf("\nsure enough to be said: %.2f %%, of these right %.2f %%\n", 100 * stream->coverage,
	       100 * stream->selective_accuracy);
	if (report->task.kind == TASK_SEQUENCE) {
		print_delay("first right", &stream->first_right);
		print_delay("stays right", &stream->stays_right);
		return;
	}
	printf("flips: %.2f per 100 notes; a label stands after %.0f ms (median), %.0f ms (p90)\n",
	       stream->flips_per_100_notes, stream->stable_median_ms, stream->stable_p90_ms);
	printf("\nlater notes   %% right      notes\n");
	for (int i = 0; i < LIVE_LOOKAHEADS; i++)
		if (stream->by_lookahead[i].count > 0)
			printf("%11d   %7.2f %10zu\n", live_lookaheads[i], 100 * stream->by_lookahead[i].accuracy,
			       stream->by_lookahead[i].count);
	printf("%11s   %7.2f %10zu\n", "final", 100 * stream->metrics.accuracy, stream->metrics.count);
}

static void print_table(const struct report *report)
{
	const struct evaluation *evaluation = &report->evaluation;
	bool velocity = report->task.kind == TASK_VELOCITY, sequence = report->task.kind == TASK_SEQUENCE;
	printf("%s by head %s of %s, %s velocities, windows of %d notes\n%zu files, %zu %s, %zu files skipped\n\n",
	       report->request->task, report->head->name, model_path(report->model), setting_names[report->head->setting],
	       report->window, evaluation->files, evaluation->metrics.count, sequence ? "pieces" : "notes", report->skipped);
	printf("%-20s %8s %9s   %-11s%s\n", "%", "accuracy", "macro-F1", "95 % of acc", velocity ? "      MAE" : "");
	print_row(sequence ? "model, by piece" : "model", &evaluation->metrics, velocity, NULL);
	if (sequence)
		print_row(report->request->live ? "model, each answer" : "model, by window", &evaluation->passages, false,
			  NULL);
	for (int i = 0; i < report->baseline_count; i++)
		print_row(report->baselines[i].name, &report->baselines[i].metrics, velocity && !report->baselines[i].fitted,
			  report->baselines[i].fitted);
	if (report->task.kind == TASK_MELODY) {
		struct metrics_class melody = metrics_of_class(&evaluation->metrics, MELODY_MELODY);
		printf("\nclass melody: precision %.2f, recall %.2f, F1 %.2f %%\n", 100 * melody.precision,
		       100 * melody.recall, 100 * melody.f1);
	}
	putchar('\n');
	print_calibration(sequence ? " by piece" : "", &evaluation->metrics);
	if (sequence)
		print_calibration(report->request->live ? " of answers" : " by window", &evaluation->passages);
	if (report->request->live)
		print_stream(report);
	print_confusion(&report->task, &evaluation->metrics);
}

/* ---- the command ---- */

static enum status load_rhythm(const struct request *request, struct rhythm **rhythm, struct error *error)
{
	char path[PATH_MAX];
	enum status status = rhythm_locate(request->model, path, sizeof path, error);
	return status == STATUS_OK ? rhythm_load(path, rhythm, error) : status;
}

static enum status judge_stream(struct report *report, int head, const struct dataset *dataset, struct error *error)
{
	const struct request *request = report->request;
	struct rhythm *rhythm = NULL;
	enum status status = strcmp(request->grid, "tracker") == 0 ? load_rhythm(request, &rhythm, error) : STATUS_OK;
	const struct evaluate_live_options options = {.engine = {.window = report->window,
								 .decide_us = (int64_t)request->decide_ms * 1000,
								 .final_after_us = (int64_t)request->final_after_ms * 1000,
								 .style_every_us = (int64_t)ENGINE_STYLE_EVERY_MS * 1000},
						      .bpm = request->bpm,
						      .network = rhythm ? rhythm_network(rhythm) : NULL,
						      .threads = request->threads,
						      .set = EVALUATE_ALL_SETS};
	if (status == STATUS_OK)
		status = evaluate_live(report->model, head, dataset, &options, &report->stream, error);
	rhythm_free(rhythm);
	report->evaluation = (struct evaluation){.files = report->stream.files,
						 .skipped = report->stream.skipped,
						 .metrics = report->stream.metrics,
						 .passages = report->stream.answers};
	return status;
}

static enum status judge(struct report *report, int head, const struct dataset *dataset, struct error *error)
{
	const struct request *request = report->request;
	const struct evaluate_options options = {
	    .window = request->window, .threads = request->threads, .set = EVALUATE_ALL_SETS};
	report->window = request->window ? request->window : model_shape(report->model)->span;
	if (request->live && !request->window && report->window > ENGINE_WINDOW)
		report->window = ENGINE_WINDOW;
	if (report->task.kind == TASK_SEQUENCE)
		name_unknown_labels(&report->task, dataset);
	if (request->live)
		return judge_stream(report, head, dataset, error);
	if (report->task.kind == TASK_SEQUENCE)
		return evaluate_sequence_task(report->model, head, dataset, &options, &report->evaluation, error);
	return evaluate_note_task(report->model, head, dataset, &options, &report->evaluation, error);
}

static enum status evaluate(struct report *report, const struct request *request, struct error *error)
{
	char path[PATH_MAX];
	struct model *model = NULL;
	struct dataset dataset = {0}, train = {0};
	int head = -1;
	if (strcmp(request->task, "beat") == 0)
		return eval_beat(request->manifests, request->manifest_count, request->model, request->json, error);
	model_use_threads(1); /* pieces run side by side, not products */
	enum status status = locate_model(request->model, path, sizeof path, error);
	if (status == STATUS_OK)
		status = model_load(path, &model, error);
	if (status == STATUS_OK)
		status = model_use_backend(model, request->backend, error);
	if (status == STATUS_OK)
		status = dataset_read(request->manifests, request->manifest_count, &dataset, error);
	if (status == STATUS_OK && request->train_count > 0)
		status = dataset_read(request->train, request->train_count, &train, error);
	if (status == STATUS_OK && strcmp(request->task, "unknown") == 0) {
		status = eval_unknown(model, &dataset, request->window, request->json, error);
		dataset_free(&train);
		dataset_free(&dataset);
		model_free(model);
		return status;
	}
	if (status == STATUS_OK)
		status = find_head(request, model, &dataset, &head, error);
	if (status == STATUS_OK)
		status = task_of_head(&model_shape(model)->head[head], &report->task, error);
	if (status == STATUS_OK) {
		report->request = request;
		report->model = model;
		report->head = &model_shape(model)->head[head];
		status = judge(report, head, &dataset, error);
	}
	if (status == STATUS_OK)
		status = baselines_compute(&report->task, &dataset, EVALUATE_ALL_SETS, request->train_count ? &train : NULL,
					   report->baselines, &report->baseline_count, error);
	if (status == STATUS_OK) {
		report->skipped = dataset.skipped + report->evaluation.skipped;
		(request->json ? print_json : print_table)(report);
	}
	dataset_free(&train);
	dataset_free(&dataset);
	model_free(model);
	return status;
}

static const struct option options[] = {{"task", required_argument, NULL, 't'},
					{"manifest", required_argument, NULL, 'm'},
					{"train", required_argument, NULL, 'f'},
					{"setting", required_argument, NULL, 's'},
					{"model", required_argument, NULL, 'w'},
					{"window", required_argument, NULL, 'n'},
					{"backend", required_argument, NULL, 'b'},
					{"threads", required_argument, NULL, 'p'},
					{"live", no_argument, NULL, 'l'},
					{"grid", required_argument, NULL, 'g'},
					{"tempo", required_argument, NULL, 'T'},
					{"decide", required_argument, NULL, 'd'},
					{"final-after", required_argument, NULL, 'F'},
					{"json", no_argument, NULL, 'j'},
					{"help", no_argument, NULL, 'h'},
					{0}};

/* The grid belongs to the stream: whole files always lie on their own. */
static int settle_grid(struct request *request, bool timed)
{
	const char *grid = request->grid;
	bool beat = strcmp(request->task, "beat") == 0;
	if (grid && strcmp(grid, "file") != 0 && strcmp(grid, "fixed") != 0 && strcmp(grid, "tracker") != 0)
		return tool_usage(name, "%s is no value that --grid takes: give tracker, fixed or file", grid);
	if (beat && ((grid && strcmp(grid, "tracker") != 0) || request->bpm > 0 || timed))
		return tool_usage(name, "the beat is judged by the tracker alone: leave --grid, --tempo and times out");
	if (beat)
		return TOOL_DONE;
	if (!request->live && ((grid && strcmp(grid, "file") != 0) || request->bpm > 0 || timed))
		return tool_usage(name, "--grid %s, --tempo, --decide and --final-after want --live", grid ? grid : "fixed");
	if (!grid)
		grid = request->grid = request->live ? "fixed" : "file";
	if (strcmp(grid, "fixed") != 0 && request->bpm > 0)
		return tool_usage(name, "--tempo is for --grid fixed: %s has its own",
				  strcmp(grid, "file") == 0 ? "the file's grid" : "the tracker");
	if (strcmp(grid, "fixed") == 0 && request->bpm <= 0)
		request->bpm = DEFAULT_BPM;
	return TOOL_DONE;
}

/* -1: help was asked for. */
static int read_options(int argc, char **argv, struct request *request)
{
	int option;
	bool timed = false;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 't': request->task = optarg; break;
		case 'm': request->manifests[request->manifest_count++] = optarg; break;
		case 'f': request->train[request->train_count++] = optarg; break;
		case 's': request->setting = optarg; break;
		case 'w': request->model = optarg; break;
		case 'b': request->backend = optarg; break;
		case 'j': request->json = true; break;
		case 'l': request->live = true; break;
		case 'g': request->grid = optarg; break;
		case 'T':
			if (!argument_real(optarg, 16, 256, &request->bpm))
				return tool_usage(name, "%s is no value that --tempo takes: give 16-256", optarg);
			break;
		case 'd':
		case 'F':
			timed = true;
			if (!argument_integer(optarg, 0, ENGINE_WAIT_MAX_MS,
					      option == 'd' ? &request->decide_ms : &request->final_after_ms))
				return tool_usage(name, "%s is no value that %s takes", optarg,
						  option == 'd' ? "--decide" : "--final-after");
			break;
		case 'p':
			if (!argument_integer(optarg, 1, PARALLEL_MAX, &request->threads))
				return tool_usage(name, "--threads %s: 1 to %d", optarg, PARALLEL_MAX);
			break;
		case 'h': return -1;
		case 'n':
			if (!argument_integer(optarg, 1, 1000000, &request->window))
				return tool_usage(name, "--window %s is not a number of notes", optarg);
			break;
		case ':': return tool_usage(name, "%s wants a value", argv[optind - 1]);
		default: return tool_usage(name, "unknown option %s", argv[optind - 1]);
		}
	}
	while (optind < argc) /* --manifest A B */
		request->manifests[request->manifest_count++] = argv[optind++];
	if (!request->task || !*request->task)
		return tool_usage(name, "which --task?");
	if (request->manifest_count == 0)
		return tool_usage(name, "which --manifest?");
	if (request->setting && strcmp(request->setting, "hidden") != 0 && strcmp(request->setting, "causal") != 0 &&
	    strcmp(request->setting, "played") != 0)
		return tool_usage(name, "--setting %s is neither hidden nor causal", request->setting);
	return settle_grid(request, timed);
}

int tool_eval(int argc, char **argv)
{
	struct request request = {.backend = "auto",
				  .decide_ms = ENGINE_DECIDE_MS,
				  .final_after_ms = ENGINE_FINAL_AFTER_MS,
				  .manifests = calloc((size_t)argc, sizeof(char *)),
				  .train = calloc((size_t)argc, sizeof(char *))};
	struct report *report = calloc(1, sizeof *report);
	struct error error;
	int status = TOOL_FAILED;
	if (!request.manifests || !request.train || !report) {
		status_fail(&error, STATUS_NO_MEMORY, "no memory");
		tool_fail(name, &error);
	} else if ((status = read_options(argc, argv, &request)) < 0) {
		print_help();
		status = tool_finish(name, TOOL_DONE);
	} else if (status == TOOL_DONE) {
		status = evaluate(report, &request, &error) == STATUS_OK ? TOOL_DONE : tool_fail(name, &error);
		status = tool_finish(name, status);
	}
	free(report);
	free(request.manifests);
	free(request.train);
	return status;
}
