/* `midibert bench`: what a forward pass, a note in the stream and a training step cost here, beside the machine's own peak
 * measured in the same run. Main thread. Prints; asserts nothing. */
#include "tools/tools.h"

#include "base/clock.h"
#include "base/random.h"
#include "engine/engine.h"
#include "model/encoder.h"
#include "model/linear.h"
#include "model/locate.h"
#include "tools/argument.h"
#include "tools/emit.h"
#include "tools/made_model.h"
#include "train/network.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOOL "bench"
#define ROUNDS 31 /* timings a median is taken of */
#define ROUNDS_MIN 5
#define ROUNDS_MS 4000 /* then so many will do */
#define TRAINING_ROWS 512
#define BANDWIDTH_BYTES (256u << 20) /* well past any cache */

static const int default_windows[] = {64, 128, 256, 512, 1024};

struct bench {
	const char *path, *size, *backend;
	int window, threads; /* 0: several */
	bool json;
	enum precision precision; /* of training */
	struct model *model;
	double peak, fp32_peak, bf16_peak, int8_peak; /* operations a second of one thread */
	double bandwidth;			      /* bytes a second, read */
	struct emit out;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof *values, compare);
	return values[count / 2];
}

static float *random_floats(size_t count)
{
	float *x = aligned_alloc(64, (count * sizeof *x + 63) / 64 * 64);
	struct random random = {1, 0};
	for (size_t i = 0; x && i < count; i++)
		x[i] = (float)random_uniform(&random) - 0.5f;
	return x;
}

/* The rate of one product shape by one backend, the rows' conversion included; one thread. 0 without memory. The best of
 * several rounds where `best`, else their median. */
static double product_rate(const struct backend *backend, int m, int n, int k, bool best)
{
	float *x = random_floats((size_t)m * (size_t)k), *w = random_floats((size_t)n * (size_t)k);
	float *y = random_floats((size_t)m * (size_t)n), *scratch = random_floats(linear_scratch(m, k));
	struct linear linear = {0};
	double rates[ROUNDS] = {0};
	if (x && w && y && scratch && linear_new(&linear, backend, n, k, w)) {
		for (int i = -1; i < ROUNDS; i++) {
			int64_t began = clock_now_us(), took;
			int repeats = 0;
			do {
				linear_run(&linear, m, x, scratch, y);
				repeats++;
			} while ((took = clock_now_us() - began) < 1000);
			if (i >= 0)
				rates[i] = 2.0 * m * n * k * repeats / (double)took * 1e6;
		}
	}
	linear_free(&linear);
	free(x), free(w), free(y), free(scratch);
	double middle = median(rates, ROUNDS); /* sorts */
	return best ? rates[ROUNDS - 1] : middle;
}

static void measure_bandwidth(struct bench *bench)
{
	uint64_t *memory = malloc(BANDWIDTH_BYTES);
	volatile uint64_t sink = 0;
	if (!memory)
		return;
	memset(memory, 1, BANDWIDTH_BYTES);
	for (int round = 0; round < 5; round++) {
		int64_t began = clock_now_us();
		uint64_t sum[8] = {0};
		for (size_t i = 0; i < BANDWIDTH_BYTES / 8; i += 8)
			for (int lane = 0; lane < 8; lane++)
				sum[lane] += memory[i + (size_t)lane];
		for (int lane = 0; lane < 8; lane++)
			sink += sum[lane];
		double rate = (double)BANDWIDTH_BYTES / (double)(clock_now_us() - began) * 1e6;
		bench->bandwidth = rate > bench->bandwidth ? rate : bench->bandwidth;
	}
	(void)sink;
	free(memory);
}

static double *precision_peak(struct bench *bench, const char *precision)
{
	return precision[0] == 'f' ? &bench->fp32_peak : precision[0] == 'b' ? &bench->bf16_peak : &bench->int8_peak;
}

