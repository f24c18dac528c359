package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// fake is a kernel of so many operations that may write its output over its inputs.
type fake struct {
	flops   int64
	inPlace bool
	scratch int
}

func (f fake) Scratch(int) int                              { return f.scratch }
func (f fake) Run(*kernel.Team, [][]byte, [][]byte, []byte) {}
func (f fake) InPlace(int, int) bool                        { return f.inPlace }
func (f fake) Flops() int64                                 { return f.flops }

// graph builds graphs of fake kernels.
type graph struct{ ir.Graph }

func floats(n int) shapes.Shape { return shapes.Make(dtypes.Float32, n) }

func (g *graph) param(n int) *ir.Node {
	p := g.add(&ir.Node{Op: ir.Op(compute.OpTypeParameter), Shape: floats(n)})
	g.Params, g.Names = append(g.Params, p), append(g.Names, strconv.Itoa(len(g.Params)))
	return p
}

func (g *graph) op(f fake, n int, ins ...*ir.Node) *ir.Node {
	return g.add(&ir.Node{Op: ir.Kernel, Attrs: ir.KernelAttrs{Do: f}, Shape: floats(n), Inputs: ins})
}

func (g *graph) add(n *ir.Node) *ir.Node {
	n.ID = len(g.Nodes)
	g.Nodes = append(g.Nodes, n)
	return n
}

// chain is a network of layers of n floats and its gradient, which needs every layer's output again.
func chain(layers, n int) *graph {
	g := &graph{}
	x := g.param(n)
	acts := []*ir.Node{x}
	for i := range layers {
		acts = append(acts, g.op(fake{flops: int64(n) * 100}, n, acts[i]))
	}
	grad := acts[layers]
	for i := layers - 1; i >= 0; i-- {
		grad = g.op(fake{flops: int64(n) * 200, inPlace: true}, n, grad, acts[i])
	}
	g.Outputs = []*ir.Node{grad}
	return g
}

// check simulates a plan: each place holds what was last written there, and a step must find what its node needs.
func check(t *testing.T, g *ir.Graph, p *Plan) {
	t.Helper()
	type content struct {
		node *ir.Node
		out  int
	}
	var resolve func(n *ir.Node) content
	resolve = func(n *ir.Node) content {
		switch n.Op {
		case ir.View:
			return resolve(n.Inputs[0])
		case ir.Select:
			return content{n.Inputs[0], n.Attrs.(int)}
		}
		return content{n, 0}
	}
	arena := map[int64]content{} // by 4 bytes
	outputs := map[int]content{}
	reused := map[int]int{} // parameter to output
	for i, r := range p.Results {
		if r.Reuse >= 0 {
			if _, twice := reused[r.Reuse]; twice {
				t.Fatalf("parameter %d: want one output in its memory, got two", r.Reuse)
			}
			reused[r.Reuse] = i
		}
	}
	read := func(what string, at Place, want content) {
		t.Helper()
		switch at.Space {
		case Arena:
			for o := at.Offset; o < at.Offset+at.Size; o += 4 {
				if arena[o] != want {
					t.Fatalf("%s: byte %d of the arena holds another value", what, o)
				}
			}
		case Output:
			if outputs[at.Index] != want {
				t.Fatalf("%s: output %d holds another value", what, at.Index)
			}
		case Parameter:
			if g.Params[at.Index] != want.node {
				t.Fatalf("%s: want another node than parameter %d", what, at.Index)
			}
			if o, ok := reused[at.Index]; ok && outputs[o] != (content{}) {
				t.Fatalf("%s: parameter %d is overwritten by output %d", what, at.Index, o)
			}
		case Constant:
			if p.Constants[at.Index] != want.node {
				t.Fatalf("%s: want another constant", what)
			}
		}
	}
	for i, s := range p.Steps {
		for k, at := range s.Ins {
			read(fmt.Sprintf("step %d, input %d", i, k), at, resolve(s.Node.Inputs[k]))
		}
		if s.Scratch.Size > 0 {
			for o := s.Scratch.Offset; o < s.Scratch.Offset+s.Scratch.Size; o += 4 {
				arena[o] = content{}
			}
			for k, at := range s.Ins {
				read(fmt.Sprintf("step %d, input %d beside scratch", i, k), at, resolve(s.Node.Inputs[k]))
			}
		}
		for k, at := range s.Outs {
			for _, in := range s.Ins {
				if at.Space == Arena && in.Space == Arena && at.Size > 0 && in.Size > 0 && at.Offset < in.Offset+in.Size && in.Offset < at.Offset+at.Size && (at != in || !operation(s.Node).InPlace(k, 0)) {
					t.Fatalf("step %d: output %d overlaps an input", i, k)
				}
			}
			if at.Space == Output {
				outputs[at.Index] = content{s.Node, k}
			}
			for o := at.Offset; at.Space == Arena && o < at.Offset+at.Size; o += 4 {
				if o >= p.Memory.Arena {
					t.Fatalf("step %d: output %d is outside the arena", i, k)
				}
				arena[o] = content{s.Node, k}
			}
		}
	}
	for i, r := range p.Results {
		if r.Place.Space == Output {
			read(fmt.Sprintf("output %d", i), r.Place, resolve(g.Outputs[i]))
		}
	}
}

