// The inner loops of Map, included once for each instruction set: NAME(f) names the variant, TARGET chooses the
// instructions. Loops are plain, for the compiler to make vectors of; a destination may be a source.

#define EACH _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)
#define LOOP(name)                                                                                                     \
	TARGET static void NAME(name)(void *d_, const void *a_, const void *b_, const void *c_, int64_t n, unsigned scalars)
#define UNUSED (void)a_, (void)b_, (void)c_, (void)scalars

#define UNARY(name, A, D, value)                                                                                       \
	LOOP(name) {                                                                                                       \
		UNUSED;                                                                                                        \
		D *d = d_;                                                                                                     \
		const A *a = a_;                                                                                               \
		EACH {                                                                                                         \
			const A x = a[i];                                                                                          \
			d[i] = value;                                                                                              \
		}                                                                                                              \
	}

// BINARY has loops of its own for an operand that is one number.
#define BINARY(name, A, D, value)                                                                                      \
	LOOP(name) {                                                                                                       \
		UNUSED;                                                                                                        \
		D *d = d_;                                                                                                     \
		const A *a = a_, *b = b_;                                                                                      \
		if (scalars & 2) {                                                                                             \
			const A y = b[0];                                                                                          \
			EACH {                                                                                                     \
				const A x = a[i];                                                                                      \
				d[i] = value;                                                                                          \
			}                                                                                                          \
		} else if (scalars & 1) {                                                                                      \
			const A x = a[0];                                                                                          \
			EACH {                                                                                                     \
				const A y = b[i];                                                                                      \
				d[i] = value;                                                                                          \
			}                                                                                                          \
		} else {                                                                                                       \
			EACH {                                                                                                     \
				const A x = a[i], y = b[i];                                                                            \
				d[i] = value;                                                                                          \
			}                                                                                                          \
		}                                                                                                              \
	}

#define PLAIN(name, A, D, value)                                                                                       \
	LOOP(name) {                                                                                                       \
		UNUSED;                                                                                                        \
		D *d = d_;                                                                                                     \
		const A *a = a_, *b = b_;                                                                                      \
		EACH {                                                                                                         \
			const A x = a[i], y = b[i];                                                                                \
			d[i] = value;                                                                                              \
		}                                                                                                              \
	}

BINARY(add_f, f32, f32, x + y)
BINARY(sub_f, f32, f32, x - y)
BINARY(mul_f, f32, f32, x * y)
BINARY(div_f, f32, f32, x / y)
BINARY(max_f, f32, f32, (x > y) | (x != x) ? x : y)
BINARY(min_f, f32, f32, (x < y) | (x != x) ? x : y)
PLAIN(pow_f, f32, f32, pow_f(x, y))
PLAIN(rem_f, f32, f32, fmodf(x, y))
UNARY(neg_f, f32, f32, -x)
UNARY(abs_f, f32, f32, fabsf(x))
UNARY(sign_f, f32, f32, x > 0 ? 1.0f : x < 0 ? -1.0f : x)
UNARY(exp_f, f32, f32, exp_f(x))
UNARY(expm1_f, f32, f32, expm1_f(x))
UNARY(log_f, f32, f32, log_f(x))
UNARY(log1p_f, f32, f32, log1p_f(x))
UNARY(tanh_f, f32, f32, tanh_f(x))
UNARY(logistic_f, f32, f32, logistic_f(x))
UNARY(erf_f, f32, f32, erf_f(x))
UNARY(turn_sin, f32, f32, turn(x, 0))
UNARY(turn_cos, f32, f32, turn(x, 1))
UNARY(floor_f, f32, f32, floorf(x))
UNARY(ceil_f, f32, f32, ceilf(x))
UNARY(round_f, f32, f32, rintf(x))
BINARY(eq_f, f32, i32, x == y)
BINARY(ne_f, f32, i32, x != y)
BINARY(lt_f, f32, i32, x < y)
BINARY(le_f, f32, i32, x <= y)
UNARY(nan_f, f32, i32, x != x)
UNARY(finite_f, f32, i32, fabsf(x) <= 3.40282347e38f)
BINARY(add_i, u32, u32, x + y)
BINARY(sub_i, u32, u32, x - y)
BINARY(mul_i, u32, u32, x * y)
BINARY(max_i, i32, i32, x > y ? x : y)
BINARY(min_i, i32, i32, x < y ? x : y)
UNARY(neg_i, u32, u32, 0 - x)
UNARY(abs_i, i32, u32, x < 0 ? 0 - (u32)x : (u32)x)
UNARY(sign_i, i32, i32, (x > 0) - (x < 0))
BINARY(eq_i, i32, i32, x == y)
BINARY(ne_i, i32, i32, x != y)
BINARY(lt_i, i32, i32, x < y)
BINARY(le_i, i32, i32, x <= y)
BINARY(and_b, i32, i32, x & y)
BINARY(or_b, i32, i32, x | y)
BINARY(xor_b, i32, i32, x ^ y)
UNARY(not_b, i32, i32, x ^ 1)
UNARY(to_float, i32, f32, (f32)x)
UNARY(to_int, f32, i32, (i32)x)
UNARY(to_bool, f32, i32, x != 0)
UNARY(int_to_bool, i32, i32, x != 0)

