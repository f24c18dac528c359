package convert_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
)

// xla starts XLA's CPU plugin, with simulated devices, or skips the test.
func xla(t testing.TB, devices string) *convert.Backend {
	t.Helper()
	path, err := native.Library(native.XLACPU)
	if err != nil {
		t.Skipf("no plugin of XLA: %v", err)
	}
	b, err := convert.NewBackend(convert.BackendOptions{Device: "xla:" + path + devices})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(b.Close)
	return b
}

// tensor draws a tensor.
func tensor(t testing.TB, rng *rand.Rand, shape ...int) *onnx.Tensor {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	x, err := onnx.FromFloat32(shape, v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// normed is a convolution, a BatchNormalization that trains, and a strided convolution.
func normed(t testing.TB) *convert.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	value := func(name string, shape ...int) *onnx.Initializer {
		return &onnx.Initializer{Name: name, Tensor: tensor(t, rng, shape...)}
	}
	ones, err := onnx.FromFloat32([]int{4}, []float32{1, 1, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	g := m.Graph()
	dims := []string{"n", "", "", "", ""}
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{-1, 2, 6, 6, 6}, Dims: dims}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{-1, 3, 3, 3, 3}, Dims: dims}}
	g.Initializers = []*onnx.Initializer{
		value("a.weight", 4, 2, 3, 3, 3), value("a.bias", 4), value("n.weight", 4), value("n.bias", 4), value("n.running_mean", 4),
		{Name: "n.running_var", Tensor: ones},
		value("b.weight", 3, 4, 3, 3, 3),
	}
	ints := func(name string, v ...int64) onnx.Attr { return onnx.IntsAttr(name, v...) }
	pads := ints("pads", 1, 1, 1, 1, 1, 1)
	g.Nodes = []*onnx.Node{
		{Name: "a", OpType: "Conv", Inputs: []string{"x", "a.weight", "a.bias"}, Outputs: []string{"h"}, Attrs: []onnx.Attr{pads}},
		{Name: "n", OpType: "BatchNormalization", Inputs: []string{"h", "n.weight", "n.bias", "n.running_mean", "n.running_var"}, Outputs: []string{"i"}},
		{Name: "r", OpType: "Relu", Inputs: []string{"i"}, Outputs: []string{"j"}},
		{Name: "b", OpType: "Conv", Inputs: []string{"j", "b.weight"}, Outputs: []string{"y"}, Attrs: []onnx.Attr{pads, ints("strides", 2, 2, 2)}},
	}
	net, err := convert.Import(m, convert.ImportOptions{BatchNorm: convert.BatchNormTrain})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// trained makes the same steps on any backend: whole batches, micro-batches, and a batch that two devices cannot share.
func trained(t testing.TB, b *convert.Backend) (losses []float64, state map[string]*onnx.Tensor) {
	t.Helper()
	s, err := normed(t).NewStep(b, convert.StepConfig{
		Optimizer: convert.DefaultOptimizer(convert.SGD), Clip: 5,
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			return graph.ReduceAllMean(graph.Square(graph.Sub(out["y"], batch["truth"]))), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(7, 8))
	batch := func(n int) map[string]*onnx.Tensor {
		return map[string]*onnx.Tensor{"x": tensor(t, rng, n, 2, 6, 6, 6), "truth": tensor(t, rng, n, 3, 3, 3, 3)}
	}
	for _, sizes := range [][]int{{4}, {3}, {4, 4}, {4}} {
		var batches []map[string]*onnx.Tensor
		for _, n := range sizes {
			batches = append(batches, batch(n))
		}
		r, err := s.Run(context.Background(), 1e-3, batches...)
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, r.Loss, r.Norm)
	}
	if state, err = s.State(); err != nil {
		t.Fatal(err)
	}
	return losses, state
}

// TestDevices wants a step on two devices with half of the batch each to be the step of the whole batch on one device, of
// XLA and of the CPU engine: losses, gradients' norms, weights, moments and the statistics of BatchNormalization. Only the
// order of float32 sums differs: 1e-5 of the largest value after four steps.
func TestDevices(t *testing.T) {
	two := xla(t, ",devices=2")
	if two.Devices() != 2 {
		t.Fatalf("want two devices, got %d", two.Devices())
	}
	losses, state := trained(t, two)
	ones := map[string]*convert.Backend{"cpu": backend(t)}
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		ones["xla"] = xla(t, "")
	}
	for name, one := range ones {
		wantLosses, want := trained(t, one)
		for i, w := range wantLosses {
			if math.Abs(losses[i]-w) > 1e-5*math.Abs(w) {
				t.Errorf("%s: loss or norm %d: want %g, got %g", name, i, w, losses[i])
			}
		}
		worst := 0.0
		for key, w := range want {
			if d := difference(t, state[key], w); d > 1e-5 {
				t.Errorf("%s: %s differs by %g", name, key, d)
			} else {
				worst = max(worst, d)
			}
		}
		t.Logf("%s: values differ by at most %.1g of the largest", name, worst)
	}
}

// difference returns the largest difference over the largest value.
func difference(t testing.TB, got, want *onnx.Tensor) float64 {
	t.Helper()
	a, err := numbersOf(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := numbersOf(want)
	if err != nil || len(a) != len(b) {
		t.Fatalf("want %d values, got %d (%v)", len(b), len(a), err)
	}
	top, diff := 1e-3, 0.0
	for i := range b {
		top, diff = max(top, math.Abs(b[i])), max(diff, math.Abs(a[i]-b[i]))
	}
	return diff / top
}

func numbersOf(t *onnx.Tensor) ([]float64, error) {
	var out []float64
	if t.DType() == onnx.Int64 {
		v, err := t.Int64()
		for _, x := range v {
			out = append(out, float64(x))
		}
		return out, err
	}
	v, err := t.Float32()
	for _, x := range v {
		out = append(out, float64(x))
	}
	return out, err
}
