package engine

import (
	"runtime"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// backend is a compute.Backend whose every operation that the inner one lacks or gets wrong is rewritten. What is not
// overridden passes through.
type backend struct {
	compute.Backend
	session session
	freeing sync.Mutex // held while buffers and executables are freed
}

// A session is how a backend's library is told what GoMLX has no words for.
type session interface {
	// create runs fn, which compiles a graph.
	create(fn func())
	// run runs fn, which executes one.
	run(fn func())
	// conv records a convolution in ONNX layout by a kernel of ours, or returns nil where the library's own is to do it.
	conv(f compute.Function, c convolution) (compute.Value, error)
}

// decorate repairs inner.
func decorate(inner compute.Backend, s session) *backend { return &backend{Backend: inner, session: s} }

// Name tells the repaired backend from the bare one.
func (b *backend) Name() string { return "nitrain-" + b.Backend.Name() }

func (b *backend) String() string { return b.Name() }

// Capabilities adds the operations that the decorator supplies. Variables stay inputs: baked into the graph as
// constants, as compute-onnx asks for, the running statistics of batch normalization freeze at the first evaluation.
func (b *backend) Capabilities() compute.Capabilities {
	c := b.Backend.Capabilities().Clone()
	c.PreferConstantsForVariables = false
	for _, op := range supplied() {
		c.Operations[op] = true
	}
	return c
}

// supplied lists the operations that are built from others here, and the constant, which compute-onnx has and does not
// list.
func supplied() []compute.OpType {
	return []compute.OpType{compute.OpTypeConstant, compute.OpTypeClamp, compute.OpTypeIsFinite, compute.OpTypeIsNaN, compute.OpTypeExpm1, compute.OpTypeRsqrt}
}

func (b *backend) Builder(name string) compute.Builder {
	return &builder{Builder: b.Backend.Builder(name), backend: b}
}

func (b *backend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	inner, err := b.Backend.BufferFromFlatData(device, flat, shape)
	return b.wrap(inner), err
}

func (b *backend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	inner, flat, err := b.Backend.NewSharedBuffer(device, shape)
	return b.wrap(inner), flat, err
}

// wrap makes an inner buffer one of b's. GoMLX refuses buffers that belong to another backend than the graph's.
func (b *backend) wrap(inner compute.Buffer) compute.Buffer {
	if inner == nil {
		return nil
	}
	outer := &buffer{inner, b}
	runtime.AddCleanup(outer, func(inner compute.Buffer) { _ = b.release(inner.Finalize) }, inner)
	return outer
}

// release frees memory of the inner backend, which does not expect that from two threads at once.
func (b *backend) release(free func() error) error {
	b.freeing.Lock()
	defer b.freeing.Unlock()
	return free()
}

// buffer is an inner buffer that names the decorated backend as its owner. Its memory is freed with it: the inner one's
// would stay, were Finalize forgotten. The garbage collector does not see that memory and comes late; callers that make
// many arrays finalize them.
type buffer struct {
	compute.Buffer
	backend *backend
}

func (b *buffer) Backend() compute.Backend { return b.backend }

func (b *buffer) Finalize() error { return b.backend.release(b.Buffer.Finalize) }

func (b *buffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	inner, err := b.Buffer.CopyToDevice(device)
	return b.backend.wrap(inner), err
}

// builder hands out decorated functions and executables.
type builder struct {
	compute.Builder
	backend *backend
	main    *function
}

func (b *builder) Main() compute.Function {
	if b.main == nil {
		b.main = &function{Function: b.Builder.Main(), builder: b}
	}
	return b.main
}

func (b *builder) Compile() (compute.Executable, error) {
	var inner compute.Executable
	var err error
	b.backend.session.create(func() { inner, err = b.Builder.Compile() })
	if err != nil {
		return nil, err
	}
	return &executable{inner, b.backend}, nil
}

// function records operations: the inner ones where they work, the rewritten ones of this package where they don't.
type function struct {
	compute.Function
	builder *builder
}

func (f *function) Builder() compute.Builder { return f.builder }

// executable runs a compiled graph on the inner buffers.
type executable struct {
	compute.Executable
	backend *backend
}

func (e *executable) Finalize() {
	_ = e.backend.release(func() error { e.Executable.Finalize(); return nil })
}

// Execute passes the donation flags on, so that a donated buffer's memory is reused by the inner backend.
func (e *executable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	inner := make([]compute.Buffer, len(inputs))
	for i, in := range inputs {
		inner[i] = in
		if b, ok := in.(*buffer); ok {
			inner[i] = b.Buffer
		}
	}
	var outputs []compute.Buffer
	var err error
	e.backend.session.run(func() { outputs, err = e.Executable.Execute(inner, donate, device) })
	runtime.KeepAlive(inputs)
	for i, out := range outputs {
		outputs[i] = e.backend.wrap(out)
	}
	return outputs, err
}
