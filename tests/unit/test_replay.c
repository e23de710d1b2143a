/* The virtual clock over the real engine: when it answers, what falls due in between, and how it ends. */
#define _GNU_SOURCE
#include "engine/replay.h"

#include "tests/support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define TOLD_MAX 512
#define LONG_US 3600000000

static char path[] = "/tmp/replay.XXXXXX";
static struct model *model;
static struct grid *grid;
static struct engine *engine;
static struct replay replay;
static struct prediction told[TOLD_MAX]; /* melody labels, in order */
static int told_count;

static void take(void *context, const struct prediction *prediction)
{
	(void)context;
	if (prediction->kind != PREDICT_MELODY)
		return;
	assert_true(told_count < TOLD_MAX);
	told[told_count++] = *prediction;
}

static void begin(int64_t decide_us, int64_t final_after_us)
{
	const struct engine_options options = {
	    .decide_us = decide_us, .final_after_us = final_after_us, .style_every_us = LONG_US};
	const struct engine_sink sink = {take, NULL};
	struct error error;
	grid = grid_new_fixed(120);
	assert_non_null(grid);
	assert_int_equal(engine_new(model, grid, &options, &sink, &engine, &error), STATUS_OK);
	replay_start(&replay, engine);
	told_count = 0;
}

static void end(void)
{
	engine_free(engine);
	grid_free(grid);
}

static void send(enum event_kind kind, int32_t id, int64_t at_us)
{
	struct event event = {.event_us = at_us,
			      .arrival_us = at_us,
			      .position = -1,
			      .note_id = id,
			      .kind = (uint8_t)kind,
			      .pitch = (uint8_t)(50 + id % 20),
			      .velocity = 64};
	replay_accept(&replay, &event);
}

static int find(int32_t id, enum prediction_stage stage)
{
	int found = -1;
	for (int i = 0; i < told_count; i++) {
		if (told[i].note_id != id || told[i].stage != stage)
			continue;
		assert_int_equal(found, -1); /* stages 0 and 2 come once */
		found = i;
	}
	return found;
}

static uint64_t inferences(void)
{
	return engine_statistics(engine)->inferences;
}

static void answers_once_for_each_arrival_time(void **state)
{
	(void)state;
	begin(LONG_US, LONG_US);
	send(EVENT_NOTE_ON, 1, 1000);
	send(EVENT_NOTE_ON, 2, 1000);
	send(EVENT_NOTE_ON, 3, 1000);
	assert_int_equal(inferences(), 0); /* more may come at this time */
	assert_int_equal(told_count, 0);
	send(EVENT_NOTE_ON, 4, 2000);
	assert_int_equal(inferences(), 1);
	assert_int_equal(told_count, 3);
	send(EVENT_NOTE_OFF, 4, 3000);
	assert_int_equal(inferences(), 2);
	send(EVENT_NOTE_ON, 5, 4000); /* the note-off alone asked for nothing */
	assert_int_equal(inferences(), 2);
	send(EVENT_NOTE_ON, 6, 3500); /* a clock that stepped back counts as now */
	assert_int_equal(inferences(), 2);
	replay_finish(&replay);
	assert_int_equal(inferences(), 3);
	for (int32_t id = 1; id <= 6; id++)
		assert_true(find(id, STAGE_PROVISIONAL) < find(id, STAGE_FINAL));
	end();
}

static void lets_time_pass_between_events(void **state)
{
	(void)state;
	begin(LONG_US, 100000);
	send(EVENT_NOTE_ON, 1, 0);
	send(EVENT_NOTE_ON, 2, 50000);
	send(EVENT_NOTE_ON, 3, 500000);
	/* Both earlier notes have run out of time before the third was heard, each at its own. */
	assert_in_range(find(1, STAGE_FINAL), 1, TOLD_MAX);
	assert_in_range(find(2, STAGE_FINAL), find(1, STAGE_FINAL) + 1, TOLD_MAX);
	assert_int_equal(find(3, STAGE_PROVISIONAL), -1);
	assert_int_equal(told[find(1, STAGE_FINAL)].trigger_us, 0); /* a time-out, not an event */
	send(EVENT_END, 0, 500000);
	assert_true(find(3, STAGE_FINAL) > find(3, STAGE_PROVISIONAL));
	end();
}

/* What falls due at the very time of an event waits for that event. */
static void an_event_comes_before_what_is_due_then(void **state)
{
	(void)state;
	begin(LONG_US, 100000);
	send(EVENT_NOTE_ON, 1, 0);
	send(EVENT_NOTE_ON, 2, 100000);
	assert_int_equal(find(1, STAGE_FINAL), -1);
	send(EVENT_NOTE_ON, 3, 100001);
	assert_true(find(2, STAGE_PROVISIONAL) < find(1, STAGE_FINAL));
	end();
	begin(LONG_US, 100000);
	send(EVENT_NOTE_ON, 1, 0);
	send(EVENT_NOTE_ON, 2, 100001);
	assert_true(find(1, STAGE_FINAL) > 0);
	assert_int_equal(find(2, STAGE_PROVISIONAL), -1);
	end();
}

static void goes_on_after_an_end(void **state)
{
	(void)state;
	begin(LONG_US, LONG_US);
	send(EVENT_NOTE_ON, 1, 0);
	send(EVENT_END, 0, 10);
	assert_int_equal(told_count, 2);
	send(EVENT_NOTE_ON, 2, 20);
	send(EVENT_END, 0, 30);
	assert_int_equal(find(1, STAGE_FINAL), 1);
	assert_true(find(2, STAGE_FINAL) > find(2, STAGE_PROVISIONAL));
	send(EVENT_END, 0, 40);
	assert_int_equal(find(2, STAGE_FINAL), told_count - 1);
	end();
}

static void nothing_at_all(void **state)
{
	(void)state;
	begin(LONG_US, LONG_US);
	replay_finish(&replay);
	assert_int_equal(told_count, 0);
	end();
}

static void says_the_same_again(void **state)
{
	(void)state;
	static struct prediction first[TOLD_MAX];
	int count = 0;
	for (int round = 0; round < 2; round++) {
		begin(30000, 200000);
		for (int32_t id = 1; id <= 100; id++) {
			send(EVENT_NOTE_ON, id, id / 3 * 70000);
			if (id > 4)
				send(EVENT_NOTE_OFF, id - 4, id / 3 * 70000);
		}
		replay_finish(&replay);
		if (round == 0) {
			memcpy(first, told, sizeof first);
			count = told_count;
		}
		end();
	}
	assert_in_range(count, 200, TOLD_MAX);
	assert_int_equal(told_count, count);
	assert_memory_equal(told, first, (size_t)count * sizeof *told);
}

static int set_up(void **state)
{
	struct model_shape shape = tiny_shape(2, 2);
	struct error error;
	int descriptor = mkstemp(path);
	(void)state;
	if (descriptor < 0 || close(descriptor) != 0)
		return -1;
	return tiny_model_write(&shape, 3, path, &error) || model_load(path, &model, &error) ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	model_free(model);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_once_for_each_arrival_time),
	    cmocka_unit_test(lets_time_pass_between_events),
	    cmocka_unit_test(an_event_comes_before_what_is_due_then),
	    cmocka_unit_test(goes_on_after_an_end),
	    cmocka_unit_test(nothing_at_all),
	    cmocka_unit_test(says_the_same_again),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
