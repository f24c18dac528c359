//go:build cgo

// compute-onnx creates every session with onnxruntime's default options: as many threads as processors, spinning, and
// denormals computed at a hundredth of the speed. The options are made by one function of onnxruntime's table, so the
// engine hands compute-onnx a copy of the table with that function replaced: it makes the same options and sets what
// the calling thread asked for. The table's layout never changes: onnxruntime only appends to it.
//
// The operators are onnxruntime "custom operators" over kernel.c, in ONNX's own domain, since compute-onnx records
// nodes of that domain alone.

#include "session.h"
#include "kernel.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// Places in the table, since version 1 of the interface or the version given.
enum {
	AT_CREATE_STATUS = 0,
	AT_CREATE_SESSION_OPTIONS = 10,
	AT_SET_INTRA_OP_NUM_THREADS = 24,
	AT_CREATE_CUSTOM_OP_DOMAIN = 26,
	AT_CUSTOM_OP_DOMAIN_ADD = 27,
	AT_ADD_CUSTOM_OP_DOMAIN = 28,
	AT_GET_TENSOR_MUTABLE_DATA = 51,
	AT_KERNEL_CONTEXT_GET_INPUT = 90,
	AT_KERNEL_CONTEXT_GET_OUTPUT = 91,
	AT_ADD_SESSION_CONFIG_ENTRY = 130, // 5
	AT_KERNEL_CONTEXT_PARALLEL_FOR = 274, // 17
	ENTRIES = 276, // of version 17, the oldest that compute-onnx accepts and the newest that it needs
};

typedef void *status;

static void **real;
static void *copy[ENTRIES];
static void *domain;
static __thread const nitrain_settings *wanted;

void nitrain_set(const nitrain_settings *s) { wanted = s; }

// An operator, as OrtCustomOp of version 17.
typedef struct operator {
	uint32_t version;
	void *(*create)(const struct operator *, const void *api, const void *info);
	const char *(*name)(const struct operator *);
	const char *(*provider)(const struct operator *);
	int (*input_type)(const struct operator *, size_t);
	size_t (*inputs)(const struct operator *);
	int (*output_type)(const struct operator *, size_t);
	size_t (*outputs)(const struct operator *);
	void (*compute)(void *kernel, void *context);
	void (*destroy)(void *kernel);
	int (*input_kind)(const struct operator *, size_t);
	int (*output_kind)(const struct operator *, size_t);
	int (*input_memory)(const struct operator *, size_t);
	int (*least_inputs)(const struct operator *);
	int (*same_inputs)(const struct operator *);
	int (*least_outputs)(const struct operator *);
	int (*same_outputs)(const struct operator *);
	status (*create2)(const struct operator *, const void *api, const void *info, void **kernel);
	status (*compute2)(void *kernel, void *context);
	status (*infer)(const struct operator *, void *context);
	int (*since)(const struct operator *);
	int (*until)(const struct operator *);
	// Ours:
	const char *title;
	int (*run)(const nitrain_conv *, const float *, const float *, float *, nitrain_run, void *);
} operator;

static status fail(const char *why) {
	return ((status(*)(int, const char *))real[AT_CREATE_STATUS])(1, why);
}

static void spread(void *context, void (*task)(void *, size_t), size_t count, void *arg) {
	((status(*)(void *, void (*)(void *, size_t), size_t, size_t, void *))real[AT_KERNEL_CONTEXT_PARALLEL_FOR])(
		context, task, count, 0, arg);
}

static status data(void *value, void **at) {
	return ((status(*)(void *, void **))real[AT_GET_TENSOR_MUTABLE_DATA])(value, at);
}

static status input(void *context, size_t i, void **at) {
	void *value;
	status s = ((status(*)(void *, size_t, void **))real[AT_KERNEL_CONTEXT_GET_INPUT])(context, i, &value);
	return s ? s : data(value, at);
}

static status output(void *context, const int64_t *dims, size_t rank, void **at) {
	void *value;
	status s = ((status(*)(void *, size_t, const int64_t *, size_t, void **))real[AT_KERNEL_CONTEXT_GET_OUTPUT])(
		context, 0, dims, rank, &value);
	return s ? s : data(value, at);
}

