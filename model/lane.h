/* Inside model/: what an encoder keeps of the notes of one setting, in rings by row, so that a note that leaves the window
 * costs nothing. Keys and values lie in blocks of ATTEND_BLOCK rows. The ring of hidden states holds each row twice,
 * `states` apart: so many rows in turn then always lie in one piece. Inference thread; only lane_new allocates. */
#ifndef MIDIBERTD_MODEL_LANE_H
#define MIDIBERTD_MODEL_LANE_H

#include "model/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane_layer {
	float *input, *query; /* [capacity][d]: the layer's input and its queries; NULL in a causal lane */
	/* Either of these, or both half as large as pairs of bf16, along e and along the rows (model/attend.h). */
	float *key;   /* [a][slots][e][ATTEND_BLOCK] */
	float *value; /* [a][slots][ATTEND_BLOCK][ATTEND_VALUE(e)] */
};

struct lane {
	const struct model *model;
	enum head_setting setting;
	int window, lookahead;
	bool pairs;	  /* keys and values are kept in bf16 */
	int64_t capacity; /* rows of the rings, whole blocks */
	int64_t states;	  /* rows of the ring of hidden states */
	int64_t rows;	  /* that have been computed since the reset */
	int64_t origin;	  /* first row that may be looked at */
	struct lane_layer layer[LAYERS_MAX];
	float *hidden; /* [2 states][d]: last states; of a causal lane those of its queries */
	int *slot;     /* [capacity / ATTEND_BLOCK]: of the blocks that lane_attend sees */
	void *memory;
	size_t bytes;
};

/* Set-up thread. window: notes a row looks back on. lookahead: rows it sees ahead. rows: most that a run computes. keep:
 * newest rows whose states stay, beside those of the last run. NULL: no memory. */
struct lane *lane_new(const struct model *model, enum head_setting setting, int window, int lookahead, int rows, int keep);
void lane_free(struct lane *lane); /* NULL is allowed */

/* Inference thread. */
void lane_reset(struct lane *lane);

/* Keeps one row's input, and of its qkv[3 d] query, key and value. */
void lane_put(struct lane *lane, int layer, int64_t row, const float *input, const float *qkv);
void lane_put_hidden(struct lane *lane, int64_t row, const float *hidden);

const float *lane_input(const struct lane *lane, int layer, int64_t row); /* [d] */
const float *lane_query(const struct lane *lane, int layer, int64_t row); /* [d] */

/* Attention of rows first .. first + count - 1 with queries[count] (each [d]), to y[count][d]; sees kept rows up to last.
 * scores: lane_scratch floats. */
void lane_attend(struct lane *lane, int layer, int64_t first, int count, int64_t last, const float *const *queries,
		 float *scores, float *y);
size_t lane_scratch(const struct lane *lane);

/* A causal lane's row: attention of its question, which sees the rows before and itself, then of the note, whose key and
 * value are kept. Both as qkv[3 d] to y[d]. */
void lane_ask(struct lane *lane, int layer, int64_t row, const float *question, const float *note, float *scores,
	      float *question_y, float *note_y);

#endif
