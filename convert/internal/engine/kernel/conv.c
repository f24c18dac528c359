//go:build cgo

// Convolution and the gradient of its input, direct: no column matrix is built. An item of work copies the lines of the
// input that it reads between zeros into memory of its thread, so that every tap of the kernel is the same vectors at
// another offset, and lets tiles of rows (output channels) by vectors (of positions) stay in registers while channels and
// taps go by.

#include "conv_plan.h"
#include "team.h"

#include <stdatomic.h>
#include <string.h>

typedef struct {
	const plan *p;
	const float *x, *w, *bias;
	float *y, *packed, *starts, *scratch;
	void *team;
	_Atomic int64_t next;
} job;

// pack lays a block of ROWS rows of the kernel and the bias out.
static void pack(void *arg, size_t task) {
	const job *j = arg;
	const plan *p = j->p;
	const nitrain_conv *c = &p->c;
	const int64_t blocks = nitrain_up(p->rows, ROWS) / ROWS, group = (int64_t)task / blocks, block = (int64_t)task % blocks;
	const int64_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2], rows = nitrain_min(ROWS, p->rows - block * ROWS);
	const int64_t row = c->pass ? taps : p->depth * taps, channel = c->pass ? p->rows * taps : taps; // distances in w
	const float *w = j->w + group * p->rows * p->depth * taps + block * ROWS * row;
	int64_t sets[3];
	for (int i = 0; i < 3; i++) sets[i] = c->pass ? c->stride[i] : 1;
	lattice a[3];
	for (int64_t r = 0; r < ROWS; r++)
		j->starts[(group * blocks + block) * ROWS + r] = j->bias && r < rows ? j->bias[group * p->rows + block * ROWS + r] : 0;
	if (sets[0] * sets[1] * sets[2] == 1) { // taps are in the order of the kernel
		float *to = j->packed + (group * blocks + block) * ROWS * p->depth * taps;
		if (rows < ROWS) memset(to, 0, (size_t)(ROWS * p->depth * taps) * sizeof(float));
		if (!c->pass) p->l->transpose(to, ROWS, w, row, rows, p->depth * taps);
		else for (int64_t i = 0; i < p->depth; i++) p->l->transpose(to + i * taps * ROWS, ROWS, w + i * channel, row, rows, taps);
		return;
	}
	for (int64_t s = 0; s < sets[0] * sets[1] * sets[2]; s++) {
		const int64_t set[3] = {s / sets[2] / sets[1], s / sets[2] % sets[1], s % sets[2]};
		for (int i = 0; i < 3; i++) {
			a[i].set = set[i];
			a[i].taps = nitrain_selection(c, i, set[i], &a[i].tap, &a[i].skip);
		}
		float *to = j->packed + nitrain_kernel(p, group, a) + block * ROWS * p->depth * a[0].taps * a[1].taps * a[2].taps;
		for (int64_t i = 0; i < p->depth; i++)
			for (int64_t z = 0; z < a[0].taps; z++)
				for (int64_t y = 0; y < a[1].taps; y++)
					for (int64_t x = 0; x < a[2].taps; x++, to += ROWS) {
						const int64_t tap = ((a[0].tap + z * a[0].skip) * c->kernel[1] + a[1].tap + y * a[1].skip) * c->kernel[2] +
							a[2].tap + x * a[2].skip;
						const float *from = w + i * channel + tap;
						for (int64_t r = 0; r < ROWS; r++) to[r] = r < rows ? from[r * row] : 0;
					}
	}
}

// across returns how many positions of a class along a line the item has.
static int64_t across(const plan *p, const item *t, const lattice *x) {
	return nitrain_max(0, nitrain_min(p->block[COLUMNS], x->count - t->from[2]));
}

// line_of returns where a line of positions of an item lies in the output.
static float *line_of(const job *j, const item *t, int64_t image, int64_t row, int64_t a, int64_t b) {
	const plan *p = j->p;
	const int64_t z = t->axes[0].first + t->axes[0].apart * (t->from[0] + a), y = t->axes[1].first + t->axes[1].apart * (t->from[1] + b);
	return j->y + ((((t->image + image) * p->c.groups + t->group) * p->rows + t->row + row) * p->made[0] + z) * p->made[1] * p->made[2] + y * p->made[2];
}

