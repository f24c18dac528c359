package edit

import (
	"math"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/onnx"
)

// multiplies visits layers with weights: the heads, where a walk ends.
func (s *surgery) multiplies(n *onnx.Node, l layout) bool {
	switch n.OpType {
	case "Conv", "ConvTranspose":
		s.convolution(n, l)
	case "Gemm":
		s.gemm(n, l)
	case "MatMul":
		s.matMul(n, l)
	case "Einsum":
		s.einsum(n, l)
	case "LSTM", "GRU", "RNN":
		s.fail(n, "a recurrent layer makes the class channels, whose state would have to change too")
	default:
		return false
	}
	return true
}

func (s *surgery) convolution(n *onnx.Node, l layout) {
	if l.at != 1 {
		s.fail(n, "the classes are not on its channel axis")
		return
	}
	w := s.slotShape(slot{n, 1})
	groups := int(max(n.Int("group", 1), 1))
	if len(w) < 3 {
		s.fail(n, "its weights are computed or have a strange shape")
		return
	}
	made, axis := w[0], 0
	if n.OpType == "ConvTranspose" {
		made, axis = w[1]*groups, 1
	}
	if made == 1 && l.size(s.count) != 1 {
		return // one channel for all classes
	}
	if groups > 1 && groups == made && w[0] == made && w[1] == 1 && s.sameRows(n) {
		s.depthwise(n, l)
		return
	}
	s.head(n, l)
	fan := 1
	for _, d := range w[2:] {
		fan *= d
	}
	if n.OpType == "Conv" {
		fan *= w[1] * groups
	} else {
		fan *= l.size(s.classes.Count) // as PyTorch counts it: axis 1 of the weights
	}
	if groups > 1 {
		s.ungroup(n, l, groups, axis, fan)
	} else {
		s.resize(slot{n, 1}, axis, l, s.weights(fan))
	}
	if n.Input(2) != "" && !s.follows(n.Input(2)) {
		s.resize(slot{n, 2}, 0, l, s.biases(fan))
	}
}

// depthwise visits a convolution of each class by itself with the same weights, as upsampling is written: it
// stays so, and the classes come from before.
func (s *surgery) depthwise(n *onnx.Node, l layout) {
	s.resize(slot{n, 1}, 0, l, filling{repeat: true})
	if n.Input(2) != "" {
		s.resize(slot{n, 2}, 0, l, filling{keep: true})
	}
	s.later(func() error { n.SetAttr(onnx.IntAttr("group", int64(l.size(s.classes.Count)))); return nil })
	s.walk(n.Input(0), l)
}

// sameRows reports whether a node's weights are the same for each entry of their first axis.
func (s *surgery) sameRows(n *onnx.Node) bool {
	t, err := s.value(slot{n, 1})
	if err != nil {
		return false
	}
	raw, err := t.Bytes()
	rows := t.Shape()[0]
	if err != nil || rows < 1 {
		return false
	}
	size := len(raw) / rows
	for i := 1; i < rows; i++ {
		if !slices.Equal(raw[:size], raw[i*size:(i+1)*size]) {
			return false
		}
	}
	return true
}

func (s *surgery) gemm(n *onnx.Node, l layout) {
	w := s.slotShape(slot{n, 1})
	if l.at != 1 || len(w) != 2 {
		s.fail(n, "its weights are computed or the classes are on another axis")
		return
	}
	axis := 1 - int(n.Int("transB", 0)&1)
	s.head(n, l)
	s.resize(slot{n, 1}, axis, l, s.weights(w[1-axis]))
	c := s.slotShape(slot{n, 2})
	switch {
	case n.Input(2) == "":
	case c == nil:
		s.fail(n, "its bias is computed")
	case len(c) == 0, c[len(c)-1] == 1 && l.size(s.count) != 1:
	default:
		s.resize(slot{n, 2}, len(c)-1, l, s.biases(w[1-axis]))
	}
}

