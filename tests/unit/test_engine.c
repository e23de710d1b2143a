/* The streaming engine against one forward over the whole history, and its stage rules, on random playing. */
#define _GNU_SOURCE
#include "engine/engine.h"

#include "base/random.h"
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
	struct told melody[NOTES_MAX], velocity[NOTES_MAX];
	int on[NOTES_MAX], off[NOTES_MAX];
	struct prediction on_prediction[NOTES_MAX];
	int styles, resets;
	int64_t last_style_us, now_us;
	struct prediction style;
	int32_t first_id;
};

static struct stage told;

static void take_label(struct told *label, const struct prediction *p, float moved_expected)
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

static void take(void *context, const struct prediction *p)
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
	switch (p->kind) {
	case PREDICT_MELODY: take_label(&stage->melody[index], p, 0); break;
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
	int since_reset; /* index of the first note after the last reset */
	bool softer;
};

static struct player player;

static int32_t id_of(int index)
{
	int64_t id = (int64_t)player.first_id + index;
	return (int32_t)(id > NOTE_ID_MAX ? id - NOTE_ID_MAX : id);
}

static void play_on(void)
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
	engine_accept(player.engine, &player.on[i]);
}

static void play_off(int i)
{
	struct event off = player.on[i];
	off.kind = EVENT_NOTE_OFF;
	off.event_us = player.now_us;
	off.arrival_us = player.now_us + 500;
	off.duration_us = player.now_us - player.on[i].event_us;
	player.held[i] = false;
	if (i >= player.since_reset && player.notes - 1 - i < player.shape->freeze) {
		int64_t start = grid_position(player.grid, &player.on[i]);
		struct place place = grid_place(player.grid, start);
		player.token[i] = octuple_token(&place, player.on[i].pitch, grid_position(player.grid, &off) - start,
						player.on[i].velocity, 0);
	}
	engine_accept(player.engine, &off);
}

/* Releases some of the newest 12 held keys. */
static void release_some(double share)
{
	for (int i = player.notes > 12 ? player.notes - 12 : 0; i < player.notes; i++)
		if (player.held[i] && random_uniform(&player.random) < share)
			play_off(i);
}

static void answer(void)
{
	told.now_us = player.now_us + 500;
	if (engine_wants_inference(player.engine))
		engine_infer(player.engine, told.now_us);
	assert_false(engine_wants_inference(player.engine));
}

static void pass_time(int64_t us)
{
	int64_t end_us = player.now_us + us;
	for (int64_t due_us; (due_us = engine_deadline(player.engine)) <= end_us;) {
		told.now_us = due_us;
		engine_expire(player.engine, due_us);
		assert_true(engine_deadline(player.engine) > due_us);
	}
	player.now_us = end_us;
}

/* ---- what one forward over everything since the reset says ---- */

struct expectation {
	float melody[3];
	float velocity[TOKEN_VELOCITIES];
};

static struct expectation expected[NOTES_MAX];

static void forward(const struct model *model, int window, enum head_setting setting, int head, int from, int count)
{
	const struct model_shape *shape = model_shape(model);
	struct token *tokens = malloc((size_t)count * sizeof *tokens);
	float *hidden = malloc((size_t)count * (size_t)shape->width * sizeof *hidden);
	for (int i = 0; i < count; i++) {
		tokens[i] = player.token[from + i];
		if (setting == SETTING_HIDDEN)
			tokens[i].id[ATTRIBUTE_VELOCITY] = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
	}
	assert_true(reference_hidden(model, setting, window, tokens, count, hidden));
	for (int i = 0; i < count; i++) {
		float *out = setting == SETTING_HIDDEN ? expected[from + i].velocity : expected[from + i].melody;
		float logits[CLASSES_MAX];
		model_note_logits(model, head, hidden + (size_t)i * (size_t)shape->width, 1, logits);
		model_probabilities(model, head, logits, out);
	}
	free(tokens);
	free(hidden);
}

