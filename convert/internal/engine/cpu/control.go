package cpu

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// What follows is the interpreter's alone: control flow, other functions, and shapes that are known when run.

func (f *function) Call(target compute.Function, inputs ...compute.Value) ([]compute.Value, error) {
	inner, err := f.callee(target)
	if err != nil {
		return nil, err
	}
	return f.delegate(inputs, func(in []compute.Value) ([]compute.Value, error) { return f.inner.Call(inner[0], in...) })
}

func (f *function) Sort(comparator compute.Function, axis int, stable bool, inputs ...compute.Value) ([]compute.Value, error) {
	inner, err := f.callee(comparator)
	if err != nil {
		return nil, err
	}
	return f.delegate(inputs, func(in []compute.Value) ([]compute.Value, error) { return f.inner.Sort(inner[0], axis, stable, in...) })
}

func (f *function) While(cond, body compute.Function, state ...compute.Value) ([]compute.Value, error) {
	inner, err := f.callee(cond, body)
	if err != nil {
		return nil, err
	}
	return f.delegate(state, func(in []compute.Value) ([]compute.Value, error) { return f.inner.While(inner[0], inner[1], in...) })
}

func (f *function) If(pred compute.Value, onTrue, onFalse compute.Function) ([]compute.Value, error) {
	inner, err := f.callee(onTrue, onFalse)
	if err != nil {
		return nil, err
	}
	return f.delegate([]compute.Value{pred}, func(in []compute.Value) ([]compute.Value, error) {
		return f.inner.If(in[0], inner[0], inner[1])
	})
}

func (f *function) DynamicShape(x compute.Value) (compute.Value, error) {
	return first(f.delegate([]compute.Value{x}, func(in []compute.Value) ([]compute.Value, error) { return single(f.inner.DynamicShape(in[0])) }))
}

func (f *function) DynamicDimensionSize(x compute.Value, axis int) (compute.Value, error) {
	return first(f.delegate([]compute.Value{x}, func(in []compute.Value) ([]compute.Value, error) {
		return single(f.inner.DynamicDimensionSize(in[0], axis))
	}))
}

func (f *function) DynamicReshape(x compute.Value, dims ...compute.DynamicDimensionSpec) (compute.Value, error) {
	inner, err := f.specs(dims)
	if err != nil {
		return nil, err
	}
	return first(f.delegate([]compute.Value{x}, func(in []compute.Value) ([]compute.Value, error) {
		return single(f.inner.DynamicReshape(in[0], inner...))
	}))
}

func (f *function) DynamicBroadcastInDim(x compute.Value, axes []int, dims ...compute.DynamicDimensionSpec) (compute.Value, error) {
	inner, err := f.specs(dims)
	if err != nil {
		return nil, err
	}
	return first(f.delegate([]compute.Value{x}, func(in []compute.Value) ([]compute.Value, error) {
		return single(f.inner.DynamicBroadcastInDim(in[0], axes, inner...))
	}))
}

func (f *function) DynamicIota(dtype dtypes.DType, axis int, dims ...compute.DynamicDimensionSpec) (compute.Value, error) {
	inner, err := f.specs(dims)
	if err != nil {
		return nil, err
	}
	return first(f.delegate(nil, func([]compute.Value) ([]compute.Value, error) {
		return single(f.inner.DynamicIota(dtype, axis, inner...))
	}))
}

func (f *function) DynamicPad(x, fill compute.Value, axes ...compute.DynamicPadAxis) (compute.Value, error) {
	inner := make([]compute.DynamicPadAxis, len(axes))
	for i, a := range axes {
		inner[i] = a
		for _, v := range []*compute.Value{&inner[i].StartValue, &inner[i].EndValue, &inner[i].InteriorValue} {
			if err := f.known(v); err != nil {
				return nil, err
			}
		}
	}
	return first(f.delegate([]compute.Value{x, fill}, func(in []compute.Value) ([]compute.Value, error) {
		return single(f.inner.DynamicPad(in[0], in[1], inner...))
	}))
}

func (f *function) specs(dims []compute.DynamicDimensionSpec) ([]compute.DynamicDimensionSpec, error) {
	inner := make([]compute.DynamicDimensionSpec, len(dims))
	for i, d := range dims {
		inner[i] = d
		if err := f.known(&inner[i].Value); err != nil {
			return nil, err
		}
	}
	return inner, nil
}

// known replaces a value of ours, where there is one, by the interpreter's.
func (f *function) known(v *compute.Value) error {
	if *v == nil {
		return nil
	}
	own, err := f.builder.own(*v)
	if err != nil {
		return err
	}
	*v = f.builder.values[own.inner]
	return nil
}

// callee returns the interpreter's functions.
func (f *function) callee(targets ...compute.Function) ([]compute.Function, error) {
	inner := make([]compute.Function, len(targets))
	for i, t := range targets {
		own, ok := t.(*function)
		if !ok || own.builder != f.builder {
			return nil, fmt.Errorf("cpu: want a function of this builder, got %T", t)
		}
		inner[i] = own.inner
	}
	return inner, nil
}

func first(vs []compute.Value, err error) (compute.Value, error) {
	if err != nil {
		return nil, err
	}
	return vs[0], nil
}
