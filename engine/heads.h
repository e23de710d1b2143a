/* Which heads of a model the stream publishes, and as what. Set-up thread; plain data afterwards. */
#ifndef MIDIBERTD_ENGINE_HEADS_H
#define MIDIBERTD_ENGINE_HEADS_H

#include "base/prediction.h"
#include "base/status.h"
#include "engine/label.h"
#include "model/model.h"

#include <stdbool.h>

struct head {
	int index; /* in the model; -1: none */
	enum head_setting setting;
	enum prediction_kind kind;
};

struct heads {
	struct head note[LABELS];
	struct head sequence[HEADS_MAX];
	int sequences;
	unsigned settings; /* a bit 1u << enum head_setting each: those that any of them needs */
};

/* STATUS_UNSUPPORTED: a head of a name that is published is of another kind. */
enum status heads_find(const struct model *model, struct heads *heads, struct error *error);

/* The head that is published as this kind of prediction, or NULL. */
const struct head *heads_of_kind(const struct heads *heads, enum prediction_kind kind);

#endif
