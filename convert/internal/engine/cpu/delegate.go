package cpu

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// delegate is a graph that the interpreter runs whole.
type delegate struct {
	backend *Backend
	inner   compute.Executable
}

func (d *delegate) Finalize() { d.inner.Finalize() }

func (d *delegate) Inputs() (names []string, inputShapes []shapes.Shape) { return d.inner.Inputs() }

func (d *delegate) Outputs() []shapes.Shape { return d.inner.Outputs() }

// Execute copies the inputs to the interpreter and the outputs back.
func (d *delegate) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) (out []compute.Buffer, err error) {
	defer trap(&err)
	if err := d.backend.usable(device); err != nil {
		return nil, err
	}
	if donate != nil && len(donate) != len(inputs) {
		return nil, fmt.Errorf("cpu: want %d inputs said to be donated or not, got %d", len(inputs), len(donate))
	}
	inner := make([]compute.Buffer, len(inputs))
	all := make([]bool, len(inputs))
	for i, in := range inputs {
		if inner[i], err = d.enter(in); err != nil {
			return nil, fmt.Errorf("cpu: input %d: %w", i, err)
		}
		all[i] = true
	}
	results, err := d.inner.Execute(inner, all, 0)
	if err != nil {
		return nil, err
	}
	for i, in := range inputs {
		if donate != nil && donate[i] {
			_ = in.Finalize()
		}
	}
	for _, r := range results {
		buf, err := d.leave(r)
		if err != nil {
			return nil, err
		}
		out = append(out, buf)
	}
	return out, nil
}

func (d *delegate) enter(in compute.Buffer) (compute.Buffer, error) {
	own, ok := in.(*Buffer)
	if !ok || own.backend != d.backend {
		return nil, fmt.Errorf("want a buffer of this backend, got %T", in)
	}
	from, err := own.bytes()
	if err != nil {
		return nil, err
	}
	inner, flat, err := d.backend.interpreter.NewSharedBuffer(0, own.shape)
	if err != nil {
		return nil, err
	}
	copy(bytesOf(flat), from)
	return inner, nil
}

func (d *delegate) leave(r compute.Buffer) (compute.Buffer, error) {
	shape, err := r.Shape()
	if err != nil {
		return nil, err
	}
	flat, err := r.Data()
	if err != nil {
		return nil, err
	}
	own, err := d.backend.newBuffer(shape)
	if err != nil {
		return nil, err
	}
	copy(own.block.bytes, bytesOf(flat))
	_ = r.Finalize() // its memory is Go's
	return own, nil
}
