package cpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/plan"
)

// Executable is a graph that is planned.
type Executable struct {
	backend   *Backend
	name      string
	names     []string
	params    []shapes.Shape
	outputs   []shapes.Shape
	results   []plan.Result
	lives     []plan.Life
	memory    plan.Memory
	steps     []step
	constants [][]byte
	stopped   atomic.Bool
	finalized atomic.Bool
	cleanup   runtime.Cleanup // of an Executable that nobody finalized
}

// Memory is what a run takes, in bytes.
type Memory = plan.Memory

// MemoryError tells that a graph cannot be run within its bound.
type MemoryError = plan.MemoryError

// compile plans a recorded graph.
func (b *Backend) compile(recorded *ir.Graph, name string) (compute.Executable, error) {
	if b.IsFinalized() {
		return nil, errFinalized
	}
	e := &Executable{backend: b, name: name, names: recorded.Names}
	for _, p := range recorded.Params {
		e.params = append(e.params, p.Shape)
	}
	for _, o := range recorded.Outputs {
		e.outputs = append(e.outputs, o.Shape)
	}
	g := optimize(recorded)
	made, err := plan.Make(g, plan.Options{Threads: b.options.Threads, Memory: b.memory.Load()})
	if err != nil {
		return nil, err
	}
	e.results, e.lives, e.memory = made.Results, made.Lives, made.Memory
	for _, c := range made.Constants {
		e.constants = append(e.constants, aligned(bytesOf(c.Attrs)))
	}
	for _, s := range made.Steps {
		step, err := b.step(s)
		if err != nil {
			return nil, err
		}
		e.steps = append(e.steps, step)
	}
	b.arena.need(e.memory.Arena)
	e.cleanup = runtime.AddCleanup(e, b.arena.forget, e.memory.Arena)
	return e, nil
}

// aligned returns b, or a copy of it in aligned memory.
func aligned(b []byte) []byte {
	if len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%alignment == 0 {
		return b
	}
	c := small(len(b)).bytes
	copy(c, b)
	return c
}

// Memory returns what a run takes. It is known before the first one.
func (e *Executable) Memory() Memory { return e.memory }

// Inputs returns the names and shapes of the parameters.
func (e *Executable) Inputs() (names []string, inputShapes []shapes.Shape) { return e.names, e.params }

// Outputs returns the shapes of the outputs.
func (e *Executable) Outputs() []shapes.Shape { return e.outputs }

// Finalize frees what the graph holds. It may not run afterwards.
func (e *Executable) Finalize() {
	if e.finalized.Swap(true) {
		return
	}
	e.backend.running.Lock()
	defer e.backend.running.Unlock()
	for i := range e.steps {
		e.steps[i].finalize()
	}
	e.steps, e.constants = nil, nil
	e.cleanup.Stop()
	e.backend.arena.forget(e.memory.Arena)
	e.backend.arena.trim()
}

// Execute runs the graph.
func (e *Executable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) (out []compute.Buffer, err error) {
	defer trap(&err)
	if err := e.backend.usable(device); err != nil {
		return nil, err
	}
	e.backend.running.Lock()
	defer e.backend.running.Unlock()
	if e.finalized.Load() {
		return nil, errors.New("cpu: want a graph in use, got a finalized one")
	}
	r, err := e.bind(inputs, donate)
	if err != nil {
		return nil, err
	}
	e.begin()
	defer e.end()
	start := time.Now()
	err = r.steps()
	e.backend.profile.graph(e.name, start)
	if err != nil {
		r.abandon()
		return nil, err
	}
	r.copies()
	runtime.KeepAlive(inputs)
	return r.finish(), nil
}

// run is one execution.
type run struct {
	e       *Executable
	arena   []byte
	inputs  []*Buffer
	params  [][]byte
	donated []bool
	outputs []block
	written bool  // something that was donated may be overwritten
	reused  []int // of each output, the donated input whose memory it has, or -1
}

// bind checks the inputs and finds memory for the outputs.
func (e *Executable) bind(inputs []compute.Buffer, donate []bool) (*run, error) {
	if len(inputs) != len(e.params) || donate != nil && len(donate) != len(inputs) {
		return nil, fmt.Errorf("cpu: %s: want %d inputs, got %d, %d of them said to be donated or not", e.name, len(e.params), len(inputs), len(donate))
	}
	r := &run{e: e, inputs: make([]*Buffer, len(inputs)), params: make([][]byte, len(inputs)), donated: make([]bool, len(inputs))}
	owners := make(map[*Buffer]int, len(inputs))
	for i, in := range inputs {
		buf, ok := in.(*Buffer)
		if !ok || buf == nil || buf.backend != e.backend {
			return nil, fmt.Errorf("cpu: %s: input %d: want a buffer of this backend, got %T", e.name, i, in)
		}
		if !buf.shape.Equal(e.params[i]) {
			return nil, fmt.Errorf("cpu: %s: input %d %q: want %s, got %s", e.name, i, e.names[i], e.params[i], buf.shape)
		}
		data, err := buf.bytes()
		if err != nil {
			return nil, fmt.Errorf("cpu: %s: input %d %q: %w", e.name, i, e.names[i], err)
		}
		r.inputs[i], r.params[i] = buf, data
		r.donated[i] = donate != nil && donate[i]
		owners[buf]++
	}
	return r, r.take(owners)
}