// A sink is where sums begin and end: in the buffer, or with the bias, or in the output.
typedef struct {
	int first, last; // of the blocks of channels
	int64_t apart;   // of blocks of rows in the packed kernel
} sink;

// strip multiplies vectors that lie side by side in the output: from v on, n of them.
static void strip(const job *j, const item *t, const sink *s, const float *w, int64_t depth, int64_t v, int n, float *buffer, float *y) {
	const plan *p = j->p;
	const float *at[VECTORS];
	for (int i = 0; i < n; i++) at[i] = t->region + t->at[v + i];
	const int64_t volume = p->made[0] * p->made[1] * p->made[2];
	for (int64_t r = 0; r < t->rows; r += ROWS) {
		float *here = buffer + r * t->wide + v * p->l->lanes, *to = here;
		const float *from = s->first ? j->bias ? j->starts + t->group * nitrain_up(p->rows, ROWS) + t->row + r : NULL : here;
		int64_t pitch = t->wide;
		if (p->direct && s->last) {
			to = y + r * volume;
			pitch = volume;
		}
		p->l->tile((int)nitrain_min(ROWS, t->rows - r), n, depth, w + r * s->apart, t->offsets, at, from, s->first ? 0 : t->wide, to, pitch,
			s->last && p->c.relu);
	}
}

// tiles multiplies the vectors that lie at t->at with the kernel of a class.
static void tiles(const job *j, const item *t, const sink *s, const float *w, int64_t depth, int64_t vectors, int64_t plane, int64_t planes, float *buffer) {
	const plan *p = j->p;
	if (!p->direct) {
		for (int64_t v = 0; v < vectors; v += VECTORS) strip(j, t, s, w, depth, v, (int)nitrain_min(VECTORS, vectors - v), buffer, NULL);
		return;
	}
	// Lines that follow one another are as one.
	const int joined = p->classes[1] == 1 && t->count[2] == p->made[2];
	const int64_t lines = joined ? 1 : t->count[1], each = t->count[2] / p->l->lanes * (joined ? t->count[1] : 1);
	int64_t v = 0;
	for (int64_t n = 0; n < t->images; n++)
		for (int64_t z = plane; z < plane + planes; z++)
			for (int64_t l = 0; l < lines; l++) {
				float *y = line_of(j, t, n, 0, z, l) + t->from[2];
				for (int64_t done = 0; done < each; done += VECTORS)
					strip(j, t, s, w, depth, v + done, (int)nitrain_min(VECTORS, each - done), buffer, y + done * p->l->lanes);
				v += each;
			}
}

// set_pieces cuts n positions from the first-th on, of lines of count positions that begin at t->at, into pieces.
static int set_pieces(const plan *p, const item *t, int64_t first, int64_t n, int64_t count, piece *to) {
	const int64_t most = nitrain_max(p->l->lanes, 8);
	int pieces = 0;
	for (int64_t done = 0, step; done < n; done += step) {
		const int64_t line = (first + done) / count, x = (first + done) % count;
		step = nitrain_min(nitrain_min(count - x, n - done), most);
		to[pieces++] = (piece){(int32_t)done, (int32_t)(t->at[line] + x)};
	}
	return pieces;
}

