//go:build cgo

// The gradient of a convolution's weights: sums over positions of the products of the output's gradient with the input at
// each tap. Vectors are channels of the input, transposed so that they lie side by side: a tile is 8 output channels by 3
// taps, and every width of image is used in full. Channels that do not fill a vector are left to sums along lines, or, where
// output channels are many, vectors are channels and taps together, gathered into panels.
// The positions are cut into parts that are summed apart and added in order, so that the sums do not depend on who
// computes them.

#include "conv_plan.h"
#include "team.h"

#include <stdatomic.h>
#include <string.h>

enum { MANY = 24 }; // rows that pay for gathering channels and taps

typedef struct {
	plan p;
	int columns;                  // the rest of the channels is gathered with the taps
	int64_t taps, full, blocks;   // of the kernel; channels that vectors take; blocks of channels, with the rest
	int64_t spots, positions, parts; // items of a group; positions of an item; parts of the spots
	int64_t size;                 // floats of the weights
	int64_t turned, gradient, sums, slot; // floats of a thread's scratch memory: the region or a panel, gradient and sums
} layout;

typedef struct {
	const layout *l;
	const float *x, *g;
	float *dw, *parts, *scratch;
	void *team;
	_Atomic int64_t next;
} job;

// A place is what a thread works on and with.
typedef struct {
	item t;
	int64_t channel, channels, positions;
	float *turned, *gradient, *sums;
	int32_t *at;
} place;

static void lay_out(layout *l, const nitrain_conv *c, int threads) {
	nitrain_plan_weights(&l->p, c, threads);
	const plan *p = &l->p;
	const int64_t lanes = p->l->lanes, rest = p->depth % lanes, rows = nitrain_up(p->share, ROWS);
	l->taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
	l->size = c->out * p->depth * l->taps;
	l->full = p->depth - rest + (rest * 8 > lanes * 5 ? lanes : 0);
	l->blocks = (nitrain_min(l->full, p->depth) + p->channels - 1) / p->channels + (l->full < p->depth);
	l->spots = p->items / p->shares / c->groups;
	const int64_t units = l->blocks * p->shares * c->groups, enough = 3 * (int64_t)threads;
	l->parts = threads == 1 || units >= enough ? 1 : nitrain_min(l->spots, (enough + units - 1) / units);
	l->positions = p->block[0] * (p->planewise ? 1 : p->block[1]) * p->block[2] * p->block[3];
	l->columns = l->full < p->depth && p->share >= MANY;
	l->turned = l->full ? (p->region / p->channels + 1) * nitrain_up(p->channels, lanes) : 0;
	if (l->columns) l->turned = nitrain_max(l->turned, l->positions * 3 * lanes);
	l->gradient = rows * nitrain_max(l->positions, l->full < p->depth ? p->vectors * lanes : 0);
	l->sums = l->full ? rows * l->taps * nitrain_up(p->channels, lanes) : 0;
	if (l->columns) l->sums = nitrain_max(l->sums, rows * nitrain_up((p->depth - l->full) * l->taps, 3 * lanes));
	const int64_t lists = nitrain_up(3 * nitrain_max(l->positions, p->vectors), 16);
	l->slot = nitrain_up(p->region + p->offsets + l->turned + l->gradient + l->sums + lists, 16);
}

// A span is consecutive positions of the gradient.
typedef void (*span)(const job *j, const float *from, int64_t n, int64_t rows, int64_t apart, float *to, int64_t wide);

// turn transposes a span of ROWS rows or fewer.
static void turn(const job *j, const float *from, int64_t n, int64_t rows, int64_t apart, float *to, int64_t wide) {
	j->l->p.l->transpose(to, wide, from, apart, rows, n);
}

// copy copies a span of rows, with zeros behind.
static void copy(const job *j, const float *from, int64_t n, int64_t rows, int64_t apart, float *to, int64_t wide) {
	const nitrain_loops *l = j->l->p.l;
	for (int64_t r = 0; r < rows; r++) {
		if (n % l->lanes) l->zero(to + r * wide + n / l->lanes * l->lanes, l->lanes);
		l->copy(to + r * wide, from + r * apart, n);
	}
}

// spans calls f for every span of the gradient at the positions of an item, for some rows from the first-th on. The spans'

