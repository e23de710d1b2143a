/* The streaming engine against one forward over the whole history, and its stage rules, on random playing. */
#define _GNU_SOURCE
#include "engine/engine.h"
#include "model/texture.h"
#include "test_engine_support.h"

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
	for (int i = 0; i < 6000; i++) {
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
	/* but the causal setting, which is a stream whatever the look-ahead */
	forward(scene.model, options.window, SETTING_CAUSAL, 3, player.since_reset, player.notes - player.since_reset);
	for (int i = player.since_reset; i < player.notes; i++)
		compare_velocity(&told.causal[i].last, expected[i].causal, i);
	end(&scene);
}

static void add_texture(const struct model *model, int from, int count, float *logits)
{
	struct texture_note notes[64]; /* as many as a tiny model spans */
	float features[TEXTURE_SIZE];
	assert_in_range(count, 1, 64);
	for (int i = 0; i < count; i++) {
		const struct event *on = &player.on[from + i];
		bool held = player.held[from + i];
		notes[i] = (struct texture_note){on->event_us, held ? TEXTURE_DOWN : player.end_us[from + i] - on->event_us,
						 on->pitch, on->velocity};
	}
	texture_features(notes, count, features);
	texture_judge(model, 2, features, count, logits);
}

/* The last verdict is that of the whole history's states over the window. */
static void compare_style(const struct model *model, int window)
{
	int count = player.notes - player.since_reset, d = model_shape(model)->width;
	int first = count > window ? count - window : 0;
	float *hidden = malloc((size_t)(count * d) * sizeof *hidden), logits[CLASSES_MAX];
	float *scratch = malloc(model_sequence_scratch(model, window) * sizeof *scratch);
	assert_true(reference_hidden(model, SETTING_PLAYED, window, player.token + player.since_reset, count, hidden));
	model_sequence_logits(model, 2, hidden + first * d, count - first, scratch, logits);
	add_texture(model, player.since_reset + first, count - first, logits);
	model_probabilities(model, 2, logits, logits);
	for (int c = 0; c < 8; c++)
		assert_true(fabsf(told.style.probability[c] - logits[c]) < TOLERANCE);
	free(hidden);
	free(scratch);
}

/* Verdicts through everything that a stream does: what is kept between them is right. */
static void test_style_is_whole_history(void **state)
{
	struct scene scene = begin(2, 5, &defaults, 14, 1);
	(void)state;
	for (int part = 0; part < 12; part++) {
		play_randomly(40 + 17 * part, part % 3 ? 60 : 0, true);
		play_on(); /* a verdict is about new notes */
		finish();
		compare_style(scene.model, defaults.window);
		if (part % 5 == 4) {
			engine_reset(player.engine, player.now_us);
			player.since_reset = player.notes;
		}
	}
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
	compare_style(scene.model, defaults.window);
	finish();
	assert_int_equal(told.styles, before + 1);
	end(&scene);
}

/* A new piece begins: what was said of the old one is taken back, once, and only if anything was. */
static void test_reset_takes_style_back(void **state)
{
	struct scene scene = begin(2, 2, &defaults, 13, 1);
	(void)state;
	play_randomly(ENGINE_SEQUENCE_NOTES - 1, 0, true);
	engine_reset(player.engine, player.now_us);
	player.since_reset = player.notes;
	assert_int_equal(told.styles, 0);
	play_randomly(60, 0, true);
	finish();
	int before = told.styles;
	assert_true(before > 0 && told.style.confidence > 0.2f);
	engine_reset(player.engine, player.now_us);
	assert_int_equal(told.styles, before + 1);
	assert_int_equal(told.style.label, CLASS_UNKNOWN);
	assert_int_equal(told.resets, 2);
	for (int c = 0; c < 8; c++)
		assert_true(told.style.probability[c] == 0.125f);
	assert_true(told.style.confidence == 0.125f);
	engine_reset(player.engine, player.now_us);
	assert_int_equal(told.styles, before + 1);
	player.since_reset = player.notes;
	play_randomly(2, 0, true);
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

/* Other velocities from note 100 on: what was expected of it, and of all before, is the same to the bit; of the next not. */
static void test_causal_does_not_leak(void **state)
{
	static struct told causal[200];
	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		struct scene scene = begin(2, 2, &defaults, 20, 1);
		for (int i = 0; i < 200; i++) {
			player.softer = pass == 1 && i >= 100;
			play_on();
			answer();
			release_some(0.4);
			player.now_us += 50000;
		}
		finish();
		for (int i = 0; i < 200 && pass == 1; i++) {
			const struct prediction *a = &causal[i].last, *b = &told.causal[i].last;
			assert_int_equal(a->expected == b->expected && a->spread == b->spread, i <= 100);
			assert_true(i >= 100 || a->confidence == b->confidence);
		}
		memcpy(causal, told.causal, sizeof causal);
		end(&scene);
	}
}

