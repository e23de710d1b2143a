/* From events to labels, see engine.h. Engine thread. The order of what is emitted: in each inference first what is new
 * about new notes (melody, then velocities), then revisions and finals of all, then style: no first label waits behind an
 * older one's. It reads no clock and knows no thread, socket or file.
 */
#include "engine/engine.h"

#include "engine/hearing.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS_MIN 4096 /* notes remembered for their note-offs and open labels */

struct engine {
	const struct model *model;
	const struct model_shape *shape;
	struct grid *grid;
	struct engine_options options;
	struct engine_sink sink;
	void (*inferred)(void *context, int64_t now_us);
	void *inferred_context;
	struct engine_statistics statistics;
	struct window window;
	struct heads heads;
	struct hearing *hearing;
	unsigned kinds;	    /* that somebody wants */
	int settle;	    /* later notes after which a label is final */
	int64_t unseen_max; /* notes that may wait for an inference before records that it needs are overwritten */
	int64_t open;	    /* oldest row with a label that is not final, or undecided */
	int64_t trigger_us, newest_us; /* stamps of the newest event */
	int32_t newest_id;
	uint32_t resets;     /* so far */
	int64_t relived;     /* row of a predecessor that is row 0 here */
	int64_t styled_us;   /* when the sequence heads were last asked */
	int64_t styled_rows; /* rows they had seen then; -1: never since the reset */
	bool judged;	     /* a style or emotion has been sent since the reset */
};

/* ---- set-up ---- */

enum status engine_new(const struct model *model, struct grid *grid, const struct engine_options *options,
		       const struct engine_sink *sink, struct engine **out, struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	*out = NULL;
	if (options->window < 0 || options->window > shape->span)
		return status_fail(error, STATUS_USAGE, "a window of %d notes: %s allows 1 to %d", options->window,
				   model_path(model), shape->span);
	if (options->decide_us < 0 || options->final_after_us < 0 || options->style_every_us < 0)
		return status_fail(error, STATUS_USAGE, "a negative time for labels");
	struct engine *engine = calloc(1, sizeof *engine);
	if (!engine)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the engine");
	engine->model = model;
	engine->shape = shape;
	engine->grid = grid;
	engine->options = *options;
	engine->sink = *sink;
	if (engine->options.window == 0)
		engine->options.window = shape->span;
	engine->settle = shape_settle(shape);
	if (shape->lookahead == LOOKAHEAD_UNLIMITED && engine->settle > engine->options.window)
		engine->settle = engine->options.window; /* a note that has left the window gets no new answer */
	engine->styled_rows = -1;
	engine->kinds = ~0u;
	enum status status = heads_find(model, &engine->heads, error);
	if (status == STATUS_OK) {
		engine->hearing = hearing_new(model, &engine->heads, engine->options.window);
		int64_t needed = engine->hearing ? hearing_records(engine->hearing) + engine->settle : 0;
		int64_t records = 2 * needed > options->records ? 2 * needed : options->records;
		if (!engine->hearing ||
		    !window_init(&engine->window, records > RECORDS_MIN ? records : RECORDS_MIN, shape->freeze))
			status = status_fail(error, STATUS_NO_MEMORY, "no memory for a window of %d notes",
					     engine->options.window);
		/* A record that is overwritten must owe nothing and be out of reach of the next run. */
		engine->unseen_max = engine->window.capacity - needed;
	}
	if (status != STATUS_OK) {
		engine_free(engine);
		return status;
	}
	*out = engine;
	return STATUS_OK;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	hearing_free(engine->hearing);
	window_free(&engine->window);
	free(engine);
}

/* ---- what is emitted ---- */

static void emit(struct engine *engine, const struct prediction *prediction)
{
	engine->sink.emit(engine->sink.context, prediction);
}

static void emit_melody_off(struct engine *engine, struct note *note, int64_t event_us)
{
	struct prediction prediction = {.event_us = event_us,
					.trigger_us = engine->trigger_us,
					.note_id = note->id,
					.kind = PREDICT_MELODY_OFF,
					.pitch = note->pitch,
					.stage = STAGE_FINAL};
	note->sounding = false;
	emit(engine, &prediction);
}

