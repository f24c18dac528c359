//go:build cgo

// Max pooling and its gradient, a task a plane. Vectors are outputs of a line: the taps of the window pass in row-major
// order, each an input line, or every stride-th element of one. NaN wins, as in PyTorch.

#include "conv.h"
#include "simd.h"
#include "team.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 1024 }; // outputs of a line at a time

typedef struct {
	const nitrain_pool *p;
	const nitrain_loops *l;
	const float *x, *g;
	float *y;
} job;

// A row is a chunk of a line of outputs, and what is done with each tap: n elements of x at position from of the chunk,
// that lie at place at of the plane, stride apart.
typedef struct row {
	const job *j;
	void (*tap)(struct row *r, const float *x, int64_t from, int64_t n, int64_t at);
	float *dx;
	float y[CHUNK], left[CHUNK], x[CHUNK], share[CHUNK];
} row;

// ahead returns the least i >= 0 for which i*step >= n.
static int64_t ahead(int64_t n, int64_t step) { return n > 0 ? (n + step - 1) / step : 0; }

// taps narrows the taps of a window to those inside an axis of the input.
static void taps(const nitrain_pool *p, int axis, int64_t at, int64_t *from, int64_t *to) {
	const int64_t start = at * p->stride[axis] - p->before[axis];
	*from = ahead(-start, p->dilation[axis]);
	*to = nitrain_min(p->window[axis], ahead(p->size[axis] - start, p->dilation[axis]));
}

// line passes the taps of one line of a plane of x.
static void line(row *r, const float *x, int64_t at, int64_t first, int64_t count) {
	const nitrain_pool *p = r->j->p;
	const int64_t stride = p->stride[2];
	for (int64_t c = 0; c < p->window[2]; c++) {
		const int64_t start = first * stride - p->before[2] + c * p->dilation[2];
		const int64_t from = ahead(-start, stride), n = nitrain_min(count, ahead(p->size[2] - start, stride)) - from;
		if (n <= 0) continue;
		const int64_t i = at + start + from * stride;
		const float *v = x + i;
		if (stride == 2) r->j->l->split(r->x, v, n);
		else if (stride > 1) for (int64_t t = 0; t < n; t++) r->x[t] = v[t * stride];
		r->tap(r, stride > 1 ? r->x : v, from, n, i);
	}
}

// window passes the taps of a chunk of outputs.
static void window(row *r, const float *x, int64_t z, int64_t y, int64_t first, int64_t count) {
	const nitrain_pool *p = r->j->p;
	int64_t from[2], to[2];
	taps(p, 0, z, &from[0], &to[0]);
	taps(p, 1, y, &from[1], &to[1]);
	for (int64_t a = from[0]; a < to[0]; a++)
		for (int64_t b = from[1]; b < to[1]; b++) {
			const int64_t plane = z * p->stride[0] - p->before[0] + a * p->dilation[0];
			line(r, x, (plane * p->size[1] + y * p->stride[1] - p->before[1] + b * p->dilation[1]) * p->size[2], first, count);
		}
}

static void largest(row *r, const float *x, int64_t from, int64_t n, int64_t at) {
	(void)at;
	r->j->l->larger(r->y + from, x, n);
}

static void award(row *r, const float *x, int64_t from, int64_t n, int64_t at) {
	const int64_t stride = r->j->p->stride[2];
	r->j->l->award(r->share, x, r->y + from, r->left + from, n);
	float *dx = r->dx + at;
	if (stride == 1) for (int64_t t = 0; t < n; t++) dx[t] += r->share[t];
	else for (int64_t t = 0; t < n; t++) dx[t * stride] += r->share[t];
}

// maxima computes a chunk of outputs.
static void maxima(row *r, const float *x, int64_t z, int64_t y, int64_t first, int64_t count) {
	for (int64_t t = 0; t < count; t++) r->y[t] = -INFINITY;
	r->tap = largest;
	window(r, x, z, y, first, count);
}

static void plane(void *arg, size_t number) {
	const job *j = arg;
	const nitrain_pool *p = j->p;
	const int64_t size = p->size[0] * p->size[1] * p->size[2], made = p->to[0] * p->to[1] * p->to[2];
	const float *x = j->x + (int64_t)number * size;
	row r = {.j = j};
	if (j->g) {
		r.dx = j->y + (int64_t)number * size;
		memset(r.dx, 0, (size_t)size * sizeof(float));
	}
	int64_t at = (int64_t)number * made;
	for (int64_t z = 0; z < p->to[0]; z++)
		for (int64_t y = 0; y < p->to[1]; y++)
			for (int64_t first = 0, n; first < p->to[2]; first += n, at += n) {
				n = nitrain_min(CHUNK, p->to[2] - first);
				maxima(&r, x, z, y, first, n);
				if (!j->g) {
					memcpy(j->y + at, r.y, (size_t)n * sizeof(float));
					continue;
				}
				memcpy(r.left, j->g + at, (size_t)n * sizeof(float));
				r.tap = award;
				window(&r, x, z, y, first, n);
			}
}

static void run(const nitrain_pool *p, const float *x, const float *g, float *y, void *team) {
	const uint64_t before = nitrain_flush();
	job j = {.p = p, .l = nitrain_choose(), .x = x, .g = g, .y = y};
	nitrain_team_run(team, plane, (size_t)p->planes, &j);
	nitrain_unflush(before);
}

void nitrain_pool_forward(const nitrain_pool *p, const float *x, float *y, void *team) { run(p, x, NULL, y, team); }

void nitrain_pool_gradient(const nitrain_pool *p, const float *x, const float *g, float *dx, void *team) { run(p, x, g, dx, team); }
