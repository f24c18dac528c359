package edit

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// unary reports whether an operator treats every element by itself or along axes of its own choice, and so
// leaves the places of the classes as they are. Further inputs, if any, are small parameters.
func unary(op string) bool {
	return slices.Contains([]string{
		"Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "CastLike", "Ceil", "Celu", "Clip",
		"Cos", "Cosh", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
		"IsInf", "IsNaN", "LRN", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish",
		"Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax",
		"Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Trilu",
	}, op)
}

// elementwise reports whether an operator combines its inputs element by element, with broadcasting.
func elementwise(op string) bool {
	return slices.Contains([]string{
		"Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual", "Less",
		"LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
	}, op)
}

// walk visits a value that has its classes where l says, and everything that it is made from.
func (s *surgery) walk(value string, l layout) {
	if old, ok := s.seen[value]; ok {
		if old != l {
			if n := s.maker[value]; n != nil {
				s.fail(n, "its output has the classes in two ways")
			}
		}
		return
	}
	n := s.maker[value]
	if n == nil {
		if shape := s.shape(value); l.at < len(shape) && shape[l.at] == 1 && l.size(s.count) != 1 {
			return // one channel for all classes
		}
		s.problems = append(s.problems, Problem{Reason: "the class channels come from the model's input " + value})
		return
	}
	if len(s.problems) > longChain {
		return
	}
	s.seen[value] = l
	s.visited[n] = true
	s.visit(n, l)
}

func (s *surgery) visit(n *onnx.Node, l layout) {
	op := n.OpType
	switch {
	case !n.StandardDomain():
		s.fail(n, "an operator of domain %q behind the head is unknown", n.Domain)
	case unary(op):
		s.walk(n.Input(0), l)
	case elementwise(op):
		for k := range n.Inputs {
			s.operand(n, k, l)
		}
	case s.pools(n, l), s.normalizes(n, l), s.moves(n, l), s.joins(n, l), s.multiplies(n, l):
	default:
		s.fail(n, "this operator behind the head is not supported")
	}
}

// operand visits an input that is broadcast against the others: a stored one is resized.
func (s *surgery) operand(n *onnx.Node, k int, l layout) {
	value := n.Input(k)
	if value == "" {
		return
	}
	if name, chain, ok := s.origin(value); ok {
		shape := s.chained(s.stored[name].Shape(), chain)
		if shape == nil {
			s.fail(n, "the shape of its input %q is unknown", value)
			return
		}
		at := l.at - (l.rank - len(shape))
		if a := n.Attr("axis"); a != nil && n.Int("broadcast", 0) == 1 {
			at = l.at - int(a.I)
		} else if n.OpType == "PRelu" && len(shape) == 1 && l.at == 1 && s.m.Opset("") < 9 {
			at = 0
		}
		if at < 0 || at >= len(shape) || shape[at] == 1 && l.size(s.count) != 1 {
			return
		}
		s.resize(slot{n, k}, at, l, s.neutral(n, k))
		return
	}
	shape := s.shape(value)
	switch {
	case shape == nil:
		s.walk(value, l)
	case l.at-(l.rank-len(shape)) < 0:
	case shape[l.at-(l.rank-len(shape))] == 1 && l.size(s.count) != 1: // one channel for all classes
	default:
		s.walk(value, l.on(l.at-(l.rank-len(shape)), len(shape)))
	}
}

// pools visits operators that work on the axes behind the channels.
func (s *surgery) pools(n *onnx.Node, l layout) bool {
	switch n.OpType {
	case "AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "GridSample":
		if l.at > 1 {
			s.fail(n, "it works along the axis of the classes")
			return true
		}
	case "Resize", "Upsample":
		s.resizeSizes(n, l)
	case "Pad":
		s.pads(n, l)
	case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare", "ReduceProd":
		s.reduces(n, l)
		return true
	case "CumSum":
	case "Tile":
		s.fixed(n, s.elements(n.Input(1)), l, 1)
	case "Expand":
		s.target(n, s.elements(n.Input(1)), l.at, l)
		s.operand(n, 0, l)
		return true
	case "ConstantOfShape":
		s.target(n, s.elements(n.Input(0)), l.at, l)
		return true
	default:
		return false
	}
	s.walk(n.Input(0), l)
	return true
}

func (s *surgery) resizeSizes(n *onnx.Node, l layout) {
	at := l.at
	if axes := n.Ints("axes", nil); axes != nil {
		at = slices.IndexFunc(axes, func(a int64) bool { return int(a) == l.at || int(a)+l.rank == l.at })
		if at < 0 {
			return
		}
	}
	if n.OpType == "Resize" && n.Input(3) != "" {
		s.target(n, s.elements(n.Input(3)), at, l)
		return
	}
	if scales := n.Floats("scales", nil); at < len(scales) && scales[at] != 1 {
		s.fail(n, "it resizes the axis of the classes")
	}
	in := 2
	if s.m.Opset("") < 11 {
		in = 1
	}
	if name, _, ok := s.origin(n.Input(in)); ok {
		if v, err := s.stored[name].Float32(); err == nil && at < len(v) && v[at] != 1 {
			s.fail(n, "it resizes the axis of the classes")
		}
	}
}

