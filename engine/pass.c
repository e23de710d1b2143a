/* An encoder fed from the window, see pass.h. Engine thread. Hidden states lie in one array that begins at row `base`, so
 * that the encoder writes them in place and heads read them in one piece; when it is full, the newest rows move to its
 * front. */
#include "engine/pass.h"

#include "model/encoder.h"

#include <stdlib.h>
#include <string.h>

struct pass {
	struct encoder *encoder;
	enum head_setting setting;
	size_t width;
	int64_t room, keep; /* rows */
	int64_t base;
	float *hidden;	      /* [room][d] */
	struct token *tokens; /* [block] */
};

struct pass *pass_new(const struct model *model, enum head_setting setting, int window, int block, int keep)
{
	struct pass *pass = calloc(1, sizeof *pass);
	if (!pass)
		return NULL;
	pass->setting = setting;
	pass->width = (size_t)model_shape(model)->width;
	pass->keep = keep;
	pass->room = 2 * (int64_t)keep + block;
	pass->encoder = encoder_new(model, window, block);
	pass->hidden = calloc((size_t)pass->room * pass->width, sizeof *pass->hidden);
	pass->tokens = calloc((size_t)block, sizeof *pass->tokens);
	if (!pass->encoder || !pass->hidden || !pass->tokens) {
		pass_free(pass);
		return NULL;
	}
	return pass;
}

void pass_free(struct pass *pass)
{
	if (!pass)
		return;
	encoder_free(pass->encoder);
	free(pass->hidden);
	free(pass->tokens);
	free(pass);
}

void pass_reset(struct pass *pass)
{
	encoder_reset(pass->encoder);
	pass->base = 0;
}

int64_t pass_first(const struct pass *pass, int64_t changed, int64_t end)
{
	return encoder_first(pass->encoder, changed, end - 1);
}

void pass_run(struct pass *pass, const struct window *window, int64_t first, int64_t end)
{
	if (end - pass->base > pass->room) {
		int64_t base = first - pass->keep > pass->base ? first - pass->keep : pass->base;
		memmove(pass->hidden, pass->hidden + (size_t)(base - pass->base) * pass->width,
			(size_t)(first - base) * pass->width * sizeof *pass->hidden);
		pass->base = base;
	}
	for (int64_t row = first; row < end; row++) {
		struct token *token = &pass->tokens[row - first];
		*token = window_note(window, row)->token;
		if (pass->setting == SETTING_HIDDEN)
			token->id[ATTRIBUTE_VELOCITY] = token_special(ATTRIBUTE_VELOCITY, SPECIAL_MASK);
	}
	encoder_run(pass->encoder, first, (int)(end - first), pass->tokens,
		    pass->hidden + (size_t)(first - pass->base) * pass->width);
}

const float *pass_hidden(const struct pass *pass, int64_t row)
{
	return pass->hidden + (size_t)(row - pass->base) * pass->width;
}