UNARY(inverse, f32, f32, 1.0f / x)

// Compilers keep the square root of C for its error number, so it is called by instruction.
LOOP(sqrt_f) {
	UNUSED;
	f32 *d = d_;
	const f32 *a = a_;
	int64_t i = 0;
	for (; i + (int64_t)(sizeof(ROOTS) / sizeof(f32)) <= n; i += sizeof(ROOTS) / sizeof(f32)) *(ROOTS *)(d + i) = ROOT(*(const ROOTS *)(a + i));
	if (i < n) {
		ROOTS rest = {0};
		memcpy(&rest, a + i, (size_t)(n - i) * sizeof(f32));
		rest = ROOT(rest);
		memcpy(d + i, &rest, (size_t)(n - i) * sizeof(f32));
	}
}

LOOP(rsqrt_f) {
	NAME(sqrt_f)(d_, a_, b_, c_, n, scalars);
	NAME(inverse)(d_, d_, b_, c_, n, scalars);
}

LOOP(expand) {
	UNUSED;
	u32 *d = d_;
	const u32 x = *(const u32 *)a_;
	EACH d[i] = x;
}

LOOP(select) {
	UNUSED;
	u32 *d = d_;
	const u32 *b = b_, *c = c_;
	const i32 *a = a_;
	switch (scalars) {
	case 0: EACH {
		const u32 x = b[i], y = c[i];
		d[i] = a[i] ? x : y;
	} break;
	case 2: {
		const u32 x = *b;
		EACH {
			const u32 y = c[i];
			d[i] = a[i] ? x : y;
		}
	} break;
	case 4: {
		const u32 y = *c;
		EACH {
			const u32 x = b[i];
			d[i] = a[i] ? x : y;
		}
	} break;
	default: {
		const u32 x = *b, y = *c;
		EACH d[i] = a[i] ? x : y;
	}
	}
}

LOOP(mul_add) {
	UNUSED;
	f32 *d = d_;
	const f32 *a = a_, *b = b_, *c = c_;
	switch (scalars) {
	case 0: EACH d[i] = FMA(a[i], b[i], c[i]); break;
	case 2: {
		const f32 y = *b;
		EACH d[i] = FMA(a[i], y, c[i]);
	} break;
	case 4: {
		const f32 z = *c;
		EACH d[i] = FMA(a[i], b[i], z);
	} break;
	default: {
		const f32 y = *b, z = *c;
		EACH d[i] = FMA(a[i], y, z);
	}
	}
}

// large mends what turn cannot.
static void NAME(large)(f32 *d, const f32 *a, int64_t n, float (*f)(float)) {
	for (int64_t i = 0; i < n; i++)
		if (fabsf(a[i]) > TRIG_LIMIT) d[i] = f(a[i]);
}

TARGET static int NAME(any_large)(const f32 *a, int64_t n) {
	u32 any = 0;
	EACH any |= fabsf(a[i]) > TRIG_LIMIT;
	return (int)any;
}

