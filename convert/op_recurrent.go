package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// recurrent is an LSTM, GRU or RNN node: x [T, B, I] and, of each direction, W [gates*H, I], R [gates*H, H].
// The steps are unrolled.
type recurrent struct {
	*call
	x       *graph.Node
	size    int         // H
	lengths *graph.Node // [B], nil: all steps count
	batched bool        // layout 1: the batch comes first
	step    func(d int) advance
}

// state is what goes from step to step; the first entry is what the step gives out.
type state []*graph.Node

// advance computes the next state from the projected input of a step.
type advance func(x *graph.Node, s state) state

// recurrent reads what the three operators share. lengthsAt is the input with the sequences' lengths.
func (c *call) recurrent(lengthsAt int) *recurrent {
	r := &recurrent{call: c, x: c.x(0), batched: c.intAttr("layout", 0) == 1}
	if r.batched {
		r.x = permute(r.x, 1, 0, 2)
	}
	r.size = c.arg(2).shape[2]
	if n := dims(r.x)[0]; n > maxTurns || n < 1 {
		refuse("a sequence of %d steps is not unrolled (1 to %d are)", n, maxTurns)
	}
	if c.has(lengthsAt) {
		r.lengths = graph.StopGradient(graph.ConvertDType(c.x(lengthsAt), indexType))
	}
	return r
}

// of returns direction d of input i without its first axis; zeros of the given size where it is left out.
func (r *recurrent) of(i, d int, zero ...int) *graph.Node {
	if !r.has(i) {
		return zerosLike(r.x, zero...)
	}
	x := r.x0(i)
	return reshape(cut(x, 0, d, d+1, 1), dims(x)[1:]...)
}

// x0 returns input i with the directions in front.
func (r *recurrent) x0(i int) *graph.Node {
	x := r.call.x(i)
	if r.batched && (i == 5 || i == 6) {
		return permute(x, 1, 0, 2)
	}
	return x
}

// parts cuts the last axis into n pieces of equal size.
func parts(x *graph.Node, n int) []*graph.Node {
	a := x.Rank() - 1
	size := dims(x)[a] / n
	out := make([]*graph.Node, n)
	for i := range out {
		out[i] = cut(x, a, i*size, (i+1)*size, 1)
	}
	return out
}

// times is x [B, I] times the transpose of w [O, I].
func times(x, w *graph.Node) *graph.Node {
	return graph.DotGeneral(x, []int{x.Rank() - 1}, nil, w, []int{1}, nil)
}

// run goes through the sequence in every direction and returns the node's outputs: all steps
// [T, D, B, H], then the last state of each kind [D, B, H].
func (r *recurrent) run(kinds int) []*value {
	direction := r.stringAttr("direction", "forward")
	directions := map[string][]bool{"forward": {false}, "reverse": {true}, "bidirectional": {false, true}}[direction]
	if directions == nil {
		refuse("direction %q is unknown", direction)
	}
	batch := dims(r.x)[1]
	var all []*graph.Node
	last := make([][]*graph.Node, kinds)
	for d, backwards := range directions {
		x := r.x
		if backwards {
			x = r.reversed(x)
		}
		s := make(state, kinds)
		for i := range s {
			s[i] = r.of(5+i, d, batch, r.size)
		}
		y, s := r.sequence(x, s, r.step(d))
		if backwards {
			y = r.reversed(y)
		}
		all = append(all, reshape(y, dims(y)[0], 1, batch, r.size))
		for i := range s {
			last[i] = append(last[i], reshape(s[i], 1, batch, r.size))
		}
	}
	y := concatenated(all, 1)
	if r.batched {
		y = permute(y, 2, 0, 1, 3)
	}
	out := r.out(y)
	for _, l := range last {
		h := concatenated(l, 0)
		if r.batched {
			h = permute(h, 1, 0, 2)
		}
		out = append(out, r.out(h)...)
	}
	return out
}

