//go:build !cgo

package ort

import (
	"context"

	"github.com/nitrain/nitrain/onnx"
)

// Session is a model that onnxruntime has loaded. Without cgo there is none: Open always fails.
type Session struct{}

var _ onnx.Runner = (*Session)(nil)

// errNoCgo is the answer of a program that was built without cgo.
func errNoCgo() error {
	return &Error{
		Problem: "this program was built without cgo and cannot load onnxruntime",
		hint:    "install a C compiler and build with CGO_ENABLED=1",
	}
}

// Open fails: this program was built without cgo.
func Open(string, Options) (*Session, error) { return nil, errNoCgo() }

// OpenBytes fails: this program was built without cgo.
func OpenBytes([]byte, Options) (*Session, error) { return nil, errNoCgo() }

// OpenModel fails: this program was built without cgo.
func OpenModel(*onnx.Model, Options) (*Session, error) { return nil, errNoCgo() }

// Library fails: this program was built without cgo.
func Library(string) (version string, providers []string, err error) { return "", nil, errNoCgo() }

// Probe fails: this program was built without cgo.
func Probe(context.Context, string, Options) error { return errNoCgo() }

// ProbeMain returns at once: a program that was built without cgo starts no child.
func ProbeMain() {}

// Inputs returns nothing.
func (s *Session) Inputs() []onnx.ValueInfo { return nil }

// Outputs returns nothing.
func (s *Session) Outputs() []onnx.ValueInfo { return nil }

// Run fails.
func (s *Session) Run(context.Context, map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	return nil, errNoCgo()
}

// Close does nothing.
func (s *Session) Close() error { return nil }
