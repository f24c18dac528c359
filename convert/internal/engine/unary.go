package engine

import "github.com/gomlx/compute"

// Clamp is Max(low, Min(x, high)).
func (f *function) Clamp(low, x, high compute.Value) (compute.Value, error) {
	below, err := f.Min(x, high)
	if err != nil {
		return nil, err
	}
	return f.Max(low, below)
}

// IsFinite compares |x| with the largest finite value; NaN compares false.
func (f *function) IsFinite(x compute.Value) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	limit, err := largest(shape.DType)
	if err != nil {
		return nil, err
	}
	most, err := f.scalar(shape.DType, limit)
	if err != nil {
		return nil, err
	}
	size, err := f.Abs(x)
	if err != nil {
		return nil, err
	}
	return f.LessOrEqual(size, most)
}

// IsNaN is x != x.
func (f *function) IsNaN(x compute.Value) (compute.Value, error) { return f.NotEqual(x, x) }

// Expm1 is tanh(x/2)·(eˣ+1), which equals eˣ-1 and keeps its digits near 0. GoMLX has no gradient for it.
func (f *function) Expm1(x compute.Value) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	half, err := f.scalar(shape.DType, 0.5)
	if err != nil {
		return nil, err
	}
	one, err := f.scalar(shape.DType, 1)
	if err != nil {
		return nil, err
	}
	if half, err = f.Mul(x, half); err != nil {
		return nil, err
	}
	tanh, err := f.Tanh(half)
	if err != nil {
		return nil, err
	}
	exp, err := f.Exp(x)
	if err != nil {
		return nil, err
	}
	if exp, err = f.Add(exp, one); err != nil {
		return nil, err
	}
	return f.Mul(tanh, exp)
}

// Rsqrt is 1/√x. GoMLX has no gradient for it.
func (f *function) Rsqrt(x compute.Value) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	one, err := f.scalar(shape.DType, 1)
	if err != nil {
		return nil, err
	}
	root, err := f.Sqrt(x)
	if err != nil {
		return nil, err
	}
	return f.Div(one, root)
}
