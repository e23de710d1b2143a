/* Inside model/: what a loaded network holds, for model.c and encoder.c. */
#ifndef MIDIBERTD_MODEL_NETWORK_H
#define MIDIBERTD_MODEL_NETWORK_H

#include "model/linear.h"
#include "model/model.h"
#include "model/parameters.h"

/* The linear layers of one encoder layer, by whatever backend was chosen. */
struct layer_linear {
	struct linear qkv, attention_output, intermediate, output;
};

struct model {
	struct model_shape shape;
	struct parameters *parameters;
	struct safetensors *file; /* kept for its metadata */
	float *values;		  /* [parameters->elements] */
	float *folded;		  /* [1280][d]: each embedding row, scaled, already through its part of in_linear */
	float *token_bias;	  /* [d]: bias of in_linear + token type row 0 */
	float *distance; /* per layer [e][stride]: column W - 1 - (l - r) of a layer's is E of that distance; pads around */
	uint32_t
	    *distance_pairs; /* the same per layer as [e / 2][stride] pairs of bf16; NULL: the backend's attention is fp32 */
	long distance_stride;
	int folded_row[ATTRIBUTES]; /* first row of each attribute in folded */
	struct layer_linear linear[LAYERS_MAX];
	const struct backend *backend;
	char *path;
};

/* Distances of a layer, [e][distance_stride], from l - r = W - 1 in column 0 to -(W - 1). */
const float *model_distance(const struct model *model, int layer);
/* The same as [e / 2][distance_stride] pairs of bf16; NULL: attention is fp32. */
const uint32_t *model_distance_pairs(const struct model *model, int layer);

/* The two layers that every head ends with: in[count][shape_head_input] -> 256, ReLU, -> logits[count][C]. inner: scratch,
 * [count][HEAD_INNER]. */
void model_classify(const struct model *model, int head, const float *in, int count, float *inner, float *logits);

/* x[count][d] = the embedded notes, after the embedding's layer norm. */
void model_embed(const struct model *model, const struct token *tokens, int count, float *x);

#endif
