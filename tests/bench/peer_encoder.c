/* Our encoder for tests/bench/peers: reads tokens, then runs and times what each line on standard input asks for, until the
 * input ends. One thread. Prints milliseconds, one line an answer.
 *   peer_encoder WEIGHTS BACKEND TOKENS HIDDEN ROWS CHANGED
 * TOKENS: window + ROWS notes, eight ids a line. "forward": the first `window` notes from nothing. "note": the newest note
 * when CHANGED notes have other tokens than before and everything older is kept; the states of ROWS notes come out. After
 * each they lie in HIDDEN as raw float32. */
#include "base/clock.h"
#include "model/encoder.h"
#include "model/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_tokens(const char *path, struct token **tokens)
{
	FILE *file = fopen(path, "r");
	int count = 0, id[ATTRIBUTES], capacity = 0;
	*tokens = NULL;
	while (file) {
		for (int a = 0; a < ATTRIBUTES; a++)
			if (fscanf(file, "%d", &id[a]) != 1)
				goto out;
		if (count == capacity) {
			struct token *more = realloc(*tokens, (size_t)(capacity = 2 * capacity + 64) * sizeof **tokens);
			if (!more)
				goto out;
			*tokens = more;
		}
		for (int a = 0; a < ATTRIBUTES; a++)
			(*tokens)[count].id[a] = (uint16_t)id[a];
		count++;
	}
out:
	if (file)
		fclose(file);
	return count;
}

int main(int argc, char **argv)
{
	struct model *model = NULL;
	struct error error = {0};
	struct token *tokens;
	char line[32];
	if (argc != 7) {
		fprintf(stderr, "usage: peer_encoder WEIGHTS BACKEND TOKENS HIDDEN ROWS CHANGED\n");
		return 2;
	}
	int rows = atoi(argv[5]), changed = atoi(argv[6]), count = read_tokens(argv[3], &tokens), window = count - rows;
	if (rows < 1 || changed < 1 || changed > rows || window < rows || model_load(argv[1], &model, &error) != STATUS_OK ||
	    model_use_backend(model, argv[2], &error) != STATUS_OK) {
		fprintf(stderr, "peer_encoder: %d notes, %d rows: %s\n", count, rows, error.text);
		return 1;
	}
	size_t width = (size_t)model_shape(model)->width;
	struct encoder *encoder = encoder_new(model, ENCODER_SETTING(SETTING_PLAYED), window, count, count);
	if (!encoder)
		return 1;
	matrix_use_threads(1);
	while (fgets(line, sizeof line, stdin)) {
		bool note = strncmp(line, "note", 4) == 0;
		int first = note ? count - changed : 0, end = note ? count : window, shown = note ? window : 0;
		encoder_reset(encoder);
		if (note)
			encoder_hear(encoder, SETTING_PLAYED, 0, count - 1, tokens);
		int64_t began = clock_now_us();
		encoder_hear(encoder, SETTING_PLAYED, first, end - first, tokens + first);
		double took = (double)(clock_now_us() - began) / 1000;
		FILE *file = fopen(argv[4], "wb");
		size_t size = (size_t)(end - shown) * width;
		if (!file || fwrite(encoder_hidden(encoder, SETTING_PLAYED, shown), sizeof(float), size, file) != size ||
		    fclose(file))
			return 1;
		printf("%.4f %s\n", took, model_backend(model)->name);
		fflush(stdout);
	}
	encoder_free(encoder);
	model_free(model);
	free(tokens);
	return 0;
}
