package convert_test

import (
	"context"
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// TestInsert drops a share of ten thousand ones before a layer that adds them up: the sum tells how many stayed. Five
// standard deviations of the binomial distribution bound it; steps differ, the same seed gives the same, and a Dropout
// node of the model rests while it is not asked to act.
func TestInsert(t *testing.T) {
	const n, share = 10000, 0.3
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	weight, err := onnx.FromFloat32([]int{n, 1}, ones)
	if err != nil {
		t.Fatal(err)
	}
	x, err := onnx.FromFloat32([]int{1, n}, ones)
	if err != nil {
		t.Fatal(err)
	}
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{1, n}}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{1, 1}}}
	g.Initializers = []*onnx.Initializer{{Name: "w", Tensor: weight}}
	head := &onnx.Node{Name: "head", OpType: "Gemm", Inputs: []string{"h", "w"}, Outputs: []string{"y"}}
	g.Nodes = []*onnx.Node{{Name: "drop", OpType: "Dropout", Inputs: []string{"x"}, Outputs: []string{"h"}}, head}
	sums := func(insert map[*onnx.Node]float64) (out [2]float64) {
		net, err := convert.Import(m, convert.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := net.NewStep(backend(t), convert.StepConfig{
			Optimizer: convert.DefaultOptimizer(convert.SGD), Insert: insert, Seed: 7,
			Loss: func(out, _ map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
				return graph.ReduceAllSum(out["y"]), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i := range out {
			r, err := s.Run(context.Background(), 0, map[string]*onnx.Tensor{"x": x})
			if err != nil {
				t.Fatal(err)
			}
			out[i] = r.Loss
		}
		return out
	}
	if got := sums(nil); got != [2]float64{n, n} {
		t.Errorf("want the model's own Dropout to rest, got the sums %v", got)
	}
	got := sums(map[*onnx.Node]float64{head: share})
	for _, sum := range got {
		kept := sum * (1 - share)
		if sd := math.Sqrt(n * share * (1 - share)); math.Abs(kept-n*(1-share)) > 5*sd {
			t.Errorf("want about %g ones kept, got %g", n*(1-share), kept)
		}
	}
	if got[0] == got[1] {
		t.Error("want steps to drop other elements")
	}
	if again := sums(map[*onnx.Node]float64{head: share}); again != got {
		t.Errorf("want the same seed to give %v, got %v", got, again)
	}
}
