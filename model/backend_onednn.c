/* oneDNN (libdnnl) in bf16 and int8. The only file that sees dnnl.h. The library is loaded when one of its backends is first
 * asked about, never for "auto", and stays. It allocates when it meets a count of rows for the first time and inside each
 * call, and takes a lock: meant for whole files, not for the note that is being played (docs/THREADS.md). Any thread.
 * Written for oneDNN 2; 3 has another interface, and a build with its header goes without. */
#define _GNU_SOURCE
#include "model/backends.h"

#include "model/int8.h"
#include "model/matrix.h"

#ifdef MIDIBERTD_ONEDNN
#include <dnnl.h>
#if DNNL_VERSION_MAJOR == 2 && defined __x86_64__
#define HAS_ONEDNN
#endif
#endif

#ifdef HAS_ONEDNN
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libdnnl.so.2"
#define KEPT 32 /* counts of rows whose primitives are kept, a weight */

/* What we call in the library, by name. */
#define CALLS(X)                                                                                                            \
	X(dnnl_version)                                                                                                     \
	X(dnnl_engine_create)                                                                                               \
	X(dnnl_stream_create)                                                                                               \
	X(dnnl_stream_wait)                                                                                                 \
	X(dnnl_memory_desc_init_by_strides)                                                                                 \
	X(dnnl_memory_desc_get_size)                                                                                        \
	X(dnnl_memory_create)                                                                                               \
	X(dnnl_memory_destroy)                                                                                              \
	X(dnnl_memory_set_data_handle)                                                                                      \
	X(dnnl_matmul_desc_init)                                                                                            \
	X(dnnl_primitive_desc_create)                                                                                       \
	X(dnnl_primitive_desc_query_md)                                                                                     \
	X(dnnl_primitive_desc_destroy)                                                                                      \
	X(dnnl_reorder_primitive_desc_create)                                                                               \
	X(dnnl_primitive_create)                                                                                            \
	X(dnnl_primitive_execute)                                                                                           \
	X(dnnl_primitive_destroy)

#define DECLARE(name) __typeof__(name) *name;
static struct {
	void *handle;
	CALLS(DECLARE)
	void (*omp_set_num_threads)(int);
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	const char *fault;
} library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* around the stream and the kept primitives */
static int thread_count = 1;

static void load(void)
{
	library.fault = "libdnnl.so.2 is not installed";
	library.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library.handle)
		return;
	library.fault = "libdnnl.so.2 is not the library it was built for";
#define LOAD(name)                                                                                                          \
	*(void **)(void *)&library.name = dlsym(library.handle, #name);                                                     \
	if (!library.name)                                                                                                  \
		return;
	CALLS(LOAD)
	if (library.dnnl_version()->major != DNNL_VERSION_MAJOR)
		return;
	*(void **)(void *)&library.omp_set_num_threads = dlsym(library.handle, "omp_set_num_threads"); /* may be another */
	library.fault = "oneDNN finds no CPU engine";
	if (library.dnnl_engine_create(&library.engine, dnnl_cpu, 0) == dnnl_success &&
	    library.dnnl_stream_create(&library.stream, library.engine, dnnl_stream_default_flags) == dnnl_success)
		library.fault = NULL;
}

static const char *missing_bf16(void)
{
	if (!__builtin_cpu_supports("avx512bf16"))
		return "this CPU has no AVX-512 BF16, which oneDNN's bf16 is fast with";
	pthread_once(&once, load);
	return library.fault;
}

static const char *missing_int8(void)
{
	if (!__builtin_cpu_supports("avx512vnni"))
		return "this CPU has no AVX-512 VNNI, without which oneDNN's int8 sums saturate";
	pthread_once(&once, load);
	return library.fault;
}

/* A product with one count of rows. */
struct sized {
	int rows;
	dnnl_primitive_t primitive;
	dnnl_memory_t x, y;
};

struct onednn {
	struct int8_weight *int8;  /* scales and sums; NULL for bf16 */
	dnnl_memory_desc_t format; /* of the weight, as the library wants it */
	void *values;
	dnnl_memory_t weight;
	struct sized kept[KEPT];
	int next; /* to be replaced */
};

static bool shape(dnnl_memory_desc_t *desc, int rows, int columns, size_t row_stride, size_t column_stride,
		  dnnl_data_type_t type)
{
	const dnnl_dims_t size = {rows, columns}, strides = {(dnnl_dim_t)row_stride, (dnnl_dim_t)column_stride};
	return library.dnnl_memory_desc_init_by_strides(desc, 2, size, type, strides) == dnnl_success;
}