// concatenated joins any number of nodes.
func concatenated(list []*graph.Node, axis int) *graph.Node {
	if len(list) == 1 {
		return list[0]
	}
	return graph.Concatenate(list, axis)
}

// sequence runs the steps; beyond a sequence's own length its state stands still and its output is zero.
func (r *recurrent) sequence(x *graph.Node, s state, next advance) (*graph.Node, state) {
	steps := dims(x)[0]
	var outs []*graph.Node
	for t := range steps {
		row := cut(x, 0, t, t+1, 1)
		now := next(reshape(row, dims(row)[1:]...), s)
		y := now[0]
		if r.lengths != nil {
			shape := dims(y)
			alive := graph.GreaterThan(r.lengths, scalar(r.lengths, float64(t)))
			alive = broadcast(reshape(alive, shape[0], 1), shape)
			for i := range now {
				now[i] = graph.Where(alive, now[i], s[i])
			}
			y = graph.Where(alive, y, zerosLike(y, shape...))
		}
		s = now
		outs = append(outs, reshape(y, append([]int{1}, dims(y)...)...))
	}
	return concatenated(outs, 0), s
}

// reversed turns the steps around, each sequence within its own length.
func (r *recurrent) reversed(x *graph.Node) *graph.Node {
	if r.lengths == nil {
		return graph.Reverse(x, 0)
	}
	return reverseSequences(x, r.lengths, 1, 0)
}

// activation is one of the functions that the gates use.
type activation func(x *graph.Node) *graph.Node

// activationsOf returns the functions of direction d, by default those named. Parameters are consumed in the
// order of the functions that take them, through all directions.
func (c *call) activationsOf(d int, def ...string) []activation {
	names := slices.Concat(def, def)
	if a, ok := c.attr("activations"); ok && len(a.Strings) > 0 {
		names = a.Strings
	}
	if len(names) < (d+1)*len(def) {
		fail("activations: want %d a direction, got %v", len(def), names)
	}
	alpha, beta := c.consumed("activation_alpha"), c.consumed("activation_beta")
	var out []activation
	for i, name := range names[:(d+1)*len(def)] {
		f := activationNamed(name, alpha, beta)
		if limit := c.floatAttr("clip", 0); limit > 0 {
			inner := f
			f = func(x *graph.Node) *graph.Node { return inner(clamped(x, -limit, limit)) }
		}
		if i >= d*len(def) {
			out = append(out, f)
		}
	}
	return out
}

// consumed returns a function that gives the entries of a list attribute one by one, then defaults.
func (c *call) consumed(name string) func(def float64) float64 {
	a, _ := c.attr(name)
	next := 0
	return func(def float64) float64 {
		if next >= len(a.Floats) {
			return def
		}
		next++
		return float64(a.Floats[next-1])
	}
}

// activationNamed builds an activation; alpha and beta give its parameters, with a default.
func activationNamed(name string, alpha, beta func(float64) float64) activation {
	switch name {
	case "Sigmoid", "sigmoid":
		return graph.Sigmoid
	case "Tanh", "tanh":
		return graph.Tanh
	case "Relu", "relu":
		return relu
	case "Affine", "affine":
		a, b := alpha(1), beta(0)
		return func(x *graph.Node) *graph.Node { return graph.AddScalar(graph.MulScalar(x, a), b) }
	case "LeakyRelu":
		a := alpha(0.01)
		return func(x *graph.Node) *graph.Node { return leaky(x, a) }
	case "ThresholdedRelu":
		a := alpha(1)
		return func(x *graph.Node) *graph.Node { return whereAbove(x, a, x, scalar(x, 0)) }
	case "ScaledTanh":
		a, b := alpha(1), beta(1)
		return func(x *graph.Node) *graph.Node { return graph.MulScalar(graph.Tanh(graph.MulScalar(x, b)), a) }
	case "HardSigmoid":
		a, b := alpha(0.2), beta(0.5)
		return func(x *graph.Node) *graph.Node { return hardSigmoid(x, a, b) }
	case "Elu":
		a := alpha(1)
		return func(x *graph.Node) *graph.Node { return elu(x, a, 1) }
	case "Softsign":
		return softsign
	case "Softplus":
		return softplus
	}
	refuse("activation %q is unknown", name)
	return nil
}

