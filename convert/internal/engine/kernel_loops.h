// The inner loops, included once for each instruction set. LANES is the width of a vector, NAME(f) names the variant,
// TARGET chooses the instructions.

typedef float VEC __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

// tile computes `blocks` vectors along a row for 8 output channels: acc[o][b] = sum over q, i, j of
// w[q][i][j][o] * x[outer[q] + i*channel + inner[j] + b*LANES ..].
#define TILE(BLOCKS)                                                                                                   \
	TARGET static void NAME(tile##BLOCKS)(const span *s, const float *x, float *y, int64_t plane) {                    \
		VEC acc[8][BLOCKS];                                                                                            \
		_Pragma("GCC unroll 8") for (int o = 0; o < 8; o++)                                                            \
			_Pragma("GCC unroll 4") for (int b = 0; b < BLOCKS; b++) acc[o][b] = (VEC){0};                             \
		for (int q = 0; q < s->outers; q++) {                                                                          \
			const float *w = s->w + s->at[q];                                                                          \
			for (int64_t i = 0; i < s->in; i++) {                                                                      \
				const float *xi = x + s->outer[q] + i * s->channel;                                                    \
				for (int j = 0; j < s->inners; j++, w += 8) {                                                          \
					VEC v[BLOCKS];                                                                                     \
					_Pragma("GCC unroll 4") for (int b = 0; b < BLOCKS; b++) v[b] =                                    \
						*(const VEC *)(xi + s->inner[j] + b * LANES);                                                  \
					_Pragma("GCC unroll 8") for (int o = 0; o < 8; o++)                                                \
						_Pragma("GCC unroll 4") for (int b = 0; b < BLOCKS; b++) acc[o][b] += v[b] * w[o];             \
				}                                                                                                      \
			}                                                                                                          \
		}                                                                                                              \
		for (int o = 0; o < s->outs; o++)                                                                              \
			_Pragma("GCC unroll 4") for (int b = 0; b < BLOCKS; b++) *(VEC *)(y + o * plane + b * LANES) = acc[o][b];  \
	}
TILE(1)
TILE(2)
TILE(3)
#undef TILE

// row computes length elements of a row for s->outs <= 8 channels that lie `plane` apart. x may be read LANES past the
// end. The last tile overlaps the one before; rows shorter than a vector go through a buffer.
TARGET static void NAME(row)(const span *s, const float *x, float *y, int64_t plane, int64_t length) {
	if (length < LANES) {
		float buffer[8 * LANES];
		NAME(tile1)(s, x, buffer, LANES);
		for (int o = 0; o < s->outs; o++) memcpy(y + o * plane, buffer + o * LANES, (size_t)length * sizeof(float));
		return;
	}
	int64_t t = 0;
	for (; t + 3 * LANES <= length && t + 4 * LANES != length; t += 3 * LANES) NAME(tile3)(s, x + t, y + t, plane);
	for (; t + 2 * LANES <= length; t += 2 * LANES) NAME(tile2)(s, x + t, y + t, plane);
	for (; t + LANES <= length; t += LANES) NAME(tile1)(s, x + t, y + t, plane);
	if (t < length) NAME(tile1)(s, x + length - LANES, y + length - LANES, plane);
}

// dots computes the products of 4 rows of g with 6 of x, summed over planes of rows of s->length (a multiple of LANES).
TARGET static void NAME(dots)(const strip *s, const float *const g[4], const float *const x[6], float sum[24]) {
	VEC acc[4][6];
	_Pragma("GCC unroll 4") for (int o = 0; o < 4; o++)
		_Pragma("GCC unroll 6") for (int c = 0; c < 6; c++) acc[o][c] = (VEC){0};
	for (int64_t i = 0, r = 0, gr = 0, xr = 0; i < s->planes * s->rows; i++) {
		const float *g0 = g[0] + gr, *g1 = g[1] + gr, *g2 = g[2] + gr, *g3 = g[3] + gr;
		const float *x0 = x[0] + xr, *x1 = x[1] + xr, *x2 = x[2] + xr, *x3 = x[3] + xr, *x4 = x[4] + xr, *x5 = x[5] + xr;
		for (int64_t t = 0; t < s->length; t += LANES) {
			const VEC v[6] = {*(const VEC *)(x0 + t), *(const VEC *)(x1 + t), *(const VEC *)(x2 + t),
				*(const VEC *)(x3 + t), *(const VEC *)(x4 + t), *(const VEC *)(x5 + t)};
			VEC u = *(const VEC *)(g0 + t);
			_Pragma("GCC unroll 6") for (int c = 0; c < 6; c++) acc[0][c] += u * v[c];
			u = *(const VEC *)(g1 + t);
			_Pragma("GCC unroll 6") for (int c = 0; c < 6; c++) acc[1][c] += u * v[c];
			u = *(const VEC *)(g2 + t);
			_Pragma("GCC unroll 6") for (int c = 0; c < 6; c++) acc[2][c] += u * v[c];
			u = *(const VEC *)(g3 + t);
			_Pragma("GCC unroll 6") for (int c = 0; c < 6; c++) acc[3][c] += u * v[c];
		}
		const int next = ++r == s->rows;
		gr += next ? s->gplane - (s->rows - 1) * s->grow : s->grow;
		xr += next ? s->xplane - (s->rows - 1) * s->xrow : s->xrow;
		if (next) r = 0;
	}
	for (int i = 0; i < 24; i++) {
		float lane[LANES];
		memcpy(lane, &acc[i / 6][i % 6], sizeof lane);
		_Pragma("GCC unroll 4") for (int half = LANES / 2; half > 0; half /= 2)
			_Pragma("GCC unroll 8") for (int l = 0; l < half; l++) lane[l] += lane[l + half];
		sum[i] = lane[0];
	}
}

static const loops NAME(loops) = {LANES, NAME(row), NAME(dots)};