/* The product of `rows` rows with a weight in `format`, or in the library's choice (format->format_kind any). */
static dnnl_primitive_desc_t product(const struct linear *linear, const struct onednn *own, int rows, size_t stride,
				     const dnnl_memory_desc_t *format)
{
	dnnl_memory_desc_t x, y;
	dnnl_matmul_desc_t matmul;
	dnnl_primitive_desc_t desc = NULL;
	if (shape(&x, rows, linear->in, stride, 1, own->int8 ? dnnl_u8 : dnnl_bf16) &&
	    shape(&y, rows, linear->out, (size_t)linear->out, 1, own->int8 ? dnnl_s32 : dnnl_f32) &&
	    library.dnnl_matmul_desc_init(&matmul, &x, format, NULL, &y) == dnnl_success &&
	    library.dnnl_primitive_desc_create(&desc, &matmul, NULL, library.engine, NULL) != dnnl_success)
		return NULL;
	return desc;
}

/* Brings `plain`, rows of `type`, into the library's form in own->values. */
static bool reorder(const struct linear *linear, struct onednn *own, void *plain, dnnl_data_type_t type)
{
	dnnl_memory_desc_t from;
	dnnl_primitive_desc_t desc = NULL;
	dnnl_primitive_t primitive = NULL;
	dnnl_memory_t source = NULL;
	size_t bytes = library.dnnl_memory_desc_get_size(&own->format);
	own->values = aligned_alloc(64, (bytes + 63) / 64 * 64);
	bool ok = own->values && shape(&from, linear->in, linear->out, 1, (size_t)linear->in, type) &&
		  library.dnnl_memory_create(&source, &from, library.engine, plain) == dnnl_success &&
		  library.dnnl_memory_create(&own->weight, &own->format, library.engine, own->values) == dnnl_success &&
		  library.dnnl_reorder_primitive_desc_create(&desc, &from, library.engine, &own->format, library.engine,
							     NULL) == dnnl_success &&
		  library.dnnl_primitive_create(&primitive, desc) == dnnl_success;
	if (ok) {
		const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, own->weight}};
		ok = library.dnnl_primitive_execute(primitive, library.stream, 2, arguments) == dnnl_success &&
		     library.dnnl_stream_wait(library.stream) == dnnl_success;
	}
	if (primitive)
		library.dnnl_primitive_destroy(primitive);
	if (desc)
		library.dnnl_primitive_desc_destroy(desc);
	if (source)
		library.dnnl_memory_destroy(source);
	return ok;
}

static uint16_t bf16_of(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16); /* to nearest, ties to even */
}

static bool is_int8(const struct linear *linear)
{
	return linear->backend == &backend_onednn_int8;
}

/* The weight as rows of bf16 or of our int8 numbers; NULL without memory. */
static void *plain_weight(struct linear *linear, const struct int8_weight *int8)
{
	size_t in = (size_t)linear->in, out = (size_t)linear->out;
	void *plain = malloc(in * out * (int8 ? 1 : sizeof(uint16_t)));
	if (!plain)
		return NULL;
	for (size_t c = 0; c < out; c++) {
		const int8_t *panel = int8 ? int8_panel(int8, (int)c) : NULL;
		for (size_t i = 0; i < in; i++) {
			if (int8)
				((int8_t *)plain)[c * in + i] = panel[i / 4 * INT8_PANEL * 4 + i % 4];
			else
				((uint16_t *)plain)[c * in + i] = bf16_of(linear->values[c * in + i]);
		}
	}
	return plain;
}

static size_t stride_of(const struct linear *linear)
{
	return is_int8(linear) ? int8_stride(linear->in) : (size_t)linear->in;
}

static void forget(struct sized *sized)
{
	if (sized->primitive)
		library.dnnl_primitive_destroy(sized->primitive);
	if (sized->x)
		library.dnnl_memory_destroy(sized->x);
	if (sized->y)
		library.dnnl_memory_destroy(sized->y);
	memset(sized, 0, sizeof *sized);
}

static void release(struct linear *linear)
{
	struct onednn *own = linear->packed;
	if (!own)
		return;
	for (int i = 0; i < KEPT; i++)
		forget(&own->kept[i]);
	if (own->weight)
		library.dnnl_memory_destroy(own->weight);
	free(own->values);
	free(own->int8);
	free(own);
	linear->packed = NULL;
}

static bool pack(struct linear *linear)
{
	dnnl_memory_desc_t any = {
	    .ndims = 2, .dims = {linear->in, linear->out}, .data_type = is_int8(linear) ? dnnl_s8 : dnnl_bf16};
	any.format_kind = dnnl_format_kind_any;
	if (is_int8(linear) && !int8_pack(linear))
		return false;
	struct int8_weight *int8 = linear->packed; /* NULL in bf16 */
	struct onednn *own = calloc(1, sizeof *own);
	linear->packed = own;
	if (!own) {
		free(int8);
		return false;
	}
	own->int8 = int8;
	void *plain = plain_weight(linear, int8);
	dnnl_primitive_desc_t desc = plain ? product(linear, own, 64, stride_of(linear), &any) : NULL;
	bool ok = desc != NULL;
	if (ok) {
		own->format = *library.dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
		library.dnnl_primitive_desc_destroy(desc);
		ok = reorder(linear, own, plain, any.data_type);
	}
	free(plain);
	if (!ok)
		release(linear);
	return ok;
}

