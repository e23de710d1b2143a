/* What the tests of the engine share: a player, what the engine said, one forward over the whole history to compare with,
 * and counted allocations. Included by one file a program: it defines malloc. */
#ifndef MIDIBERTD_TEST_ENGINE_SUPPORT_H
#define MIDIBERTD_TEST_ENGINE_SUPPORT_H

#include "engine/engine.h"

#include "base/random.h"
#include "model/predictors.h"
#include "model/reference.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- counted allocations: this program's malloc family stands before libc's ---- */

static long allocations;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	allocations++;
	return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	allocations++;
	*out = __libc_memalign(alignment, size);
	return *out ? 0 : 12;
}
#else
#define COUNTS_ALLOCATIONS 0
#endif

/* ---- a stage: what the engine said ---- */

#define NOTES_MAX 12000
#define TOLERANCE 2e-4f /* of a probability: sums in another order */

struct told {
	int stages[3];
	bool final;
	struct prediction last;
};

struct stage {
	struct told melody[NOTES_MAX], velocity[NOTES_MAX], causal[NOTES_MAX];
	int on[NOTES_MAX], off[NOTES_MAX];
	struct prediction on_prediction[NOTES_MAX];
	int styles, resets;
	int64_t last_style_us, now_us;
	struct prediction style;
	int32_t first_id;
	bool again; /* something has been said again since the engine was called: no first label may follow */
};

static struct stage told;

static inline void take_label(struct told *label, const struct prediction *p, float moved_expected)
{
	assert_false(label->final);
	if (p->stage == STAGE_PROVISIONAL)
		assert_int_equal(label->stages[0], 0);
	else
		assert_int_equal(label->stages[0], 1);
	if (p->stage == STAGE_REVISED)
		assert_true(p->label != label->last.label || fabsf(p->confidence - label->last.confidence) >= 0.0999f ||
			    moved_expected >= 1.999f);
	label->stages[p->stage]++;
	label->final = p->stage == STAGE_FINAL;
	label->last = *p;
}

static inline void take(void *context, const struct prediction *p)
{
	struct stage *stage = context;
	int64_t index = (int64_t)p->note_id - stage->first_id;
	if (index < 0)
		index += NOTE_ID_MAX;
	if (p->kind == PREDICT_RESET) {
		stage->resets++;
		return;
	}
	assert_in_range(index, 0, NOTES_MAX - 1);
	bool label = p->kind == PREDICT_MELODY || p->kind == PREDICT_VELOCITY_HIDDEN;
	if (p->kind == PREDICT_VELOCITY_CAUSAL || (label && p->stage == STAGE_PROVISIONAL))
		assert_false(stage->again);
	stage->again |= label && p->stage != STAGE_PROVISIONAL;
	switch (p->kind) {
	case PREDICT_MELODY: take_label(&stage->melody[index], p, 0); break;
	case PREDICT_VELOCITY_CAUSAL: /* once, and that for good */
		assert_int_equal(p->stage, STAGE_FINAL);
		assert_int_equal(stage->causal[index].stages[STAGE_FINAL]++, 0);
		assert_true(p->trigger_us >= p->event_us); /* the note's own, whenever it is said */
		stage->causal[index].last = *p;
		break;
	case PREDICT_VELOCITY_HIDDEN:
		take_label(&stage->velocity[index], p, fabsf(p->expected - stage->velocity[index].last.expected));
		break;
	case PREDICT_MELODY_ON:
		assert_int_equal(stage->on[index]++, 0);
		stage->on_prediction[index] = *p;
		break;
	case PREDICT_MELODY_OFF:
		assert_int_equal(stage->on[index], 1);
		assert_int_equal(stage->off[index]++, 0);
		break;
	case PREDICT_STYLE:
		stage->styles++;
		stage->style = *p;
		stage->last_style_us = stage->now_us;
		break;
	default: fail();
	}
}

/* ---- a player: random notes, chords, late releases; and the tokens as the rules freeze them ---- */