/* Peak: the best product rate of any backend here, on the model's shapes and on 1024 cubed. */
static void measure_machine(struct bench *bench)
{
	const struct model_shape *shape = model_shape(bench->model);
	int d = shape->width, f = shape->inner;
	const int sizes[][3] = {{256, 3 * d, d}, {256, f, d}, {256, d, f}, {1024, 1024, 1024}};
	const struct backend *backend;
	model_use_threads(1);
	for (int b = 0; (backend = backend_at(b)); b++) {
		if (!backend_runs(backend) || strncmp(backend->name, "plain", 5) == 0)
			continue;
		double *peak = precision_peak(bench, backend->precision);
		for (int i = 0; i < 4; i++) {
			double rate = product_rate(backend, sizes[i][0], sizes[i][1], sizes[i][2], true);
			*peak = rate > *peak ? rate : *peak;
		}
		bench->peak = *peak > bench->peak ? *peak : bench->peak;
	}
	measure_bandwidth(bench);
}

/* What each backend here makes of the row counts of the stream, with the wide layer's weight. */
static void put_products(struct bench *bench)
{
	static const int rows[] = {1, 2, 5, 17, 64, 256};
	const struct model_shape *shape = model_shape(bench->model);
	const struct backend *backend;
	if (bench->json)
		emit_open(&bench->out, "products", '[');
	else
		printf("products of N rows, GF/s: 1, 2, 5, 17, 64, 256\n");
	for (int b = 0; (backend = backend_at(b)); b++) {
		if (!backend_runs(backend))
			continue;
		if (!bench->json)
			printf("  %-12s", backend->name);
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			double rate = product_rate(backend, rows[i], shape->inner, shape->width, false);
			if (bench->json) {
				emit_open(&bench->out, NULL, '{');
				emit_text(&bench->out, "backend", backend->name);
				emit_text(&bench->out, "precision", backend->precision);
				emit_integer(&bench->out, "rows", rows[i]);
				emit_real(&bench->out, "operations_per_s", rate);
				emit_close(&bench->out, '}');
			} else {
				printf("  %7.1f", rate * 1e-9);
			}
		}
		if (!bench->json)
			printf("\n");
	}
	if (bench->json)
		emit_close(&bench->out, ']');
}

static struct token made_up_token(int64_t index)
{
	struct place place = {.bar = index / 16, .position = (uint8_t)(index % 16 * 4), .time_signature = 9, .tempo = 35};
	return octuple_token(&place, 40 + (int)(index * 7 % 40), 4, 60 + (int)(index % 30), 0);
}

/* Operations of the products of one forward row that looks back on `window` notes (2 a multiply-add). */
static double row_operations(const struct model_shape *shape, int window)
{
	double d = shape->width, f = shape->inner;
	double seen = window + (shape->lookahead == LOOKAHEAD_UNLIMITED ? window : shape->lookahead);
	return shape->layers * (2 * (4 * d * d + 2 * d * f) + 4 * 2 * d * seen);
}