func (s *surgery) pads(n *onnx.Node, l layout) {
	if n.Input(3) != "" {
		axes, ok := s.numbers(n, "", 3)
		if !ok || slices.ContainsFunc(axes, func(a int64) bool { return int(a) == l.at || int(a)+l.rank == l.at }) {
			s.fail(n, "it may pad the axis of the classes")
		}
		return
	}
	if pads, ok := s.numbers(n, "pads", 1); ok && len(pads) == 2*l.rank && (pads[l.at] != 0 || pads[l.at+l.rank] != 0) {
		s.fail(n, "it pads the axis of the classes")
	}
}

// reduces visits reductions. One over the classes has one channel for all of them.
func (s *surgery) reduces(n *onnx.Node, l layout) {
	axes, ok := s.numbers(n, "axes", 1)
	keep := n.Int("keepdims", 1) == 1
	rank := l.rank
	if !keep {
		rank += len(axes)
	}
	if !ok {
		s.fail(n, "its axes are unknown")
		return
	}
	reduced := make([]bool, rank)
	for _, a := range axes {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || int(a) >= rank {
			s.fail(n, "axis %d is outside a tensor of %d axes", a, rank)
			return
		}
		reduced[a] = true
	}
	at := l.at
	if !keep {
		at = inserted(l.at, reduced)
	} else if reduced[at] {
		delete(s.seen, n.Output(0)) // keeps its one channel
		if s.mentions(n.Input(0)) {
			s.walk(n.Input(0), l)
		}
		return
	}
	s.walk(n.Input(0), l.on(at, rank))
}

// mentions reports whether the classes' channels reach a value: false for a branch with channels of its own.
func (s *surgery) mentions(value string) bool {
	shape := s.shape(value)
	return shape == nil || slices.Contains(shape, s.count)
}

// inserted returns the place in a list with extra entries of entry i of the list without them.
func inserted(i int, extra []bool) int {
	for k, e := range extra {
		if e {
			continue
		}
		if i == 0 {
			return k
		}
		i--
	}
	return len(extra)
}

// normalizes visits normalisations: their stored statistics and affine parameters have a number for each
// class.
func (s *surgery) normalizes(n *onnx.Node, l layout) bool {
	var fills []float32
	at := 0
	switch n.OpType {
	case "BatchNormalization":
		fills = []float32{1, 0, 0, 1}
		if l.at != 1 {
			s.fail(n, "it normalises along another axis than that of the classes")
			return true
		}
	case "InstanceNormalization":
		fills = []float32{1, 0}
		if l.at != 1 {
			s.fail(n, "it normalises along another axis than that of the classes")
			return true
		}
	case "GroupNormalization":
		fills = []float32{1, 0}
		s.groups(n, l)
		if l.at != 1 {
			s.fail(n, "it normalises along another axis than that of the classes")
			return true
		}
	case "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization":
		fills = []float32{1, 0}
		axis := int(n.Int("axis", -1))
		if axis < 0 {
			axis += l.rank
		}
		at = l.at - axis
	default:
		return false
	}
	for i, fill := range fills {
		if n.Input(i+1) == "" || at < 0 {
			continue
		}
		if s.follows(n.Input(i + 1)) {
			continue
		}
		if name, chain, ok := s.origin(n.Input(i + 1)); ok {
			if shape := s.chained(s.stored[name].Shape(), chain); at < len(shape) && shape[at] == 1 && l.size(s.count) != 1 {
				continue
			}
		}
		s.resize(slot{n, i + 1}, at, l, filling{value: fill})
	}
	s.walk(n.Input(0), l)
	return true
}

// follows reports whether a computed value is one stored number, expanded to a size that is computed too and
// so follows the number of classes by itself.
func (s *surgery) follows(value string) bool {
	for range longChain {
		n := s.maker[value]
		switch {
		case n == nil:
			return false
		case n.OpType == "Cast", n.OpType == "CastLike", n.OpType == "Identity":
			value = n.Input(0)
		case n.OpType == "Expand":
			name, _, ok := s.origin(n.Input(0))
			_, _, fixed := s.origin(n.Input(1))
			return ok && !fixed && s.stored[name].Len() == 1
		default:
			return false
		}
	}
	return false
}

// groups changes a GroupNormalization's number of groups, if there is a way.
func (s *surgery) groups(n *onnx.Node, l layout) {
	groups, now := int(n.Int("num_groups", 1)), l.size(s.classes.Count)
	switch {
	case groups == l.size(s.count):
		s.later(func() error { n.SetAttr(onnx.IntAttr("num_groups", int64(now))); return nil })
	case groups < 1 || now%groups != 0:
		s.fail(n, "%d channels do not make %d groups", now, groups)
	}
}