static void spans(const job *j, const item *t, int64_t first, int64_t rows, span f, float *to, int64_t wide, int64_t each, int64_t round) {
	const plan *p = &j->l->p;
	const lattice *a = t->axes;
	const int64_t plane = p->made[1] * p->made[2], image = p->made[0] * plane;
	int64_t lines = t->count[1], n = t->count[2];
	if (round == 1 && a[1].apart == 1 && n == p->made[2]) { // lines follow one another
		n *= lines;
		lines = 1;
	}
	for (int64_t i = 0; i < t->images; i++)
		for (int64_t z = 0; z < t->count[0]; z++)
			for (int64_t y = 0; y < lines; y++, to += nitrain_up(n, round) * each)
				f(j, j->g + (((t->image + i) * p->c.groups + t->group) * p->rows + first) * image + (a[0].first + a[0].apart * (t->from[0] + z)) * plane +
					(a[1].first + a[1].apart * (t->from[1] + y)) * p->made[2] + t->from[2], n, rows, image, to, wide);
}

// pack_gradient lays the gradient at an item's positions out: [rows/ROWS][positions][ROWS].
static void pack_gradient(const job *j, const place *o, const item *t) {
	for (int64_t r = 0; r < t->rows; r += ROWS) {
		const int64_t n = nitrain_min(ROWS, t->rows - r);
		float *to = o->gradient + r * o->positions;
		if (n < ROWS) memset(to, 0, (size_t)(ROWS * o->positions) * sizeof(float));
		spans(j, t, t->row + r, n, turn, to, ROWS, ROWS, 1);
	}
}

// turn_region copies planes [from, end) of what the item reads, and lays them out as [set][position][lanes].
static void turn_region(const job *j, const place *o, int64_t from, int64_t end) {
	const plan *p = &j->l->p;
	const item *t = &o->t;
	const int64_t lanes = p->l->lanes, plane = t->extent[1] * t->extent[2];
	nitrain_region(p, t, j->x, o->channel, o->channels, from, end);
	for (int64_t s = 0; s < o->channels; s += lanes) {
		const int64_t n = nitrain_min(lanes, o->channels - s);
		for (int64_t i = 0; i < t->images; i++)
			for (int64_t u = from; u < end; u++) {
				const int64_t at = (i * t->ring + u % t->ring) * plane;
				float *to = o->turned + (s * t->position + at * lanes);
				if (n < lanes) memset(to, 0, (size_t)(plane * lanes) * sizeof(float));
				p->l->transpose(to, lanes, t->region + s * t->position + at, t->position, n, plane);
			}
	}
}

// add_planes adds the products of some planes of an item to the sums, for channels that fill vectors.
static void add_planes(const job *j, place *o, int64_t plane, int64_t planes, int add) {
	const plan *p = &j->l->p;
	item t = o->t;
	const int64_t lanes = p->l->lanes, taps = j->l->taps, sets = (o->channels + lanes - 1) / lanes, wide = sets * taps * lanes;
	o->positions = nitrain_vectors(p, &t, planes, 0, t.count[2], 1);
	for (int64_t i = 0; i < o->positions; i++) o->at[i] = (int32_t)(t.at[i] * lanes);
	nitrain_offsets(p, &t, &t.axes[2], 1, plane * t.axes[0].step);
	t.from[0] += plane;
	t.count[0] = planes;
	pack_gradient(j, o, &t);
	for (int64_t v = 0, n; v < sets * taps; v += n) {
		const float *x[VECTORS];
		n = nitrain_min(sets * taps - v == 4 ? 2 : 3, sets * taps - v);
		for (int64_t i = 0; i < n; i++) x[i] = o->turned + ((v + i) / taps * t.position + t.offsets[(v + i) % taps]) * lanes;
		for (int64_t r = 0; r < t.rows; r += ROWS) {
			float *sums = o->sums + r * wide + v * lanes;
			p->l->tile((int)nitrain_min(ROWS, t.rows - r), (int)n, o->positions, o->gradient + r * o->positions, o->at, x, add ? sums : NULL, wide,
				sums, wide, 0);
		}
	}
}

