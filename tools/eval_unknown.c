/* What a model makes of odd inputs, see eval_unknown.h. Main thread. The figures are train/unknown.c's. */
#include "tools/eval_unknown.h"

#include "tools/emit.h"
#include "train/unknown.h"

#include <math.h>
#include <stdio.h>

#define SEED 2407

static void json_figures(struct emit *json, const char *key, const struct unknown_figures *figures, bool against)
{
	emit_open(json, key, '{');
	emit_integer(json, "passages", (long long)figures->passages);
	emit_real(json, "unknown", figures->passages ? figures->unknown : (double)NAN);
	emit_real(json, "confidence", figures->passages ? figures->confidence : (double)NAN);
	if (against) {
		emit_real(json, "auroc", figures->passages ? figures->auroc : (double)NAN);
		emit_real(json, "auroc_confidence", figures->passages ? figures->auroc_confidence : (double)NAN);
	}
	emit_close(json, '}');
}

static void print_json(const struct model *model, const struct unknown_options *options, const struct unknown_report *report)
{
	struct emit json;
	emit_start(&json, stdout);
	emit_text(&json, "task", "unknown");
	emit_text(&json, "grid", "fixed");
	emit_text(&json, "model", model_path(model));
	emit_text(&json, "model_sha256", model_sha256(model));
	emit_integer(&json, "notes", options->notes);
	emit_open(&json, "heads", '{');
	for (int i = 0; i < report->heads; i++) {
		const struct unknown_head *head = &report->head[i];
		emit_open(&json, model_shape(model)->head[head->head].name, '{');
		json_figures(&json, "familiar", &head->familiar, false);
		json_figures(&json, "other", &head->other, true);
		for (int k = 0; k < ODDITIES; k++)
			json_figures(&json, oddity_name((enum oddity)k), &head->odd[k], true);
		emit_close(&json, '}');
	}
	emit_close(&json, '}');
	emit_finish(&json);
}

static void print_row(const char *what, const struct unknown_figures *figures, bool against)
{
	if (figures->passages == 0)
		return;
	printf("%-14s %8zu %9.1f %11.1f", what, figures->passages, 100 * figures->unknown, 100 * figures->confidence);
	if (against && !isnan(figures->auroc))
		printf(" %8.3f %16.3f", figures->auroc, figures->auroc_confidence);
	putchar('\n');
}

static void print_table(const struct model *model, const struct unknown_options *options,
			const struct unknown_report *report)
{
	printf("What %s makes of passages of %d notes, played as a stream without a beat\n", model_path(model),
	       options->notes);
	for (int i = 0; i < report->heads; i++) {
		const struct unknown_head *head = &report->head[i];
		printf("\n%-14s %8s %9s %11s %8s %16s\n", model_shape(model)->head[head->head].name, "passages", "% unknown",
		       "confidence", "AUROC", "AUROC confidence");
		print_row("familiar", &head->familiar, false);
		print_row("other music", &head->other, true);
		for (int k = 0; k < ODDITIES; k++)
			print_row(oddity_name((enum oddity)k), &head->odd[k], true);
	}
}

enum status eval_unknown(const struct model *model, const struct dataset *dataset, int window, bool json,
			 struct error *error)
{
	const struct unknown_options options = {
	    .engine = {.window = ENGINE_WINDOW < model_shape(model)->span ? ENGINE_WINDOW : model_shape(model)->span,
		       .decide_us = ENGINE_DECIDE_MS * 1000,
		       .final_after_us = ENGINE_FINAL_AFTER_MS * 1000,
		       .style_every_us = ENGINE_STYLE_EVERY_MS * 1000},
	    .notes = window ? window : UNKNOWN_NOTES,
	    .each = UNKNOWN_EACH,
	    .seed = SEED};
	struct unknown_report report;
	model_use_threads(1);
	enum status status = unknown_measure(model, dataset, &options, &report, error);
	if (status == STATUS_OK)
		(json ? print_json : print_table)(model, &options, &report);
	return status;
}
