/* From pieces to training sequences: which piece, which notes, which of their labels, and what the live path would have
 * known of them (docs/MODEL.md, training). A sequence depends on seed, step and index alone, so any thread may draw any of
 * them and a resumed run sees the same ones. */
#ifndef MIDIBERTD_TRAIN_SAMPLER_H
#define MIDIBERTD_TRAIN_SAMPLER_H

#include "model/shape.h"
#include "train/dataset.h"
#include "train/network.h"

#define CORPORA_MAX 16

/* A manifest and the heads that learn from it. */
struct corpus {
	const char *path;
	bool head[HEADS_MAX]; /* by index in the shape */
};

struct teacher;

struct sampler_options {
	uint64_t seed;
	int rows;		 /* longest sequence; the shortest is half of it (or the piece) */
	int batch;		 /* sequences a step */
	float mix[HEADS_MAX];	 /* share of sequences drawn for each head, any scale */
	float weight[HEADS_MAX]; /* of each head's loss */
	float mask;		 /* mean share of notes hidden entirely (mask fine-tuning, section 4 of the paper) */
	float live;		 /* share of sequences as a stream knows them: cut at right edges, late durations masked */
	float regrid;		 /* share of sequences laid on a 120 bpm grid that ignores their beat */
	float tracked;	  /* share of sequences on the beat tracker's grid; with regrid at most 1; 0: pieces need none */
	const char *beat; /* of tracked: SHA-256 of the network that tracked */
	float disorder;	  /* share of sequences with notes within 50 ms permuted */
	int transpose;	  /* by up to so many semitones either way, 0..11 */
	float hidden;	  /* without heads: share of sequences whose velocities are hidden */
	float curves;	  /* share of sequences whose velocities, where they are seen, pass a random curve */
	float voices;	  /* share of a melody head's sequences whose melody and bridge are arranged anew */
	float stretch;	  /* tempo by a random factor of 1 / (1 + stretch) to 1 + stretch; 0: never */
	float jitter_ms;  /* largest deviation of onsets and releases; 0: never */
	float missing, doubled;	       /* mean share of notes left out, of notes that come twice */
	const struct teacher *teacher; /* what others say of the same dataset; NULL: nobody */
	float taught;		       /* share of the gradient that their answers have beside the labels */
	const char *teachers;	       /* SHA-256 of each */
};

/* Rows of the longest sequence that is drawn for any of the heads: what a network must have room for. */
int sampler_rows(const struct model_shape *shape, const struct sampler_options *options);

struct sampler;

/* Set-up thread. dataset->pieces[].set indexes corpora. The dataset is borrowed. A shape without heads draws from all
 * pieces, a note as likely as any other, and labels nothing: for pre-training; corpora may then be NULL. */
enum status sampler_new(const struct model_shape *shape, const struct dataset *dataset, const struct corpus *corpora,
			int count, const struct sampler_options *options, struct sampler **sampler, struct error *error);
void sampler_free(struct sampler *sampler);		       /* NULL is allowed */
size_t sampler_notes(const struct sampler *sampler, int head); /* of all pieces that have a label for this head */

/* Room for one sequence; one per thread. */
struct sample {
	struct sequence sequence;  /* points into the arrays below */
	struct token *tokens;	   /* [2 rows]: a causal sequence has two a note */
	float *predictors;	   /* [rows][CAUSAL_PREDICTORS] */
	uint8_t *pitch, *velocity; /* as predictors_compute wants them */
	int *limit;
	int *edge; /* last note of the segment each note is in */
	int8_t *note_label[HEADS_MAX];
	float *note_target[HEADS_MAX]; /* [rows][CLASSES_MAX] at most */
	struct piece_note *notes;      /* in the order in which they "arrive" */
	int *order;		       /* which note of the piece's section each is */
	int64_t *when_us;
	size_t piece, first; /* note i is note first + order[i] of this piece */
};
bool sample_new(struct sample *sample, int rows);
void sample_free(struct sample *sample);

/* Training threads. */
void sampler_draw(const struct sampler *sampler, uint64_t step, int index, struct sample *sample);

/* One piece, notes first.., as it is: nothing hidden but what the head's setting hides, nothing cut. For validation. */
void sampler_plain(const struct sampler *sampler, const struct piece *piece, size_t first, int count, int head,
		   struct sample *sample);

#endif
