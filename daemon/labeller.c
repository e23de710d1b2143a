/* The engine thread, see labeller.h. Our code allocates nothing here; it sleeps on one eventfd, so that an idle daemon costs
 * nothing. It sends nothing and reads no socket. */
#define _GNU_SOURCE
#include "daemon/labeller.h"

#include "base/clock.h"
#include "base/wake.h"
#include "daemon/realtime.h"

#define HELD_US 60000000   /* a key that is down for longer than that is stuck, and silent */
#define LATE_MAX_US 50000  /* no sound system that anybody can play with delivers later */
#define LATE_FADES 256	   /* events */
#define EVENTS_A_TURN 1024 /* then it looks at orders and deadlines, whatever else has come */

void labeller_emit(void *context, const struct prediction *prediction)
{
	struct labeller *labeller = context;
	struct prediction numbered;
	if (prediction->kind == PREDICT_RESET) {
		numbered = *prediction;
		numbered.trigger_us = labeller->take + 1;
		prediction = &numbered;
	}
	if (ring_push(labeller->shared->predictions, prediction))
		labeller->pushed = true;
	else
		recorder_refused(labeller->recorder);
	/* First labels leave while the rest is still being said. */
	if (prediction->kind == PREDICT_MELODY && prediction->stage == STAGE_PROVISIONAL) {
		wake_post(labeller->shared->osc_wake);
		labeller->pushed = false;
	}
}

void labeller_say(void *context, const struct beat_cue *cue)
{
	struct labeller *labeller = context;
	ring_push(labeller->shared->cues, cue);
	wake_post(labeller->shared->osc_wake);
}

/* The take is over: whatever is open is final, the window is forgotten. */
static void reset(struct labeller *labeller, enum journal_reason reason)
{
	int64_t now_us = clock_now_us();
	recorder_engine(labeller->recorder, labeller->take, JOURNAL_RESET, now_us, reason, 0);
	engine_reset(labeller->engine, now_us);
	labeller->take++;
	labeller->infer_at_us = INT64_MAX;
}

/* Counts the keys that are down, and says when the marker pedal is pressed between two takes. */
static bool is_marker(struct labeller *labeller, const struct event *event)
{
	if (event->kind == EVENT_NOTE_ON)
		labeller->held++;
	else if (event->kind == EVENT_NOTE_OFF && labeller->held > 0)
		labeller->held--;
	labeller->heard_us = event->arrival_us;
	return event->kind == EVENT_PEDAL && event->pitch == labeller->take_pedal && event->velocity >= 64 &&
	       labeller->held == 0;
}

/* When silence will have ended the take; INT64_MAX: there is none, or keys are down. */
static int64_t take_deadline(const struct labeller *labeller)
{
	if (labeller->take_pause_us == 0 || engine_statistics(labeller->engine)->fill == 0)
		return INT64_MAX;
	int64_t held_us = labeller->held > 0 && labeller->take_pause_us < HELD_US ? HELD_US : labeller->take_pause_us;
	return labeller->heard_us + held_us;
}

static void note_lateness(struct labeller *labeller, const struct event *event)
{
	int64_t late_us = event->arrival_us - event->event_us;
	if (late_us > labeller->late_us)
		labeller->late_us = late_us < LATE_MAX_US ? late_us : LATE_MAX_US;
	else
		labeller->late_us -= (labeller->late_us - (late_us > 0 ? late_us : 0)) / LATE_FADES;
}

/* False: the ring is empty. */
static bool take_event(struct labeller *labeller)
{
	struct event event;
	if (!ring_pop(labeller->shared->engine_events, &event))
		return false;
	labeller->events++;
	note_lateness(labeller, &event);
	if (event.kind == EVENT_CLOCK || event.kind == EVENT_TRANSPORT) { /* paused or not */
		grid_take(labeller->grid, &event);
		return true;
	}
	bool marker = is_marker(labeller, &event);
	if (event.kind == EVENT_END) {
		labeller->ended = true;
	} else if (event.kind == EVENT_INPUT_GONE) {
		reset(labeller, REASON_INPUT);
	} else if (!labeller->paused) {
		struct event played = event;
		keyboards_translate(&labeller->shared->keyboards, &event);
		engine_accept(labeller->engine, &event);
		grid_stamp(labeller->grid, &played);
		recorder_accept(labeller->recorder, labeller->take, &played, &event);
		if (marker && engine_statistics(labeller->engine)->fill > 0)
			reset(labeller, REASON_PEDAL);
	}
	return true;
}

