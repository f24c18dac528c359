// Package ort runs ONNX models with onnxruntime; it is the only package that knows the C library.
//
// The library is loaded at the first use and stays loaded: onnxruntime has one environment per process, which
// lives behind this package. A program built without cgo links and starts; Open then says what is missing.
package ort

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Options say how a model runs. The zero value runs a trusted model on all processor cores.
type Options struct {
	// Library is the path of the onnxruntime library; "" is native.Library's for the provider. One process uses one
	// library: another path after the first is an error, and "" with the plain provider is whichever is loaded.
	Library string
	// Provider is the device that computes; the zero value is the CPU.
	Provider Provider
	// Threads is the number of threads inside one operator; 0 takes what Go may use (GOMAXPROCS).
	Threads int
	// InterThreads above 1 lets that many independent operators run at once; 0 and 1 run one after the other.
	InterThreads int
	// MemoryLimit bounds, in bytes, what the session takes from the device for weights and activations: a run
	// that wants more fails with an error. 0 is no limit. On the CPU it needs the arena.
	MemoryLimit int64
	// NoArena returns memory to the system after each run instead of keeping it for the next one.
	NoArena bool
	// Untrusted opens the model in a child process first (see Probe), since a malformed model can abort the
	// process inside onnxruntime. The program must call ProbeMain at its start.
	Untrusted bool
	// ProbeTimeout and ProbeMemory (bytes) bound the child process; 0 is one minute and 8 GiB.
	ProbeTimeout time.Duration
	ProbeMemory  int64
}

// Provider is what computes: the CPU by onnxruntime's own kernels or by OpenVINO's, or a CUDA device.
type Provider struct {
	CUDA     bool // false is the CPU
	Device   int  // index of the CUDA device
	OpenVINO bool // on the CPU: OpenVINO's kernels, which need a library of their own, native.OpenVINO
}

// String returns "cpu", "openvino" or "cuda:0".
func (p Provider) String() string {
	switch {
	case p.CUDA:
		return "cuda:" + strconv.Itoa(p.Device)
	case p.OpenVINO:
		return "openvino"
	}
	return "cpu"
}

// ParseProvider reads "cpu", "openvino", "cuda" or "cuda:N"; "" and "auto" are the CPU.
func ParseProvider(s string) (Provider, error) {
	kind, index, indexed := strings.Cut(s, ":")
	switch {
	case (kind == "cpu" || kind == "auto" || kind == "") && !indexed:
		return Provider{}, nil
	case kind == "openvino" && !indexed:
		return Provider{OpenVINO: true}, nil
	case kind == "cuda" && !indexed:
		return Provider{CUDA: true}, nil
	case kind == "cuda":
		if n, err := strconv.Atoi(index); err == nil && n >= 0 {
			return Provider{CUDA: true, Device: n}, nil
		}
	}
	return Provider{}, fmt.Errorf("ort: provider %q: want cpu, openvino, cuda or cuda:N", s)
}

// check returns every fault of the options.
func (o Options) check() error {
	var faults []string
	if o.Threads < 0 || o.InterThreads < 0 {
		faults = append(faults, fmt.Sprintf("want 0 or more threads, got %d and %d", o.Threads, o.InterThreads))
	}
	if o.MemoryLimit < 0 || o.ProbeMemory < 0 || o.ProbeTimeout < 0 {
		faults = append(faults, "want no negative limit")
	}
	if o.MemoryLimit > 0 && o.NoArena && !o.Provider.CUDA {
		faults = append(faults, "a memory limit needs the arena")
	}
	if o.Provider.CUDA && o.Provider.OpenVINO {
		faults = append(faults, "want CUDA or OpenVINO, got both")
	}
	if o.Provider.Device < 0 {
		faults = append(faults, fmt.Sprintf("want a device of 0 or more, got %d", o.Provider.Device))
	}
	if len(faults) > 0 {
		return fmt.Errorf("ort: options: %s", strings.Join(faults, "; "))
	}
	return nil
}

// Error is a failure with something to be done about it.
type Error struct {
	Problem string
	Err     error // the cause, may be nil
	hint    string
}

func (e *Error) Error() string {
	if e.Err != nil {
		return "ort: " + e.Problem + ": " + e.Err.Error()
	}
	return "ort: " + e.Problem
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what the user can do, "" if nothing is known.
func (e *Error) Hint() string { return e.hint }