// opRNN is RNN: H = f(X*W + H*R + b).
func opRNN(c *call) []*value {
	r := c.recurrent(4)
	r.step = func(d int) advance {
		w, rec := r.of(1, d), r.of(2, d)
		b := parts(r.of(3, d, 2*r.size), 2)
		f := c.activationsOf(d, "Tanh")[0]
		bias := reshape(graph.Add(b[0], b[1]), 1, r.size)
		return func(x *graph.Node, s state) state {
			return state{f(graph.Add(graph.Add(times(x, w), times(s[0], rec)), bias))}
		}
	}
	return r.run(1)
}

// opGRU is GRU, with the reset before or after the recurrent product.
func opGRU(c *call) []*value {
	r := c.recurrent(4)
	after := c.intAttr("linear_before_reset", 0) != 0
	r.step = func(d int) advance {
		w, rec := r.of(1, d), r.of(2, d)
		b := parts(reshape(r.of(3, d, 6*r.size), 1, 6*r.size), 2)
		f := c.activationsOf(d, "Sigmoid", "Tanh")
		hidden := cut(rec, 0, 2*r.size, 3*r.size, 1)
		gates := cut(rec, 0, 0, 2*r.size, 1)
		rb := parts(b[1], 3)
		return func(x *graph.Node, s state) state {
			h := s[0]
			in := parts(graph.Add(times(x, w), b[0]), 3)
			old := parts(graph.Add(times(h, gates), cut(b[1], 1, 0, 2*r.size, 1)), 2)
			z, reset := f[0](graph.Add(in[0], old[0])), f[0](graph.Add(in[1], old[1]))
			var fresh *graph.Node
			if after {
				fresh = graph.Mul(reset, graph.Add(times(h, hidden), rb[2]))
			} else {
				fresh = graph.Add(times(graph.Mul(reset, h), hidden), rb[2])
			}
			fresh = f[1](graph.Add(in[2], fresh))
			return state{graph.Add(graph.Mul(graph.OneMinus(z), fresh), graph.Mul(z, h))}
		}
	}
	return r.run(1)
}

// opLSTM is LSTM with peepholes and coupled gates. ONNX orders the gates input, output, forget, cell.
func opLSTM(c *call) []*value {
	r := c.recurrent(4)
	coupled := c.intAttr("input_forget", 0) != 0
	r.step = func(d int) advance {
		w, rec := r.of(1, d), r.of(2, d)
		b := parts(reshape(r.of(3, d, 8*r.size), 1, 8*r.size), 2)
		bias := graph.Add(b[0], b[1])
		f := c.activationsOf(d, "Sigmoid", "Tanh", "Tanh")
		peep := func(int, *graph.Node) *graph.Node { return nil }
		if c.has(7) {
			p := parts(reshape(r.of(7, d), 1, 3*r.size), 3)
			peep = func(i int, cell *graph.Node) *graph.Node { return graph.Mul(p[i], cell) }
		}
		gate := func(x *graph.Node, i int, cell *graph.Node) *graph.Node {
			if p := peep(i, cell); p != nil {
				x = graph.Add(x, p)
			}
			return f[0](x)
		}
		return func(x *graph.Node, s state) state {
			g := parts(graph.Add(graph.Add(times(x, w), times(s[0], rec)), bias), 4)
			in := gate(g[0], 0, s[1])
			forget := graph.OneMinus(in)
			if !coupled {
				forget = gate(g[2], 2, s[1])
			}
			cell := graph.Add(graph.Mul(forget, s[1]), graph.Mul(in, f[1](g[3])))
			return state{graph.Mul(gate(g[1], 1, cell), f[2](cell)), cell}
		}
	}
	return r.run(2)
}