static void emit_label(struct engine *engine, const struct note *note, const struct head *head, const struct answer *answer,
		       int stage)
{
	bool first = stage == STAGE_PROVISIONAL || head->setting == SETTING_CAUSAL;
	struct prediction prediction = {.event_us = note->onset_us,
					.trigger_us = first ? note->trigger_us : engine->trigger_us,
					.note_id = note->id,
					.kind = (uint8_t)head->kind,
					.stage = (uint8_t)stage,
					.pitch = note->pitch,
					.velocity = note->velocity,
					.fine = note->fine,
					.label = (int8_t)answer->label,
					.confidence = answer->confidence,
					.expected = answer->expected,
					.spread = answer->spread};
	emit(engine, &prediction);
}

/* When a time-out ends a wait that began at start_us; never wraps. */
static int64_t after(int64_t start_us, int64_t wait_us)
{
	return start_us > INT64_MAX - wait_us ? INT64_MAX : start_us + wait_us;
}

static bool is_final(const struct engine *engine, int64_t row, int64_t now_us)
{
	return engine->window.rows - 1 - row >= engine->settle ||
	       now_us >= after(window_note(&engine->window, row)->due_us, engine->options.final_after_us);
}

/* Sends what a label's stage rules ask for: of labels that have not been told yet, or of all others. */
static void publish(struct engine *engine, enum label_kind kind, bool first, int64_t now_us)
{
	const struct head *head = &engine->heads.note[kind];
	if (head->index < 0)
		return;
	for (int64_t row = engine->open; row < engine->window.rows; row++) {
		struct note *note = window_note(&engine->window, row);
		struct label *label = &note->label[kind];
		if ((label->state == LABEL_OPEN) != first)
			continue;
		int stage = kind == LABEL_VELOCITY_CAUSAL ? label_only_stage(label)
							  : label_next_stage(label, !first && is_final(engine, row, now_us));
		if (stage >= 0)
			emit_label(engine, note, head, &label->sent, stage);
	}
}

/* The one decision a note, for receivers that do not want revisions. */
static void decide(struct engine *engine, int64_t now_us)
{
	if (engine->heads.note[LABEL_MELODY].index < 0)
		return;
	for (int64_t row = engine->open; row < engine->window.rows; row++) {
		struct note *note = window_note(&engine->window, row);
		const struct label *label = &note->label[LABEL_MELODY];
		if (note->decided || label->state == LABEL_OPEN ||
		    (label->state != LABEL_FINAL && now_us < after(note->due_us, engine->options.decide_us)))
			continue;
		note->decided = true;
		if (label->sent.label != 0)
			continue;
		struct prediction prediction = {.event_us = note->onset_us,
						.trigger_us = engine->trigger_us,
						.note_id = note->id,
						.kind = PREDICT_MELODY_ON,
						.pitch = note->pitch,
						.velocity = note->velocity,
						.stage =
						    (uint8_t)(label->state == LABEL_FINAL ? STAGE_FINAL : STAGE_REVISED),
						.confidence = label->sent.confidence};
		emit(engine, &prediction);
		note->sounding = true;
		if (note->ended)
			emit_melody_off(engine, note, note->onset_us);
	}
}

static bool is_done(const struct note *note)
{
	for (int i = 0; i < LABELS; i++)
		if (note->label[i].state != LABEL_FINAL)
			return false;
	return note->decided;
}

static void advance_open(struct engine *engine)
{
	while (engine->open < engine->window.rows && is_done(window_note(&engine->window, engine->open)))
		engine->open++;
}

/* ---- inference ---- */

/* Hears up to the newest note, with nothing said. */
static void hear(struct engine *engine)
{
	engine->open = engine->window.rows;
	hearing_run(engine->hearing, &engine->window, engine->open);
	window_mark_seen(&engine->window);
}

static void judge_whole(struct engine *engine, int64_t now_us)
{
	int64_t rows = engine->window.rows;
	int count = (int)(rows < engine->options.window ? rows : engine->options.window);
	if (count < ENGINE_SEQUENCE_NOTES || rows == engine->styled_rows)
		return;
	engine->styled_us = now_us;
	engine->styled_rows = rows;
	for (int i = 0; i < engine->heads.sequences; i++) {
		const struct head *head = &engine->heads.sequence[i];
		const struct head_spec *spec = &engine->shape->head[head->index];
		struct prediction prediction = {.event_us = engine->newest_us,
						.trigger_us = engine->trigger_us,
						.note_id = engine->newest_id,
						.kind = (uint8_t)head->kind,
						.classes = (uint8_t)spec->classes};
		struct answer answer;
		float strangeness;
		if (!hearing_judge(engine->hearing, i, &engine->window, count, prediction.probability, &strangeness))
			continue;
		answer_of_classes(spec, prediction.probability, strangeness > 1, &answer);
		prediction.label = (int8_t)answer.label;
		prediction.confidence = answer.confidence;
		engine->judged = true;
		emit(engine, &prediction);
	}
}

