package kernel

import (
	"slices"
	"sync/atomic"
	"unsafe"
)

var _ Operation = (*Map)(nil)

// size returns the bytes of an element.
func (d DType) size() int {
	if d == Bool || d == Uint8 {
		return 1
	}
	return 4
}

// translated returns the plan of the Map, making it at first. Two that make it at once make the same.
func (m *Map) translated() *mapPlan {
	if p := (*mapPlan)(atomic.LoadPointer(&m.plan)); p != nil && p.of == m {
		return p
	}
	p := translate(m)
	atomic.StorePointer(&m.plan, unsafe.Pointer(p))
	return p
}

// Scratch returns the bytes of scratch memory that Run wants; they do not depend on the number of threads.
func (m *Map) Scratch(int) int { return m.translated().scratch }

// Flops returns one for each instruction and index, and one for each element reduced.
func (m *Map) Flops() int64 {
	each := 0
	for _, in := range m.Code {
		if in.Op != Constant && in.Op != Iota {
			each++
		}
	}
	for _, out := range m.Outs {
		if out.Reduce != None {
			each++
		}
	}
	return int64(each) * int64(product(m.Dims))
}

// InPlace tells whether output out may take the memory of input in: it is dense in the order of the output.
func (m *Map) InPlace(out, in int) bool {
	o, l := m.Outs[out], m.Loads[in]
	if o.Reduce != None || o.Type.size() != l.Type.size() || l.Offset != 0 {
		return false
	}
	stride := 1
	for d, size := range slices.Backward(m.Dims) {
		if size != 1 && l.Strides[d] != stride {
			return false
		}
		stride *= size
	}
	return true
}

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
