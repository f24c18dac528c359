//go:build !linux

package cpu

import "unsafe"

const (
	pageSize = 4 << 10
	hugePage = 2 << 20
)

// mapMemory returns n bytes of Go's heap, aligned.
func mapMemory(n int) ([]byte, error) {
	raw := make([]byte, n+alignment)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & (alignment - 1))
	return raw[skip : skip+n : skip+n], nil
}

// unmapMemory leaves memory to the garbage collector.
func unmapMemory([]byte) {}