/* What was said of the piece that is over is not true of the next one: nothing is known of that yet. */
static void take_back(struct engine *engine, int64_t now_us)
{
	for (int i = 0; i < engine->heads.sequences && engine->judged; i++) {
		const struct head *head = &engine->heads.sequence[i];
		int classes = engine->shape->head[head->index].classes;
		struct prediction prediction = {.event_us = now_us,
						.note_id = engine->newest_id,
						.kind = (uint8_t)head->kind,
						.classes = (uint8_t)classes,
						.label = CLASS_UNKNOWN,
						.confidence = 1 / (float)classes};
		for (int c = 0; c < classes; c++)
			prediction.probability[c] = prediction.confidence;
		emit(engine, &prediction);
	}
	engine->judged = false;
}

/* Emits what the newest answers and the time ask for. */
static void settle(struct engine *engine, int64_t now_us)
{
	publish(engine, LABEL_MELODY, true, now_us);
	publish(engine, LABEL_VELOCITY_CAUSAL, true, now_us);
	publish(engine, LABEL_VELOCITY_HIDDEN, true, now_us);
	publish(engine, LABEL_MELODY, false, now_us);
	decide(engine, now_us);
	publish(engine, LABEL_VELOCITY_HIDDEN, false, now_us);
	advance_open(engine);
}

static void infer(struct engine *engine, int64_t now_us)
{
	hearing_run(engine->hearing, &engine->window, engine->open);
	settle(engine, now_us);
	window_mark_seen(&engine->window);
	engine->statistics.inferences++;
	if (engine->inferred)
		engine->inferred(engine->inferred_context, now_us);
}

bool engine_wants_inference(const struct engine *engine)
{
	return engine->window.seen < engine->window.rows;
}

void engine_infer(struct engine *engine, int64_t now_us)
{
	if (!window_is_stale(&engine->window)) {
		settle(engine, now_us);
		return;
	}
	infer(engine, now_us);
	if (engine->styled_rows < 0 || now_us - engine->styled_us >= engine->options.style_every_us)
		judge_whole(engine, now_us);
}

/* ---- events ---- */

static void accept_note_on(struct engine *engine, const struct event *event)
{
	struct window *window = &engine->window;
	if (window->rows == 0)
		grid_reset(engine->grid, event->event_us);
	grid_take(engine->grid, event);
	if (window->rows - window->seen >= engine->unseen_max)
		engine_infer(engine, event->arrival_us);
	struct note *leaving = window_note(window, window->rows);
	if (window->rows >= window->capacity && leaving->sounding)
		emit_melody_off(engine, leaving, event->event_us);
	int64_t position = grid_position(engine->grid, event);
	struct place place = grid_place(engine->grid, position);
	struct note *note = window_add(window, event, position, &place);
	for (int i = 0; i < LABELS; i++)
		if (!hearing_answers(engine->hearing, (enum label_kind)i, window))
			note->label[i].state = LABEL_FINAL;
	note->decided = note->label[LABEL_MELODY].state == LABEL_FINAL;
	engine->trigger_us = note->trigger_us;
	engine->newest_us = note->onset_us;
	engine->newest_id = note->id;
	engine->statistics.notes++;
	engine->statistics.fill = (int)(window->rows < engine->options.window ? window->rows : engine->options.window);
}

static void accept_note_off(struct engine *engine, const struct event *event)
{
	int64_t row = window_find(&engine->window, event->note_id);
	if (row < 0) {
		engine->statistics.unpaired++;
		return;
	}
	struct note *note = window_note(&engine->window, row);
	engine->trigger_us = event->arrival_us > event->event_us ? event->arrival_us : event->event_us;
	window_end(&engine->window, row, event->event_us, grid_position(engine->grid, event));
	if (note->sounding)
		emit_melody_off(engine, note, event->event_us);
}

void engine_accept(struct engine *engine, const struct event *event)
{
	if (event->kind == EVENT_NOTE_ON)
		accept_note_on(engine, event);
	else
		grid_take(engine->grid, event);
	if (event->kind == EVENT_NOTE_OFF)
		accept_note_off(engine, event);
	/* Pedals, clocks, inputs and the end say nothing about labels; whoever drives the engine finalises or resets. */
}

