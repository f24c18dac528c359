// Convolutions of float32 arrays in ONNX layout, for kernels whose stride along the last axis is 1: see kernel.c.

#ifndef NITRAIN_KERNEL_H
#define NITRAIN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

// nitrain_conv says how an input [n, in, size...] and a kernel [out, in, k...] make an output [n, out, to...]. Every
// array has three spatial axes, leading ones of length 1 where the data has fewer.
typedef struct {
	int64_t n, in, out;
	int64_t size[3], to[3], k[3], stride[3], dilation[3], pad[3];
} nitrain_conv;

// nitrain_run calls task(arg, i) for every i < count, in any order, on as many threads as it likes.
typedef void (*nitrain_run)(void *pool, void (*task)(void *arg, size_t i), size_t count, void *arg);

// nitrain_widest bounds the vectors that are used, in floats. It is as wide as it gets; tests narrow it.
extern int nitrain_widest;

// nitrain_forward computes y from x and w. It returns 0, or -1 where memory lacks.
int nitrain_forward(const nitrain_conv *c, const float *x, const float *w, float *y, nitrain_run run, void *pool);

// nitrain_weights computes the gradient of w from x and the gradient g of y: the same sum for any number of threads.
// It returns 0, or -1 where memory lacks.
int nitrain_weights(const nitrain_conv *c, const float *x, const float *g, float *w, nitrain_run run, void *pool);

#endif
