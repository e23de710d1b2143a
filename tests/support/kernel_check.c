/* kernel_check NAME...: our own product kernels against the definition; each NAME must run on this CPU and be right,
 * each -NAME must say that the CPU lacks it. Links with model/'s kernels and libc alone, for other CPUs under qemu-user. */
#include "tests/support/backend_check.h"

static const struct backend *const kernels[] = {
    &backend_avx512_int8, &backend_avx512_bf16, &backend_avx2_fp32,  &backend_avx2_int8,
    &backend_neon_fp32,	  &backend_neon_int8,	&backend_plain_fp32, &backend_plain_int8,
};

static const struct backend *find(const char *name)
{
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (strcmp(kernels[i]->name, name) == 0)
			return kernels[i];
	return NULL;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;
	for (int i = 1; i < argc; i++) {
		bool absent = argv[i][0] == '-';
		const struct backend *backend = find(argv[i] + absent);
		const char *missing = backend && backend->missing ? backend->missing() : NULL;
		if (!backend || absent != (missing != NULL)) {
			fprintf(stderr, "%s: %s\n", argv[i], !backend ? "not known" : missing ? missing : "runs here");
			failed = 1;
			continue;
		}
		if (!absent && !check_backend(backend))
			failed = 1;
		else
			printf("%-12s %s\n", backend->name, absent ? missing : "right");
	}
	return failed;
}
