package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/onnx/ort"
)

// trial runs an edited model beside its source.
type trial struct {
	source, edited *ort.Session
	seed           uint64
}

// tryEdited opens an edited model in onnxruntime and runs it on random input of a size that the source can
// run on; where axes were freed, at a second size too. Shapes of outputs that the model did not declare are
// filled in from what came out.
func (a *app) tryEdited(ctx context.Context, src string, m *onnx.Model, trusted bool, report *editReport) error {
	was, err := onnx.ReadFile(src)
	if err != nil {
		return err
	}
	defer was.Close()
	defer edit.Inference(was)()
	defer edit.Inference(m)()
	o := ort.Options{Threads: a.threads, Untrusted: !trusted}
	t := trial{seed: a.seed}
	if t.source, err = ort.OpenModel(was, o); err != nil {
		return fmt.Errorf("the source itself: %w", err)
	}
	defer t.source.Close()
	if t.edited, err = ort.OpenModel(m, o); err != nil {
		return err
	}
	defer t.edited.Close()
	for _, size := range [...]int{32, 64, 96, 128, 224} {
		in, err := randomInputs(t.source.Inputs(), sizes(t.source, size, 0), t.seed)
		if err != nil {
			return err
		}
		if _, err := t.source.Run(ctx, in); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		if in, err = randomInputs(t.edited.Inputs(), sizes(t.source, size, 0), t.seed); err != nil {
			return err
		}
		out, err := t.edited.Run(ctx, in)
		if err != nil {
			return err
		}
		report.Ran = true
		fillShapes(m, out)
		return t.free(ctx, size, out)
	}
	report.Warnings = append(report.Warnings, "the source does not run on random input of any size tried: the edited model was opened, not run")
	return nil
}

// fillShapes declares the shapes of outputs whose rank is unknown: as they came out, or free where an input
// has free axes.
func fillShapes(m *onnx.Model, out map[string]*onnx.Tensor) {
	fixed := true
	for _, in := range m.Inputs() {
		fixed = fixed && !slices.ContainsFunc(in.Shape, func(d int) bool { return d < 0 })
	}
	for i, o := range m.Outputs() {
		if got := out[o.Name]; o.Shape == nil && got != nil {
			o.Shape = got.Shape()
			o.Dims = make([]string, len(o.Shape))
			for k := range o.Shape {
				if !fixed {
					o.Shape[k] = -1
				}
			}
			m.Outputs()[i] = o
		}
	}
}

// sizes returns a size for each axis of the source's inputs; more is added to all but the first.
func sizes(s *ort.Session, size, more int) [][]int {
	var out [][]int
	for _, info := range s.Inputs() {
		shape := slices.Clone(info.Shape)
		for i, d := range shape {
			if d < 0 {
				shape[i] = size
				if i == 0 {
					shape[i] = 1
				}
			}
			if i > 0 {
				shape[i] += more
			}
		}
		out = append(out, shape)
	}
	return out
}

// freed reports whether the edited model has a free axis, first or other, that the source had not.
func (t trial) freed(first bool) bool {
	source := t.source.Inputs()
	for i, in := range t.edited.Inputs() {
		for k, d := range in.Shape {
			if i < len(source) && k < len(source[i].Shape) && (k == 0) == first && d < 0 && source[i].Shape[k] >= 0 {
				return true
			}
		}
	}
	return false
}

// free runs the model at another size on the axes that the edit freed.
func (t trial) free(ctx context.Context, size int, before map[string]*onnx.Tensor) error {
	if t.freed(true) {
		if err := t.twice(ctx, size, before); err != nil {
			return fmt.Errorf("with twice the batch: %w", err)
		}
	}
	if !t.freed(false) {
		return nil
	}
	in, err := randomInputs(t.edited.Inputs(), sizes(t.source, size, 32), t.seed)
	if err != nil {
		return err
	}
	out, err := t.edited.Run(ctx, in)
	if err != nil {
		return fmt.Errorf("at a size larger by 32: %w", err)
	}
	for _, o := range t.edited.Outputs() {
		for k, d := range o.Shape {
			if k > 0 && d < 0 && out[o.Name].Shape()[k] == before[o.Name].Shape()[k] {
				return fmt.Errorf("at a size larger by 32: axis %d of output %q stays %d: something inside fixes it", k, o.Name, before[o.Name].Shape()[k])
			}
		}
	}
	return nil
}

// twice gives every input twice over: each half of the outputs has to be what it was.
func (t trial) twice(ctx context.Context, size int, before map[string]*onnx.Tensor) error {
	once, err := randomInputs(t.edited.Inputs(), sizes(t.source, size, 0), t.seed)
	if err != nil {
		return err
	}
	double := map[string]*onnx.Tensor{}
	for name, x := range once {
		raw, err := x.Bytes()
		if err != nil {
			return err
		}
		shape := x.Shape()
		if len(shape) > 0 {
			shape[0] *= 2
			raw = slices.Concat(raw, raw)
		}
		if double[name], err = onnx.NewTensor(x.DType(), shape, raw); err != nil {
			return err
		}
	}
	out, err := t.edited.Run(ctx, double)
	if err != nil {
		return err
	}
	for name, one := range before {
		if err := isTwice(one, out[name]); err != nil {
			return fmt.Errorf("output %q: %w", name, err)
		}
	}
	return nil
}

func isTwice(one, two *onnx.Tensor) error {
	if two.Len() != 2*one.Len() {
		return fmt.Errorf("want twice the shape %v, got %v: something inside fixes the batch", one.Shape(), two.Shape())
	}
	if !one.DType().Float() {
		return nil
	}
	a, errA := one.Float32()
	b, errB := two.Float32()
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	largest, difference := 0.0, 0.0
	for i, v := range b {
		largest = max(largest, math.Abs(float64(v)))
		difference = max(difference, math.Abs(float64(v-a[i%len(a)])))
	}
	if difference > 1e-3*largest {
		return fmt.Errorf("entries of a batch mix: they differ by %g of %g", difference, largest)
	}
	return nil
}

// randomInputs draws normal numbers, and small counts for integers; free axes have the sizes given.
func randomInputs(infos []onnx.ValueInfo, free [][]int, seed uint64) (map[string]*onnx.Tensor, error) {
	rng := rand.New(rand.NewPCG(seed, 3))
	out := map[string]*onnx.Tensor{}
	for k, info := range infos {
		shape := slices.Clone(info.Shape)
		for i, d := range shape {
			if d < 0 && k < len(free) && i < len(free[k]) {
				shape[i] = free[k][i]
			}
		}
		n, err := onnx.Elements(shape)
		if err != nil {
			return nil, err
		}
		if out[info.Name], err = randomTensor(rng, info.DType, shape, n); err != nil {
			return nil, fmt.Errorf("input %q: %w", info.Name, err)
		}
	}
	return out, nil
}

func randomTensor(rng *rand.Rand, dtype onnx.DType, shape []int, n int) (*onnx.Tensor, error) {
	if !dtype.Float() {
		raw := make([]byte, n*dtype.Bits()/8) // little endian: a 0 or 1 in each first byte
		for i := range n {
			raw[i*dtype.Bits()/8] = byte(rng.IntN(2))
		}
		return onnx.NewTensor(dtype, shape, raw)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	t, err := onnx.FromFloat32(shape, v)
	if err != nil {
		return nil, err
	}
	t, _, err = t.Convert(dtype)
	return t, err
}