/* Every final label of notes from..end-1 is that of the whole history. */
static void compare(const struct model *model, int window, int from, int end)
{
	forward(model, window, SETTING_PLAYED, 0, from, end - from);
	forward(model, window, SETTING_HIDDEN, 1, from, end - from);
	for (int i = from; i < end; i++) {
		const struct expectation *e = &expected[i];
		const struct prediction *melody = &told.melody[i].last, *velocity = &told.velocity[i].last;
		float best = fmaxf(e->melody[0], fmaxf(e->melody[1], e->melody[2]));
		float mean = 0, square = 0, dynamic = 0;
		for (int c = 0; c < TOKEN_VELOCITIES; c++) {
			float v = 4.0f * (float)c + 2;
			mean += e->velocity[c] * v;
			square += e->velocity[c] * v * v;
			if (dynamic_of_velocity((int)v) == dynamic_of_velocity(player.on[i].velocity))
				dynamic += e->velocity[c];
		}
		assert_true(told.melody[i].final && told.velocity[i].final);
		if (fabsf(melody->confidence - best) >= TOLERANCE)
			print_error("note %d: melody %g, whole history %g\n", i, (double)melody->confidence, (double)best);
		assert_true(fabsf(melody->confidence - best) < TOLERANCE);
		if (melody->label >= 0)
			assert_true(fabsf(e->melody[melody->label] - best) < TOLERANCE);
		else
			assert_true(best < 0.4f + TOLERANCE);
		assert_true(fabsf(velocity->expected - mean) < 127 * TOLERANCE);
		assert_true(fabsf(velocity->spread - sqrtf(square - mean * mean)) < 0.2f);
		assert_true(fabsf(velocity->confidence - dynamic) < TOLERANCE);
		assert_int_equal(velocity->velocity, player.on[i].velocity);
		assert_int_equal(melody->pitch, player.on[i].pitch);
		assert_int_equal(melody->event_us, player.on[i].event_us);
	}
}

