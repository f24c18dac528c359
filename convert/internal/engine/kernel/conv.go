//go:build cgo

package kernel

// #include "conv.h"
import "C"

import "unsafe"

// c is the convolution as C has it.
func (c Convolution) c() C.nitrain_conv {
	r := C.nitrain_conv{
		pass: C.int64_t(c.Pass), batch: C.int64_t(c.Batch), in: C.int64_t(c.In), out: C.int64_t(c.Out), groups: C.int64_t(c.Groups),
		size: triple(c.Size), to: triple(c.To), kernel: triple(c.Kernel),
		stride: triple(c.Stride), dilation: triple(c.Dilation), before: triple(c.Before),
	}
	if c.Relu && c.Pass == Forward {
		r.relu = 1
	}
	return r
}

func triple(a [3]int) [3]C.int64_t {
	return [3]C.int64_t{C.int64_t(a[0]), C.int64_t(a[1]), C.int64_t(a[2])}
}

// array is where an array of float32 lies.
func array(b []byte) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(b))) }

// Scratch implements Operation.
func (c Convolution) Scratch(threads int) int {
	if c.empty() {
		return 0
	}
	p := c.c()
	return int(C.nitrain_conv_scratch(&p, C.int(threads)))
}

// Run implements Operation.
func (c Convolution) Run(t *Team, outs, ins [][]byte, scratch []byte) {
	if c.empty() {
		clear(outs[0])
		return
	}
	p := c.c()
	var bias *C.float
	if c.Pass == Forward && c.Bias {
		bias = array(ins[2])
	}
	C.nitrain_conv_run(&p, array(ins[0]), array(ins[1]), bias, array(outs[0]), unsafe.Pointer(unsafe.SliceData(scratch)),
		C.int(t.threads), t.pointer())
}

// c is the product as C has it.
func (m Matmul) c() C.nitrain_matmul {
	return C.nitrain_matmul{
		batch: C.int64_t(m.Batch), m: C.int64_t(m.M), n: C.int64_t(m.N), k: C.int64_t(m.K), a: triple(m.A), b: triple(m.B),
	}
}

// Scratch implements Operation.
func (m Matmul) Scratch(threads int) int {
	if m.empty() {
		return 0
	}
	p := m.c()
	return int(C.nitrain_matmul_scratch(&p, C.int(threads)))
}

// Run implements Operation.
func (m Matmul) Run(t *Team, outs, ins [][]byte, scratch []byte) {
	if m.empty() {
		clear(outs[0])
		return
	}
	p := m.c()
	C.nitrain_matmul_run(&p, array(ins[0]), array(ins[1]), array(outs[0]), unsafe.Pointer(unsafe.SliceData(scratch)),
		C.int(t.threads), t.pointer())
}

// Scratch implements Operation.
func (p Pooling) Scratch(int) int { return 0 }

// Run implements Operation.
func (p Pooling) Run(t *Team, outs, ins [][]byte, _ []byte) {
	if len(outs[0]) == 0 {
		return
	}
	c := C.nitrain_pool{
		planes: C.int64_t(p.Planes), size: triple(p.Size), to: triple(p.To), window: triple(p.Window),
		stride: triple(p.Stride), dilation: triple(p.Dilation), before: triple(p.Before),
	}
	if p.Gradient {
		C.nitrain_pool_gradient(&c, array(ins[0]), array(ins[1]), array(outs[0]), t.pointer())
	} else {
		C.nitrain_pool_forward(&c, array(ins[0]), array(outs[0]), t.pointer())
	}
}