func (s *surgery) matMul(n *onnx.Node, l layout) {
	for k := range 2 {
		w := s.slotShape(slot{n, k})
		if w == nil {
			continue
		}
		own, row := l.rank-1, len(w)-1 // the axis that these weights make, in the result and in them
		if k == 0 {
			own, row = l.rank-2, len(w)-2
		}
		switch {
		case len(w) < 2:
			s.fail(n, "a product with a vector makes the class channels")
		case l.at == own && w[row] == 1 && l.size(s.count) != 1:
		case l.at == own:
			s.head(n, l)
			s.resize(slot{n, k}, row, l, s.weights(w[2*len(w)-3-row]))
		default:
			s.operandProduct(n, l, 1-k)
		}
		return
	}
	if l.at != l.rank-1 {
		s.operandProduct(n, l, 0)
	}
	if l.at != l.rank-2 {
		s.operandProduct(n, l, 1)
	}
}

// operandProduct follows an axis of a product into one of its factors.
func (s *surgery) operandProduct(n *onnx.Node, l layout, k int) {
	if shape := s.shape(n.Input(k)); shape != nil && len(shape) != l.rank {
		s.fail(n, "its factors have different ranks")
		return
	}
	s.walk(n.Input(k), l)
}

func (s *surgery) einsum(n *onnx.Node, l layout) {
	left, out, ok := strings.Cut(strings.ReplaceAll(n.String("equation", ""), " ", ""), "->")
	terms := strings.Split(left, ",")
	if !ok || strings.Contains(left, ".") || len(out) != l.rank || len(terms) != len(n.Inputs) {
		s.fail(n, "its equation is not understood")
		return
	}
	for k, term := range terms {
		at := strings.IndexByte(term, out[l.at])
		if at < 0 {
			continue
		}
		w := s.slotShape(slot{n, k})
		if w == nil {
			s.walk(n.Input(k), l.on(at, len(term)))
			continue
		}
		if len(w) != len(term) {
			s.fail(n, "its equation does not fit its weights")
			return
		}
		fan := 1
		for i, d := range w {
			if !strings.Contains(out, term[i:i+1]) {
				fan *= d
			}
		}
		s.head(n, l)
		s.resize(slot{n, k}, at, l, s.weights(fan))
	}
}

// einsumAxis returns the axis of the result that the stored factor alone has, -1 for none.
func (s *surgery) einsumAxis(n *onnx.Node) int {
	left, out, _ := strings.Cut(strings.ReplaceAll(n.String("equation", ""), " ", ""), "->")
	terms := strings.Split(left, ",")
	for k, term := range terms {
		if k >= len(n.Inputs) || len(terms) != len(n.Inputs) || s.slotShape(slot{n, k}) == nil {
			continue
		}
		others := strings.Join(slices.Delete(slices.Clone(terms), k, k+1), "")
		for i := range out {
			if strings.Contains(term, out[i:i+1]) && !strings.Contains(others, out[i:i+1]) {
				return i
			}
		}
	}
	return -1
}

func (s *surgery) head(n *onnx.Node, l layout) {
	s.heads[n] = l
	if !slices.Contains(s.report.Heads, nodeName(n)) {
		s.report.Heads = append(s.report.Heads, nodeName(n))
	}
}

// takes lets a layer with weights take the changed class channels as its input: it goes on with those of the
// old classes that stay. New ones count for nothing where the layer's result is to stay as it was.
func (s *surgery) takes(n *onnx.Node, k int, l layout) bool {
	w := s.slotShape(slot{n, 1})
	if k != 0 || len(w) < 2 || !n.StandardDomain() {
		return false
	}
	f := filling{}
	switch n.OpType {
	case "Conv":
		if l.at != 1 || n.Int("group", 1) != 1 {
			return false
		}
		if out, head := s.heads[n]; head {
			f = s.weights(s.fanIn(n))
			for _, old := range out.sources(s.count, s.classes.Count, s.classes.From) {
				f.kept = append(f.kept, old >= 0)
			}
		}
		s.resize(slot{n, 1}, 1, l, f)
	case "ConvTranspose":
		if l.at != 1 || n.Int("group", 1) != 1 {
			return false
		}
		s.resize(slot{n, 1}, 0, l, f)
	case "Gemm":
		if l.at != 1 || n.Int("transA", 0) != 0 {
			return false
		}
		s.resize(slot{n, 1}, int(n.Int("transB", 0)&1), l, f)
	case "MatMul":
		if l.at != l.rank-1 {
			return false
		}
		s.resize(slot{n, 1}, len(w)-2, l, f)
	default:
		return false
	}
	s.report.Mixed = true
	return true
}

