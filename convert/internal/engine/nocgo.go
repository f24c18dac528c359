//go:build !cgo

package engine

import "github.com/gomlx/compute"

// newONNX always fails: the library can only be called through cgo.
func newONNX(Options) (compute.Backend, error) {
	return nil, &Error{ONNX, ErrNoCgo, "build with CGO_ENABLED=1 and a C compiler"}
}
