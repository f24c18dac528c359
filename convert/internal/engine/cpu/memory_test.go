package cpu

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/plan"
)

// perceptron is a training step of layers products and tanh on rows vectors of width: what it returns are the weights, a
// little down their gradients of the outputs' half squared sum.
func perceptron(t testing.TB, layers, rows, width int) (fn func(f compute.Function, in []compute.Value) []compute.Value, in []shapes.Shape) {
	in = append(in, shapes.Make(dtypes.Float32, rows, width))
	for range layers {
		in = append(in, shapes.Make(dtypes.Float32, width, width))
	}
	return func(f compute.Function, in []compute.Value) []compute.Value {
		do := must(t)
		dot := func(a compute.Value, k int, b compute.Value, l int) compute.Value {
			return do(f.DotGeneral(a, []int{k}, nil, b, []int{l}, nil, compute.DotGeneralConfig{}))
		}
		like := func(x float32, v compute.Value) compute.Value {
			shape, err := f.Shape(v)
			if err != nil {
				t.Fatal(err)
			}
			return do(f.BroadcastInDim(do(f.Constant([]float32{x})), shape, nil))
		}
		acts := []compute.Value{in[0]}
		for i, w := range in[1:] {
			acts = append(acts, do(f.Tanh(dot(acts[i], 1, w, 0))))
		}
		out := make([]compute.Value, layers)
		g := acts[layers]
		for i := layers - 1; i >= 0; i-- {
			y := acts[i+1]
			g = do(f.Mul(g, do(f.Sub(like(1, y), do(f.Mul(y, y))))))
			dw := dot(acts[i], 0, g, 0)
			out[i] = do(f.Sub(in[1+i], do(f.Mul(dw, like(0.01, dw)))))
			g = dot(g, 1, in[1+i], 1)
		}
		return out
	}, in
}

// TestWithinMemory wants a training step to give the same weights, bit for bit, where values are computed again, and to
// take no more memory than was said.
func TestWithinMemory(t *testing.T) {
	const layers, rows, width = 16, 2048, 64
	fn, in := perceptron(t, layers, rows, width)
	rng := rand.New(rand.NewPCG(1, 1))
	data := make([][]float32, len(in))
	for i, s := range in {
		data[i] = make([]float32, s.Size())
		for k := range data[i] {
			data[i][k] = float32(rng.NormFloat64()) / 8
		}
	}
	kept := make([]bool, len(in))
	b := testBackend(t, Options{})
	whole := graphOf(t, b, in, fn).(*Executable)
	want := results(t, b, whole, data, in, kept)
	need := whole.Memory()
	if most := int64((layers + 3) * rows * width * 4); need.Arena > most {
		t.Errorf("want at most %d bytes in the arena, got %d", most, need.Arena)
	}
	for _, part := range []int64{80, 60, 50} {
		most := need.Total() - need.Arena + need.Arena*part/100
		bounded := testBackend(t, Options{Memory: most})
		e := graphOf(t, bounded, in, fn).(*Executable)
		got := e.Memory()
		t.Logf("%d %% of the arena: %d of %d steps computed again", part, got.Recomputed, len(e.steps))
		if got.Total() > most || got.Recomputed == 0 {
			t.Errorf("%d %%: want at most %d bytes, got %d, with %d steps computed again", part, most, got.Total(), got.Recomputed)
		}
		for i, x := range results(t, bounded, e, data, in, kept) {
			for k := range x {
				if x[k] != want[i][k] {
					t.Fatalf("%d %%, output %d: element %d differs: want %g, got %g", part, i, k, want[i][k], x[k])
				}
			}
		}
		if size := bounded.arena.size.Load(); size > got.Arena+hugePage {
			t.Errorf("%d %%: want %d bytes in the arena, got %d", part, got.Arena, size)
		}
		bounded.Finalize()
	}
	bounded := testBackend(t, Options{Memory: need.Total() - need.Arena + rows*width*4})
	builder := bounded.Builder("too little")
	f := builder.Main()
	vs := make([]compute.Value, len(in))
	for i, s := range in {
		vs[i] = must(t)(f.Parameter("", s, nil))
	}
	if err := f.Return(fn(f, vs), nil); err != nil {
		t.Fatal(err)
	}
	var short *plan.MemoryError
	if _, err := builder.Compile(); !errors.As(err, &short) || short.Need <= short.Have {
		t.Errorf("one layer's memory: want an error that says how much is needed, got %v", err)
	}
}