static void put_forward(struct bench *bench, int window, int threads)
{
	const struct model_shape *shape = model_shape(bench->model);
	struct encoder *encoder = encoder_new(bench->model, ENCODER_SETTING(SETTING_PLAYED), window, window, 0);
	struct token *tokens = calloc((size_t)window, sizeof *tokens);
	double times[ROUNDS], spent = 0;
	int rounds = 0;
	if (!encoder || !tokens)
		goto out;
	for (int i = 0; i < window; i++)
		tokens[i] = made_up_token(i);
	model_use_threads(threads);
	for (int i = -1; i < ROUNDS && (i < ROUNDS_MIN || spent < ROUNDS_MS); i++) {
		encoder_reset(encoder);
		int64_t began = clock_now_us();
		encoder_hear(encoder, SETTING_PLAYED, 0, window, tokens);
		double ms = (double)(clock_now_us() - began) / 1000;
		if (i >= 0)
			spent += times[rounds++] = ms;
	}
	model_use_threads(1);
	double own_peak = *precision_peak(bench, model_backend(bench->model)->precision);
	double ms = median(times, rounds), rate = row_operations(shape, window / 2) * window / ms * 1000;
	if (bench->json) {
		emit_open(&bench->out, NULL, '{');
		emit_integer(&bench->out, "window", window);
		emit_integer(&bench->out, "threads", threads);
		emit_text(&bench->out, "backend", model_backend(bench->model)->name);
		emit_text(&bench->out, "precision", model_backend(bench->model)->precision);
		emit_real(&bench->out, "ms_p50", ms);
		emit_real(&bench->out, "share_of_peak", rate / (bench->peak * threads));
		emit_real(&bench->out, "share_of_precision_peak", rate / (own_peak * threads));
		emit_close(&bench->out, '}');
	} else {
		printf("forward   window %4d  threads %d  %8.3f ms  %5.1f GF/s  %4.1f %% of peak, %4.1f %% of its "
		       "precision's\n",
		       window, threads, ms, rate * 1e-9, 100 * rate / (bench->peak * threads),
		       100 * rate / (own_peak * threads));
	}
out:
	encoder_free(encoder);
	free(tokens);
}

static void drop_prediction(void *context, const struct prediction *prediction)
{
	(void)context;
	(void)prediction;
}

/* Settings that the heads ask for, a bit each. */
static unsigned settings_of(const struct model_shape *shape)
{
	unsigned settings = 0;
	for (int h = 0; h < shape->heads; h++)
		settings |= ENCODER_SETTING(shape->head[h].setting);
	return settings;
}

/* Bytes one note must read at least, as wide as the backend keeps them: every weight once, for all settings share a pass; of
 * each setting, the keys and values it looks back on; and the distances, once. */
static double note_bytes(const struct model *model, int window)
{
	const struct model_shape *shape = model_shape(model);
	char precision = model_backend(model)->precision[0];
	double d = shape->width, f = shape->inner, seen = window, width = precision == 'f' ? 4 : precision == 'b' ? 2 : 1;
	double attention = model_bf16_attention(model) ? 2 : 4;
	double weights = shape->layers * (4 * d * d + 2 * d * f) * width;
	double distances = shape->layers * seen * d / shape->attention_heads * attention;
	double kept = 0;
	for (int s = 0; s < SETTINGS; s++)
		kept += settings_of(shape) >> s & 1 ? shape->layers * 2 * seen * d * attention : 0;
	return weights + distances + kept;
}

/* Operations of a note (2 a multiply-add) in a stream where the one before has just ended: in each layer the rows whose
 * input is new, and those that see them; a causal setting has the note's own row and the one that asks. */
static double note_operations(const struct model_shape *shape, int window)
{
	double d = shape->width, f = shape->inner, sum = 0;
	for (int s = 0; s < SETTINGS; s++) {
		if (!(settings_of(shape) >> s & 1))
			continue;
		bool whole = shape->lookahead == LOOKAHEAD_UNLIMITED && s != SETTING_CAUSAL;
		double in = whole ? window : 2, ahead = whole || s == SETTING_CAUSAL ? 0 : shape->lookahead;
		for (int layer = 0; layer < shape->layers; layer++) {
			double out = in + ahead;
			sum += in * 2 * 3 * d * d + out * (2 * (d * d + 2 * d * f) + 4 * 2 * d * window);
			in = out;
		}
	}
	return sum;
}