func TestChain(t *testing.T) {
	const layers, n = 20, 1 << 10
	g := chain(layers, n)
	whole, err := Make(&g.Graph, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, &g.Graph, whole)
	// Every layer's output but the last is alive when the gradient begins; the gradient is computed in place, at the end
	// in the output's own memory.
	if want := int64(layers * n * 4); whole.Memory.Arena != want {
		t.Errorf("arena: want %d bytes, got %d", want, whole.Memory.Arena)
	}
	if want := int64(2 * n * 4); whole.Memory.Total()-whole.Memory.Arena != want-int64(n*4) {
		t.Errorf("beside the arena: want %d, got %d", want-int64(n*4), whole.Memory.Total()-whole.Memory.Arena)
	}
	for _, part := range []int64{80, 60, 50} {
		bound := whole.Memory.Total() * part / 100
		p, err := Make(&g.Graph, Options{Memory: bound})
		if err != nil {
			t.Errorf("%d %%: %v", part, err)
			continue
		}
		check(t, &g.Graph, p)
		if p.Memory.Total() > bound {
			t.Errorf("%d %%: want at most %d bytes, got %d", part, bound, p.Memory.Total())
		}
		if p.Memory.Recomputed == 0 || p.Memory.Recomputed > 3*layers {
			t.Errorf("%d %%: %d steps computed again", part, p.Memory.Recomputed)
		}
		t.Logf("%d %%: %d steps computed again", part, p.Memory.Recomputed)
	}
	var e *MemoryError
	if _, err := Make(&g.Graph, Options{Memory: 2 * n * 4}); !errors.As(err, &e) || e.Need <= e.Have || e.Need > whole.Memory.Total()/2 {
		t.Errorf("too little: want an error that says how much is needed, got %v", err)
	}
}

// TestUpdates wants weights updated as soon as their gradients are there, in their own memory.
func TestUpdates(t *testing.T) {
	const layers, n = 10, spared
	g := &graph{}
	x := g.param(n)
	var weights, grads []*ir.Node
	for range layers {
		weights = append(weights, g.param(n))
	}
	acts := []*ir.Node{x}
	for i, w := range weights {
		acts = append(acts, g.op(fake{}, n, acts[i], w))
	}
	grad := acts[layers]
	for i := layers - 1; i >= 0; i-- {
		grads = append(grads, g.op(fake{}, n, grad, acts[i]))
		grad = g.op(fake{}, n, grad, weights[i])
	}
	for i, dw := range grads {
		g.Outputs = append(g.Outputs, g.op(fake{inPlace: true}, n, weights[layers-1-i], dw))
	}
	p, err := Make(&g.Graph, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, &g.Graph, p)
	for i, r := range p.Results {
		if r.Reuse != layers-i {
			t.Errorf("output %d: want the memory of parameter %d, got %d", i, layers-i, r.Reuse)
		}
	}
	if most := int64((layers + 3) * n * 4); p.Memory.Arena > most {
		t.Errorf("arena: want at most %d bytes, got %d: the gradients are kept", most, p.Memory.Arena)
	}
	if p.Memory.Outputs != 0 {
		t.Errorf("outputs: want them in the parameters' memory, got %d bytes", p.Memory.Outputs)
	}
}

