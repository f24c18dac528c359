//go:build cgo

// Copies go piece by piece along the inner dimension of the output: a run of bytes, a loop with strides, or, for a
// transposition, a tile of rows whose source stays in the nearest cache until all of it is used.

#include "assemble.h"

#include <string.h>

#include "transpose.h"

enum { RUNS, TILES, STRIDED };
enum { FILL_BYTES = 1 << 18 };

typedef struct {
	const nitrain_assembly *a;
	const nitrain_copy *copies;
	const uintptr_t *ins;
	uint8_t *out;
} job;

typedef struct {
	uint64_t half[2];
} sixteen;

// STRIDES copies n elements of a type.
#define STRIDES(T)                                                                                                     \
	{                                                                                                                  \
		T *d = (T *)to;                                                                                                \
		const T *s = (const T *)from;                                                                                  \
		if (source == 0 && target == 1)                                                                                \
			for (int64_t i = 0; i < n; i++) d[i] = *s;                                                                 \
		else if (source == -1 && target == 1)                                                                          \
			for (int64_t i = 0; i < n; i++) d[i] = s[-i];                                                              \
		else if (source == 1)                                                                                          \
			for (int64_t i = 0; i < n; i++) d[i * target] = s[i];                                                      \
		else                                                                                                           \
			for (int64_t i = 0; i < n; i++) d[i * target] = s[i * source];                                             \
		break;                                                                                                         \
	}

static void strided(int width, uint8_t *to, int64_t target, const uint8_t *from, int64_t source, int64_t n) {
	switch (width) {
	case 1: STRIDES(uint8_t)
	case 2: STRIDES(uint16_t)
	case 4: STRIDES(uint32_t)
	case 8: STRIDES(uint64_t)
	default: STRIDES(sixteen)
	}
}

// turned copies a tile: to[r * target + c] = from[c * source + r].
#define TURNED(T)                                                                                                      \
	for (int64_t r = 0; r < rows; r++)                                                                                 \
		for (int64_t c = 0; c < columns; c++) ((T *)to)[r * target + c] = ((const T *)from)[c * source + r];           \
	break

static void turned(int width, uint8_t *to, int64_t target, const uint8_t *from, int64_t source, int64_t rows, int64_t columns) {
	switch (width) {
	case 1: TURNED(uint8_t);
	case 2: TURNED(uint16_t);
	case 4: nitrain_transpose((uint32_t *)to, target, (const uint32_t *)from, source, rows, columns); break;
	case 8: TURNED(uint64_t);
	default: TURNED(sixteen);
	}
}

static void run(uint8_t *to, const uint8_t *from, int64_t bytes) {
	if (bytes >= 64) {
		memcpy(to, from, (size_t)bytes);
		return;
	}
	for (; bytes >= 8; bytes -= 8, to += 8, from += 8) memcpy(to, from, 8);
	for (; bytes > 0; bytes--) *to++ = *from++;
}

// share copies a part of the units.
static void share(const job *j, const nitrain_copy *c, int64_t unit, int64_t last) {
	const int64_t width = j->a->width;
	const uint8_t *from = (const uint8_t *)j->ins[c->input];
	const int inner = c->dims - 1;
	const int64_t pieces = (c->size[inner] + c->piece - 1) / c->piece;
	const int64_t high = c->way == TILES ? (c->size[inner - 1] + c->rows - 1) / c->rows : 1;
	const int outer = c->way == TILES ? inner - 1 : inner; // dimensions that are walked through whole
	int64_t index[8] = {0}, piece = unit % pieces, tall = unit / pieces % high;
	for (int64_t d = outer - 1, rest = unit / pieces / high; d >= 0; rest /= c->size[d--]) index[d] = rest % c->size[d];
	int64_t source = c->from, target = c->to;
	for (int d = 0; d < outer; d++) {
		source += index[d] * c->source[d];
		target += index[d] * c->target[d];
	}
	for (; unit < last; unit++) {
		const int64_t at = piece * c->piece, n = c->size[inner] - at < c->piece ? c->size[inner] - at : c->piece;
		const int64_t s = source + at * c->source[inner], t = target + at * c->target[inner];
		if (c->way == RUNS) {
			run(j->out + t * width, from + s * width, n * width);
		} else if (c->way == STRIDED) {
			strided((int)width, j->out + t * width, c->target[inner], from + s * width, c->source[inner], n);
		} else {
			const int64_t row = tall * c->rows, rows = c->size[inner - 1] - row < c->rows ? c->size[inner - 1] - row : c->rows;
			turned((int)width, j->out + (t + row * c->target[inner - 1]) * width, c->target[inner - 1],
				from + (s + row) * width, c->source[inner], rows, n);
		}
		if (++piece < pieces) continue;
		piece = 0;
		if (++tall < high) continue;
		tall = 0;
		for (int d = outer - 1; d >= 0; d--) {
			source += c->source[d];
			target += c->target[d];
			if (++index[d] < c->size[d]) break;
			source -= index[d] * c->source[d];
			target -= index[d] * c->target[d];
			index[d] = 0;
		}
	}
}

static void copy(void *arg, size_t i) {
	const job *j = arg;
	int64_t task = (int64_t)i;
	const nitrain_copy *c = j->copies;
	for (; task >= c->tasks; c++) task -= c->tasks;
	share(j, c, c->units * task / c->tasks, c->units * (task + 1) / c->tasks);
}

static void fill(void *arg, size_t i) {
	const job *j = arg;
	uint8_t *to = j->out + i * FILL_BYTES;
	int64_t n = j->a->bytes - (int64_t)i * FILL_BYTES;
	if (n > FILL_BYTES) n = FILL_BYTES;
	if (j->a->filled == 2) {
		memset(to, j->a->fill[0], (size_t)n);
		return;
	}
	sixteen pattern;
	memcpy(&pattern, j->a->fill, sizeof pattern);
	for (; n >= 16; n -= 16, to += 16) memcpy(to, &pattern, 16);
	memcpy(to, &pattern, (size_t)n);
}

void nitrain_assemble_run(nitrain_team *team, const nitrain_assembly *a, const nitrain_copy *copies, const uintptr_t *ins, uintptr_t out) {
	job j = {.a = a, .copies = copies, .ins = ins, .out = (uint8_t *)out};
	if (a->filled) nitrain_team_run(team, fill, (size_t)((a->bytes + FILL_BYTES - 1) / FILL_BYTES), &j);
	nitrain_team_run(team, copy, (size_t)a->tasks, &j);
}
