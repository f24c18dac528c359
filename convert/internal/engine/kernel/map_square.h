// Squares of 32-bit elements, transposed in registers: d[r * drow + c] = s[c * scolumn + r].

typedef u32 quad __attribute__((vector_size(16), aligned(4), may_alias));
#define PAIR __builtin_shufflevector

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
#endif
