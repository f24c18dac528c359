//go:build cgo

// The product of matrices: blocks of both operands are packed so that a tile of 8 rows by 3 vectors reads them in order,
// after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008). A matrix of few rows reads its
// other operand where it lies. Long sums over small outputs are cut into parts that are added in order.

#include "conv.h"
#include "simd.h"
#include "team.h"

#include <stdatomic.h>
#include <string.h>

enum {
	DEEP = 192,   // products of a sum at a time: a tile's vectors stay in the nearest cache
	TALL = 192,   // rows of an item
	WIDE = 768,   // columns of an item
	FEW = 8,      // rows that do not pay for packing the other operand
	PARTS = 4096, // products that a part of a sum has at least
};

// A layout is how a product is cut into items. Rows may be the columns of what was asked for.
typedef struct {
	nitrain_matmul m;
	const nitrain_loops *l;
	int swapped;                        // rows are columns
	int direct;                         // b is not packed
	int64_t row, column;                // distances in c
	int64_t deep, tall, wide;           // of a block
	int64_t talls, wides, parts, items; // how many there are
	int64_t slot;                       // floats of a thread's scratch memory
} layout;

typedef struct {
	const layout *l;
	const float *a, *b;
	float *c, *sums, *scratch;
	void *team;
	_Atomic int64_t next;
} job;

static int64_t even(int64_t n, int64_t most, int64_t to) {
	const int64_t times = (n + most - 1) / most;
	return nitrain_up((n + times - 1) / times, to);
}

static void lay_out(layout *l, const nitrain_matmul *m, int threads) {
	*l = (layout){.m = *m, .l = nitrain_choose(), .row = m->n, .column = 1};
	const int64_t lanes = l->l->lanes;
	if (m->n < lanes && m->n < m->m) {
		l->swapped = 1;
		l->row = 1;
		l->column = m->n;
		l->m.m = m->n;
		l->m.n = m->m;
		const int64_t order[3] = {0, 2, 1};
		for (int i = 0; i < 3; i++) {
			l->m.a[i] = m->b[order[i]];
			l->m.b[i] = m->a[order[i]];
		}
	}
	m = &l->m;
	l->direct = m->m <= FEW && m->b[2] == 1;
	l->deep = nitrain_max(1, even(m->k, DEEP, 1));
	l->tall = even(m->m, TALL, ROWS);
	l->wide = even(m->n, WIDE, 3 * lanes);
	const int64_t enough = threads == 1 ? 1 : 4 * (int64_t)threads;
	for (;;) {
		l->talls = (m->m + l->tall - 1) / l->tall;
		l->wides = (m->n + l->wide - 1) / l->wide;
		l->items = m->batch * l->talls * l->wides;
		if (l->items >= enough) break;
		if (l->wide >= 6 * lanes && l->wide >= l->tall) l->wide = nitrain_up(l->wide / 2, 3 * lanes);
		else if (l->tall >= 4 * ROWS) l->tall = nitrain_up(l->tall / 2, ROWS);
		else break;
	}
	l->parts = nitrain_max(1, nitrain_min((enough + l->items - 1) / l->items, m->k / PARTS));
	l->items *= l->parts;
	l->slot = nitrain_up(l->deep * (l->tall + l->wide + 1) + 2 * ROWS * 3 * lanes, 16) + 64;
}

// pack_rows packs rows of a: [rows/ROWS][deep][ROWS].
static void pack_rows(const nitrain_loops *l, float *to, const float *a, int64_t row, int64_t step, int64_t rows, int64_t deep) {
	for (int64_t r = 0; r < rows; r += ROWS, to += deep * ROWS) {
		const int64_t n = nitrain_min(ROWS, rows - r);
		const float *from = a + r * row;
		if (n < ROWS) memset(to, 0, (size_t)(deep * ROWS) * sizeof(float));
		if (step == 1) {
			l->transpose(to, ROWS, from, row, n, deep);
			continue;
		}
		for (int64_t k = 0; k < deep; k++)
			for (int64_t i = 0; i < n; i++) to[k * ROWS + i] = from[i * row + k * step];
	}
}

// pack_columns packs columns of b: [columns/width][deep][width].
static void pack_columns(const nitrain_loops *l, float *to, const float *b, int64_t step, int64_t column, int64_t columns, int64_t deep, int64_t width) {
	for (int64_t c = 0; c < columns; c += width, to += deep * width) {
		const int64_t n = nitrain_min(width, columns - c);
		const float *from = b + c * column;
		if (n < width) memset(to, 0, (size_t)(deep * width) * sizeof(float));
		if (step == 1 && column != 1) {
			l->transpose(to, width, from, column, n, deep);
			continue;
		}
		for (int64_t k = 0; k < deep; k++) {
			if (column == 1) l->copy(to + k * width, from + k * step, n);
			else for (int64_t i = 0; i < n; i++) to[k * width + i] = from[i * column + k * step];
		}
	}
}

// store writes a tile that is not whole, or whose columns are not side by side.
static void store(const layout *l, float *c, const float *tile, int64_t wide, int64_t rows, int64_t columns, int add) {
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < columns; i++) {
			float *to = c + r * l->row + i * l->column;
			*to = tile[r * wide + i] + (add ? *to : 0);
		}
}

