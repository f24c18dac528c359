//go:build cgo

// The interpreter of Map. A task walks over blocks of about a thousand consecutive indices. For each, what the program reads
// is laid out in buffers, or used where it lies; each instruction is a loop over the block, and the buffers stay in the
// nearest caches; then results are written or joined into sums. What is the same for a whole task, or a whole block, is
// computed once. A pass that transposes takes tiles of rows and columns for blocks.

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math")
#endif

#include "map.h"

#include <alloca.h>
#include <stdlib.h>

#include "map_math.h"
#include "transpose.h"

int nitrain_map_widest = 1 << 20;

typedef float f32 __attribute__((may_alias));
typedef int32_t i32 __attribute__((may_alias));
typedef uint32_t u32 __attribute__((may_alias));
typedef double f64 __attribute__((may_alias));

// A cell is a running value of a reduction.
typedef union {
	double d;
	float f;
	int32_t i;
} cell;

enum { UNIFORM, ROW, VECTOR };                            // how often a register is computed: levels
enum { FLOAT32, INT32, BOOL, UINT8, IOTA };               // types of streams
enum { NO_REDUCTION, SUM_F, MAX_F, MIN_F, SUM_I, MAX_I, MIN_I };
enum { DENSE, RUNS, GROUPS, COLUMNS };                    // orders of a pass
enum { TRIG_CHUNK = 256, SHORT = 64 }; // elements: of a piece; below which a run is short

// The instructions, as in kernel.go.
enum {
	CONSTANT, IOTA_OP, ADD_F, SUB_F, MUL_F, DIV_F, MAX_OP_F, MIN_OP_F, POW_F, REM_F, NEG_F, ABS_F, SIGN_F, SQRT_F, RSQRT_F, EXP_F,
	EXPM1_F, LOG_F, LOG1P_F, TANH_F, LOGISTIC_F, ERF_F, SIN_F, COS_F, FLOOR_F, CEIL_F, ROUND_F, EQUAL_F, NOT_EQUAL_F, LESS_F,
	LESS_EQUAL_F, IS_NAN_F, IS_FINITE_F, ADD_I, SUB_I, MUL_I, MAX_OP_I, MIN_OP_I, NEG_I, ABS_I, SIGN_I, EQUAL_I, NOT_EQUAL_I,
	LESS_I, LESS_EQUAL_I, AND, OR, XOR, NOT, SELECT, TO_FLOAT, TO_INT, TO_BOOL, INT_TO_BOOL, MUL_ADD_F, EXPAND, OPS
};

typedef struct {
	void (*op[OPS])(void *d, const void *a, const void *b, const void *c, int64_t n, unsigned scalars);
	void (*widen)(i32 *d, const uint8_t *s, int64_t stride, int64_t n);
	void (*narrow)(uint8_t *d, const i32 *s, int64_t stride, int64_t n);
	void (*gather)(u32 *d, const u32 *s, int64_t stride, int64_t n);
	void (*spread)(u32 *d, const u32 *s, int64_t stride, int64_t n);
	void (*count)(i32 *d, int64_t from, int64_t stride, int64_t n);
	void (*fold)(int how, cell *into, const void *x, int64_t n);
	void (*join)(int how, void *acc, const void *x, int64_t n);
	void (*transpose)(u32 *d, int64_t drow, const u32 *s, int64_t scolumn, int64_t rows, int64_t columns);
} map_loops;

#define FMA __builtin_fmaf

#include "map_square.h"

#define NAME(f) f##_128
#define TARGET
#define SIDE 4
#if defined(__x86_64__)
typedef __m128 ROOTS_128 __attribute__((aligned(4), may_alias));
#define ROOTS ROOTS_128
#define ROOT _mm_sqrt_ps
#else
typedef f32 one __attribute__((vector_size(4), aligned(4)));
#define ROOTS one
#define ROOT(x) ((one){sqrtf((x)[0])})
#endif
#define REST transpose_single
#include "map_loops.h"
#undef NAME
#undef TARGET
#undef SIDE
#undef ROOTS
#undef REST
#undef ROOT

