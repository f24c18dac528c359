//go:build cgo

package ort

/*
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
// 0x8040: flush to zero and denormals are zero.
static unsigned int nitrain_flush(void) { unsigned int old = _mm_getcsr(); _mm_setcsr(old | 0x8040); return old; }
static void nitrain_restore(unsigned int old) { _mm_setcsr(old); }
#else
static unsigned int nitrain_flush(void) { return 0; }
static void nitrain_restore(unsigned int old) { (void)old; }
#endif
*/
import "C"

import "runtime"

// flushed calls f on a thread that treats denormal numbers as zero, and leaves the thread as it was:
// onnxruntime does part of each operator on the thread that calls it and sets only its own threads.
func flushed(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := C.nitrain_flush()
	defer C.nitrain_restore(old)
	f()
}
