/* The weights of the beat tracker's network (stream/rhythm.h) in a safetensors file, and where that file is. Set-up and
 * offline threads; allocates. */
#ifndef MIDIBERTD_ENGINE_RHYTHM_FILE_H
#define MIDIBERTD_ENGINE_RHYTHM_FILE_H

#include "model/parameters.h"
#include "stream/rhythm.h"

#define RHYTHM_FILE_ENDING ".beat.safetensors" /* NAME.beat.safetensors lies beside NAME.safetensors, the encoder's */

enum rhythm_tensor {
	RHYTHM_INPUT,	       /* [3 H][I], gates reset, update, new */
	RHYTHM_INPUT_BIAS,     /* [3 H] */
	RHYTHM_RECURRENT,      /* [3 H][H] */
	RHYTHM_RECURRENT_BIAS, /* [H], of the new gate */
	RHYTHM_OUTPUT,	       /* [O][H] */
	RHYTHM_OUTPUT_BIAS,    /* [O] */
	RHYTHM_TENSORS
};

/* Names, shapes and offsets of the tensors in one array of floats; returns how many floats. units: 1 to RHYTHM_UNITS_MAX. */
size_t rhythm_layout(int units, struct parameter table[RHYTHM_TENSORS]);

struct rhythm; /* a network and its numbers; read by any number of threads */

/* *error names the file and what is wrong with it. On failure *rhythm is NULL. */
enum status rhythm_load(const char *path, struct rhythm **rhythm, struct error *error);
/* From values in rhythm_layout's order; copied. NULL: no memory. */
struct rhythm *rhythm_new(int units, const float *values);
void rhythm_free(struct rhythm *rhythm); /* NULL is allowed */
const struct rhythm_network *rhythm_network(const struct rhythm *rhythm);
const char *rhythm_sha256(const struct rhythm *rhythm);	 /* of the file; empty if there is none */
const char *rhythm_path(const struct rhythm *rhythm);	 /* likewise */
const char *rhythm_licence(const struct rhythm *rhythm); /* as the file states it */

enum status rhythm_write(const char *path, int units, const float *values, const struct safetensors_text *texts,
			 size_t text_count, struct error *error);

/* Beside the encoder's weights that locate_model finds for `model` (NULL allowed); if there are none, beside those that came
 * with the program. STATUS_NOT_FOUND: not there, either. */
enum status rhythm_locate(const char *model, char *path, size_t size, struct error *error);

#endif
