//go:build cgo

// The gradient of a convolution's weights: sums over positions of the products of the output's gradient with the input at
// each tap. The positions are cut into parts that are summed apart and added in order, so that the sums do not depend on
// who computes them.

#include "conv_plan.h"
#include "team.h"

#include <stdatomic.h>
#include <string.h>

typedef struct {
	plan p;
	int64_t blocks, spots, parts; // of channels, of positions of a group, of these
	int64_t size, gradient, slot; // floats: of the weights, of a thread's copy of the gradient and its scratch memory
} layout;

typedef struct {
	const layout *l;
	const float *x, *g;
	float *dw, *sums, *scratch;
	void *team;
	_Atomic int64_t next;
} job;

static void lay_out(layout *l, const nitrain_conv *c, int threads) {
	nitrain_conv forward = *c;
	forward.pass = 0;
	nitrain_plan(&l->p, &forward, 1);
	plan *p = &l->p;
	l->size = c->out / c->groups * c->in * c->kernel[0] * c->kernel[1] * c->kernel[2];
	l->blocks = (p->depth + p->channels - 1) / p->channels;
	l->spots = p->items / p->shares / c->groups;
	const int64_t units = l->blocks * c->groups;
	l->parts = threads == 1 || units >= 4 * threads ? 1 : nitrain_min(l->spots, (4 * threads + units - 1) / units);
	l->gradient = nitrain_up(p->rows, 4) * p->vectors * p->l->lanes;
	l->slot = p->region + nitrain_up(p->offsets, 16) + nitrain_up(3 * p->vectors, 16) + l->gradient;
}

// copy_gradient copies the gradient at the positions of an item: [row][vectors], with zeros behind each line.
static void copy_gradient(const job *j, const item *t, float *to, int64_t wide) {
	const plan *p = &j->l->p;
	const int64_t plane = p->made[1] * p->made[2], lanes = p->l->lanes, count = t->count[2], length = nitrain_up(count, lanes);
	for (int64_t r = 0; r < p->rows; r++) {
		float *line = to + r * wide;
		for (int64_t n = 0; n < t->images; n++)
			for (int64_t a = 0; a < t->count[0]; a++)
				for (int64_t b = 0; b < t->count[1]; b++, line += length) {
					const int64_t z = t->axes[0].first + t->axes[0].apart * (t->from[0] + a), y = t->axes[1].first + t->axes[1].apart * (t->from[1] + b);
					const int64_t image = (t->image + n) * p->c.groups + t->group;
					if (length > count) p->l->zero(line + length - lanes, lanes);
					p->l->copy(line, j->g + (image * p->rows + r) * p->made[0] * plane + z * plane + y * p->made[2] + t->from[2], count);
				}
	}
}

// add adds an item's products to the sums of its part, for some channels.
static void add(const job *j, item *t, int64_t channel, int64_t channels, float *gradient, int32_t *at, float *sums) {
	const plan *p = &j->l->p;
	const int64_t taps = p->c.kernel[0] * p->c.kernel[1] * p->c.kernel[2], columns = channels * taps;
	const int64_t vectors = nitrain_vectors(p, t, 0, t->count[2], p->l->lanes), wide = vectors * p->l->lanes;
	for (int64_t v = 0; v < vectors; v++) at[v] = (int32_t)t->at[v];
	copy_gradient(j, t, gradient, wide);
	nitrain_region(p, t, j->x, channel, channels);
	nitrain_offsets(p, t, &t->axes[2], channels);
	sums += (t->group * p->rows * p->depth + channel) * taps;
	for (int64_t r = 0; r < p->rows; r += 4) {
		const float *g[4], *x[6];
		float dot[24];
		for (int k = 0; k < 4; k++) g[k] = gradient + nitrain_min(r + k, p->rows - 1) * wide;
		for (int64_t m = 0; m < columns; m += 6) {
			for (int k = 0; k < 6; k++) x[k] = t->region + t->offsets[nitrain_min(m + k, columns - 1)];
			p->l->dots(vectors, g, x, at, dot);
			for (int64_t k = 0; k < 4 && r + k < p->rows; k++)
				for (int64_t i = 0; i < 6 && m + i < columns; i++) sums[(r + k) * p->depth * taps + m + i] += dot[k * 6 + i];
		}
	}
}

static void work(void *arg, size_t slot) {
	job *j = arg;
	const layout *l = j->l;
	const plan *p = &l->p;
	float *scratch = j->scratch + (int64_t)slot * l->slot;
	item t = {.region = scratch, .offsets = (int32_t *)(scratch + p->region), .at = (int64_t *)(scratch + p->region + p->offsets)};
	int32_t *at = (int32_t *)(t.at + p->vectors);
	float *gradient = scratch + l->slot - l->gradient;
	const int64_t taps = p->c.kernel[0] * p->c.kernel[1] * p->c.kernel[2];
	for (;;) {
		const int64_t unit = atomic_fetch_add(&j->next, 1), part = unit % l->parts, block = unit / l->parts % l->blocks;
		const int64_t group = unit / l->parts / l->blocks;
		if (group >= p->c.groups || nitrain_team_stopped(j->team)) return;
		float *sums = part ? j->sums + (part - 1) * l->size : j->dw;
		const int64_t channel = block * p->channels, channels = nitrain_min(p->channels, p->depth - channel);
		for (int64_t r = 0; r < p->rows; r++)
			memset(sums + ((group * p->rows + r) * p->depth + channel) * taps, 0, (size_t)(channels * taps) * sizeof(float));
		const int64_t places = l->spots / p->blocks[IMAGES];
		for (int64_t spot = l->spots * part / l->parts; spot < l->spots * (part + 1) / l->parts; spot++) {
			const int64_t number = ((spot / places * p->c.groups + group) * places + spot % places) * p->shares;
			if (nitrain_find(p, number, &t)) add(j, &t, channel, channels, gradient, at, sums);
		}
	}
}

// add_parts adds the sums of the parts to those of the first, which are the result.
static void add_parts(void *arg, size_t task) {
	const job *j = arg;
	const layout *l = j->l;
	const int64_t from = l->size * (int64_t)task / 16, end = l->size * ((int64_t)task + 1) / 16;
	for (int64_t part = 1; part < l->parts; part++) {
		const float *sums = j->sums + (part - 1) * l->size;
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
	job j = {.l = &l, .x = x, .g = g, .dw = dw, .sums = scratch, .team = team};
	j.scratch = scratch + nitrain_up((l.parts - 1) * l.size, 16);
	nitrain_team_run(team, work, (size_t)threads, &j);
	if (l.parts > 1) nitrain_team_run(team, add_parts, 16, &j);
}
