/* Dimensions of a network, its heads and what its weights expect of their input; read from and written to the metadata of
 * a weights file (docs/MODEL.md, file format). Letters used for shapes everywhere:
 *   d width   f inner width of the feed-forward   a attention heads   e = d / a   W span of attention   n look-ahead
 *   T notes in a run   V vocabulary of an attribute   C classes of a head */
#ifndef MIDIBERTD_MODEL_SHAPE_H
#define MIDIBERTD_MODEL_SHAPE_H

#include "base/prediction.h"
#include "base/status.h"
#include "model/safetensors.h"

#include <stdbool.h>

#define HEADS_MAX 8
#define HEAD_NAME_MAX 32
#define LABEL_NAME_MAX 32
#define LAYERS_MAX 48
#define LOOKAHEAD_UNLIMITED (-1)
#define EMBEDDING_WIDTH 256 /* of each of the eight tables */
#define POOL_ROWS 4	    /* attention rows of a sequence head */

/* Of model/familiar.h: notes that are looked at, and statistics beside their hidden states. */
#define FAMILIAR_NOTES_MIN 16
#define FAMILIAR_NOTES 64
#define FAMILIAR_STATISTICS 12
#define FAMILIAR_THRESHOLDS 3 /* for 16, 32 and 64 notes */

#define TEXTURE_SIZE 1506 /* features of model/texture.h */
#define TEXTURE_DEVIATION_MIN 1e-6
#define TEXTURE_NAME "2" /* what they are: another number, other histograms */

enum head_level { HEAD_NOTE, HEAD_SEQUENCE };

/* What a head may see (docs/MODEL.md, settings). */
enum head_setting {
	SETTING_PLAYED, /* everything, velocities included: melody, style, emotion */
	SETTING_HIDDEN, /* no velocity anywhere: expected velocity */
	SETTING_CAUSAL, /* earlier notes with their velocities, nothing of the note but where and which it is, and
			 * model/predictors.h beside the hidden state: expected velocity */
	SETTINGS
};

enum token_order { ORDER_ARRIVAL, ORDER_SORTED };

struct head_spec {
	char name[HEAD_NAME_MAX]; /* melody, velocity_hidden, velocity_causal, style_pianist8, emotion, or a task of one's
				     own */
	enum head_level level;
	enum head_setting setting;
	int classes;
	char label[CLASSES_MAX][LABEL_NAME_MAX];
	float temperature;	 /* logits are divided by it: calibration; 1 when not calibrated */
	float piece_temperature; /* the same of a piece's mean log-probabilities, when a sequence head has heard all of it;
				    0: 1 */
	float unknown_below;	 /* confidence under which the answer is unknown; 0: never */
	float unfamiliar[FAMILIAR_THRESHOLDS]; /* distances (model/familiar.h) over which it is unknown, too; 0: none are
						  known */
	float strange_texture; /* of a sequence head that reads model/texture.h, too: the distance over which it is unknown;
				  0: it does not */
};

struct model_shape {
	int layers, width, inner, attention_heads;
	int span;	    /* W: note l sees note r iff -n <= l - r < W; the distance table has 2 W - 1 rows */
	int lookahead;	    /* n, per layer, or LOOKAHEAD_UNLIMITED */
	int file_lookahead; /* n of a finished file, whose later notes are all there; 0: lookahead */
	int freeze;	    /* h: later notes after which a token's duration is frozen */
	enum token_order order;
	bool pretraining; /* has the two heads of pre-training, mask_lm and linear (the masker), which answer nobody */
	int heads;
	struct head_spec head[HEADS_MAX];
};

/* Rows that a row of a finished file (true) or of a stream sees ahead, a layer; an unlimited look-ahead is W - 1. */
int shape_lookahead(const struct model_shape *shape, bool file);

/* Later notes after which a label no longer changes: layers * n + h. Unlimited: the span. */
int shape_settle(const struct model_shape *shape);

/* Numbers a head's classifier reads: d of a note head, d + CAUSAL_PREDICTORS of a causal one (hidden state first), 4 d of a
 * sequence head. */
int shape_head_input(const struct model_shape *shape, int head);

/* Whether a head is neither melody, velocity, style nor emotion, but a task of one's own. */
bool shape_is_own_task(const struct head_spec *head);

/* Whether a head can tell what is unlike its training: then a file has its Gaussian. */
bool shape_knows_familiar(const struct head_spec *head);

/* Whether a head judges by the texture of playing, too: then a file has that layer. */
bool shape_reads_texture(const struct head_spec *head);

/* Index of a head by name, or -1. */
int shape_find_head(const struct model_shape *shape, const char *name);

/* Set-up threads. Reads the metadata of a weights file, with ranges checked; *error names what is missing or out of range.
 */
enum status shape_read(const struct safetensors *file, const char *path, struct model_shape *shape, struct error *error);

/* Checks ranges and divisibility of a shape that came from anywhere. */
enum status shape_check(const struct model_shape *shape, const char *origin, struct error *error);

/* Text of each metadata key the shape is stored under; calls add for each. */
void shape_write(const struct model_shape *shape, void (*add)(void *context, const char *key, const char *value),
		 void *context);

#endif
