/* Attention over one sequence, forward and backward, in blocks of rows so that scores stay in cache. Training threads.
 * Every product has two forms: fp32 by OpenBLAS, and bf16 over operands that are converted once per head. */
#include "train/attention.h"

#include "model/kernels.h"
#include "model/matrix.h"
#include "model/bf16.h"
#include "train/dropout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 64 /* rows of scores at once; also the width of a packed panel, so that key ranges start on panels */

struct attention {
	struct attention_shape shape;
	int e, J;
	float *scores, *gradient;	/* [BLOCK][rows + BLOCK] */
	float *q_relative, *k_relative; /* [rows][J]: q . E and k . E; in the backward pass their gradients */
	float *dreversed;		/* [J][e] */
	/* bf16 operands of the head at hand */
	uint32_t *q_rows, *k_rows, *c_rows;	     /* [rows][e / 2]: queries, keys, context gradient */
	uint32_t *k_across, *v_across;		     /* packed for x . key, x . value */
	uint32_t *q_down, *k_down, *v_down, *c_down; /* packed to be summed over rows */
	uint32_t *left;				     /* the converted left operand */
	float *memory;
	uint32_t *words;
	int *diagonal; /* [rows]: the limit of causal rows */
};

static bool is_bf16(const struct attention *attention)
{
	/* a head wider than a panel would need strided panels: rare enough for fp32 */
	return attention->shape.precision == PRECISION_BF16 && attention->e <= BF16_PANEL && attention->e % 2 == 0;
}

static int distances(const struct attention_shape *shape)
{
	return shape->span + shape->lookahead;
}

bool attention_table_new(struct attention_table *table, const struct attention_shape *shape)
{
	int e = shape->width / shape->heads, J = distances(shape);
	memset(table, 0, sizeof *table);
	table->reversed = malloc((size_t)(J * e) * sizeof(float));
	table->scoring = aligned_alloc(64, bf16_panel_pairs(e, J) * sizeof(uint32_t));
	table->spreading = aligned_alloc(64, bf16_panel_pairs(J, e) * sizeof(uint32_t));
	if (table->reversed && table->scoring && table->spreading)
		return true;
	attention_table_free(table);
	return false;
}

void attention_table_free(struct attention_table *table)
{
	free(table->reversed);
	free(table->scoring);
	free(table->spreading);
	memset(table, 0, sizeof *table);
}

void attention_table_pack(struct attention_table *table, const struct attention_shape *shape, const float *distance)
{
	int e = shape->width / shape->heads, J = distances(shape);
	for (int j = 0; j < J; j++)
		memcpy(table->reversed + j * e, distance + (2 * shape->span - 2 - j) * e, (size_t)e * sizeof(float));
	if (shape->precision == PRECISION_FP32)
		return;
	bf16_pack_transposed(e, J, table->reversed, e, table->scoring);
	bf16_pack(J, e, table->reversed, e, table->spreading);
}

struct attention *attention_new(const struct attention_shape *shape)
{
	struct attention *at = calloc(1, sizeof *at);
	if (!at)
		return NULL;
	at->shape = *shape;
	at->e = shape->width / shape->heads;
	at->J = distances(shape);
	size_t T = (size_t)shape->rows + 1, J = (size_t)at->J, e = (size_t)at->e;
	size_t scores = BLOCK * (T + BLOCK), relative = T * J;
	at->memory = aligned_alloc(64, ((2 * scores + 2 * relative + J * e) * sizeof(float) + 63) / 64 * 64);
	size_t across = bf16_panel_pairs((int)e, (int)T), down = bf16_panel_pairs((int)T + 1, (int)e);
	size_t rows = T * (e + 1) / 2, left = T * (J + 2) / 2 + BLOCK * (T + BLOCK);
	at->words = aligned_alloc(64, ((3 * rows + 2 * across + 4 * down + left + 256) * sizeof(uint32_t) + 63) / 64 * 64);
	at->diagonal = malloc(T * sizeof *at->diagonal);
	if (!at->memory || !at->words || !at->diagonal) {
		attention_free(at);
		return NULL;
	}
	for (int l = 0; l <= shape->rows; l++)
		at->diagonal[l] = l;
	float *next = at->memory;
	at->scores = next;
	at->gradient = next += scores;
	at->q_relative = next += scores;
	at->k_relative = next += relative;
	at->dreversed = next + relative;
	uint32_t *word = at->words;
	uint32_t **slot[] = {&at->k_across, &at->v_across, &at->q_down, &at->k_down, &at->v_down,
			     &at->c_down,   &at->q_rows,   &at->k_rows, &at->c_rows, &at->left};
	size_t size[] = {across, across, down, down, down, down, rows, rows, rows, left};
	for (int i = 0; i < 10; word += size[i++])
		*slot[i] = word;
	return at;
}