// panels is tiles for lines of count positions that begin at t->at: vectors of positions are gathered first.
static void panels(const job *j, const item *t, const sink *s, const float *w, int64_t depth, int64_t positions, int64_t count, float *buffer) {
	const plan *p = j->p;
	const int64_t lanes = p->l->lanes, width = 3 * lanes;
	int32_t *off = (int32_t *)t->panel;
	float *panel = t->panel + nitrain_up(depth, 16);
	for (int64_t k = 0; k < depth; k++) off[k] = (int32_t)(k * width);
	const float *const at[VECTORS] = {panel, panel + lanes, panel + 2 * lanes};
	// Two pairs of vectors rather than three and one.
	for (int64_t done = 0, n; done < positions; done += n) {
		const int64_t left = (positions - done + lanes - 1) / lanes, vectors = left == 4 ? 2 : nitrain_min(left, 3);
		n = nitrain_min(vectors * lanes, positions - done);
		piece pieces[3 * 16];
		const int many = set_pieces(p, t, done, n, count, pieces);
		p->l->gather(panel, width, t->region, t->offsets, depth, pieces, many, (int)nitrain_min(count, nitrain_max(lanes, 8)));
		for (int64_t r = 0; r < t->rows; r += ROWS) {
			float *to = buffer + r * t->wide + done;
			const float *from = s->first ? j->bias ? j->starts + t->group * nitrain_up(p->rows, ROWS) + t->row + r : NULL : to;
			p->l->tile((int)nitrain_min(ROWS, t->rows - r), (int)vectors, depth, w + r * s->apart, off, at, from, s->first ? 0 : t->wide, to, t->wide,
				s->last && p->c.relu);
		}
	}
}

// multiply adds the products of some channels, for planes of positions from one on.
static void multiply(const job *j, const item *t, int64_t channel, int64_t channels, int64_t plane, int64_t planes) {
	const plan *p = j->p;
	float *buffer = t->buffer;
	for (int64_t k = 0; k < p->classes[2]; k++) {
		const lattice axes[3] = {t->axes[0], t->axes[1], nitrain_lattice(p, 2, k)}, *x = &axes[2];
		const int64_t count = across(p, t, x), taps = axes[0].taps * axes[1].taps * x->taps;
		if (!count || !taps) continue;
		const int64_t shift = p->c.pass ? x->base + t->from[2] - t->low : 0;
		const int64_t vectors = nitrain_vectors(p, t, planes, shift, count, p->packed ? count : p->l->lanes);
		nitrain_offsets(p, t, x, channels, plane * axes[0].step);
		const float *w = j->packed + nitrain_kernel(p, t->group, axes) + (t->row * p->depth + channel * ROWS) * taps;
		const sink s = {.first = channel == 0, .last = channel + channels == p->depth, .apart = p->depth * taps};
		if (p->packed) {
			panels(j, t, &s, w, channels * taps, vectors * count, count, buffer);
			buffer += nitrain_up(vectors * count, p->l->lanes);
			continue;
		}
		tiles(j, t, &s, w, channels * taps, vectors, plane, planes, buffer + vectors / planes * plane * p->l->lanes);
		buffer += vectors / planes * t->count[0] * p->l->lanes;
	}
}

// fill computes an item plane by plane where its region is a ring.
static void fill(const job *j, const item *t) {
	const plan *p = j->p;
	const lattice *z = &t->axes[0];
	const int64_t planes = t->ring < t->extent[0] ? 1 : t->count[0];
	for (int64_t channel = 0; channel < p->depth; channel += p->channels) {
		const int64_t channels = nitrain_min(p->channels, p->depth - channel);
		int64_t copied = 0;
		for (int64_t plane = 0; plane < t->count[0]; plane += planes) {
			const int64_t from = nitrain_max(copied, plane * z->step), end = (plane + planes - 1) * z->step + reach(z) + 1;
			nitrain_region(p, t, j->x, channel, channels, from, end);
			copied = end;
			multiply(j, t, channel, channels, plane, planes);
		}
	}
}

// write_line writes one line of a class.
static void write_line(const plan *p, float *to, int64_t apart, const float *from, int64_t n) {
	if (!from) {
		for (int64_t i = 0; i < n; i++) to[i * apart] = 0;
	} else if (apart == 1) {
		p->l->copy(to, from, n);
	} else {
		for (int64_t i = 0; i < n; i++) to[i * apart] = from[i];
	}
}

