/* What computes the products of linear layers (model/linear.h): a table of backends, one file each, chosen at run time.
 * Set-up threads choose; the texts live as long as the program. */
#ifndef MIDIBERTD_MODEL_BACKEND_H
#define MIDIBERTD_MODEL_BACKEND_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct linear;

struct backend {
	const char *name;      /* as --backend takes it: library or instruction set, then precision */
	const char *precision; /* fp32, bf16 or int8 */
	bool bf16_attention;   /* where the CPU has AVX-512 BF16, attention is in bf16, too; else it is in fp32 */
	/* NULL where it runs; else what the CPU or the build lacks: "this CPU has no AVX-512 BF16". */
	const char *(*missing)(void);
	/* What computes, for people: "our AVX-512 BF16 kernels". */
	const char *(*describe)(void);
	/* Set-up thread. Packs linear->values into linear->packed; false without memory. NULL: values are read as they are.
	 */
	bool (*pack)(struct linear *linear);
	void (*release)(struct linear *linear); /* NULL: free(linear->packed) */
	/* See linear_run. */
	void (*run)(const struct linear *linear, int rows, const float *x, void *scratch, float *y);
};

/* Each of the table in order of preference, the reference (OpenBLAS) last; NULL past its end. */
const struct backend *backend_at(int index);

/* Whether it is in this build and this CPU has what it needs. */
bool backend_runs(const struct backend *backend);

/* OpenBLAS in fp32: always there, the reference. */
const struct backend *backend_reference(void);

/* The table's own copy of a name that backend_find knows, here or on other machines; NULL if it knows none such. */
const char *backend_name(const char *name);

/* One line for people: name, and what computes or why it cannot. */
void backend_tell(const struct backend *backend, char *text, size_t size);
/* The same of a backend that was asked for as `name`, with why it is this one. */
void backend_tell_why(const struct backend *backend, const char *name, char *text, size_t size);
/* Every backend in a line of its own, for --version. */
void backend_list(FILE *file);

/* A name of the table, a precision (its best own backend here), or "auto" (the fastest that keeps the accuracy,
 * docs/SPEED.md). A name that is unknown or does not run here is an error that lists what does. */
enum status backend_find(const char *name, const struct backend **backend, struct error *error);

#endif
