package convert

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// OptimizerKind names an update rule.
type OptimizerKind string

// The update rules, with the formulas of torch.optim (PyTorch 2.x).
const (
	Adam  OptimizerKind = "adam"
	AdamW OptimizerKind = "adamw"
	SGD   OptimizerKind = "sgd"
)

// Optimizer is an update rule with its constants; see DefaultOptimizer for usual ones.
type Optimizer struct {
	Kind        OptimizerKind
	Beta1       float64 // Adam, AdamW: decay of the first moment
	Beta2       float64 // Adam, AdamW: decay of the second moment
	Epsilon     float64 // Adam, AdamW
	WeightDecay float64 // Adam, SGD: added to the gradient; AdamW: decoupled
	Momentum    float64 // SGD
	Nesterov    bool    // SGD
}

// DefaultOptimizer returns a rule with PyTorch's default constants (SGD: momentum 0.9).
func DefaultOptimizer(k OptimizerKind) Optimizer {
	switch k {
	case SGD:
		return Optimizer{Kind: SGD, Momentum: 0.9}
	case AdamW:
		return Optimizer{Kind: AdamW, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.01}
	}
	return Optimizer{Kind: k, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// Check reports constants that make no sense.
func (o Optimizer) Check() error {
	switch o.Kind {
	case Adam, AdamW:
		if !(o.Beta1 >= 0 && o.Beta1 < 1 && o.Beta2 >= 0 && o.Beta2 < 1) {
			return fmt.Errorf("convert: optimizer %s: want betas in [0, 1), got %g and %g", o.Kind, o.Beta1, o.Beta2)
		}
	case SGD:
		if o.Nesterov && o.Momentum <= 0 {
			return fmt.Errorf("convert: optimizer sgd: nesterov wants a momentum, got %g", o.Momentum)
		}
	default:
		return fmt.Errorf("convert: optimizer: want adam, adamw or sgd, got %q", o.Kind)
	}
	return nil
}

// moments returns how many tensors of a parameter's shape the rule remembers.
func (o Optimizer) moments() int {
	switch {
	case o.Kind == SGD && o.Momentum == 0:
		return 0
	case o.Kind == SGD:
		return 1
	}
	return 2
}

// scalars returns the numbers of step t (from 1) that enter the graph as inputs, so that the graph does
// not depend on them: see update.
func (o Optimizer) scalars(lr float64, t int) [3]float64 {
	if o.Kind == SGD {
		return [3]float64{lr, 1, lr}
	}
	c1 := 1 - math.Pow(o.Beta1, float64(t))
	c2 := 1 - math.Pow(o.Beta2, float64(t))
	return [3]float64{lr / c1, math.Sqrt(c2), lr}
}

// update builds the new value and moments of a parameter from its gradient. The formulas are those of
// torch.optim.Adam, AdamW and SGD in PyTorch 2.15, in their order of operations.
func (o Optimizer) update(p, g *graph.Node, m []*graph.Node, h [3]*graph.Node) (*graph.Node, []*graph.Node) {
	if o.WeightDecay != 0 && o.Kind != AdamW {
		g = graph.Add(g, graph.MulScalar(p, o.WeightDecay))
	}
	if o.Kind == SGD {
		return o.sgd(p, g, m, h)
	}
	if o.Kind == AdamW && o.WeightDecay != 0 {
		p = graph.Mul(p, graph.OneMinus(graph.MulScalar(h[2], o.WeightDecay)))
	}
	m1 := graph.Add(graph.MulScalar(m[0], o.Beta1), graph.MulScalar(g, 1-o.Beta1))
	m2 := graph.Add(graph.MulScalar(m[1], o.Beta2), graph.MulScalar(graph.Mul(g, g), 1-o.Beta2))
	denominator := graph.AddScalar(graph.Div(graph.Sqrt(m2), h[1]), o.Epsilon)
	return graph.Sub(p, graph.Mul(h[0], graph.Div(m1, denominator))), []*graph.Node{m1, m2}
}

// sgd is the rule of torch.optim.SGD.
func (o Optimizer) sgd(p, g *graph.Node, m []*graph.Node, h [3]*graph.Node) (*graph.Node, []*graph.Node) {
	if o.Momentum == 0 {
		return graph.Sub(p, graph.Mul(h[0], g)), nil
	}
	buf := graph.Add(graph.MulScalar(m[0], o.Momentum), g)
	d := buf
	if o.Nesterov {
		d = graph.Add(g, graph.MulScalar(buf, o.Momentum))
	}
	return graph.Sub(p, graph.Mul(h[0], d)), []*graph.Node{buf}
}
