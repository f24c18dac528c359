package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/onnx/ort"
)

// tryEdited opens an edited model in onnxruntime and runs it on random input of a size that the source can
// run on.
func (a *app) tryEdited(ctx context.Context, src string, m *onnx.Model, trusted bool, report *editReport) error {
	was, err := onnx.ReadFile(src)
	if err != nil {
		return err
	}
	defer was.Close()
	defer edit.Inference(was)()
	defer edit.Inference(m)()
	o := ort.Options{Threads: a.threads, Untrusted: !trusted}
	source, err := ort.OpenModel(was, o)
	if err != nil {
		return fmt.Errorf("the source itself: %w", err)
	}
	defer source.Close()
	edited, err := ort.OpenModel(m, o)
	if err != nil {
		return err
	}
	defer edited.Close()
	for _, size := range [...]int{32, 64, 96, 128, 224} {
		in, err := randomInputs(source.Inputs(), size, a.seed)
		if err != nil {
			return err
		}
		if _, err := source.Run(ctx, in); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		if in, err = randomInputs(edited.Inputs(), size, a.seed); err != nil {
			return err
		}
		_, err = edited.Run(ctx, in)
		report.Ran = err == nil
		return err
	}
	report.Warnings = append(report.Warnings, "the source does not run on random input of any size tried: the edited model was opened, not run")
	return nil
}

// randomInputs draws normal numbers, and small counts for integers. Free axes are size long, a free first one
// has 1 entry.
func randomInputs(infos []onnx.ValueInfo, size int, seed uint64) (map[string]*onnx.Tensor, error) {
	rng := rand.New(rand.NewPCG(seed, 3))
	out := map[string]*onnx.Tensor{}
	for _, info := range infos {
		shape := slices.Clone(info.Shape)
		for i, d := range shape {
			if d < 0 {
				shape[i] = size
				if i == 0 {
					shape[i] = 1
				}
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
