/* What is asked of a piece, and what is true: the classes of a task and the label of each note or piece (docs/MODEL.md,
 * tasks). Offline; pure. */
#ifndef MIDIBERTD_TRAIN_TASK_H
#define MIDIBERTD_TRAIN_TASK_H

#include "model/shape.h"
#include "train/dataset.h"

enum task_kind { TASK_MELODY, TASK_VELOCITY, TASK_NOTE, TASK_SEQUENCE }; /* TASK_NOTE: labels of one's own */
#define TASK_NO_CLASS (-1)

struct task {
	enum task_kind kind;
	int classes;
	char label[CLASSES_MAX][LABEL_NAME_MAX]; /* velocity: the six dynamics, whatever the head predicts */
};

/* The task that a head answers: melody (head melody), velocity (velocity_*), of another note head labels of one's own
 * (train/note_labels.h), of a sequence head one label a piece. STATUS_UNSUPPORTED: classes that do not fit the task. */
enum status task_of_head(const struct head_spec *head, struct task *task, struct error *error);

/* Class of a note of this piece (or of a copy of one), or TASK_NO_CLASS. Not of TASK_SEQUENCE. */
int task_note_class(const struct task *task, const struct piece *piece, const struct piece_note *note);

/* Class of a piece by its manifest's label, or TASK_NO_CLASS. */
int task_piece_class(const struct task *task, const struct piece *piece);

/* Whether the piece has anything to be judged on. */
bool task_has_truth(const struct task *task, const struct piece *piece);

#endif