// add_full adds an item's products to the sums, for channels that fill vectors.
static void add_full(const job *j, place *o, int add) {
	const item *t = &o->t;
	const lattice *z = &t->axes[0];
	const int64_t planes = j->l->p.planewise ? 1 : t->count[0];
	int64_t copied = 0;
	for (int64_t plane = 0; plane < t->count[0]; plane += planes) {
		const int64_t end = (plane + planes - 1) * z->step + reach(z) + 1;
		turn_region(j, o, nitrain_max(copied, plane * z->step), end);
		copied = end;
		add_planes(j, o, plane, planes, add || plane);
	}
}

// store_full lays the sums out as ONNX does.
static void store_full(const layout *l, const place *o, float *dw) {
	const plan *p = &l->p;
	const int64_t lanes = p->l->lanes, sets = (o->channels + lanes - 1) / lanes;
	for (int64_t r = 0; r < o->t.rows; r++)
		for (int64_t s = 0; s < sets; s++)
			p->l->transpose(dw + (r * p->depth + s * lanes) * l->taps, l->taps, o->sums + (r * sets + s) * l->taps * lanes, lanes,
				l->taps, nitrain_min(lanes, o->channels - s * lanes));
}

// add_columns adds an item's products to the sums, for vectors of channels and taps.
static void add_columns(const job *j, place *o, int add) {
	const plan *p = &j->l->p;
	item *t = &o->t;
	const int64_t lanes = p->l->lanes, width = 3 * lanes, columns = o->channels * j->l->taps, wide = nitrain_up(columns, width);
	const int64_t count = t->count[2], lines = nitrain_vectors(p, t, t->count[0], 0, count, count);
	o->positions = lines * count;
	nitrain_region(p, t, j->x, o->channel, o->channels, 0, t->extent[0]);
	nitrain_offsets(p, t, &t->axes[2], o->channels, 0);
	pack_gradient(j, o, t);
	for (int64_t i = 0; i < o->positions; i++) o->at[i] = (int32_t)(i * width);
	for (int64_t c = 0; c < columns; c += width) {
		const int64_t n = nitrain_min(width, columns - c);
		const float *const x[VECTORS] = {o->turned, o->turned + lanes, o->turned + 2 * lanes};
		for (int64_t line = 0; line < lines; line++)
			p->l->turn(o->turned + line * count * width, width, t->region + t->at[line], t->offsets + c, n, count);
		for (int64_t r = 0; r < t->rows; r += ROWS) {
			float *sums = o->sums + r * wide + c;
			p->l->tile((int)nitrain_min(ROWS, t->rows - r), (int)((n + lanes - 1) / lanes), o->positions, o->gradient + r * o->positions, o->at, x,
				add ? sums : NULL, wide, sums, wide, 0);
		}
	}
}

// store_columns lays the sums out as ONNX does.
static void store_columns(const layout *l, const place *o, float *dw) {
	const int64_t columns = o->channels * l->taps, wide = nitrain_up(columns, 3 * l->p.l->lanes);
	for (int64_t r = 0; r < o->t.rows; r++) memcpy(dw + r * l->p.depth * l->taps, o->sums + r * wide, (size_t)columns * sizeof(float));
}

// add_rest adds an item's products to the weights, for channels that do not fill a vector: sums along lines.
static void add_rest(const job *j, place *o, float *dw) {
	const plan *p = &j->l->p;
	item *t = &o->t;
	const int64_t taps = j->l->taps, columns = o->channels * taps, lanes = p->l->lanes;
	const int64_t vectors = nitrain_vectors(p, t, t->count[0], 0, t->count[2], lanes), wide = vectors * lanes;
	for (int64_t v = 0; v < vectors; v++) o->at[v] = (int32_t)t->at[v];
	spans(j, t, t->row, t->rows, copy, o->gradient, wide, 1, lanes);
	nitrain_region(p, t, j->x, o->channel, o->channels, 0, t->extent[0]);
	nitrain_offsets(p, t, &t->axes[2], o->channels, 0);
	for (int64_t r = 0; r < t->rows; r += 4) {
		const float *g[4], *x[6];
		float dot[24];
		for (int k = 0; k < 4; k++) g[k] = o->gradient + nitrain_min(r + k, t->rows - 1) * wide;
		for (int64_t m = 0; m < columns; m += 6) {
			for (int k = 0; k < 6; k++) x[k] = t->region + t->offsets[nitrain_min(m + k, columns - 1)];
			p->l->dots(vectors, g, x, o->at, dot);
			for (int64_t k = 0; k < 4 && r + k < t->rows; k++)
				for (int64_t i = 0; i < 6 && m + i < columns; i++) dw[(r + k) * p->depth * taps + m + i] += dot[k * 6 + i];
		}
	}
}