/* ---- time and ends ---- */

int64_t engine_deadline(const struct engine *engine)
{
	int64_t earliest = INT64_MAX;
	for (int64_t row = engine->open; row < engine->window.rows; row++) {
		const struct note *note = window_note(&engine->window, row);
		if (is_done(note))
			continue;
		int64_t due = after(note->due_us, engine->options.final_after_us);
		if (!note->decided && engine->options.decide_us < engine->options.final_after_us)
			due = after(note->due_us, engine->options.decide_us);
		if (due < earliest)
			earliest = due;
	}
	return earliest;
}

void engine_expire(struct engine *engine, int64_t now_us)
{
	if (now_us < engine_deadline(engine))
		return;
	engine->trigger_us = 0;
	engine_infer(engine, now_us);
}

void engine_finalise(struct engine *engine, int64_t now_us)
{
	struct window *window = &engine->window;
	engine->trigger_us = 0;
	if (window_is_stale(window))
		infer(engine, now_us);
	settle(engine, INT64_MAX); /* every time-out has passed */
	for (int64_t row = window_oldest(window); row < window->rows; row++)
		if (window_note(window, row)->sounding)
			emit_melody_off(engine, window_note(window, row), now_us);
	judge_whole(engine, now_us);
}

static void forget(struct engine *engine)
{
	window_reset(&engine->window);
	hearing_reset(engine->hearing);
	engine->open = 0;
	engine->styled_rows = -1;
	engine->statistics.fill = 0;
}

void engine_reset(struct engine *engine, int64_t now_us)
{
	struct prediction prediction = {.event_us = now_us, .kind = PREDICT_RESET, .stage = STAGE_FINAL};
	engine_finalise(engine, now_us);
	take_back(engine, now_us);
	prediction.note_id = engine->newest_id;
	emit(engine, &prediction);
	forget(engine);
	engine->resets++;
}

/* ---- another model ---- */

struct engine_history {
	struct note *notes; /* of rows first .. rows - 1 */
	int64_t capacity, first, rows;
	uint32_t resets;
	bool any;
};

int64_t engine_records(const struct engine *engine)
{
	return engine->window.capacity;
}

struct engine_history *engine_history_new(const struct engine *engine)
{
	struct engine_history *history = calloc(1, sizeof *history);
	if (!history)
		return NULL;
	history->capacity = engine->window.capacity;
	history->notes = malloc((size_t)history->capacity * sizeof *history->notes);
	if (!history->notes) {
		free(history);
		return NULL;
	}
	memset(history->notes, 0,
	       (size_t)history->capacity * sizeof *history->notes); /* touched here, not when it is filled */
	return history;
}

void engine_history_free(struct engine_history *history)
{
	if (!history)
		return;
	free(history->notes);
	free(history);
}

void engine_remember(const struct engine *engine, struct engine_history *history)
{
	const struct window *window = &engine->window;
	bool again = history->any && history->resets == engine->resets;
	/* Tokens further back have not changed since. */
	int64_t first = again ? history->rows - window->freeze : 0;
	if (first < window_oldest(window))
		first = window_oldest(window);
	history->any = true;
	history->resets = engine->resets;
	history->first = first;
	history->rows = window->seen;
	for (int64_t row = first; row < window->seen; row++)
		history->notes[row - first] = *window_note(window, row);
}

/* Takes one row of a predecessor in: new at the end, or one whose token may have changed. */
static void take_row(struct window *window, int64_t row, const struct note *note)
{
	struct note *own = window_note(window, row);
	struct token token = own->token;
	bool known = row < window->rows, differs = known && memcmp(&token, &note->token, sizeof token) != 0;
	*own = *note;
	if (!known)
		window->rows = row + 1;
	else if (differs && row < window->seen - window->freeze)
		own->token = token; /* frozen, whatever was so for the predecessor */
	else if (differs && row < window->changed)
		window->changed = row;
}

/* Nothing is sent about a note that has been relived. */
static void settle_note(struct note *note)
{
	for (int i = 0; i < LABELS; i++)
		note->label[i].state = LABEL_FINAL;
	note->decided = true;
	note->sounding = false;
}