struct player {
	struct random random;
	struct engine *engine;
	struct grid *grid;
	const struct model_shape *shape;
	int64_t now_us;
	int32_t first_id, next_id;
	int notes;
	struct event on[NOTES_MAX];
	struct token token[NOTES_MAX];
	bool held[NOTES_MAX];
	int64_t end_us[NOTES_MAX]; /* of keys that are no longer held */
	int since_reset;	   /* index of the first note after the last reset */
	bool softer;
};

static struct player player;

static inline int32_t id_of(int index)
{
	int64_t id = (int64_t)player.first_id + index;
	return (int32_t)(id > NOTE_ID_MAX ? id - NOTE_ID_MAX : id);
}

static inline void play_on(void)
{
	int i = player.notes++;
	assert_in_range(i, 0, NOTES_MAX - 1);
	player.on[i] = (struct event){.event_us = player.now_us,
				      .arrival_us = player.now_us + 500,
				      .position = -1,
				      .note_id = id_of(i),
				      .kind = EVENT_NOTE_ON,
				      .pitch = (uint8_t)random_integer(&player.random, 21, 108),
				      .velocity = (uint8_t)random_integer(&player.random, 4, 127)};
	if (player.softer)
		player.on[i].velocity = (uint8_t)(player.on[i].velocity / 2 + 1);
	if (i == player.since_reset)
		grid_reset(player.grid, player.now_us);
	struct place place = grid_place(player.grid, grid_position(player.grid, &player.on[i]));
	player.token[i] = octuple_token(&place, player.on[i].pitch, -1, player.on[i].velocity, 0);
	player.held[i] = true;
	told.again = false;
	engine_accept(player.engine, &player.on[i]);
}

static inline void play_off(int i)
{
	struct event off = player.on[i];
	off.kind = EVENT_NOTE_OFF;
	off.event_us = player.now_us;
	off.arrival_us = player.now_us + 500;
	off.duration_us = player.now_us - player.on[i].event_us;
	player.held[i] = false;
	player.end_us[i] = player.now_us;
	if (i >= player.since_reset && player.notes - 1 - i < player.shape->freeze) {
		int64_t start = grid_position(player.grid, &player.on[i]);
		struct place place = grid_place(player.grid, start);
		player.token[i] = octuple_token(&place, player.on[i].pitch, grid_position(player.grid, &off) - start,
						player.on[i].velocity, 0);
	}
	told.again = false;
	engine_accept(player.engine, &off);
}

/* Releases some of the newest 12 held keys. */
static inline void release_some(double share)
{
	for (int i = player.notes > 12 ? player.notes - 12 : 0; i < player.notes; i++)
		if (player.held[i] && random_uniform(&player.random) < share)
			play_off(i);
}

static inline void answer(void)
{
	told.now_us = player.now_us + 500;
	told.again = false;
	if (engine_wants_inference(player.engine))
		engine_infer(player.engine, told.now_us);
	assert_false(engine_wants_inference(player.engine));
}

static inline void pass_time(int64_t us)
{
	int64_t end_us = player.now_us + us;
	for (int64_t due_us; (due_us = engine_deadline(player.engine)) <= end_us;) {
		told.now_us = due_us;
		told.again = false;
		engine_expire(player.engine, due_us);
		assert_true(engine_deadline(player.engine) > due_us);
	}
	player.now_us = end_us;
}

/* ---- what one forward over everything since the reset says ---- */

struct expectation {
	float melody[3];
	float velocity[TOKEN_VELOCITIES], causal[TOKEN_VELOCITIES];
};

static struct expectation expected[NOTES_MAX];

/* What a head reads of note i, the first note being `from`. */
static inline void gather(const struct model *model, enum head_setting setting, int from, int i, const float *hidden,
			  float *input)
{
	uint8_t pitch[NOTES_MAX], velocity[NOTES_MAX];
	memcpy(input, hidden, (size_t)model_shape(model)->width * sizeof *input);
	if (setting != SETTING_CAUSAL)
		return;
	int oldest = i - PREDICTORS_REACH > from ? i - PREDICTORS_REACH : from;
	for (int k = oldest; k < i; k++) {
		pitch[k - oldest] = player.on[k].pitch;
		velocity[k - oldest] = player.on[k].velocity;
	}
	predictors_compute(pitch, velocity, i - oldest, player.on[i].pitch, input + model_shape(model)->width);
}