/* One note through the engine as the daemon runs it: accept, then one inference with every head, in a full window. */
static void put_note(struct bench *bench, int window)
{
	const struct model_shape *shape = model_shape(bench->model);
	struct engine_options options = {
	    .window = window, .decide_us = 100000, .final_after_us = 2000000, .style_every_us = 500000};
	struct engine_sink sink = {drop_prediction, NULL};
	struct grid *grid = grid_new_fixed(120);
	struct engine *engine = NULL;
	struct error error;
	double times[256], spent = 0;
	int timed = 0;
	if (!grid || engine_new(bench->model, grid, &options, &sink, &engine, &error) != STATUS_OK)
		goto out;
	for (int i = 0; timed < 256 && (timed < ROUNDS || spent < ROUNDS_MS); i++) {
		struct event on = {.event_us = i * 125000 + 1,
				   .position = -1,
				   .note_id = i + 1,
				   .kind = EVENT_NOTE_ON,
				   .pitch = (uint8_t)(40 + i * 7 % 40),
				   .velocity = (uint8_t)(60 + i % 30)};
		struct event off = {.event_us = i * 125000 + 100000,
				    .position = -1,
				    .note_id = i + 1,
				    .kind = EVENT_NOTE_OFF,
				    .pitch = on.pitch,
				    .duration_us = 99999};
		on.arrival_us = on.event_us;
		off.arrival_us = off.event_us;
		engine_accept(engine, &on);
		/* The window is filled in bursts, as a flood of notes would. */
		bool filling = i <= window + 64;
		if (filling && i % 32 != 0)
			continue;
		int64_t began = clock_now_us();
		engine_infer(engine, on.event_us);
		double ms = (double)(clock_now_us() - began) / 1000;
		if (!filling)
			spent += times[timed++] = ms;
		engine_accept(engine, &off);
		engine_expire(engine, off.event_us);
	}
	double ms = median(times, timed), bytes = note_bytes(bench->model, window),
	       floor_ms = bytes / bench->bandwidth * 1000;
	double operations = note_operations(shape, window),
	       peak = *precision_peak(bench, model_backend(bench->model)->precision);
	if (bench->json) {
		emit_open(&bench->out, NULL, '{');
		emit_integer(&bench->out, "window", window);
		emit_real(&bench->out, "ms_p50", ms);
		emit_real(&bench->out, "bytes", bytes);
		emit_real(&bench->out, "floor_ms", floor_ms);
		emit_real(&bench->out, "operations", operations);
		emit_real(&bench->out, "operations_floor_ms", operations / peak * 1000);
		emit_close(&bench->out, '}');
	} else {
		printf(
		    "note      window %4d             %8.3f ms  floors %.3f ms (%.1f MB at %.1f GB/s), %.3f ms (%.0f MF at "
		    "%.1f GF/s)\n",
		    window, ms, floor_ms, bytes * 1e-6, bench->bandwidth * 1e-9, operations / peak * 1000, operations * 1e-6,
		    peak * 1e-9);
	}
out:
	engine_free(engine);
	grid_free(grid);
}

