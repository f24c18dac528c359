// Squares of 32-bit elements, transposed in registers: d[r * drow + c] = s[c * scolumn + r].

typedef u32 quad __attribute__((vector_size(16), aligned(4), may_alias));
#define PAIR __builtin_shufflevector

static void transpose_single(u32 *d, int64_t drow, const u32 *s, int64_t scolumn, int64_t rows, int64_t columns) {
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++) d[r * drow + c] = s[c * scolumn + r];
}

static inline void square_128(u32 *d, int64_t drow, const u32 *s, int64_t scolumn) {
	quad v[4], t[4];
	for (int i = 0; i < 4; i++) v[i] = *(const quad *)(s + i * scolumn);
	for (int i = 0; i < 2; i++) {
		t[2 * i] = PAIR(v[2 * i], v[2 * i + 1], 0, 4, 1, 5);
		t[2 * i + 1] = PAIR(v[2 * i], v[2 * i + 1], 2, 6, 3, 7);
	}
	for (int i = 0; i < 2; i++) {
		*(quad *)(d + 2 * i * drow) = PAIR(t[i], t[i + 2], 0, 1, 4, 5);
		*(quad *)(d + (2 * i + 1) * drow) = PAIR(t[i], t[i + 2], 2, 3, 6, 7);
	}
}

#if defined(__x86_64__)
typedef u32 octet __attribute__((vector_size(32), aligned(4), may_alias));

__attribute__((target("avx2"))) static inline void square_256(u32 *d, int64_t drow, const u32 *s, int64_t scolumn) {
	octet v[8], t[8];
	_Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) v[i] = *(const octet *)(s + i * scolumn);
	_Pragma("GCC unroll 4") for (int i = 0; i < 8; i += 2) {
		t[i] = PAIR(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
		t[i + 1] = PAIR(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
	}
	// t[i] has rows 0, 1 (and 4, 5), t[i+1] rows 2, 3 (and 6, 7) of two columns; v gets four columns.
	_Pragma("GCC unroll 2") for (int i = 0; i < 8; i += 4) {
		v[i] = PAIR(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
		v[i + 1] = PAIR(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
		v[i + 2] = PAIR(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
		v[i + 3] = PAIR(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
	}
	_Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {
		*(octet *)(d + i * drow) = PAIR(v[i], v[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
		*(octet *)(d + (i + 4) * drow) = PAIR(v[i], v[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
	}
}

typedef u32 line __attribute__((vector_size(64), aligned(4), may_alias));
#define SIXTEEN __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))) static inline

// square_512 reads and writes whole lines of the cache, each once: strides of a power of two put them all in one set.
SIXTEEN void square_512(u32 *d, int64_t drow, const u32 *s, int64_t scolumn) {
	line v[16], t[16];
	_Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) v[i] = *(const line *)(s + i * scolumn);
	_Pragma("GCC unroll 8") for (int i = 0; i < 16; i += 2) {
		t[i] = PAIR(v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
		t[i + 1] = PAIR(v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
	}
	_Pragma("GCC unroll 4") for (int i = 0; i < 16; i += 4) {
		v[i] = PAIR(t[i], t[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
		v[i + 1] = PAIR(t[i], t[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
		v[i + 2] = PAIR(t[i + 1], t[i + 3], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
		v[i + 3] = PAIR(t[i + 1], t[i + 3], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
	}
	// Quarter q of v[4g + k] is row 4q + k of columns 4g to 4g + 3.
	_Pragma("GCC unroll 4") for (int k = 0; k < 4; k++) {
		const line a = PAIR(v[k], v[4 + k], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
		const line b = PAIR(v[8 + k], v[12 + k], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
		*(line *)(d + k * drow) = PAIR(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
		*(line *)(d + (4 + k) * drow) = PAIR(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
		const line e = PAIR(v[k], v[4 + k], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
		const line f = PAIR(v[8 + k], v[12 + k], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
		*(line *)(d + (8 + k) * drow) = PAIR(e, f, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
		*(line *)(d + (12 + k) * drow) = PAIR(e, f, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
	}
}
#endif
