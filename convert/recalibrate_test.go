package convert_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// TestRecalibrate compares the statistics of two batches with their definition: the mean over batches of each
// batch's mean and unbiased variance, channel by channel, where a second norm sees what the first one makes of
// the batch. Scale and bias stay.
func TestRecalibrate(t *testing.T) {
	b := backend(t)
	vector := func(name string, v ...float32) *onnx.Initializer {
		x, err := onnx.FromFloat32([]int{len(v)}, v)
		if err != nil {
			t.Fatal(err)
		}
		return &onnx.Initializer{Name: name, Tensor: x}
	}
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{-1, 2, 5}, Dims: []string{"n", "", ""}}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{-1, 2, 5}, Dims: []string{"n", "", ""}}}
	g.Initializers = []*onnx.Initializer{
		vector("a.weight", 2, 3), vector("a.bias", 1, -1), vector("a.running_mean", 5, 5), vector("a.running_var", 7, 7),
		vector("b.weight", 1, 2), vector("b.bias", 0, 4), vector("b.running_mean", 9, 9), vector("b.running_var", 3, 3),
	}
	g.Nodes = []*onnx.Node{
		{Name: "a", OpType: "BatchNormalization", Inputs: []string{"x", "a.weight", "a.bias", "a.running_mean", "a.running_var"}, Outputs: []string{"h"}},
		{Name: "b", OpType: "BatchNormalization", Inputs: []string{"h", "b.weight", "b.bias", "b.running_mean", "b.running_var"}, Outputs: []string{"y"}},
	}
	net, err := convert.Import(m, convert.ImportOptions{BatchNorm: convert.BatchNormRecalibrate})
	if err != nil {
		t.Fatal(err)
	}
	s, err := net.NewStep(b, convert.StepConfig{
		Optimizer: convert.DefaultOptimizer(convert.SGD),
		Loss: func(out, _ map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			return graph.ReduceAllMean(out["y"]), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	var batches []map[string]*onnx.Tensor
	mean, variance := [2]float64{}, [2]float64{}
	for range 2 {
		v := make([]float32, 3*2*5)
		for i := range v {
			v[i] = float32(rng.NormFloat64()*2 + 1)
		}
		x, err := onnx.FromFloat32([]int{3, 2, 5}, v)
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, map[string]*onnx.Tensor{"x": x})
		for c := range 2 {
			mu, q := 0.0, 0.0
			for n := range 3 {
				for i := range 5 {
					mu += float64(v[(n*2+c)*5+i]) / 15
				}
			}
			for n := range 3 {
				for i := range 5 {
					q += math.Pow(float64(v[(n*2+c)*5+i])-mu, 2) / 14
				}
			}
			mean[c], variance[c] = mean[c]+mu/2, variance[c]+q/2
		}
	}
	if err := s.Recalibrate(context.Background(), batches...); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	near := func(name string, want ...float64) {
		got, err := net.Value(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 1e-4*math.Max(1, math.Abs(want[i])) { // 1e-5 of epsilon beside a variance of 4, and float32
				t.Errorf("%s: want %v, got %v", name, want, got)
			}
		}
	}
	near("a.running_mean", mean[:]...)
	near("a.running_var", variance[:]...)
	// Behind a norm by the batch each channel has the norm's bias as mean and its scale as deviation; 15 values.
	near("b.running_mean", 1, -1)
	near("b.running_var", 4*15./14, 9*15./14)
	near("a.weight", 2, 3)
	near("b.bias", 0, 4)
}
