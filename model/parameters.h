/* Every number of a network in one array: a table of names, shapes and offsets, made from a shape. Inference, training,
 * optimiser states and weights files all share this layout. The names are those of the published checkpoints
 * (docs/MODEL.md, tensors). */
#ifndef MIDIBERTD_MODEL_PARAMETERS_H
#define MIDIBERTD_MODEL_PARAMETERS_H

#include "base/token.h"
#include "model/safetensors.h"
#include "model/shape.h"

#define HEAD_INNER 256	      /* width of every classifier's hidden layer */
#define POOL_INNER 128	      /* of a sequence head's attention */
#define EMBEDDING_SCALE 16.0f /* sqrt(EMBEDDING_WIDTH) */
#define LAYER_NORM_EPSILON 1e-12f

struct parameter {
	char name[TENSOR_NAME_MAX];
	int dimensions;
	int64_t shape[2];
	size_t offset, elements;
	bool decays; /* weight decay applies: matrices, not biases and norms */
};

/* Offsets into the array, in floats. A weight is [out][in]; its bias is [out]. */
struct linear_offsets {
	size_t weight, bias;
};
struct norm_offsets {
	size_t gain, bias; /* [d] each */
};
struct layer_offsets {
	struct linear_offsets qkv; /* query, key, value one after the other: [3 d][d], [3 d] */
	size_t distance;	   /* E, [2 W - 1][e] */
	struct linear_offsets attention_output;
	struct norm_offsets attention_norm;
	struct linear_offsets intermediate; /* [f][d] */
	struct linear_offsets output;	    /* [d][f] */
	struct norm_offsets output_norm;
};
struct head_offsets {
	size_t pool1, pool2;		   /* sequence heads: W1 [128][d], W2 [4][128] */
	struct linear_offsets first, last; /* [256][shape_head_input], [C][256] */
	/* Of heads that know what is familiar (model/familiar.h): [F], [F][F] with F = d + FAMILIAR_STATISTICS. Row i of the
	 * second is column i of the inverse Cholesky factor: 0 before i. */
	size_t familiar_mean, familiar_whiten;
	/* Of sequence heads with a texture layer (model/texture.h): [TEXTURE_SIZE] each; [C][TEXTURE_SIZE], [C]. */
	size_t texture_mean, texture_deviation;
	struct linear_offsets texture;
};

struct parameters {
	struct parameter *table;
	size_t count;
	size_t elements;	      /* floats in the whole array */
	size_t embedding[ATTRIBUTES]; /* [V][256] each */
	struct linear_offsets in;     /* [d][8 * 256] */
	size_t token_type;	      /* [2][d]; row 0 is used */
	struct norm_offsets embedding_norm;
	struct layer_offsets layer[LAYERS_MAX];
	struct head_offsets head[HEADS_MAX];
	struct linear_offsets mask_lm[ATTRIBUTES];	 /* pre-training: [V][d] */
	struct linear_offsets masker_first, masker_last; /* [256][d], [1][256] */
};

/* Set-up threads. The shape must have passed shape_check. */
enum status parameters_new(const struct model_shape *shape, struct parameters **parameters, struct error *error);
void parameters_free(struct parameters *parameters); /* NULL is allowed */

/* Fills values[elements] from a file. Missing, extra or misshapen tensors are refused by name. */
enum status parameters_read(const struct parameters *parameters, const struct safetensors *file, const char *path,
			    float *values, struct error *error);
/* Writes values with the shape's metadata and further texts. */
enum status parameters_write(const struct parameters *parameters, const struct model_shape *shape, const float *values,
			     const char *path, enum tensor_type type, const struct safetensors_text *texts,
			     size_t text_count, struct error *error);

/* Random start: tables normal(0, 0.02), weights normal(0, 0.6 / sqrt(in)), norms 1, biases 0, but for
 * query biases and distance tables that give each attention head a slope over distance, and causal velocity heads, which
 * start as the blend (model/predictors.h); the same for the same seed on every machine. */
void parameters_initialise(const struct parameters *parameters, const struct model_shape *shape, uint64_t seed,
			   float *values);

#endif
