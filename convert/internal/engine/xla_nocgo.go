//go:build !cgo

package engine

import "github.com/gomlx/compute"

// newXLA always fails: plugins can only be called through cgo.
func newXLA(Options) (compute.Backend, error) {
	return nil, &Error{XLA, ErrNoCgo, "build with CGO_ENABLED=1 and a C compiler"}
}

// PluginVersion always fails.
func PluginVersion(string) (major, minor int, err error) {
	return 0, 0, &Error{XLA, ErrNoCgo, "build with CGO_ENABLED=1 and a C compiler"}
}