// write copies the buffer to the output. Of two classes along lines, both are written at once.
static void write(const job *j, const item *t) {
	const plan *p = j->p;
	const float *buffer = t->buffer;
	const int64_t lines = t->images * t->count[0] * t->count[1];
	for (int64_t k = 0; k < p->classes[2]; k++) {
		const lattice x = nitrain_lattice(p, 2, k);
		const int64_t count = across(p, t, &x), wide = p->packed ? count : nitrain_up(count, p->l->lanes);
		if (!count) continue;
		const int none = t->axes[0].taps * t->axes[1].taps * x.taps == 0;
		const float *next = none ? buffer : buffer + nitrain_up(lines * wide, p->l->lanes);
		// The second of two classes has as many positions, or one fewer.
		const lattice other = nitrain_lattice(p, 2, 1);
		const int64_t pair = k == 0 && p->classes[2] == 2 && !none && other.taps ? across(p, t, &other) : 0;
		const int64_t beside = p->packed ? pair : nitrain_up(pair, p->l->lanes);
		for (int64_t r = 0; r < t->rows; r++) {
			const float *from = buffer + r * t->wide, *second = next + r * t->wide;
			const int64_t planes = t->images * t->count[0];
			for (int64_t plane = 0; plane < planes; plane++) {
				float *to = line_of(j, t, plane / t->count[0], r, plane % t->count[0], 0) + x.first + x.apart * t->from[2];
				for (int64_t b = 0; b < t->count[1]; b++, from += wide, second += beside, to += t->axes[1].apart * p->made[2]) {
					if (pair) p->l->merge(to, from, second, pair);
					write_line(p, to + x.apart * pair, x.apart, none ? NULL : from + pair, count - pair);
				}
			}
		}
		if (pair) return;
		buffer = next;
	}
}

static void work(void *arg, size_t slot) {
	job *j = arg;
	const plan *p = j->p;
	float *scratch = j->scratch + (int64_t)slot * p->slot;
	item t = {.region = scratch, .buffer = scratch + p->region, .offsets = (int32_t *)(scratch + p->region + p->buffer)};
	t.at = (int64_t *)(scratch + p->region + p->buffer + p->offsets);
	t.panel = scratch + p->slot - p->panel;
	t.wide = p->vectors * p->l->lanes;
	for (;;) {
		const int64_t number = atomic_fetch_add(&j->next, 1);
		if (number >= p->items || nitrain_team_stopped(j->team)) return;
		if (!nitrain_find(p, number, &t)) continue;
		fill(j, &t);
		if (!p->direct || t.axes[0].taps * t.axes[1].taps * t.axes[2].taps == 0) write(j, &t);
	}
}

int64_t nitrain_direct_scratch(const plan *p) { return p->weights + p->bias + p->slots * p->slot; }

void nitrain_direct(const plan *p, const float *x, const float *w, const float *bias, float *y, float *scratch, void *team) {
	job j = {.p = p, .x = x, .w = w, .bias = bias, .y = y, .packed = scratch, .team = team};
	j.starts = scratch + p->weights;
	j.scratch = j.starts + p->bias;
	nitrain_team_run(team, pack, (size_t)(p->c.groups * nitrain_up(p->rows, ROWS) / ROWS), &j);
	nitrain_team_run(team, work, (size_t)p->slots, &j);
}

int64_t nitrain_conv_scratch(const nitrain_conv *c, int threads) {
	if (c->pass == 2) return nitrain_direct_weights_scratch(c, threads) * 4;
	plan p;
	nitrain_plan(&p, c, threads);
	return nitrain_direct_scratch(&p) * 4;
}

void nitrain_conv_run(const nitrain_conv *c, const float *a, const float *b, const float *bias, float *y, void *scratch,
	int threads, void *team) {
	const uint64_t before = nitrain_flush();
	if (c->pass == 2) {
		nitrain_direct_weights(c, a, b, y, scratch, threads, team);
	} else {
		plan p;
		nitrain_plan(&p, c, threads);
		nitrain_direct(&p, a, b, bias, y, scratch, team);
	}
	nitrain_unflush(before);
}