// multiply adds the product of a block to c.
static void multiply(const layout *l, const float *a, const float *b, int64_t step, const int32_t *off, float *tile, float *c,
	int64_t rows, int64_t columns, int64_t deep, int add) {
	const int64_t lanes = l->l->lanes, width = 3 * lanes;
	for (int64_t n = 0; n < columns; n += width, b += step) {
		const int64_t left = nitrain_min(width, columns - n), vectors = (left + lanes - 1) / lanes;
		const float *const x[VECTORS] = {b, b + lanes, b + 2 * lanes};
		for (int64_t r = 0; r < rows; r += ROWS) {
			const int64_t m = nitrain_min(ROWS, rows - r);
			float *to = c + r * l->row + n * l->column;
			if (l->column == 1 && left == vectors * lanes) {
				l->l->tile((int)m, (int)vectors, deep, a + r * deep, off, x, add ? to : NULL, l->row, to, l->row, 0);
				continue;
			}
			l->l->tile((int)m, (int)vectors, deep, a + r * deep, off, x, NULL, 0, tile, width, 0);
			store(l, to, tile, width, m, left, add);
		}
	}
}

// block multiplies products [k, k + deep) of the sums of an item.
static void block(const layout *l, const float *a, const float *b, float *c, float *scratch, int64_t rows, int64_t columns, int64_t deep, int add) {
	const nitrain_matmul *m = &l->m;
	float *pa = scratch, *pb = pa + l->deep * l->tall, *tile = pb + l->deep * l->wide;
	int32_t *off = (int32_t *)(tile + ROWS * 3 * l->l->lanes);
	const int64_t width = 3 * l->l->lanes;
	pack_rows(l->l, pa, a, m->a[1], m->a[2], rows, deep);
	const int64_t whole = l->direct ? columns / width * width : 0;
	if (whole) {
		for (int64_t k = 0; k < deep; k++) off[k] = (int32_t)(k * m->b[1]);
		multiply(l, pa, b, width, off, tile, c, rows, whole, deep, add);
	}
	if (whole == columns) return;
	for (int64_t k = 0; k < deep; k++) off[k] = (int32_t)(k * width);
	pack_columns(l->l, pb, b + whole * m->b[2], m->b[1], m->b[2], columns - whole, deep, width);
	multiply(l, pa, pb, deep * width, off, tile, c + whole * l->column, rows, columns - whole, deep, add);
}

static void work(void *arg, size_t slot) {
	job *j = arg;
	const layout *l = j->l;
	const nitrain_matmul *m = &l->m;
	for (;;) {
		int64_t number = atomic_fetch_add(&j->next, 1);
		if (number >= l->items || nitrain_team_stopped(j->team)) return;
		const int64_t n = number % l->wides * l->wide, r = number / l->wides % l->talls * l->tall;
		number /= l->wides * l->talls;
		const int64_t part = number % l->parts, batch = number / l->parts;
		float *c = (part ? j->sums + (part - 1) * m->batch * m->m * m->n : j->c) + batch * m->m * m->n + r * l->row + n * l->column;
		const float *a = j->a + batch * m->a[0] + r * m->a[1], *b = j->b + batch * m->b[0] + n * m->b[2];
		const int64_t rows = nitrain_min(l->tall, m->m - r), columns = nitrain_min(l->wide, m->n - n);
		const int64_t from = m->k * part / l->parts, end = m->k * (part + 1) / l->parts;
		for (int64_t k = from; k < end || k == from; k += l->deep)
			block(l, a + k * m->a[2], b + k * m->b[1], c, j->scratch + (int64_t)slot * l->slot, rows, columns, nitrain_min(l->deep, end - k), k > from);
	}
}

static void add_parts(void *arg, size_t task) {
	const job *j = arg;
	const nitrain_matmul *m = &j->l->m;
	const int64_t size = m->batch * m->m * m->n, from = size * (int64_t)task / 16, end = size * ((int64_t)task + 1) / 16;
	for (int64_t part = 1; part < j->l->parts; part++) {
		const float *sums = j->sums + (part - 1) * size;
		for (int64_t i = from; i < end; i++) j->c[i] += sums[i];
	}
}

static int64_t sums(const layout *l) { return nitrain_up((l->parts - 1) * l->m.batch * l->m.m * l->m.n, 16); }

int64_t nitrain_matmul_scratch(const nitrain_matmul *m, int threads) {
	layout l;
	lay_out(&l, m, threads);
	return (sums(&l) + threads * l.slot) * 4;
}

void nitrain_matmul_run(const nitrain_matmul *m, const float *a, const float *b, float *c, void *scratch, int threads, void *team) {
	const uint64_t before = nitrain_flush();
	layout l;
	lay_out(&l, m, threads);
	job j = {.l = &l, .a = l.swapped ? b : a, .b = l.swapped ? a : b, .c = c, .sums = scratch, .team = team};
	j.scratch = j.sums + sums(&l);
	nitrain_team_run(team, work, (size_t)threads, &j);
	if (l.parts > 1) nitrain_team_run(team, add_parts, 16, &j);
	nitrain_unflush(before);
}
