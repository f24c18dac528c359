//go:build cgo

// Convolution and its weight gradient, direct: no column matrix is built. The input is copied once with zeros around
// its rows, so that every kernel tap is the same row at another offset; taps outside in depth and height are left out.
// Forward, a tile of 8 channels by up to 48 elements stays in registers while the taps go by; for the weights, 4
// channels by 6 taps do while the rows go by. Rows much shorter than a vector are joined into planes first, at the
// price of computing the gaps between them.

#include "kernel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// A span is the part of a convolution that a row of the output sees.
typedef struct {
	int64_t in, channel;              // input channels, and the distance between them
	int outers, inners, outs;         // valid outer taps, inner taps, output channels (at most 8)
	const int64_t *outer, *at, *inner; // where taps lie in x; where an outer tap's weights start
	const float *w;
} span;

// A strip is some rows of some planes of the output seen through one outer tap.
typedef struct {
	const float *g, *x;
	int64_t planes, rows, length;
	int64_t gplane, grow, xplane, xrow; // distances
} strip;

typedef struct {
	int lanes;
	void (*row)(const span *s, const float *x, float *y, int64_t plane, int64_t length);
	void (*dots)(const strip *s, const float *const g[4], const float *const x[6], float sum[24]);
} loops;

#if defined(__x86_64__)
#define LANES 16
#define VEC vec512
#define NAME(f) f##_512
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#include "kernel_loops.h"
#undef LANES
#undef VEC
#undef NAME
#undef TARGET
#define LANES 8
#define VEC vec256
#define NAME(f) f##_256
#define TARGET __attribute__((target("avx2,fma")))
#include "kernel_loops.h"
#undef LANES
#undef VEC
#undef NAME
#undef TARGET
#endif
#define LANES 4
#define VEC vec128
#define NAME(f) f##_128
#define TARGET
#include "kernel_loops.h"

int nitrain_widest = 16;