#define TRIG(name, f)                                                                                                  \
	LOOP(name##_f) {                                                                                                   \
		f32 old[TRIG_CHUNK];                                                                                           \
		for (int64_t t = 0; t < n; t += TRIG_CHUNK) {                                                                  \
			const int64_t m = n - t < TRIG_CHUNK ? n - t : TRIG_CHUNK;                                                 \
			const f32 *a = (const f32 *)a_ + t;                                                                        \
			const int mend = NAME(any_large)(a, m);                                                                    \
			if (mend) memcpy(old, a, (size_t)m * sizeof(f32));                                                         \
			NAME(turn_##name)((f32 *)d_ + t, a, b_, c_, m, scalars);                                                   \
			if (mend) NAME(large)((f32 *)d_ + t, old, m, f);                                                           \
		}                                                                                                              \
	}
TRIG(sin, sinf)
TRIG(cos, cosf)

TARGET static void NAME(widen)(i32 *d, const uint8_t *s, int64_t stride, int64_t n) {
	if (stride == 1) EACH d[i] = s[i];
	else EACH d[i] = s[i * stride];
}

TARGET static void NAME(narrow)(uint8_t *d, const i32 *s, int64_t stride, int64_t n) {
	if (stride == 1) EACH d[i] = (uint8_t)s[i];
	else EACH d[i * stride] = (uint8_t)s[i];
}

TARGET static void NAME(gather)(u32 *d, const u32 *s, int64_t stride, int64_t n) {
	if (stride == -1) EACH d[i] = s[-i];
	else if (stride == 2) EACH d[i] = s[2 * i];
	else EACH d[i] = s[i * stride];
}

TARGET static void NAME(spread)(u32 *d, const u32 *s, int64_t stride, int64_t n) {
	EACH d[i * stride] = s[i];
}

TARGET static void NAME(count)(i32 *d, int64_t from, int64_t stride, int64_t n) {
	EACH d[i] = (i32)(from + i * stride);
}

// Reductions of a run to one number: in LANES running values, which are then folded in halves.
#define FOLD(name, T, ACC, LANES, first, join)                                                                         \
	TARGET static ACC NAME(name)(const T *x, int64_t n) {                                                              \
		ACC acc[LANES];                                                                                                \
		for (int l = 0; l < LANES; l++) acc[l] = first;                                                                \
		int64_t t = 0;                                                                                                 \
		for (; t + LANES <= n; t += LANES)                                                                             \
			_Pragma("GCC ivdep") for (int l = 0; l < LANES; l++) {                                                     \
				const ACC a = acc[l], b = (ACC)x[t + l];                                                               \
				acc[l] = join;                                                                                         \
			}                                                                                                          \
		for (int l = 0; t + l < n; l++) {                                                                              \
			const ACC a = acc[l], b = (ACC)x[t + l];                                                                   \
			acc[l] = join;                                                                                             \
		}                                                                                                              \
		_Pragma("GCC unroll 8") for (int half = LANES / 2; half > 0; half /= 2)                                        \
			_Pragma("GCC ivdep") for (int l = 0; l < half; l++) {                                                      \
				const ACC a = acc[l], b = acc[l + half];                                                               \
				acc[l] = join;                                                                                         \
			}                                                                                                          \
		return acc[0];                                                                                                 \
	}
#define MAX_OF (a > b) | (a != a) ? a : b
#define MIN_OF (a < b) | (a != a) ? a : b
FOLD(sum_long, f32, f32, 64, 0, a + b)
FOLD(sum_short, f32, f32, 8, 0, a + b)
FOLD(max_long, f32, f32, 64, -INFINITY, MAX_OF)
FOLD(max_short, f32, f32, 8, -INFINITY, MAX_OF)
FOLD(min_long, f32, f32, 64, INFINITY, MIN_OF)
FOLD(min_short, f32, f32, 8, INFINITY, MIN_OF)
FOLD(sum_ints, u32, u32, 16, 0, a + b)
FOLD(max_ints, i32, i32, 16, INT32_MIN, MAX_OF)
FOLD(min_ints, i32, i32, 16, INT32_MAX, MIN_OF)

// fold joins a run into a cell.
TARGET static void NAME(fold)(int how, cell *into, const void *x, int64_t n) {
	switch (how) {
	case SUM_F: into->d += (double)(n < 128 ? NAME(sum_short)(x, n) : NAME(sum_long)(x, n)); break;
	case MAX_F: {
		const f32 a = into->f, b = n < 128 ? NAME(max_short)(x, n) : NAME(max_long)(x, n);
		into->f = MAX_OF;
	} break;
	case MIN_F: {
		const f32 a = into->f, b = n < 128 ? NAME(min_short)(x, n) : NAME(min_long)(x, n);
		into->f = MIN_OF;
	} break;
	case SUM_I: into->i = (i32)((u32)into->i + NAME(sum_ints)(x, n)); break;
	case MAX_I: {
		const i32 a = into->i, b = NAME(max_ints)(x, n);
		into->i = a > b ? a : b;
	} break;
	default: {
		const i32 a = into->i, b = NAME(min_ints)(x, n);
		into->i = a < b ? a : b;
	}
	}
}

// join joins a row into the running values of its columns: doubles for SUM_F, 32 bits otherwise.
#define JOIN(T, B, join)                                                                                               \
	{                                                                                                                  \
		T *acc = acc_;                                                                                                 \
		const B *x = x_;                                                                                               \
		EACH {                                                                                                         \
			const T a = acc[i], b = (T)x[i];                                                                           \
			acc[i] = join;                                                                                             \
		}                                                                                                              \
	}                                                                                                                  \
	break
TARGET static void NAME(join)(int how, void *restrict acc_, const void *x_, int64_t n) {
	switch (how) {
	case SUM_F: JOIN(double, f32, a + b);
	case MAX_F: JOIN(f32, f32, MAX_OF);
	case MIN_F: JOIN(f32, f32, MIN_OF);
	case SUM_I: JOIN(u32, u32, a + b);
	case MAX_I: JOIN(i32, i32, MAX_OF);
	default: JOIN(i32, i32, MIN_OF);
	}
}
#undef JOIN

// transpose copies rows x columns elements: d[r * drow + c] = s[c * scolumn + r].
TARGET static void NAME(transpose)(u32 *d, int64_t drow, const u32 *s, int64_t scolumn, int64_t rows, int64_t columns) {
	int64_t r = 0;
	for (; r + SIDE <= rows; r += SIDE) {
		int64_t c = 0;
		for (; c + SIDE <= columns; c += SIDE) NAME(square)(d + r * drow + c, drow, s + c * scolumn + r, scolumn);
		if (c < columns) REST(d + r * drow + c, drow, s + c * scolumn + r, scolumn, SIDE, columns - c);
	}
	if (r < rows) REST(d + r * drow, drow, s + r, scolumn, rows - r, columns);
}

static const map_loops NAME(loops) = {
	.op = {
		[ADD_F] = NAME(add_f), [SUB_F] = NAME(sub_f), [MUL_F] = NAME(mul_f), [DIV_F] = NAME(div_f), [MAX_OP_F] = NAME(max_f),
		[MIN_OP_F] = NAME(min_f), [POW_F] = NAME(pow_f), [REM_F] = NAME(rem_f), [NEG_F] = NAME(neg_f), [ABS_F] = NAME(abs_f),
		[SIGN_F] = NAME(sign_f), [SQRT_F] = NAME(sqrt_f), [RSQRT_F] = NAME(rsqrt_f), [EXP_F] = NAME(exp_f),
		[EXPM1_F] = NAME(expm1_f), [LOG_F] = NAME(log_f), [LOG1P_F] = NAME(log1p_f), [TANH_F] = NAME(tanh_f),
		[LOGISTIC_F] = NAME(logistic_f), [ERF_F] = NAME(erf_f), [SIN_F] = NAME(sin_f), [COS_F] = NAME(cos_f),
		[FLOOR_F] = NAME(floor_f), [CEIL_F] = NAME(ceil_f), [ROUND_F] = NAME(round_f), [EQUAL_F] = NAME(eq_f),
		[NOT_EQUAL_F] = NAME(ne_f), [LESS_F] = NAME(lt_f), [LESS_EQUAL_F] = NAME(le_f), [IS_NAN_F] = NAME(nan_f),
		[IS_FINITE_F] = NAME(finite_f), [ADD_I] = NAME(add_i), [SUB_I] = NAME(sub_i), [MUL_I] = NAME(mul_i),
		[MAX_OP_I] = NAME(max_i), [MIN_OP_I] = NAME(min_i), [NEG_I] = NAME(neg_i), [ABS_I] = NAME(abs_i),
		[SIGN_I] = NAME(sign_i), [EQUAL_I] = NAME(eq_i), [NOT_EQUAL_I] = NAME(ne_i), [LESS_I] = NAME(lt_i),
		[LESS_EQUAL_I] = NAME(le_i), [AND] = NAME(and_b), [OR] = NAME(or_b), [XOR] = NAME(xor_b), [NOT] = NAME(not_b),
		[SELECT] = NAME(select), [TO_FLOAT] = NAME(to_float), [TO_INT] = NAME(to_int), [TO_BOOL] = NAME(to_bool),
		[INT_TO_BOOL] = NAME(int_to_bool), [MUL_ADD_F] = NAME(mul_add), [EXPAND] = NAME(expand),
	},
	.widen = NAME(widen), .narrow = NAME(narrow), .gather = NAME(gather), .spread = NAME(spread), .count = NAME(count),
	.fold = NAME(fold), .join = NAME(join), .transpose = NAME(transpose),
};

#undef EACH
#undef LOOP
#undef UNUSED
#undef UNARY
#undef BINARY
#undef PLAIN
#undef TRIG
#undef FOLD
#undef MAX_OF
#undef MIN_OF
