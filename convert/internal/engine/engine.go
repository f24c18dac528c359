// Package engine builds the GoMLX backends that train, and repairs from outside what they refuse or get wrong.
//
// Three kinds exist. Native is package cpu: every graph, on kernels of our own. ONNX is compute-onnx (GoMLX graphs run by the onnxruntime library) behind a decorator: every
// operation that compute-onnx lacks or computes wrongly is rewritten into operations that it has, one file an idea
// (pad.go, conv.go, convphase.go, pool.go, poolgrad.go, unary.go). Convolutions and their weight gradients in float32
// run in kernels of our own (kernel.c), which join onnxruntime's sessions as operators (session.c), since its own take
// two to five times as long; session.c also bounds the threads and flushes denormal numbers. Go is GoMLX's own
// interpreter, slow and exact: the oracle of the tests.
//
// A graph compiled on ONNX holds our operators, so its ONNX form runs in this package alone.
//
// Nothing is registered, downloaded or found by itself: New builds one backend from explicit Options and returns
// errors, never panics.
package engine

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"

	"github.com/nitrain/nitrain/convert/internal/engine/cpu"
)

// Kind names an engine.
type Kind string

// The engines.
const (
	Native Kind = "cpu"  // kernels of our own, of package cpu; needs cgo
	ONNX   Kind = "onnx" // compute-onnx on the onnxruntime library, repaired; needs cgo
	XLA    Kind = "xla"  // XLA through a PJRT plugin, for GPUs; needs cgo
	Go     Kind = "go"   // GoMLX's interpreter in Go, one thread an operation; the test oracle
)

// Device names where the ONNX engine computes.
type Device string

// The devices.
const (
	CPU  Device = "cpu"
	CUDA Device = "cuda" // needs the GPU build of onnxruntime and its CUDA libraries
)

// Options say which backend New builds.
type Options struct {
	// Kind is the engine; empty means ONNX.
	Kind Kind
	// Library is the path of the onnxruntime shared library (version 1.17 or later); required for ONNX. One process
	// loads one library: the first that succeeds stays.
	Library string
	// Plugin is the path of a PJRT plugin; required for XLA.
	Plugin string
	// Devices is how many devices XLA must have; 0 means one. Its CPU plugin simulates them.
	Devices int
	// Device is where ONNX computes; empty means CPU.
	Device Device
	// Index is the number of the CUDA device, among those that $CUDA_VISIBLE_DEVICES leaves. One that is not the first
	// becomes the only one that this process sees.
	Index int
	// Memory bounds the bytes that a graph takes on Native, its inputs and outputs included: values are computed again
	// rather than kept. 0 sets no bound.
	Memory int64
	// Threads bounds the threads that work on one operation on the CPU; 0 means one for each processor.
	Threads int
	// Spin keeps idle threads of onnxruntime polling for work: a little faster on a machine of one's own, much slower
	// on a shared one.
	Spin bool
}

// Error says why a backend cannot be built.
type Error struct {
	Kind Kind
	Err  error
	hint string
}

func (e *Error) Error() string { return fmt.Sprintf("engine: %s: %v", e.Kind, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about the error.
func (e *Error) Hint() string { return e.hint }

const pluginHint = "name a plugin with xla:PATH, such as pjrt_c_api_cpu_plugin.so or xla_cuda_plugin.so of jax's wheels"

// ErrNoCgo is the reason of every refusal to build ONNX in a binary made without cgo.
var ErrNoCgo = errors.New("want a binary built with cgo, got one without")

// New builds the backend that o describes. The caller finalizes it.
func New(o Options) (compute.Backend, error) {
	if o.Threads < 0 {
		return nil, &Error{o.Kind, fmt.Errorf("threads: want 0 or more, got %d", o.Threads), "0 means one thread for each processor"}
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	switch o.Kind {
	case Native:
		b, err := cpu.New(cpu.Options{Threads: o.Threads, Memory: o.Memory})
		if err != nil {
			return nil, &Error{Native, err, "build with CGO_ENABLED=1 and a C compiler"}
		}
		return b, nil
	case ONNX, "":
		o.Kind = ONNX
		return newONNX(o)
	case XLA:
		return newXLA(o)
	case Go:
		b, err := gobackend.New("ops_sequential")
		if err != nil {
			return nil, &Error{Go, err, ""}
		}
		return b, nil
	}
	return nil, &Error{o.Kind, fmt.Errorf("want kind %q, %q, %q or %q, got %q", Native, ONNX, XLA, Go, o.Kind), "leave the kind empty"}
}
