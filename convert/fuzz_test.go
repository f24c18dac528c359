package convert

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nitrain/nitrain/onnx"
)

// FuzzNode takes a case of some operator, replaces numbers in its attributes, constants and shapes by others,
// small, negative and absurd, and imports it. Whatever the model says, Import returns, in bounded time and
// memory, a graph or an error.
func FuzzNode(f *testing.F) {
	cases := append(opCases(f), formCases(f)...)
	for i := range min(len(cases), 64) {
		f.Add(uint16(i*7), uint64(i))
	}
	f.Fuzz(func(t *testing.T, which uint16, seed uint64) {
		o := cases[int(which)%len(cases)]
		bounded(t, func() {
			_, _ = Import(o.mutated(rand.New(rand.NewPCG(seed, 1))), ImportOptions{})
		})
	})
}

// TestAbsurdModels is a fixed share of what FuzzNode does.
func TestAbsurdModels(t *testing.T) {
	cases := append(opCases(t), formCases(t)...)
	for i := range cases {
		for seed := range uint64(4) {
			m := cases[i].mutated(rand.New(rand.NewPCG(seed, 1)))
			bounded(t, func() { _, _ = Import(m, ImportOptions{}) })
		}
	}
}

// bounded fails if fn takes more time or memory than any small model may.
func bounded(t testing.TB, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	fn()
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<30 {
		t.Errorf("allocated %d MiB", used>>20)
	}
}

// mutated is the model of a case with some numbers replaced.
func (o opCase) mutated(rng *rand.Rand) *onnx.Model {
	absurd := []int64{0, 1, -1, 2, 3, 5, 7, -2, -7, 64, 1000, 1 << 15, 1 << 20, 1 << 31, 1 << 33, 1 << 40, 1 << 62, math.MaxInt64, math.MinInt64}
	pick := func() int64 { return absurd[rng.IntN(len(absurd))] }
	m := o.model(onnx.Float32)
	g := m.Graph()
	g.Nodes[0].Attrs = slices.Clone(g.Nodes[0].Attrs) // the case keeps its own
	for changed := false; !changed; {
		for i := range g.Nodes[0].Attrs {
			a := &g.Nodes[0].Attrs[i]
			if rng.IntN(2) == 0 {
				continue
			}
			changed = true
			switch a.Kind {
			case onnx.KindInt:
				a.I = pick()
			case onnx.KindFloat:
				a.F = float32(pick())
			case onnx.KindInts:
				a.Ints = append([]int64(nil), a.Ints...)
				if len(a.Ints) > 0 {
					a.Ints[rng.IntN(len(a.Ints))] = pick()
				}
				if rng.IntN(4) == 0 {
					a.Ints = append(a.Ints, pick())
				}
			case onnx.KindFloats:
				a.Floats = append([]float32{float32(pick())}, a.Floats...)
			}
		}
		for _, c := range g.Initializers {
			if rng.IntN(2) == 0 || c.Tensor.DType() != onnx.Int64 {
				continue
			}
			changed = true
			v, err := c.Tensor.Int64()
			if err != nil || len(v) == 0 {
				continue
			}
			v[rng.IntN(len(v))] = pick()
			c.Tensor, _ = onnx.FromInt64(c.Tensor.Shape(), v)
		}
		for i := range g.Inputs {
			if rng.IntN(4) != 0 {
				continue
			}
			changed = true
			shape := append([]int(nil), g.Inputs[i].Shape...)
			switch {
			case rng.IntN(3) == 0 && len(shape) > 0:
				shape = shape[1:]
			case len(shape) > 0:
				shape[rng.IntN(len(shape))] = int(max(pick(), 0))
			}
			g.Inputs[i].Shape, g.Inputs[i].Dims = shape, make([]string, len(shape))
		}
		if len(g.Nodes[0].Inputs) > 1 && rng.IntN(6) == 0 {
			g.Nodes[0].Inputs[rng.IntN(len(g.Nodes[0].Inputs))] = ""
			changed = true
		}
		if rng.IntN(8) == 0 {
			changed = true
		}
	}
	return m
}

// FuzzImport imports whatever decodes as a model.
func FuzzImport(f *testing.F) {
	for i, o := range opCases(f) {
		if i%9 != 0 {
			continue
		}
		raw, err := onnx.Encode(o.model(onnx.Float32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := onnx.Read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		defer m.Close()
		bounded(t, func() { _, _ = Import(m, ImportOptions{}) })
	})
}

// TestLoopsInLoops imports loops that would run for ever if each were unrolled.
func TestLoopsInLoops(t *testing.T) {
	turns := indexTensor(t, nil, 1000)
	scalarInfo := func(name string, d onnx.DType) onnx.ValueInfo { return onnx.ValueInfo{Name: name, DType: d} }
	body := &onnx.Graph{Name: "b", Inputs: []onnx.ValueInfo{scalarInfo("i", onnx.Int64), scalarInfo("c", onnx.Bool), scalarInfo("v", onnx.Float32)}, Outputs: []onnx.ValueInfo{scalarInfo("c", onnx.Bool), scalarInfo("w", onnx.Float32)}}
	body.Nodes = []*onnx.Node{{OpType: "Neg", Inputs: []string{"v"}, Outputs: []string{"w"}}}
	for range 3 {
		outer := &onnx.Graph{Name: "b", Inputs: body.Inputs, Outputs: body.Outputs}
		outer.Nodes = []*onnx.Node{{OpType: "Loop", Inputs: []string{"n", "", "v"}, Outputs: []string{"w"}, Attrs: attrs(onnx.GraphAttr("body", body))}}
		body = outer
	}
	m := onnx.New(8, "loops", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Initializers = []*onnx.Initializer{{Name: "n", Tensor: turns}}
	g.Inputs, g.Outputs = []onnx.ValueInfo{scalarInfo("v", onnx.Float32)}, []onnx.ValueInfo{scalarInfo("w", onnx.Float32)}
	g.Inputs[0].Shape, g.Outputs[0].Shape = []int{}, []int{}
	g.Nodes = body.Nodes
	bounded(t, func() {
		if _, err := Import(m, ImportOptions{}); err == nil {
			t.Error("a thousand million turns are imported")
		} else {
			t.Log(err)
		}
	})
}
