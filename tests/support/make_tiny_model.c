/* make_tiny_model OUT [SEED [LOOKAHEAD|unlimited [SPAN]]]: writes the seeded test network of tiny_model.h. */
#include "tests/support/tiny_model.h"

int main(int argc, char **argv)
{
	struct error error;
	if (argc < 2 || argc > 5) {
		fprintf(stderr, "usage: make_tiny_model OUT [SEED [LOOKAHEAD|unlimited [SPAN]]]\n");
		return 2;
	}
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	int lookahead = argc < 4 ? 2 : strcmp(argv[3], "unlimited") == 0 ? LOOKAHEAD_UNLIMITED : atoi(argv[3]);
	struct model_shape shape = tiny_shape(lookahead, 2);
	if (argc > 4)
		shape.span = atoi(argv[4]);
	if (tiny_model_write(&shape, seed, argv[1], &error) != STATUS_OK) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	return 0;
}
