/* The engine thread, see labeller.h. Our code allocates nothing here; it sleeps on one eventfd, so that an idle daemon costs
 * nothing. It sends nothing and reads no socket. */
#define _GNU_SOURCE
#include "daemon/labeller.h"

#include "base/clock.h"
#include "base/wake.h"
#include "daemon/realtime.h"

#define EVENTS_A_TURN 1024 /* then it looks at orders and deadlines, whatever else has come */

void labeller_emit(void *context, const struct prediction *prediction)
{
	struct labeller *labeller = context;
	labeller->pushed |= ring_push(labeller->shared->predictions, prediction);
	/* A first label leaves at once; the second encoder still has to run. */
	if (prediction->kind == PREDICT_MELODY && prediction->stage == STAGE_PROVISIONAL) {
		wake_post(labeller->shared->osc_wake);
		labeller->pushed = false;
	}
}

static void take_orders(struct labeller *labeller)
{
	struct order order;
	while (ring_pop(labeller->shared->orders, &order)) {
		int64_t now_us = clock_now_us();
		switch (order.kind) {
		case ORDER_RESET: engine_reset(labeller->engine, now_us); break;
		case ORDER_PAUSE:
			if (!labeller->paused)
				engine_reset(labeller->engine, now_us);
			labeller->paused = true;
			break;
		case ORDER_RESUME: labeller->paused = false; break;
		case ORDER_TEMPO: grid_set_bpm(labeller->grid, order.bpm, now_us); break;
		}
	}
}

/* False: the ring is empty. */
static bool take_event(struct labeller *labeller)
{
	struct event event;
	if (!ring_pop(labeller->shared->engine_events, &event))
		return false;
	if (event.kind == EVENT_END)
		labeller->ended = true;
	else if (event.kind == EVENT_INPUT_GONE)
		engine_reset(labeller->engine, clock_now_us());
	else if (!labeller->paused)
		engine_accept(labeller->engine, &event);
	return true;
}

static void answer(struct labeller *labeller)
{
	struct engine *engine = labeller->engine;
	int64_t now_us = clock_now_us();
	if (!engine_wants_inference(engine)) {
		labeller->infer_at_us = INT64_MAX;
	} else if (labeller->infer_at_us == INT64_MAX) {
		labeller->infer_at_us = now_us + labeller->gather_us;
	}
	if (now_us >= labeller->infer_at_us) {
		engine_infer(engine, now_us);
		labeller->infer_at_us = INT64_MAX;
		now_us = clock_now_us();
	}
	engine_expire(engine, now_us);
	atomic_store_explicit(&labeller->shared->fill, engine_statistics(engine)->fill, memory_order_relaxed);
}

static void wait(struct labeller *labeller)
{
	int64_t until_us = engine_deadline(labeller->engine);
	if (labeller->infer_at_us < until_us)
		until_us = labeller->infer_at_us;
	if (until_us == INT64_MAX) {
		wake_wait(labeller->shared->engine_wake, -1);
		return;
	}
	int64_t ahead_us = until_us - clock_now_us();
	wake_wait(labeller->shared->engine_wake, ahead_us > 0 ? ahead_us : 0);
}

void *labeller_run(void *context)
{
	struct labeller *labeller = context;
	struct shared *shared = labeller->shared;
	realtime_flush_denormals();
	pthread_setname_np(pthread_self(), "engine");
	atomic_store_explicit(&shared->priority, realtime_set_priority(labeller->priority), memory_order_relaxed);
	atomic_store_explicit(&shared->engine_ready, true, memory_order_release);
	wake_post(shared->main_wake);
	labeller->infer_at_us = INT64_MAX;
	for (bool stopping = false; !stopping;) {
		atomic_fetch_add_explicit(&shared->engine_beats, 1, memory_order_relaxed);
		/* Told to stop after the source has closed: what is in the ring now is all there is. */
		bool told = atomic_load_explicit(&shared->stop, memory_order_acquire);
		int events = 0;
		take_orders(labeller);
		while (!labeller->ended && (told || events < EVENTS_A_TURN) && take_event(labeller))
			events++;
		stopping = told || labeller->ended;
		if (stopping)
			engine_finalise(labeller->engine, clock_now_us());
		else
			answer(labeller);
		if (labeller->pushed)
			wake_post(shared->osc_wake);
		labeller->pushed = false;
		if (!stopping && events < EVENTS_A_TURN)
			wait(labeller);
	}
	atomic_store_explicit(&shared->engine_done, true, memory_order_release);
	wake_post(shared->osc_wake);
	return NULL;
}
