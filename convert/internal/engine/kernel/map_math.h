// Functions of one float32, written without branches so that compilers make vectors of them. Denormal arguments and results
// are zeros. Coefficients: testdata/gen/polynomials.py; reduction of arguments after Cody and Waite, Software Manual for the
// Elementary Functions, 1980.

#ifndef NITRAIN_MAP_MATH_H
#define NITRAIN_MAP_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define MAGIC 12582912.0f // 1.5 * 2^23: adding it rounds to a whole number, which stands in the low bits
#define LOG2E 1.44269504f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f

INLINE uint32_t bits_of(float x) {
	uint32_t b;
	memcpy(&b, &x, sizeof b);
	return b;
}

INLINE float float_of(uint32_t b) {
	float x;
	memcpy(&x, &b, sizeof x);
	return x;
}

// power_of_two is 2^n for -126 <= n <= 127.
INLINE float power_of_two(int32_t n) { return float_of((uint32_t)(n + 127) << 23); }

INLINE float with_sign(float magnitude, float sign) {
	return float_of((bits_of(magnitude) & 0x7fffffffu) | (bits_of(sign) & 0x80000000u));
}

// A comparison with NaN is false, so that NaN passes each of the clamps below.
INLINE float at_most(float x, float most) { return x > most ? most : x; }
INLINE float at_least(float x, float least) { return x < least ? least : x; }

INLINE float exp_f(float x) {
	x = at_least(at_most(x, 89.0f), -104.0f);
	const float t = x * LOG2E + MAGIC, k = t - MAGIC;
	const int32_t n = (int32_t)(bits_of(t) - bits_of(MAGIC)), half = n >> 1;
	const float r = (x - k * LN2_HIGH) - k * LN2_LOW;
	float q = 0.00138144672f;
	q = q * r + 0.00836878084f;
	q = q * r + 0.0416683927f;
	q = q * r + 0.166665196f;
	q = q * r + 0.49999994f;
	const float p = (r * r) * q + r + 1.0f;
	return p * power_of_two(half) * power_of_two(n - half);
}

INLINE float expm1_f(float all) {
	float x = at_least(at_most(all, 89.0f), -20.0f);
	const float t = x * LOG2E + MAGIC, k = t - MAGIC;
	const int32_t n = (int32_t)(bits_of(t) - bits_of(MAGIC));
	const float r = (x - k * LN2_HIGH) - k * LN2_LOW;
	float q = 0.000198458845f;
	q = q * r + 0.00139407197f;
	q = q * r + 0.00833338965f;
	q = q * r + 0.0416663587f;
	q = q * r + 0.166666657f;
	q = q * r + 0.5f;
	const float p = (r * r) * q + r, h = power_of_two(n - 1);
	return fabsf(all) < 1e-20f ? all : 2.0f * (h * p + (h - 0.5f));
}

// log_sum is log(1 + r) + k * log(2) but for the last term.
INLINE float log_sum(float r, float k) {
	float q = 0.0674663857f;
	q = q * r + -0.116756514f;
	q = q * r + 0.118881628f;
	q = q * r + -0.124055892f;
	q = q * r + 0.142195523f;
	q = q * r + -0.166679963f;
	q = q * r + 0.200021192f;
	q = q * r + -0.250000089f;
	q = q * r + 0.333333135f;
	const float z = r * r;
	float y = r * z * q;
	y = k * LN2_LOW + y;
	y = -0.5f * z + y;
	return r + y;
}

// exponent_of is e where x = m * 2^e and m lies between sqrt(1/2) and sqrt(2).
INLINE int32_t exponent_of(uint32_t b) { return (int32_t)(b - 0x3f3504f3u) >> 23; }

// log_at_edges puts in what is no number, or no finite one.
INLINE float log_at_edges(float x, float y) {
	y = x > 3.40282347e38f ? x : y;
	y = x == 0 ? -INFINITY : y;
	y = x < 0 ? NAN : y;
	return x != x ? x : y;
}

INLINE float log_f(float x) {
	const uint32_t b = bits_of(x);
	const int32_t e = exponent_of(b);
	const float m = float_of(b - ((uint32_t)e << 23)), k = (float)e;
	return log_at_edges(x, log_sum(m - 1.0f, k) + k * LN2_HIGH);
}

INLINE float log1p_f(float x) {
	const float u = 1.0f + x;
	const uint32_t b = bits_of(u);
	const int32_t e = exponent_of(b), small = x > -0.29f && x < 0.414f;
	const float m = float_of(b - ((uint32_t)e << 23)), k = small ? 0.0f : (float)e;
	const float r = small ? x : m - 1.0f, s = log_sum(r, k), lost = x - (u - 1.0f);
	const float y = small ? s : s + lost / u + k * LN2_HIGH;
	return small ? y : log_at_edges(u, y);
}

INLINE float tanh_f(float x) {
	const float e = expm1_f(-2.0f * fabsf(x));
	return with_sign(e / (2.0f + e), x);
}

