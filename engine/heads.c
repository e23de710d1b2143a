/* The heads of a model that the stream publishes, see heads.h. Set-up thread. */
#include "engine/heads.h"

#include <string.h>

struct published {
	const char *name;
	enum prediction_kind kind;
	bool velocity;
	enum head_setting setting; /* that a velocity head must be of */
};

static const struct published published[LABELS] = {
    [LABEL_MELODY] = {"melody", PREDICT_MELODY, false, SETTING_PLAYED},
    [LABEL_VELOCITY_CAUSAL] = {"velocity_causal", PREDICT_VELOCITY_CAUSAL, true, SETTING_CAUSAL},
    [LABEL_VELOCITY_HIDDEN] = {"velocity_hidden", PREDICT_VELOCITY_HIDDEN, true, SETTING_HIDDEN},
};

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static enum status check_note_head(const struct model *model, const struct published *as, const struct head_spec *spec,
				   struct error *error)
{
	if (spec->level == HEAD_NOTE && !as->velocity && spec->setting != SETTING_CAUSAL)
		return STATUS_OK;
	if (spec->level == HEAD_NOTE && as->velocity && spec->setting == as->setting &&
	    (spec->classes == TOKEN_VELOCITIES || spec->classes == DYNAMICS))
		return STATUS_OK;
	return status_fail(error, STATUS_UNSUPPORTED, "%s: head %s (%d classes) is not a note head%s", model_path(model),
			   as->name, spec->classes,
			   !as->velocity		   ? " that hears whole bars"
			   : as->setting == SETTING_CAUSAL ? " of 32 velocities or 6 dynamics that hears earlier notes alone"
							   : " of 32 velocities or 6 dynamics that sees no velocity");
}

enum status heads_find(const struct model *model, struct heads *heads, struct error *error)
{
	const struct model_shape *shape = model_shape(model);
	memset(heads, 0, sizeof *heads);
	if (shape->heads == 0)
		return status_fail(
		    error, STATUS_UNSUPPORTED,
		    "%s: no head to publish: an encoder alone; midibert finetune --init makes one that answers",
		    model_path(model));
	for (int i = 0; i < LABELS; i++) {
		struct head *head = &heads->note[i];
		*head = (struct head){.index = shape_find_head(shape, published[i].name), .kind = published[i].kind};
		if (head->index < 0)
			continue;
		const struct head_spec *spec = &shape->head[head->index];
		enum status status = check_note_head(model, &published[i], spec, error);
		if (status != STATUS_OK)
			return status;
		head->setting = spec->setting;
		heads->settings |= 1u << spec->setting;
	}
	/* One style and one emotion can be published; further label sets in a file are for eval. */
	bool style = false, emotion = false;
	for (int i = 0; i < shape->heads; i++) {
		const struct head_spec *spec = &shape->head[i];
		bool is_style = starts_with(spec->name, "style"), is_emotion = starts_with(spec->name, "emotion");
		if (spec->level != HEAD_SEQUENCE || (!is_style && !is_emotion) || (is_style ? style : emotion))
			continue;
		*(is_style ? &style : &emotion) = true;
		heads->sequence[heads->sequences++] =
		    (struct head){.index = i, .setting = spec->setting, .kind = is_style ? PREDICT_STYLE : PREDICT_EMOTION};
		heads->settings |= 1u << spec->setting;
	}
	return STATUS_OK;
}

const struct head *heads_of_kind(const struct heads *heads, enum prediction_kind kind)
{
	for (int i = 0; i < LABELS; i++)
		if (heads->note[i].index >= 0 && heads->note[i].kind == kind)
			return &heads->note[i];
	for (int i = 0; i < heads->sequences; i++)
		if (heads->sequence[i].kind == kind)
			return &heads->sequence[i];
	return NULL;
}
