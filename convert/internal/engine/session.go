//go:build cgo

package engine

/*
#cgo CFLAGS: -O2 -std=gnu11 -Wall
#cgo LDFLAGS: -lpthread
#include "kernel.h"
#include "session.h"
#include <stdlib.h>
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// ortTable is the table of onnxruntime's functions through which compute-onnx calls the library; nil until it is
// loaded.
//
//go:linkname ortTable github.com/gomlx/compute-onnx/internal/ort.ortApi
var ortTable unsafe.Pointer //nolint:gochecknoglobals // another package's variable

// settings are what sessions of one backend ask of onnxruntime.
type settings struct {
	threads int
	spin    bool
	kernels bool
}

// interpose puts our table in front of onnxruntime's, once a process, and tells whether our kernels are there. It is
// called after the library is loaded.
func interpose() (kernels bool) {
	library.Lock()
	defer library.Unlock()
	if ortTable == nil {
		return false
	}
	ortTable = C.nitrain_table(ortTable)
	return C.nitrain_kernels() != 0
}

// create runs fn, which creates a session, with the settings in force. onnxruntime leaves the thread of a process's
// first session flushing denormals; Go's threads are not to.
func (s settings) create(fn func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := (*C.nitrain_settings)(C.malloc(C.sizeof_nitrain_settings))
	defer C.free(unsafe.Pointer(c))
	*c = C.nitrain_settings{threads: C.int(s.threads), spin: flag(s.spin), kernels: flag(s.kernels)}
	C.nitrain_set(c)
	defer C.nitrain_set(nil)
	defer C.nitrain_restore(C.nitrain_flush())
	fn()
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// run runs fn on a thread that takes denormal numbers for zero; the session's own threads are made so at creation.
func (s settings) run(fn func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer C.nitrain_restore(C.nitrain_flush())
	fn()
}

// narrow bounds the vectors of kernel.c to n floats, for tests of what other processors run.
func narrow(n int) { C.nitrain_widest = C.int(n) }
