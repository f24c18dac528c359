//go:build cgo

package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
)

// newONNX loads the library and returns compute-onnx, repaired.
func newONNX(o Options) (compute.Backend, error) {
	inner, err := bareONNX(o)
	if err != nil {
		return nil, err
	}
	kernels := interpose()
	return decorate(inner, settings{o.Threads, o.Spin, kernels && o.Device != CUDA}), nil
}

// bareONNX returns compute-onnx as it is.
func bareONNX(o Options) (compute.Backend, error) {
	if o.Library == "" {
		return nil, &Error{ONNX, errors.New("want the path of the onnxruntime library, got none"), setupHint}
	}
	if strings.Contains(o.Library, ",") || strings.Contains(o.Library, "=") {
		return nil, &Error{ONNX, fmt.Errorf("library %q: want a path without ',' or '='", o.Library), "link the library from another folder"}
	}
	if o.Device == "" {
		o.Device = CPU
	}
	path, err := filepath.Abs(o.Library)
	if err != nil {
		return nil, &Error{ONNX, err, setupHint}
	}
	inner, err := onnxbackend.New(string(o.Device) + "," + path)
	if err != nil {
		return nil, &Error{ONNX, err, setupHint}
	}
	return inner, nil
}

const setupHint = "nitrain setup"
