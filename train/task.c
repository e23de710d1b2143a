/* Tasks and their labels, see task.h. Offline; any thread; no state. */
#include "train/task.h"

#include <stdio.h>
#include <string.h>

static const char *const dynamics[DYNAMICS] = {"pp", "p", "mp", "mf", "f", "ff"};

enum status task_of_head(const struct head_spec *head, struct task *task, struct error *error)
{
	memset(task, 0, sizeof *task);
	task->classes = head->classes;
	memcpy(task->label, head->label, sizeof task->label);
	if (head->level == HEAD_SEQUENCE) {
		task->kind = TASK_SEQUENCE;
		return STATUS_OK;
	}
	if (strcmp(head->name, "melody") == 0 && head->classes == MELODY_ACCOMPANIMENT + 1) {
		task->kind = TASK_MELODY;
		return STATUS_OK;
	}
	if (strncmp(head->name, "velocity_", 9) == 0 && (head->classes == TOKEN_VELOCITIES || head->classes == DYNAMICS)) {
		task->kind = TASK_VELOCITY;
		task->classes = DYNAMICS;
		memset(task->label, 0, sizeof task->label);
		for (int i = 0; i < DYNAMICS; i++)
			snprintf(task->label[i], LABEL_NAME_MAX, "%s", dynamics[i]);
		return STATUS_OK;
	}
	if (strcmp(head->name, "melody") != 0 && strncmp(head->name, "velocity_", 9) != 0) {
		task->kind = TASK_NOTE;
		return STATUS_OK;
	}
	return status_fail(error, STATUS_UNSUPPORTED, "note head %s has %d classes: melody has 3, velocity 32 or 6",
			   head->name, head->classes);
}

static int class_of(const struct task *task, const char *label)
{
	for (int i = 0; i < task->classes && label; i++)
		if (strcmp(task->label[i], label) == 0)
			return i;
	return TASK_NO_CLASS;
}

int task_note_class(const struct task *task, const struct piece *piece, const struct piece_note *note)
{
	if (task->kind == TASK_NOTE) /* a piece without names has no labels, whatever its notes say */
		return note->label < 0 || note->label >= piece->name_count ? TASK_NO_CLASS
									   : class_of(task, piece->names[note->label]);
	if (task->kind == TASK_VELOCITY)
		return (int)dynamic_of_velocity(note->velocity);
	return task->kind == TASK_MELODY && note->melody != MELODY_NONE ? note->melody : TASK_NO_CLASS;
}

int task_piece_class(const struct task *task, const struct piece *piece)
{
	return class_of(task, piece->label);
}

bool task_has_truth(const struct task *task, const struct piece *piece)
{
	if (task->kind == TASK_SEQUENCE)
		return piece->count > 0 && task_piece_class(task, piece) != TASK_NO_CLASS;
	for (size_t i = 0; i < piece->count; i++)
		if (task_note_class(task, piece, &piece->notes[i]) != TASK_NO_CLASS)
			return true;
	return false;
}