void attention_free(struct attention *attention)
{
	if (!attention)
		return;
	free(attention->memory);
	free(attention->words);
	free(attention->diagonal);
	free(attention);
}

size_t attention_kept(const struct attention_shape *shape)
{
	return (size_t)shape->heads * (size_t)shape->rows * (size_t)distances(shape);
}

/* One block of query rows and the keys that any of them sees. */
struct block {
	int first, rows; /* queries */
	int from, keys;
};

static struct block block_at(const struct attention *at, int T, const int *limit, int first)
{
	struct block block = {.first = first, .rows = T - first < BLOCK ? T - first : BLOCK};
	int low = first - at->shape.span + 1, last = 0;
	for (int l = first; l < first + block.rows; l++)
		last = limit[l] > last ? limit[l] : last;
	block.from = low > 0 ? low / BLOCK * BLOCK : 0;
	block.keys = last + 1 - block.from;
	return block;
}

static int lowest(const struct attention *at, int l)
{
	return l - at->shape.span + 1 > 0 ? l - at->shape.span + 1 : 0;
}

static uint32_t row_key(uint32_t key, int head, int l)
{
	return (key ^ ((uint32_t)head * 0x9e3779b1u)) + (uint32_t)l * 0x85ebca6bu;
}

/* out[T][J] = x[T][e] . E: rows are converted queries or keys, x the same in fp32. */
static void relative_product(const struct attention *at, const struct attention_table *table, int T, const float *x, int ld,
			     const uint32_t *rows, float *out)
{
	if (is_bf16(at))
		bf16_product(T, at->J, at->e, rows, (size_t)at->e / 2, 1, table->scoring, false, out, at->J);
	else
		matrix_nt(T, at->J, at->e, x, ld, table->reversed, at->e, 0, out, at->J);
}

/* out[rows][keys] = x . y^T over a block; x, y [.][e] in fp32, or converted. */
static void across_product(const struct attention *at, const struct block *b, const float *x, const float *y, int ldx,
			   int ldy, const uint32_t *rows, const uint32_t *across, float *out)
{
	int half = at->e / 2;
	if (is_bf16(at))
		bf16_product(b->rows, b->keys, at->e, rows + b->first * half, (size_t)half, 1, across + b->from * half,
			     false, out, b->keys);
	else
		matrix_nt(b->rows, b->keys, at->e, x + (ptrdiff_t)b->first * ldx, ldx, y + (ptrdiff_t)b->from * ldy, ldy, 0,
			  out, b->keys);
}

/* out[block rows][e] (+)= s[rows][keys] . x[keys][e]. */
static void gather_product(const struct attention *at, const struct block *b, const float *s, const float *x, int ld,
			   const uint32_t *down, bool add, float *out, int ldo)
{
	if (is_bf16(at)) {
		bf16_rows(b->rows, b->keys, s, b->keys, at->left);
		bf16_product(b->rows, at->e, b->keys, at->left, (size_t)(b->keys + 1) / 2, 1,
			     down + b->from / 2 * BF16_PANEL, add, out + (ptrdiff_t)b->first * ldo, ldo);
	} else {
		matrix_nn(b->rows, at->e, b->keys, s, b->keys, x + (ptrdiff_t)b->from * ld, ld, add ? 1.0f : 0.0f,
			  out + (ptrdiff_t)b->first * ldo, ldo);
	}
}

/* out[keys][e] += s[rows][keys]^T . x[block rows][e]. */
static void scatter_product(const struct attention *at, const struct block *b, const float *s, const float *x, int ld,
			    const uint32_t *down, float *out, int ldo)
{
	if (is_bf16(at)) {
		bf16_columns(b->rows, b->keys, s, b->keys, at->left);
		bf16_product_columns(b->keys, at->e, b->rows, at->left, down + b->first / 2 * BF16_PANEL, true,
				     out + (ptrdiff_t)b->from * ldo, ldo);
	} else {
		matrix_tn(b->keys, at->e, b->rows, s, b->keys, x + (ptrdiff_t)b->first * ld, ld, 1,
			  out + (ptrdiff_t)b->from * ldo, ldo);
	}
}

