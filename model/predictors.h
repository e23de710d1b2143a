/* What a player's last notes say about how loud the next one will be: cheap numbers that the causal velocity head reads
 * beside the hidden state, so that the network learns what they do not know (docs/MODEL.md, causal velocity). Training and
 * the stream call the same function. Pure; any thread; real-time safe. */
#ifndef MIDIBERTD_MODEL_PREDICTORS_H
#define MIDIBERTD_MODEL_PREDICTORS_H

#include <stdint.h>

#define CAUSAL_PREDICTORS 12
#define PREDICTORS_REACH 64 /* earlier notes that are looked at */
#define PREDICTORS_MIDDLE 64
#define PREDICTORS_SCALE 32.0f
#define PREDICTORS_BLEND 5 /* which of them the blend is */

/* In order, as a weights file names them. Velocities v stand as (v - MIDDLE) / SCALE, so that they spread about as hidden
 * states do; with no earlier note they are 0. last          of the note before mean2, mean8, mean32   means of so many notes
 * before, or of fewer where there are no more near16        of the nearest pitch among the 16 notes before; the later one of
 * two as near blend         (mean8 + near16) / 2: the rule that a model must beat near64        as near16, among 64
 *   weighted32    mean of 32, each weighted by 1 / ((2 + semitones away) (8 + notes ago))
 *   highest8, lowest8      of the highest and the lowest pitch among the 8 notes before; the later one of two
 *   spread32      standard deviation of 32, / 32
 *   known         notes there are before, at most 64, / 64 */
#define PREDICTORS_NAMES "last,mean2,mean8,mean32,near16,blend,near64,weighted32,highest8,lowest8,spread32,known"

/* pitch[count], velocity[count]: the notes before in order of arrival, oldest first; only the last PREDICTORS_REACH are
 * read, and neither array is when count is 0. next_pitch: of the note that is asked about. */
void predictors_compute(const uint8_t *pitch, const uint8_t *velocity, int count, int next_pitch,
			float out[CAUSAL_PREDICTORS]);

#endif