// choose returns the widest loops that the processor runs.
static const loops *choose(void) {
#if defined(__x86_64__)
	if (nitrain_widest >= 16 && __builtin_cpu_supports("avx512f")) return &loops_512;
	if (nitrain_widest >= 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &loops_256;
#endif
	return &loops_128;
}

enum {
	MAX_TAPS = 1024, // that a plan holds; larger kernels are refused
	CACHE = 9216,    // floats that fit the nearest cache with room to spare
};

// A plan is a convolution with its rows laid out.
typedef struct {
	nitrain_conv c;
	const loops *l;
	int joined;                                // rows of a plane are one
	int64_t phase;                             // of a row of the padded input: every stride-th element lies together
	int64_t high, pitch, plane, channel;       // of the padded input: rows, row, plane, channel
	int64_t rows, length;                      // rows of an output plane, and their length
	int outers, inners;                        // taps in depth (and height); taps in (height and) width
	int64_t inner[MAX_TAPS];
} plan;


static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int make_plan(plan *p, const nitrain_conv *c) {
	*p = (plan){.c = *c, .l = choose()};
	const int64_t phase = c->to[2] + (c->k[2] - 1) * c->dilation[2] / c->stride[2], wide = phase * c->stride[2];
	const int64_t tall = c->to[1] + (c->k[1] - 1) * c->dilation[1];
	const double apart = (double)c->to[2] / (double)up(c->to[2], p->l->lanes);
	const double together = (double)c->to[1] * (double)c->to[2] / ((double)tall * (double)wide);
	p->joined = c->stride[1] == 1 && together > apart;
	p->phase = phase;
	p->pitch = wide;
	p->high = p->joined ? tall : c->size[1];
	p->plane = p->high * wide;
	p->channel = c->size[0] * p->plane;
	p->rows = p->joined ? 1 : c->to[1];
	p->length = p->joined ? (c->to[1] - 1) * wide + c->to[2] : c->to[2];
	p->outers = (int)(p->joined ? c->k[0] : c->k[0] * c->k[1]);
	const int64_t ky = p->joined ? c->k[1] : 1;
	if (ky * c->k[2] > MAX_TAPS || p->outers > MAX_TAPS) return -1;
	for (int64_t y = 0; y < ky; y++)
		for (int64_t x = 0; x < c->k[2]; x++) {
			const int64_t at = x * c->dilation[2];
			p->inner[p->inners++] = y * c->dilation[1] * wide + at % c->stride[2] * phase + at / c->stride[2];
		}
	return 0;
}

// Work space is kept between calls: fresh pages cost as much as the arithmetic.
static struct {
	pthread_mutex_t lock;
	void *block[4];
	size_t size[4];
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *take(size_t size, size_t *got) {
	pthread_mutex_lock(&spare.lock);
	int best = -1;
	for (int i = 0; i < 4; i++)
		if (spare.block[i] && spare.size[i] >= size && (best < 0 || spare.size[i] < spare.size[best])) best = i;
	void *block = NULL;
	if (best >= 0) {
		block = spare.block[best];
		*got = spare.size[best];
		spare.block[best] = NULL;
	}
	pthread_mutex_unlock(&spare.lock);
	if (block) return block;
	*got = size;
	return malloc(size);
}

static void give(void *block, size_t size) {
	pthread_mutex_lock(&spare.lock);
	int worst = 0;
	for (int i = 0; i < 4; i++) {
		if (!spare.block[i]) {
			worst = i;
			break;
		}
		if (spare.size[i] < spare.size[worst]) worst = i;
	}
	void *old = spare.block[worst];
	if (old && spare.size[worst] >= size) {
		old = block;
	} else {
		spare.block[worst] = block;
		spare.size[worst] = size;
	}
	pthread_mutex_unlock(&spare.lock);
	free(old);
}

typedef struct {
	plan *p;
	const float *x, *w, *g;
	float *xp, *wp, *gp, *y, *part;
	int64_t gpitch, gplane; // distances in the padded gradient
	int64_t tall, deep;     // rows and planes of a strip
	int64_t tasks, parts, blocks;
	int failed;
} job;

// pad_row copies a row of the input between zeros, the elements of one phase of the stride after another.
static void pad_row(const plan *p, float *to, const float *row) {
	const int64_t stride = p->c.stride[2], left = p->c.pad[2], size = p->c.size[2];
	for (int64_t f = 0; f < stride; f++, to += p->phase) {
		// Element t of the phase is row[t*stride + f - left].
		int64_t from = left > f ? (left - f + stride - 1) / stride : 0;
		int64_t end = (size - 1 + left - f) / stride + 1;
		if (size + left <= f) end = 0;
		if (end > p->phase) end = p->phase;
		if (from > end) from = end;
		memset(to, 0, (size_t)from * sizeof(float));
		if (stride == 1) memcpy(to + from, row + from - left, (size_t)(end - from) * sizeof(float));
		else for (int64_t t = from; t < end; t++) to[t] = row[t * stride + f - left];
		memset(to + end, 0, (size_t)(p->phase - end) * sizeof(float));
	}
}

// pad_channel copies channel i of the input.
static void pad_channel(void *arg, size_t i) {
	const job *j = arg;
	const plan *p = j->p;
	const nitrain_conv *c = &p->c;
	for (int64_t z = 0; z < c->size[0]; z++)
		for (int64_t y = 0; y < p->high; y++) {
			float *to = j->xp + (int64_t)i * p->channel + z * p->plane + y * p->pitch;
			const int64_t source = y - (p->joined ? c->pad[1] : 0);
			if (source < 0 || source >= c->size[1]) memset(to, 0, (size_t)p->pitch * sizeof(float));
			else pad_row(p, to, j->x + (((int64_t)i * c->size[0] + z) * c->size[1] + source) * c->size[2]);
		}
}

// pack_weights lays the kernel out as [out/8][outer][in][inner][8].
static void pack_weights(const job *j) {
	const plan *p = j->p;
	const int64_t in = p->c.in, taps = (int64_t)p->outers * p->inners;
	for (int64_t o = 0; o < up(p->c.out, 8); o++)
		for (int64_t i = 0; i < in; i++)
			for (int64_t t = 0; t < taps; t++) {
				const int64_t q = t / p->inners, s = t % p->inners;
				j->wp[((((o / 8) * p->outers + q) * in + i) * p->inners + s) * 8 + o % 8] =
					o < p->c.out ? j->w[(o * in + i) * taps + t] : 0;
			}
}

// taps lists the outer taps that reach into the input from plane z and row y of the output, and where in x they lie.
static int taps(const plan *p, int64_t z, int64_t y, int64_t *offset, int64_t *index) {
	const nitrain_conv *c = &p->c;
	const int64_t ky = p->joined ? 1 : c->k[1];
	int n = 0;
	for (int64_t a = 0; a < c->k[0]; a++) {
		const int64_t sz = z * c->stride[0] + a * c->dilation[0] - c->pad[0];
		if (sz < 0 || sz >= c->size[0]) continue;
		for (int64_t b = 0; b < ky; b++) {
			const int64_t sy = p->joined ? 0 : y * c->stride[1] + b * c->dilation[1] - c->pad[1];
			if (sy < 0 || sy >= p->high) continue;
			offset[n] = sz * p->plane + sy * p->pitch;
			index[n++] = a * ky + b;
		}
	}
	return n;
}

// forward_part computes its share of the rows, every output channel of a row in turn.
static void forward_part(void *arg, size_t task) {
	const job *j = arg;
	const plan *p = j->p;
	const nitrain_conv *c = &p->c;
	const int64_t blocks = up(c->out, 8) / 8, all = c->n * c->to[0] * p->rows * blocks;
	const int64_t first = all * (int64_t)task / j->tasks, last = all * ((int64_t)task + 1) / j->tasks;
	const int64_t out = c->to[0] * c->to[1] * c->to[2];
	int64_t offset[MAX_TAPS], index[MAX_TAPS], start[MAX_TAPS], before = -1;
	float *joined = p->joined ? malloc((size_t)(8 * p->length) * sizeof(float)) : NULL;
	if (p->joined && !joined) {
		((job *)arg)->failed = 1;
		return;
	}
	span s = {.in = c->in, .channel = p->channel, .inners = p->inners, .outer = offset, .at = start, .inner = p->inner};
	for (int64_t item = first; item < last; item++) {
		const int64_t row = item / blocks, block = item % blocks;
		const int64_t y = row % p->rows, z = row / p->rows % c->to[0], n = row / p->rows / c->to[0];
		if (row != before) {
			s.outers = taps(p, z, y, offset, index);
			for (int q = 0; q < s.outers; q++) start[q] = index[q] * c->in * p->inners * 8;
			before = row;
		}
		s.w = j->wp + block * p->outers * c->in * p->inners * 8;
		s.outs = (int)(c->out - block * 8 < 8 ? c->out - block * 8 : 8);
		const float *x = j->xp + n * c->in * p->channel;
		float *to = j->y + (n * c->out + block * 8) * out + z * c->to[1] * c->to[2] + y * c->to[2];
		if (!p->joined) {
			p->l->row(&s, x, to, out, p->length);
			continue;
		}
		p->l->row(&s, x, joined, p->length, p->length);
		for (int o = 0; o < s.outs; o++)
			for (int64_t r = 0; r < c->to[1]; r++)
				memcpy(to + o * out + r * c->to[2], joined + o * p->length + r * p->pitch, (size_t)c->to[2] * sizeof(float));
	}
	free(joined);
}

// pad_input fills j->xp, and zeros what may be read past its end.
static void pad_input(job *j, nitrain_run run, void *pool) {
	const plan *p = j->p;
	run(pool, pad_channel, (size_t)(p->c.n * p->c.in), j);
	memset(j->xp + p->c.n * p->c.in * p->channel, 0, 64 * sizeof(float));
}

int nitrain_forward(const nitrain_conv *c, const float *x, const float *w, float *y, nitrain_run run, void *pool) {
	plan p;
	if (make_plan(&p, c)) return -1;
	const int64_t padded = up(c->n * c->in * p.channel + 64, 16);
	const int64_t weights = up(c->out, 8) * c->in * p.outers * p.inners;
	size_t got;
	float *space = take((size_t)(padded + weights) * sizeof(float), &got);
	if (!space) return -1;
	job j = {.p = &p, .x = x, .w = w, .y = y, .xp = space, .wp = space + padded};
	pad_input(&j, run, pool);
	pack_weights(&j);
	const int64_t items = c->n * c->to[0] * p.rows * (up(c->out, 8) / 8);
	j.tasks = items < 32 ? items : 32;
	run(pool, forward_part, (size_t)j.tasks, &j);
	give(space, got);
	return j.failed ? -1 : 0;
}

// pad_gradient copies plane i of the gradient so that rows end in zeros up to a whole vector, or, where rows are
// joined, lie as far apart as the input's.
static void pad_gradient(void *arg, size_t i) {
	const job *j = arg;
	const nitrain_conv *c = &j->p->c;
	for (int64_t y = 0; y < c->to[1]; y++) {
		float *to = j->gp + (int64_t)i * j->gplane + y * j->gpitch;
		memcpy(to, j->g + ((int64_t)i * c->to[1] + y) * c->to[2], (size_t)c->to[2] * sizeof(float));
		const int64_t end = y + 1 < c->to[1] ? j->gpitch : j->gplane - y * j->gpitch;
		memset(to + c->to[2], 0, (size_t)(end - c->to[2]) * sizeof(float));
	}
}

// valid narrows the range [*from, *to) of output positions to those whose tap lies inside an input of the given size.
static void valid(int64_t stride, int64_t shift, int64_t size, int64_t *from, int64_t *to) {
	while (*from < *to && *from * stride + shift < 0) ++*from;
	while (*to > *from && (*to - 1) * stride + shift >= size) --*to;
}

// gather adds the products of a strip to the sums [out][in][inner] of its outer tap, for output channels [o, end).
static void gather(const job *j, const strip *s, int64_t o, int64_t end, float *sums) {
	const plan *p = j->p;
	const int64_t columns = p->c.in * p->inners, gchannel = p->c.to[0] * j->gplane;
	for (; o < end; o += 4) {
		const float *g[4], *x[6];
		float dot[24];
		for (int k = 0; k < 4; k++) g[k] = s->g + (o + k < end ? o + k : end - 1) * gchannel;
		for (int64_t col = 0; col < columns; col += 6) {
			for (int k = 0; k < 6; k++) {
				const int64_t at = col + k < columns ? col + k : columns - 1;
				x[k] = s->x + at / p->inners * p->channel + p->inner[at % p->inners];
			}
			p->l->dots(s, g, x, dot);
			for (int k = 0; k < 4 && o + k < end; k++)
				for (int m = 0; m < 6 && col + m < columns; m++) sums[(o + k) * columns + col + m] += dot[k * 6 + m];
		}
	}
}

// weights_part adds up its share of the planes for its share of the output channels.
static void weights_part(void *arg, size_t task) {
	const job *j = arg;
	const plan *p = j->p;
	const nitrain_conv *c = &p->c;
	const int64_t part = (int64_t)task / j->blocks, block = (int64_t)task % j->blocks;
	const int64_t quads = up(c->out, 4) / 4, per_tap = c->out * c->in * p->inners;
	const int64_t o = 4 * (quads * block / j->blocks);
	int64_t end = 4 * (quads * (block + 1) / j->blocks);
	if (end > c->out) end = c->out;
	float *sums = j->part + part * p->outers * per_tap;
	for (int q = 0; q < p->outers; q++)
		memset(sums + q * per_tap + o * c->in * p->inners, 0, (size_t)((end - o) * c->in * p->inners) * sizeof(float));
	const int64_t slabs = (c->to[0] + j->deep - 1) / j->deep, strips = (p->rows + j->tall - 1) / j->tall;
	const int64_t all = c->n * slabs * strips, ky = p->joined ? 1 : c->k[1];
	for (int64_t item = all * part / j->parts; item < all * (part + 1) / j->parts; item++) {
		const int64_t n = item / strips / slabs, z = item / strips % slabs * j->deep, y = item % strips * j->tall;
		for (int q = 0; q < p->outers; q++) {
			const int64_t shift = q / ky * c->dilation[0] - c->pad[0], down = p->joined ? 0 : q % ky * c->dilation[1] - c->pad[1];
			int64_t z0 = z, z1 = z + j->deep < c->to[0] ? z + j->deep : c->to[0];
			int64_t y0 = y, y1 = y + j->tall < p->rows ? y + j->tall : p->rows;
			valid(c->stride[0], shift, c->size[0], &z0, &z1);
			valid(c->stride[1], down, p->high, &y0, &y1);
			if (z0 >= z1 || y0 >= y1) continue;
			const strip s = {
				.g = j->gp + (n * c->out * c->to[0] + z0) * j->gplane + y0 * j->gpitch,
				.x = j->xp + n * c->in * p->channel + (z0 * c->stride[0] + shift) * p->plane + (y0 * c->stride[1] + down) * p->pitch,
				.planes = z1 - z0, .rows = y1 - y0, .length = p->joined ? j->gplane : j->gpitch,
				.gplane = j->gplane, .grow = j->gpitch, .xplane = c->stride[0] * p->plane, .xrow = c->stride[1] * p->pitch,
			};
			gather(j, &s, o, end, sums + q * per_tap);
		}
	}
}

// add_parts sums the parts in order and lays the weights out as ONNX does.
static void add_parts(const job *j, float *w) {
	const plan *p = j->p;
	const int64_t per_tap = p->c.out * p->c.in * p->inners, total = per_tap * p->outers;
	for (int64_t q = 0; q < p->outers; q++)
		for (int64_t oi = 0; oi < p->c.out * p->c.in; oi++)
			for (int64_t s = 0; s < p->inners; s++) {
				float sum = 0;
				for (int64_t part = 0; part < j->parts; part++) sum += j->part[part * total + q * per_tap + oi * p->inners + s];
				w[(oi * p->outers + q) * p->inners + s] = sum;
			}
}

int nitrain_weights(const nitrain_conv *c, const float *x, const float *g, float *w, nitrain_run run, void *pool) {
	plan p;
	if (make_plan(&p, c)) return -1;
	job j = {.p = &p, .x = x, .g = g};
	const int64_t lanes = p.l->lanes;
	j.gpitch = p.joined ? p.pitch : up(c->to[2], lanes);
	j.gplane = p.joined ? up(p.length, lanes) : c->to[1] * j.gpitch;
	const int copied = j.gplane != c->to[1] * c->to[2];
	// A strip of 4 channels of the gradient and 2 of the input stays in the nearest cache.
	const int64_t fit = CACHE / (6 * (p.joined ? p.plane : p.pitch));
	j.tall = fit < 1 ? 1 : fit < p.rows ? fit : p.rows;
	j.deep = fit / p.rows < 1 ? 1 : fit / p.rows < c->to[0] ? fit / p.rows : c->to[0];
	const int64_t quads = up(c->out, 4) / 4, strips = c->n * ((p.rows + j.tall - 1) / j.tall) * ((c->to[0] + j.deep - 1) / j.deep);
	j.blocks = quads >= 8 ? 8 : 1;
	j.parts = j.blocks > 1 ? 1 : (strips < 8 ? strips : 8);
	const int64_t padded = up(c->n * c->in * p.channel + 64 + p.l->lanes, 16);
	const int64_t grads = copied ? c->n * c->out * c->to[0] * j.gplane : 0;
	const int64_t sums = j.parts * c->out * c->in * p.inners * p.outers;
	size_t got;
	float *space = take((size_t)(padded + grads + sums) * sizeof(float), &got);
	if (!space) return -1;
	j.xp = space;
	j.gp = copied ? space + padded : (float *)g;
	j.part = space + padded + grads;
	pad_input(&j, run, pool);
	if (copied) run(pool, pad_gradient, (size_t)(c->n * c->out * c->to[0]), &j);
	run(pool, weights_part, (size_t)(j.parts * j.blocks), &j);
	add_parts(&j, w);
	give(space, got);
	return 0;
}
