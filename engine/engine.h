/* From events to labels: a sliding window of tokens, the streaming encoder, the stages of a label (docs/OSC.md, stages).
 * No thread, no socket, no clock: events and times are handed in, predictions are handed out. The daemon, `predict --live`
 * and `eval --live` run this same code. One thread; after engine_new nothing allocates (docs/THREADS.md). */
#ifndef MIDIBERTD_ENGINE_ENGINE_H
#define MIDIBERTD_ENGINE_ENGINE_H

#include "base/event.h"
#include "base/prediction.h"
#include "base/status.h"
#include "model/model.h"
#include "stream/grid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_SEQUENCE_NOTES 16 /* style and emotion are not judged on fewer */

/* What the daemon and the offline tool do unless told. */
#define ENGINE_WINDOW 256 /* or the model's span where that is less */
#define ENGINE_DECIDE_MS 80
#define ENGINE_FINAL_AFTER_MS 2000
#define ENGINE_STYLE_EVERY_MS 1000
#define ENGINE_WAIT_MAX_MS 3600000 /* the longest --decide and --final-after that a program takes */

struct engine_options {
	int window;		/* notes that a label looks back on; 0: the model's span */
	int64_t decide_us;	/* melody/on: at the latest so long after the onset */
	int64_t final_after_us; /* a label is final at the latest so long after the onset */
	int64_t style_every_us; /* style and emotion at most this often */
	int64_t records;	/* notes to be remembered at least; 0: as many as it needs */
};

/* Where predictions go. Called from engine_* calls, in the engine's thread, in the order in which they are to be sent. */
struct engine_sink {
	void (*emit)(void *context, const struct prediction *prediction);
	void *context;
};

struct answer; /* label.h */

struct engine_statistics {
	uint64_t notes, inferences;
	uint64_t unpaired; /* note-offs whose note has left the tables */
	int fill;	   /* notes in the window */
};

struct engine;

/* Set-up thread. The model and the grid are borrowed and must outlive the engine. */
enum status engine_new(const struct model *model, struct grid *grid, const struct engine_options *options,
		       const struct engine_sink *sink, struct engine **engine, struct error *error);
void engine_free(struct engine *engine); /* NULL is allowed */

/* Engine thread from here on. */

/* Takes an event into the window; may emit melody/off. Never infers, with one exception that keeps tables bounded and every
 * label sent: when thousands of notes have come since the last inference, it first makes one. */
void engine_accept(struct engine *engine, const struct event *event);

/* A note has arrived that no inference has seen. A note-off alone asks for none: what it changes is taken into the next
 * inference, or into the one that a decision or time-out makes (engine_expire). */
bool engine_wants_inference(const struct engine *engine);

/* One inference over the newest state; emits provisional, revised and final labels. */
void engine_infer(struct engine *engine, int64_t now_us);

/* Time of the next decision or finalisation that is due without an event; INT64_MAX when there is none. */
int64_t engine_deadline(const struct engine *engine);

/* Emits what has become due by now_us; infers first if the window has changed since the last inference. */
void engine_expire(struct engine *engine, int64_t now_us);

/* Finalises every open note (end of file, reset, pause, loss of the source, shutdown); infers first if labels are missing.
 */
void engine_finalise(struct engine *engine, int64_t now_us);

/* Finalises, takes back style and emotion (unknown, all classes alike), emits PREDICT_RESET, then forgets the window; note
 * ids go on. */
void engine_reset(struct engine *engine, int64_t now_us);

/* Kinds of predictions that somebody listens for, a bit 1u << enum prediction_kind each; all at first. What no other kind
 * needs is not computed (engine/hearing.h). Open labels of a kind that is no longer wanted are dropped; a kind that is
 * wanted again speaks about the notes that begin after it has caught up, a few notes later. */
void engine_want(struct engine *engine, unsigned kinds);

const struct engine_statistics *engine_statistics(const struct engine *engine);

/* ---- another model, made ready beside and then put in the place of the old one (docs/THREADS.md, another model) ----
 *	set-up thread: engine_new with the new model, a grid of its own, a sink that drops, records = engine_records(old);
 *		       engine_history_new(old)
 *	engine thread: engine_remember(old, history)	copies notes
 *	set-up thread: engine_relive(new, history)	hears them; both once more while many have come meanwhile
 *	engine thread: engine_adopt(new, old)		new goes on where old stands; old is for the set-up thread to free;
 *							false: too many have come meanwhile, remember and relive again */

struct engine_history; /* notes that an engine knows */

/* Set-up thread. NULL: no memory. engine_records holds for the life of an engine. */
struct engine_history *engine_history_new(const struct engine *engine);
void engine_history_free(struct engine_history *history); /* NULL is allowed */
int64_t engine_records(const struct engine *engine);

/* Engine thread; no allocation: copies at most engine_records notes, those that are new since the last time. */
void engine_remember(const struct engine *engine, struct engine_history *history);

/* Set-up thread, which owns this engine until it is adopted. Emits nothing. Returns how many notes it had not heard. */
int64_t engine_relive(struct engine *engine, const struct engine_history *history);

/* Engine thread; no allocation. Takes over notes, labels and their stages, the grid, the sink and who watches. Labels of old
 * that new has no head for are final first (then all are). A head that only new has speaks about notes that begin from now
 * on. Nothing else is emitted; the next inference is new's. False, and nothing has happened: more notes than one run takes
 * have come that new has not heard. */
bool engine_adopt(struct engine *engine, struct engine *old, int64_t now_us);

/* What the messages leave out, for those who judge (train/evaluate_live.h). No allocation. */

/* Set-up thread. Calls `inferred` at the end of each inference, when its labels have been emitted and those of style and
 * emotion not yet; it may ask engine_answer and engine_statistics. NULL: nobody asks (the default). */
void engine_watch(struct engine *engine, void (*inferred)(void *context, int64_t now_us), void *context);

/* The model's head that is published as this kind of prediction, or -1. */
int engine_head(const struct engine *engine, enum prediction_kind kind);

/* How strange the newest notes were to that head when it last answered (model/familiar.h): above 1 its answers are unknown.
 * 0: it is not there or cannot tell. */
float engine_strangeness(const struct engine *engine, enum prediction_kind kind);

/* The newest answer to a note, PREDICT_MELODY or a PREDICT_VELOCITY, sent or not; that of the final label once there is
 * one. False: no inference has seen the note, or its record has gone (thousands of notes ago). */
bool engine_answer(const struct engine *engine, enum prediction_kind kind, int32_t note_id, struct answer *answer);

#endif
