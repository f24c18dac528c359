//go:build cgo

// A convolution makes output j of an axis from inputs stride*j + dilation*tap - before. Its gradient makes input p from
// the outputs (p + before - dilation*tap)/stride that are whole numbers. Both are cut along each axis into classes of
// positions that see the same taps, and into residues of the dilation, so that a class is a dense convolution of a
// subsampled array: few planes are needed for a block of outputs, however large the dilation.

#include "conv_plan.h"

#include <string.h>

static int64_t gcd(int64_t a, int64_t b) {
	while (b) {
		const int64_t r = a % b;
		a = b;
		b = r;
	}
	return a;
}

int64_t nitrain_selection(const nitrain_conv *c, int axis, int64_t set, int64_t *tap, int64_t *skip) {
	*tap = 0;
	*skip = 1;
	if (c->pass == 0) return c->kernel[axis];
	const int64_t s = c->stride[axis], d = c->dilation[axis];
	*skip = s / gcd(s, d);
	for (int64_t a = 0; a < *skip && a < c->kernel[axis]; a++)
		if (a * d % s == set) {
			*tap = a;
			return (c->kernel[axis] - a + *skip - 1) / *skip;
		}
	return 0;
}

lattice nitrain_lattice(const plan *p, int axis, int64_t k) {
	const nitrain_conv *c = &p->c;
	const int64_t s = c->stride[axis], before = c->before[axis];
	int64_t d = c->dilation[axis], common = gcd(s, d);
	lattice l = {.first = k, .apart = p->classes[axis], .unit = 1, .step = 1};
	l.count = (p->made[axis] - k + l.apart - 1) / l.apart;
	if (c->pass == 0) {
		l.taps = nitrain_selection(c, axis, 0, &l.tap, &l.skip);
		l.base = k * s - before;
		l.unit = l.taps == 1 ? l.apart * s : axis < 2 ? d : common;
		l.step = l.apart * s / l.unit;
		l.between = l.taps == 1 ? 0 : d / l.unit;
		return l;
	}
	l.set = ((k + before) % s + s) % s;
	l.taps = nitrain_selection(c, axis, l.set, &l.tap, &l.skip);
	if (!l.taps) return l;
	// The taps that are seen are skip apart: outputs d/common apart.
	d /= common;
	l.base = nitrain_divide(k + before - l.tap * c->dilation[axis], s) - (l.taps - 1) * d;
	l.unit = axis < 2 ? d : 1;
	l.step = l.apart / s / l.unit;
	l.between = -d / l.unit;
	l.at = (l.taps - 1) * d / l.unit;
	return l;
}

int64_t nitrain_kernel(const plan *p, int64_t group, const lattice axes[3]) {
	const nitrain_conv *c = &p->c;
	int64_t taps[3], sum[3] = {0, 0, 0}, tap, skip;
	for (int i = 0; i < 3; i++)
		for (int64_t s = 0; s < axes[i].set; s++) sum[i] += nitrain_selection(c, i, s, &tap, &skip);
	for (int i = 0; i < 3; i++) taps[i] = axes[i].taps;
	const int64_t before = (sum[0] * c->kernel[1] + taps[0] * sum[1]) * c->kernel[2] + taps[0] * taps[1] * sum[2];
	return (group * c->kernel[0] * c->kernel[1] * c->kernel[2] + before) * nitrain_up(p->rows, ROWS) * p->depth;
}

enum {
	DEPTH = 640,       // products of a sum that are added up in registers
	PANEL = 256,       // the same where positions are gathered: a panel stays in the nearest cache
	REGION = 96 << 10, // floats of input that an item may hold
	BUFFER = 64 << 10, // floats of output
	MOST = 512,        // vectors of an item
	SUMS = 128 << 10,  // floats of the gradient of the weights
	SHARE = 256,       // rows of an item
	ITEMS = 3,         // for each thread, at least, where there is enough
};

int64_t nitrain_span(const plan *p, int64_t n, int64_t *low) {
	int64_t high = 0;
	*low = INT64_MAX;
	for (int64_t k = 0; k < p->classes[2]; k++) {
		const lattice l = nitrain_lattice(p, 2, k);
		if (!l.taps) continue;
		const int64_t end = l.base / l.unit + (n - 1) * l.step + reach(&l) + 1;
		high = *low == INT64_MAX ? end : nitrain_max(high, end);
		*low = nitrain_min(*low, l.base);
	}
	if (*low == INT64_MAX) *low = high = 0;
	if (p->c.pass == 0) {
		const lattice l = nitrain_lattice(p, 2, 0);
		return nitrain_up((n - 1) * l.step + reach(&l) + 1, l.step);
	}
	return high - *low;
}