/* The kept product with so many rows, made if there is none; NULL if the library has no more memory. */
static struct sized *sized_for(const struct linear *linear, struct onednn *own, int rows)
{
	for (int i = 0; i < KEPT; i++)
		if (own->kept[i].rows == rows)
			return &own->kept[i];
	struct sized *sized = &own->kept[own->next];
	own->next = (own->next + 1) % KEPT;
	forget(sized);
	dnnl_memory_desc_t x, y;
	dnnl_primitive_desc_t desc = product(linear, own, rows, stride_of(linear), &own->format);
	if (desc && library.dnnl_primitive_create(&sized->primitive, desc) == dnnl_success &&
	    shape(&x, rows, linear->in, stride_of(linear), 1, own->int8 ? dnnl_u8 : dnnl_bf16) &&
	    shape(&y, rows, linear->out, (size_t)linear->out, 1, own->int8 ? dnnl_s32 : dnnl_f32) &&
	    library.dnnl_memory_create(&sized->x, &x, library.engine, DNNL_MEMORY_NONE) == dnnl_success &&
	    library.dnnl_memory_create(&sized->y, &y, library.engine, DNNL_MEMORY_NONE) == dnnl_success)
		sized->rows = rows;
	if (desc)
		library.dnnl_primitive_desc_destroy(desc);
	return sized->rows == rows ? sized : NULL;
}

static bool execute(const struct linear *linear, struct onednn *own, int rows, void *x, float *y)
{
	struct sized *sized = sized_for(linear, own, rows);
	if (!sized || library.dnnl_memory_set_data_handle(sized->x, x) != dnnl_success ||
	    library.dnnl_memory_set_data_handle(sized->y, y) != dnnl_success)
		return false;
	const dnnl_exec_arg_t arguments[] = {
	    {DNNL_ARG_SRC, sized->x}, {DNNL_ARG_WEIGHTS, own->weight}, {DNNL_ARG_DST, sized->y}};
	if (library.omp_set_num_threads)
		library.omp_set_num_threads(thread_count);
	return library.dnnl_primitive_execute(sized->primitive, library.stream, 3, arguments) == dnnl_success &&
	       library.dnnl_stream_wait(library.stream) == dnnl_success;
}

static void run(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	struct onednn *own = linear->packed;
	struct int8_rows of = {0};
	uint16_t *bf16 = scratch;
	if (own->int8)
		of = int8_quantise(rows, linear->in, values, scratch);
	else
		for (size_t i = 0; i < (size_t)rows * (size_t)linear->in; i++)
			bf16[i] = bf16_of(values[i]);
	pthread_mutex_lock(&lock);
	bool ok = execute(linear, own, rows, own->int8 ? (void *)of.value : (void *)bf16, y);
	pthread_mutex_unlock(&lock);
	if (!ok) /* without memory: the definition, slowly */
		matrix_nt(rows, linear->out, linear->in, values, linear->in, linear->values, linear->in, 0, y, linear->out);
	else if (own->int8)
		int8_finish(own->int8, &of, rows, linear->out, y);
}

void backend_onednn_use_threads(int threads)
{
	pthread_mutex_lock(&lock);
	thread_count = threads;
	pthread_mutex_unlock(&lock);
}

#else

static const char *missing_bf16(void)
{
	return "built without oneDNN 2 (libdnnl-dev)";
}

static const char *missing_int8(void)
{
	return missing_bf16();
}

static bool pack(struct linear *linear)
{
	(void)linear;
	return false;
}

static void release(struct linear *linear)
{
	(void)linear;
}

static void run(const struct linear *linear, int rows, const float *values, void *scratch, float *y)
{
	(void)linear, (void)rows, (void)values, (void)scratch, (void)y;
}

void backend_onednn_use_threads(int threads)
{
	(void)threads;
}

#endif

static const char *describe_bf16(void)
{
	return "oneDNN bf16";
}

static const char *describe_int8(void)
{
	return "oneDNN int8";
}

const struct backend backend_onednn_bf16 = {.name = "onednn-bf16",
					    .precision = "bf16",
					    .missing = missing_bf16,
					    .describe = describe_bf16,
					    .pack = pack,
					    .release = release,
					    .run = run};
const struct backend backend_onednn_int8 = {.name = "onednn-int8",
					    .precision = "int8",
					    .missing = missing_int8,
					    .describe = describe_int8,
					    .pack = pack,
					    .release = release,
					    .run = run};