/* Backward of relative_product: dx[T][e] += g[T][J] . E; dreversed += g^T . x. */
static void relative_backward(struct attention *at, const struct attention_table *table, int T, const float *g,
			      const float *x, int ld, const uint32_t *down, float *dx)
{
	int e = at->e, J = at->J;
	if (is_bf16(at)) {
		bf16_rows(T, J, g, J, at->left);
		bf16_product(T, e, J, at->left, (size_t)(J + 1) / 2, 1, table->spreading, true, dx, ld);
		bf16_columns(T, J, g, J, at->left);
		bf16_product_columns(J, e, T, at->left, down, true, at->dreversed, e);
	} else {
		matrix_nn(T, e, J, g, J, table->reversed, e, 1, dx, ld);
		matrix_tn(J, e, T, g, J, x, ld, 1, at->dreversed, e);
	}
}

/* Writes one row of probabilities over the keys of its block, zero where the row does not see, dropped out if train. */
static void spread_row(const struct attention *at, const struct block *b, int l, int limit, const float *band, uint32_t key,
		       bool train, float *row)
{
	int low = lowest(at, l), count = limit - low + 1;
	memset(row, 0, (size_t)(low - b->from) * sizeof *row);
	memcpy(row + (low - b->from), band, (size_t)count * sizeof *row);
	memset(row + (limit + 1 - b->from), 0, (size_t)(b->from + b->keys - limit - 1) * sizeof *row);
	if (train)
		dropout_apply(key, at->shape.dropout, count, row + (low - b->from));
}

/* Which rows ask, and whose keys and values they see: their own (plain and causal rows), or those of the causal rows before
 * their note, and in place of that note's row themselves (queries). All pointers are to the head at hand within qkv rows of
 * 3 d, so that query, key and value of a row are d apart. */
struct asking {
	int T, head, first; /* asking rows; which of all rows the first of them is */
	const int *limit;
	const float *q, *seen; /* asking rows; rows with the keys and values */
	uint32_t key;	       /* of dropout */
};

static bool is_query(const struct asking *a)
{
	return a->q != a->seen;
}

/* Where a row's probabilities are kept, of `rows` in all. */
static size_t band_of(const struct attention *at, const struct asking *a, int rows, int l)
{
	return ((size_t)a->head * (size_t)rows + (size_t)(a->first + l)) * (size_t)at->J;
}

static uint32_t key_of(const struct asking *a, int l)
{
	return row_key(a->key, a->head, a->first + l);
}

static float dot(int count, const float *x, const float *y)
{
	float sum = 0;
	for (int c = 0; c < count; c++)
		sum += x[c] * y[c];
	return sum;
}

/* Makes the keys and values of T rows ready for a head's forward or backward pass. */
static void open_keys(struct attention *at, int T, const float *seen)
{
	int d = at->shape.width, ld = 3 * d, e = at->e;
	if (!is_bf16(at))
		return;
	bf16_rows(T, e, seen + d, ld, at->k_rows);
	bf16_pack_transposed(e, T, seen + d, ld, at->k_across);
	bf16_pack(T, e, seen + 2 * d, ld, at->v_down);
}

static void ask_forward(struct attention *at, const struct attention_table *table, const struct asking *a, int rows,
			bool train, float *kept, float *context)
{
	int d = at->shape.width, ld = 3 * d, e = at->e, J = at->J, W = at->shape.span;
	bool query = is_query(a);
	const float *k = a->seen + d, *v = a->seen + 2 * d, *zero = table->reversed + (W - 1) * e;
	float scale = 1 / sqrtf((float)e);
	if (is_bf16(at))
		bf16_rows(a->T, e, a->q, ld, at->q_rows);
	relative_product(at, table, a->T, a->q, ld, at->q_rows, at->q_relative);
	for (int first = 0; first < a->T; first += BLOCK) {
		struct block b = block_at(at, a->T, a->limit, first);
		float own[BLOCK];
		across_product(at, &b, a->q, k, ld, ld, at->q_rows, at->k_across, at->scores);
		for (int i = 0; i < b.rows; i++) {
			int l = first + i, low = lowest(at, l), count = a->limit[l] - low + 1, column = W - 1 - (l - low);
			float *row = at->scores + i * b.keys, *band = kept + band_of(at, a, rows, l);
			kernel_scores(count, row + (low - b.from), at->q_relative + l * J + column,
				      at->k_relative + low * J + column, J + 1, scale);
			if (query) {
				const float *q = a->q + (ptrdiff_t)l * ld;
				row[l - b.from] =
				    scale * (dot(e, q, q + d) + at->q_relative[l * J + W - 1] + dot(e, q + d, zero));
			}
			kernel_softmax(count, row + (low - b.from), band);
			spread_row(at, &b, l, a->limit[l], band, key_of(a, l), train, row);
			own[i] = row[l - b.from];
			if (query)
				row[l - b.from] = 0;
		}
		gather_product(at, &b, at->scores, v, ld, at->v_down, false, context, d);
		for (int i = 0; query && i < b.rows; i++)
			kernel_axpy(e, own[i], a->q + (ptrdiff_t)(first + i) * ld + 2 * d,
				    context + (ptrdiff_t)(first + i) * d);
	}
}