INLINE float logistic_f(float x) {
	const float e = exp_f(-fabsf(x)), d = 1.0f + e, lost = e - (d - 1.0f); // the denominator is d + lost
	const float y = (x < 0 ? e : 1.0f) / d, inverse = x < 0 ? 1.0f - y : y;
	return y - y * (lost * inverse);
}

INLINE float erf_f(float x) {
	const float t = at_most(fabsf(x), 4.0f), z = x * x;
	float p = -0.000595374149f;
	p = p * z + 0.00498594064f;
	p = p * z + -0.02676172f;
	p = p * z + 0.112816826f;
	p = p * z + -0.376124799f;
	p = p * z + 0.128379151f;
	const float near = fabsf(x) < 1e-20f ? x * 1.12837917f : p * x + x; // p * x must not be flushed
	float q = 1.12312755e-05f;
	q = q * t + -0.000322803564f;
	q = q * t + 0.003642458f;
	q = q * t + -0.0237620603f;
	q = q * t + 0.106236875f;
	q = q * t + 0.635151327f;
	q = q * t + 0.12864849f;
	const float far = 1.0f - exp_f(-(q * t + t));
	return t > 0.925f ? with_sign(far, x) : near;
}

// TRIG_LIMIT bounds the arguments that turn reduces well enough; the rest goes to the library of C.
#define TRIG_LIMIT 100000.0f

// turn is the sine of x + quarters * pi/2.
INLINE float turn(float x, int32_t quarters) {
	const float t = x * 0.636619772f + MAGIC, k = t - MAGIC;
	const int32_t n = (int32_t)(bits_of(t) - bits_of(MAGIC)) + quarters;
	const double d = k;
	const float r = (float)(((double)x - d * 1.57079632673412561417e+00) - d * 6.07710050650619224932e-11), z = r * r;
	float s = -0.000195120287f;
	s = s * z + 0.00833213702f;
	s = s * z + -0.166666538f;
	s = s * (z * r) + r;
	float c = 2.44348466e-05f;
	c = c * z + -0.00138873374f;
	c = c * z + 0.0416666456f;
	c = c * (z * z) + (1.0f - 0.5f * z);
	const float y = n & 1 ? c : s;
	return float_of(bits_of(y) ^ (uint32_t)(n & 2) << 30);
}

// log2_d is the logarithm of a positive finite float to base 2, by the series of the inverse hyperbolic tangent.
INLINE double log2_d(float x) {
	const uint32_t b = bits_of(x);
	const int32_t e = exponent_of(b);
	const double m = float_of(b - ((uint32_t)e << 23)), s = (m - 1) / (m + 1), z = s * s;
	double q = 1.0 / 15;
	q = q * z + 1.0 / 13;
	q = q * z + 1.0 / 11;
	q = q * z + 1.0 / 9;
	q = q * z + 1.0 / 7;
	q = q * z + 1.0 / 5;
	q = q * z + 1.0 / 3;
	q = q * z + 1.0;
	return (double)e + q * s * 2.88539008177792681472;
}

// exp2_d is 2^t, rounded to float.
INLINE float exp2_d(double t) {
	t = t > 160 ? 160 : t;
	t = t < -160 ? -160 : t;
	const double u = t + 6755399441055744.0, k = u - 6755399441055744.0, f = (t - k) * 0.693147180559945309417;
	double p = 1.0 / 362880;
	p = p * f + 1.0 / 40320;
	p = p * f + 1.0 / 5040;
	p = p * f + 1.0 / 720;
	p = p * f + 1.0 / 120;
	p = p * f + 1.0 / 24;
	p = p * f + 1.0 / 6;
	p = p * f + 0.5;
	p = p * f + 1.0;
	p = p * f + 1.0;
	const int32_t n = (int32_t)k, half = n >> 1;
	return (float)p * power_of_two(half) * power_of_two(n - half);
}

INLINE float pow_f(float x, float y) {
	const float a = fabsf(x);
	double l = log2_d(a);
	l = a > 3.40282347e38f ? INFINITY : l;
	l = a == 0 ? -INFINITY : l;
	float p = exp2_d(y * l);
	p = x != x ? x : p;
	// Whether y is whole and odd is asked without a conversion, which would be a branch.
	const int32_t negative = (int32_t)bits_of(x) >> 31;
	int32_t odd = floorf(y) == y ? negative : 0;
	odd = floorf(0.5f * y) == 0.5f * y ? 0 : odd;
	p = float_of(bits_of(p) ^ (uint32_t)odd << 31);
	int32_t undefined = floorf(y) == y ? 0 : negative;
	undefined = a == 0 ? 0 : undefined;
	undefined = a > 3.40282347e38f ? 0 : undefined;
	p = undefined ? NAN : p;
	float one = fabsf(y) > 3.40282347e38f ? 1.0f : p;
	one = a == 1 ? one : p;
	p = one;
	p = x == 1 ? 1.0f : p;
	return y == 0 ? 1.0f : p;
}

#endif
