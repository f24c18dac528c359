// The loops of simd.h, included once for each instruction set. LANES is the width of a vector, NAME(f) names the variant,
// TARGET chooses the instructions, HALF tells that registers are few: tiles of 8 rows are done as two of 4.

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define VEC NAME(vec)

// POSITIVE is the larger of a vector and 0; NaN stays.
#define POSITIVE(v) ((VEC)(~((v) < 0) & (__typeof__((v) < 0))(v)))

#define TILE(R, V)                                                                                                     \
	TARGET static void NAME(tile##R##x##V)(int64_t depth, const float *a, const int32_t *off, const float *const *x,    \
		const float *from, int64_t pitch, float *c, int64_t ldc, int relu) {                                           \
		VEC acc[R][V];                                                                                                 \
		const float *p[V];                                                                                             \
		_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) p[v] = x[v];                                               \
		if (from && pitch) {                                                                                            \
			_Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                                            \
				_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) acc[r][v] = *(const VEC *)(from + r * pitch + v * LANES); \
		} else {                                                                                                        \
			_Pragma("GCC unroll 8") for (int r = 0; r < R; r++) {                                                          \
				const VEC start = (VEC){0} + (from ? from[r] : 0);                                                            \
				_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) acc[r][v] = start;                                        \
			}                                                                                                              \
		}                                                                                                               \
		for (int64_t k = 0; k < depth; k++, a += ROWS) {                                                               \
			const int64_t o = off[k];                                                                                  \
			VEC w[V];                                                                                                  \
			_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) w[v] = *(const VEC *)(p[v] + o);                       \
			_Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                                        \
				_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) acc[r][v] += w[v] * a[r];                          \
		}                                                                                                              \
		if (relu) {                                                                                                     \
			_Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                                            \
				_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) acc[r][v] = POSITIVE(acc[r][v]);         \
		}                                                                                                               \
		_Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                                            \
			_Pragma("GCC unroll 8") for (int v = 0; v < V; v++) *(VEC *)(c + r * ldc + v * LANES) = acc[r][v];         \
	}

#ifdef HALF
TILE(4, 1)
TILE(4, 2)
TILE(4, 3)
TILE(2, 1)
TILE(2, 2)
TILE(2, 3)
TILE(1, 1)
TILE(1, 2)
TILE(1, 3)
#else
TILE(8, 1)
TILE(8, 2)
TILE(8, 3)
TILE(4, 1)
TILE(4, 2)
TILE(4, 3)
TILE(4, 6)
TILE(2, 1)
TILE(2, 2)
TILE(2, 3)
TILE(2, 6)
TILE(1, 1)
TILE(1, 2)
TILE(1, 3)
TILE(1, 6)
#endif
#undef TILE
#undef POSITIVE

