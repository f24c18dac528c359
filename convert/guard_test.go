package convert_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// demoStep starts a training of the demo's U-Net.
func demoStep(t *testing.T, o convert.Optimizer) *convert.Step {
	t.Helper()
	m, err := onnx.ReadFile("../testdata/models/unet3d_a.onnx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.NewStep(backend(t), convert.StepConfig{
		Optimizer: o,
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			return graph.ReduceAllMean(graph.Square(graph.Sub(out["logits"], batch["target"]))), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// demoBatch draws n samples of a side of 16.
func demoBatch(t *testing.T, rng *rand.Rand, n int, side int) map[string]*onnx.Tensor {
	t.Helper()
	draw := func(channels int) *onnx.Tensor {
		data := make([]float32, n*channels*side*side*side)
		for i := range data {
			data[i] = float32(rng.NormFloat64())
		}
		x, err := onnx.FromFloat32([]int{n, channels, side, side, side}, data)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	return map[string]*onnx.Tensor{"image": draw(1), "target": draw(5)}
}

// stateOf returns everything that a step's state holds.
func stateOf(t *testing.T, s *convert.Step) map[string][]float32 {
	t.Helper()
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for name, v := range state {
		if v.DType() != onnx.Float32 {
			continue
		}
		if out[name], err = v.Float32(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestAccumulate wants micro-batches to give the step of the whole batch. Plain SGD shows a wrong scale that Adam hides.
func TestAccumulate(t *testing.T) {
	o := convert.Optimizer{Kind: convert.SGD}
	whole, parts := demoStep(t, o), demoStep(t, o)
	rng := rand.New(rand.NewPCG(1, 2))
	both := demoBatch(t, rng, 2, 16)
	halves := make([]map[string]*onnx.Tensor, 2)
	for i := range halves {
		halves[i] = map[string]*onnx.Tensor{}
		for name, x := range both {
			v, err := x.Float32()
			if err != nil {
				t.Fatal(err)
			}
			shape := x.Shape()
			shape[0] = 1
			n := len(v) / 2
			if halves[i][name], err = onnx.FromFloat32(shape, slices.Clone(v[i*n:(i+1)*n])); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, err := whole.Run(context.Background(), 0.1, both)
	if err != nil {
		t.Fatal(err)
	}
	b, err := parts.Run(context.Background(), 0.1, halves...)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(a.Loss-b.Loss) > 1e-5*a.Loss || math.Abs(a.Norm-b.Norm) > 1e-4*a.Norm {
		t.Errorf("loss and norm %g, %g; of the whole batch %g, %g", b.Loss, b.Norm, a.Loss, a.Norm)
	}
	got := stateOf(t, parts)
	for name, want := range stateOf(t, whole) {
		worst, largest := 0.0, 0.0
		for i, w := range want {
			worst, largest = max(worst, math.Abs(float64(w-got[name][i]))), max(largest, math.Abs(float64(w)))
		}
		if worst > 1e-5*max(largest, 1e-3) { // the order of the sums differs
			t.Errorf("%s differs by %g of %g", name, worst, largest)
		}
	}
}

// TestCancelStep cancels in the middle of a step and wants it to end soon, with everything as it was before.
func TestCancelStep(t *testing.T) {
	s := demoStep(t, convert.DefaultOptimizer(convert.Adam))
	batch := demoBatch(t, rand.New(rand.NewPCG(3, 4)), 1, 64)
	warm := t.Context()
	if _, err := s.Run(warm, 1e-3, batch); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := s.Run(warm, 1e-3, batch); err != nil {
		t.Fatal(err)
	}
	usual := time.Since(start)
	before := stateOf(t, s)
	ctx, stop := context.WithTimeout(context.Background(), usual/4)
	defer stop()
	_, err := s.Run(ctx, 1e-3, batch)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want the deadline's error, got %v", err)
	}
	if s.Count() != 2 {
		t.Errorf("%d steps are counted, want 2", s.Count())
	}
	for name, want := range before {
		if !slices.Equal(stateOf(t, s)[name], want) {
			t.Errorf("%s has changed", name)
		}
	}
	if _, err := s.Run(warm, 1e-3, batch); err != nil {
		t.Errorf("the next step: %v", err)
	}
}

// TestNonFinite wants the first node named that gives no finite number, and no update.
func TestNonFinite(t *testing.T) {
	s := demoStep(t, convert.DefaultOptimizer(convert.Adam))
	batch := demoBatch(t, rand.New(rand.NewPCG(5, 6)), 1, 16)
	x, err := batch["image"].Float32()
	if err != nil {
		t.Fatal(err)
	}
	x = slices.Clone(x)
	x[77] = float32(math.NaN())
	if batch["image"], err = onnx.FromFloat32(batch["image"].Shape(), x); err != nil {
		t.Fatal(err)
	}
	before := stateOf(t, s)
	ctx := t.Context()
	_, err = s.Run(ctx, 1e-3, batch)
	var e *convert.NonFiniteError
	if !errors.As(err, &e) || !strings.Contains(e.Where, "/enc1/enc1.0/Conv") {
		t.Fatalf("want the first convolution named, got %v", err)
	}
	for name, want := range before {
		if !slices.Equal(stateOf(t, s)[name], want) {
			t.Errorf("%s has changed", name)
		}
	}
}

// TestStepMemory wants the memory of a step told, and kept within a bound by computing twice, with the same result.
func TestStepMemory(t *testing.T) {
	batch := demoBatch(t, rand.New(rand.NewPCG(7, 8)), 1, 32)
	ctx := t.Context()
	free, bound := demoStep(t, convert.DefaultOptimizer(convert.Adam)), demoStep(t, convert.DefaultOptimizer(convert.Adam))
	m, ok, err := free.Memory(batch)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skip("this engine does not know its memory")
	}
	want, err := free.Run(ctx, 1e-3, batch)
	if err != nil {
		t.Fatal(err)
	}
	limit := m.Inputs + m.Outputs + m.Work*6/10
	bound.Bound(limit)
	t.Cleanup(func() { bound.Bound(0) })
	less, _, err := bound.Memory(batch)
	if err != nil {
		t.Fatal(err)
	}
	if less.Total() > limit || less.Recomputed == 0 {
		t.Errorf("within %d bytes: %+v, want less than %+v", limit, less, m)
	}
	got, err := bound.Run(ctx, 1e-3, batch)
	if err != nil {
		t.Fatal(err)
	}
	if got.Loss != want.Loss || math.Abs(got.Norm-want.Norm) > 1e-6*want.Norm {
		t.Errorf("loss and norm %v, %v; without a bound %v, %v", got.Loss, got.Norm, want.Loss, want.Norm)
	}
}
