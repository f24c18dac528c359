package edit

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Channels changes the number of channels of an input. The first layers with weights get adapted ones, as
// timm's adapt_input_conv does it: for one channel the sum over the old ones; else the old ones over and over,
// scaled so that equal channels give what they gave before.
type Channels struct {
	Count int    // new number, at least 1
	Input string // empty: the model's first input
}

// Apply changes the model. The error is an *Error that names every node in the way.
func (c Channels) Apply(m *onnx.Model) (*Changes, error) {
	s := &surgery{
		links: newLinks(m), classes: Classes{Count: c.Count}, seen: map[string]layout{}, visited: map[*onnx.Node]bool{},
		resized: map[place]bool{}, heads: map[*onnx.Node]layout{}, report: &Changes{Now: c.Count},
	}
	info, err := c.input(m)
	if err != nil {
		return nil, err
	}
	at := s.inputAxis(info)
	if at < 0 || at >= len(info.Shape) || info.Shape[at] < 1 {
		return nil, failure("input channels", "input %q: its channel axis cannot be told: no first layer is in reach, or the number is free", info.Name)
	}
	s.count, s.report.Was = info.Shape[at], info.Shape[at]
	s.feed(info.Name, layout{at: at, rank: len(info.Shape), before: 1, after: 1})
	if len(s.problems) == 0 && len(s.report.Heads) == 0 {
		return nil, failure("input channels", "input %q reaches no layer with weights", info.Name)
	}
	if len(s.problems) > 0 {
		return nil, &Error{Edit: fmt.Sprintf("%d input channels", c.Count), Problems: s.problems}
	}
	for i, v := range s.g.Inputs {
		if v.Name == info.Name {
			s.g.Inputs[i].Shape = slices.Clone(v.Shape)
			s.g.Inputs[i].Shape[at] = c.Count
		}
	}
	return s.report, s.commit()
}

func (c Channels) input(m *onnx.Model) (onnx.ValueInfo, error) {
	if c.Count < 1 || c.Count > 1<<16 {
		return onnx.ValueInfo{}, failure("input channels", "want 1 to %d, got %d", 1<<16, c.Count)
	}
	if c.Input == "" && len(m.Inputs()) > 0 {
		return m.Inputs()[0], nil
	}
	info, ok := m.Graph().Input(c.Input)
	if !ok {
		return info, failure("input channels", "the model has no input %q", c.Input)
	}
	return info, nil
}

// inputAxis follows an input to its first layer with weights and tells the axis of the input that this sums
// over; -1 when none is in reach.
func (s *surgery) inputAxis(info onnx.ValueInfo) int {
	type stop struct {
		value string
		axes  []int // the input's axis for each axis of the value
	}
	start := make([]int, len(info.Shape))
	for i := range start {
		start[i] = i
	}
	todo := []stop{{info.Name, start}}
	for steps := 0; len(todo) > 0 && steps < 8*longChain; steps++ {
		now := todo[0]
		todo = todo[1:]
		for _, u := range s.uses[now.value] {
			switch {
			case (u.node.OpType == "Conv" || u.node.OpType == "ConvTranspose" || u.node.OpType == "Gemm") && u.input == 0 && len(now.axes) > 1:
				return now.axes[1]
			case u.node.OpType == "MatMul" && u.input == 0 && len(now.axes) > 0:
				return now.axes[len(now.axes)-1]
			case u.node.OpType == "Flatten" && len(now.axes) == 2:
				todo = append(todo, stop{u.node.Output(0), now.axes})
			case u.node.OpType == "Transpose", u.node.OpType == "Reshape":
				perm := u.node.Ints("perm", nil)
				if u.node.OpType == "Reshape" {
					perm = s.turned(u.node)
				}
				if len(perm) == len(now.axes) {
					axes := make([]int, len(perm))
					for i, p := range perm {
						axes[i] = now.axes[min(max(int(p), 0), len(perm)-1)]
					}
					todo = append(todo, stop{u.node.Output(0), axes})
				}
			case unary(u.node.OpType), elementwise(u.node.OpType), slices.Contains(alongSpace(), u.node.OpType), u.node.OpType == "BatchNormalization", u.node.OpType == "InstanceNormalization":
				todo = append(todo, stop{u.node.Output(0), now.axes})
			}
		}
	}
	return -1
}

func alongSpace() []string {
	return []string{"Pad", "Resize", "Upsample", "AveragePool", "MaxPool", "CumSum"}
}

// feed visits a value that has the input's channels, and everything that uses it up to the first weights.
func (s *surgery) feed(value string, l layout) {
	if _, done := s.seen[value]; done || len(s.problems) > longChain {
		return
	}
	s.seen[value] = l
	if _, out := s.g.Output(value); out || s.inner[value] {
		s.problems = append(s.problems, Problem{Reason: "the input's channels reach the output or a subgraph unchanged, as " + value})
	}
	for _, u := range s.uses[value] {
		s.fed(u, l)
	}
}