/* Stages of notes from..end-1 after everything was finalised. */
static void check_stages(int from, int end, bool revises)
{
	int revised = 0, ons = 0;
	for (int i = from; i < end; i++) {
		const struct told *melody = &told.melody[i], *velocity = &told.velocity[i];
		assert_int_equal(melody->stages[0], 1);
		assert_int_equal(melody->stages[2], 1);
		assert_int_equal(velocity->stages[0], 1);
		assert_int_equal(velocity->stages[2], 1);
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

static struct model *make_model(const struct model_shape *shape, uint64_t seed)
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

static struct scene begin(int lookahead, int freeze, const struct engine_options *options, uint64_t seed, int32_t first_id)
{
	struct scene scene;
	struct error error;
	struct model_shape shape = tiny_shape(lookahead, freeze);
	struct engine_sink sink = {take, &told};
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

static void end(struct scene *scene)
{
	engine_free(player.engine);
	grid_free(player.grid);
	grid_free(scene->engine_grid);
	model_free(scene->model);
}

/* Random playing: single notes, chords, now and then a burst larger than a run; releases early, late and never. */
static void play_randomly(int notes, int burst_every, bool time_passes)
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

static void finish(void)
{
	told.now_us = player.now_us;
	engine_finalise(player.engine, player.now_us);
	assert_true(engine_deadline(player.engine) == INT64_MAX);
}

/* ---- tests ---- */

static void compare_stream(int lookahead, int freeze, uint64_t seed)
{
	struct engine_options options = patient;
	struct scene scene = begin(lookahead, freeze, &options, seed, 1);
	play_randomly(900, 200, true);
	finish();
	check_stages(0, player.notes, true);
	compare(scene.model, options.window, 0, player.notes);
	assert_int_equal(engine_statistics(player.engine)->notes, player.notes);
	end(&scene);
}

static void test_stream_is_whole_history(void **state)
{
	(void)state;
	compare_stream(2, 2, 1);
	compare_stream(2, 5, 2);
	compare_stream(4, 0, 3);
	compare_stream(1, 1, 4);
	compare_stream(0, 3, 5);
}

/* 300 bars of the fixed grid: bar ids wrap at 256. */
static void test_bars_wrap(void **state)
{
	struct scene scene = begin(2, 2, &patient, 7, 1);
	(void)state;
	for (int i = 0; i < 400; i++) {
		play_on();
		answer();
		player.now_us += 1700000;
		release_some(0.5);
	}
	finish();
	assert_true(player.token[399].id[ATTRIBUTE_BAR] < player.token[200].id[ATTRIBUTE_BAR]);
	check_stages(0, player.notes, true);
	compare(scene.model, defaults.window, 0, player.notes);
	end(&scene);
}

static void test_reset_forgets(void **state)
{
	struct scene scene = begin(2, 2, &patient, 11, NOTE_ID_MAX - 250); /* ids wrap on the way */
	int starts[5];
	(void)state;
	for (int part = 0; part < 4; part++) {
		starts[part] = player.notes;
		player.since_reset = player.notes;
		play_randomly(120 + part, 0, false);
		told.now_us = player.now_us;
		engine_reset(player.engine, player.now_us);
		assert_int_equal(told.resets, part + 1);
		assert_int_equal(engine_statistics(player.engine)->fill, 0);
		assert_true(engine_deadline(player.engine) == INT64_MAX);
		player.now_us += 333333;
	}
	starts[4] = player.notes;
	check_stages(0, player.notes, true);
	/* A release whose note was forgotten changes nothing. */
	player.since_reset = player.notes;
	uint64_t unpaired = engine_statistics(player.engine)->unpaired;
	for (int i = player.notes - 12; i < player.notes; i++)
		player.held[i] = true;
	release_some(1);
	assert_int_equal(engine_statistics(player.engine)->unpaired, unpaired + 12);
	for (int part = 0; part < 4; part++)
		compare(scene.model, defaults.window, starts[part], starts[part + 1]);
	end(&scene);
}

/* Time-outs with handed-in times: decision and final come at their moment, neither before nor after. */
static void test_time_outs(void **state)
{
	struct engine_options options = defaults;
	struct scene scene = begin(2, 2, &options, 5, 1);
	(void)state;
	for (int i = 0; i < 40; i++) {
		int64_t onset = player.now_us;
		play_on();
		answer();
		assert_int_equal(told.melody[i].stages[0], 1);
		assert_false(told.melody[i].final);
		assert_int_equal(told.on[i], 0);
		assert_true(engine_deadline(player.engine) == onset + options.decide_us);
		engine_expire(player.engine, onset + options.decide_us - 1);
		assert_int_equal(told.on[i], 0);
		bool stale = i % 2 == 0;
		if (stale) { /* the release is taken into the decision */
			player.now_us = onset + 30000;
			play_off(i);
			assert_false(engine_wants_inference(player.engine));
		}
		uint64_t inferences = engine_statistics(player.engine)->inferences;
		engine_expire(player.engine, onset + options.decide_us);
		assert_int_equal(engine_statistics(player.engine)->inferences, inferences + stale);
		assert_int_equal(told.on[i], told.melody[i].last.label == 0);
		assert_int_equal(told.off[i], told.on[i] && stale);
		assert_true(engine_deadline(player.engine) == onset + options.final_after_us);
		engine_expire(player.engine, onset + options.final_after_us - 1);
		assert_false(told.melody[i].final);
		engine_expire(player.engine, onset + options.final_after_us);
		assert_true(told.melody[i].final);
		assert_true(told.velocity[i].final);
		assert_int_equal(told.melody[i].last.trigger_us, 0);
		assert_true(engine_deadline(player.engine) == INT64_MAX);
		player.now_us = onset + options.final_after_us + 1000;
		if (!stale)
			play_off(i);
		assert_int_equal(told.off[i], told.on[i]);
	}
	check_stages(0, 40, true);
	end(&scene);
}

/* More notes between two inferences than all tables hold: every note still gets its labels, and the right ones. */
static void test_flood(void **state)
{
	struct engine_options options = patient;
	struct scene scene = begin(2, 2, &options, 21, 1);
	(void)state;
	for (int i = 0; i < 10000; i++) {
		play_on();
		if (i % 3 == 0)
			release_some(0.4);
		player.now_us += 100;
	}
	answer();
	finish();
	check_stages(0, player.notes, false);
	compare(scene.model, options.window, 0, player.notes);
	end(&scene);
}

/* Attention over the whole window: a label is that of the last run that held the note. */
static void test_unlimited(void **state)
{
	struct engine_options options = patient;
	struct scene scene = begin(LOOKAHEAD_UNLIMITED, 2, &options, 9, 1);
	(void)state;
	play_randomly(options.window, 0, true);
	finish();
	check_stages(0, player.notes, true);
	compare(scene.model, options.window, 0, player.notes);
	engine_reset(player.engine, player.now_us);
	player.since_reset = player.notes;
	play_randomly(700, 200, true);
	finish();
	check_stages(0, player.notes, true);
	end(&scene);
}

/* Style: not on too few notes, not more often than asked, once more at the end. */
static void test_style(void **state)
{
	struct scene scene = begin(2, 2, &defaults, 13, 1);
	int64_t last_us = -1000000;
	(void)state;
	for (int i = 0; i < 200; i++) {
		int before = told.styles;
		play_on();
		answer();
		if (i + 1 < ENGINE_SEQUENCE_NOTES)
			assert_int_equal(told.styles, 0);
		if (told.styles > before) {
			float sum = 0;
			assert_true(told.now_us - last_us >= defaults.style_every_us);
			last_us = told.now_us;
			assert_int_equal(told.style.classes, 8);
			for (int c = 0; c < 8; c++)
				sum += told.style.probability[c];
			assert_true(fabsf(sum - 1) < 1e-5f);
		} else {
			assert_true(i + 1 < ENGINE_SEQUENCE_NOTES || told.now_us - last_us < defaults.style_every_us);
		}
		player.now_us += 70000;
	}
	int before = told.styles;
	play_on();
	finish();
	assert_int_equal(told.styles, before + 1);
	finish();
	assert_int_equal(told.styles, before + 1);
	end(&scene);
}

/* A melody note that is held while thousands follow is released in the end, and the records that follow it are right. */
static void test_held_for_ever(void **state)
{
	struct engine_options options = defaults;
	options.decide_us = 0;
	struct scene scene = begin(2, 2, &options, 17, 1);
	(void)state;
	for (int i = 0; i < 9000; i++) {
		play_on();
		if (i % 4 == 3)
			answer();
		player.now_us += 2000;
	}
	finish();
	check_stages(0, player.notes, true);
	end(&scene);
}

/* The same notes at other velocities: what is expected is the same to the bit; melody, which hears them, is not. */
static void test_hidden_hides(void **state)
{
	static struct told melody[200], velocity[200];
	int heard = 0;
	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		struct scene scene = begin(2, 2, &defaults, 19, 1);
		player.softer = pass == 1;
		for (int i = 0; i < 200; i++) {
			play_on();
			answer();
			player.now_us += 50000;
		}
		finish();
		for (int i = 0; i < 200 && pass == 1; i++) {
			assert_true(velocity[i].last.expected == told.velocity[i].last.expected);
			assert_true(velocity[i].last.velocity != told.velocity[i].last.velocity);
			heard += melody[i].last.confidence != told.melody[i].last.confidence;
		}
		memcpy(melody, told.melody, sizeof melody);
		memcpy(velocity, told.velocity, sizeof velocity);
		end(&scene);
	}
	assert_true(heard > 100);
}

static void count_allocations(const char *backend)
{
	struct scene scene = begin(2, 2, &defaults, 23, 1);
	struct error error;
	assert_int_equal(model_use_backend(scene.model, backend, &error), STATUS_OK);
	play_randomly(100, 0, true); /* warm: OpenBLAS takes its buffers at the first product */
	void *volatile proof = malloc(1);
	free(proof);
	assert_true(allocations > 0); /* the counter counts */
	long before = allocations;
	play_randomly(900, 200, true);
	finish();
	engine_reset(player.engine, player.now_us);
	player.since_reset = player.notes;
	play_randomly(100, 0, true);
	assert_int_equal(allocations, before);
	check_stages(0, player.notes - 100, true);
	end(&scene);
}

static void test_nothing_allocates(void **state)
{
	(void)state;
	if (!COUNTS_ALLOCATIONS) {
		print_message("allocations are the sanitizer's here: counted in the plain build\n");
		return;
	}
	count_allocations("openblas");
	count_allocations("auto"); /* what the daemon takes: the fastest path of this CPU */
}

/* ---- another model ---- */

static void drop(void *context, const struct prediction *prediction)
{
	(void)prediction;
	(*(int *)context)++;
}

static int dropped;

/* Makes an engine for this model beside the player's, lets it relive what was played, and some more while it does; puts it
 * in the other's place. The old engine is freed: what the new one still read of it the address sanitizer would see. */
static void change_engine(const struct model *model, const struct engine_options *like, int meanwhile)
{
	struct engine_options options = *like;
	struct engine_sink mute = {drop, &dropped};
	struct grid *grid = grid_new_fixed(77);
	struct engine *old = player.engine, *new;
	struct error error;
	options.records = engine_records(old);
	assert_int_equal(engine_new(model, grid, &options, &mute, &new, &error), STATUS_OK);
	struct engine_history *history = engine_history_new(old);
	assert_non_null(history);
	dropped = 0;
	long before = allocations;
	engine_remember(old, history);
	assert_true(!COUNTS_ALLOCATIONS || allocations == before);
	assert_in_range(engine_relive(new, history), 0, player.notes - player.since_reset);
	if (meanwhile > 0)
		play_randomly(meanwhile, 0, true);
	int rounds = 0;
	for (before = allocations; !engine_adopt(new, old, player.now_us); before = allocations) {
		assert_true(meanwhile > 0 && rounds++ < 3);
		engine_remember(old, history);
		assert_true(engine_relive(new, history) > 0);
	}
	assert_true(!COUNTS_ALLOCATIONS || allocations == before);
	assert_int_equal(dropped, 0);
	player.engine = new;
	engine_history_free(history);
	engine_free(old);
	grid_free(grid);
}

/* The same weights again and again: every label is that of the whole history, as if nothing had happened. */
static void test_change_is_not_heard(void **state)
{
	static const struct {
		int lookahead, freeze;
	} table[] = {{2, 2}, {2, 5}, {1, 1}, {0, 3}};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct engine_options options = patient;
		struct scene scene = begin(table[i].lookahead, table[i].freeze, &options, 31 + i, 1);
		for (int change = 0; change < 12; change++) {
			change_engine(scene.model, &options, change % 3 * 40);
			play_randomly(60, 50, true);
		}
		finish();
		check_stages(0, player.notes, true);
		compare(scene.model, options.window, 0, player.notes);
		assert_int_equal(engine_statistics(player.engine)->notes, player.notes);
		end(&scene);
	}
}

/* Weights of another kind: look-ahead, freezing and window differ. Every label has its stages, exactly once. */
static void test_change_of_kind(void **state)
{
	static const struct {
		int lookahead, freeze;
	} table[] = {{4, 0}, {LOOKAHEAD_UNLIMITED, 0}, {1, 5}, {2, 2}};
	struct model *other[4];
	struct scene scene = begin(2, 5, &defaults, 50, 1);
	struct engine_options options = defaults;
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct model_shape shape = tiny_shape(table[i].lookahead, table[i].freeze);
		other[i] = make_model(&shape, 60 + (uint64_t)i);
	}
	for (int change = 0; change < 16; change++) {
		options.window = 20 + change * 7 % 29;
		change_engine(other[change % 4], &options, change % 2 * 100);
		play_randomly(30, 20, true);
		if (change % 5 == 4) {
			engine_reset(player.engine, player.now_us);
			player.since_reset = player.notes;
		}
	}
	finish();
	check_stages(0, player.notes, true);
	end(&scene);
	for (int i = 0; i < 4; i++)
		model_free(other[i]);
}

