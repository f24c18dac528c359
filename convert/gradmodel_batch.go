package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// loopVoxels is the size of an image above which the images of a batch go through the model one by one: it then
// keeps the processor busy by itself, and the memory that a batch would take counts.
const loopVoxels = 1 << 18

// errBatch says that a model cannot be exported for any batch at once.
var errBatch = errors.New("the graph depends on the size of the batch in a way that cannot be freed")

// freeBatch returns the gradient model with a free batch: from two exports at different sizes where that works,
// else with a loop over the images around an export for one.
func (s *gradientSource) freeBatch() (*onnx.Model, error) {
	if product(s.shape) <= loopVoxels {
		for _, sizes := range [][2]int{{2, 3}, {5, 7}} {
			m, err := s.diffed(sizes[0], sizes[1])
			if err == nil {
				return s.method.finish(m, s), nil
			}
			if errors.Is(err, context.Canceled) {
				return nil, err
			}
		}
	}
	m, err := s.core(1)
	if err != nil {
		return nil, err
	}
	return overBatch(s.method.finish(m, s)), nil
}

// diffed exports at two batch sizes, merges both and checks the result at others.
func (s *gradientSource) diffed(a, b int) (*onnx.Model, error) {
	small, err := s.core(a)
	if err != nil {
		return nil, err
	}
	large, err := s.core(b)
	if err != nil {
		return nil, err
	}
	fixed, err := onnx.Encode(small)
	if err != nil {
		return nil, err
	}
	merged := merger{small: small, large: large, a: int64(a), b: int64(b), made: map[string]string{}}
	if err := merged.run(); err != nil {
		return nil, err
	}
	free, err := onnx.Encode(small)
	if err != nil {
		return nil, err
	}
	if err := s.verify(fixed, free, a); err != nil {
		return nil, err
	}
	return onnx.Read(bytes.NewReader(free), int64(len(free)))
}

// verify runs the free model at batch 1 and at one more than the fixed model's, and compares every image with the
// fixed model's answer. It fails when images of a batch influence each other.
func (s *gradientSource) verify(fixed, free []byte, batch int) error {
	o := ort.Options{Library: s.options.Library, Threads: s.options.Threads, NoArena: true}
	f, err := ort.OpenBytes(fixed, o)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := ort.OpenBytes(free, o)
	if err != nil {
		return err
	}
	defer g.Close()
	images, weights := noiseFor(f.Inputs(), batch+1)
	run := func(r onnx.Runner, from, n int) (map[string]*onnx.Tensor, error) {
		in := map[string]*onnx.Tensor{}
		for i, rows := range [][][]float32{images, weights} {
			info := f.Inputs()[i]
			t, err := onnx.FromFloat32(append([]int{n}, info.Shape[1:]...), slices.Concat(rows[from:from+n]...))
			if err != nil {
				return nil, err
			}
			in[info.Name] = t
		}
		return r.Run(context.Background(), in)
	}
	first, err := run(f, 0, batch)
	if err != nil {
		return err
	}
	all, err := run(g, 0, batch+1)
	if err != nil {
		return err
	}
	last, err := run(g, batch, 1)
	if err != nil {
		return err
	}
	for name, whole := range all {
		n := whole.Len() / (batch + 1)
		if whole.Len() == 0 || first[name].Len() != n*batch || last[name].Len() != n {
			return errBatch
		}
		w, err1 := whole.Float32()
		a, err2 := first[name].Float32()
		z, err3 := last[name].Float32()
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if !near(w[:n*batch], a) || !near(w[n*batch:], z) {
			return errBatch
		}
	}
	return nil
}

// noiseFor draws rows for image and weight.
func noiseFor(infos []onnx.ValueInfo, rows int) (images, weights [][]float32) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	for range rows {
		images = append(images, draw(product(infos[0].Shape[1:])))
		weights = append(weights, draw(product(infos[1].Shape[1:])))
	}
	return images, weights
}

// near compares with a tolerance of 1e-3 of the largest value: single precision sums in another order are far
// below, images that influence each other far above.
func near(a, b []float32) bool {
	top, worst := 0.0, 0.0
	for i, v := range b {
		top = max(top, math.Abs(float64(v)))
		worst = max(worst, math.Abs(float64(v-a[i])))
	}
	return worst <= 1e-3*top || top == 0
}

// merger turns an export at batch a into one for every batch, by what is different in another at batch b: a number
// that is u at a and v at b is taken for the linear function of the batch through both.
type merger struct {
	small, large *onnx.Model
	a, b         int64
	made         map[string]string // values made so far
	nodes        []*onnx.Node
}

func (m *merger) run() error {
	x, y := m.small.Graph(), m.large.Graph()
	if len(x.Nodes) != len(y.Nodes) {
		return errBatch
	}
	for i, n := range x.Nodes {
		if err := m.node(n, y.Nodes[i]); err != nil {
			return err
		}
	}
	x.Nodes = append(m.nodes, x.Nodes...)
	for _, list := range [][]onnx.ValueInfo{x.Inputs, x.Outputs} {
		for i := range list {
			list[i] = freed(list[i])
		}
	}
	x.Values = nil
	dropUnused(x)
	return nil
}

