package finetune

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// tinyModel is two convolutions with a rectifier between, and a Spec with three labels.
func tinyModel(t *testing.T) *onnx.Model {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	m := onnx.New(8, "tiny", onnx.Opset{Version: 17})
	g := m.Graph()
	free := []int{-1, 1, -1, -1, -1}
	g.Inputs = []onnx.ValueInfo{{Name: "image", DType: onnx.Float32, Shape: free, Dims: []string{"n", "", "x", "y", "z"}}}
	g.Outputs = []onnx.ValueInfo{{Name: "scores", DType: onnx.Float32, Shape: []int{-1, 3, -1, -1, -1}, Dims: []string{"n", "", "x", "y", "z"}}}
	add := func(name string, shape ...int) {
		n := 1
		for _, s := range shape {
			n *= s
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(rng.NormFloat64()) * 0.4
		}
		tensor, err := onnx.FromFloat32(shape, values)
		if err != nil {
			t.Fatal(err)
		}
		g.Initializers = append(g.Initializers, &onnx.Initializer{Name: name, Tensor: tensor})
	}
	add("first.weight", 8, 1, 3, 3, 3)
	add("first.bias", 8)
	add("last.weight", 3, 8, 1, 1, 1)
	add("last.bias", 3)
	g.Nodes = []*onnx.Node{
		{Name: "c1", OpType: "Conv", Inputs: []string{"image", "first.weight", "first.bias"}, Outputs: []string{"a"}, Attrs: []onnx.Attr{onnx.IntsAttr("pads", 1, 1, 1, 1, 1, 1)}},
		{Name: "r1", OpType: "Relu", Inputs: []string{"a"}, Outputs: []string{"b"}},
		{Name: "c2", OpType: "Conv", Inputs: []string{"b", "last.weight", "last.bias"}, Outputs: []string{"scores"}},
	}
	spec := predict.Spec{
		Version: predict.Version, Task: predict.Segmentation,
		Input:   predict.Input{Layout: patch.XYZ, Channels: []predict.Channel{{Name: "image"}}},
		Prepare: transform.Pipeline{transform.Orient{Axes: "RAS"}},
		Tile:    &predict.Tile{Size: [3]int{8, 8, 8}, Overlap: predict.Overlap{0.25, 0.25, 0.25}, Batch: 2},
		Decode:  predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels:  []predict.Label{{Value: 0, Name: "background"}, {Value: 2, Name: "dim"}, {Value: 5, Name: "bright"}},
	}
	if err := predict.WriteSpec(m, spec); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := onnx.WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	read, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	return read
}

// tinyCases draws n noisy images of 11x9x10 voxels with a dim and a bright ball, and their labels.
func tinyCases(t *testing.T, dir string, n int) []dataset.Case {
	t.Helper()
	var cases []dataset.Case
	for k := range n {
		rng := rand.New(rand.NewPCG(uint64(k), 7))
		grid := imageio.Grid{Size: [3]int{11, 9, 10}, Affine: imageio.Identity()}
		im, label := imageio.New(grid, 1, imageio.Intensity), imageio.New(grid, 1, imageio.Label)
		cx, cy := 3+2*rng.Float64(), 3+2*rng.Float64()
		for z := range 10 {
			for y := range 9 {
				for x := range 11 {
					i := grid.Index(x, y, z)
					r := math.Hypot(math.Hypot(float64(x)-cx, float64(y)-cy), float64(z)-4)
					switch {
					case r < 2:
						label.Data[i], im.Data[i] = 5, 2
					case r < 3.6:
						label.Data[i], im.Data[i] = 2, 1
					}
					im.Data[i] += float32(0.15 * rng.NormFloat64())
				}
			}
		}
		c := dataset.Case{ID: fmt.Sprintf("case%d", k), Images: []string{filepath.Join(dir, fmt.Sprintf("im%d.nii", k))}, Label: filepath.Join(dir, fmt.Sprintf("la%d.nii", k))}
		if err := imageio.Write(c.Images[0], im); err != nil {
			t.Fatal(err)
		}
		if err := imageio.Write(c.Label, label); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// plainEngine is the reference engine, which every machine has.
func plainEngine(t *testing.T) *convert.Backend {
	t.Helper()
	b, err := convert.NewBackend(convert.BackendOptions{Device: "go"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// tinyConfig trains fast and uses everything that is random.
func tinyConfig(steps int) Config {
	c := Defaults()
	c.Steps, c.Batch, c.Rate, c.Warmup, c.Clip, c.Seed = steps, 2, 0.1, 2, 5, 11
	c.ValidateEvery = 4
	return c
}

func newTiny(t *testing.T, b *convert.Backend, train, valid []dataset.Case, c Config) *Trainer {
	t.Helper()
	trainer, err := New(t.Context(), tinyModel(t), b, train, valid, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer
}