/* Heads that go: what they have begun to say is final before. Heads that come speak about the notes that begin then. */
static void test_change_of_heads(void **state)
{
	struct scene scene = begin(2, 2, &defaults, 70, 1);
	struct model_shape shape = tiny_shape(2, 2);
	int end_of_first, end_of_second;
	(void)state;
	shape.head[0] = shape.head[1]; /* velocity_hidden alone */
	shape.heads = 1;
	struct model *velocity = make_model(&shape, 71);
	play_randomly(100, 0, true);
	end_of_first = player.notes;
	play_on();
	answer();
	change_engine(velocity, &defaults, 0);
	for (int i = 0; i < player.notes; i++) {
		assert_true(told.melody[i].final && told.velocity[i].final);
		assert_int_equal(told.off[i], told.on[i]);
	}
	play_randomly(100, 0, true);
	end_of_second = player.notes;
	play_on();
	change_engine(scene.model, &defaults, 0);
	play_randomly(100, 0, true);
	finish();
	for (int i = 0; i < player.notes; i++) {
		bool silent = i > end_of_first && i < end_of_second;
		assert_true(told.velocity[i].final);
		assert_int_equal(told.melody[i].stages[0], !silent && i != end_of_second);
		assert_int_equal(told.melody[i].stages[2], !silent && i != end_of_second);
	}
	model_free(velocity);
	end(&scene);
}