/* Forward and backward passes over one sequence on one thread: what each training thread does. */
static void put_training(struct bench *bench)
{
	const struct model_shape *shape = model_shape(bench->model);
	struct network_options options = {.rows = TRAINING_ROWS, .precision = bench->precision, .dropout = 0.1f};
	struct parameters *parameters = NULL;
	struct network *network = NULL;
	struct workspace *workspace = NULL;
	float *values = NULL, *gradient = NULL;
	struct token tokens[TRAINING_ROWS];
	int limit[TRAINING_ROWS];
	int8_t label[TRAINING_ROWS];
	double times[9], spent = 0;
	int head = -1, rounds = 0;
	for (int h = 0; h < shape->heads; h++)
		head = shape->head[h].level == HEAD_NOTE ? h : head;
	if (head < 0 || parameters_new(shape, &parameters, NULL) != STATUS_OK ||
	    !(values = calloc(parameters->elements, sizeof *values)))
		goto out;
	parameters_initialise(parameters, shape, 1, values);
	if (network_new(shape, parameters, values, &options, &network, NULL) != STATUS_OK ||
	    !(workspace = workspace_new(network)) || !(gradient = calloc(network_gradient_size(network), sizeof *gradient)))
		goto out;
	int n = shape->lookahead == LOOKAHEAD_UNLIMITED ? shape->span - 1 : shape->lookahead;
	for (int t = 0; t < TRAINING_ROWS; t++) {
		tokens[t] = made_up_token(t);
		limit[t] = t + n < TRAINING_ROWS ? t + n : TRAINING_ROWS - 1;
		label[t] = (int8_t)(t % shape->head[head].classes);
	}
	struct sequence sequence = {.length = TRAINING_ROWS, .tokens = tokens, .limit = limit, .key = 1};
	for (int h = 0; h < HEADS_MAX; h++)
		sequence.sequence_label[h] = LABEL_NONE;
	sequence.note_label[head] = label;
	sequence.weight[head] = 1.0f / TRAINING_ROWS;
	for (int i = -1; i < 9 && (i < 3 || spent < ROUNDS_MS * 1e-3); i++) {
		struct score score = {0};
		int64_t began = clock_now_us();
		network_pass(network, workspace, &sequence, gradient, &score);
		double took = (double)(clock_now_us() - began) * 1e-6;
		if (i >= 0)
			spent += times[rounds++] = took;
	}
	double s = median(times, rounds);
	int seen =
	    TRAINING_ROWS < shape->span ? TRAINING_ROWS / 2 : shape->span - shape->span * shape->span / (2 * TRAINING_ROWS);
	double share = 3 * row_operations(shape, seen) * TRAINING_ROWS / s / bench->peak;
	if (bench->json) {
		emit_open(&bench->out, "training", '{');
		emit_real(&bench->out, "tokens_per_s", TRAINING_ROWS / s);
		emit_real(&bench->out, "share_of_peak", share);
		emit_close(&bench->out, '}');
	} else {
		printf("training  one thread              %8.0f notes/s  %4.1f %% of peak (%s)\n", TRAINING_ROWS / s,
		       100 * share, bench->precision == PRECISION_BF16 && product_has_bf16() ? "bf16 products" : "fp32");
	}
out:
	workspace_free(workspace);
	network_free(network);
	parameters_free(parameters);
	free(values);
	free(gradient);
}

static void put_machine(struct bench *bench, const char *what)
{
	const struct model_shape *shape = model_shape(bench->model);
	emit_text(&bench->out, "model", what);
	emit_integer(&bench->out, "layers", shape->layers);
	emit_integer(&bench->out, "width", shape->width);
	emit_text(&bench->out, "backend", model_backend(bench->model)->name);
	emit_open(&bench->out, "machine", '{');
	emit_real(&bench->out, "peak", bench->peak);
	emit_real(&bench->out, "peak_fp32", bench->fp32_peak);
	emit_real(&bench->out, "peak_bf16", bench->bf16_peak);
	emit_real(&bench->out, "peak_int8", bench->int8_peak);
	emit_real(&bench->out, "bytes_per_s", bench->bandwidth);
	emit_close(&bench->out, '}');
}

static void run(struct bench *bench)
{
	int span = model_shape(bench->model)->span;
	int only[1] = {bench->window};
	const int *windows = bench->window ? only : default_windows;
	int count = bench->window ? 1 : (int)(sizeof default_windows / sizeof *default_windows);
	char why[200];
	backend_tell_why(model_backend(bench->model), bench->backend, why, sizeof why);
	measure_machine(bench);
	const char *what = bench->size ? bench->size : model_path(bench->model);
	if (bench->json) {
		emit_start(&bench->out, stdout);
		put_machine(bench, what);
	} else
		printf("%s\n%s\npeak of one thread %.1f GF/s (fp32 %.1f, bf16 %.1f, int8 %.1f), memory %.1f GB/s\n", what,
		       why, bench->peak * 1e-9, bench->fp32_peak * 1e-9, bench->bf16_peak * 1e-9, bench->int8_peak * 1e-9,
		       bench->bandwidth * 1e-9);
	put_products(bench);
	if (bench->json)
		emit_open(&bench->out, "forward", '[');
	for (int i = 0; i < count; i++)
		for (int threads = bench->threads ? bench->threads : 1;
		     windows[i] <= span && threads <= (bench->threads ? bench->threads : 2); threads++)
			put_forward(bench, windows[i], threads);
	if (bench->json) {
		emit_close(&bench->out, ']');
		emit_open(&bench->out, "note", '[');
	}
	for (int i = 0; i < count; i++)
		if (windows[i] <= span)
			put_note(bench, windows[i]);
	if (bench->json)
		emit_close(&bench->out, ']');
	put_training(bench);
	if (bench->json)
		emit_finish(&bench->out);
}

