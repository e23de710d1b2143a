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
	struct safetensors *file;   /* kept for its metadata */
	float *values;		    /* [parameters->elements] */
	float *folded;		    /* [1280][d]: each embedding row, scaled, already through its part of in_linear */
	float *token_bias;	    /* [d]: bias of in_linear + token type row 0 */
	float *distance;	    /* per layer [J][e], J = W + n: row j is E of distance l - r = W - 1 - j */
	int distances;		    /* J */
	int folded_row[ATTRIBUTES]; /* first row of each attribute in folded */
	struct layer_linear linear[LAYERS_MAX];
	const struct backend *backend;
	char *path;
};

/* x[count][d] = the embedded notes, after the embedding's layer norm. */
void model_embed(const struct model *model, const struct token *tokens, int count, float *x);

#endif
