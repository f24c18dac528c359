package convert

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Prove compares the graph's outputs with another runtime's on random input, as Parity does, through a copy
// in inference form: a model exported in training form would normalize by the batch there. Only Open, which
// must be there, and Seed of the options count. Where outputs differ for three draws of the input, the first
// node that differs is looked for by bisection. If that node is discrete (an ArgMax, a comparison) or random and what it
// is given agrees, rounding or chance decided, and what it is given is judged instead.
func (g *Graph) Prove(ctx context.Context, b *Backend, o CheckOptions) *Deviation {
	p := prover{graph: g, backend: b, options: o, limit: forwardLimit}
	if hasHalf(g.source) {
		p.limit = forwardHalfLimit
	}
	defer inferenceForm(g.source)()
	d, err := p.draws(ctx)
	if err == nil && !d.ok {
		err = p.blame(ctx, d)
	}
	if err != nil {
		return &Deviation{MaxRel: Rel(math.Inf(1)), Error: err.Error()}
	}
	return d
}

// prover compares a graph with another runtime.
type prover struct {
	graph   *Graph
	backend *Backend
	options CheckOptions
	limit   float64
}

// draws compares the outputs on up to three random inputs, until one agrees. The graph runs before the other
// runtime opens the model, so that large weights are in memory once.
func (p *prover) draws(ctx context.Context) (*Deviation, error) {
	in, got, err := p.graph.sample(ctx, p.backend, p.options.Seed)
	if err != nil {
		return nil, err
	}
	if p.graph.size() > largeWeights {
		debug.FreeOSMemory()
	}
	run, err := p.options.Open(p.graph.source)
	if err != nil {
		return nil, err
	}
	var first *Deviation
	for i := range uint64(3) {
		if i > 0 {
			if in, got, err = p.graph.sample(ctx, p.backend, p.options.Seed+i); err != nil {
				return nil, err
			}
		}
		d, err := compareRun(ctx, run, in, got)
		if err != nil {
			return nil, err
		}
		if d.close(p.limit); d.ok {
			return d, nil
		}
		if first == nil {
			first = d
		}
	}
	return first, nil
}

// largeWeights is the number of parameters from which memory is handed back at once.
const largeWeights = 1 << 24

// size returns the number of parameters.
func (g *Graph) size() int {
	n := 0
	for _, p := range g.params {
		n += p.Len()
	}
	return n
}

// blame finds the first node that differs and tells d about it.
func (p *prover) blame(ctx context.Context, d *Deviation) error {
	nodes := slices.DeleteFunc(slices.Clone(p.graph.nodes), func(n *onnx.Node) bool { return p.told(n) == nil })
	if len(nodes) == 0 {
		return nil
	}
	agree, differ := -1, len(nodes)-1
	for differ-agree > 1 {
		middle := (agree + differ) / 2
		rel, err := p.deviation(ctx, nodes[middle])
		if err != nil {
			return err
		}
		if rel > p.limit {
			differ = middle
		} else {
			agree = middle
		}
	}
	return p.settle(ctx, nodes, nodes[differ], d)
}

// settle walks from a node that differs to one whose inputs agree, and judges it.
func (p *prover) settle(ctx context.Context, nodes []*onnx.Node, n *onnx.Node, d *Deviation) error {
	for {
		worst, from := 0.0, (*onnx.Node)(nil)
		for _, maker := range nodes {
			if maker == n || !slices.ContainsFunc(maker.Outputs, func(o string) bool { return o != "" && slices.Contains(reads(n), o) }) {
				continue
			}
			rel, err := p.deviation(ctx, maker)
			if err != nil {
				return err
			}
			if rel > worst {
				worst, from = rel, maker
			}
		}
		if worst > p.limit {
			n = from
			continue
		}
		d.Node = fmt.Sprintf("%s %q", n.OpType, firstOf(n.Name, n.Output(0)))
		if why := undecided(n); why != "" {
			d.Note = fmt.Sprintf("%s is %s: what it is given agrees to %.2g, what it makes need not", d.Node, why, worst)
			d.MaxRel, d.ok = Rel(worst), true
		}
		return nil
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// undecided says why a node may differ although its inputs agree, "" if it may not.
func undecided(n *onnx.Node) string {
	switch n.OpType {
	case "ArgMax", "ArgMin", "TopK", "NonZero", "NonMaxSuppression", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Round",
		"Floor", "Ceil", "Sign", "Hardmax", "QuantizeLinear", "DynamicQuantizeLinear", "Unique", "Cast", "Mod":
		return "discrete"
	case "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout":
		return "random"
	}
	return ""
}

// told lists the outputs of a node that can be compared.
func (p *prover) told(n *onnx.Node) []onnx.ValueInfo {
	var out []onnx.ValueInfo
	for _, o := range n.Outputs {
		t := p.graph.types[o]
		if o != "" && t != onnx.Undefined && t != onnx.String && n.OpType != "Constant" {
			out = append(out, onnx.ValueInfo{Name: o, DType: t})
		}
	}
	return out
}

// deviation returns how far the outputs of one node differ, through a model that ends there.
func (p *prover) deviation(ctx context.Context, n *onnx.Node) (float64, error) {
	gr := p.graph.source.Graph()
	was := gr.Outputs
	gr.Outputs = p.told(n)
	defer func() { gr.Outputs = was }()
	run, err := p.options.Open(p.graph.source)
	if err != nil {
		return 0, err
	}
	d, err := p.graph.Parity(ctx, p.backend, run, p.options.Seed)
	if err != nil {
		return 0, err
	}
	return float64(d.MaxRel), nil
}