// take finds memory for the outputs and the arena. Inputs that are one buffer under two names keep theirs.
func (r *run) take(owners map[*Buffer]int) error {
	e := r.e
	var err error
	if r.arena, err = e.backend.arena.grow(e.memory.Arena); err != nil {
		return fmt.Errorf("cpu: %s: arena of %w", e.name, err)
	}
	r.outputs, r.reused = make([]block, len(e.outputs)), make([]int, len(e.outputs))
	for i, res := range e.results {
		r.reused[i] = -1
		if k := res.Reuse; k >= 0 && r.donated[k] && owners[r.inputs[k]] == 1 {
			r.reused[i], r.outputs[i] = k, r.inputs[k].block
			continue
		}
		if r.outputs[i], err = e.backend.heap.take(e.outputs[i].ByteSize()); err != nil {
			r.abandon()
			return fmt.Errorf("cpu: %s: output %d of %w", e.name, i, err)
		}
	}
	return nil
}

// at returns the memory of a place.
func (r *run) at(p plan.Place) []byte {
	switch p.Space {
	case plan.Constant:
		return r.e.constants[p.Index]
	case plan.Parameter:
		return r.params[p.Index]
	case plan.Output:
		return r.outputs[p.Index].bytes
	default:
		return r.arena[p.Offset : p.Offset+p.Size : p.Offset+p.Size]
	}
}

// steps runs them all.
func (r *run) steps() error {
	b := r.e.backend
	profiled := b.profile.on.Load()
	for i := range r.e.steps {
		s := &r.e.steps[i]
		if err := r.proceed(s); err != nil {
			return err
		}
		s.bind(r)
		var start time.Time
		if profiled {
			start = time.Now()
		}
		if err := s.run(b.team); err != nil {
			return fmt.Errorf("cpu: %s: step %d, %s: %w", r.e.name, i, s.label, err)
		}
		if profiled {
			b.profile.step(s, start)
		}
		if b.poison {
			r.poison(i)
		}
	}
	if !r.written {
		return r.e.commit() // the last operation may have been left unfinished
	}
	return nil
}

// proceed tells whether a step is to run: not where the run is stopped, unless something donated is overwritten already.
func (r *run) proceed(s *step) error {
	if r.written {
		return nil
	}
	if r.e.stopped.Load() {
		return ErrStopped
	}
	for _, p := range s.Outs {
		if p.Space == plan.Output && r.reused[p.Index] >= 0 {
			r.written = true
			return r.e.commit()
		}
	}
	return nil
}

// copies fills the outputs that are inputs, constants or other outputs. Handed-over inputs need none.
func (r *run) copies() {
	for i, res := range r.e.results {
		if res.Place.Space == plan.Output && res.Place.Index == i || res.Place.Space == plan.Parameter && r.reused[i] == res.Place.Index {
			continue
		}
		copy(r.outputs[i].bytes, r.at(res.Place))
	}
}

// poison fills what died with step i with NaN, so that tests see who reads it still.
func (r *run) poison(i int) {
	for _, l := range r.e.lives {
		if l.To == i {
			at := r.at(l.Place)
			for k := range at {
				at[k] = 0xff
			}
		}
	}
}

// finish makes the outputs buffers and ends the donated inputs.
func (r *run) finish() []compute.Buffer {
	out := make([]compute.Buffer, len(r.outputs))
	kept := make([]bool, len(r.inputs))
	for i, mem := range r.outputs {
		if k := r.reused[i]; k >= 0 {
			kept[k] = true
			if _, err := r.inputs[k].surrender(); err != nil {
				continue
			}
		}
		out[i] = r.e.backend.adopt(mem, r.e.outputs[i])
	}
	for k, in := range r.inputs {
		if r.donated[k] && !kept[k] {
			_ = in.Finalize()
		}
	}
	return out
}

// abandon frees what a run that failed has taken. Donated inputs are gone once they may be half overwritten.
func (r *run) abandon() {
	for i, mem := range r.outputs {
		if r.reused[i] < 0 {
			r.e.backend.heap.put(mem)
		}
	}
	for k, in := range r.inputs {
		if r.donated[k] && r.written {
			_ = in.Finalize()
		}
	}
}