#if defined(__x86_64__)
#define NAME(f) f##_256
#define TARGET __attribute__((target("avx2,fma")))
#define SIDE 8
typedef __m256 ROOTS_256 __attribute__((aligned(4), may_alias));
#define ROOTS ROOTS_256
#define ROOT _mm256_sqrt_ps
#define REST transpose_128
#include "map_loops.h"
#undef NAME
#undef TARGET
#undef SIDE
#undef ROOTS
#undef REST
#undef ROOT

#define NAME(f) f##_512
#if defined(__clang__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#else
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")))
#endif
#define SIDE 16
typedef __m512 ROOTS_512 __attribute__((aligned(4), may_alias));
#define ROOTS ROOTS_512
#define ROOT _mm512_sqrt_ps
#define REST transpose_256
#include "map_loops.h"
#undef NAME
#undef TARGET
#undef SIDE
#undef ROOTS
#undef REST
#undef ROOT
#endif

static const map_loops *choose(void) {
#if defined(__x86_64__)
	if (nitrain_map_widest >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return &loops_512;
	if (nitrain_map_widest >= 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &loops_256;
#endif
	return &loops_128;
}

void nitrain_transpose(uint32_t *d, int64_t drow, const uint32_t *s, int64_t scolumn, int64_t rows, int64_t columns) {
	choose()->transpose(d, drow, s, scolumn, rows, columns);
}

typedef struct {
	const nitrain_pass *p;
	const nitrain_stream *loads, *results;
	const nitrain_instr *instrs;
	const uintptr_t *ins, *outs;
	cell *scratch;
	const map_loops *l;
} job;

// A walk is what a task has of its own.
typedef struct {
	const job *j;
	const void **at; // where each register is
	u32 *slots;      // buffers of a block's length
	cell **acc;      // running values of each result
} walk;

// seek finds an index of the space in a stream: the index along each of its dimensions, and the element.
static int64_t seek(const nitrain_stream *s, int64_t flat, int64_t index[NITRAIN_DIMS]) {
	int64_t at = s->offset;
	for (int d = s->dims - 1; d > 0; d--) {
		const int64_t size = s->size[d], up = (flat | size) >> 32 ? flat / size : (uint32_t)flat / (uint32_t)size;
		index[d] = flat - up * size;
		at += index[d] * s->stride[d];
		flat = up;
	}
	index[0] = flat;
	return at + flat * s->stride[0];
}

// next moves on from the end of a run of the innermost dimension.
static int64_t next(const nitrain_stream *s, int64_t at, int64_t run, int64_t index[NITRAIN_DIMS]) {
	int d = s->dims - 1;
	at += run * s->stride[d];
	index[d] += run;
	while (d > 0 && index[d] == s->size[d]) {
		at -= index[d] * s->stride[d];
		index[d--] = 0;
		at += s->stride[d];
		index[d]++;
	}
	return at;
}

static void read_run(const map_loops *l, const nitrain_stream *s, const void *array, int64_t at, int64_t stride, u32 *to, int64_t n) {
	switch (s->type) {
	case IOTA: l->count((i32 *)to, at, stride, n); return;
	case BOOL:
	case UINT8: l->widen((i32 *)to, (const uint8_t *)array + at, stride, n); return;
	default: break;
	}
	const u32 *from = (const u32 *)array + at;
	if (stride == 0) l->op[EXPAND](to, from, from, from, n, 1);
	else if (stride != 1) l->gather(to, from, stride, n);
	else if (n >= 32) memcpy(to, from, (size_t)n * sizeof(u32));
	else for (int64_t i = 0; i < n; i++) to[i] = from[i];
}

// read lays n elements out in the buffer, or finds them lying so.
static const void *read(const walk *w, const nitrain_stream *s, int64_t flat, int64_t n, u32 *buffer) {
	int64_t index[NITRAIN_DIMS], at = seek(s, flat, index);
	const void *array = s->type == IOTA ? NULL : (const void *)w->j->ins[s->array];
	const int last = s->dims - 1;
	int64_t run = s->size[last] - index[last];
	if (run >= n) {
		if (s->stride[last] == 1 && s->type <= INT32) return (const u32 *)array + at;
		run = n;
	}
	for (u32 *to = buffer; n > 0; to += run, n -= run, run = s->size[last]) {
		if (run > n) run = n;
		read_run(w->j->l, s, array, at, s->stride[last], to, run);
		at = next(s, at, run, index);
	}
	return buffer;
}

static void write_run(const map_loops *l, const nitrain_stream *s, void *array, int64_t at, int64_t stride, const u32 *from, int64_t n) {
	if (s->type >= BOOL) {
		l->narrow((uint8_t *)array + at, (const i32 *)from, stride, n);
		return;
	}
	u32 *to = (u32 *)array + at;
	if (stride != 1) l->spread(to, from, stride, n);
	else if (to != from) memcpy(to, from, (size_t)n * sizeof(u32));
}

// write puts n elements where they belong.
static void write(const walk *w, const nitrain_stream *s, int64_t flat, int64_t n, const u32 *from) {
	int64_t index[NITRAIN_DIMS], at = seek(s, flat, index);
	const int last = s->dims - 1;
	for (int64_t run; n > 0; from += run, n -= run) {
		run = s->size[last] - index[last];
		if (run > n) run = n;
		write_run(w->j->l, s, (void *)w->j->outs[s->array], at, s->stride[last], from, run);
		at = next(s, at, run, index);
	}
}

// execute does the instructions of a level.
static void execute(const walk *w, int level, int64_t n) {
	const job *j = w->j;
	for (int i = 0; i < j->p->instrs; i++) {
		const nitrain_instr *in = &j->instrs[i];
		if (in->level != level) continue;
		j->l->op[in->op]((void *)w->at[in->dst], w->at[in->a], w->at[in->b], w->at[in->c], n, in->scalars);
	}
}

// single reads one element into the buffer of its register.
static void single(const walk *w, const nitrain_stream *s, int64_t flat) {
	int64_t index[NITRAIN_DIMS];
	const int64_t at = seek(s, flat, index);
	read_run(w->j->l, s, s->type == IOTA ? NULL : (const void *)w->j->ins[s->array], at, 1, (u32 *)w->at[s->reg], 1);
}

// block computes the registers for n indices.
static void block(const walk *w, int64_t flat, int64_t n) {
	const nitrain_pass *p = w->j->p;
	for (int i = 0; i < p->streams; i++) {
		const nitrain_stream *s = &w->j->loads[i];
		if (s->level == VECTOR) w->at[s->reg] = read(w, s, flat, n, w->slots + s->slot * p->block);
		else if (s->level == ROW) single(w, s, flat);
	}
	execute(w, ROW, 1);
	execute(w, VECTOR, n);
}

// keep writes what is not reduced.
static void keep(const walk *w, int64_t flat, int64_t n) {
	for (int r = 0; r < w->j->p->results; r++) {
		const nitrain_stream *s = &w->j->results[r];
		if (s->reduce == NO_REDUCTION) write(w, s, flat, n, w->at[s->reg]);
	}
}

static void read_tile(const walk *w, const nitrain_stream *s, int64_t at, int64_t rows, int64_t columns, u32 *to) {
	const map_loops *l = w->j->l;
	const void *array = s->type == IOTA ? NULL : (const void *)w->j->ins[s->array];
	const int64_t down = s->stride[s->dims - 2], along = s->stride[s->dims - 1];
	if (down == 1 && along != 1 && s->type <= INT32) {
		l->transpose(to, columns, (const u32 *)array + at, along, rows, columns);
		return;
	}
	for (int64_t r = 0; r < rows; r++) read_run(l, s, array, at + r * down, along, to + r * columns, columns);
}

// tile computes and writes the rows and columns of one tile, which is a unit.
static void tile(const walk *w, int64_t unit) {
	const job *j = w->j;
	const nitrain_pass *p = j->p;
	const nitrain_stream *any = &j->results[0];
	const int last = any->dims - 1;
	const int64_t high = any->size[last - 1], wide = any->size[last];
	const int64_t across = (wide + p->tile_columns - 1) / p->tile_columns, down = (high + p->tile_rows - 1) / p->tile_rows;
	const int64_t column = unit % across * p->tile_columns, row = unit / across % down * p->tile_rows;
	const int64_t rows = high - row < p->tile_rows ? high - row : p->tile_rows;
	const int64_t columns = wide - column < p->tile_columns ? wide - column : p->tile_columns;
	const int64_t flat = (unit / across / down * high + row) * wide + column;
	int64_t index[NITRAIN_DIMS];
	for (int i = 0; i < p->streams; i++) {
		const nitrain_stream *s = &j->loads[i];
		if (s->level == UNIFORM) continue;
		u32 *to = w->slots + s->slot * p->block;
		read_tile(w, s, seek(s, flat, index), rows, columns, to);
		w->at[s->reg] = to;
	}
	execute(w, VECTOR, rows * columns);
	for (int r = 0; r < p->results; r++) {
		const nitrain_stream *s = &j->results[r];
		const int64_t at = seek(s, flat, index);
		for (int64_t i = 0; i < rows; i++)
			write_run(j->l, s, (void *)j->outs[s->array], at + i * s->stride[last - 1], s->stride[last],
				(const u32 *)w->at[s->reg] + i * columns, columns);
	}
}

// running is the array of running values as join wants it: doubles for SUM_F, 32 bits otherwise.
static void begin(const nitrain_stream *s, void *acc, int64_t n) {
	for (int64_t i = 0; i < n; i++) switch (s->reduce) {
		case SUM_F: ((f64 *)acc)[i] = 0; break;
		case MAX_F: ((f32 *)acc)[i] = -INFINITY; break;
		case MIN_F: ((f32 *)acc)[i] = INFINITY; break;
		case SUM_I: ((i32 *)acc)[i] = 0; break;
		case MAX_I: ((i32 *)acc)[i] = INT32_MIN; break;
		default: ((i32 *)acc)[i] = INT32_MAX;
		}
}

static int64_t width(const nitrain_pass *p) {
	if (p->order == COLUMNS) return p->piece < p->inner ? p->piece : p->inner;
	return p->order == GROUPS ? p->piece / p->reduced : 1;
}

// end writes n running values, rounded, to kept indices from flat on.
static void end(const walk *w, const nitrain_stream *s, void *acc, int64_t flat, int64_t n) {
	if (s->reduce == SUM_F)
		for (int64_t i = 0; i < n; i++) {
			const double sum = ((const f64 *)acc)[i];
			((f32 *)acc)[i] = (float)sum;
		}
	write(w, s, flat, n, acc);
}

static void begin_all(const walk *w, int64_t n) {
	for (int r = 0; r < w->j->p->results; r++)
		if (w->j->results[r].reduce) begin(&w->j->results[r], w->acc[r], n);
}

// end_all writes running values, or leaves them for combine where a kept index has several parts.
static void end_all(const walk *w, int64_t unit, int64_t flat, int64_t n) {
	const nitrain_pass *p = w->j->p;
	for (int r = 0; r < p->results; r++) {
		const nitrain_stream *s = &w->j->results[r];
		if (!s->reduce) continue;
		if (p->parts == 1) end(w, s, w->acc[r], flat, n);
		else memcpy(w->j->scratch + s->where + unit * width(p), w->acc[r], (size_t)width(p) * sizeof(cell));
	}
}

// runs reduces a part of what one kept index has.
static void runs(const walk *w, int64_t unit) {
	const nitrain_pass *p = w->j->p;
	const int64_t kept = unit / p->parts, part = unit % p->parts, blocks = p->reduced / p->line * p->pieces;
	begin_all(w, 1);
	for (int64_t b = blocks * part / p->parts; b < blocks * (part + 1) / p->parts; b++) {
		const int64_t from = b % p->pieces * p->piece, n = p->line - from < p->piece ? p->line - from : p->piece;
		const int64_t flat = kept * p->reduced + b / p->pieces * p->line + from;
		block(w, flat, n);
		keep(w, flat, n);
		for (int r = 0; r < p->results; r++) {
			const nitrain_stream *s = &w->j->results[r];
			if (s->reduce) w->j->l->fold(s->reduce, w->acc[r], w->at[s->reg], n);
		}
	}
	end_all(w, unit, kept, 1);
}

// groups reduces the short runs of several kept indices.
static void groups(const walk *w, int64_t unit) {
	const nitrain_pass *p = w->j->p;
	const int64_t flat = unit * p->piece, n = p->total - flat < p->piece ? p->total - flat : p->piece, many = n / p->reduced;
	block(w, flat, n);
	keep(w, flat, n);
	for (int r = 0; r < p->results; r++) {
		const nitrain_stream *s = &w->j->results[r];
		if (!s->reduce) continue;
		u32 *to = (u32 *)w->acc[r];
		if (p->reduced < SHORT && many >= SHORT / 4) {
			// As columns, vectors go across the kept indices.
			u32 *turned = w->slots + p->slots * p->block;
			w->j->l->transpose(turned, many, w->at[s->reg], p->reduced, p->reduced, many);
			begin(s, to, many);
			for (int64_t q = 0; q < p->reduced; q++) w->j->l->join(s->reduce, to, turned + q * many, many);
			end(w, s, to, flat / p->reduced, many);
			continue;
		}
		for (int64_t g = 0; g < many; g++) {
			cell c;
			begin(s, &c, 1);
			w->j->l->fold(s->reduce, &c, (const u32 *)w->at[s->reg] + g * p->reduced, p->reduced);
			if (s->reduce == SUM_F) c.f = (float)c.d;
			to[g] = (u32)c.i;
		}
		write(w, s, flat / p->reduced, many, to);
	}
}

// join_rows joins rows into running values, short ones after they were joined pair by pair.
static void join_rows(const walk *w, int how, void *acc, const u32 *x, int64_t rows, int64_t wide) {
	static const uint8_t op[] = {[SUM_F] = ADD_F, [MAX_F] = MAX_OP_F, [MIN_F] = MIN_OP_F, [SUM_I] = ADD_I, [MAX_I] = MAX_OP_I, [MIN_I] = MIN_OP_I};
	u32 *sums = w->slots + w->j->p->slots * w->j->p->block;
	for (; rows > 1; x = sums) {
		if (rows & 1) w->j->l->join(how, acc, x + --rows * wide, wide);
		rows /= 2;
		w->j->l->op[op[how]](sums, x, x + rows * wide, x, rows * wide, 0);
	}
	w->j->l->join(how, acc, x, wide);
}

// columns joins rows into what a piece of the inner dimension has. Short rows come several at once.
static void columns(const walk *w, int64_t unit) {
	const nitrain_pass *p = w->j->p;
	const int64_t part = unit % p->parts, piece = unit / p->parts % p->pieces, kept = unit / p->parts / p->pieces;
	const int64_t from = piece * p->piece, wide = p->inner - from < width(p) ? p->inner - from : width(p);
	const int64_t last = p->reduced * (part + 1) / p->parts;
	begin_all(w, width(p));
	for (int64_t q = p->reduced * part / p->parts; q < last; q += p->tile_rows) {
		const int64_t rows = last - q < p->tile_rows ? last - q : p->tile_rows;
		const int64_t flat = (kept * p->reduced + q) * p->inner + from;
		block(w, flat, rows * wide);
		keep(w, flat, rows * wide);
		for (int r = 0; r < p->results; r++) {
			const nitrain_stream *s = &w->j->results[r];
			if (!s->reduce) continue;
			join_rows(w, s->reduce, w->acc[r], w->at[s->reg], rows, wide);
		}
	}
	end_all(w, unit, kept * p->inner + from, wide);
}

static void dense(const walk *w, int64_t unit) {
	const nitrain_pass *p = w->j->p;
	const int64_t from = unit % p->pieces * p->piece, flat = unit / p->pieces * p->line + from;
	const int64_t n = p->line - from < p->piece ? p->line - from : p->piece;
	block(w, flat, n);
	keep(w, flat, n);
}

// combine adds up the parts of each kept index, in order.
static void combine(const walk *w) {
	const nitrain_pass *p = w->j->p;
	const int64_t wide = width(p);
	for (int64_t k = 0; k < p->units / p->parts; k++)
		for (int r = 0; r < p->results; r++) {
			const nitrain_stream *s = &w->j->results[r];
			if (!s->reduce) continue;
			cell *sum = w->j->scratch + s->where + k * p->parts * wide;
			for (int64_t part = 1; part < p->parts; part++) {
				const cell *more = sum + part * wide;
				if (s->reduce == SUM_F)
					for (int64_t i = 0; i < wide; i++) sum[i].d += more[i].d;
				else w->j->l->join(s->reduce, sum, more, wide);
			}
			const int64_t from = p->order == COLUMNS ? k % p->pieces * p->piece : 0;
			const int64_t n = p->order == COLUMNS && p->inner - from < wide ? p->inner - from : wide;
			end(w, s, sum, p->order == COLUMNS ? k / p->pieces * p->inner + from : k, n);
		}
}

// task does its share of the units.
static void task(void *arg, size_t i) {
	const job *j = arg;
	const nitrain_pass *p = j->p;
	const int64_t wide = p->order == DENSE ? 0 : (width(p) + 7) / 8 * 8, registers = ((int64_t)p->registers + 15) / 16 * 16;
	const int64_t buffers = (p->slots + (p->order >= GROUPS)) * p->block; // one to transpose or add rows in
	const size_t bytes = (size_t)buffers * sizeof(u32) + (size_t)(p->results * wide) * sizeof(cell) +
		(size_t)registers * 16 + (size_t)registers * sizeof(void *) + (size_t)p->results * sizeof(cell *) + 64;
	char *memory = alloca(bytes);
	memory += -(uintptr_t)memory & 63;
	walk w = {.j = j, .slots = (u32 *)memory};
	memory += (size_t)buffers * sizeof(u32);
	cell *cells = (cell *)memory;
	memory += (size_t)(p->results * wide) * sizeof(cell);
	char *singles = memory;
	memory += (size_t)registers * 16;
	w.at = (const void **)memory;
	memory += (size_t)registers * sizeof(void *);
	w.acc = (cell **)memory;
	for (int r = 0; r < p->results; r++) w.acc[r] = cells + r * wide;
	for (int r = 0; r < p->registers; r++) w.at[r] = singles + r * 16;
	for (int k = 0; k < p->streams; k++)
		if (j->loads[k].level == UNIFORM) single(&w, &j->loads[k], 0);
	for (int k = 0; k < p->instrs; k++) {
		const nitrain_instr *in = &j->instrs[k];
		if (in->op == CONSTANT) *(u32 *)w.at[in->dst] = in->bits;
		else if (in->level == UNIFORM) j->l->op[in->op]((void *)w.at[in->dst], w.at[in->a], w.at[in->b], w.at[in->c], 1, 0);
		else if (in->level == VECTOR) w.at[in->dst] = w.slots + in->bits * p->block;
	}
	for (int64_t u = p->units * (int64_t)i / p->tasks; u < p->units * ((int64_t)i + 1) / p->tasks; u++) {
		if (p->tiled) tile(&w, u);
		else if (p->order == DENSE) dense(&w, u);
		else if (p->order == RUNS) runs(&w, u);
		else if (p->order == GROUPS) groups(&w, u);
		else columns(&w, u);
	}
}

void nitrain_map_run(nitrain_team *team, const nitrain_pass *pass, const nitrain_stream *streams, const nitrain_instr *instrs,
	const uintptr_t *ins, const uintptr_t *outs, void *scratch) {
	job j = {.p = pass, .loads = streams, .results = streams + pass->streams, .instrs = instrs, .ins = ins, .outs = outs,
		.scratch = scratch, .l = choose()};
	const uint64_t before = nitrain_flush();
	nitrain_team_run(team, task, (size_t)pass->tasks, &j);
	if (pass->parts > 1 && !nitrain_team_stopped(team)) {
		const walk w = {.j = &j};
		combine(&w);
	}
	nitrain_unflush(before);
}
