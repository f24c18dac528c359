package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// randomGraph builds a graph of n operations drawn from seed. Values stay near one, so that rounding does.
type randomGraph struct {
	t      *testing.T
	f      compute.Function
	rng    *rand.Rand
	values []compute.Value
}

func (g *randomGraph) must(v compute.Value, err error) compute.Value {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

func (g *randomGraph) shape(v compute.Value) shapes.Shape {
	s, err := g.f.Shape(v)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

func (g *randomGraph) any() compute.Value { return g.values[g.rng.IntN(len(g.values))] }

// alike returns a value of a shape, made by broadcasting a mean where there is none.
func (g *randomGraph) alike(s shapes.Shape) compute.Value {
	start := g.rng.IntN(len(g.values))
	for i := range g.values {
		if v := g.values[(start+i)%len(g.values)]; g.shape(v).Equal(s) {
			return v
		}
	}
	return g.must(g.f.BroadcastInDim(g.must(g.f.Tanh(g.must(g.f.ReduceSum(g.any())))), s, nil))
}

func (g *randomGraph) scalar(x float32) compute.Value { return g.must(g.f.Constant([]float32{x})) }

func (g *randomGraph) like(s shapes.Shape, x float32) compute.Value {
	return g.must(g.f.BroadcastInDim(g.scalar(x), s, nil))
}

// step adds one operation.
func (g *randomGraph) step() compute.Value {
	f, x := g.f, g.any()
	s := g.shape(x)
	rank := s.Rank()
	switch k := g.rng.IntN(16); {
	case k == 0:
		return g.must(f.Tanh(x))
	case k == 1:
		return g.must(f.Neg(x))
	case k == 2:
		return g.must(f.Max(x, g.like(s, 0)))
	case k == 3:
		return g.must(f.Sqrt(g.must(f.Add(g.must(f.Mul(x, x)), g.like(s, 0.5)))))
	case k <= 5:
		return g.must(f.Mul(x, g.must(f.Tanh(g.alike(s)))))
	case k <= 7:
		return g.must(f.Sub(x, g.alike(s)))
	case k == 8:
		y := g.alike(s)
		return g.must(f.Where(g.must(f.GreaterThan(x, y)), x, y))
	case k == 9 && rank > 0:
		axis := g.rng.IntN(rank)
		r := g.must(f.ReduceSum(x, axis))
		return g.must(f.Mul(r, g.like(g.shape(r), 1/float32(s.Dimensions[axis]))))
	case k == 10 && rank > 1:
		return g.must(f.Transpose(x, g.rng.Perm(rank)...))
	case k == 11 && rank > 0:
		axis := g.rng.IntN(rank)
		starts, limits := make([]int, rank), append([]int(nil), s.Dimensions...)
		starts[axis] = g.rng.IntN(limits[axis])
		strides := ones(rank)
		strides[axis] = 1 + g.rng.IntN(2)
		return g.must(f.Slice(x, starts, limits, strides))
	case k == 12 && rank > 0 && s.Size() < 4000:
		return g.must(f.Concatenate(g.rng.IntN(rank), x, g.alike(s), x))
	case k == 13 && rank > 0 && s.Size() < 4000:
		pads := make([]compute.PadAxis, rank)
		pads[g.rng.IntN(rank)] = compute.PadAxis{Start: g.rng.IntN(3), End: g.rng.IntN(2), Interior: g.rng.IntN(2)}
		return g.must(f.Pad(x, g.scalar(0.25), pads...))
	case k == 14:
		return g.must(f.Reshape(x, s.Size()))
	case k == 15 && rank > 0:
		n := s.Dimensions[rank-1]
		flat := g.must(f.Reshape(x, s.Size()/n, n))
		gram := g.must(f.DotGeneral(flat, []int{1}, nil, flat, []int{1}, nil, compute.DotGeneralConfig{}))
		if s.Size()/n > 64 {
			gram = g.must(f.DotGeneral(flat, []int{0}, nil, flat, []int{0}, nil, compute.DotGeneralConfig{}))
		}
		return g.must(f.Tanh(gram))
	}
	return g.must(f.Abs(x))
}

// inputs returns the inputs of the graph of a seed.
func inputs(rng *rand.Rand) (data [][]float32, all []shapes.Shape) {
	for i := range 1 + rng.IntN(4) {
		dims := make([]int, rng.IntN(4))
		for k := range dims {
			dims[k] = 1 + rng.IntN(7)
		}
		if i == 0 {
			dims = []int{2, 3, 8, 8}
		}
		s := shapes.Make(dtypes.Float32, dims...)
		x := make([]float32, s.Size())
		for k := range x {
			x[k] = float32(rng.NormFloat64())
		}
		data, all = append(data, x), append(all, s)
	}
	return data, all
}

// build returns the executable of the graph of a seed, of steps operations, and the inputs that go with it.
func build(t *testing.T, b compute.Backend, seed uint64, steps int) (compute.Executable, [][]float32, []shapes.Shape) {
	t.Helper()
	builder := b.Builder(fmt.Sprint("random ", seed))
	rng := rand.New(rand.NewPCG(seed, 1))
	g := &randomGraph{t: t, f: builder.Main(), rng: rng}
	data, all := inputs(rng)
	for i, s := range all {
		g.values = append(g.values, g.must(g.f.Parameter(strconv.Itoa(i), s, nil)))
	}
	for range steps {
		if v := g.step(); g.shape(v).Size() < 20000 {
			g.values = append(g.values, v)
		}
	}
	outputs := []compute.Value{g.values[len(g.values)-1], g.values[0]}
	for range rng.IntN(5) {
		outputs = append(outputs, g.any())
	}
	if err := g.f.Return(outputs, nil); err != nil {
		t.Fatal(err)
	}
	e, err := builder.Compile()
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return e, data, all
}

// results runs an executable with some inputs donated.
func results(t *testing.T, b compute.Backend, e compute.Executable, data [][]float32, all []shapes.Shape, donate []bool) [][]float32 {
	t.Helper()
	in := make([]compute.Buffer, len(data))
	for i, x := range data {
		var err error
		if in[i], err = b.BufferFromFlatData(0, x, all[i]); err != nil {
			t.Fatal(err)
		}
	}
	out, err := e.Execute(in, donate, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([][]float32, len(out))
	for i, o := range out {
		shape, err := o.Shape()
		if err != nil {
			t.Fatal(err)
		}
		got[i] = make([]float32, shape.Size())
		if err := o.ToFlatData(got[i]); err != nil {
			t.Fatal(err)
		}
		if err := o.Finalize(); err != nil {
			t.Fatal(err)
		}
	}
	for i, buf := range in {
		kept := make([]float32, len(data[i]))
		err := buf.ToFlatData(kept)
		if gone := donate[i]; gone != (err != nil) {
			t.Errorf("input %d: donated %v, reading it gives %v", i, gone, err)
		}
		for k := range kept {
			if !donate[i] && kept[k] != data[i][k] {
				t.Fatalf("input %d: changed, though not donated", i)
			}
		}
		_ = buf.Finalize()
	}
	return got
}

// TestRandom wants graphs of every kind to give what the interpreter gives, whichever inputs are donated.
func TestRandom(t *testing.T) {
	b := testBackend(t, Options{})
	compareRandom(t, b, 150)
	if b.Bytes() > b.arena.size.Load() {
		t.Errorf("want nothing but the arena alive, got %d bytes more", b.Bytes()-b.arena.size.Load())
	}
}

func compareRandom(t *testing.T, b *Backend, graphs int) {
	t.Helper()
	for seed := range uint64(graphs) {
		ours, data, all := build(t, b, seed, 4+int(seed)%60)
		theirs, _, _ := build(t, b.interpreter, seed, 4+int(seed)%60)
		want := results(t, b.interpreter, theirs, data, all, make([]bool, len(data)))
		rng := rand.New(rand.NewPCG(seed, 2))
		for range 3 {
			donate := make([]bool, len(data))
			for i := range donate {
				donate[i] = rng.IntN(2) == 0
			}
			got := results(t, b, ours, data, all, donate)
			for i := range want {
				near(t, fmt.Sprintf("seed %d, output %d, donated %v", seed, i, donate), got[i], want[i])
			}
		}
		ours.Finalize()
	}
}

// near wants equal arrays within 1e-4 of their largest element: sums are taken in another order, and a random graph may
// cancel most of what it adds.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: want %d elements, got %d", what, len(want), len(got))
	}
	largest := 1.0
	for _, w := range want {
		largest = max(largest, math.Abs(float64(w)))
	}
	for k := range want {
		if d := math.Abs(float64(got[k]) - float64(want[k])); !(d <= 1e-4*largest) {
			t.Fatalf("%s: element %d: want %g, got %g", what, k, want[k], got[k])
		}
	}
}
