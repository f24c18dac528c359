//go:build cgo

package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

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
	path, err := filepath.EvalSymlinks(o.Library)
	if err != nil {
		return nil, &Error{ONNX, err, setupHint}
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, &Error{ONNX, err, setupHint}
	}
	if o.Device == CUDA {
		if err := CheckGPU(); err != nil {
			return nil, err
		}
		if err := prepareCUDA(path, o.Index); err != nil {
			return nil, &Error{ONNX, err, gpuHint}
		}
	}
	library.Lock()
	defer library.Unlock()
	if library.path != "" && library.path != path {
		return nil, &Error{ONNX, fmt.Errorf("library: want %s, which this process has loaded, got %s", library.path, path), "use one library in a process"}
	}
	inner, err := onnxbackend.New(string(o.Device) + "," + path)
	if err != nil {
		return nil, &Error{ONNX, err, setupHint}
	}
	library.path = path
	return inner, nil
}

// library is the one that this process has loaded. compute-onnx keeps the first and ignores what later calls ask for.
var library struct { //nolint:gochecknoglobals // the process has one library
	sync.Mutex
	path string
}

const setupHint = "nitrain setup"
