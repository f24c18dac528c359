package convert

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine"
)

// BackendOptions says what computes. The zero value is the best CPU engine of this machine.
type BackendOptions struct {
	// Device is "auto" (or empty), "cpu", "cuda", "xla" (the PJRT plugin that is found), "xla:PLUGIN" (a path, or a name
	// such as "cpu" or "cuda"), or "go", the slow reference in plain Go.
	Device string
	// Threads is the number of threads of the CPU engine, 0 for one a processor.
	Threads int
	// Devices is how many devices XLA's CPU plugin simulates, for tests of several; 0 means one.
	Devices int
	// Library is the path of the onnxruntime library, "" to look for it where "nitrain setup" puts it.
	Library string
}

// Backend compiles and runs graphs. It may be shared by goroutines; on a CPU their runs are serial.
type Backend struct {
	compute compute.Backend
	name    string
	float   dtypes.DType // the type that float32 and half-precision values are computed in; float64 in tests
	close   sync.Once
	serial  sync.Mutex // held while something that can be cancelled runs
}

// NewBackend starts the engine that the options name. Nothing is ever downloaded.
func NewBackend(o BackendOptions) (b *Backend, err error) {
	defer recoverTo(&err)
	eo := engine.Options{Kind: engine.Native, Threads: o.Threads, Library: o.Library}
	name := strings.ToLower(o.Device)
	switch name {
	case "", "auto", "cpu":
		name = "cpu"
	case "cuda":
		eo.Kind, eo.Device = engine.ONNX, engine.CUDA
	case "go":
		eo.Kind = engine.Go
	default:
		plugin, isXLA := strings.CutPrefix(o.Device, "xla")
		if !isXLA || plugin != "" && plugin[0] != ':' {
			return nil, fmt.Errorf("convert: device: want auto, cpu, cuda, xla[:PLUGIN] or go, got %q", o.Device)
		}
		name, eo.Kind, eo.Devices = "xla", engine.XLA, o.Devices
		if eo.Plugin, err = pluginPath(strings.TrimPrefix(plugin, ":")); err != nil {
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
	return &Backend{compute: inner, name: name, float: dtypes.Float32}, nil
}

// Name returns the device: "cpu", "cuda" or "go".
func (b *Backend) Name() string { return b.name }

// Compute returns the GoMLX backend, for callers that build graphs of their own.
func (b *Backend) Compute() compute.Backend { return b.compute }

// Close frees the engine. Nothing made with it may be used afterwards.
func (b *Backend) Close() { b.close.Do(b.compute.Finalize) }

// Profile starts, anew, or ends the record of what each operation takes. Only the CPU engine keeps one.
func (b *Backend) Profile(on bool) error { return engine.Profile(b.compute, on) }

// WriteProfile writes what was recorded, in the Trace Event Format that chrome://tracing and Perfetto open.
func (b *Backend) WriteProfile(w io.Writer) error { return engine.WriteProfile(b.compute, w) }