// ungroup makes a grouped convolution an ordinary one with zeros where groups were apart, because the new
// number of classes need not fit the groups; what it computes for old classes is the same.
func (s *surgery) ungroup(n *onnx.Node, l layout, groups, axis, fan int) {
	at := slot{n, 1}
	if s.quantized(at) {
		return
	}
	s.resized[place{at, axis}] = true
	s.later(func() error {
		t, err := s.value(at)
		if err != nil {
			return err
		}
		full, err := dense(t, groups)
		if err != nil {
			return err
		}
		n.SetAttr(onnx.IntAttr("group", 1))
		return s.replace(at, full, axis, l, s.weights(fan))
	})
}

// dense returns a grouped convolution's weights as those of an ordinary one. Conv [out, in/groups, ...] and
// ConvTranspose [in, out/groups, ...] grow alike, along their second axis.
func dense(t *onnx.Tensor, groups int) (*onnx.Tensor, error) {
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	shape := t.Shape()
	full := slices.Clone(shape)
	full[1] *= groups
	n, err := onnx.Elements(full)
	if err != nil {
		return nil, err
	}
	out := make([]byte, n*t.DType().Bits()/8)
	row := len(raw) / max(shape[0], 1) // bytes of one entry of the first axis
	for i := range shape[0] {
		group := i * groups / shape[0]
		copy(out[i*row*groups+group*row:], raw[i*row:(i+1)*row])
	}
	return onnx.NewTensor(t.DType(), full, out)
}

// neutral says how new entries of a stored operand start: so that they change nothing, or as a bias.
func (s *surgery) neutral(n *onnx.Node, k int) filling {
	switch n.OpType {
	case "Add", "Sum":
		for i, v := range n.Inputs {
			if head := s.productOf(v); i != k && head != nil {
				return s.biases(s.fanIn(head))
			}
		}
		return filling{value: 0}
	case "Sub", "Or", "Xor", "BitwiseOr", "BitwiseXor":
		return filling{value: 0}
	case "PRelu":
		return filling{value: 0.25, keep: true}
	case "Mul", "Div", "Pow":
		return filling{value: 1, keep: true}
	}
	return filling{keep: true}
}

// productOf returns the layer without a bias of its own whose result a value is, nil when it is none.
func (s *surgery) productOf(value string) *onnx.Node {
	for range longChain {
		n := s.maker[value]
		if n == nil {
			return nil
		}
		switch n.OpType {
		case "MatMul", "Einsum":
			return n
		case "Conv", "ConvTranspose", "Gemm":
			if n.Input(2) != "" {
				return nil
			}
			return n
		case "Cast", "Identity", "Transpose", "Reshape":
			value = n.Input(0)
		default:
			return nil
		}
	}
	return nil
}

// fanIn returns the number of products that one result of a layer sums.
func (s *surgery) fanIn(n *onnx.Node) int {
	w := s.slotShape(slot{n, 1})
	fan := 1
	switch {
	case len(w) < 2:
	case n.OpType == "Gemm":
		return w[n.Int("transB", 0)&1]
	case n.OpType == "Conv", n.OpType == "ConvTranspose":
		for _, d := range w[1:] {
			fan *= d
		}
	default:
		return w[len(w)-2]
	}
	return fan
}

func (s *surgery) weights(fan int) filling { return start(s.classes.Weights, fan) }

func (s *surgery) biases(fan int) filling { return start(s.classes.Biases, fan) }

func start(how Init, fan int) filling {
	if how == Zero {
		return filling{}
	}
	return filling{bound: 1 / math.Sqrt(float64(max(fan, 1)))}
}
