//go:build cgo

// What an item of work reads of the input, copied between zeros.

#include "conv_plan.h"

int nitrain_find(const plan *p, int64_t number, item *t) {
	const int64_t share = number % p->shares;
	number /= p->shares;
	for (int i = 2; i >= 0; i--) {
		t->from[i] = number % p->blocks[i + 1] * p->block[i + 1];
		number /= p->blocks[i + 1];
		const int64_t classes = i < 2 ? p->classes[i] : 1;
		t->axes[i] = nitrain_lattice(p, i, number % classes);
		number /= classes;
		t->count[i] = nitrain_min(p->block[i + 1], t->axes[i].count - t->from[i]);
		if (t->count[i] <= 0) return 0;
		t->extent[i] = (t->count[i] - 1) * t->axes[i].step + reach(&t->axes[i]) + 1;
	}
	t->group = number % p->c.groups;
	t->image = number / p->c.groups * p->block[IMAGES];
	t->images = nitrain_min(p->block[IMAGES], p->c.batch - t->image);
	t->row = share * p->share;
	t->rows = nitrain_min(p->share, p->rows - t->row);
	t->extent[2] = nitrain_span(p, t->count[2], &t->low);
	t->low += p->c.pass ? t->from[2] : t->from[2] * t->axes[2].step * t->axes[2].unit;
	t->ring = p->ring ? nitrain_min(p->ring, t->extent[0]) : t->extent[0];
	t->position = t->images * t->ring * t->extent[1] * t->extent[2];
	return 1;
}

// copy_line copies inputs low + unit*u of a line, for u < n, those of each phase of the step side by side.
static void copy_line(const plan *p, float *to, const float *line, int64_t low, int64_t n, int64_t unit, int64_t step) {
	const int64_t size = p->from[2];
	if (unit == 1 && step == 1) {
		const int64_t from = nitrain_min(n, nitrain_max(0, -low)), end = nitrain_max(from, nitrain_min(n, size - low));
		p->l->zero(to, from);
		p->l->copy(to + from, line + low + from, end - from);
		p->l->zero(to + end, n - end);
		return;
	}
	const int64_t length = n / step, apart = unit * step;
	for (int64_t f = 0; f < step; f++, to += length) {
		const int64_t at = low + unit * f; // of the first
		int64_t from = at < 0 ? (-at + apart - 1) / apart : 0, end = size > at ? (size - at + apart - 1) / apart : 0;
		end = nitrain_min(end, length);
		from = nitrain_min(from, end);
		p->l->zero(to, from);
		if (apart == 2) p->l->split(to + from, line + at + 2 * from, end - from);
		else for (int64_t t = from; t < end; t++) to[t] = line[at + t * apart];
		p->l->zero(to + end, length - end);
	}
}

void nitrain_region(const plan *p, const item *t, const float *input, int64_t channel, int64_t channels, int64_t first, int64_t end) {
	const lattice *z = &t->axes[0], *y = &t->axes[1], *x = &t->axes[2];
	const int64_t image = t->ring * t->extent[1] * t->extent[2];
	for (int64_t i = 0; i < channels; i++)
		for (int64_t n = 0; n < t->images; n++) {
			const float *from = input + (((t->image + n) * p->c.groups + t->group) * p->depth + channel + i) * p->from[0] * p->from[1] * p->from[2];
			for (int64_t a = first; a < end; a++) {
				float *to = t->region + (i * t->images + n) * image + a % t->ring * t->extent[1] * t->extent[2];
				const int64_t plane = z->base + z->unit * (t->from[0] * z->step + a);
				for (int64_t b = 0; b < t->extent[1]; b++, to += t->extent[2]) {
					const int64_t line = y->base + y->unit * (t->from[1] * y->step + b);
					if (plane < 0 || plane >= p->from[0] || line < 0 || line >= p->from[1]) p->l->zero(to, t->extent[2]);
					else copy_line(p, to, from + (plane * p->from[1] + line) * p->from[2], t->low, t->extent[2], x->unit, p->c.pass ? 1 : x->step);
				}
			}
		}
	p->l->zero(t->region + channels * t->position, 48); // the last vectors reach behind
}

void nitrain_offsets(const plan *p, const item *t, const lattice *x, int64_t channels, int64_t plane) {
	const lattice *a = t->axes;
	const int64_t step = p->c.pass ? 1 : x->step, length = t->extent[2] / step;
	int64_t k = 0;
	for (int64_t i = 0; i < channels; i++)
		for (int64_t z = 0; z < a[0].taps; z++)
			for (int64_t y = 0; y < a[1].taps; y++)
				for (int64_t m = 0; m < x->taps; m++) {
					const int64_t e = x->at + m * x->between;
					t->offsets[k++] = (int32_t)(i * t->position + ((plane + a[0].at + z * a[0].between) % t->ring * t->extent[1] + a[1].at + y * a[1].between) *
						t->extent[2] + e % step * length + e / step);
				}
}

int64_t nitrain_vectors(const plan *p, const item *t, int64_t planes, int64_t shift, int64_t count, int64_t every) {
	int64_t n = 0;
	for (int64_t i = 0; i < t->images; i++)
		for (int64_t z = 0; z < planes; z++)
			for (int64_t y = 0; y < t->count[1]; y++)
				for (int64_t x = 0; x < count; x += every)
					t->at[n++] = ((i * t->ring + z * t->axes[0].step) * t->extent[1] + y * t->axes[1].step) * t->extent[2] + shift + x;
	return n;
}