// fed visits a node that reads the input's channels.
func (s *surgery) fed(u slot, l layout) {
	n := u.node
	switch op := n.OpType; {
	case !n.StandardDomain():
		s.fail(n, "an operator of domain %q behind the input is unknown", n.Domain)
	case op == "Shape", op == "Size", op == "CastLike" && u.input == 1:
	case op == "Flatten" && l.rank == 2 && n.Int("axis", 1) == 1:
		s.feed(n.Output(0), l)
	case op == "Reshape" && s.count == 1 && u.input == 0:
		perm := s.turned(n)
		if at := slices.Index(perm, int64(l.at)); at == 1 || at == l.rank-1 {
			s.turn(n, perm)
			s.feed(n.Output(0), l.on(at, l.rank))
			return
		}
		s.fail(n, "it mixes the input's channel with other axes")
	case op == "Conv", op == "ConvTranspose", op == "Gemm", op == "MatMul":
		s.first(u, l)
	case unary(op):
		s.feed(n.Output(0), l)
	case elementwise(op):
		s.preprocess(u, l)
	case op == "Transpose":
		perm := n.Ints("perm", nil)
		at := slices.Index(perm, int64(l.at))
		if perm == nil {
			at = l.rank - 1 - l.at
		}
		s.feed(n.Output(0), l.on(at, l.rank))
	case slices.Contains(alongSpace(), op):
		s.pools(n, layout{at: l.at, rank: l.rank, before: 1, after: 1})
		s.feed(n.Output(0), l)
	case (op == "BatchNormalization" || op == "InstanceNormalization") && l.at == 1:
		for k := 1; k < len(n.Inputs); k++ {
			s.adapt(slot{n, k}, 0, false)
		}
		s.feed(n.Output(0), l)
	default:
		s.fail(n, "this operator reads the input's channels and is not supported there")
	}
}

// preprocess visits arithmetic with stored constants, such as the subtraction of a mean.
func (s *surgery) preprocess(u slot, l layout) {
	for k, v := range u.node.Inputs {
		if k == u.input || v == "" {
			continue
		}
		shape := s.slotShape(slot{u.node, k})
		if shape == nil {
			if _, ok := s.seen[v]; !ok {
				s.fail(u.node, "it joins the input's channels with computed values")
				return
			}
			continue
		}
		if at := l.at - (l.rank - len(shape)); at >= 0 && shape[at] != 1 {
			s.adapt(slot{u.node, k}, at, false)
		}
	}
	s.feed(u.node.Output(0), l)
}

// first visits a layer with weights that reads the input.
func (s *surgery) first(u slot, l layout) {
	n := u.node
	w := s.slotShape(slot{n, 1})
	own, axis := 1, 1 // the axis that it sums over, in the input and in the weights
	switch n.OpType {
	case "ConvTranspose":
		axis = 0
	case "Gemm":
		axis = int(n.Int("transB", 0) & 1)
	case "MatMul":
		own, axis = l.rank-1, len(w)-2
	}
	switch {
	case w == nil || u.input != 0 || axis < 0:
		s.fail(n, "its weights are computed")
	case l.at != own || n.Int("transA", 0) == 1:
		s.fail(n, "it does not sum over the input's channels")
	case n.Int("group", 1) != 1:
		s.fail(n, "it is grouped: each of its groups reads some of the channels")
	default:
		s.heads[n] = l
		s.report.Heads = append(s.report.Heads, nodeName(n))
		s.adapt(slot{n, 1}, axis, true)
	}
}

// adapt notes that an axis of a stored tensor follows the number of input channels.
func (s *surgery) adapt(at slot, axis int, weights bool) {
	if s.resized[place{at, axis}] || s.quantized(at) {
		return
	}
	s.resized[place{at, axis}] = true
	shape := s.slotShape(at)
	if shape == nil || axis >= len(shape) || shape[axis] != s.count {
		s.fail(at.node, "input %d: want %d entries for the channels on axis %d, got shape %v", at.input, s.count, axis, shape)
		return
	}
	s.later(func() error {
		name, chain, _ := s.origin(at.node.Input(at.input))
		t, err := s.value(at)
		if err != nil {
			return err
		}
		t = orSame(t, s.stored[name].DType())
		now, err := adapted(t, axis, s.classes.Count, weights)
		if err != nil {
			return fmt.Errorf("input %d of node %q: %w", at.input, nodeName(at.node), err)
		}
		return s.settle(at, name, now, chain)
	})
}

// adapted returns t with n entries on an axis: weights are summed for one and repeated and scaled for more;
// other numbers are averaged for one and repeated.
func adapted(t *onnx.Tensor, axis, n int, weights bool) (*onnx.Tensor, error) {
	v, err := t.Float32()
	if err != nil {
		return nil, err
	}
	shape := t.Shape()
	was, outer, inner := shape[axis], product(shape[:axis]), product(shape[axis+1:])
	shape[axis] = n
	if _, err := onnx.Elements(shape); err != nil {
		return nil, err
	}
	scale := float32(1)
	switch {
	case n > 1 && weights:
		scale = float32(was) / float32(n)
	case n == 1 && !weights:
		scale = 1 / float32(was)
	}
	out := make([]float32, outer*n*inner)
	for o := range outer {
		for i := range max(n, was) {
			if n > 1 && i >= n {
				break
			}
			to, from := i%n, i%was
			for k := range inner {
				out[(o*n+to)*inner+k] += v[(o*was+from)*inner+k] * scale
			}
		}
	}
	res, err := onnx.FromFloat32(shape, out)
	if err != nil {
		return nil, err
	}
	res, _, err = res.Convert(t.DType())
	return res, err
}
