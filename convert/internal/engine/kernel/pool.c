//go:build cgo

// Max pooling and its gradient, a task a plane. NaN wins, as in PyTorch.

#include "conv.h"
#include "simd.h"
#include "team.h"

#include <math.h>
#include <string.h>

typedef struct {
	const nitrain_pool *p;
	const float *x, *g;
	float *y;
} job;

// taps narrows the taps of a window to those inside an axis of the input.
static void taps(const nitrain_pool *p, int axis, int64_t at, int64_t *from, int64_t *to) {
	const int64_t start = at * p->stride[axis] - p->before[axis], d = p->dilation[axis];
	*from = start < 0 ? (-start + d - 1) / d : 0;
	*to = start < p->size[axis] ? nitrain_min(p->window[axis], (p->size[axis] - start + d - 1) / d) : 0;
}

// first returns where the first largest element of a window is, or -1 where the window is empty.
static int64_t first(const nitrain_pool *p, const float *x, int64_t z, int64_t y, int64_t w) {
	int64_t from[3], to[3], best = -1;
	const int64_t at[3] = {z, y, w};
	for (int i = 0; i < 3; i++) taps(p, i, at[i], &from[i], &to[i]);
	for (int64_t a = from[0]; a < to[0]; a++)
		for (int64_t b = from[1]; b < to[1]; b++) {
			const int64_t line = ((z * p->stride[0] - p->before[0] + a * p->dilation[0]) * p->size[1] + y * p->stride[1] - p->before[1] + b * p->dilation[1]) * p->size[2];
			for (int64_t c = from[2]; c < to[2]; c++) {
				const int64_t i = line + w * p->stride[2] - p->before[2] + c * p->dilation[2];
				if (best < 0 || x[i] > x[best] || (isnan(x[i]) && !isnan(x[best]))) best = i;
			}
		}
	return best;
}

static void forward(void *arg, size_t plane) {
	const job *j = arg;
	const nitrain_pool *p = j->p;
	const float *x = j->x + (int64_t)plane * p->size[0] * p->size[1] * p->size[2];
	float *y = j->y + (int64_t)plane * p->to[0] * p->to[1] * p->to[2];
	for (int64_t a = 0; a < p->to[0]; a++)
		for (int64_t b = 0; b < p->to[1]; b++)
			for (int64_t c = 0; c < p->to[2]; c++) {
				const int64_t i = first(p, x, a, b, c);
				*y++ = i < 0 ? -INFINITY : x[i];
			}
}

static void gradient(void *arg, size_t plane) {
	const job *j = arg;
	const nitrain_pool *p = j->p;
	const int64_t size = p->size[0] * p->size[1] * p->size[2];
	const float *x = j->x + (int64_t)plane * size, *g = j->g + (int64_t)plane * p->to[0] * p->to[1] * p->to[2];
	float *dx = j->y + (int64_t)plane * size;
	memset(dx, 0, (size_t)size * sizeof(float));
	for (int64_t a = 0; a < p->to[0]; a++)
		for (int64_t b = 0; b < p->to[1]; b++)
			for (int64_t c = 0; c < p->to[2]; c++, g++) {
				const int64_t i = first(p, x, a, b, c);
				if (i >= 0) dx[i] += *g;
			}
}

void nitrain_pool_forward(const nitrain_pool *p, const float *x, float *y, void *team) {
	const uint64_t before = nitrain_flush();
	job j = {.p = p, .x = x, .y = y};
	nitrain_team_run(team, forward, (size_t)p->planes, &j);
	nitrain_unflush(before);
}

void nitrain_pool_gradient(const nitrain_pool *p, const float *x, const float *g, float *dx, void *team) {
	const uint64_t before = nitrain_flush();
	job j = {.p = p, .x = x, .g = g, .y = dx};
	nitrain_team_run(team, gradient, (size_t)p->planes, &j);
	nitrain_unflush(before);
}
