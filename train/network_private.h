/* Inside train/: what network.c (encoder) and network_heads.c share. */
#ifndef MIDIBERTD_TRAIN_NETWORK_PRIVATE_H
#define MIDIBERTD_TRAIN_NETWORK_PRIVATE_H

#include "train/attention.h"
#include "train/network.h"

struct layer_weights {
	struct product_weight qkv, attention_output, intermediate, output;
	struct attention_table table;
};

struct network {
	const struct model_shape *shape;
	const struct parameters *parameters;
	const float *values;
	struct network_options options;
	struct attention_shape attention;
	struct layer_weights layer[LAYERS_MAX];
	struct product_weight head_first[HEADS_MAX];
	struct product_weight mask_lm[ATTRIBUTES], masker_first; /* pre-training only */
	float *folded;						 /* [1280][d], as model/network.h */
	int folded_row[ATTRIBUTES];
};

/* What a layer's forward pass leaves for its backward pass; [T][...] each. */
struct layer_kept {
	float *qkv, *probabilities, *context;
	float *normal1, *inverse1, *middle; /* first norm: x hat, 1 / deviation, output */
	float *before, *after;		    /* GELU's input and output, [f] wide */
	float *normal2, *inverse2, *out;    /* second norm; out is the next layer's input */
};

struct workspace {
	const struct network *network;
	struct attention *attention;
	struct product_scratch scratch;
	struct layer_kept layer[LAYERS_MAX];
	float *embedded, *normal0, *inverse0;		  /* embedding's norm; embedded is after dropout */
	float *dx, *dy, *dwide, *temporary;		  /* [T][d], [T][d], [T][max(f, 3 d)], [T][d] */
	float *head_in, *head_inner, *head_logits, *pool; /* heads */
	float *head_din;				  /* gradient of head_in, of a note head */
	float *memory;
};

/* Kinds of dropout within a sequence, mixed into its key. */
enum { DROP_EMBEDDING = 1, DROP_ATTENTION, DROP_PROJECTION, DROP_OUTPUT, DROP_HEAD_IN, DROP_HEAD_INNER };
static inline uint32_t drop_key(uint32_t key, int kind, int index)
{
	return (key + (uint32_t)kind * 0x9e3779b9u) * 0x85ebca6bu + (uint32_t)index * 0xc2b2ae35u;
}

/* dy of a layer norm to dx, in place; adds to its gain's and bias's gradients. */
void norm_backward(int rows, int d, const float *normal, const float *inverse, const float *gain, float *dy, float *dgain,
		   float *dbias);
void bias_backward(int rows, int columns, const float *dy, float *dbias);

/* Runs every head that the sequence asks; with gradient, adds to it and to dhidden[T][d]. */
void heads_pass(const struct network *network, struct workspace *workspace, const struct sequence *sequence,
		const float *hidden, float *gradient, float *dhidden, struct score *score);
size_t heads_workspace(const struct network *network, struct workspace *workspace, float *memory);

/* The weights of the heads of pre-training, which only some shapes have. */
bool mlm_weights_new(struct network *network);
void mlm_weights_free(struct network *network);
void mlm_weights_pack(struct network *network);

#endif
