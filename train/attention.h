/* Attention with relative positions over one sequence, forward and backward (docs/MODEL.md, encoder; the published model's
 * relative_key_query). One struct attention per thread. Letters as in model/shape.h; J = W + n distances. */
#ifndef MIDIBERTD_TRAIN_ATTENTION_H
#define MIDIBERTD_TRAIN_ATTENTION_H

#include "train/product.h"

struct attention_shape {
	int width, heads, span, lookahead; /* lookahead resolved: W - 1 where unlimited */
	int rows;			   /* longest sequence */
	enum precision precision;
	float dropout; /* of attention probabilities */
};

/* E of one layer as both passes want it: row j is distance W - 1 - j. Shared by threads, packed once a step. */
struct attention_table {
	float *reversed;     /* [J][e] */
	uint32_t *scoring;   /* packed for q . E */
	uint32_t *spreading; /* packed for its backward */
};
bool attention_table_new(struct attention_table *table, const struct attention_shape *shape);
void attention_table_free(struct attention_table *table);
/* distance: E as stored, [2 W - 1][e]. */
void attention_table_pack(struct attention_table *table, const struct attention_shape *shape, const float *distance);

struct attention;
struct attention *attention_new(const struct attention_shape *shape); /* NULL without memory */
void attention_free(struct attention *attention);

/* Floats of probabilities that a forward pass keeps for its backward pass. */
size_t attention_kept(const struct attention_shape *shape);

/* qkv[T][3 d] to context[T][d]. Row l sees max(0, l - W + 1) .. limit[l], where l <= limit[l] <= min(T - 1, l + n).
 * key: of this layer's dropout; train: apply it. */
void attention_forward(struct attention *attention, const struct attention_table *table, int T, const int *limit,
		       const float *qkv, uint32_t key, bool train, float *kept, float *context);

/* dcontext[T][d] to dqkv[T][3 d] (overwritten); adds to ddistance, the gradient of E as stored. */
void attention_backward(struct attention *attention, const struct attention_table *table, int T, const int *limit,
			const float *qkv, uint32_t key, const float *kept, const float *dcontext, float *dqkv,
			float *ddistance);

/* The same for a causal sequence: qkv[2 notes][3 d] and context[2 notes][d] are of one causal row a note, then one query a
 * note. Causal row i sees causal rows max(0, i - W + 1) .. i. Query i sees the causal rows before i of that band, and its
 * own key and value where row i would stand: it never meets what row i or a later one carries. */
void attention_forward_causal(struct attention *attention, const struct attention_table *table, int notes, const float *qkv,
			      uint32_t key, bool train, float *kept, float *context);
void attention_backward_causal(struct attention *attention, const struct attention_table *table, int notes, const float *qkv,
			       uint32_t key, const float *kept, const float *dcontext, float *dqkv, float *ddistance);

#endif
