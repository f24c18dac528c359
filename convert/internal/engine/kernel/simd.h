// The loops that do the arithmetic, for the instruction sets that there are.

#ifndef NITRAIN_SIMD_H
#define NITRAIN_SIMD_H

#include <stddef.h>
#include <stdint.h>

enum {
	ROWS = 8,    // of a packed operand: [k][ROWS]
	VECTORS = 6, // that a tile is wide at most
};

// A piece is at most a vector that is copied.
typedef struct {
	int32_t to, from;
} piece;

// Tiles multiply rows of a packed operand with vectors that lie anywhere: c[r][v] = start + sum over k of a[k*ROWS + r] *
// x[v][off[k] ...], where start is from[r*pitch + v*lanes ...], from[r] where pitch is 0, and 0 where from is NULL. c has
// rows ldc apart and vectors side by side. relu takes the larger of that and 0.
typedef struct {
	int lanes;
	void (*tile)(int rows, int vectors, int64_t depth, const float *a, const int32_t *off, const float *const x[VECTORS],
		const float *from, int64_t pitch, float *c, int64_t ldc, int relu);
	// dots computes sum[r*6 + m] = sum over v < vectors, and over lanes, of g[r][v*lanes ...] * x[m][off[v] ...].
	void (*dots)(int64_t vectors, const float *const g[4], const float *const x[6], const int32_t *off, float sum[24]);
	void (*copy)(float *to, const float *from, int64_t n);
	void (*zero)(float *to, int64_t n);
	// transpose sets to[c*wide + r] to from[r*pitch + c].
	void (*transpose)(float *to, int64_t wide, const float *from, int64_t pitch, int64_t rows, int64_t columns);
	// turn sets to[c*wide + r] to from[off[r] + c].
	void (*turn)(float *to, int64_t wide, const float *from, const int32_t *off, int64_t rows, int64_t columns);
	// gather copies pieces to rows of the given width: to[k*width + p.to ...] = from[off[k] + p.from ...]. A copy may write up
	// to 15 floats behind its piece; pieces are in order. longest is that of any of them, at most max(lanes, 8).
	void (*gather)(float *to, int64_t width, const float *from, const int32_t *off, int64_t depth, const piece *p, int n,
		int longest);
	// split sets to[t] to from[2*t]; merge sets to[2*t] to a[t] and to[2*t + 1] to b[t].
	void (*split)(float *to, const float *from, int64_t n);
	void (*merge)(float *to, const float *a, const float *b, int64_t n);
	// larger sets to to from where that is larger, or NaN.
	void (*larger)(float *to, const float *from, int64_t n);
	// award gives what is left to elements of x that equal y, and takes it from left; others get 0.
	void (*award)(float *to, const float *x, const float *y, float *left, int64_t n);
} nitrain_loops;

// nitrain_choose returns the widest loops that the processor runs.
const nitrain_loops *nitrain_choose(void);

static inline int64_t nitrain_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static inline int64_t nitrain_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t nitrain_max(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
