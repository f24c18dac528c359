package convert_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// wave is a tensor of sines of the index, as testdata/gen/autocast.py makes them.
func wave(t testing.TB, rate, size float64, shape ...int) *onnx.Tensor {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(float64(i)*rate) * size)
	}
	x, err := onnx.FromFloat32(shape, v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// waves is the network of testdata/gen/autocast.py.
func waves(t testing.TB) *convert.Graph {
	t.Helper()
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{2, 2, 8, 8, 8}}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{2, 5}}}
	g.Initializers = []*onnx.Initializer{
		{Name: "a.weight", Tensor: wave(t, 0.7, 0.3, 8, 2, 3, 3, 3)},
		{Name: "a.bias", Tensor: wave(t, 1.3, 0.1, 8)},
		{Name: "b.weight", Tensor: wave(t, 0.9, 0.2, 4, 8, 3, 3, 3)},
		{Name: "c.weight", Tensor: wave(t, 0.3, 0.5, 4, 5)},
	}
	pads := onnx.IntsAttr("pads", 1, 1, 1, 1, 1, 1)
	g.Nodes = []*onnx.Node{
		{Name: "a", OpType: "Conv", Inputs: []string{"x", "a.weight", "a.bias"}, Outputs: []string{"h"}, Attrs: []onnx.Attr{pads}},
		{Name: "r", OpType: "Relu", Inputs: []string{"h"}, Outputs: []string{"i"}},
		{Name: "b", OpType: "Conv", Inputs: []string{"i", "b.weight"}, Outputs: []string{"j"}, Attrs: []onnx.Attr{pads, onnx.IntsAttr("strides", 2, 2, 2)}},
		{Name: "s", OpType: "Relu", Inputs: []string{"j"}, Outputs: []string{"k"}},
		{Name: "p", OpType: "GlobalAveragePool", Inputs: []string{"k"}, Outputs: []string{"l"}},
		{Name: "f", OpType: "Flatten", Inputs: []string{"l"}, Outputs: []string{"m"}},
		{Name: "c", OpType: "MatMul", Inputs: []string{"m", "c.weight"}, Outputs: []string{"y"}},
	}
	net, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func waveStep(t testing.TB, b *convert.Backend, p convert.Precision, size float64) *convert.Step {
	t.Helper()
	o := convert.DefaultOptimizer(convert.SGD)
	o.Momentum = 0
	s, err := waves(t).NewStep(b, convert.StepConfig{
		Optimizer: o, Precision: p,
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			return graph.MulScalar(graph.ReduceAllMean(graph.Square(graph.Sub(out["y"], batch["truth"]))), size), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func waveBatch(t testing.TB) map[string]*onnx.Tensor {
	return map[string]*onnx.Tensor{"x": wave(t, 0.37, 1, 2, 2, 8, 8, 8), "truth": wave(t, 0.61, 1, 2, 5)}
}

// TestPrecision trains in each precision beside torch.autocast. Two libraries that round products to the same type
// differ by that type's precision, 2^-8 and 2^-11, a few times over; in float32 by 1e-5. A step in bfloat16 that is
// nearer to float32 than that type's precision would have been computed in float32.
func TestPrecision(t *testing.T) {
	raw, err := os.ReadFile("../testdata/ref/autocast.json")
	if err != nil {
		t.Fatal(err)
	}
	var truth struct{ Float32, BFloat16, Float16 []float64 }
	if err := json.Unmarshal(raw, &truth); err != nil {
		t.Fatal(err)
	}
	b := xla(t, "")
	for _, c := range []struct {
		precision convert.Precision
		losses    []float64
		tolerance float64
	}{{convert.Float32, truth.Float32, 1e-5}, {convert.BFloat16, truth.BFloat16, 1e-2}, {convert.Float16, truth.Float16, 1e-3}} {
		s := waveStep(t, b, c.precision, 1)
		far := 0.0
		for i, want := range c.losses {
			r, err := s.Run(context.Background(), 0.02, waveBatch(t))
			if err != nil {
				t.Fatalf("%s: %v", c.precision, err)
			}
			if d := math.Abs(r.Loss-want) / want; !(d <= c.tolerance) {
				t.Errorf("%s: step %d: want the loss %g, got %g", c.precision, i+1, want, r.Loss)
			}
			far = max(far, math.Abs(r.Loss-truth.Float32[i])/want)
		}
		if c.precision != convert.Float32 && far < 1e-5 {
			t.Errorf("%s: losses are float32's", c.precision)
		}
		t.Logf("%s: losses differ from float32's by %.1g", c.precision, far)
	}
}

// TestLossScale wants a loss whose gradient overflows float16 at the first scales to train all the same, to continue
// from its saved state with the same scale, and a loss that is not finite itself to fail.
func TestLossScale(t *testing.T) {
	b := xla(t, "")
	s := waveStep(t, b, convert.Float16, 100)
	r, err := s.Run(context.Background(), 1e-6, waveBatch(t))
	if err != nil {
		t.Fatal(err)
	}
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	scale, err := state["scale"].Float32()
	if err != nil || !(scale[0] < 1<<16 && scale[0] >= 1) || scale[1] != 1 {
		t.Fatalf("want a scale that was halved and served one step, got %v, %v", scale, err)
	}
	full := waveStep(t, b, convert.Float32, 100)
	want, err := full.Run(context.Background(), 1e-6, waveBatch(t))
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(r.Norm-want.Norm) > 1e-2*want.Norm {
		t.Errorf("want gradients of the norm %g, got %g", want.Norm, r.Norm)
	}
	next := waveStep(t, b, convert.Float16, 100)
	if err := next.SetState(state); err != nil {
		t.Fatal(err)
	}
	var losses [2]float64
	for i, s := range []*convert.Step{s, next} {
		r, err := s.Run(context.Background(), 1e-6, waveBatch(t))
		if err != nil {
			t.Fatal(err)
		}
		losses[i] = r.Loss
	}
	if losses[0] != losses[1] {
		t.Errorf("want a resumed step to give %g, got %g", losses[0], losses[1])
	}
	bad := waveStep(t, b, convert.Float16, math.Inf(1))
	var e *convert.NonFiniteError
	if _, err := bad.Run(context.Background(), 1e-6, waveBatch(t)); !errors.As(err, &e) {
		t.Errorf("want a NonFiniteError, got %v", err)
	}
}

// TestPrecisionRefused wants the CPU engine to say that it multiplies in float32 alone.
func TestPrecisionRefused(t *testing.T) {
	for _, p := range []convert.Precision{convert.BFloat16, convert.Float16, "half"} {
		_, err := waves(t).NewStep(backend(t), convert.StepConfig{
			Optimizer: convert.DefaultOptimizer(convert.SGD), Precision: p,
			Loss: func(out, _ map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
				return graph.ReduceAllMean(out["y"]), nil
			},
		})
		var e *convert.PrecisionError
		if !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%s: want a PrecisionError with a hint, got %v", p, err)
		}
	}
}
