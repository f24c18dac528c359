// What compute-onnx does not let its callers say about onnxruntime sessions: see session.c.

#ifndef NITRAIN_SESSION_H
#define NITRAIN_SESSION_H

// nitrain_settings are those of the sessions that this thread creates while they are set.
typedef struct {
	int threads; // of one operation; 0 leaves onnxruntime's choice
	int spin;    // idle threads poll
	int kernels; // offer the operators NitrainConv and NitrainConvGrad
} nitrain_settings;

// nitrain_table returns a copy of onnxruntime's table of functions whose session options obey nitrain_set. The copy
// lives as long as the process; there is one.
void *nitrain_table(void *api);

// nitrain_kernels tells whether the operators could be registered.
int nitrain_kernels(void);

// nitrain_set sets the calling thread's settings; NULL ends them.
void nitrain_set(const nitrain_settings *s);

// nitrain_flush makes the calling thread take denormal numbers for zero and returns the state for nitrain_restore.
unsigned nitrain_flush(void);
void nitrain_restore(unsigned state);

#endif
