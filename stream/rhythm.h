/* Is this onset a beat? A small recurrent network (one GRU layer) over onsets: it reads what rhythm_ear.h describes and says
 * where between two beats the onset lies, whether a bar begins there, and how long a beat is. Its numbers come from a
 * weights file (engine/rhythm_file.h); this computes. Any thread; no allocation; the network is only read. */
#ifndef MIDIBERTD_STREAM_RHYTHM_H
#define MIDIBERTD_STREAM_RHYTHM_H

#include "stream/rhythm_ear.h"

#define RHYTHM_UNITS_MAX 128
#define RHYTHM_PHASES 24	   /* of a beat: [0] is the beat, [12] the middle between two */
#define RHYTHM_PERIODS RHYTHM_LAGS /* lengths of a beat */
#define RHYTHM_OUTPUTS (RHYTHM_PHASES + 1 + RHYTHM_PERIODS)

/* Matrices row by row; I inputs, H units, O outputs. Gates in the order reset, update, new. */
struct rhythm_network {
	int units;
	const float *input, *input_bias;	 /* [I][3 H], [3 H] */
	const float *recurrent, *recurrent_bias; /* [H][3 H]; [H]: of the new gate's recurrent part, inside the reset */
	const float *output, *output_bias;	 /* [H][O], [O] */
};

struct rhythm_answer {
	float phase[RHYTHM_PHASES];   /* probabilities */
	float period[RHYTHM_PERIODS]; /* probabilities */
	float downbeat;		      /* probability that a bar begins here, if this is a beat */
};

/* One onset: state[units] is carried from onset to onset and begins with zeros. */
void rhythm_step(const struct rhythm_network *network, const float input[RHYTHM_INPUTS], float *state,
		 struct rhythm_answer *answer);

#endif