static inline void forward(const struct model *model, int window, enum head_setting setting, int head, int from, int count)
{
	const struct model_shape *shape = model_shape(model);
	float *hidden = malloc((size_t)count * (size_t)shape->width * sizeof *hidden);
	assert_true(reference_hidden(model, setting, window, player.token + from, count, hidden));
	for (int i = 0; i < count; i++) {
		float *out = setting == SETTING_HIDDEN	 ? expected[from + i].velocity
			     : setting == SETTING_CAUSAL ? expected[from + i].causal
							 : expected[from + i].melody;
		float logits[CLASSES_MAX], input[256];
		gather(model, setting, from, from + i, hidden + (size_t)i * (size_t)shape->width, input);
		model_note_logits(model, head, input, 1, logits);
		model_probabilities(model, head, logits, out);
	}
	free(hidden);
}

/* A velocity label is what these probabilities say. */
static inline void compare_velocity(const struct prediction *told_of, const float *probability, int i)
{
	float mean = 0, square = 0, dynamic = 0;
	for (int c = 0; c < TOKEN_VELOCITIES; c++) {
		float v = 4.0f * (float)c + 2;
		mean += probability[c] * v;
		square += probability[c] * v * v;
		if (dynamic_of_velocity((int)v) == dynamic_of_velocity(player.on[i].velocity))
			dynamic += probability[c];
	}
	if (fabsf(told_of->expected - mean) >= 127 * TOLERANCE)
		print_error("note %d: expected %g, whole history %g\n", i, (double)told_of->expected, (double)mean);
	assert_true(fabsf(told_of->expected - mean) < 127 * TOLERANCE);
	assert_true(fabsf(told_of->spread - sqrtf(fmaxf(square - mean * mean, 0))) < 0.2f);
	assert_true(fabsf(told_of->confidence - dynamic) < TOLERANCE);
	assert_int_equal(told_of->velocity, player.on[i].velocity);
	assert_int_equal(told_of->pitch, player.on[i].pitch);
	assert_int_equal(told_of->event_us, player.on[i].event_us);
}

/* Every final label of notes from..end-1 is that of the whole history. */
static inline void compare(const struct model *model, int window, int from, int end)
{
	forward(model, window, SETTING_PLAYED, 0, from, end - from);
	forward(model, window, SETTING_HIDDEN, 1, from, end - from);
	forward(model, window, SETTING_CAUSAL, 3, from, end - from);
	for (int i = from; i < end; i++) {
		const struct expectation *e = &expected[i];
		const struct prediction *melody = &told.melody[i].last;
		float best = fmaxf(e->melody[0], fmaxf(e->melody[1], e->melody[2]));
		assert_true(told.melody[i].final && told.velocity[i].final);
		if (fabsf(melody->confidence - best) >= TOLERANCE)
			print_error("note %d: melody %g, whole history %g\n", i, (double)melody->confidence, (double)best);
		assert_true(fabsf(melody->confidence - best) < TOLERANCE);
		if (melody->label >= 0)
			assert_true(fabsf(e->melody[melody->label] - best) < TOLERANCE);
		else
			assert_true(best < 0.4f + TOLERANCE);
		compare_velocity(&told.velocity[i].last, e->velocity, i);
		compare_velocity(&told.causal[i].last, e->causal, i);
		assert_int_equal(melody->pitch, player.on[i].pitch);
		assert_int_equal(melody->event_us, player.on[i].event_us);
	}
}

