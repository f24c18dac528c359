package convert

import (
	"io"
	"os"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine"
	"github.com/nitrain/nitrain/internal/native"
)

// BackendOptions says what computes. The zero value is the best CPU engine of this machine.
type BackendOptions struct {
	// Device is what ParseDevice reads.
	Device string
	// Threads is the number of threads of the CPU engine, 0 for one a processor.
	Threads int
	// Library is the path of the onnxruntime library, "" to look for it where "nitrain setup" puts it.
	Library string
}

// Backend compiles and runs graphs. It may be shared by goroutines; on a CPU their runs are serial.
type Backend struct {
	compute compute.Backend
	name    string
	float   dtypes.DType // the type that float32 and half-precision values are computed in; float64 in tests
	devices int          // that a batch is divided among, 1 if it is not
	close   sync.Once
}

// NewBackend starts the engine that the options name. Nothing is ever downloaded.
func NewBackend(o BackendOptions) (b *Backend, err error) {
	defer recoverTo(&err)
	d, err := ParseDevice(o.Device)
	if err != nil {
		return nil, err
	}
	eo := engine.Options{Kind: engine.Native, Threads: o.Threads, Library: o.Library}
	switch d.Kind {
	case "cuda":
		if err := engine.CheckGPU(); err != nil {
			return nil, err
		}
		eo.Kind, eo.Device, eo.Index = engine.ONNX, engine.CUDA, d.Index
	case "go":
		eo.Kind = engine.Go
	case "onnx":
		eo.Kind = engine.ONNX
	case "xla":
		eo.Kind, eo.Devices = engine.XLA, d.Count
		if eo.Plugin, err = native.FindPlugin(d.Plugin); err != nil {
			return nil, err
		}
	}
	if eo.Kind == engine.ONNX && eo.Library == "" {
		if eo.Library, err = library(); err != nil {
			return nil, err
		}
	}
	// GoMLX skips the forms that carry our gradients when this variable switches its fused operations off.
	if err := os.Unsetenv("GOMLX_FUSION"); err != nil {
		return nil, err
	}
	inner, err := engine.New(eo)
	if err != nil {
		return nil, err
	}
	return &Backend{compute: inner, name: d.Kind, float: dtypes.Float32, devices: d.Count}, nil
}

// Name returns the device's kind.
func (b *Backend) Name() string { return b.name }

// Devices returns among how many devices a step divides its batch. A batch whose size is no multiple of it runs on the
// first device alone.
func (b *Backend) Devices() int { return max(b.devices, 1) }

// Compute returns the GoMLX backend, for callers that build graphs of their own.
func (b *Backend) Compute() compute.Backend { return b.compute }

// Close frees the engine. Nothing made with it may be used afterwards.
func (b *Backend) Close() { b.close.Do(b.compute.Finalize) }

// Profile starts, anew, or ends the record of what each operation takes. Only the CPU engine keeps one.
func (b *Backend) Profile(on bool) error { return engine.Profile(b.compute, on) }

// WriteProfile writes what was recorded, in the Trace Event Format that chrome://tracing and Perfetto open.
func (b *Backend) WriteProfile(w io.Writer) error { return engine.WriteProfile(b.compute, w) }
