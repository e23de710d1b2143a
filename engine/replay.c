/* The virtual clock over the engine's calls. Runs on the thread that owns the engine. Does not read events itself and
 * knows no real time: live input is driven by the daemon's engine thread instead. */
#include "engine/replay.h"

void replay_start(struct replay *replay, struct engine *engine)
{
	*replay = (struct replay){.engine = engine, .now_us = 0};
}

static void answer(struct replay *replay)
{
	if (replay->waiting && engine_wants_inference(replay->engine))
		engine_infer(replay->engine, replay->now_us);
	replay->waiting = false;
}

static void advance(struct replay *replay, int64_t to_us)
{
	answer(replay);
	for (int64_t due_us; (due_us = engine_deadline(replay->engine)) < to_us;)
		engine_expire(replay->engine, due_us);
	replay->now_us = to_us;
}

void replay_reach(struct replay *replay, int64_t to_us)
{
	if (to_us > replay->now_us)
		advance(replay, to_us);
}

void replay_accept(struct replay *replay, const struct event *event)
{
	replay_reach(replay, event->arrival_us);
	if (event->kind == EVENT_END) {
		replay_finish(replay);
		return;
	}
	engine_accept(replay->engine, event);
	replay->waiting = true;
}

void replay_finish(struct replay *replay)
{
	answer(replay);
	engine_finalise(replay->engine, replay->now_us);
}