/* Stages of notes from..end-1 after everything was finalised. */
static inline void check_stages(int from, int end, bool revises)
{
	int revised = 0, ons = 0;
	for (int i = from; i < end; i++) {
		const struct told *melody = &told.melody[i], *velocity = &told.velocity[i];
		assert_int_equal(melody->stages[0], 1);
		assert_int_equal(melody->stages[2], 1);
		assert_int_equal(velocity->stages[0], 1);
		assert_int_equal(velocity->stages[2], 1);
		assert_int_equal(told.causal[i].stages[2], 1);
		assert_int_equal(told.off[i], told.on[i]);
		revised += melody->stages[1] + velocity->stages[1];
		ons += told.on[i];
	}
	/* A test of rules on a network that never revises would test nothing. */
	if (end - from > 300) {
		assert_int_equal(revised > 0, revises);
		assert_true(ons > 0);
		assert_true(ons < end - from);
	}
}

/* ---- set-up ---- */

struct scene {
	struct model *model;
	struct grid *engine_grid; /* not the player's: a test that shares it could not see a reset that is missing */
};

static const struct engine_options defaults = {
    .window = 48, .decide_us = 60000, .final_after_us = 2000000, .style_every_us = 500000};
/* Final by look-ahead alone: then every label is that of the whole history. */
static const struct engine_options patient = {
    .window = 48, .decide_us = 60000, .final_after_us = 1000000000000, .style_every_us = 500000};

static inline struct model *make_model(const struct model_shape *shape, uint64_t seed)
{
	struct model *model;
	struct error error;
	char path[64];
	snprintf(path, sizeof path, "/tmp/test_engine.%d.safetensors", (int)getpid());
	assert_int_equal(tiny_model_write(shape, seed, path, &error), STATUS_OK);
	assert_int_equal(model_load(path, &model, &error), STATUS_OK);
	unlink(path);
	return model;
}

static inline struct scene begin(int lookahead, int freeze, const struct engine_options *options, uint64_t seed,
				 int32_t first_id)
{
	struct scene scene;
	struct error error;
	struct model_shape shape = tiny_shape(lookahead, freeze);
	struct engine_sink sink = {take, &told};
	shape.head[2].strange_texture = 1e6f; /* nothing is */
	if (lookahead != LOOKAHEAD_UNLIMITED)
		shape.file_lookahead = lookahead + 7; /* none of the stream's business */
	scene.model = make_model(&shape, seed);
	memset(&player, 0, sizeof player);
	memset(&told, 0, sizeof told);
	player.random = (struct random){seed, 0};
	player.grid = grid_new_fixed(120);
	player.shape = model_shape(scene.model);
	player.first_id = told.first_id = first_id;
	player.now_us = 1000000;
	scene.engine_grid = grid_new_fixed(120);
	assert_int_equal(engine_new(scene.model, scene.engine_grid, options, &sink, &player.engine, &error), STATUS_OK);
	return scene;
}

static inline void end(struct scene *scene)
{
	engine_free(player.engine);
	grid_free(player.grid);
	grid_free(scene->engine_grid);
	model_free(scene->model);
}

/* Random playing: single notes, chords, now and then a burst larger than a run; releases early, late and never. */
static inline void play_randomly(int notes, int burst_every, bool time_passes)
{
	int end_note = player.notes + notes, bursts = 0;
	while (player.notes < end_note) {
		int chord = random_uniform(&player.random) < 0.3 ? (int)random_integer(&player.random, 2, 5) : 1;
		if (burst_every && player.notes / burst_every > bursts) {
			bursts++;
			chord = 150;
		}
		for (int i = 0; i < chord && player.notes < end_note; i++) {
			play_on();
			if (random_uniform(&player.random) < 0.3)
				release_some(0.2);
			if (random_uniform(&player.random) < 0.5)
				answer();
		}
		answer();
		release_some(0.5);
		int64_t gap_us = random_integer(&player.random, 1000, 300000);
		if (time_passes)
			pass_time(gap_us);
		else
			player.now_us += gap_us;
		release_some(0.3);
	}
}

static inline void finish(void)
{
	told.now_us = player.now_us;
	told.again = false;
	engine_finalise(player.engine, player.now_us);
	assert_true(engine_deadline(player.engine) == INT64_MAX);
}

#endif
