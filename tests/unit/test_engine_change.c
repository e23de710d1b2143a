/* Another model in the place of the one that runs: its labels are those of the whole history, each stage comes once, nothing
 * allocates in the engine thread's part. */
#define _GNU_SOURCE
#include "engine/engine.h"
#include "test_engine_support.h"

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
		assert_int_equal(told.causal[i].stages[2], !silent && i != end_of_second);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_change_is_not_heard),
	    cmocka_unit_test(test_change_of_kind),
	    cmocka_unit_test(test_change_of_heads),
	    cmocka_unit_test(test_change_in_a_flood),
	};
	model_use_threads(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
