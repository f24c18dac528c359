package cpu

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/notimplemented"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// Builder records one graph.
type Builder struct {
	notimplemented.Builder
	name      string
	backend   *Backend
	inner     compute.Builder
	main      *function
	values    []compute.Value // the interpreter's
	graph     ir.Graph
	delegated bool // the interpreter is to run it
	compiled  bool
}

func newBuilder(b *Backend, name string) *Builder {
	r := &Builder{name: name, backend: b, inner: b.interpreter.Builder(name)}
	r.main = newFunction(r, nil, r.inner.Main())
	return r
}

// Name returns the name that the graph was given.
func (b *Builder) Name() string { return b.name }

// Main returns the function that is compiled.
func (b *Builder) Main() compute.Function { return b.main }

// NewFunction starts a function that others call; from here on the interpreter runs the whole.
func (b *Builder) NewFunction(name string) (f compute.Function, err error) {
	defer trap(&err)
	if b.compiled {
		return nil, errors.New("cpu: new function: want a builder that has not compiled, got one that has")
	}
	inner, err := b.inner.NewFunction(name)
	if err != nil {
		return nil, err
	}
	b.delegated = true
	return newFunction(b, nil, inner), nil
}

// OpShape returns the shape of a value of this builder.
func (b *Builder) OpShape(v compute.Value) (shapes.Shape, error) { return b.main.Shape(v) }

// DeviceAssignment accepts the one device.
func (b *Builder) DeviceAssignment(devices ...compute.DeviceNum) error {
	if len(devices) != 1 || devices[0] != 0 {
		return fmt.Errorf("cpu: devices: want [0], got %v: %w", devices, compute.ErrNotImplemented)
	}
	return nil
}

// Compile plans the graph and ends the builder.
func (b *Builder) Compile() (e compute.Executable, err error) {
	defer trap(&err)
	if !b.main.returned {
		return nil, errors.New("cpu: compile: want a main function that has returned, got one that has not")
	}
	if b.compiled {
		return nil, errors.New("cpu: compile: want a builder that has not compiled, got one that has")
	}
	b.compiled = true
	defer b.forget()
	if b.delegated {
		return b.compileDelegated()
	}
	for _, v := range b.main.outputs {
		b.graph.Outputs = append(b.graph.Outputs, v.(*value).node) //nolint:forcetypeassert // Return has checked them
	}
	return b.backend.compile(&b.graph, b.Name())
}

// compileDelegated has the interpreter compile what it has recorded.
func (b *Builder) compileDelegated() (compute.Executable, error) {
	outputs, _, err := b.main.unwrap(b.main.outputs)
	if err != nil {
		return nil, err
	}
	if err := b.main.inner.Return(outputs, nil); err != nil {
		return nil, err
	}
	inner, err := b.inner.Compile()
	if err != nil {
		return nil, err
	}
	return &delegate{b.backend, inner}, nil
}

// forget lets go of what the interpreter has recorded: GoMLX keeps the builder and its values as long as the graph.
func (b *Builder) forget() { b.inner, b.main.inner, b.values, b.main.outputs = nil, nil, nil, nil }

// value wraps a value of the interpreter's.
func (b *Builder) value(inner compute.Value, shape shapes.Shape) *value {
	b.values = append(b.values, inner)
	return &value{builder: b, inner: len(b.values) - 1, shape: shape}
}

// own returns a value of this builder's.
func (b *Builder) own(v compute.Value) (*value, error) {
	own, ok := v.(*value)
	if !ok || own == nil || own.builder != b {
		return nil, fmt.Errorf("cpu: want a value of this builder, got %T", v)
	}
	return own, nil
}

// constant copies a constant's elements and checks them against its dimensions.
func constant(flat any, dims []int) (any, shapes.Shape, error) {
	t := reflect.TypeOf(flat)
	if t == nil || t.Kind() != reflect.Slice {
		return nil, shapes.Invalid(), fmt.Errorf("cpu: constant: want a slice, got %T", flat)
	}
	dtype := dtypes.FromGoType(t.Elem())
	if dtype == dtypes.InvalidDType {
		return nil, shapes.Invalid(), fmt.Errorf("cpu: constant: want a slice of numbers, got %T", flat)
	}
	shape := shapes.Make(dtype, dims...)
	n := reflect.ValueOf(flat).Len()
	if shape.Size() != n {
		return nil, shapes.Invalid(), fmt.Errorf("cpu: constant: want %d elements for %s, got %d", shape.Size(), shape, n)
	}
	kept := reflect.MakeSlice(t, n, n)
	reflect.Copy(kept, reflect.ValueOf(flat))
	return kept.Interface(), shape, nil
}