int64_t engine_relive(struct engine *engine, const struct engine_history *history)
{
	struct window *window = &engine->window;
	int64_t heard = window->rows;
	/* A gap (more notes than are remembered have come since) begins anew, as a reset does. */
	if (history->resets != engine->resets || history->first > engine->relived + heard || heard == 0) {
		forget(engine);
		engine->resets = history->resets;
		engine->relived = history->first;
		heard = 0;
	}
	for (int64_t row = history->first > engine->relived ? history->first : engine->relived; row < history->rows; row++) {
		take_row(window, row - engine->relived, &history->notes[row - history->first]);
		settle_note(window_note(window, row - engine->relived));
		if (window->rows - window->seen >= HEARING_BURST)
			hear(engine);
	}
	if (window_is_stale(window))
		hear(engine);
	return window->rows - heard;
}

static bool lacks_a_head(const struct engine *engine, const struct engine *old)
{
	for (int i = 0; i < LABELS; i++)
		if (old->heads.note[i].index >= 0 && engine->heads.note[i].index < 0)
			return true;
	return false;
}

bool engine_adopt(struct engine *engine, struct engine *old, int64_t now_us)
{
	struct window *window = &engine->window;
	int64_t oldest = window_oldest(&old->window), heard = engine->relived + window->seen;
	bool anew = engine->resets != old->resets || window->seen == 0;
	if (old->window.rows - (anew ? oldest : heard) > HEARING_BURST)
		return false;
	if (lacks_a_head(engine, old))
		engine_finalise(old, now_us);
	if (anew) {
		forget(engine);
		engine->relived = oldest;
	}
	int64_t first = oldest > engine->relived ? oldest : engine->relived;
	for (int64_t row = first; row < old->window.rows; row++)
		take_row(window, row - engine->relived, window_note(&old->window, row));
	/* A release that old has not answered yet: new has heard it, and has to say so. */
	int64_t changed = old->window.changed == WINDOW_UNCHANGED ? WINDOW_UNCHANGED : old->window.changed - engine->relived;
	if (changed < window->seen - window->freeze)
		changed = window->seen - window->freeze > 0 ? window->seen - window->freeze : 0;
	if (changed < window->changed)
		window->changed = changed;
	engine->open = old->open - engine->relived;
	engine_want(engine, old->kinds);
	engine->resets = old->resets;
	engine->trigger_us = old->trigger_us;
	engine->newest_us = old->newest_us;
	engine->newest_id = old->newest_id;
	engine->styled_us = old->styled_us;
	engine->styled_rows = -1;
	engine->judged = old->judged;
	engine->statistics = old->statistics;
	engine->statistics.fill = (int)(window->rows < engine->options.window ? window->rows : engine->options.window);
	engine->grid = old->grid;
	engine->sink = old->sink;
	engine->inferred = old->inferred;
	engine->inferred_context = old->inferred_context;
	return true;
}

/* ---- what messages leave out ---- */

/* A label that nobody waits for is final as it stands; nothing is sent of it any more. */
static void give_up(struct engine *engine, enum label_kind kind)
{
	for (int64_t row = engine->open; row < engine->window.rows; row++) {
		struct note *note = window_note(&engine->window, row);
		note->label[kind].state = LABEL_FINAL;
		note->decided |= kind == LABEL_MELODY;
	}
}

void engine_want(struct engine *engine, unsigned kinds)
{
	engine->kinds = kinds;
	hearing_want(engine->hearing, kinds);
	for (int i = 0; i < LABELS; i++)
		if (!hearing_answers(engine->hearing, (enum label_kind)i, &engine->window))
			give_up(engine, (enum label_kind)i);
	advance_open(engine);
}

void engine_watch(struct engine *engine, void (*inferred)(void *context, int64_t now_us), void *context)
{
	engine->inferred = inferred;
	engine->inferred_context = context;
}

int engine_head(const struct engine *engine, enum prediction_kind kind)
{
	const struct head *head = heads_of_kind(&engine->heads, kind);
	return head ? head->index : -1;
}

float engine_strangeness(const struct engine *engine, enum prediction_kind kind)
{
	const struct head *head = heads_of_kind(&engine->heads, kind);
	return head ? hearing_strangeness(engine->hearing, head->index) : 0;
}

bool engine_answer(const struct engine *engine, enum prediction_kind kind, int32_t note_id, struct answer *answer)
{
	int64_t row = window_find(&engine->window, note_id);
	for (int i = 0; row >= 0 && i < LABELS; i++) {
		const struct label *label = &window_note(&engine->window, row)->label[i];
		if (engine->heads.note[i].kind != kind || !label->known)
			continue;
		*answer = label->now;
		return true;
	}
	return false;
}

const struct engine_statistics *engine_statistics(const struct engine *engine)
{
	return &engine->statistics;
}