/* ---- who listens ---- */

/* Kinds come and go. Nothing is said of a kind that nobody wants; what is said of the others is what it would have been, and
 * so it is again, once that has caught up, of every note that begins then. */
static void test_want(void **state)
{
	static const unsigned kinds[] = {1u << PREDICT_VELOCITY_CAUSAL, 0, ~0u, 1u << PREDICT_MELODY_ON,
					 1u << PREDICT_VELOCITY_HIDDEN | 1u << PREDICT_STYLE};
	struct engine_options options = patient;
	int heads[3] = {PREDICT_MELODY, PREDICT_VELOCITY_HIDDEN, PREDICT_VELOCITY_CAUSAL};
	(void)state;
	for (int lookahead = 0; lookahead < 5; lookahead += 2) {
		struct scene scene = begin(lookahead, 3, &options, 90 + (uint64_t)lookahead, 1);
		int asked[3] = {0}, spoken[3] = {0};
		for (int part = 0; part < 25; part++) {
			unsigned wanted = part % 2 ? kinds[part / 2 % 5] : ~0u;
			int first = player.notes;
			struct told *labels[3] = {told.melody, told.velocity, told.causal};
			engine_want(player.engine, wanted);
			play_randomly((int)random_integer(&player.random, 3, 120), 50, true);
			for (int h = 0; h < 3; h++) {
				unsigned kind = 1u << heads[h] | (h == 0 ? 1u << PREDICT_MELODY_ON : 0);
				for (int i = first; i < player.notes; i++) {
					int told_of = labels[h][i].stages[0] + labels[h][i].stages[2];
					assert_true(wanted & kind || told_of == 0);
					asked[h] += (wanted & kind) != 0;
					spoken[h] += told_of > 0;
				}
			}
		}
		engine_want(player.engine, ~0u);
		finish();
		assert_true(engine_deadline(player.engine) == INT64_MAX);
		forward(scene.model, options.window, SETTING_PLAYED, 0, 0, player.notes);
		forward(scene.model, options.window, SETTING_HIDDEN, 1, 0, player.notes);
		forward(scene.model, options.window, SETTING_CAUSAL, 3, 0, player.notes);
		for (int i = 0; i < player.notes; i++) {
			const struct prediction *melody = &told.melody[i].last;
			assert_int_equal(told.off[i], told.on[i]);
			if (told.melody[i].final && melody->label >= 0)
				assert_true(fabsf(expected[i].melody[melody->label] - melody->confidence) < TOLERANCE);
			if (told.velocity[i].final)
				compare_velocity(&told.velocity[i].last, expected[i].velocity, i);
			if (told.causal[i].stages[2])
				compare_velocity(&told.causal[i].last, expected[i].causal, i);
		}
		for (int h = 0; h < 3; h++) /* catching up takes a few notes, not all of them */
			assert_in_range(spoken[h], asked[h] / 2, asked[h]);
		end(&scene);
	}
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
	    cmocka_unit_test(test_reset_takes_style_back),
	    cmocka_unit_test(test_held_for_ever),
	    cmocka_unit_test(test_style_is_whole_history),
	    cmocka_unit_test(test_hidden_hides),
	    cmocka_unit_test(test_causal_does_not_leak),
	    cmocka_unit_test(test_want),
	    cmocka_unit_test(test_nothing_allocates),
	    cmocka_unit_test(test_wrong_options),
	};
	model_use_threads(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
