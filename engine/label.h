/* One label of one note and the stages it goes through (docs/OSC.md, stages): exactly one provisional, revised only for a
 * change that matters, exactly one final. Also what a head's probabilities say. Pure; any thread; no allocation. */
#ifndef MIDIBERTD_ENGINE_LABEL_H
#define MIDIBERTD_ENGINE_LABEL_H

#include "base/prediction.h"
#include "model/shape.h"

#include <stdbool.h>

#define LABEL_MOVED_CONFIDENCE 0.1f /* a revision is sent when the confidence has moved so far */
#define LABEL_MOVED_EXPECTED 2.0f   /* or the expected velocity, MIDI units */

enum label_kind { LABEL_MELODY, LABEL_VELOCITY_CAUSAL, LABEL_VELOCITY_HIDDEN, LABELS };

/* What a head says of a note. */
struct answer {
	int label; /* class or CLASS_UNKNOWN; velocity: the most probable dynamic */
	float confidence;
	float expected, spread; /* velocity heads, over 0; otherwise 0 */
	int best;		/* the most probable class, be it sure enough or not; velocity: the dynamic */
	float certainty;	/* its probability */
};

enum label_state { LABEL_OPEN, LABEL_SENT, LABEL_FINAL };

struct label {
	enum label_state state;
	bool known; /* an inference has answered */
	struct answer now, sent;
};

void label_clear(struct label *label);

/* A new answer; ignored once final. */
void label_set(struct label *label, const struct answer *answer);

/* The stage that is to be sent now, or -1; marks it as sent. First provisional, then (in further calls) final when asked
 * for, or revised when the answer has moved. */
int label_next_stage(struct label *label, bool final);

/* For a label that its first answer settles: STAGE_FINAL when there is one that is not sent, or -1. */
int label_only_stage(struct label *label);

/* Most probable class, unknown below the head's threshold and where all is strange (model/familiar.h). */
void answer_of_classes(const struct head_spec *head, const float *probability, bool strange, struct answer *answer);

/* Expected velocity, its spread, the confidence of the played velocity's dynamic. Heads of 32 ids or of six dynamics. */
void answer_of_velocities(const struct head_spec *head, const float *probability, int played, struct answer *answer);

#endif