void attention_forward(struct attention *at, const struct attention_table *table, int T, const int *limit, const float *qkv,
		       uint32_t key, bool train, float *kept, float *context)
{
	for (int head = 0; head < at->shape.heads; head++) {
		const float *q = qkv + head * at->e;
		struct asking a = {.T = T, .head = head, .limit = limit, .q = q, .seen = q, .key = key};
		open_keys(at, T, q);
		relative_product(at, table, T, q + at->shape.width, 3 * at->shape.width, at->k_rows, at->k_relative);
		ask_forward(at, table, &a, T, train, kept, context + head * at->e);
	}
}

void attention_forward_causal(struct attention *at, const struct attention_table *table, int notes, const float *qkv,
			      uint32_t key, bool train, float *kept, float *context)
{
	int d = at->shape.width;
	for (int head = 0; head < at->shape.heads; head++) {
		const float *q = qkv + head * at->e;
		struct asking a = {.T = notes, .head = head, .limit = at->diagonal, .q = q, .seen = q, .key = key};
		open_keys(at, notes, q);
		relative_product(at, table, notes, q + d, 3 * d, at->k_rows, at->k_relative);
		ask_forward(at, table, &a, 2 * notes, train, kept, context + head * at->e);
		a.q = q + (ptrdiff_t)notes * 3 * d;
		a.first = notes;
		ask_forward(at, table, &a, 2 * notes, train, kept, context + (ptrdiff_t)notes * d + head * at->e);
	}
}

/* Gradient of one row's scores, in place over the gradient of its probabilities; puts it into both relative gradients: that
 * of keys is added to where another row has been. Returns the gradient of a query's own score, which is taken out. */
static float backward_row(struct attention *at, const struct block *b, const struct asking *a, int l, const float *band,
			  float *row)
{
	int limit = a->limit[l], low = lowest(at, l), count = limit - low + 1, J = at->J,
	    column = at->shape.span - 1 - (l - low);
	float *g = row + (low - b->from), scale = 1 / sqrtf((float)at->e), sum = 0, own = 0;
	dropout_apply(key_of(a, l), at->shape.dropout, count, g);
	for (int c = 0; c < count; c++)
		sum += g[c] * band[c];
	for (int c = 0; c < count; c++)
		g[c] = band[c] * (g[c] - sum) * scale;
	memset(row, 0, (size_t)(low - b->from) * sizeof *row);
	memset(row + (limit + 1 - b->from), 0, (size_t)(b->from + b->keys - limit - 1) * sizeof *row);
	float *across = at->q_relative + (ptrdiff_t)l * J, *down = at->k_relative + (ptrdiff_t)low * J + column;
	memset(across, 0, (size_t)J * sizeof *across);
	memcpy(across + column, g, (size_t)count * sizeof *across);
	if (is_query(a)) {
		own = g[--count];
		g[count] = 0;
		for (int c = 0; c < count; c++)
			down[(ptrdiff_t)c * (J + 1)] += g[c];
		return own;
	}
	for (int c = 0; c < count; c++)
		down[(ptrdiff_t)c * (J + 1)] = g[c];
	return own;
}

/* A query's own key and score: q . k + (q + k) . E of distance 0; q . E is with the rest of q_relative. */
static void own_backward(struct attention *at, const struct attention_table *table, const float *q, float g, float *dq)
{
	int d = at->shape.width, e = at->e, zero = (at->shape.span - 1) * e;
	kernel_axpy(e, g, q + d, dq);
	kernel_axpy(e, g, q, dq + d);
	kernel_axpy(e, g, table->reversed + zero, dq + d);
	kernel_axpy(e, g, q + d, at->dreversed + zero);
}