// extent returns how many planes or lines of the input n outputs reach.
static int64_t extent(const plan *p, int axis, int64_t n) {
	int64_t most = 1;
	for (int64_t k = 0; k < nitrain_min(p->classes[axis], p->c.stride[axis]); k++) {
		const lattice l = nitrain_lattice(p, axis, k);
		if (l.taps) most = nitrain_max(most, (n - 1) * l.step + reach(&l) + 1);
	}
	return most;
}

// copied returns how many inputs of a channel an item reads, and region how many of them it holds at a time.
static int64_t copied(const plan *p, const int64_t block[4]) {
	int64_t low;
	return block[0] * extent(p, 0, block[1]) * extent(p, 1, block[2]) * nitrain_span(p, block[3], &low);
}

static int64_t region(const plan *p, const int64_t block[4]) {
	if (!p->ring) return copied(p, block);
	const int64_t one[4] = {1, 1, block[2], block[3]};
	return copied(p, one);
}

static int64_t vectors(const plan *p, const int64_t block[4]) {
	const int64_t across = p->c.pass ? p->c.stride[2] : 1;
	return block[0] * block[1] * block[2] * (nitrain_up(block[3], p->l->lanes) / p->l->lanes) * across;
}

static int64_t items(const plan *p, const int64_t block[4]) {
	int64_t n = (p->c.batch + block[0] - 1) / block[0] * p->c.groups * p->shares;
	for (int i = 0; i < 3; i++) n *= (p->widest[i] + block[i + 1] - 1) / block[i + 1] * (i < 2 ? p->classes[i] : 1);
	return n;
}

// fits tells whether an item may be so large.
static int fits(const plan *p, const int64_t b[4]) {
	if (p->channels * region(p, b) > REGION) return 0;
	if (p->ring && b[0] > 1) return 0;
	if (p->direct && p->channels >= p->depth) return b[0] * b[2] * b[3] <= MOST * p->l->lanes && (p->ring || vectors(p, b) <= MOST);
	if (p->planewise) return b[2] * b[3] * p->share <= BUFFER && b[2] * b[3] <= MOST * p->l->lanes / 4;
	return vectors(p, b) * p->l->lanes * p->share <= BUFFER && vectors(p, b) <= MOST;
}

// grow makes blocks larger while they fit, that along which least input is read twice.
static void grow(plan *p, const int64_t most[4]) {
	static const int order[] = {LINES, PLANES, IMAGES};
	for (;;) {
		int64_t best[4], b[4];
		double least = -1;
		for (int i = 0; i < 3; i++) {
			memcpy(b, p->block, sizeof b);
			if (b[order[i]] == most[order[i]]) continue;
			b[order[i]] = nitrain_min(2 * b[order[i]], most[order[i]]);
			if (!fits(p, b)) continue;
			const double cost = (double)copied(p, b) / (double)vectors(p, b);
			if (least >= 0 && cost >= least) continue;
			least = cost;
			memcpy(best, b, sizeof b);
		}
		if (least < 0) return;
		memcpy(p->block, best, sizeof best);
	}
}

// divide makes smaller items until there are enough, of positions first, of rows where positions are few.
static void divide(plan *p, int64_t enough) {
	const int64_t few = VECTORS * p->l->lanes;
	while (items(p, p->block) < enough) {
		int64_t *b = p->block;
		const int i = b[IMAGES] > 1 ? IMAGES : b[PLANES] > b[LINES] ? PLANES : LINES;
		if (b[i] > 1 && b[0] * b[1] * b[2] * b[3] >= 2 * few) {
			b[i] = (b[i] + 1) / 2;
		} else if (p->share > 2 * ROWS) {
			p->share = nitrain_up(p->share / 2, ROWS);
			p->shares = (p->rows + p->share - 1) / p->share;
		} else if (b[i] > 1) {
			b[i] = (b[i] + 1) / 2;
		} else {
			return;
		}
	}
}

// gathered tells whether gathering positions costs less than the vectors that lines do not fill. A tap of a vector of
// positions takes half a cycle a row; a piece takes about one and a half to copy.
static int gathered(const plan *p) {
	const double count = (double)p->widest[2], lanes = p->l->lanes, rows = (double)nitrain_min(p->rows, SHARE);
	const double full = (double)nitrain_up(p->widest[2], p->l->lanes) / count;
	const double pieces = count < lanes ? lanes / count + 0.5 : full > 1 ? 2 : 1;
	return rows / 2 + 1.5 * pieces + 1 < 0.97 * rows / 2 * full;
}

// set_axes fills in what depends on the convolution alone.
static void set_axes(plan *p, const nitrain_conv *c, int threads) {
	*p = (plan){.c = *c, .l = nitrain_choose(), .slots = threads};
	const int input = c->pass == 1;
	p->rows = (input ? c->in : c->out) / c->groups;
	p->depth = (input ? c->out : c->in) / c->groups;
	for (int i = 0; i < 3; i++) {
		if (c->kernel[i] == 1) p->c.dilation[i] = 1;
		p->from[i] = input ? c->to[i] : c->size[i];
		p->made[i] = input ? c->size[i] : c->to[i];
		const int64_t s = p->c.stride[i], d = p->c.dilation[i];
		p->classes[i] = i == 2 ? (input ? s : 1) : d / gcd(s, d) * (input ? s : 1);
		p->widest[i] = (p->made[i] + p->classes[i] - 1) / p->classes[i];
	}
}

