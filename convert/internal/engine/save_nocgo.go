//go:build !cgo

package engine

import (
	"io"

	"github.com/gomlx/compute"
)

// NewRecorder always fails: the library can only be called through cgo.
func NewRecorder(o Options) (compute.Backend, error) { return newONNX(o) }

// Save always fails: there is no recorder without cgo.
func Save(compute.Executable, io.Writer, []string, []string) error { return ErrNoCgo }