#define ARGUMENTS depth, a, off, x, from, pitch, c, ldc, relu
#define CASES(R)                                                                                                       \
	case R:                                                                                                            \
		for (; vectors >= 3; vectors -= 3, x += 3, c += 3 * LANES, from += from && pitch ? 3 * LANES : 0)              \
			NAME(tile##R##x3)(ARGUMENTS);                                                                              \
		if (vectors == 2) NAME(tile##R##x2)(ARGUMENTS);                                                                \
		if (vectors == 1) NAME(tile##R##x1)(ARGUMENTS);                                                                \
		break;

// part computes 8, 4, 2 or 1 rows.
static void NAME(part)(int rows, int vectors, int64_t depth, const float *a, const int32_t *off,
	const float *const *x, const float *from, int64_t pitch, float *c, int64_t ldc, int relu) {
#ifndef HALF
	if (vectors == 6 && rows < 8) {
		if (rows == 4) NAME(tile4x6)(ARGUMENTS);
		else if (rows == 2) NAME(tile2x6)(ARGUMENTS);
		else NAME(tile1x6)(ARGUMENTS);
		return;
	}
	if (vectors == 4 && rows == 8) { // two pairs rather than three and one
		NAME(tile8x2)(ARGUMENTS);
		x += 2;
		c += 2 * LANES;
		from += from && pitch ? 2 * LANES : 0;
		NAME(tile8x2)(ARGUMENTS);
		return;
	}
#endif
	switch (rows) {
#ifndef HALF
		CASES(8)
#endif
		CASES(4)
		CASES(2)
		CASES(1)
	}
}
#undef CASES
#undef ARGUMENTS

static void NAME(tile)(int rows, int vectors, int64_t depth, const float *a, const int32_t *off, const float *const x[VECTORS],
	const float *from, int64_t pitch, float *c, int64_t ldc, int relu) {
#ifdef HALF
	const int most = 4;
#else
	const int most = 8;
#endif
	const int64_t apart = pitch ? pitch : 1;
	for (int r = 0, n; r < rows; r += n) {
		n = rows - r >= most ? most : rows - r >= 4 ? 4 : rows - r >= 2 ? 2 : 1;
		NAME(part)(n, vectors, depth, a + r, off, x, from ? from + r * apart : NULL, pitch, c + r * ldc, ldc, relu);
	}
}

TARGET static void NAME(dots)(int64_t vectors, const float *const g[4], const float *const x[6], const int32_t *off, float sum[24]) {
	VEC acc[4][6];
	_Pragma("GCC unroll 4") for (int r = 0; r < 4; r++)
		_Pragma("GCC unroll 6") for (int m = 0; m < 6; m++) acc[r][m] = (VEC){0};
	const float *g0 = g[0], *g1 = g[1], *g2 = g[2], *g3 = g[3];
	const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4], *x5 = x[5];
	for (int64_t i = 0; i < vectors; i++) {
		const int64_t o = off[i], t = i * LANES;
		const VEC v[6] = {*(const VEC *)(x0 + o), *(const VEC *)(x1 + o), *(const VEC *)(x2 + o),
			*(const VEC *)(x3 + o), *(const VEC *)(x4 + o), *(const VEC *)(x5 + o)};
		VEC u = *(const VEC *)(g0 + t);
		_Pragma("GCC unroll 6") for (int m = 0; m < 6; m++) acc[0][m] += u * v[m];
		u = *(const VEC *)(g1 + t);
		_Pragma("GCC unroll 6") for (int m = 0; m < 6; m++) acc[1][m] += u * v[m];
		u = *(const VEC *)(g2 + t);
		_Pragma("GCC unroll 6") for (int m = 0; m < 6; m++) acc[2][m] += u * v[m];
		u = *(const VEC *)(g3 + t);
		_Pragma("GCC unroll 6") for (int m = 0; m < 6; m++) acc[3][m] += u * v[m];
	}
	for (int i = 0; i < 24; i++) {
		float lane[LANES];
		__builtin_memcpy(lane, &acc[i / 6][i % 6], sizeof lane);
		_Pragma("GCC unroll 4") for (int half = LANES / 2; half > 0; half /= 2)
			_Pragma("GCC unroll 8") for (int l = 0; l < half; l++) lane[l] += lane[l + half];
		sum[i] = lane[0];
	}
}

typedef float NAME(quad) __attribute__((vector_size(16), aligned(4), may_alias));

TARGET static void NAME(copy)(float *to, const float *from, int64_t n) {
	if (n >= LANES) {
		for (int64_t t = 0; t + LANES <= n; t += LANES) *(VEC *)(to + t) = *(const VEC *)(from + t);
		if (n % LANES) *(VEC *)(to + n - LANES) = *(const VEC *)(from + n - LANES);
		return;
	}
	int64_t t = 0;
	for (; t + 4 <= n; t += 4) *(NAME(quad) *)(to + t) = *(const NAME(quad) *)(from + t);
	for (; t < n; t++) to[t] = from[t];
}

// turn is transpose with rows that lie anywhere.
TARGET static void NAME(turn)(float *to, int64_t wide, const float *from, const int32_t *off, int64_t rows, int64_t columns) {
	typedef int32_t order __attribute__((vector_size(16)));
	int64_t r = 0;
	for (; r + 4 <= rows; r += 4) {
		const float *f[4] = {from + off[r], from + off[r + 1], from + off[r + 2], from + off[r + 3]};
		int64_t c = 0;
		for (; c + 4 <= columns; c += 4) {
			const NAME(quad) a = *(const NAME(quad) *)(f[0] + c), b = *(const NAME(quad) *)(f[1] + c);
			const NAME(quad) d = *(const NAME(quad) *)(f[2] + c), e = *(const NAME(quad) *)(f[3] + c);
			const NAME(quad) ab = __builtin_shuffle(a, b, (order){0, 4, 1, 5}), ba = __builtin_shuffle(a, b, (order){2, 6, 3, 7});
			const NAME(quad) de = __builtin_shuffle(d, e, (order){0, 4, 1, 5}), ed = __builtin_shuffle(d, e, (order){2, 6, 3, 7});
			float *t = to + c * wide + r;
			*(NAME(quad) *)t = __builtin_shuffle(ab, de, (order){0, 1, 4, 5});
			*(NAME(quad) *)(t + wide) = __builtin_shuffle(ab, de, (order){2, 3, 6, 7});
			*(NAME(quad) *)(t + 2 * wide) = __builtin_shuffle(ba, ed, (order){0, 1, 4, 5});
			*(NAME(quad) *)(t + 3 * wide) = __builtin_shuffle(ba, ed, (order){2, 3, 6, 7});
		}
		for (; c < columns; c++)
			for (int i = 0; i < 4; i++) to[c * wide + r + i] = f[i][c];
	}
	for (; r < rows; r++)
		for (int64_t c = 0; c < columns; c++) to[c * wide + r] = from[off[r] + c];
}

TARGET static void NAME(transpose)(float *to, int64_t wide, const float *from, int64_t pitch, int64_t rows, int64_t columns) {
	for (int64_t r = 0, n; r < rows; r += n) {
		const int32_t off[4] = {0, (int32_t)pitch, (int32_t)(2 * pitch), (int32_t)(3 * pitch)};
		n = rows - r >= 4 && pitch < 1 << 29 ? 4 : 1;
		NAME(turn)(to + r, wide, from + r * pitch, off, n, columns);
	}
}

typedef float NAME(oct) __attribute__((vector_size(32), aligned(4), may_alias));

#define GATHER(T)                                                                                                      \
	for (int64_t k = 0; k < depth; k++, to += width) {                                                                 \
		const float *f = from + off[k];                                                                                \
		for (int i = 0; i < n; i++) *(T *)(to + p[i].to) = *(const T *)(f + p[i].from);                                \
	}
TARGET static void NAME(gather)(float *to, int64_t width, const float *from, const int32_t *off, int64_t depth,
	const piece *p, int n, int longest) {
	if (longest <= 4) {
		GATHER(NAME(quad))
	} else if (longest <= 8 || LANES < 8) {
		GATHER(NAME(oct))
	} else {
		GATHER(VEC)
	}
}
#undef GATHER

TARGET static void NAME(split)(float *to, const float *from, int64_t n) {
	typedef int32_t order __attribute__((vector_size(16)));
	int64_t t = 0;
	for (; t + 4 < n; t += 4) // the last element read is 2t + 7
		*(NAME(quad) *)(to + t) = __builtin_shuffle(*(const NAME(quad) *)(from + 2 * t), *(const NAME(quad) *)(from + 2 * t + 4), (order){0, 2, 4, 6});
	for (; t < n; t++) to[t] = from[2 * t];
}

TARGET static void NAME(merge)(float *to, const float *a, const float *b, int64_t n) {
	typedef int32_t order __attribute__((vector_size(16)));
	int64_t t = 0;
	for (; t + 4 <= n; t += 4) {
		const NAME(quad) u = *(const NAME(quad) *)(a + t), v = *(const NAME(quad) *)(b + t);
		*(NAME(quad) *)(to + 2 * t) = __builtin_shuffle(u, v, (order){0, 4, 1, 5});
		*(NAME(quad) *)(to + 2 * t + 4) = __builtin_shuffle(u, v, (order){2, 6, 3, 7});
	}
	for (; t < n; t++) {
		to[2 * t] = a[t];
		to[2 * t + 1] = b[t];
	}
}

// BLEND is a where mask, else b, of any vectors.
#define BLEND(mask, a, b) ((__typeof__(a))(((mask) & (__typeof__(mask))(a)) | (~(mask) & (__typeof__(mask))(b))))

TARGET static void NAME(larger)(float *to, const float *from, int64_t n) {
	int64_t t = 0;
	for (; t + LANES <= n; t += LANES) {
		const VEC a = *(const VEC *)(to + t), b = *(const VEC *)(from + t);
		*(VEC *)(to + t) = BLEND((b > a) | (b != b), b, a);
	}
	for (; t < n; t++) to[t] = from[t] > to[t] || from[t] != from[t] ? from[t] : to[t];
}

TARGET static void NAME(award)(float *to, const float *x, const float *y, float *left, int64_t n) {
	int64_t t = 0;
	for (; t + LANES <= n; t += LANES) {
		const VEC v = *(const VEC *)(x + t), largest = *(const VEC *)(y + t), rest = *(const VEC *)(left + t), none = {0};
		const __typeof__(v < v) take = (v == largest) | ((v != v) & (largest != largest));
		*(VEC *)(to + t) = BLEND(take, rest, none);
		*(VEC *)(left + t) = BLEND(take, none, rest);
	}
	for (; t < n; t++) {
		const int take = x[t] == y[t] || (x[t] != x[t] && y[t] != y[t]);
		to[t] = take ? left[t] : 0;
		if (take) left[t] = 0;
	}
}
#undef BLEND

TARGET static void NAME(zero)(float *to, int64_t n) {
	int64_t t = 0;
	for (; t + LANES <= n; t += LANES) *(VEC *)(to + t) = (VEC){0};
	for (; t + 4 <= n; t += 4) *(NAME(quad) *)(to + t) = (NAME(quad)){0};
	for (; t < n; t++) to[t] = 0;
}

static const nitrain_loops NAME(loops) = {LANES, NAME(tile), NAME(dots), NAME(copy), NAME(zero), NAME(transpose), NAME(turn), NAME(gather),
	NAME(split), NAME(merge), NAME(larger), NAME(award)};

#undef VEC
