//go:build cgo

package engine

import (
	"fmt"
	"io"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
)

// NewRecorder builds an ONNX backend whose compiled graphs Save can write. They use the standard's operators alone, none
// of this package's kernels, so that any runtime can run them.
func NewRecorder(o Options) (compute.Backend, error) {
	inner, err := bareONNX(o)
	if err != nil {
		return nil, err
	}
	if b, ok := inner.(*onnxbackend.Backend); ok {
		b.SetKeepModelProto(true)
	}
	interpose()
	return decorate(inner, settings{max(o.Threads, 1), o.Spin, false}), nil
}

// Save writes a graph that a backend of NewRecorder compiled as an ONNX model whose inputs and outputs have the given
// names, in the order of the graph's.
func Save(e compute.Executable, w io.Writer, inputs, outputs []string) error {
	outer, ok := e.(*executable)
	if !ok {
		return fmt.Errorf("engine: save: want a graph of a recorder, got %T", e)
	}
	if err := onnxbackend.SaveModel(outer.backend.Backend, outer.Executable, w, inputs, outputs); err != nil {
		return fmt.Errorf("engine: save: %w", err)
	}
	return nil
}