/* A flood while the other model gets ready, and more than are remembered. */
static void test_change_in_a_flood(void **state)
{
	struct scene scene = begin(2, 2, &defaults, 80, 1);
	(void)state;
	play_randomly(300, 0, true);
	change_engine(scene.model, &defaults, 5000);
	play_randomly(300, 0, true);
	finish();
	check_stages(0, player.notes, true);
	end(&scene);
}

static void test_wrong_options(void **state)
{
	struct scene scene = begin(2, 2, &defaults, 1, 1);
	struct engine *engine;
	struct error error;
	struct engine_options options = defaults;
	struct engine_sink sink = {take, &told};
	(void)state;
	options.window = 65;
	assert_int_equal(engine_new(scene.model, scene.engine_grid, &options, &sink, &engine, &error), STATUS_USAGE);
	assert_null(engine);
	options = defaults;
	options.decide_us = -1;
	assert_int_equal(engine_new(scene.model, scene.engine_grid, &options, &sink, &engine, &error), STATUS_USAGE);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream_is_whole_history),
	    cmocka_unit_test(test_bars_wrap),
	    cmocka_unit_test(test_reset_forgets),
	    cmocka_unit_test(test_time_outs),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_unlimited),
	    cmocka_unit_test(test_style),
	    cmocka_unit_test(test_held_for_ever),
	    cmocka_unit_test(test_hidden_hides),
	    cmocka_unit_test(test_nothing_allocates),
	    cmocka_unit_test(test_change_is_not_heard),
	    cmocka_unit_test(test_change_of_kind),
	    cmocka_unit_test(test_change_of_heads),
	    cmocka_unit_test(test_change_in_a_flood),
	    cmocka_unit_test(test_wrong_options),
	};
	model_use_threads(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
