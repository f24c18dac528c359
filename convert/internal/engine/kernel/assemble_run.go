//go:build cgo

package kernel

// #include "assemble.h"
// #cgo noescape nitrain_assemble_run
// #cgo nocallback nitrain_assemble_run
import "C"

import (
	"runtime"
	"unsafe"
)

var _ [unsafe.Sizeof(copying{})]byte = [C.sizeof_nitrain_copy]byte{}

// Run computes.
func (a *Assemble) Run(t *Team, outs, ins [][]byte, _ []byte) {
	p := a.translated()
	var room [32]uintptr
	from := room[:]
	if len(p.ins) > len(room) {
		from = make([]uintptr, len(p.ins))
	}
	for i, n := range p.ins {
		if n > 0 {
			from[i] = address(ins[i][:n])
		}
	}
	job := C.nitrain_assembly{
		copies: C.int64_t(len(p.copies)), tasks: C.int64_t(p.tasks), bytes: C.int64_t(a.Size * a.Width), width: C.int32_t(a.Width),
	}
	if job.bytes == 0 {
		return
	}
	if a.Filled {
		job.filled = 1
		if p.plain {
			job.filled = 2
		}
		for i := range job.fill {
			job.fill[i] = C.uint8_t(a.Fill[i%a.Width])
		}
	}
	C.nitrain_assemble_run(t.c, &job, (*C.nitrain_copy)(unsafe.Pointer(unsafe.SliceData(p.copies))),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(from))), C.uintptr_t(address(outs[0][:a.Size*a.Width])))
	runtime.KeepAlive(ins)
	runtime.KeepAlive(outs)
}