// TestRandom wants no plan of a random graph to overlap what is alive, recomputed or not.
func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		g := &graph{}
		var nodes []*ir.Node
		for range 1 + rng.IntN(4) {
			nodes = append(nodes, g.param(16*(1+rng.IntN(20))))
		}
		for range 5 + rng.IntN(60) {
			nodes = append(nodes, randomNode(g, rng, nodes))
		}
		for range 1 + rng.IntN(6) {
			g.Outputs = append(g.Outputs, nodes[rng.IntN(len(nodes))])
		}
		whole, err := Make(&g.Graph, Options{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, &g.Graph, whole)
		for _, part := range []int64{95, 85, 70} {
			p, err := Make(&g.Graph, Options{Memory: whole.Memory.Total() * part / 100})
			if _, short := errors.AsType[*MemoryError](err); short {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, &g.Graph, p)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomNode(g *graph, rng *rand.Rand, nodes []*ir.Node) *ir.Node {
	pick := func() *ir.Node { return nodes[max(rng.IntN(len(nodes)), rng.IntN(len(nodes)))] }
	switch rng.IntN(8) {
	case 0:
		x := pick()
		return g.add(&ir.Node{Op: ir.View, Inputs: []*ir.Node{x}, Shape: x.Shape})
	case 1:
		n := 16 * (1 + rng.IntN(20))
		many := g.add(&ir.Node{Op: ir.Kernel, Attrs: ir.KernelAttrs{Do: fake{scratch: 64 * rng.IntN(3), flops: 1}}, Shapes: []shapes.Shape{floats(n), floats(2 * n)}, Inputs: []*ir.Node{pick(), pick()}})
		return g.add(&ir.Node{Op: ir.Select, Inputs: []*ir.Node{many}, Attrs: rng.IntN(2), Shape: many.Shapes[0]})
	case 2:
		return g.add(&ir.Node{Op: ir.Op(compute.OpTypeConstant), Attrs: make([]float32, 16), Shape: floats(16)})
	default:
		x := pick()
		return g.op(fake{inPlace: rng.IntN(2) == 0, flops: int64(rng.IntN(1e6)), scratch: rng.IntN(2) * 100}, x.Shape.Size(), x, pick())
	}
}

// TestLate wants small outputs that nothing else needs computed last, in their parameters' memory, and those that are
// needed on the way in memory of their own, so that a run can be stopped until its end.
func TestLate(t *testing.T) {
	g := &graph{}
	x, statistic, running := g.param(1<<12), g.param(16), g.param(16)
	mean := g.op(fake{}, 16, x)
	update := g.op(fake{inPlace: true}, 16, statistic, mean)
	used := g.op(fake{inPlace: true}, 16, running, mean)
	y := g.op(fake{}, 1<<12, x, used)
	g.Outputs = []*ir.Node{g.op(fake{}, 1, y), update, used}
	p, err := Make(&g.Graph, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, &g.Graph, p)
	if last := p.Steps[len(p.Steps)-1].Node; last != update && p.Steps[len(p.Steps)-2].Node != update {
		t.Errorf("want the update last, got node %d", last.ID)
	}
	if p.Results[1].Reuse != 1 || p.Results[2].Reuse != -1 {
		t.Errorf("want the update in memory of its parameter, the other not, got %+v", p.Results)
	}
}