// compute runs a convolution on the inputs (array, array, plan): plan is the output's rank and shape, then the fields
// of nitrain_conv, as encode in kernel.go writes them.
static status compute(void *kernel, void *context) {
	const operator *op = kernel;
	void *a, *b, *plan, *to;
	status s;
	if ((s = input(context, 0, &a)) || (s = input(context, 1, &b)) || (s = input(context, 2, &plan))) return s;
	const int64_t *p = plan;
	const size_t rank = (size_t)p[0];
	if ((s = output(context, p + 1, rank, &to))) return s;
	nitrain_conv c;
	memcpy(&c, p + 1 + rank, sizeof c);
	if (op->run(&c, a, b, to, spread, context)) return fail("convolution: no memory for the work space");
	return NULL;
}

static status create(const operator *op, const void *api, const void *info, void **kernel) {
	(void)api, (void)info;
	*kernel = (void *)op;
	return NULL;
}

static void destroy(void *kernel) { (void)kernel; }
static const char *title(const operator *op) { return op->title; }
static const char *provider(const operator *op) { return (void)op, "CPUExecutionProvider"; }
static int input_type(const operator *op, size_t i) { return (void)op, i == 2 ? 7 /* int64 */ : 1 /* float */; }
static int output_type(const operator *op, size_t i) { return (void)op, (void)i, 1; }
static size_t three(const operator *op) { return (void)op, 3; }
static size_t one(const operator *op) { return (void)op, 1; }
static int zero(const operator *op, size_t i) { return (void)op, (void)i, 0; }
static int from_first(const operator *op) { return (void)op, 1; }
static int to_last(const operator *op) { return (void)op, INT_MAX; }

#define OPERATOR(TITLE, RUN)                                                                                           \
	{                                                                                                                  \
		.version = 17, .name = title, .provider = provider, .input_type = input_type, .inputs = three,                 \
		.output_type = output_type, .outputs = one, .destroy = destroy, .input_kind = zero, .output_kind = zero,       \
		.input_memory = zero, .create2 = create, .compute2 = compute, .since = from_first, .until = to_last,           \
		.title = TITLE, .run = RUN,                                                                                    \
	}

static const operator operators[] = {
	OPERATOR("NitrainConv", nitrain_forward),
	OPERATOR("NitrainConvGrad", nitrain_weights),
};

static status entry(void *options, const char *key, const char *value) {
	return ((status(*)(void *, const char *, const char *))real[AT_ADD_SESSION_CONFIG_ENTRY])(options, key, value);
}

// create_options stands in for CreateSessionOptions.
static status create_options(void **options) {
	status s = ((status(*)(void **))real[AT_CREATE_SESSION_OPTIONS])(options);
	if (s || !wanted) return s;
	if ((s = entry(*options, "session.set_denormal_as_zero", "1"))) return s;
	if ((s = entry(*options, "session.intra_op.allow_spinning", wanted->spin ? "1" : "0"))) return s;
	if (wanted->threads > 0) {
		s = ((status(*)(void *, int))real[AT_SET_INTRA_OP_NUM_THREADS])(*options, wanted->threads);
		if (s) return s;
	}
	if (!wanted->kernels || !domain) return NULL;
	return ((status(*)(void *, void *))real[AT_ADD_CUSTOM_OP_DOMAIN])(*options, domain);
}

// make_domain registers the operators; on failure there are none.
static void make_domain(void) {
	void *d = NULL;
	if (((status(*)(const char *, void **))real[AT_CREATE_CUSTOM_OP_DOMAIN])("", &d)) return;
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
		if (((status(*)(void *, const void *))real[AT_CUSTOM_OP_DOMAIN_ADD])(d, &operators[i])) return;
	domain = d;
}

void *nitrain_table(void *api) {
	if (api == (void *)copy) return api;
	real = api;
	memcpy(copy, real, sizeof copy);
	copy[AT_CREATE_SESSION_OPTIONS] = (void *)create_options;
	make_domain();
	return copy;
}

int nitrain_kernels(void) { return domain != NULL; }

#if defined(__x86_64__)
unsigned nitrain_flush(void) {
	const unsigned state = _mm_getcsr();
	_mm_setcsr(state | 0x8040); // flush to zero, denormals are zero
	return state;
}

void nitrain_restore(unsigned state) { _mm_setcsr(state); }
#elif defined(__aarch64__)
unsigned nitrain_flush(void) {
	uint64_t state;
	__asm__ volatile("mrs %0, fpcr" : "=r"(state));
	__asm__ volatile("msr fpcr, %0" : : "r"(state | 1u << 24));
	return (unsigned)state;
}

void nitrain_restore(unsigned state) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)state)); }
#else
unsigned nitrain_flush(void) { return 0; }
void nitrain_restore(unsigned state) { (void)state; }
#endif