static void take_orders(struct labeller *labeller)
{
	struct order order;
	while (ring_pop(labeller->shared->orders, &order)) {
		/* What has been told about before it gets its labels, too. */
		while (labeller->events < order.events && take_event(labeller))
			;
		int64_t now_us = clock_now_us();
		switch (order.kind) {
		case ORDER_RESET:
			reset(labeller, REASON_RESET);
			if (grid_beat(labeller->grid))
				beat_forget_taps(grid_beat(labeller->grid), now_us);
			break;
		case ORDER_PAUSE:
			if (!labeller->paused)
				reset(labeller, REASON_RESET);
			labeller->paused = true;
			break;
		case ORDER_RESUME: labeller->paused = false; break;
		case ORDER_TEMPO:
			recorder_engine(labeller->recorder, labeller->take, JOURNAL_TEMPO, now_us, 0, order.bpm);
			grid_set_bpm(labeller->grid, order.bpm, now_us);
			break;
		case ORDER_TAP:
			if (grid_beat(labeller->grid))
				beat_tap(grid_beat(labeller->grid), order.arrival_us);
			break;
		}
	}
}

/* Between two inferences: lets another engine remember, or go on in the place of this one. */
static void take_handover(struct labeller *labeller)
{
	struct shared *shared = labeller->shared;
	struct handover handover;
	enum handover_answer answer = HANDOVER_DONE;
	if (!ring_pop(shared->handovers, &handover))
		return;
	if (!handover.engine)
		engine_remember(labeller->engine, handover.history);
	else if (!engine_adopt(handover.engine, labeller->engine, clock_now_us()))
		answer = HANDOVER_TOO_LATE;
	else {
		labeller->engine = handover.engine;
		labeller->changed = true;
	}
	atomic_store_explicit(&shared->handover_answer, answer, memory_order_release);
	wake_post(shared->loader_wake);
}

/* Before anything that the new one says; a full ring keeps it waiting. */
static void tell_change(struct labeller *labeller)
{
	struct prediction prediction = {.kind = PREDICT_MODEL, .stage = STAGE_FINAL};
	if (!labeller->changed || !ring_push(labeller->shared->predictions, &prediction))
		return;
	labeller->changed = false;
	labeller->pushed = true;
}

/* The beat goes on while nothing comes. An event that is still on its way must not find its moment over. */
static int64_t beat_due(const struct labeller *labeller)
{
	int64_t due_us = grid_beat(labeller->grid) ? beat_deadline(grid_beat(labeller->grid)) : INT64_MAX;
	return due_us == INT64_MAX ? INT64_MAX : due_us + labeller->late_us;
}

static void keep_time(struct labeller *labeller)
{
	int64_t now_us = clock_now_us();
	if (beat_due(labeller) <= now_us)
		beat_advance(grid_beat(labeller->grid), now_us - labeller->late_us);
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
		recorder_engine(labeller->recorder, labeller->take, JOURNAL_INFER, now_us, 0, 0);
		engine_infer(engine, now_us);
		labeller->infer_at_us = INT64_MAX;
		now_us = clock_now_us();
	}
	if (now_us >= engine_deadline(engine)) {
		recorder_engine(labeller->recorder, labeller->take, JOURNAL_EXPIRE, now_us, 0, 0);
		engine_expire(engine, now_us);
	}
	if (now_us >= take_deadline(labeller))
		reset(labeller, REASON_PAUSE);
	atomic_store_explicit(&labeller->shared->fill, engine_statistics(engine)->fill, memory_order_relaxed);
}

static void wait(struct labeller *labeller)
{
	int64_t until_us = engine_deadline(labeller->engine);
	if (labeller->infer_at_us < until_us)
		until_us = labeller->infer_at_us;
	if (take_deadline(labeller) < until_us)
		until_us = take_deadline(labeller);
	if (beat_due(labeller) < until_us)
		until_us = beat_due(labeller);
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
	if (grid_beat(labeller->grid))
		beat_listen(grid_beat(labeller->grid), labeller_say, labeller, clock_now_us());
	for (bool stopping = false; !stopping;) {
		atomic_fetch_add_explicit(&shared->engine_beats, 1, memory_order_relaxed);
		/* Told to stop after the source has closed: what is in the ring now is all there is. */
		bool told = atomic_load_explicit(&shared->stop, memory_order_acquire);
		int events = 0;
		take_orders(labeller);
		take_handover(labeller);
		tell_change(labeller);
		while (!labeller->ended && (told || events < EVENTS_A_TURN) && take_event(labeller))
			events++;
		stopping = told || labeller->ended;
		if (stopping) {
			int64_t now_us = clock_now_us();
			recorder_engine(labeller->recorder, labeller->take, JOURNAL_FINALISE, now_us, 0, 0);
			engine_finalise(labeller->engine, now_us);
		} else {
			keep_time(labeller);
			answer(labeller);
		}
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
