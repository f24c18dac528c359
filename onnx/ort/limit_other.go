//go:build cgo && !linux

package ort

// limitMemory does nothing: only Linux counts writable private memory.
func limitMemory(int64) error { return nil }