static int64_t taps_of(const nitrain_conv *c) { return c->kernel[0] * c->kernel[1] * c->kernel[2]; }

// set_share makes items of at most so many rows.
static void set_share(plan *p, int64_t most) {
	p->shares = (p->rows + most - 1) / most;
	p->share = nitrain_up((p->rows + p->shares - 1) / p->shares, ROWS);
	p->shares = (p->rows + p->share - 1) / p->share;
}

// set_block makes items as large as fits.
static void set_block(plan *p) {
	const int64_t block[4] = {1, 1, 1, nitrain_min(p->widest[2], 512)}, most[4] = {p->c.batch, p->widest[0], p->widest[1], p->widest[2]};
	memcpy(p->block, block, sizeof block);
	grow(p, most);
}

// set_sizes counts items and what they need.
static void set_sizes(plan *p) {
	const int64_t most[4] = {p->c.batch, p->widest[0], p->widest[1], p->widest[2]};
	p->items = p->c.groups * p->shares;
	for (int i = 0; i < 4; i++) {
		p->blocks[i] = (most[i] + p->block[i] - 1) / p->block[i];
		p->items *= p->blocks[i] * (i == PLANES || i == LINES ? p->classes[i - 1] : 1);
	}
	p->vectors = vectors(p, p->block);
	p->region = nitrain_up(p->channels * region(p, p->block) + 64, 16);
	p->offsets = nitrain_up(p->channels * taps_of(&p->c), 16);
}

void nitrain_plan(plan *p, const nitrain_conv *c, int threads) {
	set_axes(p, c, threads);
	const int64_t taps = taps_of(c);
	p->packed = gathered(p);
	const int64_t deep = p->packed ? PANEL : DEPTH;
	const int64_t times = nitrain_min((p->depth * taps + deep - 1) / deep, p->depth);
	p->channels = (p->depth + times - 1) / times;
	set_share(p, SHARE);
	p->direct = !p->packed && p->classes[2] == 1 && p->made[2] % p->l->lanes == 0 && (p->classes[1] == 1 || p->made[2] >= 3 * p->l->lanes);
	p->ring = p->packed || p->widest[0] == 1 ? 0 : extent(p, 0, 1);
	const int64_t line[4] = {1, 1, 1, nitrain_min(p->widest[2], 512)};
	while (p->channels > 1 && p->channels * region(p, line) > REGION) p->channels = (p->channels + 1) / 2;
	set_block(p);
	if (threads > 1) divide(p, ITEMS * (int64_t)threads);
	set_sizes(p);
	p->weights = nitrain_up(c->groups * nitrain_up(p->rows, ROWS) * p->depth * taps, 16);
	p->bias = nitrain_up(c->groups * nitrain_up(p->rows, ROWS), 16);
	p->buffer = p->direct && p->channels >= p->depth ? 0 : nitrain_up(p->share, ROWS) * p->vectors * p->l->lanes;
	p->panel = p->packed ? nitrain_up(p->channels * taps * (3 * p->l->lanes + 1), 16) + 16 : 0;
	p->slot = p->region + p->offsets + p->buffer + nitrain_up(2 * p->vectors, 16) + p->panel;
}

void nitrain_plan_weights(plan *p, const nitrain_conv *c, int threads) {
	nitrain_conv forward = *c;
	forward.pass = 0;
	set_axes(p, &forward, threads);
	const int64_t taps = taps_of(c), lanes = p->l->lanes;
	// Several blocks of channels where taps are few, so that tiles are full and the gradient is read seldom.
	p->channels = nitrain_min(lanes * nitrain_max(1, 24 / taps), p->depth < lanes ? p->depth : nitrain_up(p->depth, lanes));
	const int64_t most = nitrain_max(SUMS / (taps * p->channels), ROWS), blocks = (p->depth + p->channels - 1) / p->channels;
	set_share(p, nitrain_min(most, SHARE));
	p->planewise = p->depth % lanes == 0 && p->widest[0] > 1 && p->widest[1] * p->widest[2] >= 256;
	p->ring = p->planewise ? extent(p, 0, 1) : 0;
	set_block(p);
	set_sizes(p);
	while (threads > 1 && p->planewise && p->items * blocks < 2 * ITEMS * (int64_t)threads && p->block[PLANES] > 1) {
		p->block[PLANES] = (p->block[PLANES] + 1) / 2;
		set_sizes(p);
	}
	while (threads > 1 && p->items * blocks < ITEMS * (int64_t)threads && p->share > 2 * ROWS) {
		set_share(p, p->share / 2);
		set_sizes(p);
	}
}