static int help(void)
{
	printf(
	    "usage: midibert bench [--model FILE | --size LAYERSxWIDTH] [--window N] [--threads N] [--backend NAME]\n"
	    "                      [--precision bf16|fp32] [--json]\n\n"
	    "Medians of repeated runs: a forward pass over a whole window, one note in the stream (every head, as the "
	    "daemon runs\n"
	    "it), and training passes of one thread. Peak is the best product rate of any library here in the same run;\n"
	    "floors of a note are the bytes it must read over the memory's rate, and its operations over the peak of its\n"
	    "precision. --size: random weights of that size that look back on 1024 notes (the paper's is 12x768).\n"
	    "Without --window: 64 to 1024, as far as the model's span goes; without --threads: one and two; --precision is\n"
	    "that of the training's products (bf16).\n");
	return tool_finish(TOOL, TOOL_DONE);
}

int tool_bench(int argc, char **argv)
{
	static const struct option table[] = {{"model", required_argument, NULL, 'm'},
					      {"size", required_argument, NULL, 's'},
					      {"window", required_argument, NULL, 'w'},
					      {"threads", required_argument, NULL, 't'},
					      {"backend", required_argument, NULL, 'b'},
					      {"precision", required_argument, NULL, 'p'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	struct bench bench = {.backend = "auto", .precision = PRECISION_BF16};
	struct error error = {0};
	char found[4096];
	int code;
	optind = 1;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		switch (code) {
		case 'm': bench.path = optarg; break;
		case 's': bench.size = optarg; break;
		case 'b': bench.backend = optarg; break;
		case 'j': bench.json = true; break;
		case 'h': return help();
		case 'p':
			if (strcmp(optarg, "bf16") != 0 && strcmp(optarg, "fp32") != 0)
				return tool_usage(TOOL, "--precision %s: bf16 or fp32", optarg);
			bench.precision = optarg[0] == 'b' ? PRECISION_BF16 : PRECISION_FP32;
			break;
		case 'w':
			if (!argument_integer(optarg, 1, 4096, &bench.window))
				return tool_usage(TOOL, "--window %s: 1 to 4096", optarg);
			break;
		case 't':
			if (!argument_integer(optarg, 1, 64, &bench.threads))
				return tool_usage(TOOL, "--threads %s: 1 to 64", optarg);
			break;
		default:
			return tool_usage(TOOL, "%s: %s", argv[optind - 1],
					  code == ':' ? "needs a value" : "no such option");
		}
	}
	if (optind < argc)
		return tool_usage(TOOL, "%s: not an option", argv[optind]);
	if (bench.size && bench.path)
		return tool_usage(TOOL, "--size makes weights of its own: leave out --model");
	if (bench.size ? made_model_open(bench.size, &bench.model, &error) != STATUS_OK
		       : locate_model(bench.path, found, sizeof found, &error) != STATUS_OK ||
			     model_load(found, &bench.model, &error) != STATUS_OK)
		return tool_fail(TOOL, &error);
	if (model_use_backend(bench.model, bench.backend, &error) != STATUS_OK) {
		model_free(bench.model);
		return tool_fail(TOOL, &error);
	}
	if (bench.window > model_shape(bench.model)->span) {
		model_free(bench.model);
		return tool_usage(TOOL, "--window %d: these weights look back on %d notes", bench.window,
				  model_shape(bench.model)->span);
	}
	run(&bench);
	model_free(bench.model);
	return tool_finish(TOOL, TOOL_DONE);
}
