// Convolution, matrix product and pooling: what Go calls, and what the C files share.

#ifndef NITRAIN_CONV_H
#define NITRAIN_CONV_H

#include <stdint.h>

// A convolution; see Convolution in kernel.go. pass is 0 forward, 1 gradient of the input, 2 gradient of the weights.
typedef struct {
	int64_t pass, batch, in, out, groups;
	int64_t size[3], to[3], kernel[3], stride[3], dilation[3], before[3];
	int64_t relu;
} nitrain_conv;

// nitrain_conv_scratch returns the bytes of scratch memory that nitrain_conv_run wants.
int64_t nitrain_conv_scratch(const nitrain_conv *c, int threads);

// nitrain_conv_run computes: a and b are the inputs of the pass in order, bias may be NULL.
void nitrain_conv_run(const nitrain_conv *c, const float *a, const float *b, const float *bias, float *y, void *scratch,
	int threads, void *team);

// A matrix product; see Matmul in kernel.go.
typedef struct {
	int64_t batch, m, n, k;
	int64_t a[3], b[3];
} nitrain_matmul;

int64_t nitrain_matmul_scratch(const nitrain_matmul *m, int threads);
void nitrain_matmul_run(const nitrain_matmul *m, const float *a, const float *b, float *c, void *scratch, int threads, void *team);

// Pooling; see Pooling in kernel.go.
typedef struct {
	int64_t planes;
	int64_t size[3], to[3], window[3], stride[3], dilation[3], before[3];
} nitrain_pool;

void nitrain_pool_forward(const nitrain_pool *p, const float *x, float *y, void *team);
void nitrain_pool_gradient(const nitrain_pool *p, const float *x, const float *g, float *dx, void *team);

#endif
