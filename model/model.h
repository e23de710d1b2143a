/* A network loaded from a weights file, ready for inference. Immutable after model_load, so any number of threads may
 * share it. Loading allocates and reads; nothing else here does. */
#ifndef MIDIBERTD_MODEL_MODEL_H
#define MIDIBERTD_MODEL_MODEL_H

#include "base/status.h"
#include "base/token.h"
#include "model/backend.h"
#include "model/shape.h"

struct model;

/* Set-up thread. Binds tensors by name and shape; a missing, extra or misshapen one is refused by name. */
enum status model_load(const char *path, struct model **model, struct error *error);
void model_free(struct model *model); /* NULL is allowed */

const struct model_shape *model_shape(const struct model *model);
const char *model_path(const struct model *model);
const char *model_sha256(const struct model *model);
/* Free text from the card's metadata (licence, recipe...), or NULL. */
const char *model_metadata(const struct model *model, const char *key);

/* Set-up thread: threads that one matrix product may use, for all models. model_load leaves OpenBLAS with one. */
void model_use_threads(int threads);

/* Set-up thread, before anybody else uses the model. What computes its linear layers: a name that backend_find takes
 * (model/backend.h); model_load chooses the reference. Heads are always fp32. */
enum status model_use_backend(struct model *model, const char *name, struct error *error);
const struct backend *model_backend(const struct model *model);
/* Whether attention, too, is in bf16 with that backend on this CPU; fp32 otherwise. */
bool model_bf16_attention(const struct model *model);

/* Inference thread; no allocation. Logits of a note head: hidden is [count][shape_head_input], that is [count][d], and for a
 * causal head each note's predictors after its d; logits [count][C]. */
void model_note_logits(const struct model *model, int head, const float *hidden, int count, float *logits);

/* Inference thread; no allocation. Logits of a sequence head over notes: hidden is [count][d], logits [C].
 * scratch holds model_sequence_scratch(model, count) floats. */
size_t model_sequence_scratch(const struct model *model, int count);
void model_sequence_logits(const struct model *model, int head, const float *hidden, int count, float *scratch,
			   float *logits);

/* Calibrated probabilities: softmax of logits / temperature, [C]. In place is allowed. */
void model_probabilities(const struct model *model, int head, const float *logits, float *probability);

#endif
