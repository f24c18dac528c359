//go:build unix

package onnx

import (
	"io/fs"
	"syscall"
)

// links returns the number of names of a file.
func links(st fs.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink) //nolint:unconvert // narrower on other systems
	}
	return 1
}
