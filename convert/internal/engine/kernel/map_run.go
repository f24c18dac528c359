//go:build cgo

package kernel

// #include "map.h"
// #cgo noescape nitrain_map_run
// #cgo nocallback nitrain_map_run
import "C"

import (
	"encoding/binary"
	"math"
	"runtime"
	"unsafe"
)

// The structs of both languages are the same.
var (
	_ [unsafe.Sizeof(stream{})]byte      = [C.sizeof_nitrain_stream]byte{}
	_ [unsafe.Sizeof(passHead{})]byte    = [C.sizeof_nitrain_pass]byte{}
	_ [unsafe.Sizeof(instruction{})]byte = [C.sizeof_nitrain_instr]byte{}
)

// Run computes.
func (m *Map) Run(t *Team, outs, ins [][]byte, scratch []byte) {
	p := m.translated()
	if len(p.passes) == 0 {
		p.empty(outs)
		return
	}
	var room [32]uintptr
	all := room[:]
	if len(ins)+len(outs) > len(room) {
		all = make([]uintptr, len(ins)+len(outs))
	}
	from, to := all[:len(p.ins)], all[len(p.ins):len(p.ins)+len(p.out)]
	for i, n := range p.ins {
		if n > 0 {
			from[i] = address(ins[i][:n])
		}
	}
	for i, n := range p.out {
		to[i] = address(outs[i][:n])
	}
	var work unsafe.Pointer
	if p.scratch > 0 {
		work = unsafe.Pointer(&scratch[:p.scratch][0])
	}
	for i := range p.passes {
		pass := &p.passes[i]
		var code *C.nitrain_instr
		if len(pass.code) > 0 {
			code = (*C.nitrain_instr)(unsafe.Pointer(&pass.code[0]))
		}
		C.nitrain_map_run(t.c, (*C.nitrain_pass)(unsafe.Pointer(&pass.head)), (*C.nitrain_stream)(unsafe.Pointer(&pass.streams[0])),
			code, (*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(from))), (*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(to))), work)
	}
	runtime.KeepAlive(ins)
	runtime.KeepAlive(outs)
}

// address is where bytes lie. They stay there while the caller keeps them alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// empty writes what reductions of nothing are.
func (p *mapPlan) empty(outs [][]byte) {
	for i, out := range p.of.Outs {
		b := outs[i][:p.out[i]]
		for at := 0; at < len(b); at += out.Type.size() {
			if out.Type.size() == 1 {
				b[at] = byte(neutral(out))
			} else {
				binary.NativeEndian.PutUint32(b[at:], neutral(out))
			}
		}
	}
}

// neutral is the reduction of nothing.
func neutral(out Result) uint32 {
	infinity := math.Float32bits(float32(math.Inf(1)))
	switch {
	case out.Reduce == Max && out.Type == Float32:
		return infinity | 1<<31
	case out.Reduce == Min && out.Type == Float32:
		return infinity
	case out.Reduce == Max && out.Type == Int32:
		return 1 << 31
	case out.Reduce == Min && out.Type == Int32:
		return math.MaxInt32
	case out.Reduce == Min && out.Type == Bool:
		return 1
	case out.Reduce == Min:
		return math.MaxUint8
	}
	return 0
}

// widest narrows the vectors that maps use to so many floats, for tests, and returns a function that undoes it.
func widest(floats int) func() {
	before := C.nitrain_map_widest
	C.nitrain_map_widest = C.int(floats)
	return func() { C.nitrain_map_widest = before }
}
