/* What the engine hands on: one label of one note, or of the playing as a whole.
 * Plain data of fixed size; it is copied through a ring to the osc thread (docs/THREADS.md). */
#ifndef MIDIBERTD_BASE_PREDICTION_H
#define MIDIBERTD_BASE_PREDICTION_H

#include <stdint.h>

#define CLASSES_MAX 32	   /* classes of any head that is published; velocity has 32 ids */
#define CLASS_UNKNOWN (-1) /* not sure enough to say */

enum prediction_kind {
	PREDICT_MELODY,		 /* class, confidence, stage */
	PREDICT_MELODY_ON,	 /* velocity, confidence: the one decision for a note judged melody */
	PREDICT_MELODY_OFF,	 /* follows when that note ends */
	PREDICT_VELOCITY_CAUSAL, /* velocity, expected, spread, confidence of the played class */
	PREDICT_VELOCITY_HIDDEN, /* the same, with stages */
	PREDICT_STYLE,		 /* class, confidence, classes probabilities */
	PREDICT_EMOTION,	 /* the same */
	PREDICT_RESET,		 /* every open note is final: receivers release what sounds (/midibert/panic) */
	PREDICT_MODEL		 /* what follows is another network's: its label sets are to be told first */
};

enum prediction_stage { STAGE_PROVISIONAL, STAGE_REVISED, STAGE_FINAL };

enum dynamic { DYNAMIC_PP, DYNAMIC_P, DYNAMIC_MP, DYNAMIC_MF, DYNAMIC_F, DYNAMIC_FF, DYNAMICS };

struct prediction {
	int64_t event_us;   /* of the note the label is about; of the newest note for style and emotion */
	int64_t trigger_us; /* the later of event and arrival time: of the note itself for its first label (latency counts
			     * from here), else of the newest event that this answer has seen; 0 = a time-out. PREDICT_RESET
			     * in the daemon: how many resets there have been */
	int32_t note_id;
	uint8_t kind;  /* enum prediction_kind */
	uint8_t stage; /* enum prediction_stage */
	uint8_t pitch, velocity;
	uint8_t fine;	  /* velocities: further 128ths of the played one */
	int8_t label;	  /* class, or CLASS_UNKNOWN */
	uint8_t classes;  /* entries of probability that are set: style and emotion */
	float confidence; /* probability of the class, 0-1 */
	float expected;	  /* MIDI velocity, 0-127 */
	float spread;	  /* standard deviation of the expectation, MIDI velocity */
	float probability[CLASSES_MAX];
};

/* pp < 32 <= p < 48 <= mp < 64 <= mf < 80 <= f < 96 <= ff, of a MIDI velocity 0-127. Any thread. */
static inline enum dynamic dynamic_of_velocity(int velocity)
{
	if (velocity < 32)
		return DYNAMIC_PP;
	return velocity >= 96 ? DYNAMIC_FF : (enum dynamic)(velocity / 16 - 1);
}

#endif