/* dq, dseen: as q and seen of `a`, in the gradient of qkv. */
static void ask_backward(struct attention *at, const struct attention_table *table, const struct asking *a, int rows,
			 const float *kept, const float *dcontext, float *dq, float *dseen)
{
	int d = at->shape.width, ld = 3 * d, e = at->e;
	bool query = is_query(a);
	const float *k = a->seen + d, *v = a->seen + 2 * d;
	if (is_bf16(at)) {
		bf16_rows(a->T, e, dcontext, d, at->c_rows);
		bf16_pack(a->T, e, dcontext, d, at->c_down);
		bf16_pack(a->T, e, a->q, ld, at->q_down);
	}
	for (int first = 0; first < a->T; first += BLOCK) {
		struct block b = block_at(at, a->T, a->limit, first);
		for (int i = 0; i < b.rows; i++) {
			int l = first + i;
			float *row = at->scores + i * b.keys;
			spread_row(at, &b, l, a->limit[l], kept + band_of(at, a, rows, l), key_of(a, l), true, row);
			if (query) {
				kernel_axpy(e, row[l - b.from], dcontext + (ptrdiff_t)l * d, dq + (ptrdiff_t)l * ld + 2 * d);
				row[l - b.from] = 0;
			}
		}
		scatter_product(at, &b, at->scores, dcontext, d, at->c_down, dseen + 2 * d, ld);
		across_product(at, &b, dcontext, v, d, ld, at->c_rows, at->v_across, at->gradient);
		for (int i = 0; i < b.rows; i++) {
			int l = first + i;
			float *row = at->gradient + i * b.keys;
			const float *q = a->q + (ptrdiff_t)l * ld;
			if (query)
				row[l - b.from] = dot(e, dcontext + (ptrdiff_t)l * d, q + 2 * d);
			float own = backward_row(at, &b, a, l, kept + band_of(at, a, rows, l), row);
			if (query)
				own_backward(at, table, q, own, dq + (ptrdiff_t)l * ld);
		}
		gather_product(at, &b, at->gradient, k, ld, at->k_down, true, dq, ld);
		scatter_product(at, &b, at->gradient, a->q, ld, at->q_down, dseen + d, ld);
	}
	relative_backward(at, table, a->T, at->q_relative, a->q, ld, at->q_down, dq);
}

/* Around the asking rows of a head in a backward pass: what their keys need before, and get after. */
static void open_backward(struct attention *at, int T, const float *seen)
{
	int d = at->shape.width, ld = 3 * d, e = at->e;
	memset(at->k_relative, 0, (size_t)T * (size_t)at->J * sizeof(float));
	if (!is_bf16(at))
		return;
	bf16_pack_transposed(e, T, seen + 2 * d, ld, at->v_across);
	bf16_pack(T, e, seen + d, ld, at->k_down);
}

static void open_gradient(struct attention *at, int rows, float *dqkv)
{
	memset(dqkv, 0, (size_t)rows * 3 * (size_t)at->shape.width * sizeof *dqkv);
	memset(at->dreversed, 0, (size_t)(at->J * at->e) * sizeof(float));
}

static void add_distances(const struct attention *at, float *ddistance)
{
	int e = at->e;
	for (int j = 0; j < at->J; j++)
		kernel_axpy(e, 1, at->dreversed + j * e, ddistance + (2 * at->shape.span - 2 - j) * e);
}

void attention_backward(struct attention *at, const struct attention_table *table, int T, const int *limit, const float *qkv,
			uint32_t key, const float *kept, const float *dcontext, float *dqkv, float *ddistance)
{
	int d = at->shape.width;
	open_gradient(at, T, dqkv);
	for (int head = 0; head < at->shape.heads; head++) {
		const float *q = qkv + head * at->e;
		float *dq = dqkv + head * at->e;
		struct asking a = {.T = T, .head = head, .limit = limit, .q = q, .seen = q, .key = key};
		open_backward(at, T, q);
		ask_backward(at, table, &a, T, kept, dcontext + head * at->e, dq, dq);
		relative_backward(at, table, T, at->k_relative, q + d, 3 * d, at->k_down, dq + d);
	}
	add_distances(at, ddistance);
}

void attention_backward_causal(struct attention *at, const struct attention_table *table, int notes, const float *qkv,
			       uint32_t key, const float *kept, const float *dcontext, float *dqkv, float *ddistance)
{
	int d = at->shape.width;
	open_gradient(at, 2 * notes, dqkv);
	for (int head = 0; head < at->shape.heads; head++) {
		const float *q = qkv + head * at->e, *dc = dcontext + head * at->e;
		float *dq = dqkv + head * at->e;
		struct asking a = {.T = notes, .head = head, .limit = at->diagonal, .q = q, .seen = q, .key = key};
		open_backward(at, notes, q);
		ask_backward(at, table, &a, 2 * notes, kept, dc, dq, dq);
		a.q = q + (ptrdiff_t)notes * 3 * d;
		a.first = notes;
		ask_backward(at, table, &a, 2 * notes, kept, dc + (ptrdiff_t)notes * d, dq + (ptrdiff_t)notes * 3 * d, dq);
		relative_backward(at, table, notes, at->k_relative, q + d, 3 * d, at->k_down, dq + d);
	}
	add_distances(at, ddistance);
}
