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

struct engine_options {
	int window;             /* notes; 0: the model's span */
	int64_t decide_us;      /* melody/on: at the latest so long after the onset */
	int64_t final_after_us; /* a label is final at the latest so long after the onset */
	int64_t style_every_us; /* style and emotion at most this often */
};

/* Where predictions go. Called from engine_* calls, in the engine's thread, in the order in which they are to be sent. */
struct engine_sink {
	void (*emit)(void *context, const struct prediction *prediction);
	void *context;
};

struct engine_statistics {
	uint64_t notes, inferences;
	uint64_t unpaired;  /* note-offs whose note has left the tables */
	uint64_t unlabelled; /* notes that left the window before an inference saw them; always 0 unless input outruns bounds */
	int fill;           /* notes in the window */
	int64_t inference_us; /* time of the last inference, measured by the caller through engine_note_inference_time */
};

struct engine;

/* Set-up thread. The model and the grid are borrowed and must outlive the engine. */
enum status engine_new(const struct model *model, struct grid *grid, const struct engine_options *options,
		       const struct engine_sink *sink, struct engine **engine, struct error *error);
void engine_free(struct engine *engine); /* NULL is allowed */

/* Engine thread from here on. */

/* Takes an event into the window. Never infers; may emit melody/off. */
void engine_accept(struct engine *engine, const struct event *event);

/* Notes, note-offs or passing time have made an inference useful. */
bool engine_wants_inference(const struct engine *engine);

/* One inference over the newest state; emits provisional, revised and final labels. */
void engine_infer(struct engine *engine, int64_t now_us);

/* Time of the next decision or finalisation that is due without an event; INT64_MAX when there is none. */
int64_t engine_deadline(const struct engine *engine);

/* Emits what has become due by now_us. */
void engine_expire(struct engine *engine, int64_t now_us);

/* Finalises every open note (end of file, reset, pause, loss of the source, shutdown); infers first if labels are missing. */
void engine_finalise(struct engine *engine, int64_t now_us);

/* Finalises, emits PREDICT_RESET, then forgets the window; note ids go on. */
void engine_reset(struct engine *engine, int64_t now_us);

const struct engine_statistics *engine_statistics(const struct engine *engine);

#endif
