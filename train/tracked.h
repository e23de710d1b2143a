/* Pieces on the grid that the beat tracker makes of them: bars, positions, tempo and durations as the live path had them
 * when it heard the notes one after the other, for sequences to be trained on (train/sampler.h). Offline; allocates; the
 * result does not depend on the number of threads. */
#ifndef MIDIBERTD_TRAIN_TRACKED_H
#define MIDIBERTD_TRAIN_TRACKED_H

#include "stream/rhythm.h"
#include "train/dataset.h"

/* Sets piece->tracked: the file is read again and played on the virtual clock, as midibertd --grid tracker hears it at
 * --speed 0. On failure *error names the file and tracked stays NULL. */
enum status tracked_piece(struct piece *piece, const struct rhythm_network *network, struct error *error);

/* tracked_piece for all of them, on so many threads; progress (may be NULL) is called after each, by one thread at a time.
 */
enum status tracked_dataset(struct dataset *dataset, const struct rhythm_network *network, int threads,
			    void (*progress)(void *context, size_t done, size_t count), void *context, struct error *error);

#endif
