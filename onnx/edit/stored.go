package edit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Init says how new weights start.
type Init string

// Kaiming is PyTorch's default for new layers: uniform within 1/sqrt(fan in). Zero is zero.
const (
	Kaiming Init = ""
	Zero    Init = "zero"
)

// filling says what new entries hold.
type filling struct {
	value  float32
	bound  float64 // above 0: uniform random numbers within it
	keep   bool    // if all old entries are equal, their value
	repeat bool    // the first old entry of the axis
	kept   []bool  // entries of axis 0 that go on as they were: 0 for what is new on axis 1
}

// slotShape returns the shape of a stored tensor where a node uses it, nil for a computed one.
func (s *surgery) slotShape(at slot) []int {
	name, chain, ok := s.origin(at.node.Input(at.input))
	if !ok {
		return nil
	}
	return s.chained(s.stored[name].Shape(), chain)
}

// chained returns a stored tensor's shape behind the nodes of a chain, nil if that is unknown.
func (l *links) chained(shape []int, chain []*onnx.Node) []int {
	for _, n := range chain {
		var err error
		if shape, err = l.through(n, shape); err != nil {
			return nil
		}
	}
	if shape == nil {
		shape = []int{}
	}
	return shape
}

// through returns the shape of what a chain's node makes of a shape.
func (l *links) through(n *onnx.Node, in []int) ([]int, error) {
	switch n.OpType {
	case "Transpose":
		return permuted(in, n.Ints("perm", nil)), nil
	case "Reshape":
		return l.reshapedStored(n, in)
	case "Flatten":
		axis := int(n.Int("axis", 1))
		if axis < 0 {
			axis += len(in)
		}
		if axis < 0 || axis > len(in) {
			return nil, fmt.Errorf("axis %d of Flatten is outside %v", axis, in)
		}
		return []int{product(in[:axis]), product(in[axis:])}, nil
	case "Squeeze", "Unsqueeze":
		return l.squeezed(n, in)
	}
	return in, nil
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func (l *links) reshapedStored(n *onnx.Node, in []int) ([]int, error) {
	to, ok := l.numbers(n, "shape", 1)
	if !ok {
		return nil, errors.New("the target of a Reshape is computed")
	}
	out := make([]int, len(to))
	rest, free := product(in), -1
	for i, v := range to {
		switch {
		case v == 0 && n.Int("allowzero", 0) == 0 && i < len(in):
			v = int64(in[i])
		case v == -1:
			free = i
			continue
		}
		out[i] = int(v)
		if v > 0 {
			rest /= int(v)
		}
	}
	if free >= 0 {
		out[free] = rest
	}
	if product(out) != product(in) {
		return nil, fmt.Errorf("shape %v does not become %v", in, to)
	}
	return out, nil
}

func (l *links) squeezed(n *onnx.Node, in []int) ([]int, error) {
	axes, ok := l.numbers(n, "axes", 1)
	if !ok {
		return nil, errors.New("the axes of " + n.OpType + " are unknown")
	}
	long := len(in)
	if n.OpType == "Unsqueeze" {
		long += len(axes)
	}
	extra := make([]bool, long)
	for _, a := range axes {
		if a < 0 {
			a += int64(long)
		}
		if a < 0 || int(a) >= long {
			return nil, fmt.Errorf("axis %d of %s is outside %v", a, n.OpType, in)
		}
		extra[a] = true
	}
	var out []int
	next := 0
	for i, e := range extra {
		switch {
		case n.OpType == "Squeeze" && !e:
			out = append(out, in[i])
		case n.OpType == "Unsqueeze" && e:
			out = append(out, 1)
		case n.OpType == "Unsqueeze" && next < len(in):
			out = append(out, in[next])
			next++
		}
	}
	return out, nil
}

// value returns a stored tensor as a node sees it.
func (s *surgery) value(at slot) (*onnx.Tensor, error) {
	name, chain, ok := s.origin(at.node.Input(at.input))
	if !ok {
		return nil, fmt.Errorf("input %d of node %q is computed", at.input, nodeName(at.node))
	}
	return s.apply(s.stored[name], chain)
}

// apply computes a chain of a stored tensor.
func (s *surgery) apply(t *onnx.Tensor, chain []*onnx.Node) (*onnx.Tensor, error) {
	for _, n := range chain {
		shape, err := s.through(n, t.Shape())
		if err != nil {
			return nil, err
		}
		raw, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		switch n.OpType {
		case "DequantizeLinear":
			return nil, errors.New("the weights are quantized")
		case "Cast":
			if t, err = cast(t, onnx.DType(n.Int("to", 1))); err != nil {
				return nil, err
			}
			continue
		case "Transpose":
			raw = transposed(raw, t.Shape(), n.Ints("perm", nil), t.DType().Bits()/8)
		}
		if t, err = onnx.NewTensor(t.DType(), shape, raw); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func cast(t *onnx.Tensor, to onnx.DType) (*onnx.Tensor, error) {
	if t.DType().Float() {
		out, _, err := t.Convert(to)
		return out, err
	}
	v, err := t.Int64()
	if err != nil {
		return nil, err
	}
	return fromInts(to, t.Shape(), v)
}

// fromInts returns a tensor of int64 or int32.
func fromInts(dtype onnx.DType, shape []int, v []int64) (*onnx.Tensor, error) {
	switch dtype {
	case onnx.Int64:
		return onnx.FromInt64(shape, v)
	case onnx.Int32:
		raw := make([]byte, 4*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint32(raw[4*i:], uint32(int32(x)))
		}
		return onnx.NewTensor(dtype, shape, raw)
	}
	return nil, fmt.Errorf("want integers of 32 or 64 bits, got %v", dtype)
}

// transposed reorders elements of size bytes.
func transposed(raw []byte, shape []int, perm []int64, size int) []byte {
	if perm == nil {
		for i := range shape {
			perm = append(perm, int64(len(shape)-1-i))
		}
	}
	strides := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= shape[i]
	}
	out := make([]byte, 0, len(raw))
	index := make([]int, len(perm))
	for range len(raw) / max(size, 1) {
		from := 0
		for i, p := range perm {
			from += index[i] * strides[p]
		}
		out = append(out, raw[from*size:(from+1)*size]...)
		for i := len(perm) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[perm[i]] {
				break
			}
			index[i] = 0
		}
	}
	return out
}

// quantized reports a slot with integer weights as a problem.
func (s *surgery) quantized(at slot) bool {
	_, chain, _ := s.origin(at.node.Input(at.input))
	for _, n := range chain {
		if n.OpType == "DequantizeLinear" {
			s.fail(at.node, "its weights are quantized: edit the float model and quantize again")
			return true
		}
	}
	return false
}

// resize notes that an axis of a stored tensor, as a node sees it, follows the number of classes.
func (s *surgery) resize(at slot, axis int, l layout, f filling) {
	if s.resized[place{at, axis}] {
		return
	}
	s.resized[place{at, axis}] = true
	shape := s.slotShape(at)
	name, _, _ := s.origin(at.node.Input(at.input))
	switch {
	case shape == nil:
		s.fail(at.node, "input %d, which has a number for each class, is computed", at.input)
	case s.quantized(at):
	case axis >= len(shape) || shape[axis] != l.size(s.count):
		s.fail(at.node, "input %d: want %d entries for the classes on axis %d, got shape %v", at.input, l.size(s.count), axis, shape)
	case s.stored[name].DType().Bits()%8 != 0 || !s.stored[name].DType().Float() && s.stored[name].DType() != onnx.Int64:
		s.fail(at.node, "input %d: numbers of type %v for each class", at.input, s.stored[name].DType())
	default:
		s.later(func() error {
			t, err := s.value(at)
			if err != nil {
				return err
			}
			return s.replace(at, t, axis, l, f)
		})
	}
}

// replace stores the resized form of t, which is the tensor as the node sees it.
func (s *surgery) replace(at slot, t *onnx.Tensor, axis int, l layout, f filling) error {
	name, chain, _ := s.origin(at.node.Input(at.input))
	sources := l.sources(s.count, s.classes.Count, s.classes.From)
	if s.stored[name].DType().Float() {
		t = orSame(t, s.stored[name].DType())
	}
	now, err := resized(t, axis, sources, f, s.stream(at, axis))
	if err != nil {
		return fmt.Errorf("input %d of node %q: %w", at.input, nodeName(at.node), err)
	}
	return s.settle(at, name, now, chain)
}

// settle stores what a node is to see in place of a stored tensor: where it was, or in a copy when others use
// that too.
func (s *surgery) settle(at slot, name string, now *onnx.Tensor, chain []*onnx.Node) error {
	was := s.stored[name].Shape()
	change := Change{Node: nodeName(at.node), Was: was}
	var err error
	if back, ok := s.inverse(now, chain); ok && s.private(name, chain) {
		err = s.put(name, back)
		now = back
	} else {
		name, err = s.attach(at, name, now, chain)
		change.Copied = true
	}
	change.Name, change.Now = name, now.Shape()
	s.report.Tensors = append(s.report.Tensors, change)
	return err
}

// orSame returns t in another type, or t where that is impossible.
func orSame(t *onnx.Tensor, to onnx.DType) *onnx.Tensor {
	if c, _, err := t.Convert(to); err == nil {
		return c
	}
	return t
}

// stream returns the random numbers of a slot, which depend on nothing but the seed and the place.
func (s *surgery) stream(at slot, axis int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %d", nodeName(at.node), at.input, axis)
	return rand.New(rand.NewPCG(s.classes.Seed, h.Sum64()))
}

// resized returns t with new entries along an axis: copies of the sources, -1 for new ones.
func resized(t *onnx.Tensor, axis int, sources []int, f filling, rng *rand.Rand) (*onnx.Tensor, error) {
	shape := t.Shape()
	outer, inner := product(shape[:axis]), product(shape[axis+1:])
	was := shape[axis]
	shape[axis] = len(sources)
	n, err := onnx.Elements(shape)
	if err != nil {
		return nil, err
	}
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	fresh, err := f.make(t, shape, n, rng)
	if err != nil {
		return nil, err
	}
	block := inner * t.DType().Bits() / 8
	for o := range outer {
		for i, from := range sources {
			if from < 0 && f.repeat && was > 0 {
				from = 0
			}
			switch {
			case from < 0 && axis == 1 && o < len(f.kept) && f.kept[o]:
				clear(fresh[(o*len(sources)+i)*block:][:block])
			case from >= 0:
				copy(fresh[(o*len(sources)+i)*block:][:block], raw[(o*was+from)*block:])
			}
		}
	}
	return onnx.NewTensor(t.DType(), shape, fresh)
}

// make returns the bytes of new entries for a whole tensor.
func (f filling) make(t *onnx.Tensor, shape []int, n int, rng *rand.Rand) ([]byte, error) {
	if !t.DType().Float() {
		return make([]byte, n*t.DType().Bits()/8), nil
	}
	value := f.value
	if f.keep {
		old, err := t.Float32()
		if err != nil {
			return nil, err
		}
		if len(old) > 0 && !slices.ContainsFunc(old, func(v float32) bool { return v != old[0] }) {
			value = old[0]
		}
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = value
		if f.bound > 0 {
			v[i] = float32((2*rng.Float64() - 1) * f.bound)
		}
	}
	filled, err := onnx.FromFloat32(shape, v)
	if err != nil {
		return nil, err
	}
	if filled, _, err = filled.Convert(t.DType()); err != nil {
		return nil, err
	}
	return filled.Bytes()
}

// inverse takes a tensor back through a chain to how it is stored; false where the chain fixes shapes.
func (s *surgery) inverse(t *onnx.Tensor, chain []*onnx.Node) (*onnx.Tensor, bool) {
	for _, n := range slices.Backward(chain) {
		switch n.OpType {
		case "Identity", "Cast", "CastLike": // replace made the type the stored one
		case "Transpose":
			perm := n.Ints("perm", nil)
			back := make([]int64, len(t.Shape()))
			for i := range back {
				if perm == nil {
					back[i] = int64(len(back) - 1 - i)
				} else {
					back[perm[i]] = int64(i)
				}
			}
			raw, err := t.Bytes()
			if err != nil {
				return nil, false
			}
			turned, err := onnx.NewTensor(t.DType(), permuted(t.Shape(), back), transposed(raw, t.Shape(), back, t.DType().Bits()/8))
			if err != nil {
				return nil, false
			}
			t = turned
		case "Unsqueeze", "Squeeze":
			axes, _ := s.numbers(n, "axes", 1)
			shape, ok := unsqueezed(n.OpType == "Squeeze", t.Shape(), axes)
			raw, err := t.Bytes()
			if err != nil || !ok {
				return nil, false
			}
			if t, err = onnx.NewTensor(t.DType(), shape, raw); err != nil {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return t, true
}

// unsqueezed returns a shape with axes of size 1 more, or less.
func unsqueezed(more bool, shape []int, axes []int64) ([]int, bool) {
	long := len(shape)
	if more {
		long += len(axes)
	}
	var out []int
	next := 0
	for i := range long {
		extra := slices.ContainsFunc(axes, func(a int64) bool { return int(a) == i || int(a)+long == i })
		switch {
		case more && extra:
			out = append(out, 1)
		case more:
			if next >= len(shape) {
				return nil, false
			}
			out = append(out, shape[next])
			next++
		case !extra:
			out = append(out, shape[i])
		}
	}
	return out, true
}

// private reports whether a stored tensor and the chain behind it have no use but one.
func (s *surgery) private(name string, chain []*onnx.Node) bool {
	values := []string{name}
	for _, n := range chain {
		values = append(values, n.Output(0))
	}
	for _, v := range values {
		if _, out := s.g.Output(v); out || len(s.uses[v]) > 1 || s.inner[v] {
			return false
		}
	}
	return true
}

// put gives a stored tensor another value.
func (s *surgery) put(name string, t *onnx.Tensor) error {
	s.stored[name] = t
	for i := range s.g.Values {
		if s.g.Values[i].Name == name {
			s.g.Values[i].Shape = t.Shape()
		}
	}
	if n := s.maker[name]; n != nil {
		n.Attrs = []onnx.Attr{onnx.TensorAttr("value", t)}
		s.forget(name)
		return nil
	}
	s.forget(name)
	return s.m.ReplaceInitializer(name, t)
}

// forget removes the declared types of what is made of a stored tensor alone.
func (s *surgery) forget(name string) {
	for _, u := range s.uses[name] {
		if handsOn(u.node) && u.input == 0 {
			for _, o := range u.node.Outputs {
				s.g.Values = slices.DeleteFunc(s.g.Values, func(v onnx.ValueInfo) bool { return v.Name == o })
				delete(s.shapes, o)
				s.forget(o)
			}
		}
	}
}

// store is put for a tensor whose chain need not be inverted; one that others use is copied for this user.
func (s *surgery) store(user slot, name string, t *onnx.Tensor) error {
	_, chain, _ := s.origin(user.node.Input(user.input))
	if s.private(name, chain) {
		return s.put(name, t)
	}
	seen, err := s.apply(t, chain)
	if err != nil {
		return err
	}
	_, err = s.attach(user, name, seen, nil)
	return err
}

// attach gives one user a stored tensor of its own.
func (s *surgery) attach(at slot, name string, t *onnx.Tensor, chain []*onnx.Node) (string, error) {
	for _, n := range chain { // the node wants the type that the chain's casts made
		if n.OpType == "Cast" {
			var err error
			if t, _, err = t.Convert(onnx.DType(n.Int("to", 1))); err != nil {
				return "", err
			}
		}
	}
	fresh := s.unused(name + ".classes")
	if err := s.m.AddInitializer(fresh, t); err != nil {
		return "", err
	}
	if s.m.IRVersion < 4 { // such models list initializers among their inputs
		info := onnx.ValueInfo{Name: fresh, DType: t.DType(), Shape: t.Shape(), Dims: make([]string, len(t.Shape()))}
		s.g.DefaultInputs = append(s.g.DefaultInputs, info)
	}
	old := at.node.Inputs[at.input]
	at.node.Inputs[at.input] = fresh
	s.stored[fresh] = t
	s.uses[old] = slices.DeleteFunc(s.uses[old], func(u slot) bool { return u == at })
	s.uses[fresh] = append(s.uses[fresh], at)
	s.orphans = append(s.orphans, old)
	return fresh, nil
}
