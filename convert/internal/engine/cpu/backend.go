// Package cpu is a GoMLX backend on kernels of our own.
//
// A graph is recorded (function.go), rewritten (package rewrite) into kernels and what is left, planned (package plan) and
// run step by step in memory whose size is known before (executable.go). An operation without a kernel runs alone on
// GoMLX's interpreter in Go (fallback.go), as does a whole graph with control flow or shapes that are not known
// (delegate.go), so that every graph runs that the interpreter runs.
package cpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// Options say how a Backend computes.
type Options struct {
	// Threads work on each operation; 0 means one for each processor.
	Threads int
	// Memory is how many bytes a graph may take, its inputs and outputs included: values are computed again, rather than
	// kept, to stay below. 0 sets no bound.
	Memory int64
}

// Backend is a compute.Backend. Graphs may be compiled and run from several goroutines; the runs are serial.
type Backend struct {
	options     Options
	interpreter compute.Backend
	team        *kernel.Team
	heap        allocator
	memory      atomic.Int64 // Options.Memory
	running     sync.Mutex   // held by the graph that runs: the team and the arena are one
	arena       arena
	profile     profile
	state       sync.Mutex
	control     control
	finalized   bool
	poison      bool // tests: memory that nothing lives in is filled with NaN
}

// New starts a backend.
func New(o Options) (*Backend, error) {
	if o.Threads < 0 || o.Memory < 0 {
		return nil, fmt.Errorf("cpu: threads, memory: want 0 or more, got %d, %d", o.Threads, o.Memory)
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	interpreter, err := gobackend.New("ops_sequential")
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	team, err := kernel.NewTeam(o.Threads)
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	b := &Backend{options: o, interpreter: interpreter, team: team}
	b.memory.Store(o.Memory)
	return b, nil
}

// SetMemory changes Options.Memory for graphs that are compiled from now on.
func (b *Backend) SetMemory(bytes int64) { b.memory.Store(max(bytes, 0)) }

// Name returns "nitrain-cpu".
func (b *Backend) Name() string { return "nitrain-cpu" }

func (b *Backend) String() string { return b.Name() }

// Description says what computes.
func (b *Backend) Description() string {
	return fmt.Sprintf("nitrain CPU engine, %d threads", b.options.Threads)
}

// NumDevices returns 1.
func (b *Backend) NumDevices() int { return 1 }

// DeviceDescription names the only device.
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return "cpu" }

// Capabilities are the interpreter's, less its fused operations, which GoMLX builds of others here. Variables stay
// inputs: baked into the graph, running statistics would freeze at the first evaluation.
func (b *Backend) Capabilities() compute.Capabilities {
	c := b.interpreter.Capabilities().Clone()
	c.PreferConstantsForVariables = false
	c.Operations[compute.OpTypeAtan2] = true
	for op := range c.Operations {
		if op >= compute.OpTypeFusedSoftmax && op < compute.OpTypeLast {
			delete(c.Operations, op)
		}
	}
	return c
}

// Builder starts a graph.
func (b *Backend) Builder(name string) compute.Builder { return newBuilder(b, name) }

// HasSharedBuffers returns true: buffers are slices of Go, outside its heap.
func (b *Backend) HasSharedBuffers() bool { return true }

// NewSharedBuffer returns a buffer, whose elements are not set, and its elements.
func (b *Backend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	if err := b.usable(device); err != nil {
		return nil, nil, err
	}
	buf, err := b.newBuffer(shape)
	if err != nil {
		return nil, nil, err
	}
	return buf, buf.flat(), nil
}

// BufferFromFlatData returns a buffer with a copy of flat.
func (b *Backend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	if err := b.usable(device); err != nil {
		return nil, err
	}
	if err := matches(flat, shape); err != nil {
		return nil, err
	}
	buf, err := b.newBuffer(shape)
	if err != nil {
		return nil, err
	}
	copy(buf.block.bytes, bytesOf(flat))
	return buf, nil
}

// Finalize ends the threads and frees the arena. Buffers keep their memory until they are finalized themselves.
func (b *Backend) Finalize() {
	b.running.Lock()
	defer b.running.Unlock()
	b.state.Lock()
	defer b.state.Unlock()
	if b.finalized {
		return
	}
	b.finalized = true
	b.team.Close()
	b.arena.release()
	b.heap.trim()
	b.interpreter.Finalize()
}

// IsFinalized tells whether Finalize was called.
func (b *Backend) IsFinalized() bool {
	b.state.Lock()
	defer b.state.Unlock()
	return b.finalized
}

// Bytes returns how many bytes the backend's buffers hold now, the arena included.
func (b *Backend) Bytes() int64 { return b.heap.live.Load() + b.arena.size.Load() }

func (b *Backend) usable(device compute.DeviceNum) error {
	if device != 0 {
		return fmt.Errorf("cpu: device: want 0, got %d", device)
	}
	if b.IsFinalized() {
		return errFinalized
	}
	return nil
}

var errFinalized = errors.New("cpu: want a backend in use, got a finalized one")
