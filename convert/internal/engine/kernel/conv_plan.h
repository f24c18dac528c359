// How a convolution or one of its gradients is cut into items of work: see conv_plan.c.

#ifndef NITRAIN_CONV_PLAN_H
#define NITRAIN_CONV_PLAN_H

#include "conv.h"
#include "simd.h"

// A lattice is one axis of a class of output positions: those that see the same taps of the kernel, and whose inputs lie
// at the same distance. Output first + apart*j reads, for its m-th tap, input base + unit*(step*j + at + between*m); the
// bracket is never negative. The m-th tap is tap + skip*m of the kernel.
typedef struct {
	int64_t count, first, apart;
	int64_t base, unit, step, at, between;
	int64_t taps, tap, skip;
	int64_t set; // number of the selection of taps
} lattice;

// reach returns the largest of at + between*m.
static inline int64_t reach(const lattice *l) {
	return l->between < 0 ? l->at : l->at + l->between * (l->taps - 1);
}

enum { IMAGES, PLANES, LINES, COLUMNS };

// A plan is a forward convolution or the gradient of its input, both sums over depth channels and the taps of a class.
typedef struct {
	nitrain_conv c;
	const nitrain_loops *l;
	int64_t rows, depth;          // output and input channels of a group
	int64_t from[3], made[3];     // sizes of what is read and made
	int64_t classes[3], widest[3]; // of each axis, and the most positions in one
	int64_t block[4], blocks[4];  // what an item has of a class, and how many there are
	int64_t channels;             // summed at a time
	int64_t ring;                 // planes of the region, which are used again and again; 0: it holds all that an item reads
	int planewise;                // what an item has of the output is held plane by plane
	int64_t share, shares;        // rows of an item, and how many there are
	int direct;                   // tiles write to the output itself
	int packed;                   // lines are short: positions are gathered into panels, line after line
	int64_t items;
	int64_t weights, bias;        // floats of the packed kernel and bias
	int64_t region, offsets, buffer, panel, vectors, slot; // floats of a thread's scratch memory
	int64_t slots;
} plan;

void nitrain_plan(plan *p, const nitrain_conv *c, int threads);

// nitrain_plan_weights plans the gradient of the weights: items are positions of the forward convolution for some channels,
// a multiple of the vectors' width, and rows.
void nitrain_plan_weights(plan *p, const nitrain_conv *c, int threads);

// nitrain_lattice returns class k of an axis.
lattice nitrain_lattice(const plan *p, int axis, int64_t k);

// nitrain_selection returns the taps of an axis in a set: how many, and the first and the distance.
int64_t nitrain_selection(const nitrain_conv *c, int axis, int64_t set, int64_t *tap, int64_t *skip);

// nitrain_kernel returns where the packed kernel of a class begins: blocks of ROWS rows follow one another, each
// [depth][taps][ROWS].
int64_t nitrain_kernel(const plan *p, int64_t group, const lattice axes[3]);

// nitrain_span returns how many inputs of a line n outputs of each class along it reach, and the first of them.
int64_t nitrain_span(const plan *p, int64_t n, int64_t *low);

// nitrain_divide returns a/b rounded down.
static inline int64_t nitrain_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// An item is a block of a class of positions, for some rows of a group.
typedef struct {
	int64_t group, row, rows, image, images;
	lattice axes[3];          // of the last, only the first class
	int64_t from[3], count[3]; // positions in the class
	int64_t extent[3], low;   // of what is read: planes, lines, inputs of a line; the first of a line
	int64_t ring;             // planes of the region: plane u is the (u mod ring)-th
	int64_t position;         // floats between taps' positions, per channel: images * extents
	float *region, *buffer, *panel;
	int32_t *offsets;
	int64_t *at;
	int64_t wide; // floats between rows of the buffer
} item;

// nitrain_find fills in the item of a number; it returns 0 where there is nothing to do.
int nitrain_find(const plan *p, int64_t number, item *t);

// nitrain_region copies planes [from, to) that the item reads of some channels of x: [channel][image][plane][line][inputs].
void nitrain_region(const plan *p, const item *t, const float *x, int64_t channel, int64_t channels, int64_t from, int64_t to);

// nitrain_offsets lists where channels and taps lie in the region, for class x along lines, from a plane of the region on.
void nitrain_offsets(const plan *p, const item *t, const lattice *x, int64_t channels, int64_t plane);

// nitrain_vectors lists where every so many of count positions along lines lie from there, for some planes of positions,
// and returns how many there are.
int64_t nitrain_vectors(const plan *p, const item *t, int64_t planes, int64_t shift, int64_t count, int64_t every);

// nitrain_direct computes p, with nitrain_direct_scratch floats of scratch memory.
int64_t nitrain_direct_scratch(const plan *p);
void nitrain_direct(const plan *p, const float *x, const float *w, const float *bias, float *y, float *scratch, void *team);

// nitrain_direct_weights computes the gradient of the weights of the forward convolution c.
int64_t nitrain_direct_weights_scratch(const nitrain_conv *c, int threads);
void nitrain_direct_weights(const nitrain_conv *c, const float *x, const float *g, float *dw, float *scratch, int threads, void *team);

#endif