// freed is a value with a free batch.
func freed(v onnx.ValueInfo) onnx.ValueInfo {
	v.Shape = slices.Clone(v.Shape)
	v.Shape[0] = -1
	v.Dims = make([]string, len(v.Shape))
	v.Dims[0] = "batch"
	return v
}

// node compares a node with its twin and frees what is different in its inputs.
func (m *merger) node(n, twin *onnx.Node) error {
	if n.OpType != twin.OpType || len(n.Inputs) != len(twin.Inputs) || !sameAttrs(n, twin) {
		return errBatch
	}
	for k := range n.Inputs {
		u, ok := m.small.Initializer(n.Inputs[k])
		v, also := m.large.Initializer(twin.Inputs[k])
		if ok != also {
			return errBatch
		}
		if !ok {
			continue
		}
		name, err := m.constant(u, v)
		if err != nil {
			return err
		}
		if name != "" {
			n.Inputs[k] = name
		}
	}
	return nil
}

// sameAttrs compares the attributes of two nodes, of which compute-onnx writes only plain ones.
func sameAttrs(a, b *onnx.Node) bool {
	if len(a.Attrs) != len(b.Attrs) {
		return false
	}
	for _, p := range a.Attrs {
		q := b.Attr(p.Name)
		if q == nil || p.Kind != q.Kind || p.I != q.I || p.F != q.F || p.S != q.S ||
			!slices.Equal(p.Ints, q.Ints) || !slices.Equal(p.Floats, q.Floats) || !reflect.DeepEqual(p.Strings, q.Strings) {
			return false
		}
		if p.T != nil && !sameTensor(p.T, q.T) {
			return false
		}
	}
	return true
}

func sameTensor(a, b *onnx.Tensor) bool {
	if b == nil || a.DType() != b.DType() || !slices.Equal(a.Shape(), b.Shape()) {
		return false
	}
	p, err1 := a.Bytes()
	q, err2 := b.Bytes()
	return err1 == nil && err2 == nil && bytes.Equal(p, q)
}

// constant returns the name of a value that is u at batch a and v at batch b, "" where both are the same.
func (m *merger) constant(u, v *onnx.Tensor) (string, error) {
	if sameTensor(u, v) {
		return "", nil
	}
	if u.DType() != onnx.Int64 || v.DType() != onnx.Int64 || !slices.Equal(u.Shape(), v.Shape()) || len(u.Shape()) > 1 {
		return "", errBatch
	}
	p, err := u.Int64()
	if err != nil {
		return "", err
	}
	q, err := v.Int64()
	if err != nil {
		return "", err
	}
	slope, offset := make([]int64, len(p)), make([]int64, len(p))
	for i := range p {
		slope[i] = (q[i] - p[i]) / (m.b - m.a)
		offset[i] = p[i] - slope[i]*m.a
		if slope[i]*m.b+offset[i] != q[i] {
			return "", errBatch
		}
	}
	return m.linear(u.Shape(), slope, offset)
}

// linear makes the value slope*batch + offset.
func (m *merger) linear(shape []int, slope, offset []int64) (string, error) {
	key := fmt.Sprint(shape, slope, offset)
	if name, ok := m.made[key]; ok {
		return name, nil
	}
	if len(m.made) == 0 {
		if err := m.batch(); err != nil {
			return "", err
		}
	}
	name := fmt.Sprintf("batch/%d", len(m.made))
	m.made[key] = name
	for suffix, values := range map[string][]int64{"/slope": slope, "/offset": offset} {
		t, err := onnx.FromInt64(shape, values)
		if err != nil {
			return "", err
		}
		if err := m.small.AddInitializer(name+suffix, t); err != nil {
			return "", err
		}
	}
	m.nodes = append(m.nodes,
		&onnx.Node{OpType: "Mul", Inputs: []string{name + "/slope", "batch/size"}, Outputs: []string{name + "/part"}},
		&onnx.Node{OpType: "Add", Inputs: []string{name + "/part", name + "/offset"}, Outputs: []string{name}})
	return name, nil
}

// batch makes the size of the batch, a scalar.
func (m *merger) batch() error {
	zero, err := onnx.FromInt64(nil, []int64{0})
	if err != nil {
		return err
	}
	m.nodes = append(m.nodes,
		&onnx.Node{OpType: "Shape", Inputs: []string{GradientImage}, Outputs: []string{"batch/shape"}},
		&onnx.Node{OpType: "Gather", Inputs: []string{"batch/shape", "batch/zero"}, Outputs: []string{"batch/size"}})
	return m.small.AddInitializer("batch/zero", zero)
}

// dropUnused removes the initializers that no node reads.
func dropUnused(g *onnx.Graph) {
	used := map[string]bool{}
	for _, n := range g.Nodes {
		for _, in := range n.Inputs {
			used[in] = true
		}
	}
	g.Initializers = slices.DeleteFunc(g.Initializers, func(i *onnx.Initializer) bool { return !used[i.Name] })
}