// sum computes a part of the gradient for a block of channels, of a share of the rows of a group.
static void sum(const job *j, place *o, int64_t part, int64_t group, int64_t share, int64_t block) {
	const layout *l = j->l;
	const plan *p = &l->p;
	const int64_t row = share * p->share, rows = nitrain_min(p->share, p->rows - row), places = l->spots / p->blocks[IMAGES];
	const int rest = block * p->channels >= l->full;
	o->channel = rest ? l->full : block * p->channels;
	o->channels = (rest ? p->depth : nitrain_min(o->channel + p->channels, nitrain_min(l->full, p->depth))) - o->channel;
	float *dw = (part ? j->parts + (part - 1) * l->size : j->dw) + ((group * p->rows + row) * p->depth + o->channel) * l->taps;
	const int lines = rest && !l->columns;
	if (lines)
		for (int64_t r = 0; r < rows; r++) memset(dw + r * p->depth * l->taps, 0, (size_t)(o->channels * l->taps) * sizeof(float));
	int add = 0;
	for (int64_t spot = l->spots * part / l->parts; spot < l->spots * (part + 1) / l->parts; spot++) {
		if (nitrain_team_stopped(j->team)) return;
		const int64_t number = (spot / places * p->c.groups + group) * places + spot % places;
		if (!nitrain_find(p, number * p->shares + share, &o->t)) continue;
		if (lines) add_rest(j, o, dw);
		else if (rest) add_columns(j, o, add);
		else add_full(j, o, add);
		add = 1;
	}
	if (lines) return;
	o->t.rows = rows;
	if (!add) memset(o->sums, 0, (size_t)l->sums * sizeof(float));
	if (rest) store_columns(l, o, dw);
	else store_full(l, o, dw);
}

static void work(void *arg, size_t slot) {
	job *j = arg;
	const layout *l = j->l;
	const plan *p = &l->p;
	float *scratch = j->scratch + (int64_t)slot * l->slot;
	place o = {.t = {.region = scratch, .offsets = (int32_t *)(scratch + p->region)}};
	o.turned = scratch + p->region + p->offsets;
	o.gradient = o.turned + l->turned;
	o.sums = o.gradient + l->gradient;
	o.t.at = (int64_t *)(o.sums + l->sums);
	o.at = (int32_t *)(o.t.at + nitrain_max(l->positions, p->vectors));
	for (;;) {
		const int64_t unit = atomic_fetch_add(&j->next, 1), share = unit / l->parts % p->shares, rest = unit / l->parts / p->shares;
		if (rest / l->blocks >= p->c.groups) return;
		sum(j, &o, unit % l->parts, rest / l->blocks, share, rest % l->blocks);
	}
}

// add_parts adds the parts to the first, which is the result.
static void add_parts(void *arg, size_t task) {
	const job *j = arg;
	const layout *l = j->l;
	const int64_t from = l->size * (int64_t)task / 16, end = l->size * ((int64_t)task + 1) / 16;
	for (int64_t part = 1; part < l->parts; part++) {
		const float *sums = j->parts + (part - 1) * l->size;
		for (int64_t i = from; i < end; i++) j->dw[i] += sums[i];
	}
}

int64_t nitrain_direct_weights_scratch(const nitrain_conv *c, int threads) {
	layout l;
	lay_out(&l, c, threads);
	return nitrain_up((l.parts - 1) * l.size, 16) + threads * l.slot;
}

void nitrain_direct_weights(const nitrain_conv *c, const float *x, const float *g, float *dw, float *scratch, int threads, void *team) {
	layout l;
	lay_out(&l, c, threads);
	job j = {.l = &l, .x = x, .g = g, .dw = dw, .parts = scratch, .team = team};
	j.scratch = scratch + nitrain_up((l.parts - 1) * l.size, 16);
	nitrain_team_run(team, work, (size_t)threads, &j);
	if (l.parts > 1) nitrain_team_run(team, add_parts, 16, &j);
}
